//! Datagrams in: checks are answered, handshakes go on, media is opened.

use super::media::Pending;
use super::{Peer, Shard};
use crate::transport::command::TransportEvent;
use crate::transport::demux::{self, Kind};
use crate::transport::dtls::{Dtls, Outcome};
use crate::transport::io::{Path, Via};
use crate::transport::srtp::Refusal;
use crate::transport::stun::{self, Message, RESPONSE_LEN_MAX, Request};
use crate::transport::turn::Turn;
use snug_rtp::Packet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an address stays a peer's own after it was last heard there: the interval of
/// consent checks (RFC 7675 section 5.1). Before, no other peer can take it over by a check
/// with a forged source.
const ADDRESS_HOLD: Duration = Duration::from_secs(5);
/// STUN errors (RFC 8489 section 14.8, RFC 8445 section 7.3.1.1).
const UNKNOWN_ATTRIBUTE: u16 = 420;
const ROLE_CONFLICT: u16 = 487;

impl Shard {
    pub(super) fn handle_inbox(&mut self, now: Instant) {
        self.counters
            .datagrams_received
            .add(self.inbox.len() as u64);
        for slot in 0..self.inbox.len() {
            let (received, data) = self.inbox.datagram(slot);
            if received.is_truncated {
                self.counters.truncated.add(1);
                continue;
            }
            match (demux::classify(data), received.path.via) {
                (Kind::Stun, _) => self.handle_stun(slot, received.path, now),
                (Kind::ChannelData, _) => self.handle_channel_data(slot, received.path, now),
                (kind, Via::Direct) => self.handle_datagram(kind, slot, received.path, now),
                // A stream carries TURN and nothing else.
                (_, Via::Stream(_) | Via::Relay(_)) => self.counters.unknown_kind.add(1),
            }
        }
    }

    /// Takes in what came from a peer, directly or through its allocation.
    pub(super) fn handle_datagram(&mut self, kind: Kind, slot: usize, path: Path, now: Instant) {
        match kind {
            Kind::Rtp => self.handle_rtp(slot, path, now),
            Kind::Rtcp => self.handle_rtcp(slot, path, now),
            Kind::Stun => self.handle_stun(slot, path, now),
            Kind::Dtls => self.handle_dtls(slot, path, now),
            Kind::ChannelData | Kind::Unknown => self.counters.unknown_kind.add(1),
        }
    }

    fn handle_rtp(&mut self, slot: usize, path: Path, now: Instant) {
        let Some((_, peer)) = owner(&self.by_remote, &self.port.turn, &mut self.peers, path) else {
            self.counters.unknown_address.add(1);
            return;
        };
        let Some(session) = peer.session.as_mut() else {
            self.counters.media_early.add(1);
            return;
        };
        let (received, data) = self.inbox.datagram(slot);
        let (header, len) = match session.open_rtp(data) {
            Ok(opened) => opened,
            Err(refusal) => return self.count_refusal(refusal),
        };
        let Ok(packet) = Packet::from_header(header, &data[..len]) else {
            self.counters.srtp_malformed.add(1);
            return;
        };
        peer.note_heard(path, now, &self.counters);
        let room = peer.room;
        let router = self.rooms[room].as_mut().map(|room| &mut room.router);
        let arrived_at = now.checked_sub(received.age).unwrap_or(now);
        let arrival = router.and_then(|router| {
            router.handle_arrival(peer.key, &packet, arrived_at);
            router.handle_rtp(peer.key, &packet, now)
        });
        if let Some(arrival) = arrival {
            self.pending.push(Pending {
                slot,
                room,
                arrival,
                header: arrival.header(),
                len,
            });
        }
    }

