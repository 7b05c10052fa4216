//! Which packets of a source are missing, and when to ask for them again (RFC 4585 section 6.2.1).
//!
//! A packet that comes a little late was only overtaken, so a hole is asked about after
//! [`OVERTAKEN`]; then again and again, more and more seldom, until a receiver would no longer
//! wait for it. Once a keyframe is there, nobody needs what was before it.

use crate::SequenceNumber;
use std::time::{Duration, Instant};

/// Holes that are remembered at once. More is an outage, which only a keyframe mends.
const MISSING_MAX: usize = 64;
/// How late a packet may come and count as overtaken.
const OVERTAKEN: Duration = Duration::from_millis(5);
/// Pauses after each request, in milliseconds: dense while receivers still wait, who give a
/// picture up after some 250 ms; the last one is the end. On a way that is known to take longer,
/// no pause is shorter than a quarter of a round trip: a request or its answer may be lost too, and
/// to wait for a whole round trip first showed fewer pictures (decisions/0031).
const PAUSES_MS: [u64; 10] = [20, 20, 25, 30, 40, 50, 75, 100, 150, 200];
/// Numbers that one request names.
const NAMED_MAX: usize = 16;

/// Some sequence numbers, ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    numbers: [SequenceNumber; NAMED_MAX],
    len: usize,
}

impl Sequences {
    /// Returns them.
    pub fn iter(&self) -> impl Iterator<Item = SequenceNumber> + '_ {
        self.numbers[..self.len].iter().copied()
    }

    fn push(&mut self, number: SequenceNumber) {
        self.numbers[self.len] = number;
        self.len += 1;
    }
}

/// The holes in what came of one source. After [`Missing::handle_packet`], wait until
/// [`Missing::deadline`] and take what [`Missing::poll`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    newest: Option<SequenceNumber>,
    /// Ascending; those behind `len` mean nothing.
    holes: [Option<Hole>; MISSING_MAX],
    len: usize,
    /// How long the last packet took that was asked for.
    round_trip: Duration,
    /// How long the slowest of the last few was missing.
    slowest: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    sequence: SequenceNumber,
    requests: usize,
    noticed_at: Instant,
    /// When it was first asked about.
    asked_at: Instant,
    due: Instant,
}

impl Default for Missing {
    fn default() -> Self {
        Self {
            newest: None,
            holes: [None; MISSING_MAX],
            len: 0,
            round_trip: Duration::ZERO,
            slowest: Duration::ZERO,
        }
    }
}

