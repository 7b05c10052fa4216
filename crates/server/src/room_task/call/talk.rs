//! What a peer says, and what follows from it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use snug_protocol::{
    Ask, Bitrates, Chat, ClientEvent, EncodingSwitched, Gesture, PeerId, ReasonCode, ServerEvent,
    SwitchReason, TrackId, Variant,
};
use snug_room::{Connected, Seat};
use snug_rtp::Rid;

use super::{Call, Dialect, News};
use crate::negotiation::{Offer, OfferError};
use crate::transport::{IceCredentials, LayerReason, TrackKey};

/// The longest metadata kept of a peer or a track, as JSON in bytes: it is repeated to everybody
/// who comes in. What real programs say takes some hundred.
const METADATA_BYTES_MAX: usize = 16 * 1024;

/// What a peer says, read where it arrived, so that reading costs the room nothing.
#[derive(Debug)]
pub(crate) enum Said {
    /// Any event but an offer.
    Event(ClientEvent),
    /// An offer.
    Offer(Box<SaidOffer>),
    /// How many rows of pixels it has for each picture.
    TileHeights(BTreeMap<TrackId, u16>),
    /// Something about roles and rules.
    Ask(Ask),
    /// Something for the chat, at this time of day in milliseconds since the Unix epoch.
    Chat(Chat, u64),
    /// A hand or a reaction.
    Gesture(Gesture),
    /// Makes the room panic, as a defect would.
    #[cfg(test)]
    Fault,
}

/// An offer with what belongs to it.
#[derive(Debug)]
pub(crate) struct SaidOffer {
    /// The session description, or what is wrong with it.
    pub offer: Result<Offer, OfferError>,
    /// What the peer says about its tracks.
    pub about: OfferedTracks,
    /// Our side, should this be a new ICE generation.
    pub fresh_ice: IceCredentials,
}

/// What comes with an offer about the tracks in it.
#[derive(Debug, Default)]
pub(crate) struct OfferedTracks {
    /// Which section sends which of the peer's tracks.
    pub own: BTreeMap<String, TrackId>,
    /// What others shall know of each.
    pub metadata: BTreeMap<TrackId, Value>,
    /// How much each means to send.
    pub bitrates: BTreeMap<TrackId, Bitrates>,
}

impl Call {
    /// Takes what a peer says.
    pub fn handle_said(&mut self, seat: &Seat, said: Said, now: Instant) {
        let is_connect = matches!(
            said,
            Said::Event(ClientEvent::Connect { .. } | ClientEvent::Join { .. })
        );
        let may_speak = self.room.is_current(seat) && (is_connect || self.room.is_seen(&seat.peer));
        if !may_speak && !matches!(said, Said::Event(ClientEvent::Disconnect)) {
            self.ignored.stale += 1;
            return;
        }
        match said {
            Said::Event(event) => self.handle_event(seat, event, now),
            Said::Offer(offer) => self.handle_offer(&seat.peer, *offer, now),
            Said::TileHeights(heights) => self.set_heights(&seat.peer, &heights),
            Said::Ask(ask) => self.handle_ask(&seat.peer, &ask, now),
            Said::Chat(chat, at_ms) => self.handle_chat(&seat.peer, chat, at_ms, now),
            Said::Gesture(gesture) => self.handle_gesture(&seat.peer, gesture, now),
            #[cfg(test)]
            Said::Fault => panic!("as a defect would"),
        }
        self.settle(now);
    }

    fn handle_event(&mut self, seat: &Seat, event: ClientEvent, now: Instant) {
        let peer = &seat.peer;
        match event {
            ClientEvent::Connect { metadata } => {
                self.handle_connect(seat, metadata, Dialect::B);
            }
            ClientEvent::Join { metadata } => self.handle_connect(seat, metadata, Dialect::A),
            ClientEvent::Disconnect => self.room.handle_leave(seat),
            ClientEvent::UpdateEndpointMetadata { metadata } => {
                self.update_endpoint(peer, bounded(metadata), now);
            }
            ClientEvent::UpdateTrackMetadata { track_id, metadata } => {
                self.update_track(peer, &track_id, bounded(metadata), now);
            }
            ClientEvent::EnableTrackEncoding { track_id, encoding } => {
                self.switch_encoding(peer, &track_id, encoding, true, now);
            }
            ClientEvent::DisableTrackEncoding { track_id, encoding } => {
                self.switch_encoding(peer, &track_id, encoding, false, now);
            }
            ClientEvent::RenegotiateTracks => {
                if let Some(member) = self.members.get_mut(peer) {
                    member.negotiation.request();
                }
            }
            ClientEvent::SetTargetTrackVariant { track_id, variant } => {
                self.set_target(peer, &track_id, variant);
            }
            ClientEvent::TrackVariantBitrates { track_id, bitrates } => {
                self.set_bitrates(peer, &track_id, bitrates);
            }
            ClientEvent::PrioritizeTrack { track_id } => self.prefer(peer, &track_id, true),
            ClientEvent::UnprioritizeTrack { track_id } => self.prefer(peer, &track_id, false),
            ClientEvent::Unknown { .. } => self.ignored.unknown += 1,
            // Addresses are learnt from checks (ICE-lite), and every track is forwarded to
            // everybody, whatever its size.
            _ => {}
        }
    }

    fn handle_connect(&mut self, seat: &Seat, metadata: Value, dialect: Dialect) {
        match self.room.handle_connect(seat) {
            Connected::First | Connected::Waiting => {
                let metadata = bounded(metadata);
                self.note_name(&seat.peer, &metadata);
                if let Some(member) = self.members.get_mut(&seat.peer) {
                    member.metadata = metadata;
                    member.dialect = dialect;
                    // Somebody who came back to wait on is told so once more.
                    member.rules = None;
                }
            }
            // The first answer was swallowed by a broken socket.
            Connected::Again => self.tell_connected(&seat.peer),
            Connected::Stale => self.ignored.stale += 1,
        }
    }