    fn handle_rtcp(&mut self, slot: usize, path: Path, now: Instant) {
        let Some((_, peer)) = owner(&self.by_remote, &self.port.turn, &mut self.peers, path) else {
            self.counters.unknown_address.add(1);
            return;
        };
        let Some(session) = peer.session.as_mut() else {
            self.counters.media_early.add(1);
            return;
        };
        let (_, data) = self.inbox.datagram(slot);
        let len = match session.open_rtcp(data) {
            Ok(len) => len,
            Err(refusal) => return self.count_refusal(refusal),
        };
        peer.note_heard(path, now, &self.counters);
        let (room, key) = (peer.room, peer.key);
        if let Some(room) = self.rooms[room].as_mut() {
            room.router.handle_rtcp(key, &data[..len], now);
        }
        self.send_repairs(room, now);
        self.note_restless(room);
    }

    fn count_refusal(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Malformed | Refusal::Exhausted => &self.counters.srtp_malformed,
            Refusal::Replayed => &self.counters.srtp_replayed,
            Refusal::Forged => &self.counters.srtp_forged,
        };
        counter.add(1);
    }

    fn handle_stun(&mut self, slot: usize, path: Path, now: Instant) {
        let (_, data) = self.inbox.datagram(slot);
        let request = match (stun::parse(data), path.via) {
            (Ok(Message::Request(request)), Via::Direct | Via::Relay(_)) => request,
            (Ok(Message::Other), Via::Direct | Via::Stream(_)) => {
                return self.handle_turn(slot, path, now);
            }
            _ => return self.counters.stun_malformed.add(1),
        };
        let owner = self.by_ufrag.get(request.username.0).copied();
        let Some(index) = owner.filter(|index| self.peers[*index].is_some()) else {
            self.counters.stun_refused.add(1);
            return;
        };
        if let Via::Relay(key) = path.via {
            if self.port.turn.owner(key) != Some(index) {
                self.counters.turn_foreign.add(1);
                return;
            }
        } else if is_taken(&self.by_remote, &self.peers, path, index, now) {
            self.counters.address_taken.add(1);
            return;
        }
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        let Ok(believed) = peer.ice.authenticate(&request, now) else {
            self.counters.stun_refused.add(1);
            return;
        };
        let mut response = [0; RESPONSE_LEN_MAX];
        let transaction = &request.transaction;
        if let Some((code, unknown)) = objection(&request) {
            let len = stun::write_error(&mut response, transaction, code, unknown, &believed.key);
            self.port.push(&response[..len], path);
            return;
        }
        let evicted = peer.ice.accept(&believed, path, request.use_candidate, now);
        peer.note_heard(path, now, &self.counters);
        let seen = path.remote;
        let len = stun::write_success(&mut response, transaction, seen, &believed.key);
        self.port.push(&response[..len], path);
        self.counters.stun_answered.add(1);
        if request.use_candidate {
            let (selected, ice) = (peer.ice.path(now), &peer.ice);
            let is_outdated = |relayed| ice.is_outdated(relayed);
            self.port.turn.note_paths(index, selected, is_outdated, now);
        }
        // The peer may use the address on another path still, to another address of ours.
        let gone = evicted.filter(|evicted| {
            evicted.via == Via::Direct && peer.ice.heard_from(evicted.remote).is_none()
        });
        if let Some(evicted) = gone {
            self.by_remote.remove(&evicted.remote);
        }
        if path.via == Via::Direct {
            self.claim(path, index);
        }
    }

    /// Makes an address a peer's own.
    fn claim(&mut self, path: Path, index: usize) {
        let before = self
            .by_remote
            .insert(path.remote, index)
            .filter(|before| *before != index);
        if let Some(before) = before.and_then(|before| self.peers[before].as_mut()) {
            before.ice.forget(path.remote);
        }
    }

    fn handle_dtls(&mut self, slot: usize, path: Path, now: Instant) {
        let Some((index, peer)) = owner(&self.by_remote, &self.port.turn, &mut self.peers, path)
        else {
            self.counters.unknown_address.add(1);
            return;
        };
        let Some(dtls) = peer.dtls.as_mut() else {
            self.counters.dtls_unexpected.add(1);
            return;
        };
        let (_, data) = self.inbox.datagram(slot);
        let outcome = dtls.handle_datagram(data, now);
        if let Some(outcome) = outcome {
            self.handle_outcome(index, outcome, now);
        }
        self.transmit_dtls(index, Some(path), now);
    }

    /// Acts on what a handshake came to.
    pub(super) fn handle_outcome(&mut self, index: usize, outcome: Outcome, now: Instant) {
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        let (key, room) = (peer.key, peer.room);
        let router = self.rooms[room].as_mut().map(|room| &mut room.router);
        match outcome {
            Outcome::Connected(session) => {
                peer.session = Some(session);
                peer.report(TransportEvent::Connected { peer: key }, &self.counters);
                if let Some(router) = router {
                    router.handle_connected(key, now);
                }
                self.send_control(room, now);
            }
            Outcome::Rejected(reason) => {
                tracing::debug!(%reason, "a peer's media was refused");
                peer.session = None;
                peer.report(
                    TransportEvent::Rejected { peer: key, reason },
                    &self.counters,
                );
                if let Some(router) = router {
                    router.handle_disconnected(key);
                }
                // The alert goes out before nobody listens any more.
                self.transmit_dtls(index, None, now);
                if let Some(peer) = self.peers[index].as_mut() {
                    peer.dtls = None;
                }
            }
            Outcome::Closed => {
                peer.session = None;
                peer.report(TransportEvent::Closed { peer: key }, &self.counters);
                if let Some(router) = router {
                    router.handle_disconnected(key);
                }
            }
            Outcome::Failed => self.counters.dtls_failed.add(1),
            Outcome::Data => self.counters.dtls_data_unused.add(1),
        }
    }

    /// Sends what a peer's DTLS has to say: along `path`, else to where its media goes.
    pub(super) fn transmit_dtls(&mut self, index: usize, path: Option<Path>, now: Instant) {
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        let path = peer.ice.path(now).or(path);
        let Some(dtls) = peer.dtls.as_mut() else {
            return;
        };
        while let Some(data) = dtls.poll_transmit() {
            match path {
                Some(path) => self.port.push(&data, path),
                None => self.counters.unreachable.add(1),
            }
        }
        let deadline = Dtls::deadline(dtls);
        self.schedule(deadline);
    }
}

