//! How much too early packets come: what the delay of a jitter buffer is decided from.
//!
//! The margin of a packet is the time stamp it carries less the one being played when it arrives.
//! Negative means too late. Because it is measured against real playout, it needs no model of
//! transit times and follows drifting clocks by itself.

/// Packets remembered: five seconds of 20 ms packets, long enough to see the bursts of a busy
/// wireless network and short enough to forget one bad moment.
const WINDOW: usize = 250;

/// Remembers the margins of the latest packets, in samples at 48 kHz. Allocates once.
#[derive(Debug)]
pub struct Margins {
    latest: Vec<i32>,
    scratch: Vec<i32>,
    cursor: usize,
}

impl Margins {
    pub fn new() -> Self {
        Self {
            latest: Vec::with_capacity(WINDOW),
            scratch: Vec::with_capacity(WINDOW),
            cursor: 0,
        }
    }

    pub fn record(&mut self, margin: i64) {
        // Far outside, the exact value does not matter; the caller resynchronises.
        let margin = margin.clamp(-480_000, 480_000) as i32;
        if self.latest.len() < WINDOW {
            self.latest.push(margin);
        } else {
            self.latest[self.cursor] = margin;
            self.cursor = (self.cursor + 1) % WINDOW;
        }
    }

    /// Moves every remembered margin, after playout itself was moved.
    pub fn shift(&mut self, samples: i64) {
        for margin in &mut self.latest {
            *margin = margin.saturating_add(samples as i32);
        }
    }

    pub fn clear(&mut self) {
        self.latest.clear();
        self.cursor = 0;
    }

    pub fn len(&self) -> usize {
        self.latest.len()
    }

    /// Gives the margin that `percent` of the packets stay below; `None` when nothing is known.
    pub fn percentile(&mut self, percent: usize) -> Option<i64> {
        if self.latest.is_empty() {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.latest);
        let place = (self.latest.len() * percent / 100).min(self.latest.len() - 1);
        let (_, margin, _) = self.scratch.select_nth_unstable(place);
        Some(i64::from(*margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_the_window_and_shifts() {
        let mut margins = Margins::new();
        assert_eq!(margins.percentile(50), None);
        (0..1000).for_each(|m| margins.record(m));
        assert_eq!(margins.len(), WINDOW);
        assert_eq!(margins.percentile(0), Some(750));
        assert_eq!(margins.percentile(2), Some(755));
        assert_eq!(margins.percentile(100), Some(999));
        margins.shift(-700);
        assert_eq!(margins.percentile(50), Some(175));
    }
}
