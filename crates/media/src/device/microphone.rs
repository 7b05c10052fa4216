//! The microphone as a source of sound.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{ErrorKind, FromSample, Sample, SampleFormat, SizedSample};

use super::intake::{Inlet, Intake, intake};
use super::sound::Found;
use super::stream::{Clock, Running, Shared, SoundCounters, millis};
use super::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::BLOCK_SAMPLES;
use crate::source::AudioSource;

/// Reads without a sound from the device before it counts as broken: 5 s, more than a wireless
/// headset takes to wake up.
const SILENT_READS_MAX: u32 = 500;

/// Gives what a microphone hears; the device is free again when this is dropped.
///
/// Any rate and number of channels is taken and brought to 48 kHz mono; the difference between the
/// device's clock and its reader's is bent away.
///
/// ```no_run
/// use snug_media::device::Microphone;
/// use snug_media::{AudioSource, BLOCK_SAMPLES};
/// let mut microphone = Microphone::open(None)?;
/// let mut block = [0.0; BLOCK_SAMPLES];
/// microphone.read(&mut block)?; // every 10 ms
/// # Ok::<(), snug_media::Error>(())
/// ```
pub struct Microphone {
    running: Running,
    intake: Intake,
    seen_callbacks: u64,
    silent_reads: u32,
}

impl Microphone {
    /// Opens the microphone that `id` names, or the one that the system prefers.
    ///
    /// Takes at most two seconds.
    ///
    /// # Errors
    /// [`Error::Device`]: there is none, another program holds it, or the system refuses.
    pub fn open(id: Option<&DeviceId>) -> Result<Self, Error> {
        let (running, intake) = Running::open(InputRole::Microphone, id, build)?;
        Ok(Self {
            running,
            intake,
            seen_callbacks: 0,
            silent_reads: 0,
        })
    }

    /// Says which microphone this is.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.running.info
    }

    /// Says what it has been through.
    #[must_use]
    pub fn counters(&self) -> SoundCounters {
        let rate_hz = self.running.rate_hz;
        let shared = self.running.shared.counters(self.running.by, rate_hz);
        SoundCounters {
            starved: self.intake.starved,
            concealed_ms: millis(self.intake.concealed, crate::SAMPLE_RATE),
            skipped_ms: millis(self.intake.skipped, rate_hz),
            depth_ms: self.intake.depth_ms(),
            bend_ppm: self.intake.bend_ppm(),
            ..shared
        }
    }

    /// Notices a device that is there and gives nothing.
    fn note_life(&mut self) {
        let callbacks = self.running.shared.callbacks();
        if callbacks != self.seen_callbacks {
            self.seen_callbacks = callbacks;
            self.silent_reads = 0;
            return;
        }
        self.silent_reads += 1;
        if self.silent_reads == SILENT_READS_MAX {
            let problem = DeviceProblem::Backend("it gives no sound".into());
            self.running.shared.fail(problem);
        }
    }
}

impl AudioSource for Microphone {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        self.note_life();
        if let Err(error) = self.running.check() {
            out.fill(0.0);
            return Err(error);
        }
        self.intake.read(out, self.running.clock.now());
        Ok(())
    }

    fn is_live(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for Microphone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microphone")
            .field("info", self.info())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn build(
    found: &Found,
    shared: Arc<Shared>,
    clock: Clock,
) -> Result<(cpal::Stream, Intake), cpal::Error> {
    let (inlet, intake) = intake(found.config.sample_rate, shared.clone());
    let stream = match found.format {
        SampleFormat::F32 => input::<f32>(found, inlet, shared, clock),
        SampleFormat::I16 => input::<i16>(found, inlet, shared, clock),
        SampleFormat::I32 => input::<i32>(found, inlet, shared, clock),
        SampleFormat::U16 => input::<u16>(found, inlet, shared, clock),
        SampleFormat::U8 => input::<u8>(found, inlet, shared, clock),
        _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
    }?;
    Ok((stream, intake))
}

fn input<T: SizedSample>(
    found: &Found,
    mut inlet: Inlet,
    shared: Arc<Shared>,
    clock: Clock,
) -> Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let channels = usize::from(found.config.channels.max(1));
    found.device.build_input_stream(
        found.config,
        move |data: &[T], _: &cpal::InputCallbackInfo| {
            let samples = data.chunks_exact(channels).map(mono);
            inlet.take(samples, clock.now());
        },
        move |error| shared.handle_error(&error),
        None,
    )
}

/// Mixes the first two channels; what a many-channel interface has beyond is rarely a voice.
fn mono<T: SizedSample>(frame: &[T]) -> f32
where
    f32: FromSample<T>,
{
    let voices = &frame[..frame.len().min(2)];
    let sum: f32 = voices.iter().map(|&sample| f32::from_sample(sample)).sum();
    sum / voices.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_and_number_of_channels_becomes_one() {
        assert_eq!(mono(&[0.5f32]), 0.5);
        assert_eq!(mono(&[0.5f32, -0.1]), 0.2);
        assert_eq!(mono(&[0.5f32, 0.5, -1.0, -1.0, -1.0, -1.0]), 0.5);
        assert_eq!(mono(&[i16::MIN]), -1.0);
        assert_eq!(mono(&[i32::MIN / 2]), -0.5);
        assert_eq!(mono(&[0x8000u16]), 0.0);
        assert_eq!(mono(&[0x80u8, 0xC0]), 0.25);
    }
}
