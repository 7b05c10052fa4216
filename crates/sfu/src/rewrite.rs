//! Keeps a subscriber's numbers continuous while the source behind them changes.
//!
//! Within one source everything moves by constant offsets, so gaps (loss) and order survive:
//! the receiver must see them. A switch chooses new offsets so that the first packet of the new
//! source follows the newest one sent. The offsets of a first source keep its numbers, apart
//! from the sequence number's top bit: a receiver guesses the rollover counter of SRTP as zero,
//! which holds only if the first number is not close to its wrap (RFC 3711 section 3.3.1).

use snug_rtp::{RtpTime, SequenceNumber};
use std::time::{Duration, Instant};

/// How far a source must have moved on since a switch before the numbers below the switch are
/// taken for wrapped ones: more than any reordering, less than half a turn.
const SWITCH_GUARD: i16 = 4096;
/// How much further than the time that passed a switch may move the timestamp. Clock reports
/// that say more are not believed.
const AHEAD_MAX: Duration = Duration::from_secs(1);
const PICTURE_ID_MASK: u16 = 0x7FFF;

/// The numbers of a packet that are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) sequence: SequenceNumber,
    pub(crate) timestamp: RtpTime,
    /// VP8 picture id and TL0PICIDX, zero where the descriptor has none.
    pub(crate) picture_id: u16,
    pub(crate) tl0_picture_index: u8,
    /// Whether it carries anything of a picture; padding does not, and moves only the sequence.
    pub(crate) has_picture: bool,
}

/// The state of one outgoing source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rewriter {
    sequence_offset: u16,
    timestamp_offset: u32,
    picture_offset: u16,
    tl0_offset: u8,
    /// The first number taken from the current source, until it is far behind.
    switched_at: Option<SequenceNumber>,
    /// What that number became.
    begins_at: Option<SequenceNumber>,
    newest: Option<(Numbers, Instant)>,
}

