//! What an application implements, and what it hands back.

use crate::Payload;

/// Names one join on one socket. It is never used again, so an answer that comes late cannot
/// reach the join that followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(super) u64);

impl ChannelId {
    /// Names no join of any socket: for whatever needs an id before or without a socket.
    pub const DETACHED: ChannelId = ChannelId(u64::MAX);
}

/// Is one joined topic on one socket, as the application sees it.
///
/// A channel only decides: it pushes, replies and commands through its [`Outbox`]. A panic in it
/// counts as [`Flow::Crash`]; the socket and its other channels live on.
pub trait Channel {
    /// What the channel asks the application to do; the shell performs commands in order.
    type Command;
    /// What others (a room, a timer) tell the channel.
    type Info;

    /// Takes an event of the client. An unknown event should crash the channel, as it does in
    /// Phoenix: the client then joins again with a state that both sides agree on.
    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<Self::Command>)
    -> Flow;

    /// Takes what the application sent to this join.
    fn handle_info(&mut self, info: Self::Info, out: &mut Outbox<Self::Command>) -> Flow;

    /// Is called once, last. Pushes made here still reach the client unless the socket is gone.
    fn terminate(&mut self, why: Terminate, out: &mut Outbox<Self::Command>);

    /// Returns how many bytes more than usual a message of the client may need, after what it was
    /// asked for on this channel.
    fn message_bytes_extra(&self) -> usize {
        0
    }

    /// Returns how many bytes `info` holds, for the byte bound of the mailbox it waits in.
    fn weight(info: &Self::Info) -> usize {
        size_of_val(info)
    }
}

/// Tells what becomes of a channel after it handled something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends normally: the client gets `phx_close` and does not come back by itself.
    Stop,
    /// It failed: the client gets `phx_error` and joins again.
    Crash,
}

/// Tells a channel why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminate {
    /// The client left.
    Left,
    /// The socket is gone.
    SocketClosed,
    /// The client joined the topic again on the same socket.
    Replaced,
    /// The channel said [`Flow::Stop`].
    Stopped,
    /// The channel said [`Flow::Crash`], or panicked.
    Crashed,
}

/// Collects what a channel wants done, in order.
#[derive(Debug)]
pub struct Outbox<Command> {
    pub(super) items: Vec<Item<Command>>,
}

#[derive(Debug)]
pub(super) enum Item<Command> {
    Push { event: String, payload: Payload },
    Reply { status: String, response: Payload },
    Command(Command),
}

impl<Command> Outbox<Command> {
    pub(super) fn new() -> Self {
        Outbox { items: Vec::new() }
    }

    /// Sends an event to the client.
    pub fn push(&mut self, event: impl Into<String>, payload: Payload) {
        self.items.push(Item::Push {
            event: event.into(),
            payload,
        });
    }

    /// Answers the event being handled; outside [`Channel::handle_in`] there is none and nothing
    /// is sent.
    pub fn reply(&mut self, status: impl Into<String>, response: Payload) {
        self.items.push(Item::Reply {
            status: status.into(),
            response,
        });
    }

    /// Asks the application to do something.
    pub fn command(&mut self, command: Command) {
        self.items.push(Item::Command(command));
    }
}

/// Is the application's answer to a join.
#[derive(Debug)]
pub enum JoinOutcome<C> {
    /// The client is in.
    Joined {
        /// Its channel.
        channel: C,
        /// What the reply says; `{}` for unmodified clients.
        response: serde_json::Value,
    },
    /// The application says no.
    Refused {
        /// What the reply says, usually `{"reason": ...}`.
        response: serde_json::Value,
    },
    /// The join itself failed; the reply says `join crashed`.
    Crashed,
    /// No channel serves this topic.
    Unmatched,
}
