//! How much of speech can be understood: the short-time objective intelligibility of Taal and others
//! (IEEE Transactions on Audio, Speech and Language Processing 19(7), 2011), 1 for all of it.
//!
//! Speech as it was spoken is held against what came of it, in third-octave bands and pieces of 384
//! ms: what counts is whether the loudness of each band rises and falls alike.

use std::f64::consts::PI;

use crate::fft;
use crate::wav::Sound;

/// What the measure is defined for.
const RATE_HZ: f64 = 10_000.0;
const FRAME: usize = 256;
const HOP: usize = FRAME / 2;
const TRANSFORM: usize = 512;
const BANDS: usize = 15;
/// Middle of the lowest band.
const LOWEST_HZ: f64 = 150.0;
/// Frames of a piece.
const PIECE: usize = 30;
/// Frames so much quieter than the loudest hold no speech.
const RANGE_DB: f64 = 40.0;
/// How much louder than the speech anything may count: 15 dB of distortion.
const EXCESS: f64 = 5.623_413_251_903_491;
/// Keeps silence from dividing by nothing.
const TINY: f64 = f64::EPSILON;

/// Says how much of `spoken` is understood from `heard`, sample by sample at the same place. What is
/// longer is cut. Between 0 and 1 for speech; 0 when there is less than half a second of it.
///
/// # Panics
/// When the two have different rates.
#[must_use]
pub fn intelligibility(spoken: &Sound, heard: &Sound) -> f64 {
    assert_eq!(spoken.rate_hz, heard.rate_hz, "the rates differ");
    let len = spoken.samples.len().min(heard.samples.len());
    let rate_hz = f64::from(spoken.rate_hz);
    let spoken = resampled(&spoken.samples[..len], rate_hz);
    let heard = resampled(&heard.samples[..len], rate_hz);
    let (spoken, heard) = without_silence(&spoken, &heard);
    let (spoken, heard) = (loudness(&spoken), loudness(&heard));
    let pieces = spoken.windows(PIECE).zip(heard.windows(PIECE));
    let likenesses: Vec<f64> = pieces
        .flat_map(|(spoken, heard)| (0..BANDS).map(|band| likeness(spoken, heard, band)))
        .collect();
    if likenesses.is_empty() {
        return 0.0;
    }
    likenesses.iter().sum::<f64>() / likenesses.len() as f64
}

/// Brings samples to [`RATE_HZ`], with everything above its half taken out.
fn resampled(samples: &[f32], rate_hz: f64) -> Vec<f64> {
    if rate_hz <= RATE_HZ {
        return samples.iter().copied().map(f64::from).collect();
    }
    let step = rate_hz / RATE_HZ;
    let reach = 24.0 * step;
    let count = (samples.len() as f64 / step) as usize;
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (PI * x).sin() / (PI * x)
        }
    };
    (0..count)
        .map(|n| {
            let middle = n as f64 * step;
            let first = (middle - reach).ceil().max(0.0) as usize;
            let last = ((middle + reach) as usize).min(samples.len() - 1);
            (first..=last)
                .map(|at| {
                    let away = at as f64 - middle;
                    let window = 0.5 + 0.5 * (PI * away / reach).cos();
                    f64::from(samples[at]) * sinc(away / step) * window / step
                })
                .sum()
        })
        .collect()
}

/// Gives the window that frames are seen through: a Hann window without its zeros.
fn window() -> [f64; FRAME] {
    std::array::from_fn(|n| {
        let turn = 2.0 * PI * (n + 1) as f64 / (FRAME + 1) as f64;
        0.5 - 0.5 * turn.cos()
    })
}

fn frames(samples: &[f64]) -> Vec<[f64; FRAME]> {
    let window = window();
    let count = (samples.len() + 1).saturating_sub(FRAME).div_ceil(HOP);
    (0..count)
        .map(|frame| std::array::from_fn(|n| samples[frame * HOP + n] * window[n]))
        .collect()
}

/// Leaves out the frames in which nothing is spoken, from both.
fn without_silence(spoken: &[f64], heard: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (spoken, heard) = (frames(spoken), frames(heard));
    let level = |frame: &[f64; FRAME]| 20.0 * (norm(frame.iter().copied()) + TINY).log10();
    let levels: Vec<f64> = spoken.iter().map(level).collect();
    let loudest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let kept = |frames: &[[f64; FRAME]]| {
        let spoken = frames.iter().zip(&levels);
        let spoken = spoken.filter(|(_, level)| loudest - RANGE_DB - **level < 0.0);
        overlapped(spoken.map(|(frame, _)| frame))
    };
    (kept(&spoken), kept(&heard))
}

fn overlapped<'a>(frames: impl Iterator<Item = &'a [f64; FRAME]>) -> Vec<f64> {
    let mut samples = Vec::new();
    for (number, frame) in frames.enumerate() {
        samples.resize(number * HOP + FRAME, 0.0);
        for (sample, value) in samples[number * HOP..].iter_mut().zip(frame) {
            *sample += value;
        }
    }
    samples
}

