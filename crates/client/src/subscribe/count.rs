//! Counting the packets of one stream, and how unevenly they come.

use std::time::{Duration, Instant};

use snug_rtp::{SequenceNumber, SequenceUnwrapper};

/// Knows how many packets should have come.
#[derive(Debug, Default)]
pub(super) struct PacketCount {
    unwrapper: SequenceUnwrapper,
    first: Option<u64>,
    highest: u64,
    /// Packets that should have come on streams before this one.
    expected_before: u64,
    ssrc: Option<u32>,
    pub(super) received: u64,
    pub(super) bytes: u64,
    jitter: Jitter,
}

impl PacketCount {
    /// Takes a packet of `bytes` payload bytes. A new stream in the same section counts on.
    pub(super) fn take(&mut self, ssrc: u32, sequence: u16, bytes: usize) {
        if self.ssrc != Some(ssrc) {
            self.expected_before = self.expected();
            self.unwrapper = SequenceUnwrapper::default();
            self.first = None;
            self.jitter.last = None;
            self.highest = 0;
            self.ssrc = Some(ssrc);
        }
        let sequence = self.unwrapper.unwrap(SequenceNumber(sequence));
        let first = *self.first.get_or_insert(sequence);
        // One that was reordered before the first belongs to the time before us.
        if sequence >= first {
            self.highest = self.highest.max(sequence).max(first);
        }
        self.received += 1;
        self.bytes += bytes as u64;
    }

    /// Takes when a packet came, and its time in ticks of `rate` a second.
    pub(super) fn time(&mut self, at: Instant, timestamp: u32, rate: u32) {
        self.jitter.take(at, timestamp, rate);
    }

    /// How unevenly packets come, smoothed (RFC 3550 section 6.4.1).
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter.seconds)
    }

    /// Packets that never came. Retransmitted ones count as received.
    pub(super) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u64 {
        let span = self
            .first
            .map_or(0, |first| self.highest.saturating_sub(first) + 1);
        self.expected_before + span
    }
}

/// The interarrival jitter of RFC 3550 section 6.4.1. Only the first packet of a time stamp counts:
/// the others of a picture come after it because they were sent after it.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(Instant, u32)>,
    seconds: f64,
}

/// Longer between two packets is a pause of the sender, not of the network.
const JITTER_PAUSE: f64 = 1.0;

impl Jitter {
    fn take(&mut self, at: Instant, timestamp: u32, rate: u32) {
        let Some((last_at, last_timestamp)) = self.last else {
            self.last = Some((at, timestamp));
            return;
        };
        // Wraps as time stamps do; one that came again or late is behind.
        let ticks = timestamp.wrapping_sub(last_timestamp) as i32;
        if ticks <= 0 && ticks > -(rate as i32) {
            return;
        }
        self.last = Some((at, timestamp));
        let sent = f64::from(ticks) / f64::from(rate);
        let came = at.saturating_duration_since(last_at).as_secs_f64();
        if (0.0..JITTER_PAUSE).contains(&sent) && came < JITTER_PAUSE {
            self.seconds += ((came - sent).abs() - self.seconds) / 16.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_lost_until_they_are_filled() {
        let mut count = PacketCount::default();
        for sequence in [65_534, 65_535, 2, 3] {
            count.take(1, sequence, 100);
        }
        assert_eq!((count.received, count.bytes, count.lost()), (4, 400, 2));
        count.take(1, 0, 100);
        count.take(1, 1, 100);
        assert_eq!(count.lost(), 0);
        count.take(1, 1, 100);
        assert_eq!(count.lost(), 0, "a duplicate is no negative loss");
    }

    #[test]
    fn even_packets_have_no_jitter_and_uneven_ones_theirs() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut even = PacketCount::default();
        let mut uneven = PacketCount::default();
        for number in 0..500_u32 {
            let time = u64::from(number) * 20;
            let late = if number % 2 == 0 { 0 } else { 10 };
            // Time stamps wrap around on the way.
            let timestamp = number.wrapping_mul(960).wrapping_sub(48_000);
            even.time(ms(time), timestamp, 48_000);
            uneven.time(ms(time + late), timestamp, 48_000);
            // The rest of a picture says nothing.
            even.time(ms(time + 5), timestamp, 48_000);
        }
        assert!(
            even.jitter() < Duration::from_micros(10),
            "{:?}",
            even.jitter()
        );
        let uneven = uneven.jitter().as_secs_f64();
        assert!((0.009..0.011).contains(&uneven), "{uneven}");
    }

    #[test]
    fn a_pause_is_no_jitter() {
        let start = Instant::now();
        let mut count = PacketCount::default();
        count.time(start, 0, 48_000);
        count.time(start + Duration::from_secs(60), 960, 48_000);
        count.time(start + Duration::from_millis(60_020), 1920, 48_000);
        assert_eq!(count.jitter(), Duration::ZERO);
    }

    #[test]
    fn another_stream_counts_on() {
        let mut count = PacketCount::default();
        count.take(1, 10, 1);
        count.take(1, 12, 1);
        count.take(2, 500, 1);
        count.take(2, 502, 1);
        assert_eq!((count.received, count.lost()), (4, 2));
    }
}
