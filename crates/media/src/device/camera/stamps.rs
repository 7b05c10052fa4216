//! Turns the times that drivers write on pictures into time since the first one.

use std::time::Duration;

/// How far a driver's time may drift from our own before it is no longer believed. Delays between
/// camera and program are far below; wrong clocks are far above.
const DRIFT_MAX: Duration = Duration::from_millis(500);

/// Stamps pictures: by the driver's time where it makes sense, else by when they arrived.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// What the driver's clock and ours said when the stamps were at `base`.
    base: Option<Base>,
    last: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Base {
    driver: Option<Duration>,
    arrival: Duration,
    at: Duration,
}

impl Stamps {
    /// Gives the time since the first picture; it never goes back.
    ///
    /// `driver` is what the driver says, `arrival` when the picture arrived, by our own clock.
    pub(super) fn stamp(&mut self, driver: Option<Duration>, arrival: Duration) -> Duration {
        let start = Base {
            driver,
            arrival,
            at: self.last,
        };
        let base = self.base.get_or_insert(start);
        let arrived = base.at + arrival.saturating_sub(base.arrival);
        let at = match (driver, base.driver) {
            (Some(driver), Some(first)) => base.at + driver.saturating_sub(first),
            _ => arrived,
        };
        let at = if at.abs_diff(arrived) > DRIFT_MAX {
            // A clock that jumped: it counts anew from here.
            *base = Base {
                at: arrived,
                ..start
            };
            arrived
        } else {
            at
        };
        self.last = at.max(self.last);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_drivers_even_spacing_is_kept() {
        let mut stamps = Stamps::default();
        for (driver, arrival, at) in [(9_000, 5, 0), (9_033, 60, 33), (9_066, 71, 66)] {
            assert_eq!(stamps.stamp(Some(ms(driver)), ms(arrival)), ms(at));
        }
    }

    #[test]
    fn without_a_drivers_clock_arrival_counts() {
        let mut stamps = Stamps::default();
        assert_eq!(stamps.stamp(None, ms(5)), ms(0));
        assert_eq!(stamps.stamp(None, ms(38)), ms(33));
        // A clock that begins later is no reason to jump.
        assert_eq!(stamps.stamp(Some(ms(9_000)), ms(71)), ms(66));
    }

    #[test]
    fn a_clock_that_jumps_or_stands_still_is_not_believed() {
        let mut stamps = Stamps::default();
        assert_eq!(stamps.stamp(Some(ms(9_000)), ms(0)), ms(0));
        assert_eq!(stamps.stamp(Some(ms(99_000)), ms(33)), ms(33));
        assert_eq!(stamps.stamp(Some(ms(99_033)), ms(67)), ms(66));
        let mut stuck = Stamps::default();
        let last = (0..40)
            .map(|n| stuck.stamp(Some(Duration::ZERO), ms(33 * n)))
            .last();
        assert!(last > Some(ms(700)), "{last:?}");
    }

    #[test]
    fn time_never_goes_back() {
        let mut stamps = Stamps::default();
        stamps.stamp(Some(ms(9_000)), ms(0));
        assert_eq!(stamps.stamp(Some(ms(9_066)), ms(66)), ms(66));
        assert_eq!(stamps.stamp(Some(ms(9_033)), ms(70)), ms(66));
        assert_eq!(stamps.stamp(Some(ms(8_000)), ms(100)), ms(66));
    }
}
