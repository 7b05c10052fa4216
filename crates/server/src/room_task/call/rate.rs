//! What people's ways carry: who hears of it.
//!
//! An unmodified client hears the estimate and, in `encodingSwitched`, why it sees less. What else
//! there is to say, only Snug programs understand: which pictures are off, and which encodings of
//! one's own nobody is shown.

use std::time::Instant;

use snug_protocol::{PeerId, ServerEvent, SnugEvent, TrackId, Variant};

use super::Call;
use crate::transport::{TrackKey, WantedEncodings};

impl Call {
    /// Tells a peer what its way carries.
    pub(super) fn tell_estimate(&mut self, peer: &PeerId, bitrate: u64) {
        // A number in JSON; what a way carries is far below where it loses bits.
        let estimation = bitrate as f64;
        self.tell_now(peer, &ServerEvent::BandwidthEstimation { estimation });
    }

    /// Notes that a peer's way carries a track's pictures no more, or does again.
    pub(super) fn handle_pause(
        &mut self,
        peer: &PeerId,
        key: TrackKey,
        is_paused: bool,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        let paused = &mut member.paused;
        // What has ended meanwhile need not be remembered.
        paused.retain(|key| self.tracks.values().any(|track| track.key == *key));
        match is_paused {
            true => paused.insert(key),
            false => paused.remove(&key),
        };
        let paused = self
            .tracks
            .iter()
            .filter(|(_, track)| paused.contains(&track.key));
        let track_ids = paused.map(|(id, _)| id.clone()).collect();
        self.tell_snug(peer, &SnugEvent::PausedTracks { track_ids }, now);
    }

    /// Tells a publisher which encodings of its track anybody is shown.
    pub(super) fn tell_wanted(
        &mut self,
        peer: &PeerId,
        key: TrackKey,
        wanted: &WantedEncodings,
        now: Instant,
    ) {
        let own =
            |(_, track): &(&TrackId, &super::Published)| track.key == key && track.owner == *peer;
        let Some((id, _)) = self.tracks.iter().find(own) else {
            return; // It was on its way while the track ended.
        };
        let named = wanted.rids();
        let mut encodings: Vec<Variant> = named
            .filter_map(|rid| Variant::from_letter(rid.as_str()))
            .collect();
        if encodings.is_empty() && wanted.is_any {
            encodings.push(Variant::High);
        }
        let track_id = id.clone();
        let event = SnugEvent::WantedEncodings {
            track_id,
            encodings,
        };
        self.tell_snug(peer, &event, now);
    }
}
