//! A receiver's own word on what its way carries (REMB), and what that is worth.
//!
//! It is a limit from when it falls until it is far above what is sent: a receiver cannot know of
//! more than arrives. Its word follows that slowly, and Chromium's is at most 1.5 times as much.

use crate::throughput::Throughput;

/// Buckets of 50 ms that tell what was sent.
const BUCKETS: usize = 19;

/// What a receiver said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    cap: Option<u64>,
    last: Option<u64>,
    is_limit: bool,
    /// What was sent, by our own clock.
    sent: Throughput,
}

impl Told {
    /// Returns the most that may be sent, once anything was said.
    pub(crate) fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// Notes what is sent, at a time of our own clock in microseconds.
    pub(crate) fn handle_sent(&mut self, at_us: i64, bytes: usize) {
        self.sent.handle_arrival(at_us, bytes);
    }

    /// Takes a word that only bounds what is measured.
    pub(crate) fn handle_cap(&mut self, bitrate: u64) {
        self.cap = Some(bitrate);
    }

    /// Takes a word where nothing else tells; returns what to believe. `wanted` is what could be
    /// made use of.
    pub(crate) fn handle_estimate(&mut self, bitrate: u64, wanted: u64) -> u64 {
        let last = self.last.replace(bitrate);
        let sent = self.sent.over(BUCKETS);
        if sent.is_some_and(|sent| bitrate >= sent.saturating_mul(5) / 4) {
            self.is_limit = false;
        } else if last.is_some_and(|last| bitrate < last) || sent.is_none() {
            self.is_limit = true;
        }
        let cap = match self.is_limit {
            true => bitrate,
            false => bitrate.max(wanted.saturating_mul(5) / 4),
        };
        self.cap = Some(cap);
        cap
    }
}
