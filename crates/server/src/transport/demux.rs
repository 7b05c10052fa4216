//! What a datagram is, by its first bytes (RFC 7983, RFC 5761).

/// The kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stun,
    Dtls,
    /// TURN channel data. The range is 64 to 127, since clients of RFC 5766 go above the 79 of
    /// RFC 7983.
    ChannelData,
    Rtp,
    Rtcp,
    Unknown,
}

/// Tells what `data` is; whether it is well-formed remains to be seen.
pub(super) fn classify(data: &[u8]) -> Kind {
    match data {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [64..=127, ..] => Kind::ChannelData,
        // RTCP packet types 192 to 223 lie where RTP would have the marker bit and payload types
        // 64 to 95, which nobody uses beside RTCP (RFC 5761 section 4).
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_has_its_kind() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Kind::Stun,
                20..=63 => Kind::Dtls,
                64..=127 => Kind::ChannelData,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(classify(&[first, 96, 0, 0]), expected, "{first}");
        }
        assert_eq!(classify(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(classify(&[0x80, 0x80 | 96]), Kind::Rtp);
        assert_eq!(classify(&[]), Kind::Unknown);
        assert_eq!(classify(&[0x80]), Kind::Unknown);
    }
}