impl Rewriter {
    /// Returns what the input timestamp of the current source has to be moved by.
    pub(crate) fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }

    /// Makes `first` the first packet of a new source. `aligned` is where its timestamp belongs
    /// on the timeline sent so far, when clock reports tell; else the time that passed does.
    pub(crate) fn switch(
        &mut self,
        first: &Numbers,
        aligned: Option<RtpTime>,
        clock_rate: u32,
        now: Instant,
    ) {
        self.switched_at = Some(first.sequence);
        let Some((newest, at)) = self.newest else {
            self.sequence_offset = (first.sequence.0 & 0x7FFF).wrapping_sub(first.sequence.0);
            return;
        };
        self.begins_at = Some(newest.sequence.next());
        self.sequence_offset = newest.sequence.next().0.wrapping_sub(first.sequence.0);
        let elapsed = now.saturating_duration_since(at);
        let latest = newest.timestamp.after(elapsed + AHEAD_MAX, clock_rate);
        let timestamp = aligned
            .filter(|time| time.is_newer_than(newest.timestamp) && !time.is_newer_than(latest))
            .unwrap_or_else(|| {
                let passed = newest.timestamp.after(elapsed, clock_rate);
                if passed == newest.timestamp {
                    passed.wrapping_add(1)
                } else {
                    passed
                }
            });
        self.timestamp_offset = timestamp.0.wrapping_sub(first.timestamp.0);
        self.picture_offset = newest
            .picture_id
            .wrapping_add(1)
            .wrapping_sub(first.picture_id);
        self.tl0_offset = newest
            .tl0_picture_index
            .wrapping_add(1)
            .wrapping_sub(first.tl0_picture_index);
    }

    /// Returns the number that a packet of the current source had before it became `output`; none
    /// for one that went out before the source began.
    pub(crate) fn origin(&self, output: SequenceNumber) -> Option<SequenceNumber> {
        let (newest, _) = self.newest?;
        let is_sent = !output.is_newer_than(newest.sequence);
        let is_ours = self
            .begins_at
            .is_none_or(|first| output.distance_from(first) >= 0);
        let sequence = SequenceNumber(output.0.wrapping_sub(self.sequence_offset));
        (is_sent && is_ours).then_some(sequence)
    }

    /// Returns the number under which a packet of the current source goes out.
    pub(crate) fn sent_as(&self, input: SequenceNumber) -> SequenceNumber {
        input.wrapping_add(self.sequence_offset)
    }

    /// Returns the timestamp of the newest packet that went out.
    pub(crate) fn newest_timestamp(&self) -> RtpTime {
        self.newest
            .map_or(RtpTime(0), |(newest, _)| newest.timestamp)
    }

    /// Moves the numbers of a packet of the current source, whatever it is in the order of things.
    pub(crate) fn moved(&self, input: &Numbers) -> Numbers {
        Numbers {
            sequence: input.sequence.wrapping_add(self.sequence_offset),
            timestamp: input.timestamp.wrapping_add(self.timestamp_offset),
            picture_id: input.picture_id.wrapping_add(self.picture_offset) & PICTURE_ID_MASK,
            tl0_picture_index: input.tl0_picture_index.wrapping_add(self.tl0_offset),
            has_picture: input.has_picture,
        }
    }

    /// Moves the numbers of a packet of the current source; none when the packet was sent before
    /// the one that the source started with.
    pub(crate) fn rewrite(&mut self, input: &Numbers, now: Instant) -> Option<Numbers> {
        if let Some(switched_at) = self.switched_at {
            match input.sequence.distance_from(switched_at) {
                ..0 => return None,
                SWITCH_GUARD.. => (self.switched_at, self.begins_at) = (None, None),
                _ => {}
            }
        }
        let mut output = self.moved(input);
        if let Some((newest, _)) = self.newest.filter(|_| !input.has_picture) {
            output.picture_id = newest.picture_id;
            output.tl0_picture_index = newest.tl0_picture_index;
        }
        let is_newest = self
            .newest
            .is_none_or(|(newest, _)| output.sequence.is_newer_than(newest.sequence));
        if is_newest {
            self.newest = Some((output, now));
        }
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }

    fn numbers(sequence: u16, timestamp: u32) -> Numbers {
        Numbers {
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(timestamp),
            picture_id: 0,
            tl0_picture_index: 0,
            has_picture: true,
        }
    }

    #[test]
    fn a_switch_follows_without_a_gap_and_by_the_time_passed() {
        let (mut rewriter, start) = (Rewriter::default(), start());
        rewriter.switch(&numbers(40_000, 100), None, 90_000, start);
        let first = rewriter.rewrite(&numbers(40_000, 100), start).unwrap();
        assert_eq!(first.sequence.0, 40_000 & 0x7FFF);
        let later = start + Duration::from_millis(100);
        rewriter.switch(&numbers(9, 7), None, 90_000, later);
        let second = rewriter.rewrite(&numbers(9, 7), later).unwrap();
        assert_eq!(second.sequence, first.sequence.next());
        assert_eq!(second.timestamp.distance_from(first.timestamp), 9_000);
        assert_eq!(
            rewriter.rewrite(&numbers(8, 7), later),
            None,
            "before the switch"
        );
    }

    #[test]
    fn a_clock_report_is_believed_only_within_reason() {
        let (mut rewriter, start) = (Rewriter::default(), start());
        rewriter.switch(&numbers(1, 1_000), None, 90_000, start);
        rewriter.rewrite(&numbers(1, 1_000), start).unwrap();
        let later = start + Duration::from_millis(100);
        for (aligned, expected) in [(9_500, 9_500), (1_000, 10_000), (500_000, 10_000)] {
            let mut rewriter = rewriter;
            rewriter.switch(&numbers(1, 1), Some(RtpTime(aligned)), 90_000, later);
            let output = rewriter.rewrite(&numbers(1, 1), later).unwrap();
            assert_eq!(output.timestamp, RtpTime(expected));
        }
    }

    proptest! {
        /// Sources of random numbering, each with loss and reordering, one after the other: no
        /// two packets ever get the same number, order and gaps within a source survive, and
        /// each source starts right behind the one before.
        #[test]
        fn numbers_stay_unique_and_ordered(
            sources in prop::collection::vec(
                (any::<u16>(), any::<u32>(), any::<u16>(), prop::collection::vec((0u16..30, any::<bool>()), 1..80)),
                1..6,
            ),
        ) {
            let (mut rewriter, start) = (Rewriter::default(), start());
            let mut seen = HashMap::new();
            let mut newest: Option<SequenceNumber> = None;
            let mut now = start;
            for (index, (base, time, picture, jumps)) in sources.into_iter().enumerate() {
                let first = Numbers { picture_id: picture & 0x7FFF, ..numbers(base, time) };
                rewriter.switch(&first, None, 90_000, now);
                let mut highest = 0u16;
                for (step, (jump, is_lost)) in jumps.into_iter().enumerate() {
                    now += Duration::from_millis(5);
                    // Around the highest number so far, up to 10 back and 20 ahead.
                    let at = if step == 0 { 0 } else { (highest + jump).saturating_sub(10) };
                    if is_lost && step > 0 {
                        continue;
                    }
                    highest = highest.max(at);
                    let input = Numbers {
                        sequence: first.sequence.wrapping_add(at),
                        timestamp: first.timestamp.wrapping_add(u32::from(at) * 3_000),
                        ..first
                    };
                    let output = rewriter.rewrite(&input, now).unwrap();
                    if step == 0 && let Some(newest) = newest {
                        prop_assert_eq!(output.sequence, newest.next());
                    }
                    let before = seen.insert(output.sequence.0, (index, at));
                    prop_assert!(before.is_none() || before == Some((index, at)));
                    if newest.is_none_or(|newest| output.sequence.is_newer_than(newest)) {
                        newest = Some(output.sequence);
                    }
                }
            }
        }

        #[test]
        fn a_long_run_wraps_many_times(base: u16, time: u32) {
            let (mut rewriter, start) = (Rewriter::default(), start());
            rewriter.switch(&numbers(base, time), None, 90_000, start);
            let mut last: Option<Numbers> = None;
            for step in 0..200_000u32 {
                let input = numbers(base.wrapping_add(step as u16), time.wrapping_add(step * 90));
                let output = rewriter.rewrite(&input, start).unwrap();
                if let Some(last) = last {
                    prop_assert_eq!(output.sequence, last.sequence.next());
                    prop_assert_eq!(output.timestamp.distance_from(last.timestamp), 90);
                }
                last = Some(output);
            }
        }
    }
}
