//! How little is sent until a long queue is gone: what stands in a deep buffer delays the voice that
//! comes behind it by all of it, and a target just below what the way carries drains it in half a
//! minute.

use crate::delay::STANDING_US;

/// Where everything waits for so long, in microseconds, no trend has to be waited for.
const FROM_US: i64 = 200_000;
/// A queue is drained in about so long, in microseconds: what gets through is lowered by the share
/// that the queue makes of that.
const IN_US: f64 = 1_000_000.0;
/// The least share of what gets through, so that pictures do not end, and the most.
const LEAST: f64 = 0.25;
const MOST: f64 = 0.87;

/// What may be sent while a queue drains.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drain {
    most: Option<f64>,
}

impl Drain {
    /// Returns how many bits a second may be sent; none while there is no long queue.
    pub(crate) fn most(&self) -> Option<f64> {
        self.most
    }

    /// Takes for how long everything waits, in microseconds, and how many bits a second come
    /// through; returns the latter while the queue is to be drained.
    pub(crate) fn handle_queue(&mut self, waits_us: i64, carries: Option<u64>) -> Option<f64> {
        let from_us = self.most.map_or(FROM_US, |_| STANDING_US);
        if waits_us <= from_us {
            self.most = None;
            return None;
        }
        let carries = carries? as f64;
        let share = 1.0 - waits_us as f64 / IN_US;
        self.most = Some(carries * share.clamp(LEAST, MOST));
        Some(carries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_is_drained_until_it_is_short() {
        let mut drain = Drain::default();
        assert_eq!(drain.handle_queue(150_000, Some(1_000_000)), None);
        assert_eq!(drain.handle_queue(600_000, Some(1_000_000)), Some(1e6));
        let most = drain.most().expect("a long queue");
        assert!((most - 400_000.0).abs() < 1.0, "{most}");
        assert!(drain.handle_queue(150_000, Some(1_000_000)).is_some());
        assert_eq!(drain.most(), Some(850_000.0));
        drain.handle_queue(90_000, Some(1_000_000));
        assert_eq!(drain.most(), None);
    }
}
