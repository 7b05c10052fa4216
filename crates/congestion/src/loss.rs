//! What loss says about the rate.
//!
//! Loss tells of a way that is too narrow only where it depends on the rate: a policer or a short
//! queue loses less when less is sent; a bad radio does not. So loss beyond what the way has by
//! itself lowers the rate, and loss that stays as it was after that counts as the way's own.

use std::time::{Duration, Instant};

/// How long packets are counted before they are judged, and how many it takes.
const WINDOW: Duration = Duration::from_millis(500);
const PACKETS_MIN: u32 = 20;
/// Where too little is sent to count so many, what there is.
const WINDOW_MAX: Duration = Duration::from_secs(3);
/// Excess of loss that lowers the rate, and that which still lets it rise
/// (draft-ietf-rmcat-gcc-02 section 6).
const TOO_MUCH: f64 = 0.10;
const LITTLE: f64 = 0.02;
/// Chance makes a share of few packets swing so many standard deviations without meaning it.
const DEVIATIONS: f64 = 1.5;
/// A rate that differs by such a share is another rate.
const ANOTHER: f64 = 0.06;
/// After so many windows of some loss the rate rises a little, to see what comes of it.
const HOLDS_MAX: u32 = 3;

/// Loss beside a queue that stands is that queue's.
const OVERFLOW: f64 = 0.05;

/// What loss allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Increase,
    Hold,
    /// A queue is full: what arrives is all that the way carries.
    Overflow,
    /// Multiply the rate by this.
    Decrease(f64),
}

/// The loss on one way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    since: Option<Instant>,
    arrived: u32,
    lost: u32,
    /// The share in the last window.
    share: f64,
    /// The share that the way loses whatever is sent.
    own: f64,
    /// A window at another rate, to compare with.
    before: Option<Window>,
    holds: u32,
    /// What was lost in the last window beyond the way's own share.
    excess: f64,
}

/// What became of the packets of a window.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Packets a second that were sent.
    rate: f64,
    /// The share of them that was lost.
    share: f64,
    /// How far chance alone may move that.
    deviation: f64,
}

impl Loss {
    /// Returns the share lost in the last window, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    /// Counts what became of packets; returns a verdict when there is enough to judge by.
    /// `is_queued` is asked then whether a queue stands on the way.
    pub(crate) fn handle_feedback(
        &mut self,
        arrived: u32,
        lost: u32,
        is_queued: impl FnOnce() -> bool,
        now: Instant,
    ) -> Option<Verdict> {
        let since = *self.since.get_or_insert(now);
        self.arrived += arrived;
        self.lost += lost;
        let (count, elapsed) = (
            self.arrived + self.lost,
            now.saturating_duration_since(since),
        );
        let is_enough = elapsed >= WINDOW && count >= PACKETS_MIN;
        if count == 0 || !(is_enough || elapsed >= WINDOW_MAX) {
            return None;
        }
        let share = f64::from(self.lost) / f64::from(count);
        self.share = share;
        (self.since, self.arrived, self.lost) = (Some(now), 0, 0);
        if is_queued() && share > OVERFLOW {
            // Nothing is learnt while the queue holds what an earlier rate put there.
            self.before = None;
            return Some(Verdict::Overflow);
        }
        let count = f64::from(count);
        Some(self.judge(Window {
            rate: count / elapsed.as_secs_f64().max(0.001),
            share,
            deviation: (share * (1.0 - share) / count).sqrt(),
        }))
    }

    fn judge(&mut self, window: Window) -> Verdict {
        let share = window.share;
        self.compare(window);
        if share < self.own {
            self.own += 0.3 * (share - self.own);
        }
        let room = (1.0 - self.own).max(0.05);
        let excess = (share - self.own - DEVIATIONS * window.deviation) / room;
        let excess = excess.clamp(0.0, 1.0);
        // Losses come in bursts: what is not there in two windows was one.
        let lasting = excess.min(std::mem::replace(&mut self.excess, excess));
        if lasting > TOO_MUCH {
            self.holds = 0;
            return Verdict::Decrease(1.0 - 0.5 * lasting);
        }
        if excess > LITTLE && self.holds < HOLDS_MAX {
            self.holds += 1;
            return Verdict::Hold;
        }
        self.holds = 0;
        Verdict::Increase
    }

    /// Learns from a window at another rate than one before, whether the way is narrow or bad.
    fn compare(&mut self, window: Window) {
        let before = *self.before.get_or_insert(window);
        // As long as as much is sent as before, nothing can be learnt from it.
        if (window.rate / before.rate - 1.0).abs() < ANOTHER {
            return;
        }
        // A narrow way lets through what it did before, and loses less of less.
        let passed = before.rate * (1.0 - before.share);
        let narrow = (1.0 - passed / window.rate).clamp(0.0, 1.0);
        let is_bad = (window.share - before.share).abs() < (window.share - narrow).abs();
        if is_bad && window.share > self.own {
            self.own += 0.5 * (window.share - self.own);
        }
        self.before = Some(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::start;

    /// Runs windows at a rate that the verdicts move; `lost` says how many percent are lost at that
    /// rate. Returns the rates.
    fn play(lost: impl Fn(f64, u32) -> u32, windows: u32) -> Vec<f64> {
        let (mut loss, start) = (Loss::default(), start());
        let mut rate = 1.0;
        let mut rates = Vec::new();
        assert_eq!(loss.handle_feedback(0, 0, || false, start), None);
        for window in 1..=windows {
            let count = (rate * 100.0) as u32;
            let lost = count * lost(rate, window) / 100;
            let now = start + WINDOW * window;
            match loss.handle_feedback(count - lost, lost, || false, now) {
                Some(Verdict::Increase) => rate *= 1.04,
                Some(Verdict::Decrease(by)) => rate *= by,
                _ => {}
            }
            rates.push(rate);
        }
        rates
    }

    #[test]
    fn a_bad_radio_does_not_lower_the_rate_for_long() {
        let rates = play(|_, window| 30 + window % 5 - 2, 60);
        let least = rates.iter().copied().fold(f64::MAX, f64::min);
        assert!(least > 0.6, "{least}");
        assert!(rates[59] > 1.0, "{rates:?}");
    }

    #[test]
    fn a_policer_does() {
        // What is more than half of the first rate is thrown away.
        let policed = |rate: f64, _| (100.0 * (1.0 - 0.5 / rate).max(0.0)) as u32;
        let rates = play(policed, 60);
        let late = &rates[20..];
        let mean = late.iter().sum::<f64>() / late.len() as f64;
        assert!((0.4..0.75).contains(&mean), "{rates:?}");
    }

    #[test]
    fn little_loss_changes_nothing() {
        let rates = play(|_, _| 1, 20);
        assert!(rates.is_sorted());
    }
}
