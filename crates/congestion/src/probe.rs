//! Trying out whether a way carries more than flows on it: a short burst at a higher rate.
//!
//! A sender that has nothing more to say, like a server that forwards one layer where the next is
//! twice as large, never learns from its own packets that there is room. So it sends a little
//! padding now and then, and looks how fast that arrives.

use std::time::{Duration, Instant};

/// How long a burst takes at its rate, at least.
const BURST: Duration = Duration::from_millis(20);
/// Packets of a burst, at least: fewer say little about a rate.
const PACKETS_MIN: u32 = 5;
/// Bytes of a burst, at least: as many packets of padding, which are small.
const BYTES_MIN: u32 = 1400;
/// But never so many that they take longer than this at the rate that is tried: on a way of 100 kb/s
/// they stand before a voice for more than the 60 ms that are heard as a gap.
const BURST_MAX: Duration = Duration::from_millis(40);
/// How long the report on a burst may take before it counts as failed.
const REPORT_MAX: Duration = Duration::from_millis(1500);
/// How often padding is sent while a burst is under way.
const STEP: Duration = Duration::from_millis(5);
/// A burst that arrives slower than this share of how it was sent has found the limit.
const LIMITED: f64 = 0.9;
/// What a limit that was found counts for, since something else may need a little.
const TRUST: f64 = 0.95;

/// So many bursts in a row must agree on a limit, within this share of it, before it is believed: one
/// that a busy machine sends or reads late looks just like a narrow way.
const AGREED_MIN: u8 = 3;
const AGREES: f64 = 0.15;
/// So many that find limits follow each other at once.
const DOUBTS_MAX: u8 = 4;
/// How many times a limit the next one tries that is to find it again: a queue is made soon.
const TIMES_AGAIN: f64 = 1.35;

/// What a burst has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Bits a second that the way carries at least.
    pub(crate) bitrate: u64,
    /// Whether it carries no more than that.
    pub(crate) is_limit: bool,
}

/// What is to be thought of a burst, after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Another one should follow at once: there may be more, or the limit is not certain.
    Doubt,
    /// The limit is not certain, and another time will be better.
    Nothing,
    /// The way carries so much.
    Limit,
}

/// What bursts have found so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// The limit that the last one found, in bits a second.
    limit: Option<f64>,
    /// How many in a row agree on it.
    agreed: u8,
    /// How many in a row found one, since one was believed.
    doubts: u8,
}

impl Found {
    /// Takes the limit that a burst found, if any.
    pub(crate) fn handle_burst(&mut self, limit: Option<f64>) -> Belief {
        let before = std::mem::replace(&mut self.limit, limit);
        let Some(limit) = limit else {
            *self = Self::default();
            return Belief::Doubt;
        };
        let agrees = before.is_some_and(|before| (limit / before - 1.0).abs() <= AGREES);
        self.agreed = if agrees {
            self.agreed.saturating_add(1)
        } else {
            1
        };
        self.doubts += 1;
        let belief = match self.agreed >= AGREED_MIN {
            true => Belief::Limit,
            false if self.doubts < DOUBTS_MAX => Belief::Doubt,
            false => Belief::Nothing,
        };
        if belief != Belief::Doubt {
            self.doubts = 0;
        }
        belief
    }

    /// Returns the most that the last burst leaves to hope for, in bits a second.
    pub(crate) fn most(&self) -> Option<f64> {
        self.limit.map(|limit| limit / TRUST)
    }

    /// Returns the rate of a burst that is to find a limit once more.
    pub(crate) fn next_bitrate(&self) -> Option<f64> {
        let limit = self.limit.filter(|_| self.doubts > 0)?;
        Some(limit * TIMES_AGAIN)
    }
}

/// One burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) id: u8,
    bitrate: u64,
    started_at: Instant,
    /// What is to be sent, and was.
    bytes: u32,
    sent_bytes: u32,
    sent_packets: u32,
    ended_at: Option<Instant>,
    arrived: Arrived,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    packets: u32,
    lost: u32,
    bytes: u32,
    first_sent_us: i64,
    last_sent_us: i64,
    last_sent_bytes: u32,
    first_arrived_us: i64,
    first_arrived_bytes: u32,
    last_arrived_us: i64,
}

impl Probe {
    pub(crate) fn new(id: u8, bitrate: u64, now: Instant) -> Self {
        let during = |time: Duration| {
            let bytes = bitrate * time.as_millis() as u64 / 8000;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            id,
            bitrate,
            started_at: now,
            bytes: during(BURST).max(BYTES_MIN.min(during(BURST_MAX))),
            sent_bytes: 0,
            sent_packets: 0,
            ended_at: None,
            arrived: Arrived::default(),
        }
    }

    /// Tells whether packets that are sent now belong to it.
    pub(crate) fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Returns how many bytes of padding are due.
    pub(crate) fn padding(&self, now: Instant) -> usize {
        if !self.is_open() {
            return 0;
        }
        let elapsed = now.saturating_duration_since(self.started_at) + STEP;
        let due = elapsed.as_micros() * u128::from(self.bitrate) / 8_000_000;
        let due = u32::try_from(due).unwrap_or(u32::MAX).min(self.bytes);
        let due = due.saturating_sub(self.sent_bytes);
        // Enough bytes in too few packets: some more.
        match self.sent_bytes >= self.bytes && self.sent_packets < PACKETS_MIN {
            true => 1,
            false => due as usize,
        }
    }

    /// Returns when there is something to do for it.
    pub(crate) fn deadline(&self, last: Instant) -> Instant {
        match self.ended_at {
            None => last + STEP,
            Some(at) => at + REPORT_MAX,
        }
    }

