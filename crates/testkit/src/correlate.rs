//! How like two sounds are at one constant lag: normalised waveform cross-correlation over the
//! whole reference. One lag for all of it, so a sound that drifts or jumps scores low.

use crate::fft::{self, multiply};

/// Says how well the reference was found in the recording, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Normalised correlation, 1 for the same waveform.
    pub score: f64,
    /// Where in the recording the first sample of the reference is.
    pub lag_samples: usize,
}

/// Finds the place in `recording` that is most like the whole of `reference`.
///
/// Both have the same rate. Nothing is found in silence or in a recording shorter than the
/// reference: the score is then 0.
#[must_use]
pub fn find(reference: &[f32], recording: &[f32]) -> Match {
    let none = Match {
        score: 0.0,
        lag_samples: 0,
    };
    let reference_energy: f64 = reference.iter().map(|s| f64::from(*s).powi(2)).sum();
    if reference_energy == 0.0 || recording.len() < reference.len() {
        return none;
    }
    let products = products(reference, recording);
    let mut sums = Vec::with_capacity(recording.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for sample in recording {
        sum += f64::from(*sample).powi(2);
        sums.push(sum);
    }
    // A window that holds next to nothing would make any rounding error a match.
    let floor = sum * 1e-6;
    (0..=recording.len() - reference.len())
        .map(|lag| {
            let energy = sums[lag + reference.len()] - sums[lag];
            let score = products[lag] / (energy.max(floor) * reference_energy).sqrt().max(1e-12);
            Match {
                score,
                lag_samples: lag,
            }
        })
        .fold(
            none,
            |best, at| if at.score > best.score { at } else { best },
        )
}

/// Multiplies the reference with the recording at every lag, by way of the spectrum.
fn products(reference: &[f32], recording: &[f32]) -> Vec<f64> {
    let size = (reference.len() + recording.len()).next_power_of_two();
    let a = fft::spectrum(reference.iter().map(|s| f64::from(*s)), size);
    let mut b = fft::spectrum(recording.iter().map(|s| f64::from(*s)), size);
    for (b, a) in b.iter_mut().zip(&a) {
        *b = multiply(*b, (a.0, -a.1));
    }
    fft::transform(&mut b, true);
    b.into_iter().map(|value| value.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn noise(seed: u64, count: usize) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(seed);
        (0..count).map(|_| random.random_range(-0.5..0.5)).collect()
    }

    fn shifted(sound: &[f32], lag: usize) -> Vec<f32> {
        let mut recording = vec![0.0; lag];
        recording.extend_from_slice(sound);
        recording.extend(vec![0.0; 1000]);
        recording
    }

    #[test]
    fn a_quieter_copy_is_found_where_it_is() {
        let reference = noise(1, 20_000);
        let recording: Vec<f32> = shifted(&reference, 4321).iter().map(|s| s * 0.3).collect();
        let found = find(&reference, &recording);
        assert_eq!(found.lag_samples, 4321);
        assert!(found.score > 0.999, "{found:?}");
    }

    #[test]
    fn another_sound_scores_low() {
        let found = find(&noise(1, 20_000), &shifted(&noise(2, 20_000), 500));
        assert!(found.score < 0.1, "{found:?}");
    }

    #[test]
    fn a_jump_in_the_middle_scores_half() {
        let reference = noise(1, 20_000);
        let mut recording = shifted(&reference, 100);
        recording.splice(10_100..10_100, vec![0.0; 480]);
        let found = find(&reference, &recording);
        assert!(found.score < 0.8, "{found:?}");
    }

    #[test]
    fn the_sign_matters() {
        let reference = noise(1, 20_000);
        let recording: Vec<f32> = shifted(&reference, 0).iter().map(|s| -s).collect();
        assert!(find(&reference, &recording).score < 0.1);
    }

    #[test]
    fn silence_matches_nothing() {
        assert_eq!(find(&noise(1, 100), &[0.0; 500]).score, 0.0);
        assert_eq!(find(&[0.0; 10], &noise(1, 100)).score, 0.0);
        assert_eq!(find(&noise(1, 100), &noise(1, 50)).score, 0.0);
    }
}