/// Tells whether an address belongs to another peer, which was heard there not long ago.
fn is_taken(
    by_remote: &HashMap<SocketAddr, usize>,
    peers: &[Option<Peer>],
    path: Path,
    index: usize,
    now: Instant,
) -> bool {
    let owner = by_remote.get(&path.remote).filter(|owner| **owner != index);
    let owner = owner.and_then(|owner| peers[*owner].as_ref());
    let heard_at = owner.and_then(|owner| owner.ice.heard_from(path.remote));
    heard_at.is_some_and(|at| now.saturating_duration_since(at) < ADDRESS_HOLD)
}

/// Finds the peer that a path was checked for. What came through an allocation can only be its
/// owner's.
fn owner<'a>(
    by_remote: &HashMap<SocketAddr, usize>,
    turn: &Turn,
    peers: &'a mut [Option<Peer>],
    path: Path,
) -> Option<(usize, &'a mut Peer)> {
    let index = match path.via {
        Via::Direct => *by_remote.get(&path.remote)?,
        Via::Relay(key) => turn.owner(key)?,
        Via::Stream(_) => return None,
    };
    let peer = peers.get_mut(index)?.as_mut()?;
    let is_checked = path.via == Via::Direct || peer.ice.is_checked(path);
    is_checked.then_some((index, peer))
}

/// Says why a believed check is answered by an error.
fn objection<'a>(request: &'a Request<'_>) -> Option<(u16, &'a [u16])> {
    if !request.unknown().is_empty() {
        return Some((UNKNOWN_ATTRIBUTE, request.unknown()));
    }
    // An ICE-lite server is always the controlled side.
    request.is_controlled.then_some((ROLE_CONFLICT, &[]))
}
