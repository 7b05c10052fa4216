//! What Snug programs put into the metadata of peers and tracks, and read leniently from others.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a Snug client says about its person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointMetadata {
    /// The name to show; empty where a foreign client gave none.
    pub display_name: String,
}

impl EndpointMetadata {
    /// Reads the metadata of any client; what is missing or of another shape stays empty.
    pub fn from_value(value: &Value) -> Self {
        let display_name = value
            .get("displayName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Self {
            display_name: display_name.to_owned(),
        }
    }

    /// Writes `{"displayName": ...}`.
    pub fn to_value(&self) -> Value {
        json!({"displayName": self.display_name})
    }
}

/// Where a track comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackSource {
    /// A camera, or a file in its place.
    Camera,
    /// A microphone, or a file in its place.
    Microphone,
    /// A shared screen: shown whole, in its own stream.
    Screensharing,
}

/// What a Snug client says about one of its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackMetadata {
    /// Where the track comes from; `None` where a foreign client does not say.
    pub source: Option<TrackSource>,
    /// Whether it carries anything now: false while muted or switched off.
    pub active: bool,
}

impl TrackMetadata {
    /// Reads the metadata of any client; a track that says nothing counts as active.
    pub fn from_value(value: &Value) -> Self {
        let source = value
            .get("type")
            .and_then(|source| TrackSource::deserialize(source).ok());
        let active = value.get("active").and_then(Value::as_bool).unwrap_or(true);
        Self { source, active }
    }

    /// Writes `{"type": ..., "active": ...}`.
    pub fn to_value(&self) -> Value {
        match self.source {
            Some(source) => json!({"type": source, "active": self.active}),
            None => json!({"active": self.active}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_metadata_survives_the_wire() {
        let person = EndpointMetadata {
            display_name: "Ada".into(),
        };
        assert_eq!(person.to_value(), json!({"displayName": "Ada"}));
        assert_eq!(EndpointMetadata::from_value(&person.to_value()), person);
        let track = TrackMetadata {
            source: Some(TrackSource::Screensharing),
            active: false,
        };
        assert_eq!(
            track.to_value(),
            json!({"type": "screensharing", "active": false})
        );
        assert_eq!(TrackMetadata::from_value(&track.to_value()), track);
    }

    #[test]
    fn foreign_metadata_is_read_leniently() {
        for value in [
            json!(null),
            json!(7),
            json!({"type": "hologram", "active": "yes"}),
        ] {
            assert_eq!(EndpointMetadata::from_value(&value).display_name, "");
            let track = TrackMetadata::from_value(&value);
            assert_eq!(
                track,
                TrackMetadata {
                    source: None,
                    active: true
                }
            );
        }
    }
}
