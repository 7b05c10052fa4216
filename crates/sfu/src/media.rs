//! What a negotiation settled: which packets belong to a track, and how a receiver wants them.

use crate::TrackKey;
use snug_rtp::Rid;

/// Tells sound from pictures: only pictures have keyframes and layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Opus at 48 kHz.
    Audio,
    /// VP8 at 90 kHz.
    Video,
}

impl Kind {
    /// Returns the RTP clock rate in ticks a second (RFC 7587 section 4.1, RFC 7741 section 6.1).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video => 90_000,
        }
    }
}

/// One encoding of a published track: the only one, or one of a simulcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Its restriction identifier; absent without simulcast.
    pub rid: Option<Rid>,
    /// Its source, when the SDP names it; else it is learnt from mid and rid extensions.
    pub ssrc: Option<u32>,
    /// The source of its retransmissions, when the SDP names it.
    pub rtx_ssrc: Option<u32>,
    /// Whether its sender says that it sends nothing of it at present. It is shown to nobody then
    /// who can be shown another one.
    pub is_disabled: bool,
}

impl Encoding {
    /// Tells whether both are the same stream of packets, disabled or not.
    pub(crate) fn is_same_stream(&self, other: &Self) -> bool {
        (self.rid, self.ssrc, self.rtx_ssrc) == (other.rid, other.ssrc, other.rtx_ssrc)
    }
}

/// The ids that a media section's `a=extmap` lines give to the header extensions in use,
/// 1 to 255; absent means not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    pub audio_level: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
}

/// A track that a peer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The track.
    pub track: TrackKey,
    /// Sound or pictures.
    pub kind: Kind,
    /// The tag of its media section in the sender's SDP.
    pub mid: String,
    /// Its encodings, best last.
    pub encodings: Vec<Encoding>,
    /// The payload type of its media.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound (RFC 2198).
    pub red_payload_type: Option<u8>,
    /// The sender's header extension ids.
    pub extensions: ExtensionIds,
    /// How many bits a second the sender may use for it, where it asked to be told
    /// (`goog-remb`).
    pub bitrate_max: Option<u64>,
}

/// A track that a peer receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The track.
    pub track: TrackKey,
    /// The tag of its media section in the receiver's SDP.
    pub mid: String,
    /// The source under which the receiver sees it.
    pub ssrc: u32,
    /// The source of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// The payload type of its media.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound; none where the receiver does not
    /// know them: it gets their own sound alone.
    pub red_payload_type: Option<u8>,
    /// The receiver's header extension ids.
    pub extensions: ExtensionIds,
    /// The best encoding that the receiver wants to see; none means the best there is.
    pub target: Option<Rid>,
    /// How it is shown.
    pub view: View,
}

/// How a receiver shows a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Rows of pixels that it has for it: zero when it is hidden, and nothing is to be sent; none
    /// when nobody knows, and it is to be as good as it can be.
    pub rows: Option<u16>,
    /// Whether it comes before others where the way does not carry all.
    pub is_prioritized: bool,
}
