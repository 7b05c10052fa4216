//! The fingerprint by which a client knows a server again.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Error;

/// The SHA-256 of the SubjectPublicKeyInfo of a server's identity key (RFC 7469 section 2.4),
/// written as 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Takes the 32 bytes of the digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Pin {
    type Err = Error;

    /// Reads the 43 characters.
    ///
    /// # Errors
    /// [`Error::Id`] for anything that is not exactly 32 bytes of canonical base64url.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Error::Id("key fingerprint"))?;
        let digest = bytes.try_into().map_err(|_| Error::Id("key fingerprint"))?;
        Ok(Self(digest))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_43_characters_and_survives_them() {
        let pin = Pin::new([0xfb; 32]);
        let text = pin.to_string();
        assert_eq!(text.len(), 43);
        assert!(!text.contains(['+', '/', '=']));
        assert_eq!(text.parse::<Pin>().unwrap(), pin);
    }

    #[test]
    fn other_texts_are_refused() {
        let text = Pin::new([1; 32]).to_string();
        for bad in [
            "",
            "abc",
            &text[..42],
            &format!("{text}="),
            &format!("{text}A"),
            &"+".repeat(43),
        ] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
        }
    }
}
