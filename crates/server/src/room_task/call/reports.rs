//! What the media plane reports, and what follows from it.

use std::time::Instant;

use snug_protocol::{PeerId, ReasonCode};

use super::Call;
use crate::transport::{RejectReason, TransportEvent};

impl Call {
    /// Takes a report of the media plane.
    pub fn handle_transport(&mut self, event: TransportEvent, now: Instant) {
        let Some(peer) = self.peer_of(&event).cloned() else {
            return; // It was on its way while the peer left.
        };
        match event {
            TransportEvent::Connected { .. } => {
                if let Some(member) = self.members.get_mut(&peer) {
                    member.negotiation.handle_connected();
                }
                self.room.handle_heard(&peer, now, now);
            }
            TransportEvent::Heard { at, .. } => self.room.handle_heard(&peer, at, now),
            TransportEvent::Rejected { reason, .. } => {
                let reason = match reason {
                    RejectReason::FingerprintMismatch => ReasonCode::FingerprintMismatch,
                    _ => ReasonCode::MediaRefused,
                };
                self.room.handle_removal(&peer, reason);
            }
            TransportEvent::Layer {
                track, rid, reason, ..
            } => self.tell_layer(&peer, track, rid, reason, now),
            TransportEvent::Voice {
                track, is_speech, ..
            } => self.handle_voice(track, is_speech),
            TransportEvent::Estimate { bitrate, .. } => self.tell_estimate(&peer, bitrate),
            TransportEvent::Paused {
                track, is_paused, ..
            } => self.handle_pause(&peer, track, is_paused, now),
            TransportEvent::Wanted {
                track, encodings, ..
            } => self.tell_wanted(&peer, track, &encodings, now),
            // Clients close their media in many ways and at many times; the channel decides.
            TransportEvent::Closed { .. } => {}
        }
        self.settle(now);
    }

    /// Returns whom a report of the media plane is about, if it is still here.
    pub fn peer_of(&self, event: &TransportEvent) -> Option<&PeerId> {
        let key = match event {
            TransportEvent::Connected { peer }
            | TransportEvent::Heard { peer, .. }
            | TransportEvent::Rejected { peer, .. }
            | TransportEvent::Layer { peer, .. }
            | TransportEvent::Voice { peer, .. }
            | TransportEvent::Estimate { peer, .. }
            | TransportEvent::Paused { peer, .. }
            | TransportEvent::Wanted { peer, .. }
            | TransportEvent::Closed { peer } => peer,
        };
        self.by_key.get(key)
    }
}
