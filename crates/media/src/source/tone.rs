//! A steady tone, and nothing at all.

use std::f64::consts::TAU;

use super::AudioSource;
use crate::error::Error;
use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE};

/// Gives a steady sine: 1 kHz at a quarter of full scale (-12 dBFS peak) unless told otherwise.
#[derive(Debug, Clone)]
pub struct Tone {
    frequency_hz: f64,
    amplitude: f32,
    phase: f64,
}

impl Tone {
    /// Amplitude of the default tone: loud enough to measure, far from clipping in a mix.
    pub const AMPLITUDE: f32 = 0.25;

    /// Makes a tone of `frequency_hz` (up to 24 kHz) and `amplitude` (peak, 0.0 to 1.0).
    /// Values outside are brought to the nearest end of the range.
    #[must_use]
    pub fn new(frequency_hz: f64, amplitude: f32) -> Self {
        Self {
            frequency_hz: frequency_hz.clamp(0.0, f64::from(SAMPLE_RATE) / 2.0),
            amplitude: amplitude.clamp(0.0, 1.0),
            phase: 0.0,
        }
    }
}

impl Default for Tone {
    fn default() -> Self {
        Self::new(1000.0, Self::AMPLITUDE)
    }
}

impl AudioSource for Tone {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        let step = TAU * self.frequency_hz / f64::from(SAMPLE_RATE);
        for sample in out {
            *sample = self.amplitude * self.phase.sin() as f32;
            self.phase = (self.phase + step) % TAU;
        }
        Ok(())
    }
}

/// Gives silence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl AudioSource for Silence {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        out.fill(0.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_runs_on_without_a_step_between_blocks() {
        let mut tone = Tone::default();
        let mut samples = Vec::new();
        for _ in 0..100 {
            let mut block = [0.0; BLOCK_SAMPLES];
            tone.read(&mut block).unwrap();
            samples.extend_from_slice(&block);
        }
        let step_max = samples
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(step_max <= 0.25 * (TAU as f32) / 48.0 * 1.001, "{step_max}");
        let crossings = samples
            .windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count();
        assert!((999..=1000).contains(&crossings), "{crossings}");
    }

    #[test]
    fn silence_overwrites_what_was_there() {
        let mut block = [1.0; BLOCK_SAMPLES];
        Silence.read(&mut block).unwrap();
        assert!(block.iter().all(|&s| s == 0.0));
    }
}
