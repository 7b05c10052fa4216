//! How well a call goes: what is asked for once a second while the drawer of call health is open.
//!
//! Counters grow from the beginning of the call, so that the page makes rates of two answers,
//! however far apart they are.

use serde::Serialize;
use snug_client::{Kind, PeerStats, PublishedStats, Stats, TrackStats};
use ts_rs::TS;

/// How a call goes.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Health {
    /// Seconds since coming in.
    pub elapsed_s: f64,
    /// From this computer to the host and back, in milliseconds, once known.
    pub round_trip_ms: Option<f64>,
    /// Share of our packets that the host did not get lately, 0 to 1; nothing where nobody counts.
    pub uplink_loss: Option<f64>,
    /// What this computer sends.
    pub sent: Sent,
    /// What comes from the others, by [`Person::id`](super::Person::id).
    #[ts(type = "Record<string, Received>")]
    pub people: std::collections::BTreeMap<String, Received>,
}

/// What this computer sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, TS)]
pub struct Sent {
    /// Payload bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Pictures, of the largest size that is sent.
    #[ts(type = "number")]
    pub frames: u64,
}

/// What came from one person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, TS)]
pub struct Received {
    /// Payload bytes of sound and picture.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Packets that came.
    #[ts(type = "number")]
    pub packets: u64,
    /// Packets that never came.
    #[ts(type = "number")]
    pub lost: u64,
    /// How unevenly packets come, in milliseconds.
    pub jitter_ms: f64,
    /// The picture, while there is one.
    pub picture: Option<PictureHealth>,
}

/// A picture that comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, TS)]
pub struct PictureHealth {
    /// Width in pixels; 0 until known.
    pub width: u32,
    /// Height in pixels; 0 until known.
    pub height: u32,
    /// Pictures put together.
    #[ts(type = "number")]
    pub frames: u64,
    /// Which of three sizes comes, 1 for the least, where there are several.
    pub layer: Option<u8>,
}

impl Health {
    /// Tells what `stats` say.
    pub(crate) fn of(stats: &Stats) -> Self {
        let people = stats.peers.iter();
        Self {
            elapsed_s: stats.elapsed_s,
            round_trip_ms: stats.round_trip_ms,
            // Without a report nobody has counted.
            uplink_loss: stats.round_trip_ms.map(|_| stats.uplink_loss),
            sent: sent(&stats.published),
            people: people
                .map(|peer| (peer.peer_id.to_string(), received(peer)))
                .collect(),
        }
    }
}

fn sent(tracks: &[PublishedStats]) -> Sent {
    let pictures = tracks.iter().filter(|track| track.kind == Kind::Video);
    let frames = pictures.map(|track| {
        let largest = track.encodings.iter().map(|it| it.frames_sent).max();
        largest.unwrap_or(track.sent.frames_sent)
    });
    Sent {
        bytes: tracks.iter().map(|track| track.sent.bytes_sent).sum(),
        frames: frames.sum(),
    }
}

fn received(peer: &PeerStats) -> Received {
    let sum = |of: fn(&TrackStats) -> u64| peer.tracks.iter().map(of).sum();
    let jitter_us = peer.tracks.iter().map(|track| track.received.jitter_us);
    let pictures = peer.tracks.iter().filter(|track| track.kind == Kind::Video);
    Received {
        bytes: sum(|track| track.received.bytes_received),
        packets: sum(|track| track.received.packets_received),
        lost: sum(|track| track.received.packets_lost),
        jitter_ms: jitter_us.max().unwrap_or(0) as f64 / 1000.0,
        picture: pictures.filter(|track| track.active).map(picture).next(),
    }
}

fn picture(track: &TrackStats) -> PictureHealth {
    PictureHealth {
        width: track.received.width,
        height: track.received.height,
        frames: track.received.frames_received,
        layer: track.layer.map(|layer| layer as u8 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snug_client::ReceivedStats;
    use snug_protocol::Variant;

    fn track(kind: Kind, active: bool, lost: u64) -> TrackStats {
        TrackStats {
            track_id: "t".parse().unwrap(),
            kind,
            active,
            paused: false,
            layer: Some(Variant::Medium),
            level_dbfs: -20.0,
            received: ReceivedStats {
                packets_received: 100,
                packets_lost: lost,
                bytes_received: 1000,
                frames_received: 25,
                jitter_us: 1500 * lost,
                width: 640,
                height: 360,
                ..ReceivedStats::default()
            },
        }
    }

    #[test]
    fn a_person_is_the_sum_of_their_tracks() {
        let peer = PeerStats {
            peer_id: "ann".parse().unwrap(),
            name: "Ann".to_owned(),
            state: snug_client::PeerState::Live,
            is_in_browser: false,
            tracks: vec![track(Kind::Audio, true, 2), track(Kind::Video, true, 3)],
        };
        let stats = Stats {
            peers: vec![peer],
            round_trip_ms: Some(4.5),
            uplink_loss: 0.25,
            ..Stats::default()
        };
        let health = Health::of(&stats);
        let ann = health.people["ann"];
        assert_eq!((ann.bytes, ann.packets, ann.lost), (2000, 200, 5));
        assert_eq!(ann.jitter_ms, 4.5);
        let picture = ann.picture.unwrap();
        assert_eq!((picture.width, picture.frames), (640, 25));
        assert_eq!(picture.layer, Some(2));
        assert_eq!(health.uplink_loss, Some(0.25));
    }

    #[test]
    fn what_nobody_counted_is_not_told() {
        assert_eq!(Health::of(&Stats::default()).uplink_loss, None);
    }

    #[test]
    fn a_camera_that_is_off_has_no_picture() {
        let peer = PeerStats {
            peer_id: "ann".parse().unwrap(),
            name: String::new(),
            state: snug_client::PeerState::Live,
            is_in_browser: false,
            tracks: vec![track(Kind::Video, false, 0)],
        };
        assert_eq!(received(&peer).picture, None);
    }
}
