//! Roles and rules of a room, as the page shows them, and what hosts ask of it there.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How roles and rules stand for the person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Rules {
    /// What they may do themselves.
    pub role: Role,
    /// Newcomers are refused.
    pub is_locked: bool,
    /// Newcomers wait until they are let in.
    pub has_lobby: bool,
    /// Who waits, the longest first; empty for members. At most 16.
    pub waiting: Vec<Knock>,
    /// Who was removed, the last one last; empty for members. At most 256.
    pub removed: Vec<Barred>,
    /// A host stopped the person's microphone: turning it on again is their own word to go on.
    pub is_muted_by_host: bool,
    /// The same of their camera.
    pub is_hidden_by_host: bool,
}

/// What somebody may do in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes part.
    #[default]
    Member,
    /// May do to members what a host may.
    CoHost,
    /// May do everything.
    Host,
}

/// Somebody who waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Knock {
    /// Names them in [`HostAction`].
    pub id: String,
    /// Their name, perhaps empty.
    pub name: String,
    /// They came by a browser.
    pub is_in_browser: bool,
}

/// Somebody who was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Barred {
    /// Names them in [`HostAction`].
    pub bar: u32,
    /// Their name, perhaps empty.
    pub name: String,
}

/// What a host or co-host asks of the room. The room decides whether they may.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HostAction {
    /// Stop what somebody says, or let it go on.
    Mute {
        /// Whom.
        person: String,
        /// Whether it stops.
        on: bool,
    },
    /// Stop what somebody shows, or let it go on.
    StopVideo {
        /// Whom.
        person: String,
        /// Whether it stops.
        on: bool,
    },
    /// Put somebody out, until they are readmitted.
    Remove {
        /// Whom.
        person: String,
    },
    /// Let somebody who was removed come in again.
    Readmit {
        /// Whom.
        bar: u32,
    },
    /// Make somebody a co-host, or a member again.
    CoHost {
        /// Whom.
        person: String,
        /// Whether they are one.
        on: bool,
    },
    /// Let somebody in who waits.
    Admit {
        /// Whom.
        person: String,
    },
    /// Turn somebody away who waits.
    Deny {
        /// Whom.
        person: String,
    },
    /// Refuse newcomers, or take them again.
    Lock {
        /// Whether they are refused.
        on: bool,
    },
    /// Have newcomers wait, or let them walk in.
    Lobby {
        /// Whether they wait.
        on: bool,
    },
    /// End the room for everybody, and leave.
    EndForAll,
}
