//! What follows from an offer: tracks come and go.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use snug_protocol::{
    Bitrates, PeerId, ServerEvent, SimulcastConfig, Track, TrackId, TrackMetadata, TrackSource,
    Variant,
};

use super::streams::Newcomer;
use super::{Action, Call, News, OfferedTracks, Published};
use crate::negotiation::{Agreed, Candidates, MSID_BYTES_MAX, Offer, OwnTrack};
use crate::transport::{Encoding, IceCredentials, Publish, TrackKey, TransportCommand};

/// Bits a second of a camera whose owner says nothing, as the npm client has it.
const CAMERA_BITRATE: u64 = 2_500_000;

/// The least and the most bits a second that an owner is believed to want: below, no picture
/// moves; above, no network of a home carries it.
const BITRATE_LEAST: u64 = 100_000;
const BITRATE_MOST: u64 = 50_000_000;

impl Call {
    /// Answers an offer and tells everybody what changed by it.
    pub(super) fn negotiate(
        &mut self,
        peer: &PeerId,
        offer: &Offer,
        about: OfferedTracks,
        fresh_ice: IceCredentials,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        let fingerprint = &self.site.fingerprint;
        let agreed =
            member
                .negotiation
                .handle_offer(offer, &about.own, fingerprint, fresh_ice, now);
        self.ignored.tracks += u64::try_from(agreed.refused).unwrap_or(u64::MAX);
        if let Some(remote) = &offer.remote {
            self.actions
                .push_back(Action::Transport(TransportCommand::SetRemote {
                    peer: member.key,
                    ice: remote.ice.clone(),
                    fingerprint: remote.fingerprint,
                    local_ice: agreed.local_ice.clone(),
                }));
        }
        let (added, removed) = self.take_over(peer, &agreed, &about);
        self.set_media(peer);
        self.answer(peer, &agreed, now);
        self.tell_removed(peer, &removed, now);
        self.tell_added(peer, added, now);
        for (id, metadata) in about.metadata {
            if self.tracks.contains_key(&id) {
                self.update_track(peer, &id, metadata, now);
            }
        }
    }

    /// Makes the table of tracks say what the peer publishes now. Returns what came and went.
    fn take_over(
        &mut self,
        peer: &PeerId,
        agreed: &Agreed,
        about: &OfferedTracks,
    ) -> (Vec<TrackId>, Vec<TrackId>) {
        let still = |id: &TrackId| agreed.own.iter().any(|own| own.id == *id);
        let mine = self.tracks.iter().filter(|(_, track)| track.owner == *peer);
        let removed: Vec<TrackId> = mine
            .map(|(id, _)| id)
            .filter(|id| !still(id))
            .cloned()
            .collect();
        for id in &removed {
            self.tracks.remove(id);
        }
        let mut added = Vec::new();
        for own in &agreed.own {
            match self.tracks.get_mut(&own.id) {
                Some(known) => {
                    known.take_over(own);
                    let bitrates = about.bitrates.get(&own.id).cloned();
                    known.bitrates = bitrates.or(known.bitrates.take());
                }
                None => {
                    let metadata = about.metadata.get(&own.id).cloned().unwrap_or_default();
                    let bitrates = about.bitrates.get(&own.id).cloned();
                    let key = TrackKey(self.site.keys.next());
                    let stream = self.stream(peer, own, &metadata);
                    let track = Published::new(key, peer, own, stream, metadata, bitrates);
                    self.tracks.insert(own.id.clone(), track);
                    added.push(own.id.clone());
                }
            }
        }
        (added, removed)
    }

    /// Names the stream of a track that is new.
    fn stream(&self, owner: &PeerId, own: &OwnTrack, metadata: &Value) -> String {
        let source = TrackMetadata::from_value(metadata).source;
        let newcomer = Newcomer {
            owner,
            kind: own.kind,
            is_screen: source == Some(TrackSource::Screensharing),
            given: own.stream.as_deref(),
        };
        let mine = self.tracks.values().filter(|track| track.owner == *owner);
        newcomer.stream(&mine.collect::<Vec<_>>())
    }

