//! Names that programs give to peers, tracks and held places.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// The longest peer id accepted, in bytes: ours are UUIDs of 36, other servers name their
/// endpoints freely ("hls_output"), and an id is copied into every event about the peer.
const PEER_ID_BYTES_MAX: usize = 64;

/// The longest track id accepted, in bytes: clients send `<peer id>:<uuid>`, which is 73.
const TRACK_ID_BYTES_MAX: usize = 160;

/// Defines a bounded text id: cheap to clone, compared and written as the text itself.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the id as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Takes the text verbatim.
            ///
            /// # Errors
            /// [`Error::Id`] when it is empty or too long.
            fn from_str(text: &str) -> Result<Self, Error> {
                if text.is_empty() || text.len() > $max {
                    return Err(Error::Id($what));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_id! {
    /// Names one participant of a room on the wire (an "endpoint" in media events).
    ///
    /// Ours are random UUIDs of version 4 ([`PeerId::from_random`]). Another server may use any
    /// text of 1 to 64 bytes, so the type promises no more than that.
    PeerId, "peer id", PEER_ID_BYTES_MAX
}

text_id! {
    /// Names one track of one peer: 1 to 160 bytes, `<peer id>:<uuid>` as clients make them.
    TrackId, "track id", TRACK_ID_BYTES_MAX
}

impl PeerId {
    /// Makes a version 4 UUID of 16 random bytes (RFC 9562 section 5.4).
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Self(uuid.hyphenated().to_string().into())
    }
}

impl TrackId {
    /// Makes the id `<owner>:<uuid>` of 16 random bytes, as clients name their own tracks.
    pub fn from_random(owner: &PeerId, bytes: [u8; 16]) -> Self {
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Self(format!("{owner}:{}", uuid.hyphenated()).into())
    }

    /// Whether the id carries the prefix `<peer>:`, so that no peer can name another's track.
    pub fn belongs_to(&self, peer: &PeerId) -> bool {
        self.0
            .strip_prefix(peer.as_str())
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| !rest.is_empty())
    }
}

/// Entitles its holder to the place of a peer whose connection broke: 128 random bits, written
/// as 32 lower-case hexadecimal digits. A secret: it has no `Debug` text and no `Display`.
#[derive(Clone)]
pub struct ResumeToken([u8; 16]);

impl ResumeToken {
    /// Makes a token of 16 random bytes; they must come from a cryptographic source.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Writes the 32 digits that go on the wire.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for ResumeToken {
    /// Compares without a shortcut, so that the time taken tells nothing about the digits.
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for ResumeToken {}

impl FromStr for ResumeToken {
    type Err = Error;

    /// Reads 32 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`Error::Id`] for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = Error::Id("resume token");
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused);
        }
        u128::from_str_radix(text, 16)
            .map(|bits| Self(bits.to_be_bytes()))
            .map_err(|_| refused)
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(hidden)")
    }
}

impl Serialize for ResumeToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for ResumeToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_peer_id_is_a_uuid_of_version_4() {
        let id = PeerId::from_random([0xff; 16]);
        assert_eq!(id.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn ids_are_bounded() {
        assert!("".parse::<PeerId>().is_err());
        assert!("x".repeat(64).parse::<PeerId>().is_ok());
        assert!("x".repeat(65).parse::<PeerId>().is_err());
        assert!("x".repeat(161).parse::<TrackId>().is_err());
    }

    #[test]
    fn a_track_belongs_to_the_peer_whose_id_it_starts_with() {
        let owner = PeerId::from_random([7; 16]);
        let other = PeerId::from_random([8; 16]);
        let track = TrackId::from_random(&owner, [1; 16]);
        assert!(track.belongs_to(&owner));
        assert!(!track.belongs_to(&other));
        let bare: TrackId = owner.as_str().parse().unwrap();
        assert!(!bare.belongs_to(&owner));
        let empty: TrackId = format!("{owner}:").parse().unwrap();
        assert!(!empty.belongs_to(&owner));
        let longer: TrackId = format!("{owner}x:1").parse().unwrap();
        assert!(!longer.belongs_to(&owner));
    }

    #[test]
    fn a_resume_token_survives_the_wire_and_hides_from_logs() {
        let token = ResumeToken::from_random([0xa5; 16]);
        let text = token.to_hex();
        assert_eq!(text, "a5".repeat(16));
        assert!(text.parse::<ResumeToken>().unwrap() == token);
        assert!(text.to_uppercase().parse::<ResumeToken>().unwrap() == token);
        assert!(!format!("{token:?}").contains("a5"));
        for bad in [
            "",
            "a5",
            &"g5".repeat(16),
            &"+5".repeat(16),
            &"a5".repeat(17),
        ] {
            assert!(bad.parse::<ResumeToken>().is_err(), "{bad}");
        }
    }
}
