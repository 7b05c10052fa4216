//! Peers in rooms: their media events, and their media on its way to the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, Inbound, Out, Outbound, readable};
use super::engine::{Engine, Room};
use super::packet;
use super::secure::Secure;
use super::stun;
use super::turn::{Turn, User};
use super::wire::{self, Port};
use super::{App, Transport};

/// Nothing listens at the announced candidate; the port only has to be some number.
const CANDIDATE_PORT: u16 = 49_152;
/// Pause between two indications that keep a path open.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Somebody who joined.
pub(super) struct Peer {
    pub(super) id: String,
    pub(super) socket: u64,
    /// What they say about themselves, once they are let in.
    pub(super) metadata: Option<Value>,
    pub(super) endpoint: Endpoint,
    pub(super) secure: Secure,
    remote_password: String,
    next_keepalive: Instant,
    /// When media came last.
    pub(super) heard: Option<Instant>,
    _port: Option<Port>,
}

impl Engine {
    /// Makes a peer with an endpoint and a UDP relay of its own.
    pub(super) fn new_peer(&mut self, socket: u64, now: Instant) -> Result<Peer> {
        let id = uuid();
        let at = SocketAddr::new(self.settings.address, 0);
        let port = match self.settings.relays.contains(&Transport::Udp) {
            true => Some(wire::datagrams(
                at,
                self.settings.loses_udp,
                self.lane.clone(),
            )?),
            false => None,
        };
        let candidate = SocketAddr::new(self.settings.address, CANDIDATE_PORT);
        let udp = port
            .iter()
            .map(|port| (Transport::Udp, port.address.port()));
        let all: Vec<(Transport, u16)> = udp.chain(self.streams()).collect();
        let mut servers = Vec::new();
        for wanted in self.settings.relays.clone() {
            for (transport, port) in all.iter().filter(|(it, _)| *it == wanted) {
                servers.push(self.admit(&id, candidate, (*transport, *port)));
            }
        }
        let announced = (json!(servers), candidate, self.identity.fingerprint.clone());
        Ok(Peer {
            id,
            socket,
            metadata: None,
            endpoint: Endpoint::new(announced, self.settings.simulcast, now),
            secure: Secure::new(Arc::clone(&self.identity))?,
            remote_password: String::new(),
            next_keepalive: now,
            heard: None,
            _port: port,
        })
    }

    /// Lets a peer allocate at one relay, and describes that.
    fn admit(&mut self, id: &str, candidate: SocketAddr, at: (Transport, u16)) -> Value {
        let (transport, port) = at;
        // A name for each relay, as each has a secret of its own.
        let username = format!("{}{port}:{id}", 1_700_000_000_u64);
        let password = readable(27);
        let user = User {
            peer: id.to_owned(),
            password: password.clone(),
            candidate,
        };
        self.turn.admit(username.clone(), user);
        let address = self.settings.address.to_string();
        json!({
            "serverAddr": self.settings.relay_name.clone().unwrap_or(address),
            "serverPort": port,
            "transport": transport.as_str(),
            "password": password,
            "username": username,
        })
    }

