//! What a participant tells about the room and itself, in the form that programs read.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use snug_protocol::{ChatMessage, ChatRefusal, PeerId, Reaction, RoomState, TrackId};

use crate::{KeyStanding, Kind};

/// Something happened. Serialises to one JSON object with a `type`, `at_ms` and its fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What can happen to a participant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happening {
    /// We are in the room; again with another id after a place was lost.
    Joined {
        /// Our own id.
        peer_id: PeerId,
        /// How the host's key was judged.
        key: KeyStanding,
        /// The key's pin as it stands in links, where the host showed one that can be pinned.
        #[serde(skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
    },
    /// Somebody is in the room.
    PeerJoined {
        /// Who.
        peer_id: PeerId,
        /// Their name, perhaps empty.
        name: String,
    },
    /// Somebody came without Snug, as browsers do.
    PeerInBrowser {
        /// Who.
        peer_id: PeerId,
    },
    /// Somebody changed their name.
    PeerRenamed {
        /// Who.
        peer_id: PeerId,
        /// Their new name.
        name: String,
    },
    /// Somebody is gone.
    PeerLeft {
        /// Who.
        peer_id: PeerId,
    },
    /// Somebody fell silent; their place is held.
    PeerReconnecting {
        /// Who.
        peer_id: PeerId,
    },
    /// Somebody is heard again.
    PeerLive {
        /// Who.
        peer_id: PeerId,
    },
    /// Somebody publishes a track.
    TrackAdded {
        /// Who.
        peer_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Sound or picture.
        kind: Kind,
    },
    /// Somebody published a track no longer.
    TrackRemoved {
        /// Who.
        peer_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Sound or picture.
        kind: Kind,
    },
    /// Somebody's camera or microphone went off or on; the track stays.
    TrackChanged {
        /// Who.
        peer_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Sound or picture.
        kind: Kind,
        /// Whether it carries anything now.
        active: bool,
    },
    /// The first whole frame of a track is here.
    FirstFrame {
        /// Whose.
        peer_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Sound or picture.
        kind: Kind,
    },
    /// Roles and rules stand so from now on, for us; see [`RoomState::is_waiting`].
    Rules {
        /// All of them.
        rules: Box<RoomState>,
    },
    /// The room did not do what we asked.
    AskRefused {
        /// Stable code, see [`snug_protocol::ReasonCode`].
        code: String,
    },
    /// Media is connected and encrypted with the announced key.
    MediaConnected,
    /// Our own media was negotiated once more.
    Negotiated {
        /// How often so far, from 1.
        count: u64,
    },
    /// Nothing was heard from the host for a while; trying again.
    Reconnecting,
    /// Back, in the same place.
    Resumed,
    /// Camera and microphone were stopped, because nobody was reached for long.
    CaptureStopped,
    /// Camera and microphone run again.
    CaptureResumed,
    /// The recording stopped; the call goes on, and what was written stays playable.
    RecordingStopped {
        /// Stable word.
        code: String,
        /// What happened, in a sentence.
        message: String,
        /// The next step.
        hint: String,
    },
    /// A camera or microphone stopped by itself; the call goes on without it.
    SourceStopped {
        /// Sound or picture.
        kind: Kind,
        /// Stable word, see [`snug_media::Error::code`]; `source_ended` when it came to its end.
        code: String,
        /// What happened, in a sentence.
        message: String,
        /// The next step, if there is one.
        hint: Option<String>,
    },
    /// Somebody said something in the chat, perhaps we ourselves.
    ChatSaid {
        /// What.
        message: ChatMessage,
    },
    /// The room told what was said before we came.
    ChatHistory {
        /// How many messages.
        count: usize,
    },
    /// What we wanted to say in the chat was not said.
    ChatRefused {
        /// Why.
        reason: ChatRefusal,
        /// What.
        text: String,
    },
    /// Hands went up or down.
    HandsRaised {
        /// Whose hands are up, the first raised first.
        peer_ids: Vec<PeerId>,
    },
    /// Somebody shows a reaction for a moment, perhaps we ourselves.
    Reacted {
        /// Who.
        peer_id: PeerId,
        /// What.
        reaction: Reaction,
    },
    /// It ended, without us asking for it.
    Failed {
        /// Stable word, see [`crate::Error::code`].
        code: String,
        /// What happened, in a sentence.
        message: String,
        /// The next step.
        hint: String,
    },
    /// We left. The last event.
    Left,
}

impl Event {
    /// Stamps `what` with the present time.
    pub(crate) fn now(what: Happening) -> Self {
        // A clock before 1970 is no reason to fail.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            what,
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_objects_that_start_with_their_type() {
        let event = Event {
            what: Happening::TrackAdded {
                peer_id: "p".parse().unwrap(),
                track_id: "p:t".parse().unwrap(),
                kind: Kind::Video,
            },
            at_ms: 7,
        };
        let text = serde_json::to_string(&event).unwrap();
        let wanted = concat!(
            r#"{"type":"track_added","peer_id":"p","track_id":"p:t","#,
            r#""kind":"video","at_ms":7}"#,
        );
        assert_eq!(text, wanted);
        let left = serde_json::to_string(&Event {
            what: Happening::Left,
            at_ms: 1,
        })
        .unwrap();
        assert_eq!(left, r#"{"type":"left","at_ms":1}"#);
    }
}
