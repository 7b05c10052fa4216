//! One WebSocket each: runs the channels of an application over it.
//!
//! [`Application`] is what a room server (or a test) implements. Everything about frames, close
//! codes, liveness and slow readers is decided here or in `snug-phoenix`, never there.

mod allowance;
mod application;
mod mailbox;
mod options;
mod outgoing;
mod pace;
mod task;
pub(crate) mod upgrade;

pub use application::{Application, Connect, ConnectionInfo, Join, Refused};
pub use mailbox::{Inbox, Mailbox, MailboxError};
pub use options::{
    MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX_ASKED, MESSAGE_BYTES_MAX_BEFORE_JOIN, SocketOptions,
};