impl Missing {
    /// Notes that a packet came; returns whether it was missing.
    pub fn handle_packet(&mut self, sequence: SequenceNumber, now: Instant) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return false;
        };
        let step = sequence.distance_from(newest);
        if step <= 0 {
            return self.fill(sequence, now);
        }
        self.newest = Some(sequence);
        let lost = usize::from(step.unsigned_abs()) - 1;
        if lost > MISSING_MAX {
            self.retain(|_| false);
            return false;
        }
        for number in 1..step.unsigned_abs() {
            self.push(Hole {
                sequence: newest.wrapping_add(number),
                requests: 0,
                noticed_at: now,
                asked_at: now,
                due: now + OVERTAKEN,
            });
        }
        false
    }

    /// Notes a packet that was sent again; returns whether it is of use: it was missing, or nobody
    /// knew yet that it was. Senders probe with their newest packet, which may have been lost.
    pub fn handle_repetition(&mut self, sequence: SequenceNumber, now: Instant) -> bool {
        let is_newest = self.newest.map(|newest| sequence.is_newer_than(newest));
        is_newest.is_some_and(|is_newest| self.handle_packet(sequence, now) || is_newest)
    }

    /// Stops missing what was sent before the start of a keyframe.
    pub fn handle_keyframe(&mut self, start: SequenceNumber) {
        self.retain(|hole| hole.sequence.is_newer_than(start));
    }

    /// Returns how long the slowest of the last few packets was missing that came in the end; zero
    /// while none has. What is missing now may take as long.
    pub fn slowest(&self) -> Duration {
        self.slowest
    }

    /// Returns what to ask for now, if anything, and notes that it was asked for.
    pub fn poll(&mut self, now: Instant) -> Option<Sequences> {
        let mut due = Sequences::default();
        for hole in self.holes[..self.len].iter_mut().flatten() {
            if hole.due <= now && due.len < NAMED_MAX {
                if let Some(pause_ms) = PAUSES_MS.get(hole.requests) {
                    due.push(hole.sequence);
                    let pause = Duration::from_millis(*pause_ms);
                    hole.due = now + pause.max(self.round_trip / 4);
                    if hole.requests == 0 {
                        hole.asked_at = now;
                    }
                }
                hole.requests += 1;
            }
        }
        self.retain(|hole| hole.requests <= PAUSES_MS.len());
        (due.len > 0).then_some(due)
    }

    /// Returns when [`Missing::poll`] is next worth a call.
    pub fn deadline(&self) -> Option<Instant> {
        let holes = self.holes[..self.len].iter().flatten();
        holes.map(|hole| hole.due).min()
    }

    /// Notes that a packet came late; returns whether it was missing.
    fn fill(&mut self, sequence: SequenceNumber, now: Instant) -> bool {
        let holes = self.holes[..self.len].iter().flatten();
        let Some(hole) = holes.copied().find(|hole| hole.sequence == sequence) else {
            return false;
        };
        // After several requests nobody knows which was answered. To take the first may be too long;
        // then the next hole is asked about once, which corrects it. To take the last would be too
        // short for good: on a long way everything would be asked for many times.
        if hole.requests > 0 {
            self.round_trip = now.saturating_duration_since(hole.asked_at);
        }
        let took = now.saturating_duration_since(hole.noticed_at);
        self.slowest = took.max(self.slowest * 7 / 8);
        self.retain(|hole| hole.sequence != sequence);
        true
    }

    /// Takes a hole in; the oldest gives way.
    fn push(&mut self, hole: Hole) {
        if self.len == MISSING_MAX {
            self.holes.rotate_left(1);
            self.len -= 1;
        }
        self.holes[self.len] = Some(hole);
        self.len += 1;
    }

    fn retain(&mut self, is_kept: impl Fn(&Hole) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            let hole = self.holes[index];
            if hole.as_ref().is_some_and(&is_kept) {
                self.holes[kept] = hole;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        let polled = missing.poll(now);
        polled.map_or(vec![], |due| due.iter().map(|number| number.0).collect())
    }

    #[test]
    fn a_hole_is_asked_about_until_it_is_filled() {
        let (mut missing, start) = (Missing::default(), start());
        for number in [65_534, 65_535, 2] {
            assert!(!missing.handle_packet(SequenceNumber(number), start));
        }
        assert_eq!(asked(&mut missing, start + 4 * MS), []);
        assert_eq!(missing.deadline(), Some(start + OVERTAKEN));
        assert_eq!(asked(&mut missing, start + 5 * MS), [0, 1]);
        assert_eq!(asked(&mut missing, start + 10 * MS), []);
        assert!(missing.handle_packet(SequenceNumber(0), start + 12 * MS));
        assert!(!missing.handle_packet(SequenceNumber(0), start + 12 * MS));
        assert_eq!(asked(&mut missing, start + 25 * MS), [1]);
    }

    #[test]
    fn a_repetition_of_what_is_not_known_to_be_missing_is_of_use_once() {
        let (mut missing, start) = (Missing::default(), start());
        let again = |number, missing: &mut Missing| {
            missing.handle_repetition(SequenceNumber(number), start)
        };
        assert!(!again(1, &mut missing));
        missing.handle_packet(SequenceNumber(1), start);
        assert!(!again(1, &mut missing));
        assert!(again(3, &mut missing));
        assert!(!again(3, &mut missing));
        assert_eq!(asked(&mut missing, start + OVERTAKEN), [2]);
        assert!(again(2, &mut missing));
    }

    #[test]
    fn it_is_given_up_within_a_second_and_at_a_keyframe() {
        let (mut missing, start) = (Missing::default(), start());
        missing.handle_packet(SequenceNumber(1), start);
        missing.handle_packet(SequenceNumber(3), start);
        let times = (0..2000).filter(|ms| !asked(&mut missing, start + *ms * MS).is_empty());
        assert_eq!(
            times.collect::<Vec<_>>(),
            [5, 25, 45, 70, 100, 140, 190, 265, 365, 515]
        );
        assert_eq!(missing.deadline(), None);
        missing.handle_packet(SequenceNumber(9), start);
        missing.handle_keyframe(SequenceNumber(7));
        assert_eq!(asked(&mut missing, start + 5 * MS), [8]);
    }

    #[test]
    fn a_long_way_is_asked_more_seldom() {
        let (mut missing, start) = (Missing::default(), start());
        for number in [1, 3, 5, 9] {
            missing.handle_packet(SequenceNumber(number), start);
        }
        let asked = |missing: &mut Missing, ms: u32| asked(missing, start + ms * MS);
        assert_eq!(asked(&mut missing, 5), [2, 4, 6, 7, 8]);
        assert!(missing.handle_packet(SequenceNumber(2), start + 205 * MS));
        assert_eq!(asked(&mut missing, 205), [4, 6, 7, 8]);
        assert_eq!(asked(&mut missing, 254), []);
        assert_eq!(asked(&mut missing, 255), [4, 6, 7, 8]);
    }

    #[test]
    fn how_far_away_it_is_is_learnt_from_a_packet_that_was_asked_for_often() {
        let (mut missing, start) = (Missing::default(), start());
        for number in [1, 3, 5] {
            missing.handle_packet(SequenceNumber(number), start);
        }
        let mut requests = 0;
        for ms in 0..205 {
            requests += asked(&mut missing, start + ms * MS).len();
        }
        assert_eq!(requests, 14, "both, seven times each");
        assert_eq!(missing.slowest(), Duration::ZERO);
        assert!(missing.handle_packet(SequenceNumber(2), start + 205 * MS));
        assert_eq!(missing.slowest(), 205 * MS);
        missing.handle_packet(SequenceNumber(7), start + 300 * MS);
        let times = (300..600).filter(|ms| asked(&mut missing, start + *ms * MS).contains(&6));
        assert_eq!(times.collect::<Vec<_>>(), [305, 355, 405, 455, 505, 555]);
    }

    #[test]
    fn an_outage_is_not_asked_about() {
        let (mut missing, start) = (Missing::default(), start());
        missing.handle_packet(SequenceNumber(1), start);
        missing.handle_packet(SequenceNumber(70), start);
        assert_eq!(asked(&mut missing, start + 5 * MS), []);
    }

    proptest! {
        /// Whatever comes in whatever order: only what did not come is asked for, in order.
        #[test]
        fn only_holes_are_asked_for(numbers in prop::collection::vec(any::<u16>(), 1..200), base: u16) {
            let (mut missing, start) = (Missing::default(), start());
            let mut came = std::collections::HashSet::new();
            for (step, number) in numbers.iter().enumerate() {
                let sequence = SequenceNumber(base).wrapping_add(number % 300);
                missing.handle_packet(sequence, start);
                came.insert(sequence.0);
                let now = start + OVERTAKEN + MS * u32::try_from(step).unwrap() * 50;
                let due = asked(&mut missing, now);
                prop_assert!(due.iter().all(|number| !came.contains(number)));
                let follows = |one: &u16, two: &u16| SequenceNumber(*two).is_newer_than(SequenceNumber(*one));
                prop_assert!(due.is_sorted_by(follows));
            }
        }
    }
}
