//! The loudspeaker: where the mix of a call goes.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{ErrorKind, FromSample, SampleFormat, SizedSample};

use super::outflow::{Outflow, Outlet, outflow};
use super::sound::Found;
use super::stream::{Clock, Running, Shared, SoundCounters, millis};
use super::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::BLOCK_SAMPLES;

/// Blocks that the device may leave untouched before it counts as broken: 5 s, more than a wireless
/// headset takes to wake up.
const UNTOUCHED_BLOCKS_MAX: u32 = 500;

/// Plays sound; the device is free again when this is dropped.
///
/// Takes 48 kHz mono in blocks of 10 ms and brings it to what the device wants, on its first two
/// channels; the difference between the device's clock and the player's is bent away.
///
/// ```no_run
/// use snug_media::BLOCK_SAMPLES;
/// use snug_media::device::Speaker;
/// let mut speaker = Speaker::open(None)?;
/// speaker.play(&[0.0; BLOCK_SAMPLES]); // every 10 ms
/// # Ok::<(), snug_media::Error>(())
/// ```
pub struct Speaker {
    running: Running,
    outflow: Outflow,
    seen_callbacks: u64,
    untouched_blocks: u32,
}

impl Speaker {
    /// Opens the loudspeaker that `id` names, or the one that the system prefers.
    ///
    /// Takes at most two seconds.
    ///
    /// # Errors
    /// [`Error::Device`]: there is none, another program holds it, or the system refuses.
    pub fn open(id: Option<&DeviceId>) -> Result<Self, Error> {
        let (running, outflow) = Running::open(InputRole::Speaker, id, build)?;
        Ok(Self {
            running,
            outflow,
            seen_callbacks: 0,
            untouched_blocks: 0,
        })
    }

    /// Gives the next 10 ms; never waits. Once the device is lost, sound goes nowhere: see
    /// [`check`](Self::check).
    pub fn play(&mut self, block: &[f32; BLOCK_SAMPLES]) {
        self.note_life();
        if !self.is_lost() {
            self.outflow.play(block, self.running.clock.now());
        }
    }

    /// Whether the device is gone and another one has to be opened.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.check().is_err()
    }

    /// Says what became of a device that is lost.
    ///
    /// # Errors
    /// [`Error::Device`]: it was unplugged or has failed.
    pub fn check(&self) -> Result<(), Error> {
        self.running.check()
    }

    /// Says which loudspeaker this is.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.running.info
    }

    /// Says what it has been through.
    #[must_use]
    pub fn counters(&self) -> SoundCounters {
        let shared = self
            .running
            .shared
            .counters(self.running.by, self.running.rate_hz);
        SoundCounters {
            skipped_ms: millis(self.outflow.skipped, crate::SAMPLE_RATE),
            depth_ms: self.outflow.depth_ms(),
            bend_ppm: self.outflow.bend_ppm(),
            ..shared
        }
    }

    /// Notices a device that is there and takes nothing.
    fn note_life(&mut self) {
        let callbacks = self.running.shared.callbacks();
        if callbacks != self.seen_callbacks {
            self.seen_callbacks = callbacks;
            self.untouched_blocks = 0;
            return;
        }
        self.untouched_blocks += 1;
        if self.untouched_blocks == UNTOUCHED_BLOCKS_MAX {
            let problem = DeviceProblem::Backend("it takes no sound".into());
            self.running.shared.fail(problem);
        }
    }
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speaker")
            .field("info", self.info())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn build(
    found: &Found,
    shared: Arc<Shared>,
    clock: Clock,
) -> Result<(cpal::Stream, Outflow), cpal::Error> {
    let (outflow, outlet) = outflow(found.config.sample_rate, shared.clone());
    let stream = match found.format {
        SampleFormat::F32 => output::<f32>(found, outlet, shared, clock),
        SampleFormat::I16 => output::<i16>(found, outlet, shared, clock),
        SampleFormat::I32 => output::<i32>(found, outlet, shared, clock),
        SampleFormat::U16 => output::<u16>(found, outlet, shared, clock),
        SampleFormat::U8 => output::<u8>(found, outlet, shared, clock),
        _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
    }?;
    Ok((stream, outflow))
}

fn output<T: SizedSample + FromSample<f32>>(
    found: &Found,
    mut outlet: Outlet,
    shared: Arc<Shared>,
    clock: Clock,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(found.config.channels.max(1));
    found.device.build_output_stream(
        found.config,
        move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
            let mut frames = data.chunks_exact_mut(channels);
            outlet.give(frames.len(), clock.now(), |sample| {
                if let Some(frame) = frames.next() {
                    spread(sample, frame);
                }
            });
        },
        move |error| shared.handle_error(&error),
        None,
    )
}

/// Puts a voice on the front left and right, or on the only channel.
fn spread<T: SizedSample + FromSample<f32>>(sample: f32, frame: &mut [T]) {
    let heard = T::from_sample(sample.clamp(-1.0, 1.0));
    for (n, place) in frame.iter_mut().enumerate() {
        *place = if n < 2 { heard } else { T::EQUILIBRIUM };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_over<T: SizedSample + FromSample<f32>>(sample: f32, channels: usize) -> Vec<T> {
        let mut frame = vec![T::EQUILIBRIUM; channels];
        spread(sample, &mut frame);
        frame
    }

    #[test]
    fn every_format_and_number_of_channels_is_served() {
        assert_eq!(spread_over::<f32>(0.25, 1), [0.25]);
        assert_eq!(spread_over::<f32>(2.0, 2), [1.0, 1.0]);
        assert_eq!(spread_over::<i16>(-1.0, 2), [i16::MIN, i16::MIN]);
        assert_eq!(spread_over::<i16>(7.0, 1), [i16::MAX]);
        assert_eq!(
            spread_over::<u8>(0.5, 6),
            [0xC0, 0xC0, 0x80, 0x80, 0x80, 0x80]
        );
    }
}