    /// Sends the answer, the ways to reach us, and what had to wait for the answer.
    fn answer(&mut self, peer: &PeerId, agreed: &Agreed, now: Instant) {
        let answer = ServerEvent::SdpAnswer(agreed.answer.clone());
        self.tell_now(peer, &answer);
        let Some(member) = self.members.get(peer) else {
            return;
        };
        let (port, announced) = (self.site.media_port, &self.site.announced);
        let candidates = Candidates {
            local: member.local,
            port,
            announced,
        }
        .list();
        for candidate in candidates {
            self.tell_now(peer, &ServerEvent::Candidate(candidate));
        }
        let mut released: BTreeMap<PeerId, Vec<TrackId>> = BTreeMap::new();
        for (id, owner) in &agreed.released {
            released.entry(owner.clone()).or_default().push(id.clone());
        }
        for (endpoint_id, track_ids) in released {
            let removed = ServerEvent::TracksRemoved {
                endpoint_id,
                track_ids,
            };
            self.tell_news(peer, &News::of(&removed), now);
        }
    }

    /// Tells the others of new tracks, and wants them for each.
    fn tell_added(&mut self, peer: &PeerId, ids: Vec<TrackId>, now: Instant) {
        if ids.is_empty() {
            return;
        }
        let published = |id: &TrackId| self.tracks.get(id).map(Published::as_track);
        let tracks: BTreeMap<TrackId, Track> = ids
            .iter()
            .filter_map(|id| Some((id.clone(), published(id)?)))
            .collect();
        let added = ServerEvent::TracksAdded {
            endpoint_id: peer.clone(),
            tracks,
        };
        self.tell_others(peer, &added, now);
        for other in self.others(peer) {
            let Some(member) = self.members.get_mut(&other) else {
                continue;
            };
            for id in &ids {
                if let Some(track) = self.tracks.get(id) {
                    member.negotiation.want(id.clone(), track.wanted());
                }
            }
        }
    }

    /// Tells those who may hear it now that tracks are gone, and stops forwarding them.
    fn tell_removed(&mut self, peer: &PeerId, ids: &[TrackId], now: Instant) {
        for other in self.others(peer) {
            let Some(member) = self.members.get_mut(&other) else {
                continue;
            };
            let told: Vec<TrackId> = ids
                .iter()
                .filter(|id| member.negotiation.unwant(id))
                .cloned()
                .collect();
            self.tell_tracks_removed(&other, peer, told, now);
        }
    }

    /// Drops the tracks of a peer that is gone, before the others hear that it is.
    pub(super) fn forget_tracks_of(&mut self, peer: &PeerId, now: Instant) {
        let gone: Vec<TrackId> = self.tracks_of(peer).into_keys().collect();
        self.tracks.retain(|_, track| track.owner != *peer);
        for other in self.others(peer) {
            let Some(member) = self.members.get_mut(&other) else {
                continue;
            };
            let told: Vec<TrackId> = gone
                .iter()
                .filter(|id| member.negotiation.forget(id))
                .cloned()
                .collect();
            self.tell_tracks_removed(&other, peer, told, now);
        }
    }

    fn tell_tracks_removed(
        &mut self,
        receiver: &PeerId,
        owner: &PeerId,
        track_ids: Vec<TrackId>,
        now: Instant,
    ) {
        if track_ids.is_empty() {
            return;
        }
        self.set_media(receiver);
        let removed = ServerEvent::TracksRemoved {
            endpoint_id: owner.clone(),
            track_ids,
        };
        self.tell_news(receiver, &News::of(&removed), now);
    }

    /// Tells the media plane everything that a peer sends and receives.
    pub(super) fn set_media(&mut self, peer: &PeerId) {
        let Some(member) = self.members.get(peer) else {
            return;
        };
        let mine = self.tracks.values().filter(|track| track.owner == *peer);
        self.actions
            .push_back(Action::Transport(TransportCommand::SetMedia {
                peer: member.key,
                publish: mine.map(Published::publish).collect(),
                subscribe: self.subscriptions(member),
            }));
    }

