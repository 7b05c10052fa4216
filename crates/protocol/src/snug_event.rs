//! What only Snug programs say to each other, on a channel event that others never subscribe to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::PeerId;

/// The payload of a `snug` channel event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnugEvent {
    /// Another peer fell silent, or is back. Dim its tiles, or undim them.
    Presence {
        /// Whom it is about.
        endpoint_id: PeerId,
        /// What became of it.
        state: PresenceState,
    },
    /// Something of a newer version: ignore it.
    Unknown,
}

/// Whether a peer is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PresenceState {
    /// Heard within the last seconds.
    Live,
    /// Silent for about three seconds, or its socket closed; its place is held for ten.
    Reconnecting,
}

#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Wire {
    Presence {
        endpoint_id: PeerId,
        state: PresenceState,
    },
}

impl SnugEvent {
    /// Reads the payload of a `snug` channel event; what it does not know is
    /// [`SnugEvent::Unknown`].
    pub fn from_payload(payload: &str) -> Self {
        match serde_json::from_str(payload) {
            Ok(Wire::Presence { endpoint_id, state }) => Self::Presence { endpoint_id, state },
            Err(_) => Self::Unknown,
        }
    }

    /// Writes the payload of a `snug` channel event.
    pub fn to_payload(&self) -> Value {
        match self {
            Self::Presence { endpoint_id, state } => {
                json!({"type": "presence", "endpointId": endpoint_id, "state": state})
            }
            Self::Unknown => json!({"type": "unknown"}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_survives_the_wire() {
        let event = SnugEvent::Presence {
            endpoint_id: PeerId::from_random([1; 16]),
            state: PresenceState::Reconnecting,
        };
        let payload = event.to_payload().to_string();
        assert!(payload.contains(r#""state":"reconnecting""#), "{payload}");
        assert_eq!(SnugEvent::from_payload(&payload), event);
    }

    #[test]
    fn what_is_not_known_does_no_harm() {
        for payload in [
            "",
            "[]",
            "{}",
            r#"{"type":"later","x":1}"#,
            r#"{"type":"presence"}"#,
        ] {
            assert_eq!(SnugEvent::from_payload(payload), SnugEvent::Unknown);
        }
    }
}
