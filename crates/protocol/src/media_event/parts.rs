//! Parts that several media events share.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// One of the three simulcast encodings of a video track; its letter is also its rid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Variant {
    /// The smallest picture.
    #[serde(rename = "l")]
    Low,
    /// Half the size of the full picture.
    #[serde(rename = "m")]
    Medium,
    /// The full picture.
    #[serde(rename = "h")]
    High,
}

impl Variant {
    /// Returns the letter: `l`, `m` or `h`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "l",
            Self::Medium => "m",
            Self::High => "h",
        }
    }

    /// Reads the letter.
    pub fn from_letter(text: &str) -> Option<Self> {
        match text {
            "l" => Some(Self::Low),
            "m" => Some(Self::Medium),
            "h" => Some(Self::High),
            _ => None,
        }
    }
}

/// How many bits a second a track means to send: one number, or one for each encoding.
///
/// What a client writes here never makes its event unreadable: anything else than numbers
/// counts as not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bitrates {
    /// Of the whole track, in bits a second.
    Total(u64),
    /// Of each encoding that the client names, in bits a second; perhaps not all three.
    PerVariant(BTreeMap<Variant, u64>),
}

impl Serialize for Bitrates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Total(bits) => serializer.serialize_u64(*bits),
            Self::PerVariant(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bitrates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Some(bits) = bits_per_second(&value) {
            return Ok(Self::Total(bits));
        }
        let named = value.as_object().into_iter().flatten();
        let known = named.filter_map(|(letter, value)| {
            Some((Variant::from_letter(letter)?, bits_per_second(value)?))
        });
        Ok(Self::PerVariant(known.collect()))
    }
}

/// Reads a JavaScript number; negative ones and fractions are cut to what can be meant.
fn bits_per_second(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|bits| bits as u64))
}

/// How many tracks of each kind a client is asked to make room for: the count of its receive
/// transceivers, which never shrinks during a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TracksTypes {
    /// Receive transceivers for audio.
    #[serde(default)]
    pub audio: u32,
    /// Receive transceivers for video.
    #[serde(default)]
    pub video: u32,
}

/// One address where the other side can be reached (RFC 8839 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The line `candidate:...`, with or without `a=` before it.
    pub candidate: String,
    /// Which media section it belongs to, counted from 0.
    #[serde(default, rename = "sdpMLineIndex")]
    pub sdp_m_line_index: Option<u16>,
    /// The same by mid; servers write null.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The ICE generation it belongs to; servers write null.
    #[serde(default)]
    pub username_fragment: Option<String>,
}

/// A track as others learn of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// What its owner says about it, opaque to the server.
    #[serde(default)]
    pub metadata: Value,
    /// Which encodings it has.
    #[serde(default)]
    pub simulcast_config: SimulcastConfig,
}

/// Which encodings a track has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulcastConfig {
    /// Whether the track is sent in several encodings at once.
    #[serde(default)]
    pub enabled: bool,
    /// The encodings being sent; empty without simulcast.
    #[serde(default, deserialize_with = "known_variants")]
    pub active_encodings: Vec<Variant>,
    /// The encodings that the sender turned off.
    #[serde(default, deserialize_with = "known_variants")]
    pub disabled_encodings: Vec<Variant>,
}

/// Reads the letters that are known, so that a newer server's other ones do no harm.
fn known_variants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Variant>, D::Error> {
    let letters = Vec::<Value>::deserialize(deserializer)?;
    Ok(letters
        .iter()
        .filter_map(|value| Variant::from_letter(value.as_str()?))
        .collect())
}
