//! Statistics of a participant, in the form that `--stats` prints once a second.

use serde::Serialize;
use snug_protocol::{PeerId, TrackId, Variant};

use crate::Kind;

/// A snapshot of what was sent and received so far. All counters start at zero with the session
/// and never fall.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Our own id, once joined.
    pub peer_id: Option<PeerId>,
    /// How the connection to the host is.
    pub connection: ConnectionState,
    /// Seconds since joining.
    pub elapsed_s: f64,
    /// Bits per second that our way to the room is believed to carry; 0 while nothing is known.
    pub uplink_bps: u64,
    /// Share of our packets that the room did not get lately, 0 to 1.
    pub uplink_loss: f64,
    /// From sending a packet to the room's report on it, in milliseconds; nothing until there was one.
    pub round_trip_ms: Option<f64>,
    /// Everybody else in the room.
    pub peers: Vec<PeerStats>,
    /// Our own tracks.
    pub published: Vec<PublishedStats>,
    /// What found no room somewhere and was dropped.
    pub dropped: DropStats,
}

/// How the connection to the host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Sound and picture are still being connected.
    #[default]
    ConnectingMedia,
    /// All is well.
    Live,
    /// The host is not heard; our place is held.
    Reconnecting,
    /// Not heard for so long that camera and microphone were stopped.
    CaptureStopped,
}

/// One other participant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerStats {
    /// Who.
    pub peer_id: PeerId,
    /// Their name, perhaps empty.
    pub name: String,
    /// Whether they are heard.
    pub state: PeerState,
    /// Whether they came without Snug, as browsers do.
    pub is_in_browser: bool,
    /// Their tracks.
    pub tracks: Vec<TrackStats>,
}

/// Whether another participant is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Heard within the last seconds.
    #[default]
    Live,
    /// Silent; their place is held.
    Reconnecting,
}

/// One track of another participant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackStats {
    /// Which track.
    pub track_id: TrackId,
    /// Sound or picture.
    pub kind: Kind,
    /// Whether it carries anything: false while muted or switched off.
    pub active: bool,
    /// Whether its pictures are held back, because our way from the room carries no more than
    /// sound.
    pub paused: bool,
    /// Which encoding of the picture the room passes on to us, once it has said so.
    pub layer: Option<Variant>,
    /// How loud it was played over the last tenth of a second, in dBFS from -100 (silent) to 0.
    /// Pictures are silent.
    pub level_dbfs: f32,
    /// What was received of it.
    #[serde(flatten)]
    pub received: ReceivedStats,
}

/// What was received of one track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReceivedStats {
    /// RTP packets, retransmitted ones included.
    pub packets_received: u64,
    /// Packets that never came: the span of sequence numbers less the packets received.
    pub packets_lost: u64,
    /// Payload bytes.
    pub bytes_received: u64,
    /// Whole frames put together: pictures, or packets of sound.
    pub frames_received: u64,
    /// Frames decoded; pictures only when decoding is on.
    pub frames_decoded: u64,
    /// Keyframes among the pictures.
    pub keyframes: u64,
    /// Keyframe requests sent.
    pub keyframe_requests: u64,
    /// Sound samples made up to cover a gap, at 48 kHz.
    pub samples_concealed: u64,
    /// Times that sound was missing for more than 60 ms in a row.
    pub long_gaps: u64,
    /// Packets of sound that came only as a copy in the one after them.
    pub packets_recovered: u64,
    /// How unevenly packets come, in microseconds (RFC 3550 section 6.4.1).
    pub jitter_us: u64,
    /// Width of the last keyframe in pixels.
    pub width: u32,
    /// Height of the last keyframe in pixels.
    pub height: u32,
}

/// One of our own tracks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedStats {
    /// Which track.
    pub track_id: TrackId,
    /// Sound or picture.
    pub kind: Kind,
    /// Whether it carries anything: false while muted or switched off.
    pub active: bool,
    /// Whether it is held back although it is on, because the network carries no more than sound.
    pub held_back: bool,
    /// What was sent of it.
    #[serde(flatten)]
    pub sent: SentStats,
    /// The same for each encoding of a picture that is sent in several, the least first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encodings: Vec<EncodingStats>,
}

/// What was sent of one encoding of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EncodingStats {
    /// Its name in the session description.
    pub rid: &'static str,
    /// Encoded frames sent.
    pub frames_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
}

/// What was sent of one track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SentStats {
    /// Frames captured: pictures, or 20 ms of sound.
    pub frames_captured: u64,
    /// Pictures replaced by a newer one before the encoder got to them.
    pub frames_replaced: u64,
    /// Encoded frames dropped because the connection did not take them.
    pub frames_dropped: u64,
    /// Encoded frames sent.
    pub frames_sent: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Keyframes among the pictures sent.
    pub keyframes: u64,
    /// Keyframe requests heard.
    pub keyframe_requests: u64,
}

/// What was dropped because a lane was full; all zero in health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DropStats {
    /// Events that nobody fetched.
    pub events: u64,
    /// Incoming media packets.
    pub media_packets: u64,
    /// Incoming control packets.
    pub control_packets: u64,
    /// Received pictures that found no room before it was their time to be seen.
    pub pictures: u64,
    /// Pictures or sound not recorded.
    pub recording_frames: u64,
    /// Events of the server that made no sense.
    pub server_events: u64,
}
