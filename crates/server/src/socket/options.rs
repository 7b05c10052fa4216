//! What a kind of socket allows.

use std::time::Duration;

/// Bounds the messages of one kind of socket and says how it keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Largest message, whole or in fragments, in bytes. The default takes the largest recorded
    /// one, 8 MiB and its envelope, which real clients may send.
    pub message_bytes_max: usize,
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
            message_bytes_max: 8 * 1024 * 1024 + 64 * 1024,
            message_bytes_max_before_join: 64 * 1024,
            idle_timeout: snug_phoenix::server::IDLE_TIMEOUT,
            ping_after: Some(Duration::from_secs(1)),
        }
    }
}
