//! When and by how much the lag of a voice changes.

use super::{JitterConfig, samples_of};
use crate::frame::BLOCK_SAMPLES;
use crate::playout::margin::Margins;

/// Margin that the latest packets should still have: one block, what a thread may oversleep.
const GUARD: i64 = BLOCK_SAMPLES as i64;
/// Margin beyond the guard that is too much: 40 ms, so that the lag does not swing.
const SLACK: i64 = 4 * BLOCK_SAMPLES as i64;
/// Percent of packets that may come later than the guard wants.
const LATE_PERCENT: usize = 2;
/// Packets between two looks at the margins: one second of 20 ms packets.
const LOOK_EVERY: u32 = 50;
/// Looks without a late packet before the lag may shrink: ten seconds.
const CALM_LOOKS: u32 = 10;

/// When and by how much the lag should change.
#[derive(Debug)]
pub struct DelayControl {
    pub margins: Margins,
    /// Samples still to put in (positive) or leave out.
    pub wanted: i64,
    since_look: u32,
    calm_looks: u32,
}

impl DelayControl {
    pub fn new() -> Self {
        Self {
            margins: Margins::new(),
            wanted: 0,
            since_look: 0,
            calm_looks: 0,
        }
    }

    pub fn restart(&mut self) {
        self.margins.clear();
        self.wanted = 0;
        self.since_look = 0;
        self.calm_looks = 0;
    }

    /// Notes that playout was moved back (positive) or forward.
    pub fn moved(&mut self, samples: i64) {
        self.margins.shift(samples);
        self.wanted -= samples;
        if self.wanted.signum() != samples.signum() {
            self.wanted = 0;
        }
    }

    /// Decides once a second; gives the samples by which playout should move back.
    pub fn look(&mut self, config: &JitterConfig) -> Option<i64> {
        self.since_look += 1;
        if self.since_look < LOOK_EVERY || self.margins.len() < LOOK_EVERY as usize {
            return None;
        }
        self.since_look = 0;
        let tightest = self.margins.percentile(LATE_PERCENT)?;
        let usual = self.margins.percentile(50)?;
        if tightest < 0 {
            self.calm_looks = 0;
            let room = samples_of(config.delay_max) - usual;
            return Some((GUARD - tightest).min(room).max(0));
        }
        self.calm_looks += 1;
        if self.calm_looks < CALM_LOOKS {
            return None;
        }
        let spare = (tightest - GUARD).min(usual - samples_of(config.delay_min));
        (spare > SLACK).then_some(-(spare - SLACK / 2))
    }
}