    fn handle_offer(&mut self, peer: &PeerId, said: SaidOffer, now: Instant) {
        let SaidOffer {
            offer,
            mut about,
            fresh_ice,
        } = said;
        match offer {
            Ok(offer) => {
                for metadata in about.metadata.values_mut() {
                    *metadata = bounded(std::mem::take(metadata));
                }
                self.negotiate(peer, &offer, about, fresh_ice, now);
            }
            Err(error) => {
                tracing::debug!(%error, "a peer is removed");
                self.room.handle_removal(peer, ReasonCode::BadOffer);
            }
        }
    }

    fn update_endpoint(&mut self, peer: &PeerId, metadata: Value, now: Instant) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        if member.metadata == metadata {
            return;
        }
        member.metadata = metadata.clone();
        self.note_name(peer, &metadata);
        let updated = ServerEvent::EndpointUpdated {
            id: peer.clone(),
            metadata,
        };
        self.tell_others(peer, &updated, now);
    }

    /// Takes new metadata of one of the peer's own tracks.
    pub(super) fn update_track(
        &mut self,
        peer: &PeerId,
        id: &TrackId,
        metadata: Value,
        now: Instant,
    ) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.owner == *peer) else {
            self.ignored.strays += 1;
            return;
        };
        if track.metadata == metadata {
            return;
        }
        track.metadata = metadata.clone();
        let (endpoint_id, track_id) = (peer.clone(), id.clone());
        let updated = ServerEvent::TrackUpdated {
            endpoint_id,
            track_id,
            metadata,
        };
        self.tell_who_knows(id, &updated, now);
    }

    /// Notes which layer of a track the peer wants to see.
    fn set_target(&mut self, peer: &PeerId, id: &TrackId, variant: Variant) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        if !member.negotiation.knows(id) {
            self.ignored.strays += 1;
        } else if member.negotiation.set_target(id, variant) {
            self.set_media(peer);
        }
    }

    /// Notes how high a peer shows each picture; what it does not name is of unknown height.
    fn set_heights(&mut self, peer: &PeerId, heights: &BTreeMap<TrackId, u16>) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        let ids: Vec<TrackId> = member.negotiation.wished().cloned().collect();
        let mut has_changed = false;
        for id in ids {
            let rows = heights.get(&id).copied();
            has_changed |= member.negotiation.set_view(&id, |view| view.rows = rows);
        }
        if has_changed {
            self.set_media(peer);
        }
    }

    /// Notes how much the peer means to send of one of its own tracks.
    fn set_bitrates(&mut self, peer: &PeerId, id: &TrackId, bitrates: Bitrates) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.owner == *peer) else {
            self.ignored.strays += 1;
            return;
        };
        let said = Some(bitrates);
        if track.bitrates != said {
            track.bitrates = said;
            self.set_media(peer);
        }
    }

    /// Tells a peer that it is shown another layer of a track.
    pub(super) fn tell_layer(
        &mut self,
        peer: &PeerId,
        key: TrackKey,
        rid: Rid,
        reason: LayerReason,
        now: Instant,
    ) {
        let track = self.tracks.iter().find(|(_, track)| track.key == key);
        let variant = Variant::from_letter(rid.as_str());
        let (Some((id, track)), Some(encoding)) = (track, variant) else {
            return; // It was on its way while the track ended.
        };
        let member = self.members.get(peer);
        if !member.is_some_and(|member| member.negotiation.knows(id)) {
            return;
        }
        let reason = match reason {
            LayerReason::Wanted => SwitchReason::Other,
            LayerReason::Inactive => SwitchReason::EncodingInactive,
            LayerReason::LowBandwidth => SwitchReason::LowBandwidth,
        };
        let switched = EncodingSwitched {
            endpoint_id: track.owner.clone(),
            track_id: id.clone(),
            encoding,
            reason,
        };
        let event = ServerEvent::EncodingSwitched(switched);
        self.tell_news(peer, &News::of(&event), now);
    }

    /// Notes that a layer is sent or not; said often and repeatedly by some clients.
    fn switch_encoding(
        &mut self,
        peer: &PeerId,
        id: &TrackId,
        encoding: Variant,
        on: bool,
        now: Instant,
    ) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.owner == *peer) else {
            self.ignored.strays += 1;
            return;
        };
        let simulcast = &mut track.simulcast;
        let (from, to) = match on {
            true => (
                &mut simulcast.disabled_encodings,
                &mut simulcast.active_encodings,
            ),
            false => (
                &mut simulcast.active_encodings,
                &mut simulcast.disabled_encodings,
            ),
        };
        let Some(index) = from.iter().position(|known| *known == encoding) else {
            return;
        };
        from.remove(index);
        to.push(encoding);
        // What clients are told stays in one order.
        to.sort();
        self.set_media(peer);
        let (endpoint_id, track_id) = (peer.clone(), id.clone());
        let event = match on {
            true => ServerEvent::TrackEncodingEnabled {
                endpoint_id,
                track_id,
                encoding,
            },
            false => ServerEvent::TrackEncodingDisabled {
                endpoint_id,
                track_id,
                encoding,
            },
        };
        self.tell_who_knows(id, &event, now);
    }
}

/// Keeps metadata of a sensible size; anything longer counts as not said.
fn bounded(metadata: Value) -> Value {
    let size = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    if size > METADATA_BYTES_MAX {
        Value::Null
    } else {
        metadata
    }
}
