//! What comes through the relay: checks, handshakes, and media on its way to the others.

use std::sync::Arc;
use std::time::Instant;

use super::endpoint::{Inbound, Outbound, Stage};
use super::engine::Engine;
use super::packet::{self, Control, Packet};
use super::stun::Check;
use super::turn::{AllocationId, Relayed};
use super::wire::Wire;

impl Engine {
    /// A message came to the relay.
    pub(super) fn handle_relay(&mut self, wire: &Wire, data: &[u8], now: Instant) {
        let relayed = self.turn.handle(wire, data, now);
        let count = self.turn.count;
        self.note(|record| record.allocations = count);
        let Some(Relayed {
            peer,
            allocation,
            payload,
        }) = relayed
        else {
            return;
        };
        let Some(topic) = self.topic_of(&peer) else {
            return;
        };
        match payload.first() {
            Some(0..=3) => self.handle_check(&topic, &peer, allocation, &payload, (wire, now)),
            Some(20..=63) => self.handle_handshake(&topic, &peer, &payload, now),
            Some(128..=191) => {
                let length = u64::try_from(payload.len()).unwrap_or_default();
                let transport = wire.transport;
                self.note(|record| *record.media_bytes.entry(transport).or_default() += length);
                self.handle_media(&topic, &peer, &payload, now);
            }
            _ => {}
        }
        self.follow(&topic, now);
    }

    fn handle_check(
        &mut self,
        topic: &str,
        id: &str,
        allocation: AllocationId,
        payload: &[u8],
        (wire, now): (&Wire, Instant),
    ) {
        let Some(check) = Check::read(payload) else {
            return;
        };
        let identity = Arc::clone(&self.identity);
        let Some(peer) = self.rooms.get_mut(topic).and_then(|room| room.get_mut(id)) else {
            return;
        };
        let password = peer.endpoint.password();
        let answer = check.success(wire.from, password, identity.crypto.crypto());
        self.turn.send(allocation, &answer, now);
        peer.endpoint.handle_check(allocation, check.nominates);
        peer.flush(&mut self.turn, now);
    }

    fn handle_handshake(&mut self, topic: &str, id: &str, payload: &[u8], now: Instant) {
        let mut failed = None;
        let Some(peer) = self.rooms.get_mut(topic).and_then(|room| room.get_mut(id)) else {
            return;
        };
        match peer.secure.handle(payload, now) {
            Ok(true) => peer.endpoint.handle_secured(),
            Ok(false) => {}
            Err(error) => failed = Some(error.to_string()),
        }
        peer.flush(&mut self.turn, now);
        if let Some(why) = failed {
            self.note(|record| record.refusals.push(format!("{id}: DTLS: {why}")));
        }
    }

    fn handle_media(&mut self, topic: &str, id: &str, payload: &[u8], now: Instant) {
        let is_control = packet::is_control(payload);
        let Some(peer) = self.rooms.get_mut(topic).and_then(|room| room.get_mut(id)) else {
            return;
        };
        let Some(opened) = peer.secure.open(payload, is_control) else {
            return;
        };
        if is_control {
            return self.handle_control(topic, id, &opened);
        }
        let Some(packet) = Packet::read(&opened) else {
            return;
        };
        let before = peer.heard.replace(now);
        let mut inbound = peer.endpoint.inbound.iter_mut();
        let Some(track) = inbound.find_map(|it| it.takes(&packet).then_some(it)) else {
            let why = format!("the ssrc {} belongs to no track", packet.ssrc);
            return self.crash(topic, id, &why, now);
        };
        let extensions = &track.section.extensions;
        if let Some(number) = packet
            .extensions
            .iter()
            .map(|(number, _)| number)
            .find(|number| !extensions.contains_key(number))
        {
            let why = format!("Failed to find extension with id {number}");
            return self.crash(topic, id, &why, now);
        }
        if packet.payload_type != track.section.encoding.payload_type {
            // A retransmission, which this little server never asks for; or padding.
            return;
        }
        let is_shown = track.shows(packet.ssrc);
        let track = track.id.clone();
        if let Some(before) = before {
            self.note(|record| {
                let longest = record.pauses.entry(id.to_owned()).or_default();
                *longest = now.saturating_duration_since(before).max(*longest);
            });
        }
        if is_shown {
            self.forward(topic, id, &track, &packet);
        }
    }

    fn forward(&mut self, topic: &str, id: &str, track: &str, packet: &Packet<'_>) {
        for (_, peer) in self
            .rooms
            .get_mut(topic)
            .into_iter()
            .flatten()
            .filter(|it| it.0 != id)
        {
            let wanted = |it: &&Outbound| it.id == track && it.stage == Stage::Linked;
            let found = peer.endpoint.outbound.iter().find(wanted);
            let to = found.and_then(|it| Some((it.ssrc, it.section.as_ref()?)));
            if let Some((ssrc, section)) = to {
                let data = packet.forward(ssrc, section.encoding.payload_type);
                peer.send(&mut self.turn, &data);
            }
        }
    }

    fn handle_control(&mut self, topic: &str, id: &str, data: &[u8]) {
        for control in packet::controls(data) {
            let Some(room) = self.rooms.get_mut(topic) else {
                return;
            };
            match control {
                Control::Keyframe(ssrc) => {
                    let mut mine = room
                        .get(id)
                        .into_iter()
                        .flat_map(|it| &it.endpoint.outbound);
                    if let Some(track) = mine.find(|it| it.ssrc == ssrc).map(|it| it.id.clone()) {
                        self.ask_for_keyframes(topic, &[track]);
                    }
                }
                Control::Report(ssrc, body) => {
                    let mut mine = room.get(id).into_iter().flat_map(|it| &it.endpoint.inbound);
                    let mine = mine.find(|it| it.source() == Some(ssrc));
                    let Some(track) = mine.map(|it| it.id.clone()) else {
                        continue;
                    };
                    for (_, peer) in room.iter_mut().filter(|(other, _)| *other != id) {
                        let wanted = |it: &&Outbound| it.id == track && it.stage == Stage::Linked;
                        let to = peer.endpoint.outbound.iter().find(wanted).map(|it| it.ssrc);
                        if let Some(ssrc) = to {
                            peer.send(&mut self.turn, &packet::sender_report(ssrc, &body));
                        }
                    }
                }
            }
        }
    }

    /// Asks whoever sends these tracks for keyframes.
    pub(super) fn ask_for_keyframes(&mut self, topic: &str, tracks: &[String]) {
        let Some(room) = self.rooms.get_mut(topic) else {
            return;
        };
        for peer in room.values_mut() {
            let wanted = peer
                .endpoint
                .inbound
                .iter()
                .filter(|it| tracks.contains(&it.id));
            let ssrcs: Vec<u32> = wanted.filter_map(Inbound::source).collect();
            for ssrc in ssrcs {
                peer.send(&mut self.turn, &packet::picture_loss(ssrc));
            }
        }
    }
}
