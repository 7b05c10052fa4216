//! What a peer says, and what follows from it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use snug_protocol::{ClientEvent, PeerId, ReasonCode, ServerEvent, TrackId, Variant};
use snug_room::{Connected, Seat};

use super::{Call, Letter};
use crate::negotiation::{Offer, OfferError};
use crate::transport::IceCredentials;

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
}

/// An offer with what belongs to it.
#[derive(Debug)]
pub(crate) struct SaidOffer {
    /// The session description, or what is wrong with it.
    pub offer: Result<Offer, OfferError>,
    /// Which section sends which of the peer's tracks.
    pub own: BTreeMap<String, TrackId>,
    /// What the peer says about its tracks.
    pub metadata: BTreeMap<TrackId, Value>,
    /// Our side, should this be a new ICE generation.
    pub fresh_ice: IceCredentials,
}

impl Call {
    /// Takes what a peer says.
    pub fn handle_said(&mut self, seat: &Seat, said: Said, now: Instant) {
        let is_connect = matches!(said, Said::Event(ClientEvent::Connect { .. }));
        let may_speak = self.room.is_current(seat) && (is_connect || self.room.is_seen(&seat.peer));
        if !may_speak && !matches!(said, Said::Event(ClientEvent::Disconnect)) {
            self.ignored.stale += 1;
            return;
        }
        match said {
            Said::Event(event) => self.handle_event(seat, event, now),
            Said::Offer(offer) => self.handle_offer(&seat.peer, *offer, now),
        }
        self.settle(now);
    }

    fn handle_event(&mut self, seat: &Seat, event: ClientEvent, now: Instant) {
        let peer = &seat.peer;
        match event {
            ClientEvent::Connect { metadata } => self.handle_connect(seat, metadata),
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
            ClientEvent::Unknown { .. } => self.ignored.unknown += 1,
            // Addresses are learnt from checks (ICE-lite), and wishes about layers and bitrates
            // have no effect while one layer is forwarded.
            _ => {}
        }
    }

    fn handle_connect(&mut self, seat: &Seat, metadata: Value) {
        match self.room.handle_connect(seat) {
            Connected::First => {
                if let Some(member) = self.members.get_mut(&seat.peer) {
                    member.metadata = bounded(metadata);
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
            own,
            metadata,
            fresh_ice,
        } = said;
        match offer {
            Ok(offer) => {
                let metadata = metadata.into_iter().map(|(id, value)| (id, bounded(value)));
                self.negotiate(peer, &offer, &own, metadata.collect(), fresh_ice, now);
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
        let updated = ServerEvent::EndpointUpdated {
            id: peer.clone(),
            metadata,
        };
        self.tell_others(peer, &Letter::media(&updated), now);
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
        self.tell_who_knows(id, &Letter::media(&updated), now);
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
        self.tell_who_knows(id, &Letter::media(&event), now);
    }

    /// Tells only those who know the track: the npm client fails on others.
    fn tell_who_knows(&mut self, id: &TrackId, letter: &Letter, now: Instant) {
        let knowing = self
            .members
            .iter()
            .filter(|(_, member)| member.negotiation.knows(id));
        let knowing: Vec<PeerId> = knowing.map(|(peer, _)| peer.clone()).collect();
        for peer in knowing {
            self.tell_news(&peer, letter.clone(), now);
        }
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