    pub(super) fn handle_media_event(&mut self, topic: &str, id: &str, data: &str, now: Instant) {
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            return self.crash(topic, id, "a media event that is no JSON", now);
        };
        // Some are nested, and only those: the engine takes exactly one form of each.
        let (nested, event) = match event["type"].as_str() {
            Some("custom") => (true, &event["data"]),
            _ => (false, &event),
        };
        let body = &event["data"];
        match (event["type"].as_str().unwrap_or_default(), nested) {
            ("connect", false) => self.let_in(topic, id, body["metadata"].clone(), now),
            ("updateEndpointMetadata", false) => {
                let data = json!({"id": id, "metadata": body["metadata"]});
                self.tell_others(topic, id, "endpointUpdated", &data);
            }
            ("updateTrackMetadata", false) => self.update_track(topic, id, body),
            ("renegotiateTracks", true) => {
                self.with(topic, id, |peer| peer.endpoint.renegotiate(now));
                self.follow(topic, now);
            }
            ("sdpOffer", true) => self.handle_offer(topic, id, body, now),
            // Candidates of the client are of no interest.
            ("candidate" | "setTargetTrackVariant" | "trackVariantBitrates", true)
            | ("disconnect" | "enableTrackEncoding" | "disableTrackEncoding", false) => {}
            (kind, _) => {
                let why = format!("the media event {kind} in a form that is not its own");
                self.crash(topic, id, &why, now);
            }
        }
    }

    fn with(&mut self, topic: &str, id: &str, change: impl FnOnce(&mut Peer)) {
        let room = self.rooms.get_mut(topic);
        if let Some(peer) = room.and_then(|room| room.get_mut(id)) {
            change(peer);
        }
    }

    fn let_in(&mut self, topic: &str, id: &str, metadata: Value, now: Instant) {
        let Some(room) = self.rooms.get_mut(topic) else {
            return;
        };
        let others: Vec<Value> = others(room, id).map(Peer::describe).collect();
        let known: Vec<(Value, Vec<Outbound>)> = others_with_tracks(room, id);
        let Some(peer) = room.get_mut(id) else {
            return;
        };
        peer.metadata = Some(metadata.clone());
        let (announced, tracks): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        let connected = json!({"id": id, "otherEndpoints": others});
        self.note(|record| record.peers.push((id.to_owned(), metadata.clone())));
        self.say(topic, id, "connected", &connected);
        for data in &announced {
            self.say(topic, id, "tracksAdded", data);
        }
        let added = json!({"id": id, "type": "webrtc", "metadata": metadata});
        self.tell_others(topic, id, "endpointAdded", &added);
        if self.settings.drops_everybody
            && let Some(socket) = self
                .rooms
                .get(topic)
                .and_then(|room| Some(room.get(id)?.socket))
        {
            return self.close(socket, topic, id, "phx_error", now);
        }
        let tracks = tracks.into_iter().flatten().collect();
        self.with(topic, id, |peer| peer.endpoint.add(tracks, now));
        self.follow(topic, now);
    }

    fn update_track(&mut self, topic: &str, id: &str, body: &Value) {
        let metadata = &body["trackMetadata"];
        self.with(topic, id, |peer| {
            let mine = |it: &&mut Inbound| body["trackId"] == it.id;
            if let Some(track) = peer.endpoint.inbound.iter_mut().find(mine) {
                track.metadata = metadata.clone();
            }
        });
        let data = json!({"endpointId": id, "trackId": body["trackId"], "metadata": metadata});
        self.tell_others(topic, id, "trackUpdated", &data);
    }

    fn handle_offer(&mut self, topic: &str, id: &str, body: &Value, now: Instant) {
        let mut answered = Ok(());
        self.with(topic, id, |peer| {
            answered = peer
                .endpoint
                .answer(body)
                .map(|it| peer.remote_password = it);
        });
        match answered {
            Err(why) => self.crash(topic, id, &why, now),
            Ok(()) => {
                self.note(|record| *record.offers.entry(id.to_owned()).or_default() += 1);
                self.follow(topic, now);
            }
        }
    }

    /// Carries out what endpoints of a room want, until none wants anything.
    pub(super) fn follow(&mut self, topic: &str, now: Instant) {
        loop {
            let Some(room) = self.rooms.get_mut(topic) else {
                return;
            };
            let drained = room
                .iter_mut()
                .map(|(id, peer)| (id.clone(), peer.endpoint.drain()));
            let wishes: Vec<(String, Vec<Out>)> = drained.collect();
            let counts = room
                .iter()
                .map(|(id, peer)| (id.clone(), peer.endpoint.generations));
            let counts: Vec<(String, u64)> = counts.collect();
            self.note(|record| record.generations.extend(counts));
            if wishes.iter().all(|(_, wishes)| wishes.is_empty()) {
                return;
            }
            for (id, wishes) in wishes {
                for wish in wishes {
                    self.grant(topic, &id, wish, now);
                }
            }
        }
    }

    fn grant(&mut self, topic: &str, id: &str, wish: Out, now: Instant) {
        match wish {
            Out::Say(event) => {
                let data = json!({"data": event.to_string()});
                if let Some(peer) = self.rooms.get(topic).and_then(|room| room.get(id)) {
                    self.push(topic, peer, "mediaEvent", &data);
                }
            }
            Out::NewTracks(tracks) => self.offer_to_others(topic, id, &tracks, now),
            Out::EndedTracks(tracks) => self.end_for_others(topic, id, &tracks, now),
            Out::Linked(tracks) => self.ask_for_keyframes(topic, &tracks),
        }
    }

    fn offer_to_others(&mut self, topic: &str, id: &str, tracks: &[String], now: Instant) {
        let Some(room) = self.rooms.get_mut(topic) else {
            return;
        };
        let Some(origin) = room.get(id) else {
            return;
        };
        let data = origin.tracks_added(|track| tracks.contains(track));
        let outbound = origin.outbound(|track| tracks.contains(track));
        self.tell_others(topic, id, "tracksAdded", &data);
        for other in self.other_ids(topic, id) {
            // Each receiver knows a track by an ssrc of its own.
            let tracks = outbound.iter().cloned().map(Outbound::renumber).collect();
            self.with(topic, &other, |peer| peer.endpoint.add(tracks, now));
        }
    }

    fn end_for_others(&mut self, topic: &str, id: &str, tracks: &[String], now: Instant) {
        let data = json!({"endpointId": id, "trackIds": tracks});
        self.tell_others(topic, id, "tracksRemoved", &data);
        for other in self.other_ids(topic, id) {
            self.with(topic, &other, |peer| peer.endpoint.end(tracks, now));
        }
    }

    /// The endpoint of a peer crashes, as the engine's do.
    pub(super) fn crash(&mut self, topic: &str, id: &str, why: &str, now: Instant) {
        let Some(peer) = self.rooms.get(topic).and_then(|room| room.get(id)) else {
            return;
        };
        let socket = peer.socket;
        let name = match &peer.metadata {
            Some(metadata) => metadata["displayName"].as_str().unwrap_or(id).to_owned(),
            None => id.to_owned(),
        };
        self.note(|record| record.refusals.push(format!("{name}: {why}")));
        match self.settings.app {
            App::Tutorial => self.close_room(topic, "phx_error", now),
            App::Videoroom => {
                let message = json!({"message": "The endpoint crashed."});
                if let Some(peer) = self.rooms.get(topic).and_then(|room| room.get(id)) {
                    self.push(topic, peer, "error", &message);
                }
                self.close(socket, topic, id, "phx_close", now);
            }
        }
    }

    /// Removes a peer; the others hear of its tracks first.
    pub(super) fn remove_peer(&mut self, topic: &str, id: &str, now: Instant) {
        let room = self.rooms.get_mut(topic);
        let Some(peer) = room.and_then(|room| room.remove(id)) else {
            return;
        };
        self.turn.dismiss(id);
        if self.rooms.get(topic).is_some_and(Room::is_empty) {
            self.rooms.remove(topic);
        }
        if peer.metadata.is_none() {
            return;
        }
        let tracks: Vec<String> = peer
            .endpoint
            .inbound
            .iter()
            .map(|it| it.id.clone())
            .collect();
        if !tracks.is_empty() {
            self.end_for_others(topic, id, &tracks, now);
        }
        self.tell_others(topic, id, "endpointRemoved", &json!({"id": id}));
        self.follow(topic, now);
    }

    /// Tells a peer that it is removed, and removes it.
    pub(super) fn kick(&mut self, id: &str, now: Instant) {
        if let Some(topic) = self.topic_of(id) {
            self.say(&topic, id, "endpointRemoved", &json!({"id": id}));
            self.remove_peer(&topic, id, now);
        }
    }

    pub(super) fn negotiate(&mut self, id: &str, now: Instant) {
        if let Some(topic) = self.topic_of(id) {
            self.with(&topic, id, |peer| peer.endpoint.renegotiate(now));
            self.follow(&topic, now);
        }
    }

    /// Looks at all timers.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let topics: Vec<String> = self.rooms.keys().cloned().collect();
        for topic in topics {
            for peer in self
                .rooms
                .get_mut(&topic)
                .into_iter()
                .flatten()
                .map(|(_, peer)| peer)
            {
                peer.endpoint.handle_timeout(now);
                // A handshake that fails shows as a connection that never comes.
                peer.secure.handle_timeout(now).ok();
                peer.flush(&mut self.turn, now);
                if peer.next_keepalive <= now && !peer.remote_password.is_empty() {
                    peer.next_keepalive = now + KEEPALIVE;
                    let crypto = self.identity.crypto.crypto();
                    let keepalive = stun::keepalive(&peer.remote_password, crypto);
                    peer.send_raw(&mut self.turn, &keepalive, now);
                }
            }
            self.follow(&topic, now);
        }
    }

    fn say(&self, topic: &str, id: &str, kind: &str, data: &Value) {
        let event = json!({"type": kind, "data": data}).to_string();
        if let Some(peer) = self.rooms.get(topic).and_then(|room| room.get(id)) {
            self.push(topic, peer, "mediaEvent", &json!({"data": event}));
        }
    }

    fn tell_others(&self, topic: &str, id: &str, kind: &str, data: &Value) {
        for other in self.other_ids(topic, id) {
            self.say(topic, &other, kind, data);
        }
    }

    /// Everybody else who is let in.
    fn other_ids(&self, topic: &str, id: &str) -> Vec<String> {
        let room = self.rooms.get(topic);
        let peers = room.into_iter().flat_map(|room| others(room, id));
        peers.map(|peer| peer.id.clone()).collect()
    }
}

