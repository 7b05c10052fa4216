//! Placing the pictures of a camera on our clock.

use std::time::{Duration, Instant};

/// How long the fastest arrival counts: after that a drifting clock would make it a lie.
const WINDOW: Duration = Duration::from_secs(5);

/// A picture that seems to be older than this when it arrives means that the camera's clock was
/// set anew, or that it stood still meanwhile.
const LATE_MAX: Duration = Duration::from_millis(250);

/// Shortest distance of two pictures: even a burst has an order.
const STEP_MIN: Duration = Duration::from_micros(100);

/// Turns a camera's own time stamps into instants. They are steadier than the moments at which
/// its pictures arrive, but run by another clock: the picture that came fastest in the last
/// seconds ties the two together, so the result is never in the future, and never drifts.
#[derive(Debug, Default)]
pub(super) struct LiveClock {
    run: Option<Run>,
    last: Option<Instant>,
}

/// Pictures whose time stamps fit together.
#[derive(Debug)]
struct Run {
    start: Instant,
    first_at: Duration,
    window_start: Instant,
    /// The least of arrival less time stamp, in nanoseconds: in this window and the one before.
    least: i64,
    least_before: i64,
}

impl LiveClock {
    /// Gives the instant of a picture that the camera stamped `at` and that is here `now`.
    pub(super) fn place(&mut self, at: Duration, now: Instant) -> Instant {
        let placed = self.run.as_mut().map(|run| run.place(at, now));
        let fits = |placed: &Instant| now.saturating_duration_since(*placed) <= LATE_MAX;
        let placed = placed.filter(fits).unwrap_or_else(|| {
            self.run = Some(Run {
                start: now,
                first_at: at,
                window_start: now,
                least: 0,
                least_before: 0,
            });
            now
        });
        let placed = self.last.map_or(placed, |last| placed.max(last + STEP_MIN));
        self.last = Some(placed);
        placed
    }
}

impl Run {
    fn place(&mut self, at: Duration, now: Instant) -> Instant {
        let arrival = nanos(now.saturating_duration_since(self.start));
        let taken = nanos(at) - nanos(self.first_at);
        let offset = arrival - taken;
        if now.saturating_duration_since(self.window_start) >= WINDOW {
            self.window_start = now;
            self.least_before = self.least;
            self.least = offset;
        }
        self.least = self.least.min(offset);
        let late = offset - self.least.min(self.least_before);
        now - Duration::from_nanos(late.unsigned_abs())
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn uneven_arrivals_become_even() {
        let (mut clock, start) = (LiveClock::default(), Instant::now());
        clock.place(Duration::ZERO, start);
        let placed: Vec<_> = (1..60)
            .map(|n| clock.place(33 * MS * n, start + 33 * MS * n + MS * (n % 7)))
            .collect();
        for (n, placed) in (1..60).zip(placed) {
            assert_eq!(placed, start + 33 * MS * n);
        }
    }

    #[test]
    fn a_camera_whose_clock_drifts_stays_near_the_present() {
        for (ours, theirs) in [(1_000_500, 1_000_000), (1_000_000, 1_000_500)] {
            let (mut clock, start) = (LiveClock::default(), Instant::now());
            for n in 0..20_000 {
                let now = start + Duration::from_nanos(33 * ours) * n;
                let placed = clock.place(Duration::from_nanos(33 * theirs) * n, now);
                assert!(placed <= now && now - placed <= 10 * MS);
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_is_taken_as_new_and_time_still_grows() {
        let (mut clock, start) = (LiveClock::default(), Instant::now());
        let mut last = clock.place(100_000 * MS, start);
        for (at_ms, now_ms) in [(100_033, 33), (5, 66), (5, 66), (38, 99), (99_000, 132)] {
            let now = start + MS * now_ms;
            let placed = clock.place(MS * at_ms, now);
            assert!(placed > last && placed <= now + STEP_MIN);
            last = placed;
        }
    }
}
