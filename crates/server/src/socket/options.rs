//! What a kind of socket allows.

use std::time::Duration;

/// Largest message, whole or in fragments, in bytes: many times what a client says in a small room.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest message of a client that a channel asked for more, in bytes: what a browser offers in a
/// full room.
pub const MESSAGE_BYTES_MAX_ASKED: usize = 2 * 1024 * 1024;

/// Largest message of a socket that has joined nothing, in bytes: many times what a join says.
pub const MESSAGE_BYTES_MAX_BEFORE_JOIN: usize = 64 * 1024;

/// How long nothing is heard before a WebSocket ping is sent.
const PING_AFTER: Duration = Duration::from_secs(1);

/// Bounds the messages of one kind of socket and says how it keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Largest message, whole or in fragments, in bytes: [`MESSAGE_BYTES_MAX`]. Beyond it the
    /// socket is closed with 1009 and the reason `message_too_big`.
    pub message_bytes_max: usize,
    /// Largest message of a client that a channel asked for more (see
    /// `Channel::message_bytes_extra`), in bytes: [`MESSAGE_BYTES_MAX_ASKED`].
    pub message_bytes_max_asked: usize,
    /// Largest message of a socket that has joined nothing, in bytes:
    /// [`MESSAGE_BYTES_MAX_BEFORE_JOIN`].
    pub message_bytes_max_before_join: usize,
    /// How long a client may say nothing at all: 60 s.
    pub idle_timeout: Duration,
    /// Sends a WebSocket ping after this much silence: 1 s, so that a client whose heartbeat
    /// comes every 30 s is known to be there. `None` sends none.
    pub ping_after: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            message_bytes_max: MESSAGE_BYTES_MAX,
            message_bytes_max_asked: MESSAGE_BYTES_MAX_ASKED,
            message_bytes_max_before_join: MESSAGE_BYTES_MAX_BEFORE_JOIN,
            idle_timeout: snug_phoenix::server::IDLE_TIMEOUT,
            ping_after: Some(PING_AFTER),
        }
    }
}
