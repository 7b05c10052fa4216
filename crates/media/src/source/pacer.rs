//! Turns the moments that sources stamp on pictures into moments of the caller's clock.

use std::time::{Duration, Instant};

/// Keeps a source in step with the clock, without ever bursting to catch up.
///
/// A caller asks [`Pacer::due`] for each picture or block and waits until then. When it has fallen
/// behind by more than [`Pacer::LATE_MAX`] (a suspended machine, a stopped process), the pacer moves
/// its own start instead of handing out a pile of overdue work, and counts what it did.
#[derive(Debug, Clone)]
pub struct Pacer {
    start: Instant,
    slips: u64,
}

impl Pacer {
    /// Lateness that is still caught up: a quarter second, more than any scheduling hiccup of a
    /// loaded machine and less than a pause that a person would want replayed.
    pub const LATE_MAX: Duration = Duration::from_millis(250);

    /// Starts the source's clock at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, slips: 0 }
    }

    /// Gives the instant at which something stamped `at` is due, seen from `now`.
    ///
    /// In the past means: at once.
    pub fn due(&mut self, at: Duration, now: Instant) -> Instant {
        let due = self.start + at;
        if now.saturating_duration_since(due) <= Self::LATE_MAX {
            return due;
        }
        self.slips += 1;
        self.start += now - due;
        now
    }

    /// Gives the instant at which something live was taken, from its stamp `at`: in the past or
    /// `now`, never later, since a picture cannot arrive before it was taken.
    ///
    /// Instants keep the even spacing of the stamps, whatever the delay each arrived with.
    pub fn taken(&mut self, at: Duration, now: Instant) -> Instant {
        let taken = self.due(at, now);
        if taken <= now {
            return taken;
        }
        self.start -= taken - now;
        now
    }

    /// Counts how often the start was moved because the caller had fallen too far behind.
    #[must_use]
    pub fn slips(&self) -> u64 {
        self.slips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    #[test]
    fn small_lateness_is_caught_up() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        assert_eq!(pacer.due(INTERVAL, start), start + INTERVAL);
        assert_eq!(
            pacer.due(2 * INTERVAL, start + 5 * INTERVAL),
            start + 2 * INTERVAL
        );
        assert_eq!(pacer.slips(), 0);
    }

    #[test]
    fn one_late_picture_does_not_delay_those_after_it() {
        let start = Instant::now();
        let late = Duration::from_millis(100);
        let mut pacer = Pacer::new(start + late);
        // The first came 100 ms late, the others did not.
        assert_eq!(pacer.taken(Duration::ZERO, start + late), start + late);
        for n in 1..4 {
            let now = (start + n * INTERVAL).max(start + late);
            let taken = pacer.taken(n * INTERVAL, now);
            assert!(taken <= now && now - taken < INTERVAL, "{:?}", now - taken);
        }
        // And small hiccups do not show.
        let hiccup = start + 4 * INTERVAL + INTERVAL / 2;
        assert_eq!(pacer.taken(4 * INTERVAL, hiccup), start + 4 * INTERVAL);
    }

    #[test]
    fn a_long_stop_shifts_the_start_once() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        let awake = start + Duration::from_secs(9);
        assert_eq!(pacer.due(INTERVAL, awake), awake);
        assert_eq!(pacer.due(2 * INTERVAL, awake), awake + INTERVAL);
        assert_eq!(pacer.slips(), 1);
    }
}