fn others<'a>(room: &'a Room, id: &'a str) -> impl Iterator<Item = &'a Peer> {
    room.values()
        .filter(move |peer| peer.id != id && peer.metadata.is_some())
}

/// What a newcomer hears of each other's tracks, and those tracks on their way to it.
fn others_with_tracks(room: &Room, id: &str) -> Vec<(Value, Vec<Outbound>)> {
    let known = others(room, id).map(|peer| (peer.tracks_added(|_| true), peer.outbound(|_| true)));
    known.filter(|(_, tracks)| !tracks.is_empty()).collect()
}

impl Peer {
    fn describe(&self) -> Value {
        let mut data = self.tracks_added(|_| true);
        data["id"] = json!(self.id);
        data["type"] = json!("webrtc");
        data["metadata"] = json!(self.metadata);
        data
    }

    fn tracks_added(&self, wanted: impl Fn(&String) -> bool) -> Value {
        let mut metadata = serde_json::Map::new();
        let mut tracks = serde_json::Map::new();
        for track in self
            .endpoint
            .inbound
            .iter()
            .filter(|it| !it.ended && wanted(&it.id))
        {
            let rids = &track.section.rids;
            let simulcast = json!({
                "enabled": !rids.is_empty(),
                "activeEncodings": rids,
                "disabledEncodings": [],
            });
            let described = json!({"metadata": track.metadata, "simulcastConfig": simulcast});
            tracks.insert(track.id.clone(), described);
            metadata.insert(track.id.clone(), track.metadata.clone());
        }
        json!({"endpointId": self.id, "trackIdToMetadata": metadata, "tracks": tracks})
    }

    fn outbound(&self, wanted: impl Fn(&String) -> bool) -> Vec<Outbound> {
        let tracks = self
            .endpoint
            .inbound
            .iter()
            .filter(|it| !it.ended && wanted(&it.id));
        tracks.map(|it| Outbound::new(it, &self.id)).collect()
    }

    /// Seals and sends a packet.
    pub(super) fn send(&mut self, turn: &mut Turn, data: &[u8]) {
        if let Some(sealed) = self.secure.seal(data, packet::is_control(data)) {
            self.send_raw(turn, &sealed, Instant::now());
        }
    }

    fn send_raw(&self, turn: &mut Turn, data: &[u8], now: Instant) {
        if let Some(allocation) = self.endpoint.selected {
            turn.send(allocation, data, now);
        }
    }

    /// Sends what the handshake has to say, once there is a nominated path.
    pub(super) fn flush(&mut self, turn: &mut Turn, now: Instant) {
        while self.endpoint.selected.is_some() {
            let Some(data) = self.secure.poll_transmit() else {
                return;
            };
            self.send_raw(turn, &data, now);
        }
    }
}

/// A random identifier of version 4 (RFC 9562 section 5.4).
fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}
