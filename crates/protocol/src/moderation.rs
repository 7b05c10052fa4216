//! What a room's hosts ask of it, and what the room tells everybody about roles and rules.
//!
//! It travels in the `snug` channel event, as `{"type":"moderation","what":{...}}`. Whoever is in
//! a room may send anything; the room decides by the sender's role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PeerId, ReasonCode, ResumeToken};

/// Entitles its holder to be the host of one room as long as the room lives: 128 random bits. A
/// secret: it has no readable `Debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostToken(ResumeToken);

impl HostToken {
    /// Makes a token of 16 random bytes; they must come from a cryptographic source.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(ResumeToken::from_random(bytes))
    }
}

/// What one program is known by to one server, for as long as it keeps its data: 128 bits that tell
/// other servers nothing. Somebody who was removed is known by it when they come again. It proves
/// nothing, since whoever sends it made it; the address is the other half of the bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey(ResumeToken);

impl ClientKey {
    /// Makes a key of 16 bytes that nobody can guess.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(ResumeToken::from_random(bytes))
    }
}

/// What somebody may do in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Takes part.
    #[default]
    Member,
    /// May do to members what a host may, and let people in.
    CoHost,
    /// May do everything. A room has one at most.
    Host,
}

/// What can be stopped of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Medium {
    /// Everything they say.
    Audio,
    /// Everything they show: camera and screen.
    Video,
}

/// Which media of somebody the room forwards to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    /// What they say.
    pub audio: bool,
    /// What they show.
    pub video: bool,
}

impl Silence {
    /// Whether this medium is stopped.
    pub fn of(self, medium: Medium) -> bool {
        match medium {
            Medium::Audio => self.audio,
            Medium::Video => self.video,
        }
    }

    /// Stops a medium, or lets it go on.
    pub fn set(&mut self, medium: Medium, is_on: bool) {
        match medium {
            Medium::Audio => self.audio = is_on,
            Medium::Video => self.video = is_on,
        }
    }

    /// Whether anything is stopped.
    pub fn is_any(self) -> bool {
        self.audio || self.video
    }
}

/// What is said about roles and rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moderation {
    /// To the room: do this.
    Ask(Ask),
    /// From the room: how things stand for the one told. Each replaces the one before.
    State(RoomState),
    /// From the room: what was asked last is not done, for the reason with this code.
    Refused(String),
}

impl Moderation {
    /// Says no for a reason.
    pub fn refused(reason: ReasonCode) -> Self {
        Self::Refused(reason.code().to_owned())
    }
}

/// What somebody asks of the room. All but [`Ask::Resume`] is for hosts and co-hosts, and what
/// concerns roles or everybody's end is for the host alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    /// Stop forwarding what somebody says or shows, or let it go on.
    Silence {
        /// Whose.
        endpoint_id: PeerId,
        /// What.
        medium: Medium,
        /// Whether it stops.
        is_on: bool,
    },
    /// From somebody whose medium was stopped: they were told, and mean to go on.
    Resume {
        /// What.
        medium: Medium,
    },
    /// Put somebody out, and bar them until they are readmitted.
    Remove {
        /// Whom.
        endpoint_id: PeerId,
    },
    /// Let somebody who was removed come in again.
    Readmit {
        /// Their number in [`RoomState::removed`].
        bar: u32,
    },
    /// Make somebody a co-host, or a member again.
    CoHost {
        /// Whom.
        endpoint_id: PeerId,
        /// Whether they are one.
        is_on: bool,
    },
    /// Let somebody in who waits.
    Admit {
        /// Whom.
        endpoint_id: PeerId,
    },
    /// Turn somebody away who waits; they may ask again.
    Deny {
        /// Whom.
        endpoint_id: PeerId,
    },
    /// Refuse newcomers, or take them again.
    Lock {
        /// Whether they are refused.
        is_on: bool,
    },
    /// Have newcomers wait until they are let in; whoever waits when it ends is in.
    Lobby {
        /// Whether they wait.
        is_on: bool,
    },
    /// End the room for everybody.
    EndForAll,
}

