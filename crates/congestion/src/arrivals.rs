//! The receiver's side: which packets came, and when.
//!
//! Feedback goes out when enough came to be worth it or the first has waited long enough, so that
//! it is dense where much flows and costs little where a voice is all there is.

use snug_rtp::rtcp::{ArrivalTime, Arrived, Writer};
use snug_rtp::{Error, SequenceNumber, SequenceUnwrapper};
use std::time::{Duration, Instant};

/// Packets that are remembered: two seconds of 5 Mb/s.
const REMEMBERED: usize = 1024;
/// Packets that one feedback speaks of at most: it stays below 600 bytes.
const REPORTED_MAX: usize = 192;
/// The least time between two feedbacks.
const INTERVAL_MIN: Duration = Duration::from_millis(50);
/// How long a packet waits at most until its arrival is reported. A voice alone, fifty packets a
/// second, then costs seven feedbacks.
const INTERVAL_MAX: Duration = Duration::from_millis(150);
/// So many packets need not wait any longer than the least time.
const ENOUGH: u32 = 10;

/// What came on a connection, until it is reported.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    unwrapper: SequenceUnwrapper,
    /// The instant from which arrival times count.
    epoch: Option<Instant>,
    /// The number and time of each packet, at its number's remainder. Allocated once.
    places: Vec<Option<(u64, ArrivalTime)>>,
    /// The number that the next feedback begins with.
    next: Option<u64>,
    /// Packets since the last feedback, and when the first of them came.
    waiting: u32,
    waiting_since: Option<Instant>,
    reported_at: Option<Instant>,
    feedbacks: u8,
}

impl Arrivals {
    /// Notes that the packet with this transport-wide number came `now`. The first one allocates
    /// what is remembered; no other does.
    pub fn handle_packet(&mut self, number: SequenceNumber, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        if self.places.is_empty() {
            self.places.resize(REMEMBERED, None);
        }
        let number = self.unwrapper.unwrap(number);
        let place = &mut self.places[number as usize % REMEMBERED];
        // What comes twice counts as it came first; what is too late has lost its place.
        if place.is_some_and(|(known, _)| known >= number) {
            return;
        }
        let elapsed = now.saturating_duration_since(epoch);
        *place = Some((number, ArrivalTime::after(elapsed)));
        // What was overtaken by its report is reported again, with what follows it.
        self.next = Some(self.next.map_or(number, |next| next.min(number)));
        self.waiting += 1;
        self.waiting_since.get_or_insert(now);
    }

    /// Returns when [`write_feedback`](Self::write_feedback) is worth a call.
    pub fn deadline(&self) -> Option<Instant> {
        let since = self.waiting_since?;
        let earliest = self.reported_at.map_or(since, |at| at + INTERVAL_MIN);
        match self.waiting >= ENOUGH {
            true => Some(earliest),
            false => Some(earliest.max(since + INTERVAL_MAX)),
        }
    }

