//! Keeps the clock of a sound device and the 10 ms pace of a call together.
//!
//! Rules. Two clocks never agree: a ring between them fills or empties by some samples a minute.
//! What counts is the least that was left in the ring over half a second, because devices come in
//! bursts. When that least strays from its target, sound is made longer or shorter by at most 0.3 %
//! (a twentieth of a semitone, which nobody hears) until it is back; so neither gaps nor delay build
//! up. The target begins small and grows only when the ring has run dry. Only what a stop of the
//! machine leaves behind, too much to be bent away soon, is to be skipped.

use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE};
use crate::resample::Interpolator;

/// Zero crossings on each side of the kernel: passes 18 kHz at a quarter of the file reader's work.
const HALF_WIDTH: usize = 16;

/// Changes the rate of a sound by a ratio that may be bent while it runs. Allocates at birth only.
#[derive(Debug)]
pub(super) struct Elastic {
    between: Interpolator,
    /// Input samples for one output sample, unbent.
    nominal: f64,
    step: f64,
    /// Where the next output lies behind the middle sample, in input samples.
    position: f64,
}

impl Elastic {
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Self {
        let nominal = f64::from(from_hz) / f64::from(to_hz);
        Self {
            between: Interpolator::new(from_hz, to_hz, HALF_WIDTH),
            nominal,
            step: nominal,
            position: 0.0,
        }
    }

    /// Takes `by` more input for the same output; 0.001 is a thousandth.
    pub(super) fn bend(&mut self, by: f64) {
        self.step = self.nominal * (1.0 + by);
    }

    /// Says how many samples [`pull`](Self::pull) takes at most for `count` of its own.
    pub(super) fn needed_for(&self, count: usize) -> usize {
        (self.position + self.step * count as f64) as usize + 1
    }

    /// Fills `out`, taking input from `next`.
    pub(super) fn pull(&mut self, out: &mut [f32], mut next: impl FnMut() -> f32) {
        for sample in out {
            *sample = self.between.at(self.position as f32);
            self.position += self.step;
            while self.position >= 1.0 {
                self.position -= 1.0;
                self.between.push(next());
            }
        }
    }

    /// Takes `input` whole and gives what comes of it to `emit`.
    pub(super) fn push(&mut self, input: &[f32], mut emit: impl FnMut(f32)) {
        for &sample in input {
            self.between.push(sample);
            while self.position < 1.0 {
                emit(self.between.at(self.position as f32));
                self.position += self.step;
            }
            self.position -= 1.0;
        }
    }
}

/// Watches how much is left in a ring and says how to bend, all in samples at the device's rate.
#[derive(Debug)]
pub(super) struct Depth {
    rate_hz: u32,
    target: usize,
    least: usize,
    blocks: u32,
    calm_windows: u32,
    bend: f64,
    surplus: usize,
}

impl Depth {
    /// What should be left at worst: a thread that wakes up 8 ms late does no harm.
    const TARGET_MS_MIN: u32 = 8;
    /// What it may grow to on a machine that often wakes up later.
    const TARGET_MS_MAX: u32 = 40;
    /// By how much it grows each time the ring has run dry.
    const TARGET_STEP_MS: u32 = 8;
    /// More than this above the target is skipped: bending would take longer than ten seconds.
    const SURPLUS_MS_MIN: u32 = 30;
    /// Blocks in which the least is taken: half a second holds several bursts of any device.
    const WINDOW_BLOCKS: u32 = 50;
    /// Windows without trouble after which the target comes down again: half a minute.
    const CALM_WINDOWS: u32 = 60;
    /// The strongest bend.
    const BEND_MAX: f64 = 0.003;
    /// Samples over which a distance is bent away: long enough that noise in the least hardly moves
    /// the pitch, short enough that 300 ppm between the clocks cost 1 ms.
    const SETTLE_BLOCKS: usize = 400;

