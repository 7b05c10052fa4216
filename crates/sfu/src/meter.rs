//! How many bits a second an encoding takes.

/// Ticks that are averaged over: a second.
const TICKS: usize = 4;
/// What a packet takes besides what the meter is told: headers of IP and UDP, and the tag that
/// seals it.
pub(crate) const WIRE_OVERHEAD: usize = 44;

/// Bytes of the last second, tick by tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    bytes: [u32; TICKS],
    current: u32,
    ticks: u8,
    /// The most of the last seconds, which fades.
    peak: u64,
}

impl Meter {
    pub(crate) fn handle_packet(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes + WIRE_OVERHEAD).unwrap_or(u32::MAX);
        self.current = self.current.saturating_add(bytes);
    }

    /// Ends a tick; there are `per_second` of them.
    pub(crate) fn handle_tick(&mut self, per_second: u64) {
        self.bytes.copy_within(1.., 0);
        self.bytes[TICKS - 1] = std::mem::take(&mut self.current);
        if self.ticks > 0 || self.bytes[TICKS - 1] > 0 {
            self.ticks = self.ticks.saturating_add(1).min(TICKS as u8);
        }
        let sum: u64 = self.bytes.iter().copied().map(u64::from).sum();
        let now = sum * 8 * per_second / u64::from(self.ticks.max(1));
        // One in fifty a tick: half of it is gone after nine seconds. What falls silent keeps the
        // rest, to be known when it speaks again.
        if now > 0 {
            self.peak = now.max(self.peak - self.peak / 50);
        }
    }

    /// Returns the bits a second that it takes, or took when it was last heard; none before the
    /// first tick with anything.
    pub(crate) fn bitrate(&self) -> Option<u64> {
        (self.peak > 0).then_some(self.peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_quickly_upwards_and_slowly_downwards() {
        let mut meter = Meter::default();
        assert_eq!(meter.bitrate(), None);
        let tick = |meter: &mut Meter, bytes: usize| {
            meter.handle_packet(bytes - WIRE_OVERHEAD);
            meter.handle_tick(4);
        };
        for _ in 0..8 {
            tick(&mut meter, 12_500);
        }
        assert_eq!(meter.bitrate(), Some(400_000));
        for _ in 0..4 {
            tick(&mut meter, 25_000);
        }
        assert_eq!(meter.bitrate(), Some(800_000));
        for _ in 0..4 {
            tick(&mut meter, 12_500);
        }
        assert!((700_000..800_000).contains(&meter.bitrate().unwrap()));
        for _ in 0..100 {
            tick(&mut meter, 12_500);
        }
        assert_eq!(meter.bitrate(), Some(400_000));
        for _ in 0..100 {
            meter.handle_tick(4);
        }
        assert!(meter.bitrate().unwrap() > 200_000, "it is remembered");
    }
}
