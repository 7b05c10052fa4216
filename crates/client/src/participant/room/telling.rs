//! What a participant tells whoever holds it: events and statistics.

use snug_protocol::{PeerId, Pin};

use super::Room;
use crate::Error;
use crate::connect::KeyStanding;
use crate::event::{Event, Happening};
use crate::participant::media::Media;
use crate::stats::ConnectionState;
use crate::subscribe::Report;

impl Room {
    pub(super) async fn handle_report(&mut self, report: Report) {
        match report {
            Report::FirstFrame(track) => self.tell(Happening::FirstFrame {
                peer_id: track.peer,
                track_id: track.id,
                kind: track.kind,
            }),
            Report::KeyframeWanted { mid, ssrc } => {
                if let Some(media) = &self.media {
                    media.readers.request_keyframe(&mid, ssrc).await;
                }
            }
            Report::Missing {
                mid,
                ssrc,
                sequences,
            } => {
                if let Some(media) = &self.media {
                    media.readers.request_again(&mid, ssrc, &sequences).await;
                }
            }
            Report::RecordingStopped(error) => self.tell(recording_stopped(error)),
        }
    }

    pub(in crate::participant) fn tell(&mut self, what: Happening) {
        self.stats_stale = true;
        if self.events.try_send(Event::now(what)).is_err() {
            self.events_dropped += 1;
        }
    }

    pub(super) fn publish_stats(&mut self) {
        let mut stats = self.subscriber.stats(self.session.roster(), &self.paused);
        stats.peer_id = self.session.me().cloned();
        stats.connection = self.connection();
        stats.elapsed_s = self.joined_at.map_or(0.0, |at| at.elapsed().as_secs_f64());
        stats.published = self.local.stats();
        stats.dropped.events = self.events_dropped;
        stats.dropped.server_events = self.session.nonsense();
        let media = self.media.as_ref();
        let estimate = media.and_then(|media| media.transport.uplink().estimate());
        stats.uplink_bps = estimate.map_or(0, |estimate| estimate.target_bps);
        if let Some(media) = media {
            let uplink = media.transport.uplink();
            stats.uplink_loss = uplink.loss();
            stats.round_trip_ms = uplink.round_trip().map(|it| it.as_secs_f64() * 1000.0);
        }
        stats.dropped.control_packets = media.map_or(0, |media| media.transport.feedback_dropped());
        self.stats.send_replace(stats);
    }

    fn connection(&self) -> ConnectionState {
        let media = self.media.as_ref();
        match &self.liveness {
            Some(liveness) if liveness.capture_is_stopped() => ConnectionState::CaptureStopped,
            Some(liveness) if liveness.is_dialling() => ConnectionState::Reconnecting,
            _ if media.is_some_and(Media::is_verified) => ConnectionState::Live,
            _ => ConnectionState::ConnectingMedia,
        }
    }
}

/// We are in a room whose host's key was judged so.
pub(super) fn joined(me: &PeerId, (key, pin): (KeyStanding, Option<Pin>)) -> Happening {
    Happening::Joined {
        peer_id: me.clone(),
        key,
        pin: pin.map(|pin| pin.to_string()),
    }
}

pub(super) fn recording_stopped(error: snug_media::Error) -> Happening {
    let error = Error::from(error);
    Happening::RecordingStopped {
        code: error.code().to_owned(),
        message: error.to_string(),
        hint: error.hint(),
    }
}
