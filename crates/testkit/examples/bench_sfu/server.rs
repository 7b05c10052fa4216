//! What the load asks of a server, whichever it is.

use std::time::Duration;

use anyhow::Result;

use snug_testkit::endpoint::Connected;

/// Somebody whose media is connected.
pub struct Joined {
    /// The connection.
    pub connected: Connected,
    /// From the offer (ours, or the server's in our hands) to keys for media.
    pub took: Duration,
}

/// A running media server; stopped when dropped.
pub trait Server {
    /// Names its process.
    fn process(&self) -> u32;

    /// Joins a room, opening it, as the one who sends pictures from this source.
    fn publish(&mut self, room: usize, ssrc: u32) -> Result<Joined>;

    /// Joins a room as one who receives them.
    fn subscribe(&mut self, room: usize) -> Result<Joined>;

    /// Says what must be said twice a minute, and reads what was told meanwhile.
    fn keep_alive(&mut self) -> Result<()>;
}
