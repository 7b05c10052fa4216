//! Numbers that wrap, and the order among them.

use std::time::Duration;

/// A 16-bit RTP sequence number (RFC 3550 section 5.1). It wraps, so it has no total order:
/// ask [`is_newer_than`](Self::is_newer_than).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// Counts the steps from `earlier` to this one: positive when this one is newer, in
    /// -32768..=32767.
    pub fn distance_from(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Tells whether this number comes after `other`, less than half a turn away.
    pub fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// Moves by `steps`, wrapping.
    #[must_use]
    pub fn wrapping_add(self, steps: u16) -> Self {
        Self(self.0.wrapping_add(steps))
    }

    /// Returns the number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        self.wrapping_add(1)
    }
}

/// A 32-bit RTP timestamp in units of the payload's clock rate (RFC 3550 section 5.1). Wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// Counts the clock ticks from `earlier` to this one: positive when this one is newer.
    pub fn distance_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Tells whether this time comes after `other`, less than half a turn away.
    pub fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// Moves forward by `ticks`, wrapping.
    #[must_use]
    pub fn wrapping_add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Moves forward by a duration at `clock_rate` ticks a second, rounded to the nearest tick.
    #[must_use]
    pub fn after(self, elapsed: Duration, clock_rate: u32) -> Self {
        let ticks = (elapsed.as_nanos() * u128::from(clock_rate) + 500_000_000) / 1_000_000_000;
        // Truncation is the wrap that the type is about.
        self.wrapping_add(ticks as u32)
    }
}

/// An NTP timestamp: seconds since 1900 in the upper 32 bits, fractions of 2^-32 s below
/// (RFC 3550 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds between the NTP epoch (1900) and the Unix epoch (1970).
    const UNIX_OFFSET_S: u64 = 2_208_988_800;

    /// Converts a time since the Unix epoch; the NTP era wraps in 2036.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(Self::UNIX_OFFSET_S) << 32;
        Self(seconds | fraction(since_epoch.subsec_nanos()))
    }

    /// Moves forward by a duration, wrapping.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        let step = (elapsed.as_secs() << 32) | fraction(elapsed.subsec_nanos());
        Self(self.0.wrapping_add(step))
    }

    /// Returns how long after `earlier` this time is; zero when it is before.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let step = self.0.saturating_sub(earlier.0);
        let nanos = ((step & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
        Duration::from_secs(step >> 32) + Duration::from_nanos(nanos)
    }

    /// Returns the middle 32 bits, which receiver reports echo as LSR (units of 2^-16 s).
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Converts nanoseconds below one second to units of 2^-32 s.
fn fraction(nanos: u32) -> u64 {
    (u64::from(nanos) << 32) / 1_000_000_000
}

/// Turns wrapping sequence numbers into 64-bit ones that do not wrap, following reordering in
/// both directions. The first number seen keeps its value plus one turn, so that packets which
/// were overtaken by the first still have a place below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// Places `sequence` nearest to the highest number seen so far and remembers the highest.
    pub fn unwrap(&mut self, sequence: SequenceNumber) -> u64 {
        let placed = self.peek(sequence);
        self.highest = Some(self.highest.map_or(placed, |highest| highest.max(placed)));
        placed
    }

    /// Places `sequence` without remembering it.
    pub fn peek(&self, sequence: SequenceNumber) -> u64 {
        let Some(highest) = self.highest else {
            return 0x1_0000 + u64::from(sequence.0);
        };
        let step = sequence.distance_from(SequenceNumber(highest as u16));
        highest.saturating_add_signed(i64::from(step))
    }

    /// Returns the highest number placed so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(SequenceNumber(2).is_newer_than(SequenceNumber(65_534)));
        assert!(!SequenceNumber(65_534).is_newer_than(SequenceNumber(2)));
        assert_eq!(SequenceNumber(2).distance_from(SequenceNumber(65_534)), 4);
        assert!(RtpTime(5).is_newer_than(RtpTime(u32::MAX - 5)));
        assert_eq!(
            RtpTime(u32::MAX).after(Duration::from_secs(1), 48_000),
            RtpTime(47_999)
        );
    }

    #[test]
    fn ntp_counts_from_1900() {
        let time = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(time.0 >> 32, 2_208_988_800);
        assert_eq!(time.0 & 0xFFFF_FFFF, 1 << 31);
        let later = time.after(Duration::from_millis(1_500));
        let elapsed = later.saturating_since(time);
        assert!(elapsed.abs_diff(Duration::from_millis(1_500)) < Duration::from_micros(1));
        assert_eq!(time.saturating_since(later), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn unwrapping_follows_the_true_number(start: u16, steps in prop::collection::vec(-200i64..400, 1..300)) {
            let mut unwrapper = SequenceUnwrapper::default();
            let base = 0x1_0000 + i64::from(start);
            prop_assert_eq!(unwrapper.unwrap(SequenceNumber(start)), base.cast_unsigned());
            let mut highest = base;
            for step in steps {
                let truth = (highest + step).max(0x1_0000);
                prop_assert_eq!(unwrapper.unwrap(SequenceNumber(truth as u16)), truth.cast_unsigned());
                highest = highest.max(truth);
            }
        }
    }
}
