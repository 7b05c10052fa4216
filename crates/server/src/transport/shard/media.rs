//! Media out: each packet to each subscriber, and RTCP to those whom it is for.

use super::{Peer, Port, Shard};
use crate::transport::counters::Counters;
use crate::transport::io::{INBOX_SLOTS, Path};
use crate::transport::keyed::KeyMap;
use crate::transport::srtp::{OVERHEAD_MAX, Session};
use snug_rtp::rtcp::Writer;
use snug_rtp::{Header, Packet};
use snug_sfu::{Arrival, Forwarded, Kind, PeerKey, Router};
use std::time::Instant;

/// The longest RTCP compound before sealing: within the MTU of any path with headers and tag.
const RTCP_LEN_MAX: usize = 1200;

/// A packet of this turn that was opened and belongs to a track.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) slot: usize,
    pub(super) room: usize,
    pub(super) arrival: Arrival,
    pub(super) header: Header,
    pub(super) len: usize,
}

impl Shard {
    /// Writes the packets of this turn for their subscribers: all of a track together, for one
    /// subscriber after the other, sound before pictures.
    pub(super) fn forward_pending(&mut self, now: Instant) {
        for kind in [Kind::Audio, Kind::Video] {
            let mut is_done = [false; INBOX_SLOTS];
            for first in 0..self.pending.len() {
                if is_done[first] || self.pending[first].arrival.kind() != kind {
                    continue;
                }
                let mut group = [0; INBOX_SLOTS];
                let mut count = 0;
                let candidates = self
                    .pending
                    .iter()
                    .zip(&mut is_done)
                    .enumerate()
                    .skip(first);
                for (index, (pending, is_done)) in candidates {
                    if pending.is_same_track(&self.pending[first]) {
                        *is_done = true;
                        group[count] = index;
                        count += 1;
                    }
                }
                self.forward_group(&group[..count], now);
            }
        }
        // Routers speak up when they forward (first reports) and when they take packets in
        // (keyframe requests).
        for index in 0..self.pending.len() {
            self.note_restless(self.pending[index].room);
        }
        self.pending.clear();
        self.settle_rooms(now);
    }

    /// Notes that a room's router may have something to say, or to do by the clock.
    pub(super) fn note_restless(&mut self, room: usize) {
        if !self.restless.contains(&room) {
            self.restless.push(room);
        }
    }

    /// Lets the routers speak that took anything in, once a turn: each look goes over all of a
    /// room's ways.
    fn settle_rooms(&mut self, now: Instant) {
        while let Some(room) = self.restless.pop() {
            self.send_control(room, now);
            let router = self.rooms[room].as_ref().map(|room| &room.router);
            self.schedule(router.and_then(Router::deadline));
        }
    }

    /// Writes the packets of one track for each of its subscribers.
    fn forward_group(&mut self, group: &[usize], now: Instant) {
        let Some(&first) = group.first() else { return };
        let Pending { room, arrival, .. } = self.pending[first];
        let Self {
            rooms,
            pending,
            inbox,
            port,
            peers,
            by_key,
            counters,
            ..
        } = self;
        let Some(room) = rooms[room].as_mut() else {
            return;
        };
        let mut receiver = Receiver::default();
        for subscriber in 0..room.router.subscriber_count(&arrival) {
            for &index in group {
                let Pending {
                    slot,
                    arrival,
                    header,
                    len,
                    ..
                } = pending[index];
                let Ok(packet) = Packet::from_header(header, inbox.bytes(slot, len)) else {
                    continue;
                };
                let out = port.slot();
                let clear_len = out.len() - OVERHEAD_MAX;
                let out_clear = &mut out[..clear_len];
                let Some(forwarded) = room
                    .router
                    .forward(&arrival, subscriber, &packet, now, out_clear)
                else {
                    continue;
                };
                let peer = receiver.find(forwarded.to, by_key, peers, now);
                let Some((session, path)) = peer else {
                    counters.unreachable.add(1);
                    continue;
                };
                match session.seal_rtp(out, forwarded.len) {
                    Ok(len) => port.commit(len, path),
                    Err(_) => counters.seal_failed.add(1),
                }
            }
        }
    }

    /// Sends subscribers what they asked for again.
    pub(super) fn send_repairs(&mut self, room: usize, now: Instant) {
        self.send_each(room, now, |router, out| router.poll_repair(now, out));
    }

    /// Sends what had to wait for its turn, and padding where ways are tried out.
    pub(super) fn send_paced(&mut self, room: usize, now: Instant) {
        self.send_each(room, now, |router, out| router.poll_paced(now, out));
    }

