//! The media thread: one UDP port, the peers behind it, and the rooms they are in.
//!
//! Rules: one thread owns everything here, so nothing is locked. Each turn of the loop reads a
//! batch, answers checks and handshakes at once, opens media in place, and then writes it out
//! track by track and subscriber by subscriber, so that the packets of a frame to one subscriber
//! lie side by side and leave in one message. Sound goes first. No datagram allocates once its
//! peer is connected. A room lives in one shard; more shards are more of these threads, each
//! with a port of its own.

mod control;
mod datagram;
mod media;
mod relay;

use super::command::{TransportCommand, TransportEvent};
use super::counters::Counters;
use super::dtls::{Dtls, Identity};
use super::handle::Lanes;
use super::ice::Ice;
use super::io::{DatagramIo, INBOX_SLOTS, Inbox, Outbox, Path, Via};
use super::keyed::KeyMap;
use super::srtp::Session;
use super::stream::{Sent, StreamInput, Streams};
use super::turn::Turn;
use media::Pending;
use snug_sfu::{Notice, PeerKey, RoomKey, Router};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// The longest wait: counts are published and expiry is noticed at least this often.
const TURN_MAX: Duration = Duration::from_millis(250);
/// Commands taken between two batches of datagrams, so that a flood of one does not starve the
/// other.
const COMMANDS_PER_TURN: usize = 64;
/// The least time between two reports that a peer was heard.
const HEARD_INTERVAL: Duration = Duration::from_millis(500);
/// How long to rest when reading fails for an unknown cause, rather than spin.
const FAILURE_REST: Duration = Duration::from_millis(10);

/// The state of the media thread.
pub(super) struct Shard {
    identity: Arc<Identity>,
    counters: Arc<Counters>,
    commands: Receiver<TransportCommand>,
    stream_inputs: mpsc::Receiver<StreamInput>,
    is_stopping: Arc<AtomicBool>,
    port: Port,
    inbox: Inbox,
    pending: Vec<Pending>,
    /// Rooms whose routers are to be heard at the end of the turn.
    restless: Vec<usize>,
    peers: Vec<Option<Peer>>,
    by_key: KeyMap<PeerKey, usize>,
    by_ufrag: HashMap<String, usize>,
    by_remote: HashMap<SocketAddr, usize>,
    rooms: Vec<Option<Room>>,
    by_room: KeyMap<RoomKey, usize>,
    /// Counts of rooms that have ended.
    retired: snug_sfu::Counters,
    next_timer: Instant,
}

/// The socket and what waits to be sent.
struct Port {
    io: Box<dyn DatagramIo>,
    outbox: Outbox,
    turn: Turn,
    streams: Streams,
    counters: Arc<Counters>,
}

/// A peer of this shard.
struct Peer {
    key: PeerKey,
    room: usize,
    ice: Ice,
    /// The fingerprint that its offer announced, once there was one.
    fingerprint: Option<[u8; 32]>,
    /// Absent before the offer, and after a rejection.
    dtls: Option<Dtls>,
    session: Option<Box<Session>>,
    events: mpsc::Sender<TransportEvent>,
    /// What the room must hear and had no place for; tried again with the timers.
    owed: Option<TransportEvent>,
    heard_at: Option<Instant>,
}

/// A room of this shard.
struct Room {
    key: RoomKey,
    router: Router,
}

impl Shard {
    pub(super) fn new(
        io: Box<dyn DatagramIo>,
        identity: Arc<Identity>,
        counters: Arc<Counters>,
        lanes: Lanes,
        is_stopping: Arc<AtomicBool>,
    ) -> Self {
        let Lanes { commands, streams } = lanes;
        let port = Port {
            io,
            outbox: Outbox::new(),
            turn: Turn::new(Instant::now()),
            streams: Streams::new(),
            counters: Arc::clone(&counters),
        };
        Self {
            identity,
            counters,
            commands,
            stream_inputs: streams,
            is_stopping,
            port,
            inbox: Inbox::new(),
            pending: Vec::with_capacity(INBOX_SLOTS),
            restless: Vec::with_capacity(INBOX_SLOTS),
            peers: Vec::new(),
            by_key: KeyMap::default(),
            by_ufrag: HashMap::new(),
            by_remote: HashMap::new(),
            rooms: Vec::new(),
            by_room: KeyMap::default(),
            retired: snug_sfu::Counters::default(),
            next_timer: Instant::now(),
        }
    }

    /// Works until it is told to stop or nobody can send commands any more.
    pub(super) fn run(mut self) {
        while !self.is_stopping.load(Ordering::Acquire) {
            let timeout = self.next_timer.saturating_duration_since(Instant::now());
            if let Err(error) = self.port.io.receive(&mut self.inbox, timeout) {
                self.counters.receive_failed.add(1);
                tracing::warn!(%error, "reading from the media port failed");
                self.inbox.clear();
                std::thread::sleep(FAILURE_REST);
            }
            let now = Instant::now();
            if !self.take_commands(now) {
                break;
            }
            self.handle_inbox(now);
            self.forward_pending(now);
            self.take_streams(now);
            if now >= self.next_timer {
                self.handle_timers(now);
            }
            self.port.flush();
        }
        self.close_all(Instant::now());
    }

