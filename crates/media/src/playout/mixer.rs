//! Adds voices up without clipping.
//!
//! Rules. Below [`CEILING`] the sum is not touched at all. Above, the whole mix is turned down at once
//! and comes back slowly ([`RELEASE_PER_BLOCK`]), which keeps voices clean where clipping would not;
//! what still sticks out while the turn-down ramps in is bent, not cut. A change of a voice's own gain
//! is spread over one block, so that it does not click.

use crate::frame::BLOCK_SAMPLES;

/// Peak up to which the mix is left alone: -1 dBFS.
pub const CEILING: f32 = 0.891;
/// Samples over which the mix is turned down: 1 ms.
const ATTACK_SAMPLES: usize = 48;
/// Share of the way back to full gain made in each block: about 200 ms for most of it.
const RELEASE_PER_BLOCK: f32 = 0.05;
/// Largest gain of one voice: +12 dB.
const GAIN_MAX: f32 = 4.0;

/// The volume of one participant's sound in the mix.
#[derive(Debug, Clone)]
pub struct Voice {
    gain: f32,
    target: f32,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            gain: 1.0,
            target: 1.0,
        }
    }
}

impl Voice {
    /// Sets the gain from the next block on: 0.0 silent, 1.0 as it came, at most 4.0.
    /// Anything else is brought into the range.
    pub fn set_gain(&mut self, gain: f32) {
        self.target = if gain.is_finite() {
            gain.clamp(0.0, GAIN_MAX)
        } else {
            1.0
        };
    }
}

/// Mixes any number of voices, 10 ms at a time. Allocates nothing.
///
/// ```
/// use snug_media::playout::{Mixer, Voice};
/// let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
/// mixer.add(&mut voice, &[0.25; 480]);
/// let mut out = [0.0; 480];
/// mixer.finish(&mut out);
/// assert_eq!(out, [0.25; 480]);
/// ```
#[derive(Debug)]
pub struct Mixer {
    sum: [f32; BLOCK_SAMPLES],
    gain: f32,
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

impl Mixer {
    /// Starts with silence.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sum: [0.0; BLOCK_SAMPLES],
            gain: 1.0,
        }
    }

    /// Adds one voice's block to the mix being made.
    pub fn add(&mut self, voice: &mut Voice, samples: &[f32; BLOCK_SAMPLES]) {
        let step = (voice.target - voice.gain) / BLOCK_SAMPLES as f32;
        let mut gain = voice.gain;
        for (sum, sample) in self.sum.iter_mut().zip(samples) {
            gain += step;
            *sum += sample * gain;
        }
        voice.gain = voice.target;
    }

    /// Writes the mix into `out`, every sample within -1.0..=1.0, and starts the next one.
    pub fn finish(&mut self, out: &mut [f32; BLOCK_SAMPLES]) {
        let peak = self.sum.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        let target = if peak * self.gain > CEILING {
            CEILING / peak
        } else {
            let room = if peak > CEILING { CEILING / peak } else { 1.0 };
            (self.gain + (1.0 - self.gain) * RELEASE_PER_BLOCK).min(room)
        };
        // Down fast, up over the whole block.
        let ramp = if target < self.gain {
            ATTACK_SAMPLES
        } else {
            BLOCK_SAMPLES
        };
        let step = (target - self.gain) / ramp as f32;
        for (i, (out, sum)) in out.iter_mut().zip(&mut self.sum).enumerate() {
            let gain = if i < ramp {
                self.gain + step * (i + 1) as f32
            } else {
                target
            };
            *out = bend(*sum * gain);
            *sum = 0.0;
        }
        self.gain = if 1.0 - target < 1e-4 { 1.0 } else { target };
    }
}

/// Leaves a sample alone up to the ceiling and bends what is above towards, never past, full scale.
fn bend(sample: f32) -> f32 {
    let over = sample.abs() - CEILING;
    if over.is_nan() {
        return 0.0;
    }
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - CEILING;
    (CEILING + room * (over / room).tanh())
        .min(1.0)
        .copysign(sample)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mix(mixer: &mut Mixer, voices: &mut [(Voice, f32)]) -> [f32; BLOCK_SAMPLES] {
        for (voice, level) in voices {
            mixer.add(voice, &[*level; BLOCK_SAMPLES]);
        }
        let mut out = [9.0; BLOCK_SAMPLES];
        mixer.finish(&mut out);
        out
    }

    #[test]
    fn quiet_voices_add_up_exactly_and_nothing_is_carried_over() {
        let mut mixer = Mixer::new();
        let mut voices = [(Voice::default(), 0.25), (Voice::default(), 0.5)];
        assert_eq!(mix(&mut mixer, &mut voices), [0.75; BLOCK_SAMPLES]);
        assert_eq!(mix(&mut mixer, &mut []), [0.0; BLOCK_SAMPLES]);
    }

    #[test]
    fn loud_voices_are_turned_down_and_come_back() {
        let mut mixer = Mixer::new();
        let mut loud = [(Voice::default(), 1.0), (Voice::default(), 1.0)];
        let out = mix(&mut mixer, &mut loud);
        assert!(out.iter().all(|s| s.abs() <= 1.0));
        assert!((out[BLOCK_SAMPLES - 1] - CEILING).abs() < 1e-3);
        let mut soft = [(Voice::default(), 0.1)];
        let first = mix(&mut mixer, &mut soft)[0];
        assert!(first < 0.06, "still turned down: {first}");
        for _ in 0..200 {
            mix(&mut mixer, &mut soft);
        }
        assert_eq!(mix(&mut mixer, &mut soft), [0.1; BLOCK_SAMPLES]);
    }

    #[test]
    fn a_gain_change_is_a_ramp() {
        let mut mixer = Mixer::new();
        let mut voices = [(Voice::default(), 0.5)];
        voices[0].0.set_gain(0.0);
        let out = mix(&mut mixer, &mut voices);
        assert!(
            out.windows(2)
                .all(|w| (0.0..0.0011).contains(&(w[0] - w[1])))
        );
        assert_eq!(mix(&mut mixer, &mut voices), [0.0; BLOCK_SAMPLES]);
        voices[0].0.set_gain(f32::NAN);
        voices[0].0.set_gain(100.0);
        mix(&mut mixer, &mut voices);
        assert!(mix(&mut mixer, &mut voices)[0] <= 1.0);
    }

    proptest! {
        #[test]
        fn no_input_leaves_the_range(
            blocks in prop::collection::vec(prop::collection::vec(-20.0f32..20.0, 1..4), 1..20)
        ) {
            let mut mixer = Mixer::new();
            let mut out = [0.0; BLOCK_SAMPLES];
            for levels in blocks {
                for level in levels {
                    mixer.add(&mut Voice::default(), &[level; BLOCK_SAMPLES]);
                }
                mixer.finish(&mut out);
                prop_assert!(out.iter().all(|s| s.abs() <= 1.0));
            }
        }
    }
}
