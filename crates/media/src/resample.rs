//! Changes the sample rate of one channel to 48 kHz by band-limited interpolation.
//!
//! Rules. A windowed sinc (Kaiser) is tabled in `PHASES` steps and interpolated linearly between
//! them: the error of that is below -100 dB, so any pair of rates works with one small table. The
//! input position is kept as an exact fraction, so nothing drifts however long a call lasts. Output
//! sample 0 stands for input sample 0: the filter's delay is taken out at the start.

use crate::frame::SAMPLE_RATE;

/// Steps of the kernel table between two input samples.
const PHASES: usize = 512;
/// Zero crossings on each side of the kernel at full bandwidth: passes 19 kHz of a 44.1 kHz file.
const HALF_WIDTH: usize = 48;
/// Kaiser window shape: about 90 dB of stop band.
const KAISER_BETA: f64 = 9.0;
/// Middle of the transition band against the lower Nyquist rate, so that the stop band begins at it.
const CUTOFF: f64 = 0.94;

/// Rates taken, in Hz: from half of telephone sound to four times 48 kHz studio sound.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Turns sound of one rate into 48 kHz.
///
/// ```
/// use snug_media::resample::Resampler;
/// let mut resampler = Resampler::new(44_100).unwrap();
/// let mut out = [0.0; 480];
/// resampler.fill(&mut out, || 0.5);
/// ```
#[derive(Debug, Clone)]
pub struct Resampler {
    from_hz: u32,
    /// Numerator over 48 000 of the distance from the newest needed input sample.
    fraction: u32,
    between: Interpolator,
    primed: bool,
}

impl Resampler {
    /// Prepares for input of `from_hz`; `None` outside [`RATES_HZ`].
    #[must_use]
    pub fn new(from_hz: u32) -> Option<Self> {
        if !RATES_HZ.contains(&from_hz) {
            return None;
        }
        Some(Self {
            from_hz,
            fraction: 0,
            between: Interpolator::new(from_hz, SAMPLE_RATE, HALF_WIDTH),
            primed: false,
        })
    }

    /// Fills `out` with 48 kHz samples, taking input one sample at a time from `next`.
    ///
    /// Allocates nothing. At 48 kHz input the samples pass through unchanged.
    pub fn fill(&mut self, out: &mut [f32], mut next: impl FnMut() -> f32) {
        if self.from_hz == SAMPLE_RATE {
            out.fill_with(next);
            return;
        }
        if !self.primed {
            self.primed = true;
            for _ in 0..=self.between.taps / 2 {
                self.between.push(next());
            }
        }
        for sample in out {
            let fraction = self.fraction as f32 / SAMPLE_RATE as f32;
            *sample = self.between.at(fraction);
            self.fraction += self.from_hz;
            while self.fraction >= SAMPLE_RATE {
                self.fraction -= SAMPLE_RATE;
                self.between.push(next());
            }
        }
    }
}

/// Knows the last few input samples and gives values between the middle two of them.
#[derive(Debug, Clone)]
pub(crate) struct Interpolator {
    taps: usize,
    /// `PHASES + 1` rows of `taps` coefficients, oldest sample first.
    table: Vec<f32>,
    /// The last `taps` inputs twice over, so that a window is always one slice.
    history: Vec<f32>,
    cursor: usize,
}

impl Interpolator {
    /// Tables a kernel with `half_width` zero crossings on each side of its middle.
    pub(crate) fn new(from_hz: u32, to_hz: u32, half_width: usize) -> Self {
        let narrowing = (f64::from(to_hz) / f64::from(from_hz)).min(1.0);
        let half = (half_width as f64 / narrowing).ceil() as usize;
        let taps = 2 * half;
        Self {
            taps,
            table: kernel_table(half, narrowing * CUTOFF),
            history: vec![0.0; 2 * taps],
            cursor: 0,
        }
    }

    pub(crate) fn push(&mut self, sample: f32) {
        self.history[self.cursor] = sample;
        self.history[self.cursor + self.taps] = sample;
        self.cursor = (self.cursor + 1) % self.taps;
    }

