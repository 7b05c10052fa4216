//! What the listener and its sockets had to turn away, counted since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts every drop. Read any time; a set of counters belongs to one listener.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that made room before their first request.
    pub evicted: Counter,
    /// Connections closed because too many were open, altogether or from one address.
    pub refused: Counter,
    /// Connections that the system could not hand over, mostly for want of file handles.
    pub not_accepted: Counter,
    /// Joins of rooms that got a seat, those of people who came back included.
    pub joins: Counter,
    /// Sockets closed because their reader was too slow.
    pub slow_consumers: Counter,
    /// Connections to the TURN server closed because their reader was too slow.
    pub slow_relays: Counter,
}

/// Counts one kind of event.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Returns how often it happened.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