/// Says how loud each band is in each frame.
fn loudness(samples: &[f64]) -> Vec<[f64; BANDS]> {
    let edge = |band: usize, half: f64| {
        let middle = LOWEST_HZ * 2f64.powf(band as f64 / 3.0);
        let hz = middle * 2f64.powf(half / 6.0);
        (hz * TRANSFORM as f64 / RATE_HZ).round() as usize
    };
    frames(samples)
        .iter()
        .map(|frame| {
            let lines = fft::spectrum(frame.iter().copied(), TRANSFORM);
            std::array::from_fn(|band| {
                let lines = &lines[edge(band, -1.0)..edge(band, 1.0)];
                norm(lines.iter().flat_map(|(re, im)| [*re, *im]))
            })
        })
        .collect()
}

/// Says how alike a band rises and falls in two pieces.
fn likeness(spoken: &[[f64; BANDS]], heard: &[[f64; BANDS]], band: usize) -> f64 {
    let of = |piece: &[[f64; BANDS]]| piece.iter().map(|frame| frame[band]).collect::<Vec<_>>();
    let (spoken, mut heard) = (of(spoken), of(heard));
    let scale = norm(spoken.iter().copied()) / (norm(heard.iter().copied()) + TINY);
    for (heard, spoken) in heard.iter_mut().zip(&spoken) {
        *heard = (*heard * scale).min(spoken * (1.0 + EXCESS));
    }
    let (spoken, heard) = (centred(&spoken), centred(&heard));
    spoken.iter().zip(&heard).map(|(a, b)| a * b).sum()
}

/// Takes the mean off and makes the length one.
fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let length = norm(values.iter().map(|value| value - mean)) + TINY;
    values.iter().map(|value| (value - mean) / length).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Harmonics of 140 Hz that come and go, four seconds.
    fn voice(rate_hz: u32) -> Vec<f64> {
        let rate = f64::from(rate_hz);
        (0..4 * rate_hz)
            .map(|n| {
                let t = f64::from(n) / rate;
                let harmonic = |k: i32| {
                    (2.0 * PI * 140.0 * f64::from(k) * t + 0.3 * f64::from(k)).sin() / f64::from(k)
                };
                let tone: f64 = (1..20).map(harmonic).sum();
                let is_open = (2.0 * PI * 0.7 * t).sin() > -0.6;
                tone * 0.5 * (1.0 + (2.0 * PI * 4.0 * t).sin()) * f64::from(u8::from(is_open))
            })
            .collect()
    }

    fn noise(count: usize) -> Vec<f64> {
        let mut state = 1_u64;
        let mut next = || {
            state = (1_103_515_245 * state + 12_345) & 0x7FFF_FFFF;
            state as f64 / f64::from(0x4000_0000) - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn sound(rate_hz: u32, samples: impl IntoIterator<Item = f64>) -> Sound {
        let samples = samples.into_iter().map(|sample| sample as f32).collect();
        Sound { rate_hz, samples }
    }

    /// The expected figures are those of pystoi 0.4 for the same signals.
    #[test]
    fn it_agrees_with_pystoi() {
        for (rate_hz, hissing, drowned, holed) in [
            (10_000, 0.8272, 0.5486, 0.8500),
            (48_000, 0.9033, 0.7118, 0.8571),
        ] {
            let voice = voice(rate_hz);
            let noise = noise(voice.len());
            let with = |share: f64| voice.iter().zip(&noise).map(move |(v, n)| v + share * n);
            let packet = rate_hz as usize / 50;
            // Every fifth packet is gone.
            let holes = voice.iter().enumerate();
            let holes = holes.map(|(n, v)| {
                if (n / packet).is_multiple_of(5) {
                    0.0
                } else {
                    *v
                }
            });
            let spoken = sound(rate_hz, voice.iter().copied());
            for (heard, expected) in [
                (spoken.clone(), 1.0),
                (sound(rate_hz, with(0.5)), hissing),
                (sound(rate_hz, with(2.0)), drowned),
                (sound(rate_hz, holes), holed),
            ] {
                let got = intelligibility(&spoken, &heard);
                assert!(
                    (got - expected).abs() < 0.01,
                    "{rate_hz}: {got} for {expected}"
                );
            }
        }
    }

    #[test]
    fn silence_says_nothing() {
        let nothing = sound(48_000, std::iter::repeat_n(0.0, 100));
        assert_eq!(intelligibility(&nothing, &nothing), 0.0);
        let silence = sound(48_000, std::iter::repeat_n(0.0, 96_000));
        let spoken = sound(48_000, voice(48_000));
        assert!(intelligibility(&spoken, &silence).abs() < 0.05);
    }
}