    /// Gives the value `fraction` (0 to 1) of the way from one middle sample to the next.
    pub(crate) fn at(&self, fraction: f32) -> f32 {
        let position = fraction * PHASES as f32;
        let phase = (position as usize).min(PHASES - 1);
        let between = position - phase as f32;
        let rows = &self.table[phase * self.taps..(phase + 2) * self.taps];
        let (low, high) = rows.split_at(self.taps);
        let window = &self.history[self.cursor..self.cursor + self.taps];
        window
            .iter()
            .zip(low.iter().zip(high))
            .map(|(&sample, (&low, &high))| sample * (low + between * (high - low)))
            .sum()
    }
}

/// Tables the kernel; row `phase` holds the weights for a position `phase / PHASES` samples after
/// the one at index `half - 1`.
fn kernel_table(half: usize, cutoff: f64) -> Vec<f32> {
    let taps = 2 * half;
    let mut table = Vec::with_capacity((PHASES + 1) * taps);
    for phase in 0..=PHASES {
        let row_start = table.len();
        let position = half as f64 - 1.0 + phase as f64 / PHASES as f64;
        for tap in 0..taps {
            let x = tap as f64 - position;
            table.push((cutoff * sinc(cutoff * x) * kaiser(x / half as f64)) as f32);
        }
        // Unity at 0 Hz in every phase: no ripple at the rate of the phases.
        let sum: f32 = table[row_start..].iter().sum();
        table[row_start..].iter_mut().for_each(|c| *c /= sum);
    }
    table
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-12 {
        return 1.0;
    }
    let angle = std::f64::consts::PI * x;
    angle.sin() / angle
}

/// Kaiser window over -1..=1.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel_i0(KAISER_BETA)
}

/// Zeroth-order modified Bessel function by its power series; converges fast for the range used.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..64u32 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Resamples a sine and gives the signal to noise ratio in dB against the ideal sine.
    fn snr_db(from_hz: u32, tone_hz: f64) -> f64 {
        let mut resampler = Resampler::new(from_hz).unwrap();
        let mut n = 0u64;
        let mut out = vec![0.0; 48_000];
        resampler.fill(&mut out, || {
            let sample = (TAU * tone_hz * n as f64 / f64::from(from_hz)).sin() * 0.5;
            n += 1;
            sample as f32
        });
        // The first milliseconds see the silence before the tone.
        let settled = 2_400;
        let (mut signal, mut noise) = (0.0, 0.0);
        for (i, &sample) in out.iter().enumerate().skip(settled) {
            let ideal = (TAU * tone_hz * i as f64 / 48_000.0).sin() * 0.5;
            signal += ideal * ideal;
            noise += (f64::from(sample) - ideal).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn cd_rate_tones_keep_90_db_against_the_ideal() {
        for tone_hz in [100.0, 997.0, 5_000.0, 10_000.0, 15_000.0] {
            let snr = snr_db(44_100, tone_hz);
            assert!(snr >= 90.0, "{tone_hz} Hz: {snr:.1} dB");
        }
    }

    #[test]
    fn other_rates_keep_85_db() {
        for (from_hz, tone_hz) in [
            (8_000, 1_000.0),
            (11_025, 1_000.0),
            (16_000, 3_000.0),
            (44_101, 997.0),
        ] {
            let snr = snr_db(from_hz, tone_hz);
            assert!(snr >= 85.0, "{from_hz} Hz: {snr:.1} dB");
        }
        for from_hz in [88_200, 96_000, 192_000] {
            let snr = snr_db(from_hz, 10_000.0);
            assert!(snr >= 85.0, "{from_hz} Hz: {snr:.1} dB");
        }
    }

    #[test]
    fn sound_above_the_new_nyquist_rate_is_gone() {
        let mut resampler = Resampler::new(96_000).unwrap();
        let mut n = 0u64;
        let mut out = vec![0.0; 48_000];
        resampler.fill(&mut out, || {
            n += 1;
            (TAU * 30_000.0 * n as f64 / 96_000.0).sin() as f32
        });
        let peak = out[2_400..]
            .iter()
            .fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!(peak < 1e-4, "{peak}");
    }

    #[test]
    fn equal_rates_pass_through_and_wild_rates_are_refused() {
        let mut resampler = Resampler::new(48_000).unwrap();
        let mut n = 0.0;
        let mut out = [0.0; 4];
        resampler.fill(&mut out, || {
            n += 1.0;
            n
        });
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0]);
        assert!(Resampler::new(3_999).is_none());
        assert!(Resampler::new(192_001).is_none());
    }
}
