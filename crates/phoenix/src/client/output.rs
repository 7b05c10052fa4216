//! What a client core tells its shell.

use crate::{Frame, Payload};

/// Names a push, to tell which one an output is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub(super) u64);

/// What the shell of a client is to do, or what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a WebSocket now; then [`super::Socket::handle_connected`], or
    /// [`super::Socket::handle_disconnected`] when that fails.
    Connect,
    /// Drop the WebSocket now, silently: no `handle_disconnected` for it.
    Disconnect,
    /// Send a frame.
    Send(Frame),
    /// A join succeeded, for the first time or again.
    Joined {
        /// What was joined.
        topic: String,
        /// What the server said.
        response: Payload,
    },
    /// The server refused a join. It is tried again unless the topic is left.
    JoinRefused {
        /// What was to be joined.
        topic: String,
        /// Why, usually `{"reason": ...}`.
        response: Payload,
    },
    /// The server did not answer a join in time. It is tried again unless the topic is left.
    JoinTimedOut {
        /// What was to be joined.
        topic: String,
    },
    /// The server sent an event.
    Event {
        /// On which channel.
        topic: String,
        /// Which one.
        event: String,
        /// What it says.
        payload: Payload,
    },
    /// A push was answered.
    Reply {
        /// Which one.
        push: PushId,
        /// `ok`, `error` or a word of the application.
        status: String,
        /// The answer.
        response: Payload,
    },
    /// A push was not answered in time.
    TimedOut {
        /// Which one.
        push: PushId,
    },
    /// A push can have no answer any more: its channel or the connection ended.
    Dropped {
        /// Which one.
        push: PushId,
    },
    /// The server ended the channel for good; it is forgotten.
    Closed {
        /// Which one.
        topic: String,
    },
    /// The channel crashed on the server; it is joined again after a delay.
    Errored {
        /// Which one.
        topic: String,
    },
}
