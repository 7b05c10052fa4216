//! Roles and rules: what is asked, what is told of them, and media that nobody is to get.
//!
//! The room decides ([`snug_room::Room`]); here it takes effect. What is stopped of somebody is
//! taken out of what every receiver gets, so it holds whatever the sender sends, and also for
//! tracks that come later. The rules are told to Snug programs and to Snug's own page; to others
//! they are as silent as they always were.

use std::time::Instant;

use serde_json::Value;
use snug_protocol::{
    Ask, DisplayName, EndpointMetadata, Medium, Moderation, PeerId, SnugEvent, TrackId,
};

use super::{Call, Letter, Member, Published};
use crate::transport::{Kind, Subscribe};

impl Call {
    /// Takes what somebody asks about rules and people.
    pub(super) fn handle_ask(&mut self, peer: &PeerId, ask: &Ask, now: Instant) {
        if let Err(reason) = self.room.handle_ask(peer, ask) {
            self.ignored.forbidden += 1;
            // Whoever is no Snug program gets nothing for it.
            let refused = SnugEvent::Moderation(Moderation::refused(reason));
            self.tell_snug(peer, &refused, now);
        }
    }

    /// Has those who decide about somebody know their name.
    pub(super) fn note_name(&mut self, peer: &PeerId, metadata: &Value) {
        let said = EndpointMetadata::from_value(metadata).display_name;
        let name = DisplayName::parse(&said).map(|name| name.to_string());
        self.room.handle_name(peer, &name.unwrap_or_default());
    }

    /// Stops forwarding what is stopped of somebody, or goes on with it.
    pub(super) fn apply_silence(&mut self, peer: &PeerId) {
        let mine = self.tracks.iter().filter(|(_, track)| track.owner == *peer);
        let mine: Vec<TrackId> = mine.map(|(id, _)| id.clone()).collect();
        for id in &mine {
            if let Some(key) = self
                .tracks
                .get(id)
                .filter(|it| self.is_silenced(it))
                .map(|it| it.key)
            {
                self.handle_voice(key, false);
            }
        }
        for other in self.others(peer) {
            self.set_media(&other);
        }
    }

    /// Whether a track is forwarded to nobody.
    pub(super) fn is_silenced(&self, track: &Published) -> bool {
        let medium = match track.kind {
            Kind::Audio => Medium::Audio,
            Kind::Video => Medium::Video,
        };
        self.room.silence_of(&track.owner).of(medium)
    }

    /// Lists what a member is to get: what was negotiated without what is stopped.
    pub(super) fn subscriptions(&self, member: &Member) -> Vec<Subscribe> {
        let mut all = member.negotiation.subscriptions();
        let stopped = self.tracks.values().filter(|track| self.is_silenced(track));
        let stopped: Vec<_> = stopped.map(|track| track.key).collect();
        all.retain(|wanted| !stopped.contains(&wanted.track));
        all
    }

    /// Tells everybody for whom something changed how roles and rules stand.
    pub(super) fn tell_rules(&mut self, now: Instant) {
        let listening = self.members.iter().filter(|(_, member)| member.hears_rules);
        let listening: Vec<PeerId> = listening.map(|(peer, _)| peer.clone()).collect();
        for peer in listening {
            let Some(state) = self.room.state_for(&peer) else {
                continue;
            };
            if !state.is_waiting && !self.room.is_seen(&peer) {
                continue;
            }
            let Some(member) = self.members.get_mut(&peer) else {
                continue;
            };
            if member.rules.as_ref() == Some(&state) {
                continue;
            }
            member.rules = Some(state.clone());
            let letter = Letter::snug(&SnugEvent::Moderation(Moderation::State(state)));
            self.deliver(&peer, letter, now);
        }
    }
}
