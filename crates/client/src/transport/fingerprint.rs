//! Comparing the certificate of the media connection with the one that the answer announced.
//!
//! The library's own check fails without saying so: the handshake just never ends. So it is
//! switched off and done here, between the end of the handshake and the first packet that is sent
//! or looked at (RFC 8122 section 6.2 asks for no more and no less).

/// The SHA-256 digests that an answer announces for the media certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced(Vec<[u8; 32]>);

impl Announced {
    /// Collects every `a=fingerprint:sha-256` of a session description; other algorithms and
    /// malformed lines count as absent.
    pub(crate) fn in_sdp(sdp: &str) -> Self {
        let values = sdp.lines().filter_map(|line| {
            let (algorithm, value) = line
                .trim()
                .strip_prefix("a=fingerprint:")?
                .split_once(' ')?;
            algorithm
                .eq_ignore_ascii_case("sha-256")
                .then(|| parse(value.trim()))?
        });
        Self(values.collect())
    }

    /// Tells whether a certificate of this digest is the announced one; false when none was
    /// announced.
    pub(super) fn matches(&self, digest: &[u8; 32]) -> bool {
        self.0.contains(digest)
    }
}

/// Reads 32 bytes as SDP writes them: two hexadecimal digits each, colons between (RFC 8122
/// section 5).
pub(super) fn parse(value: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut parts = value.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(digest: [u8; 32]) -> String {
        let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("a=fingerprint:sha-256 {}\r\n", hex.join(":"))
    }

    #[test]
    fn the_announced_certificate_matches_and_no_other() {
        let sdp = format!("v=0\r\n{}m=audio 9\r\n", line([0xAB; 32]));
        let announced = Announced::in_sdp(&sdp);
        assert!(announced.matches(&[0xAB; 32]));
        assert!(!announced.matches(&[0xAC; 32]));
    }

    #[test]
    fn nothing_announced_matches_nothing() {
        let sha1 = "a=fingerprint:sha-1 AA:BB\r\na=fingerprint:sha-256 AA:BB\r\n";
        for sdp in ["", sha1, "a=fingerprint:sha-256\r\n"] {
            assert_eq!(Announced::in_sdp(sdp), Announced(vec![]));
            assert!(!Announced::in_sdp(sdp).matches(&[0; 32]));
        }
    }
}
