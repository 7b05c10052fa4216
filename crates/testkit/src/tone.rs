//! What became of a steady tone: its level, how pure it is, and where it stops.

use crate::fft;
use crate::wav::Sound;

/// Length of the window in which the level is taken: short against the gaps that matter (20 ms),
/// long enough to hold a whole period of a 1 kHz tone.
const WINDOW_MS: f64 = 1.0;
/// A window counts as silent when it holds less than half the tone's usual amplitude.
const SILENT_BELOW: f64 = 0.5;

/// Computes the root mean square level in dB against full scale (a full-scale sine is -3 dB).
#[must_use]
pub fn level_db(samples: &[f32]) -> f64 {
    10.0 * mean_square(samples).max(1e-20).log10()
}

/// Computes the share (0 to 1) of the energy that lies within `width_hz` of `frequency_hz`.
///
/// The constant part counts as energy too: an offset is as wrong as a hum.
#[must_use]
pub fn energy_share(sound: &Sound, frequency_hz: f64, width_hz: f64) -> f64 {
    let count = sound.samples.len();
    let size = count.next_power_of_two();
    // Hann window: without it the ends of the cut would spread energy over the whole spectrum.
    let windowed = sound.samples.iter().enumerate().map(|(n, sample)| {
        let phase = std::f64::consts::TAU * n as f64 / count as f64;
        f64::from(*sample) * (0.5 - 0.5 * phase.cos())
    });
    let (mut inside, mut all) = (0.0, 0.0);
    for (bin, value) in fft::spectrum(windowed, size)[..=size / 2]
        .iter()
        .enumerate()
    {
        let energy = value.0.powi(2) + value.1.powi(2);
        let at_hz = bin as f64 * f64::from(sound.rate_hz) / size as f64;
        all += energy;
        if (at_hz - frequency_hz).abs() <= width_hz {
            inside += energy;
        }
    }
    if all == 0.0 { 0.0 } else { inside / all }
}

/// A stretch in which the tone is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Where it begins, in seconds from the start of the sound.
    pub at_s: f64,
    /// How long it is, in milliseconds; short by up to two windows of 1 ms.
    pub length_ms: f64,
}

/// Finds the stretches, longest first, in which the tone has less than half its median amplitude.
#[must_use]
pub fn gaps(sound: &Sound) -> Vec<Gap> {
    let window = (f64::from(sound.rate_hz) * WINDOW_MS / 1000.0) as usize;
    let levels: Vec<f64> = sound
        .samples
        .chunks_exact(window)
        .map(|w| mean_square(w).sqrt())
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let mut gaps = Vec::new();
    let mut start = None;
    for (n, level) in levels.iter().chain([&f64::INFINITY]).enumerate() {
        // A sound that is silent throughout is one gap, not a tone of level zero.
        let silent = *level <= usual * SILENT_BELOW || usual < 1e-4 && n < levels.len();
        match (silent, start) {
            (true, None) => start = Some(n),
            (false, Some(from)) => {
                let at_s = from as f64 * WINDOW_MS / 1000.0;
                gaps.push(Gap {
                    at_s,
                    length_ms: (n - from) as f64 * WINDOW_MS,
                });
                start = None;
            }
            _ => {}
        }
    }
    gaps.sort_by(|a, b| b.length_ms.total_cmp(&a.length_ms));
    gaps
}

fn mean_square(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    sum / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone() -> Sound {
        Sound::sine(48_000, 1000.0, 0.25, 10.0)
    }

    #[test]
    fn level_of_known_sines() {
        assert!((level_db(&Sound::sine(48_000, 1000.0, 1.0, 1.0).samples) + 3.01).abs() < 0.01);
        assert!((level_db(&tone().samples) + 15.05).abs() < 0.01);
    }

    #[test]
    fn a_pure_tone_has_its_energy_in_one_place_and_no_gap() {
        assert!(energy_share(&tone(), 1000.0, 20.0) > 0.999);
        assert_eq!(gaps(&tone()), []);
    }

    #[test]
    fn another_frequency_and_noise_are_noticed() {
        assert!(energy_share(&Sound::sine(48_000, 1050.0, 0.25, 10.0), 1000.0, 20.0) < 0.01);
        let mut mixed = tone();
        for (sample, hum) in mixed
            .samples
            .iter_mut()
            .zip(Sound::sine(48_000, 50.0, 0.1, 10.0).samples)
        {
            *sample += hum;
        }
        assert!(energy_share(&mixed, 1000.0, 20.0) < 0.9);
    }

    #[test]
    fn a_chopped_tone_loses_its_purity() {
        let mut chopped = tone();
        for block in chopped.samples.chunks_mut(4800) {
            block[..1440].fill(0.0);
        }
        assert!(energy_share(&chopped, 1000.0, 20.0) < 0.95);
    }

    #[test]
    fn a_gap_is_found_where_it_is() {
        let mut broken = tone();
        broken.samples[240_000..241_200].fill(0.0);
        broken.samples[48_000..48_480].fill(0.0);
        let found = gaps(&broken);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!((found[0].at_s - 5.0).abs() < 0.003 && (found[0].length_ms - 25.0).abs() <= 2.0);
        assert!((found[1].at_s - 1.0).abs() < 0.003 && (found[1].length_ms - 10.0).abs() <= 2.0);
    }

    #[test]
    fn a_faded_stretch_is_a_gap_too() {
        let mut faded = tone();
        for sample in &mut faded.samples[100_000..102_400] {
            *sample *= 0.2;
        }
        assert!(gaps(&faded)[0].length_ms > 45.0);
    }

    #[test]
    fn silence_is_one_long_gap() {
        let silence = Sound {
            rate_hz: 48_000,
            samples: vec![0.0; 48_000],
        };
        assert_eq!(
            gaps(&silence),
            [Gap {
                at_s: 0.0,
                length_ms: 1000.0
            }]
        );
    }
}
