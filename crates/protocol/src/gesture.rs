//! Raised hands and reactions, as they are said inside the `snug` channel event.

use serde::{Deserialize, Serialize};

use crate::PeerId;

/// What is asked and told about hands and reactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Gesture {
    /// To the room: my hand is up, or down again.
    Hand {
        /// Which.
        is_up: bool,
    },
    /// To the room, from somebody who may: that hand is seen, take it down.
    LowerHand {
        /// Whose.
        endpoint_id: PeerId,
    },
    /// To everybody: whose hands are up, the first raised first. It takes the place of the list
    /// before.
    Hands {
        /// Who.
        endpoint_ids: Vec<PeerId>,
    },
    /// To the room: show this for a moment.
    React {
        /// What.
        reaction: Reaction,
    },
    /// To everybody, the one who reacts included: show this for a moment. It is not kept for
    /// anybody who is away.
    Reacted {
        /// Who.
        endpoint_id: PeerId,
        /// What.
        reaction: Reaction,
    },
}

/// All that one can react with: a set that every program can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// A thumb up.
    Yes,
    /// A thumb down.
    No,
    /// A heart.
    Heart,
    /// A laughing face.
    Laugh,
    /// Confetti.
    Cheer,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SnugEvent;

    #[test]
    fn gestures_survive_the_wire() {
        let endpoint_id = PeerId::from_random([1; 16]);
        let reaction = Reaction::Heart;
        let reacted = Gesture::Reacted {
            endpoint_id: endpoint_id.clone(),
            reaction,
        };
        for gesture in [
            Gesture::Hand { is_up: true },
            Gesture::LowerHand {
                endpoint_id: endpoint_id.clone(),
            },
            Gesture::Hands {
                endpoint_ids: vec![endpoint_id.clone()],
            },
            Gesture::React { reaction },
            reacted.clone(),
        ] {
            let event = SnugEvent::Gesture(gesture);
            let payload = event.to_payload().to_string();
            assert_eq!(SnugEvent::from_payload(&payload), event, "{payload}");
        }
        let expected = json!({"type": "gesture", "what":
            {"kind": "reacted", "endpointId": endpoint_id, "reaction": "heart"}});
        assert_eq!(SnugEvent::Gesture(reacted).to_payload(), expected);
        let other = r#"{"type":"gesture","what":{"kind":"react","reaction":"<script>"}}"#;
        assert_eq!(SnugEvent::from_payload(other), SnugEvent::Unknown);
    }
}
