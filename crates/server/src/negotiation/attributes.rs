//! Which parts of an offer the media plane can serve: everything else is left out of answers.

use snug_sfu::{ExtensionIds, Kind};

use super::offer::Direction;

/// Where the id of a header extension stands.
type Place = fn(&mut ExtensionIds) -> &mut Option<u8>;

/// The header extensions that may be agreed upon, with their place in [`ExtensionIds`].
pub(super) const EXTENSIONS: [(&str, Place); 5] = [
    ("urn:ietf:params:rtp-hdrext:sdes:mid", |ids| &mut ids.mid),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", |ids| {
        &mut ids.rid
    }),
    (
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        |ids| &mut ids.repaired_rid,
    ),
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", |ids| {
        &mut ids.audio_level
    }),
    (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        |ids| &mut ids.transport_cc,
    ),
];

/// The name and clock of the one codec forwarded for each kind, as `a=rtpmap` writes it.
pub(super) fn codec_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "opus/48000/2",
        Kind::Video => "VP8/90000",
    }
}

/// The name of packets that repeat earlier sound beside their own (RFC 2198), as `a=rtpmap` writes
/// it.
pub(super) const RED_NAME: &str = "red/48000/2";

/// Asks to be told how much may be sent. The answer is what the sender itself announced: without
/// any, browsers start every session at 300 kb/s and climb for half a minute until the best
/// encoding of a simulcast fits. Of a receiver that does not tell how packets arrive, the promise to
/// say itself what its way carries.
pub(super) const ESTIMATE: &str = "goog-remb";

/// Asks to be told how packets arrive. The server does so, and asks it of receivers: its estimate
/// of what their ways carry is made of that.
pub(super) const TRANSPORT_WIDE: &str = "transport-cc";

/// Asks for lost packets. Agreed upon only together with retransmissions of their own source
/// (RFC 4588): sealing a packet a second time under its own number is out of the question, and a
/// receiver that may ask waits seconds in vain before it asks for a keyframe.
pub(super) const NACK: &str = "nack";

/// The RTCP feedback that may be agreed upon for what a client sends or receives (RFC 4585,
/// RFC 5104).
pub(super) fn feedback(kind: Kind, direction: Direction) -> &'static [&'static str] {
    match (kind, direction) {
        (Kind::Audio, _) => &[TRANSPORT_WIDE],
        (Kind::Video, Direction::Send | Direction::Receive) => {
            &[ESTIMATE, TRANSPORT_WIDE, "ccm fir", NACK, "nack pli"]
        }
        (Kind::Video, Direction::Inactive) => &[TRANSPORT_WIDE, "ccm fir", NACK, "nack pli"],
    }
}
