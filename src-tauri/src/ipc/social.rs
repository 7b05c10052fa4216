//! Chat, raised hands and reactions, as the page shows them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the people of a room say and show beside sound and picture. Sent whole at every change, at
/// most 20 times a second, as the event `social`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Social {
    /// The room has all this: one on a server that is not Snug does not.
    pub is_there: bool,
    /// What was said, oldest first; at most 500 messages.
    pub messages: Vec<ChatMessage>,
    /// What could not be said last.
    pub refused: Option<ChatRefused>,
    /// Whose hands are up, by [`crate::ipc::Person::id`], the first raised first.
    pub hands: Vec<String>,
    /// The latest reactions, oldest first; at most 32. Each is shown for a moment, once.
    pub reactions: Vec<Reacted>,
}

/// Something that somebody said.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct ChatMessage {
    /// Counts the messages of a room, from 1.
    #[ts(type = "number")]
    pub id: u64,
    /// Who said it, by [`crate::ipc::Person::id`]; they may be gone.
    pub person: String,
    /// What they were called then; perhaps nothing.
    pub name: String,
    /// When, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub at_ms: u64,
    /// The words: plain text, never anything else; lines are parted by `\n`.
    pub text: String,
}

/// Something that was not said.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct ChatRefused {
    /// Tells one refusal from the next.
    #[ts(type = "number")]
    pub number: u64,
    /// Why.
    pub reason: ChatRefusedFor,
    /// What.
    pub text: String,
}

/// Why something was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ChatRefusedFor {
    /// Nothing is left of it that could be shown.
    Empty,
    /// More than 4096 bytes.
    TooLong,
    /// Too much in too short a time.
    TooFast,
}

/// A reaction.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Reacted {
    /// Counts reactions.
    #[ts(type = "number")]
    pub number: u64,
    /// Who, by [`crate::ipc::Person::id`].
    pub person: String,
    /// What.
    pub reaction: Reaction,
}

/// All that one can react with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
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
