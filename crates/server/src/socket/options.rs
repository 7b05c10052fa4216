//! What a kind of socket allows.

use std::time::Duration;

/// Bounds the messages of one kind of socket and says how it keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Largest message, whole or in fragments, in bytes: 256 KiB, many times what a client says in
    /// a small room. Beyond it the socket is closed with 1009.
    pub message_bytes_max: usize,
    /// Largest message of a client that a channel asked for more (see
    /// `Channel::message_bytes_extra`), in bytes: 2 MiB, what a browser offers in a full room.
    pub message_bytes_max_asked: usize,
    /// Largest message of a socket that has joined nothing: 64 KiB, many times what a join says.
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
            message_bytes_max: 256 * 1024,
            message_bytes_max_asked: 2 * 1024 * 1024,
            message_bytes_max_before_join: 64 * 1024,
            idle_timeout: snug_phoenix::server::IDLE_TIMEOUT,
            ping_after: Some(Duration::from_secs(1)),
        }
    }
}
