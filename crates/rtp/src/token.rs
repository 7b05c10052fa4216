//! Short identifiers that SDP names and header extensions carry.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// Holds 1 to 16 visible ASCII characters without allocating, the most that a one-byte header
/// extension can carry (RFC 8285 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

/// The identification tag of a media section (RFC 9143, header extension `sdes:mid`).
pub type Mid = Token;

/// The restriction identifier of a simulcast encoding (RFC 8852, `sdes:rtp-stream-id`).
pub type Rid = Token;

impl Token {
    /// The longest token, in bytes.
    pub const LEN_MAX: usize = 16;

    /// Copies the bytes of an identifier.
    ///
    /// # Errors
    /// [`Error::Token`] when there are none, more than 16, or other than visible ASCII.
    pub fn new(text: &[u8]) -> Result<Self, Error> {
        if text.is_empty() || text.len() > Self::LEN_MAX || !text.iter().all(u8::is_ascii_graphic) {
            return Err(Error::Token);
        }
        let mut bytes = [0; Self::LEN_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Self {
            len: text.len() as u8,
            bytes,
        })
    }

    /// Returns the characters as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Returns the characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("a token holds only ASCII")
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_visible_ascii_is_a_token() {
        assert_eq!("h".parse::<Rid>().unwrap().as_str(), "h");
        assert_eq!(
            "0123456789abcdef".parse::<Mid>().unwrap().to_string(),
            "0123456789abcdef"
        );
        for bad in ["", "0123456789abcdefg", "a b", "ä", "\n"] {
            assert_eq!(bad.parse::<Token>(), Err(Error::Token), "{bad:?}");
        }
    }
}