    /// Appends feedback if it is due; returns whether it was. What has no place in one feedback
    /// is due for another one at once.
    ///
    /// # Errors
    /// [`Error::BufferFull`] when it does not fit; it stays due then. 700 bytes always do.
    pub fn write_feedback(
        &mut self,
        now: Instant,
        sender_ssrc: u32,
        media_ssrc: u32,
        writer: &mut Writer<'_>,
    ) -> Result<bool, Error> {
        let (Some(next), Some(highest)) = (self.next, self.unwrapper.highest()) else {
            return Ok(false);
        };
        if self.deadline().is_none_or(|at| now < at) {
            return Ok(false);
        }
        // Older ones have lost their places; senders of more than this have worse problems.
        let first = next.max((highest + 1).saturating_sub(REMEMBERED as u64));
        let mut times = [None; REPORTED_MAX];
        let mut count = 0;
        for (time, number) in times.iter_mut().zip(first..=highest) {
            let place = self.places[number as usize % REMEMBERED];
            *time = place
                .filter(|(known, _)| *known == number)
                .map(|(_, at)| at);
            count += 1;
        }
        let arrived = Arrived {
            // Truncation takes the unwrapping back.
            base: SequenceNumber(first as u16),
            times: &times[..count],
        };
        writer.transport_feedback(sender_ssrc, media_ssrc, self.feedbacks, &arrived)?;
        self.feedbacks = self.feedbacks.wrapping_add(1);
        let told = first + count as u64;
        self.next = Some(told);
        if told > highest {
            (self.waiting, self.waiting_since) = (0, None);
            self.reported_at = Some(now);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::start;
    use proptest::prelude::*;
    use snug_rtp::rtcp::{Packet, packets};
    use std::collections::BTreeMap;

    const MS: Duration = Duration::from_millis(1);

    fn feedback(arrivals: &mut Arrivals, now: Instant) -> Vec<(u16, bool)> {
        let mut buffer = [0; 700];
        let mut told = Vec::new();
        loop {
            let mut writer = Writer::new(&mut buffer);
            if !arrivals.write_feedback(now, 1, 2, &mut writer).unwrap() {
                return told;
            }
            let len = writer.finish();
            let packet = packets(&buffer[..len]).next().unwrap().unwrap();
            let Packet::TransportFeedback(feedback) = packet else {
                panic!("another packet")
            };
            told.extend(feedback.arrivals().map(|(it, at)| (it.0, at.is_some())));
        }
    }

    #[test]
    fn a_voice_is_reported_seldom_and_a_film_often() {
        let mut count = [0; 2];
        for (count, gap) in count.iter_mut().zip([20, 2]) {
            let (mut arrivals, start) = (Arrivals::default(), start());
            for step in 0..1000u16 {
                let now = start + MS * u32::from(step);
                if step % gap == 0 {
                    arrivals.handle_packet(SequenceNumber(step / gap), now);
                }
                *count += u32::from(!feedback(&mut arrivals, now).is_empty());
            }
        }
        assert!((5..=7).contains(&count[0]), "{count:?}");
        assert!((18..=21).contains(&count[1]), "{count:?}");
    }

    #[test]
    fn what_comes_late_is_reported_after_all() {
        let (mut arrivals, start) = (Arrivals::default(), start());
        for number in [65_534u16, 65_535, 1, 2] {
            arrivals.handle_packet(SequenceNumber(number), start);
        }
        let later = start + INTERVAL_MAX;
        let told = feedback(&mut arrivals, later);
        assert_eq!(
            told,
            [
                (65_534, true),
                (65_535, true),
                (0, false),
                (1, true),
                (2, true)
            ]
        );
        arrivals.handle_packet(SequenceNumber(0), later);
        let told = feedback(&mut arrivals, later + INTERVAL_MAX);
        assert_eq!(told, [(0, true), (1, true), (2, true)]);
    }

    #[test]
    fn an_outage_is_told_in_pieces() {
        let (mut arrivals, start) = (Arrivals::default(), start());
        arrivals.handle_packet(SequenceNumber(0), start);
        arrivals.handle_packet(SequenceNumber(700), start + 2000 * MS);
        let told = feedback(&mut arrivals, start + 2200 * MS);
        assert_eq!(told.len(), 701);
        assert_eq!(told.iter().filter(|(_, came)| *came).count(), 2);
    }

    proptest! {
        /// Whatever comes in whatever order: each number that is told was the latest word on it.
        #[test]
        fn nothing_is_invented(steps in prop::collection::vec((0u16..3000, 0u32..40), 1..400), base: u16) {
            let (mut arrivals, start) = (Arrivals::default(), start());
            let mut now = start;
            let mut came = BTreeMap::new();
            for (number, pause) in steps {
                now += MS * pause;
                arrivals.handle_packet(SequenceNumber(base.wrapping_add(number)), now);
                came.insert(base.wrapping_add(number), ());
                for (told, is_there) in feedback(&mut arrivals, now) {
                    prop_assert!(!is_there || came.contains_key(&told));
                }
            }
        }
    }
}