/// How things stand for one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomState {
    /// Their own role.
    pub role: Role,
    /// They wait to be let in. Then nothing below is told but the host's name.
    pub is_waiting: bool,
    /// While waiting, what the one is called who may let them in, if anybody may.
    pub host_name: Option<String>,
    /// Everybody here who is more than a member.
    pub roles: BTreeMap<PeerId, Role>,
    /// Whose media the room forwards to nobody.
    pub silenced: BTreeMap<PeerId, Silence>,
    /// Newcomers are refused.
    pub is_locked: bool,
    /// Newcomers wait until they are let in.
    pub has_lobby: bool,
    /// Who waits, the longest first; told to hosts and co-hosts alone.
    pub waiting: Vec<Waiting>,
    /// Who was removed, the last one last; told to hosts and co-hosts alone.
    pub removed: Vec<Removed>,
}

/// Somebody who waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Who.
    pub endpoint_id: PeerId,
    /// What they call themselves, perhaps nothing.
    pub name: String,
    /// Whether they came without Snug.
    pub in_browser: bool,
}

/// Somebody who was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Names them in [`Ask::Readmit`].
    pub bar: u32,
    /// What they called themselves, perhaps nothing.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SnugEvent;

    fn peer(number: u8) -> PeerId {
        PeerId::from_random([number; 16])
    }

    #[test]
    fn what_is_asked_and_told_survives_the_wire() {
        let endpoint_id = peer(1);
        let asks = [
            Ask::Silence {
                endpoint_id: endpoint_id.clone(),
                medium: Medium::Audio,
                is_on: true,
            },
            Ask::Resume {
                medium: Medium::Video,
            },
            Ask::Remove {
                endpoint_id: endpoint_id.clone(),
            },
            Ask::Readmit { bar: 7 },
            Ask::CoHost {
                endpoint_id: endpoint_id.clone(),
                is_on: true,
            },
            Ask::Admit {
                endpoint_id: endpoint_id.clone(),
            },
            Ask::Deny {
                endpoint_id: endpoint_id.clone(),
            },
            Ask::Lock { is_on: true },
            Ask::Lobby { is_on: false },
            Ask::EndForAll,
        ];
        let state = RoomState {
            role: Role::Host,
            roles: [(peer(2), Role::CoHost)].into(),
            silenced: [(
                peer(3),
                Silence {
                    audio: true,
                    video: false,
                },
            )]
            .into(),
            waiting: vec![Waiting {
                endpoint_id,
                name: "Ada".into(),
                in_browser: true,
            }],
            removed: vec![Removed {
                bar: 7,
                name: "Bob".into(),
            }],
            is_locked: true,
            ..RoomState::default()
        };
        let told = [
            Moderation::State(state),
            Moderation::refused(ReasonCode::NotAllowed),
        ];
        for what in asks.map(Moderation::Ask).into_iter().chain(told) {
            let event = SnugEvent::Moderation(what);
            let payload = event.to_payload().to_string();
            assert_eq!(SnugEvent::from_payload(&payload), event, "{payload}");
        }
        let written = SnugEvent::Moderation(Moderation::Ask(Ask::Lock { is_on: true }));
        let expected = json!({"type": "moderation", "what": {"ask": {"do": "lock", "isOn": true}}});
        assert_eq!(written.to_payload(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for what in [
            r#"{"ask":{"do":"fly"}}"#,
            r#"{"ask":{"do":"mute"}}"#,
            r#"{"ask":{"do":"readmit","bar":-1}}"#,
            r#"{"later":{}}"#,
            "7",
        ] {
            let payload = format!(r#"{{"type":"moderation","what":{what}}}"#);
            assert_eq!(
                SnugEvent::from_payload(&payload),
                SnugEvent::Unknown,
                "{what}"
            );
        }
    }

    #[test]
    fn secrets_have_no_text() {
        let (token, key) = (
            HostToken::from_random([0xa5; 16]),
            ClientKey::from_bytes([0xa5; 16]),
        );
        assert!(!format!("{token:?}{key:?}").contains("a5"));
        assert_eq!(json!(token), json!("a5".repeat(16)));
    }
}
