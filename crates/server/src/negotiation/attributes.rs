//! Which parts of an offer the media plane can serve: everything else is left out of answers.

use snug_sfu::{ExtensionIds, Kind};

/// Where the id of a header extension stands.
type Place = fn(&mut ExtensionIds) -> &mut Option<u8>;

/// The header extensions that may be agreed upon, with their place in [`ExtensionIds`].
///
/// Transport-wide sequence numbers and absolute send times are not among them: a sender that is
/// promised feedback and gets none holds its bitrate down.
pub(super) const EXTENSIONS: [(&str, Place); 4] = [
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
];

/// The name and clock of the one codec forwarded for each kind, as `a=rtpmap` writes it.
pub(super) fn codec_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "opus/48000/2",
        Kind::Video => "VP8/90000",
    }
}

/// The RTCP feedback that may be agreed upon (RFC 4585, RFC 5104).
///
/// "nack" is not among it while lost packets are not sent again: a receiver that may ask for them
/// waits seconds for them in vain before it asks for a keyframe.
pub(super) fn feedback(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Audio => &[],
        Kind::Video => &["ccm fir", "nack pli"],
    }
}