    pub(super) fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            target: Self::samples(rate_hz, Self::TARGET_MS_MIN),
            least: usize::MAX,
            blocks: 0,
            calm_windows: 0,
            bend: 0.0,
            surplus: 0,
        }
    }

    fn samples(rate_hz: u32, ms: u32) -> usize {
        (rate_hz * ms / 1000) as usize
    }

    /// What should be left at worst.
    pub(super) fn target(&self) -> usize {
        self.target
    }

    /// How much faster the ring is to be emptied (or slower to be filled): for [`Elastic::bend`].
    pub(super) fn bend(&self) -> f64 {
        self.bend
    }

    /// Takes what is to be skipped now; mostly nothing.
    pub(super) fn take_surplus(&mut self) -> usize {
        std::mem::take(&mut self.surplus)
    }

    /// Notes what was left in the ring in this block.
    pub(super) fn note(&mut self, left: usize) {
        self.least = self.least.min(left);
        self.blocks += 1;
        if self.blocks < Self::WINDOW_BLOCKS {
            return;
        }
        let settle =
            Self::SETTLE_BLOCKS * BLOCK_SAMPLES * self.rate_hz as usize / SAMPLE_RATE as usize;
        let away = self.least as f64 - self.target as f64;
        self.bend = (away / settle as f64).clamp(-Self::BEND_MAX, Self::BEND_MAX);
        if away > f64::from(self.rate_hz * Self::SURPLUS_MS_MIN / 1000) {
            self.surplus = self.least - self.target;
        }
        self.calm_windows += 1;
        if self.calm_windows >= Self::CALM_WINDOWS {
            self.calm_windows = 0;
            let step = Self::samples(self.rate_hz, Self::TARGET_STEP_MS) / 4;
            let least = Self::samples(self.rate_hz, Self::TARGET_MS_MIN);
            self.target = self.target.saturating_sub(step).max(least);
        }
        self.restart();
    }

    /// Notes that the ring ran dry: more is to be left from now on.
    pub(super) fn note_starved(&mut self) {
        let step = Self::samples(self.rate_hz, Self::TARGET_STEP_MS);
        let most = Self::samples(self.rate_hz, Self::TARGET_MS_MAX);
        self.target = (self.target + step).min(most);
        self.calm_windows = 0;
        self.surplus = 0;
        self.restart();
    }

    /// Forgets the window that was begun, as after a break.
    pub(super) fn restart(&mut self) {
        self.least = usize::MAX;
        self.blocks = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(n: usize, rate_hz: f64) -> f32 {
        (0.5 * (TAU * 1000.0 * n as f64 / rate_hz).sin()) as f32
    }

    /// Noise in dB below a 1 kHz tone, after taking out the tone at its own place and level.
    fn purity_db(samples: &[f32], hz: f64) -> f64 {
        let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let angle = TAU * hz * n as f64 / 48_000.0;
            sine += f64::from(sample) * angle.sin();
            cosine += f64::from(sample) * angle.cos();
            all += f64::from(sample).powi(2);
        }
        let count = samples.len() as f64;
        let inside = 2.0 * (sine * sine + cosine * cosine) / count;
        10.0 * (inside / (all - inside).max(1e-12)).log10()
    }

    #[test]
    fn every_rate_of_a_device_keeps_a_tone_pure_both_ways() {
        for rate_hz in [8_000, 16_000, 44_100, 48_000, 96_000, 192_000] {
            let mut elastic = Elastic::new(rate_hz, SAMPLE_RATE);
            let mut n = 0;
            let mut out = vec![0.0; 50_400];
            elastic.pull(&mut out, || {
                n += 1;
                tone(n, f64::from(rate_hz))
            });
            let purity = purity_db(&out[2_400..], 1000.0);
            assert!(purity > 70.0, "from {rate_hz} Hz: {purity:.0} dB");
        }
        for from_hz in [44_100, 48_000] {
            let mut elastic = Elastic::new(from_hz, SAMPLE_RATE);
            let input: Vec<f32> = (0..from_hz)
                .map(|n| tone(n as usize, f64::from(from_hz)))
                .collect();
            let mut out = Vec::new();
            elastic.push(&input, |sample| out.push(sample));
            assert!(out.len().abs_diff(48_000) <= 2, "{}", out.len());
            let purity = purity_db(&out[2_400..47_400], 1000.0);
            assert!(purity > 70.0, "{purity:.0} dB");
        }
    }

    #[test]
    fn what_pull_takes_is_foretold() {
        let mut elastic = Elastic::new(44_100, SAMPLE_RATE);
        for round in 0..1_000 {
            elastic.bend(f64::from(round % 7 - 3) * 0.001);
            let foretold = elastic.needed_for(480);
            let mut taken = 0;
            elastic.pull(&mut [0.0; 480], || {
                taken += 1;
                0.0
            });
            assert!(
                taken <= foretold && foretold - taken <= 2,
                "{taken} of {foretold}"
            );
        }
    }

    #[test]
    fn a_bent_tone_is_as_much_lower_as_it_was_told() {
        let mut elastic = Elastic::new(48_000, SAMPLE_RATE);
        elastic.bend(-0.003);
        let mut n = 0;
        let mut out = vec![0.0; 50_400];
        elastic.pull(&mut out, || {
            n += 1;
            tone(n, 48_000.0)
        });
        assert!(purity_db(&out[2_400..], 997.0) > 70.0);
    }

    #[test]
    fn the_target_grows_when_the_ring_ran_dry_and_comes_down_when_it_is_calm() {
        let mut depth = Depth::new(48_000);
        assert_eq!(depth.target(), 384);
        for _ in 0..20 {
            depth.note_starved();
        }
        assert_eq!(depth.target(), 1_920);
        for _ in 0..50 * 60 * 20 {
            depth.note(depth.target());
            assert_eq!(depth.take_surplus(), 0);
        }
        assert_eq!(depth.target(), 384);
        assert_eq!(depth.bend(), 0.0);
    }

    #[test]
    fn a_little_too_much_is_bent_away_and_a_lot_is_skipped() {
        let mut depth = Depth::new(48_000);
        (0..50).for_each(|_| depth.note(384 + 480));
        assert!(depth.bend() > 0.002 && depth.bend() <= 0.003);
        assert_eq!(depth.take_surplus(), 0);
        (0..50).for_each(|_| depth.note(384 + 4_800));
        assert_eq!(depth.take_surplus(), 4_800);
        assert_eq!(depth.take_surplus(), 0);
        (0..49).for_each(|_| depth.note(10_000));
        depth.note(0);
        assert!(depth.bend() < -0.001, "the least counts");
    }
}
