//! When the next 10 ms of sound are due.

use std::time::{Duration, Instant};

use crate::frame::BLOCK_DURATION;

/// Hands out the nominal instants of 10 ms blocks, catching up after short stalls.
///
/// ```
/// # use std::time::{Duration, Instant};
/// use snug_media::playout::BlockPacer;
/// let start = Instant::now();
/// let mut pacer = BlockPacer::new(start);
/// let late = start + Duration::from_millis(25);
/// let mut blocks = 0;
/// while let Some(_at) = pacer.next_due(late) {
///     blocks += 1; // pull every voice for `_at`, mix, play
/// }
/// assert_eq!(blocks, 3);
/// ```
#[derive(Debug, Clone)]
pub struct BlockPacer {
    next: Instant,
    skipped: u64,
}

impl BlockPacer {
    /// Stall that is caught up block by block. After a longer one (a suspended machine) the missed
    /// blocks are skipped: nobody wants to hear them, and making them would starve the machine.
    pub const STALL_MAX: Duration = Duration::from_secs(1);

    /// Makes the first block due at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            next: start,
            skipped: 0,
        }
    }

    /// Gives the nominal instant of the next block when it is due by `now`, else `None`.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let late = now.checked_duration_since(self.next)?;
        if late > Self::STALL_MAX {
            let blocks = late.as_nanos() / BLOCK_DURATION.as_nanos();
            self.skipped += blocks as u64;
            self.next += BLOCK_DURATION * blocks as u32;
        }
        let due = self.next;
        self.next += BLOCK_DURATION;
        Some(due)
    }

    /// Gives the instant at which the next block becomes due.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Counts the blocks that were skipped after long stalls.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_every_10_ms_and_long_stalls_are_skipped() {
        let start = Instant::now();
        let mut pacer = BlockPacer::new(start);
        assert_eq!(pacer.next_due(start), Some(start));
        assert_eq!(pacer.next_due(start), None);
        assert_eq!(pacer.deadline(), start + BLOCK_DURATION);
        let awake = start + Duration::from_secs(9);
        assert_eq!(pacer.next_due(awake), Some(awake));
        assert_eq!(pacer.next_due(awake), None);
        assert_eq!(pacer.skipped(), 899);
    }
}