    /// Takes the commands that wait; returns whether more can come.
    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.try_recv() {
                Ok(command) => self.handle_command(command, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // More may wait, and no wake will tell again.
        self.next_timer = now;
        true
    }

    fn handle_timers(&mut self, now: Instant) {
        self.remove_ownerless(now);
        self.forget_streams();
        self.port.turn.handle_timeout(now);
        self.forget_relays();
        let mut next = now + TURN_MAX;
        for index in 0..self.peers.len() {
            let Some(peer) = self.peers[index].as_mut() else {
                continue;
            };
            peer.pay();
            if let Some(outcome) = peer.dtls.as_mut().and_then(|dtls| dtls.handle_timeout(now)) {
                self.handle_outcome(index, outcome, now);
            }
            self.transmit_dtls(index, None, now);
            let Some(peer) = self.peers[index].as_mut() else {
                continue;
            };
            for ufrag in peer.ice.handle_timeout(now) {
                self.by_ufrag.remove(&ufrag);
            }
            let dtls = peer.dtls.as_ref().and_then(Dtls::deadline);
            for deadline in [dtls, peer.ice.deadline()].into_iter().flatten() {
                next = next.min(deadline);
            }
        }
        let mut sum = self.retired;
        for index in 0..self.rooms.len() {
            let Some(room) = self.rooms[index].as_mut() else {
                continue;
            };
            room.router.handle_timeout(now);
            sum += *room.router.counters();
            self.send_paced(index, now);
            self.send_control(index, now);
            let router = self.rooms[index].as_ref().map(|room| &room.router);
            if let Some(deadline) = router.and_then(Router::deadline) {
                next = next.min(deadline);
            }
        }
        self.counters.publish(&sum);
        self.next_timer = next;
    }

    /// Makes the next look at the timers no later than `at`.
    fn schedule(&mut self, at: Option<Instant>) {
        self.next_timer = at.map_or(self.next_timer, |at| at.min(self.next_timer));
    }
}

impl Port {
    /// Returns room for one datagram, sending what waits when there is none.
    fn slot(&mut self) -> &mut [u8] {
        if self.outbox.is_full() {
            self.flush();
        }
        self.outbox.slot()
    }

    /// Sends the first `len` bytes of the slot with the next flush, wrapped for the client of an
    /// allocation where the path leads through one.
    fn commit(&mut self, len: usize, path: Path) {
        match path.via {
            Via::Direct => self.outbox.commit(len, path),
            Via::Relay(key) => match self.turn.wrap(key, self.outbox.slot(), len) {
                Some((len, client)) => self.commit(len, client),
                None => self.counters.unreachable.add(1),
            },
            Via::Stream(key) => match self.streams.send(key, &self.outbox.slot()[..len]) {
                Sent::Queued => {}
                Sent::Full => self.counters.turn_stream_full.add(1),
                Sent::Gone => self.counters.unreachable.add(1),
            },
        }
    }

    /// Sends a copy of a datagram with the next flush.
    fn push(&mut self, data: &[u8], path: Path) {
        if let Some(place) = self.slot().get_mut(..data.len()) {
            place.copy_from_slice(data);
            self.commit(data.len(), path);
        } else {
            self.counters.send_failed.add(1);
        }
    }

    fn flush(&mut self) {
        if !self.outbox.is_empty() {
            self.io.send(&mut self.outbox, &self.counters);
        }
    }
}

impl Peer {
    /// Reports to the peer's room. What decides about the peer waits until the room takes it, and
    /// the newest of that says all; the rest comes again by itself, and is dropped and counted.
    fn report(&mut self, event: TransportEvent, counters: &Counters) {
        let decides = matches!(
            event,
            TransportEvent::Connected { .. } | TransportEvent::Rejected { .. }
        );
        if decides {
            self.owed = Some(event);
            self.pay();
        } else if !self.pay() || self.events.try_send(event).is_err() {
            counters.events_dropped.add(1);
        }
    }

    /// Reports what is owed; returns whether nothing is any more.
    fn pay(&mut self) -> bool {
        let full = |event| matches!(self.events.try_send(event), Err(TrySendError::Full(_)));
        // A room that is gone is owed nothing.
        if self.owed.is_some_and(full) {
            return false;
        }
        self.owed = None;
        true
    }

    /// Reports what the router noticed; returns false when the room has no place for it now.
    fn take_notice(&self, notice: &Notice) -> bool {
        let event = match *notice {
            Notice::Layer {
                to,
                track,
                rid,
                reason,
            } => TransportEvent::Layer {
                peer: to,
                track,
                rid,
                reason,
            },
            Notice::Voice {
                from,
                track,
                is_speech,
            } => TransportEvent::Voice {
                peer: from,
                track,
                is_speech,
            },
            Notice::Estimate { to, bitrate } => TransportEvent::Estimate { peer: to, bitrate },
            Notice::Paused {
                to,
                track,
                is_paused,
            } => TransportEvent::Paused {
                peer: to,
                track,
                is_paused,
            },
            Notice::Wanted {
                from,
                track,
                encodings,
            } => TransportEvent::Wanted {
                peer: from,
                track,
                encodings,
            },
        };
        !matches!(self.events.try_send(event), Err(TrySendError::Full(_)))
    }

    /// Notes a sign of life, and reports it now and then.
    fn note_heard(&mut self, path: Path, now: Instant, counters: &Counters) {
        self.ice.note_heard(path, now);
        let is_due = self
            .heard_at
            .is_none_or(|at| now.saturating_duration_since(at) >= HEARD_INTERVAL);
        if is_due {
            self.heard_at = Some(now);
            self.report(
                TransportEvent::Heard {
                    peer: self.key,
                    at: now,
                },
                counters,
            );
        }
    }
}

#[cfg(test)]
mod tests;