    pub(crate) fn handle_sent(&mut self, bytes: usize, now: Instant) {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes as u32);
        self.sent_packets += 1;
        if self.sent_bytes >= self.bytes && self.sent_packets >= PACKETS_MIN {
            self.ended_at = Some(now);
        }
    }

    /// Tells whether nobody will report on it any more; one that nobody padded ends as well.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        let since = self.ended_at.unwrap_or(self.started_at);
        now.saturating_duration_since(since) >= REPORT_MAX
    }

    pub(crate) fn handle_arrival(&mut self, sent_us: i64, arrived_us: i64, bytes: u16) {
        let (all, bytes) = (&mut self.arrived, u32::from(bytes));
        if all.packets == 0 || sent_us < all.first_sent_us {
            all.first_sent_us = sent_us;
        }
        if all.packets == 0 || sent_us >= all.last_sent_us {
            (all.last_sent_us, all.last_sent_bytes) = (sent_us, bytes);
        }
        if all.packets == 0 || arrived_us < all.first_arrived_us {
            (all.first_arrived_us, all.first_arrived_bytes) = (arrived_us, bytes);
        }
        if all.packets == 0 || arrived_us >= all.last_arrived_us {
            all.last_arrived_us = arrived_us;
        }
        all.packets += 1;
        all.bytes = all.bytes.saturating_add(bytes);
    }

    pub(crate) fn handle_loss(&mut self) {
        self.arrived.lost += 1;
    }

    /// Returns what it has shown, once all of it is reported. Nothing when too much of it was
    /// lost, or it came at impossible times.
    pub(crate) fn result(&self) -> Option<Option<Finding>> {
        let all = &self.arrived;
        if self.is_open() || all.packets + all.lost < self.sent_packets {
            return None;
        }
        if all.packets < PACKETS_MIN.min(self.sent_packets) * 4 / 5 || all.packets < 3 {
            return Some(None);
        }
        let rate = |bytes: u32, us: i64| u64::from(bytes) * 8_000_000 / us.unsigned_abs().max(1);
        let (sent_us, arrived_us) = (
            all.last_sent_us - all.first_sent_us,
            all.last_arrived_us - all.first_arrived_us,
        );
        if sent_us < 1000 {
            return Some(None);
        }
        let sent = rate(all.bytes - all.last_sent_bytes, sent_us).min(self.bitrate * 3 / 2);
        let arrived = rate(all.bytes - all.first_arrived_bytes, arrived_us.max(1));
        let is_limit = (arrived as f64) < LIMITED * sent as f64;
        let bitrate = match is_limit {
            true => (arrived as f64 * TRUST) as u64,
            false => sent.min(arrived),
        };
        Some(Some(Finding { bitrate, is_limit }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::start;

    /// Sends a burst at 2 Mb/s over a way that carries so much; returns what it shows.
    fn try_out(carries: u64) -> Finding {
        let start = start();
        let mut probe = Probe::new(1, 2_000_000, start);
        let (mut step, mut free_us) = (0, 0);
        while probe.is_open() {
            let now = start + Duration::from_millis(step);
            let mut due = probe.padding(now) as i64;
            while due > 0 && probe.is_open() {
                probe.handle_sent(250, now);
                let sent_us = step as i64 * 1000;
                free_us = (sent_us + 20_000).max(free_us) + 250 * 8_000_000 / carries as i64;
                probe.handle_arrival(sent_us, free_us, 250);
                due -= 250;
            }
            step += 5;
        }
        assert!(step <= 30, "{step} ms");
        probe.result().unwrap().unwrap()
    }

    #[test]
    fn it_finds_what_a_way_carries() {
        let Finding { bitrate, is_limit } = try_out(1_000_000);
        assert!(
            is_limit && (850_000..=1_000_000).contains(&bitrate),
            "{bitrate}"
        );
        let Finding { bitrate, is_limit } = try_out(100_000_000);
        assert!(
            !is_limit && (1_700_000..=3_000_000).contains(&bitrate),
            "{bitrate}"
        );
    }

    #[test]
    fn a_limit_is_believed_when_three_in_a_row_agree() {
        let mut found = Found::default();
        assert_eq!(found.handle_burst(None), Belief::Doubt);
        assert_eq!(found.handle_burst(Some(1e6)), Belief::Doubt);
        assert_eq!(found.next_bitrate(), Some(1.35e6));
        assert_eq!(found.handle_burst(Some(1.1e6)), Belief::Doubt);
        assert_eq!(found.handle_burst(Some(1e6)), Belief::Limit);
        assert_eq!(found.handle_burst(Some(1e6)), Belief::Limit);
        assert_eq!(found.next_bitrate(), None);
        // A machine that was busy a moment, and then not.
        assert_eq!(found.handle_burst(Some(3e5)), Belief::Doubt);
        assert_eq!(found.handle_burst(None), Belief::Doubt);
        assert_eq!(found.most(), None);
        // One that is busy all the time.
        for limit in [1e6, 2e6, 1e6] {
            assert_eq!(found.handle_burst(Some(limit)), Belief::Doubt);
        }
        assert_eq!(found.handle_burst(Some(2e6)), Belief::Nothing);
    }

    #[test]
    fn one_that_is_lost_shows_nothing() {
        let start = start();
        let mut probe = Probe::new(1, 2_000_000, start);
        while probe.is_open() {
            probe.handle_sent(250, start);
            assert_eq!(probe.result(), None);
            probe.handle_loss();
        }
        assert_eq!(probe.result(), Some(None));
        assert!(!probe.is_stale(start));
        assert!(probe.is_stale(start + REPORT_MAX));
    }
}
