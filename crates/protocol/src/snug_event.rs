//! What only Snug programs say to each other, on a channel event that others never subscribe to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Chat, Gesture, Moderation, PeerId, TrackId, Variant};

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
    /// To a publisher: which encodings of one of its tracks anybody is shown now. It need not send
    /// the others. Of a track without simulcast, [`Variant::High`] stands for the only one.
    WantedEncodings {
        /// The track.
        track_id: TrackId,
        /// Lowest first; none when nobody is shown the track.
        encodings: Vec<Variant>,
    },
    /// From a receiver: how many rows of pixels it has for each picture.
    TileHeights {
        /// Zero means hidden: send no pictures. What is not named is of unknown height, and as
        /// good as it can be.
        heights: BTreeMap<TrackId, u16>,
    },
    /// To a receiver: the tracks whose pictures it is not sent at present, because its connection
    /// carries no more. Each such event replaces the one before; none means that all are sent.
    PausedTracks {
        /// The tracks.
        track_ids: Vec<TrackId>,
    },
    /// To a receiver: others here who came without Snug, as browsers do. It is said of each once,
    /// after the room said that they are here.
    InBrowser {
        /// Who.
        endpoint_ids: Vec<PeerId>,
    },
    /// What is asked and told about roles and rules.
    Moderation(Moderation),
    /// What is said in chat.
    Chat(Chat),
    /// Raised hands and reactions.
    Gesture(Gesture),
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
    WantedEncodings {
        track_id: TrackId,
        encodings: Vec<Variant>,
    },
    TileHeights {
        heights: BTreeMap<TrackId, u16>,
    },
    PausedTracks {
        track_ids: Vec<TrackId>,
    },
    InBrowser {
        endpoint_ids: Vec<PeerId>,
    },
    Moderation {
        what: Moderation,
    },
    Chat {
        what: Chat,
    },
    Gesture {
        what: Gesture,
    },
}

impl SnugEvent {
    /// Reads the payload of a `snug` channel event; what it does not know is
    /// [`SnugEvent::Unknown`].
    pub fn from_payload(payload: &str) -> Self {
        match serde_json::from_str(payload) {
            Ok(Wire::Presence { endpoint_id, state }) => Self::Presence { endpoint_id, state },
            Ok(Wire::WantedEncodings {
                track_id,
                encodings,
            }) => Self::WantedEncodings {
                track_id,
                encodings,
            },
            Ok(Wire::TileHeights { heights }) => Self::TileHeights { heights },
            Ok(Wire::PausedTracks { track_ids }) => Self::PausedTracks { track_ids },
            Ok(Wire::InBrowser { endpoint_ids }) => Self::InBrowser { endpoint_ids },
            Ok(Wire::Moderation { what }) => Self::Moderation(what),
            Ok(Wire::Chat { what }) => Self::Chat(what),
            Ok(Wire::Gesture { what }) => Self::Gesture(what),
            Err(_) => Self::Unknown,
        }
    }

    /// Writes the payload of a `snug` channel event.
    pub fn to_payload(&self) -> Value {
        match self {
            Self::Presence { endpoint_id, state } => {
                json!({"type": "presence", "endpointId": endpoint_id, "state": state})
            }
            Self::WantedEncodings {
                track_id,
                encodings,
            } => {
                json!({"type": "wantedEncodings", "trackId": track_id, "encodings": encodings})
            }
            Self::TileHeights { heights } => json!({"type": "tileHeights", "heights": heights}),
            Self::PausedTracks { track_ids } => {
                json!({"type": "pausedTracks", "trackIds": track_ids})
            }
            Self::InBrowser { endpoint_ids } => {
                json!({"type": "inBrowser", "endpointIds": endpoint_ids})
            }
            Self::Moderation(what) => json!({"type": "moderation", "what": what}),
            Self::Chat(what) => json!({"type": "chat", "what": what}),
            Self::Gesture(what) => json!({"type": "gesture", "what": what}),
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
    fn what_is_wanted_and_seen_survives_the_wire() {
        let track = |name: &str| name.parse::<TrackId>().unwrap();
        let heights = [(track("p:a"), 360), (track("p:b"), 0)].into();
        let events = [
            SnugEvent::WantedEncodings {
                track_id: track("p:a"),
                encodings: vec![Variant::Low, Variant::High],
            },
            SnugEvent::WantedEncodings {
                track_id: track("p:a"),
                encodings: Vec::new(),
            },
            SnugEvent::TileHeights { heights },
            SnugEvent::PausedTracks {
                track_ids: vec![track("p:b")],
            },
            SnugEvent::InBrowser {
                endpoint_ids: vec![PeerId::from_random([2; 16])],
            },
        ];
        for event in &events {
            let payload = event.to_payload().to_string();
            assert_eq!(SnugEvent::from_payload(&payload), *event, "{payload}");
        }
        let written = events[0].to_payload();
        let expected =
            json!({"type": "wantedEncodings", "trackId": "p:a", "encodings": ["l", "h"]});
        assert_eq!(written, expected);
        let written = events[2].to_payload();
        let expected = json!({"type": "tileHeights", "heights": {"p:a": 360, "p:b": 0}});
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_not_known_does_no_harm() {
        for payload in [
            "",
            "[]",
            "{}",
            r#"{"type":"later","x":1}"#,
            r#"{"type":"presence"}"#,
            r#"{"type":"tileHeights","heights":{"p:a":-1}}"#,
            r#"{"type":"wantedEncodings","trackId":"p:a","encodings":["x"]}"#,
        ] {
            assert_eq!(SnugEvent::from_payload(payload), SnugEvent::Unknown);
        }
    }
}