    /// Sends each packet that a room's router writes, as RTP.
    fn send_each(
        &mut self,
        room: usize,
        now: Instant,
        mut poll: impl FnMut(&mut Router, &mut [u8]) -> Option<Forwarded>,
    ) {
        let Self {
            rooms,
            port,
            peers,
            by_key,
            counters,
            ..
        } = self;
        let Some(room) = rooms[room].as_mut() else {
            return;
        };
        let mut receiver = Receiver::default();
        loop {
            let out = port.slot();
            let clear_len = out.len() - OVERHEAD_MAX;
            let Some(packet) = poll(&mut room.router, &mut out[..clear_len]) else {
                return;
            };
            let Some((session, path)) = receiver.find(packet.to, by_key, peers, now) else {
                counters.unreachable.add(1);
                continue;
            };
            match session.seal_rtp(out, packet.len) {
                Ok(len) => port.commit(len, path),
                Err(_) => counters.seal_failed.add(1),
            }
        }
    }

    /// Tells the room what its router noticed; what finds no place there is told later.
    fn tell_notices(&mut self, room: usize) {
        let Some(router) = self.rooms[room].as_mut().map(|room| &mut room.router) else {
            return;
        };
        while let Some(notice) = router.poll_notice() {
            let index = self.by_key.get(&notice.peer()).copied();
            let peer = index.and_then(|index| self.peers[index].as_ref());
            // Nobody needs to know about a peer that is gone.
            if peer.is_some_and(|peer| !peer.take_notice(&notice)) {
                return router.return_notice(notice);
            }
        }
    }

    /// Sends what a room's router has to say, neighbouring packets to one peer as a compound.
    pub(super) fn send_control(&mut self, room: usize, now: Instant) {
        self.tell_notices(room);
        let Self {
            rooms,
            port,
            peers,
            by_key,
            counters,
            ..
        } = self;
        let Some(room) = rooms[room].as_mut() else {
            return;
        };
        let mut receiver = Receiver::default();
        while let Some(report) = room
            .router
            .poll_feedback(now, &mut port.slot()[..RTCP_LEN_MAX])
        {
            match receiver.find(report.to, by_key, peers, now) {
                Some((session, path)) => seal_control(session, port, report.len, path, counters),
                None => counters.unreachable.add(1),
            }
        }
        let mut next = room.router.poll_output();
        while let Some(first) = next.take() {
            let out = port.slot();
            let mut writer = Writer::new(&mut out[..RTCP_LEN_MAX]);
            let to = first.to();
            let mut current = Some(first);
            while let Some(output) = current.take() {
                if output.to() != to || output.write(&mut writer).is_err() {
                    next = Some(output);
                    break;
                }
                current = room.router.poll_output();
            }
            let len = writer.finish();
            if len == 0 {
                // Nothing that a router says is longer than an empty compound.
                next = None;
                continue;
            }
            let mut receiver = Receiver::default();
            match receiver.find(to, by_key, peers, now) {
                Some((session, path)) => seal_control(session, port, len, path, counters),
                None => counters.unreachable.add(1),
            }
        }
    }
}

fn seal_control(
    session: &mut Session,
    port: &mut Port,
    len: usize,
    path: Path,
    counters: &Counters,
) {
    match session.seal_rtcp(port.slot(), len) {
        Ok(len) => port.commit(len, path),
        Err(_) => counters.seal_failed.add(1),
    }
}

impl Pending {
    fn is_same_track(&self, other: &Self) -> bool {
        self.room == other.room && self.arrival.is_same_track(&other.arrival)
    }
}

/// Remembers where the subscriber of the last packet was found.
#[derive(Default)]
struct Receiver {
    last: Option<(PeerKey, usize, Option<Path>)>,
}

impl Receiver {
    /// Finds the keys and the path of a subscriber; none when it cannot be sent to.
    fn find<'a>(
        &mut self,
        key: PeerKey,
        by_key: &KeyMap<PeerKey, usize>,
        peers: &'a mut [Option<Peer>],
        now: Instant,
    ) -> Option<(&'a mut Session, Path)> {
        let (index, path) = match self.last {
            Some((last, index, path)) if last == key => (index, path),
            _ => {
                let index = *by_key.get(&key)?;
                let path = peers.get(index)?.as_ref()?.ice.path(now);
                self.last = Some((key, index, path));
                (index, path)
            }
        };
        let session = peers.get_mut(index)?.as_mut()?.session.as_mut()?;
        Some((session, path?))
    }
}