    /// Lists what a peer publishes, as others are told.
    pub(super) fn tracks_of(&self, peer: &PeerId) -> BTreeMap<TrackId, Track> {
        let mine = self.tracks.iter().filter(|(_, track)| track.owner == *peer);
        mine.map(|(id, track)| (id.clone(), track.as_track()))
            .collect()
    }
}

/// Returns how many bits a second the npm client gives a layer when its application says nothing.
fn default_bitrate(variant: Variant) -> u64 {
    match variant {
        Variant::High => CAMERA_BITRATE,
        Variant::Medium => 500_000,
        Variant::Low => 150_000,
    }
}

impl Published {
    pub(super) fn new(
        key: TrackKey,
        owner: &PeerId,
        own: &OwnTrack,
        stream: String,
        metadata: Value,
        bitrates: Option<Bitrates>,
    ) -> Self {
        let simulcast = SimulcastConfig {
            enabled: !own.variants.is_empty(),
            active_encodings: own.variants.clone(),
            disabled_encodings: Vec::new(),
        };
        Self {
            key,
            owner: owner.clone(),
            kind: own.kind,
            stream,
            label: label(key, &own.id),
            metadata,
            simulcast,
            bitrates,
            voice: None,
            own: own.clone(),
        }
    }

    /// Takes over what another offer says of the track. Layers that it says nothing about are
    /// gone for good.
    fn take_over(&mut self, own: &OwnTrack) {
        let SimulcastConfig {
            enabled,
            active_encodings: active,
            disabled_encodings: disabled,
        } = &mut self.simulcast;
        disabled.retain(|variant| own.variants.contains(variant));
        let sent = own.variants.iter().copied();
        *active = sent.filter(|variant| !disabled.contains(variant)).collect();
        *enabled = !own.variants.is_empty();
        self.own = own.clone();
    }

    fn publish(&self) -> Publish {
        let OwnTrack {
            mid,
            encodings,
            payload_type,
            rtx_payload_type,
            red_payload_type,
            extensions,
            wants_estimate,
            ..
        } = &self.own;
        let encodings = encodings.iter().map(|encoding| Encoding {
            is_disabled: self.is_disabled(encoding),
            ..*encoding
        });
        Publish {
            track: self.key,
            kind: self.own.kind,
            mid: mid.clone(),
            encodings: encodings.collect(),
            payload_type: *payload_type,
            rtx_payload_type: *rtx_payload_type,
            red_payload_type: *red_payload_type,
            extensions: *extensions,
            bitrate_max: wants_estimate.then(|| self.bitrate_max()),
        }
    }

    fn is_disabled(&self, encoding: &Encoding) -> bool {
        let variant = encoding
            .rid
            .and_then(|rid| Variant::from_letter(rid.as_str()));
        variant.is_some_and(|variant| self.simulcast.disabled_encodings.contains(&variant))
    }

    /// Returns how many bits a second the owner may send for the track: what it announced, or
    /// what the npm client would, and a quarter more for headers and for the encoder's swings.
    fn bitrate_max(&self) -> u64 {
        let of = |variant: &Variant| match &self.bitrates {
            Some(Bitrates::PerVariant(rates)) => rates.get(variant).copied(),
            _ => None,
        };
        let or_default = |variant: &Variant| of(variant).unwrap_or(default_bitrate(*variant));
        let media = match (&self.bitrates, &self.own.variants[..]) {
            (Some(Bitrates::Total(total)), _) => *total,
            (_, []) => CAMERA_BITRATE,
            (_, variants) => variants.iter().map(or_default).fold(0, u64::saturating_add),
        };
        let media = media.clamp(BITRATE_LEAST, BITRATE_MOST);
        media + media / 4
    }
}

/// Names a track within its stream: the client's own name for it, where `a=msid` can say it.
fn label(key: TrackKey, id: &TrackId) -> String {
    let name = id.as_str().rsplit(':').next().unwrap_or_default();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match (1..=MSID_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_token) {
        true => name.to_owned(),
        false => format!("track-{}", key.0),
    }
}
