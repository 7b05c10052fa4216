//! What the control side wants, done.

use super::{Peer, Room, Shard};
use crate::transport::command::{IceCredentials, TransportCommand, TransportEvent};
use crate::transport::dtls::Dtls;
use crate::transport::ice::Ice;
use crate::transport::turn::RelayAccess;
use snug_sfu::{PeerKey, RoomKey, Router};
use std::time::Instant;
use tokio::sync::mpsc;

impl Shard {
    pub(super) fn handle_command(&mut self, command: TransportCommand, now: Instant) {
        match command {
            TransportCommand::AddPeer {
                peer,
                room,
                ice,
                relay,
                events,
            } => {
                self.add_peer(peer, room, ice, relay, events);
            }
            TransportCommand::SetRemote {
                peer,
                ice,
                fingerprint,
                local_ice,
            } => {
                self.set_remote(peer, &ice, fingerprint, local_ice, now);
            }
            TransportCommand::SetMedia {
                peer,
                publish,
                subscribe,
            } => {
                let Some(index) = self.find(peer) else { return };
                let room = self.peers[index].as_ref().map(|peer| peer.room);
                let Some(room) =
                    room.and_then(|room| self.rooms[room].as_mut().map(|found| (room, found)))
                else {
                    return;
                };
                let (room, found) = room;
                found.router.set_media(peer, publish, subscribe, now);
                let deadline = found.router.deadline();
                self.schedule(deadline);
                self.send_control(room, now);
            }
            TransportCommand::RemovePeer { peer } => {
                if let Some(index) = self.find(peer) {
                    self.remove_peer(index, now);
                }
            }
            #[cfg(test)]
            TransportCommand::Panic => panic!("as a defect would"),
        }
    }

    fn find(&self, peer: PeerKey) -> Option<usize> {
        let index = self.by_key.get(&peer).copied();
        if index.is_none() {
            self.counters.commands_ignored.add(1);
        }
        index
    }

    fn add_peer(
        &mut self,
        key: PeerKey,
        room: RoomKey,
        ice: IceCredentials,
        relay: Option<RelayAccess>,
        events: mpsc::Sender<TransportEvent>,
    ) {
        if self.by_key.contains_key(&key) || self.by_ufrag.contains_key(&ice.ufrag) {
            // Keys are never used again, and 48 random bits do not meet.
            self.counters.commands_ignored.add(1);
            return;
        }
        let room = self.room(room);
        let index = free_slot(&mut self.peers);
        self.by_key.insert(key, index);
        self.by_ufrag.insert(ice.ufrag.clone(), index);
        if let Some(relay) = relay {
            self.port.turn.add_user(index, relay);
        }
        self.peers[index] = Some(Peer {
            key,
            room,
            ice: Ice::new(ice),
            fingerprint: None,
            dtls: None,
            session: None,
            events,
            owed: None,
            heard_at: None,
        });
    }

    /// Returns the place of a room, opening it for its first peer.
    fn room(&mut self, key: RoomKey) -> usize {
        if let Some(&index) = self.by_room.get(&key) {
            return index;
        }
        let index = free_slot(&mut self.rooms);
        self.rooms[index] = Some(Room {
            key,
            router: Router::default(),
        });
        self.by_room.insert(key, index);
        index
    }

    fn set_remote(
        &mut self,
        key: PeerKey,
        remote: &IceCredentials,
        fingerprint: [u8; 32],
        local: IceCredentials,
        now: Instant,
    ) {
        let Some(index) = self.find(key) else { return };
        let taken = self
            .by_ufrag
            .get(&local.ufrag)
            .is_some_and(|owner| *owner != index);
        let Some(peer) = self.peers[index].as_mut().filter(|_| !taken) else {
            self.counters.commands_ignored.add(1);
            return;
        };
        let ufrag = local.ufrag.clone();
        let gone = peer.ice.set_remote(local, remote, now);
        let deadline = peer.ice.deadline();
        if peer.fingerprint != Some(fingerprint) || peer.dtls.is_none() {
            // Another certificate is another DTLS session; the old keys end here. One that was
            // refused may try again.
            peer.fingerprint = Some(fingerprint);
            peer.session = None;
            match Dtls::new(std::sync::Arc::clone(&self.identity), fingerprint) {
                Ok(dtls) => peer.dtls = Some(dtls),
                Err(reason) => {
                    peer.dtls = None;
                    peer.report(
                        TransportEvent::Rejected { peer: key, reason },
                        &self.counters,
                    );
                }
            }
            if let Some(room) = self.rooms[peer.room].as_mut() {
                room.router.handle_disconnected(key);
            }
        }
        for ufrag in gone {
            self.by_ufrag.remove(&ufrag);
        }
        self.by_ufrag.insert(ufrag, index);
        self.schedule(deadline);
    }

    fn remove_peer(&mut self, index: usize, now: Instant) {
        if let Some(dtls) = self.peers[index]
            .as_mut()
            .and_then(|peer| peer.dtls.as_mut())
        {
            dtls.close(now);
        }
        self.transmit_dtls(index, None, now);
        let Some(peer) = self.peers[index].take() else {
            return;
        };
        self.by_key.remove(&peer.key);
        // What the goodbye was wrapped for is flushed already or lies in the outbox.
        self.port.turn.remove_owner(index);
        self.forget_relays();
        for ufrag in peer.ice.ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        for remote in peer.ice.remotes() {
            if self.by_remote.get(&remote) == Some(&index) {
                self.by_remote.remove(&remote);
            }
        }
        // Packets of this turn that were already taken in refer to places that may be filled
        // again; commands come before datagrams, so there are none.
        debug_assert!(self.pending.is_empty(), "commands come before datagrams");
        let Some(room) = self.rooms[peer.room].as_mut() else {
            return;
        };
        room.router.remove_peer(peer.key);
        let is_over = !self
            .peers
            .iter()
            .flatten()
            .any(|other| other.room == peer.room);
        if is_over && let Some(room) = self.rooms[peer.room].take() {
            self.retired += *room.router.counters();
            self.by_room.remove(&room.key);
        }
    }

    /// Forgets peers whose room is gone: a room that dies cannot say goodbye for them, and they
    /// would go on sending each other media that nobody can end.
    pub(super) fn remove_ownerless(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            let peer = self.peers[index].as_ref();
            if peer.is_some_and(|peer| peer.events.is_closed()) {
                self.counters.peers_orphaned.add(1);
                self.remove_peer(index, now);
            }
        }
    }

    /// Ends every session before the thread does.
    pub(super) fn close_all(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            if self.peers[index].is_some() {
                self.remove_peer(index, now);
            }
        }
        self.port.flush();
    }
}

/// Returns a free place, making one when there is none.
fn free_slot<T>(slots: &mut Vec<Option<T>>) -> usize {
    slots.iter().position(Option::is_none).unwrap_or_else(|| {
        slots.push(None);
        slots.len() - 1
    })
}
