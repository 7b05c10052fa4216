//! Puts the Opus packets of one track in order for a file, which cannot take a late one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_rtp::{RtpTime, SequenceNumber, SequenceUnwrapper};

use crate::frame::SAMPLE_RATE;

/// Packets held while one is missing: 320 ms, longer than any retransmission takes.
const HELD_MAX: usize = 16;
/// Packets farther off belong to another run of the sender.
const STEP_MAX: u16 = 512;
/// Where time stamps and playout differ by more, the sender paused or started over.
const DRIFT_MAX: Duration = Duration::from_millis(60);

/// One packet in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    pub payload: Bytes,
    /// When it plays, since the first packet's playout.
    pub at: Duration,
}

#[derive(Debug, Default)]
pub struct Order {
    unwrapper: SequenceUnwrapper,
    held: BTreeMap<u64, Held>,
    next: u64,
    first_at: Option<Instant>,
    /// A time stamp and when it plays.
    anchor: Option<(RtpTime, Duration)>,
}

#[derive(Debug)]
struct Held {
    timestamp: RtpTime,
    at: Instant,
    payload: Bytes,
}

impl Order {
    /// Takes a packet that plays at the instant `at`.
    pub fn insert(
        &mut self,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        payload: Bytes,
        at: Instant,
    ) {
        if let Some(highest) = self.unwrapper.highest() {
            let step = sequence.distance_from(SequenceNumber(highest as u16));
            if step.unsigned_abs() >= STEP_MAX {
                self.unwrapper = SequenceUnwrapper::default();
                self.held.clear();
                self.next = 0;
            }
        }
        let sequence = self.unwrapper.unwrap(sequence);
        if self.next == 0 {
            self.next = sequence;
        }
        if sequence >= self.next {
            self.held.entry(sequence).or_insert(Held {
                timestamp,
                at,
                payload,
            });
        }
    }

    /// Gives the next packet in order; a missing one is skipped when too many wait behind it.
    pub fn pop(&mut self) -> Option<Ordered> {
        let (&sequence, _) = self.held.first_key_value()?;
        if sequence != self.next && self.held.len() <= HELD_MAX {
            return None;
        }
        self.take_first()
    }

    /// Gives the next packet in order, whatever is missing: for the end.
    pub fn pop_rest(&mut self) -> Option<Ordered> {
        self.take_first()
    }

    fn take_first(&mut self) -> Option<Ordered> {
        let (sequence, held) = self.held.pop_first()?;
        self.next = sequence + 1;
        let first_at = *self.first_at.get_or_insert(held.at);
        let real = held.at.saturating_duration_since(first_at);
        let (anchor_time, anchor_at) = *self.anchor.get_or_insert((held.timestamp, real));
        let ticks = held.timestamp.distance_from(anchor_time);
        let step = Duration::from_micros(
            u64::from(ticks.unsigned_abs()) * 1_000_000 / u64::from(SAMPLE_RATE),
        );
        let counted = if ticks >= 0 {
            anchor_at + step
        } else {
            anchor_at.saturating_sub(step)
        };
        let at = if counted.abs_diff(real) > DRIFT_MAX {
            real
        } else {
            counted
        };
        self.anchor = Some((held.timestamp, at));
        Some(Ordered {
            payload: held.payload,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Feed {
        order: Order,
        start: Instant,
    }

    impl Feed {
        fn insert(&mut self, n: u16, at_ms: u64) {
            let timestamp = RtpTime(u32::MAX - 1_000).wrapping_add(u32::from(n) * 960);
            let payload = Bytes::copy_from_slice(&n.to_be_bytes());
            let at = self.start + Duration::from_millis(at_ms);
            self.order.insert(
                SequenceNumber(65_530).wrapping_add(n),
                timestamp,
                payload,
                at,
            );
        }

        fn pop(&mut self) -> Vec<(u16, u64)> {
            std::iter::from_fn(|| self.order.pop())
                .map(|p| {
                    (
                        u16::from_be_bytes([p.payload[0], p.payload[1]]),
                        p.at.as_millis() as u64,
                    )
                })
                .collect()
        }
    }

    fn feed() -> Feed {
        Feed {
            order: Order::default(),
            start: Instant::now(),
        }
    }

    #[test]
    fn order_and_even_times_come_back_across_both_wraps() {
        let mut feed = feed();
        feed.insert(0, 100);
        assert_eq!(feed.pop(), [(0, 0)]);
        feed.insert(2, 143);
        feed.insert(2, 150);
        assert_eq!(feed.pop(), []);
        feed.insert(1, 155);
        assert_eq!(feed.pop(), [(1, 20), (2, 40)]);
        feed.insert(1, 160);
        assert_eq!(feed.pop(), []);
    }

    #[test]
    fn a_loss_is_skipped_after_a_while_and_leaves_its_gap() {
        let mut feed = feed();
        for n in (0..30).filter(|n| *n != 5) {
            feed.insert(n, u64::from(n) * 20);
        }
        let popped = feed.pop();
        assert!(popped.contains(&(4, 80)) && popped.contains(&(6, 120)));
        assert_eq!(popped.len(), 29);
    }

    #[test]
    fn a_pause_and_a_new_sequence_take_the_time_that_passed() {
        let mut feed = feed();
        feed.insert(0, 0);
        feed.insert(1, 5_000);
        assert_eq!(feed.pop(), [(0, 0), (1, 5_000)]);
        feed.insert(20_000, 6_000);
        feed.insert(20_001, 6_020);
        assert_eq!(feed.pop(), [(20_000, 6_000), (20_001, 6_020)]);
    }
}
