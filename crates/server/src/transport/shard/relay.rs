//! What comes to the TURN server: taken out of its wrapping, or answered.

use super::Shard;
use crate::transport::demux;
use crate::transport::io::{INBOX_SLOTS, Path, Via};
use crate::transport::stream::{Sent, StreamInput};
use crate::transport::stun::RESPONSE_LEN_MAX;
use crate::transport::turn::Handled;
use std::time::Instant;

impl Shard {
    /// Takes in channel data: the packet path.
    pub(super) fn handle_channel_data(&mut self, slot: usize, path: Path, now: Instant) {
        let (_, data) = self.inbox.datagram(slot);
        let handled = self.port.turn.handle_channel_data(data, path);
        self.conclude_turn(handled, slot, now);
    }

    /// Takes in a message of a TURN method, and answers it.
    pub(super) fn handle_turn(&mut self, slot: usize, path: Path, now: Instant) {
        let (_, data) = self.inbox.datagram(slot);
        let mut response = [0; RESPONSE_LEN_MAX];
        let turn = &mut self.port.turn;
        let handled = turn.handle_message(data, path, now, &mut response);
        if let Handled::Answer(len) = handled {
            self.counters.turn_answered.add(1);
            self.settle(path);
            self.port.push(&response[..len], path);
        }
        self.conclude_turn(handled, slot, now);
        self.forget_relays();
    }

    fn conclude_turn(&mut self, handled: Handled, slot: usize, now: Instant) {
        match handled {
            Handled::Answer(_) => {}
            Handled::Inner(range, path) => {
                self.inbox.unwrap(slot, range, path);
                let (_, data) = self.inbox.datagram(slot);
                let kind = demux::classify(data);
                self.handle_datagram(kind, slot, path, now);
            }
            Handled::Malformed => self.counters.stun_malformed.add(1),
            Handled::Refused => self.counters.turn_refused.add(1),
        }
    }

    /// Tells a connection when its client is no stranger any more.
    fn settle(&mut self, path: Path) {
        let Via::Stream(key) = path.via else { return };
        if self.port.turn.has_allocation(path) && self.port.streams.settle(key) == Sent::Full {
            self.counters.turn_stream_full.add(1);
        }
    }

    /// Takes in what waits of TCP connections, as if it were datagrams.
    pub(super) fn take_streams(&mut self, now: Instant) {
        self.inbox.clear();
        while self.inbox.len() < INBOX_SLOTS {
            match self.stream_inputs.try_recv() {
                Ok(StreamInput::Opened {
                    key,
                    remote,
                    frames,
                }) => self.port.streams.open(key, remote, frames),
                Ok(StreamInput::Frame { key, data }) => {
                    let path = self.port.streams.path(key);
                    if !path.is_some_and(|path| self.inbox.put(path, &data)) {
                        self.counters.turn_refused.add(1);
                    }
                }
                Err(_) => break,
            }
        }
        if self.inbox.len() == INBOX_SLOTS {
            // More may wait, and no wake will tell again.
            self.next_timer = now;
        }
        self.handle_inbox(now);
        self.forward_pending(now);
    }

    /// Ends the allocations of connections that are gone.
    pub(super) fn forget_streams(&mut self) {
        for path in self.port.streams.take_gone() {
            self.port.turn.handle_client_gone(path);
        }
    }

    /// Forgets the paths through allocations that have ended.
    pub(super) fn forget_relays(&mut self) {
        while let Some(ended) = self.port.turn.poll_ended() {
            if let Some(Some(peer)) = self.peers.get_mut(ended.owner) {
                peer.ice.forget(ended.relayed);
            }
            if let Via::Stream(key) = ended.client.via {
                self.port.streams.close(key);
            }
        }
    }
}
