//! The thread of a sound: it keeps the microphone's time and encodes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_media::level::level_dbfs;
use snug_media::opus::{Encoder, EncoderConfig, PACKET_BYTES_MAX, PACKET_SAMPLES};
use snug_media::source::Pacer;
use snug_media::{AudioSource, BLOCK_DURATION, BLOCK_SAMPLES};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::sender::{Encoded, What};
use super::steering::Steering;
use super::stop::EndReport;
use super::voice::{LONGEST_SAMPLES, VoicePlan};
use super::{End, Source, Stop};
use crate::transport::AudioLevel;
use crate::{Error, thread};

/// Packets of 20 ms between encoder and network: 60 ms, as much as is worth keeping.
const LANE: usize = 3;

/// Packets of silence that end a sound which is switched off: what a receiver makes up until it
/// knows better is then silence too, not the last word once more.
const LAST_PACKETS: u32 = 2;

/// Lost packets of a hundred to prepare for at least: they come before anybody can report them.
const LOSS_PERCENT_MIN: u8 = 10;

/// What is louder may be a voice; the room draws the line there, too.
const VOICE_DBFS_MIN: f32 = -50.0;

/// What a sound starts with.
pub(super) struct Start {
    pub(super) source: Box<dyn AudioSource>,
    pub(super) bitrate_bps: u32,
    /// When the first of it is due.
    pub(super) begin: Instant,
    pub(super) report: EndReport,
}

/// Starts the thread; encoded packets come out of the lane.
pub(super) fn start(
    start: Start,
    stop: Stop,
    (numbers, steering): (&Arc<Numbers>, &Arc<Steering>),
) -> Result<mpsc::Receiver<Encoded>, Error> {
    let Start {
        mut source,
        bitrate_bps,
        begin,
        report,
    } = start;
    let config = EncoderConfig {
        bitrate_bps,
        ..EncoderConfig::default()
    };
    let encoder = Encoder::new(config).map_err(snug_media::Error::from)?;
    let (lane, frames) = mpsc::channel(LANE);
    let mut worker = Worker {
        encoder,
        lane,
        numbers: Arc::clone(numbers),
        steering: Arc::clone(steering),
        voice: VoicePlan::within(u32::MAX, bitrate_bps),
        loss_percent: config.expected_loss_percent,
        bitrate_max_bps: bitrate_bps,
    };
    thread::spawn("snug-microphone", move || {
        let run = || worker.run(&mut *source, begin, &stop);
        let end = catch_unwind(AssertUnwindSafe(run));
        // What was encoded goes out, however long the device takes to be closed.
        drop(worker);
        report.send(Source::Audio(source), end, &stop);
    })?;
    Ok(frames)
}

struct Worker {
    encoder: Encoder,
    lane: mpsc::Sender<Encoded>,
    numbers: Arc<Numbers>,
    steering: Arc<Steering>,
    /// As the encoder is set.
    voice: VoicePlan,
    loss_percent: u8,
    bitrate_max_bps: u32,
}

impl Worker {
    /// Reads and encodes until told to stop or the source fails.
    fn run(&mut self, source: &mut dyn AudioSource, begin: Instant, stop: &Stop) -> End {
        let mut pacer = Pacer::new(begin);
        let mut packet = [0.0; LONGEST_SAMPLES];
        let mut block = [0.0; BLOCK_SAMPLES];
        let mut position = Duration::ZERO;
        loop {
            let mut first = None;
            self.follow();
            let samples = self.voice.blocks * BLOCK_SAMPLES;
            for part in packet[..samples].chunks_exact_mut(BLOCK_SAMPLES) {
                // A block exists when its last sample does: 10 ms after its first. A live source
                // has it by then too.
                let due = pacer.due(position, Instant::now());
                if !stop.wait_until(due + BLOCK_DURATION) {
                    self.fall_silent(first.unwrap_or(due));
                    return End::Asked;
                }
                position += BLOCK_DURATION;
                first.get_or_insert(due);
                if let Err(error) = source.read(&mut block) {
                    return End::Failed(error.into());
                }
                part.copy_from_slice(&block);
            }
            let captured = self.voice.blocks as u64 / 2;
            self.numbers.counters.frames_captured.add(captured);
            self.encode(&packet[..samples], first.unwrap_or_else(Instant::now));
        }
    }

    /// Sets the encoder to what the network carries now.
    fn follow(&mut self) {
        let voice = VoicePlan::within(self.steering.budget_bps(), self.bitrate_max_bps);
        let loss_percent = self.steering.loss_percent().max(LOSS_PERCENT_MIN);
        if voice != self.voice && self.encoder.set_bitrate(voice.bitrate_bps).is_ok() {
            self.voice = voice;
        }
        if loss_percent != self.loss_percent && self.encoder.set_expected_loss(loss_percent).is_ok()
        {
            self.loss_percent = loss_percent;
        }
    }

    /// Ends the sound with silence, from `at` on.
    fn fall_silent(&mut self, at: Instant) {
        for packet in 0..LAST_PACKETS {
            self.encode(&[0.0; PACKET_SAMPLES], at + 2 * packet * BLOCK_DURATION);
        }
    }

    fn encode(&mut self, packet: &[f32], at: Instant) {
        let mut bytes = [0; PACKET_BYTES_MAX];
        match self.encoder.encode(packet, &mut bytes) {
            Ok(len) => self.send(&bytes[..len], loudness(packet), at),
            Err(error) => {
                self.numbers.counters.frames_dropped.add(1);
                tracing::warn!(%error, "sound cannot be encoded");
            }
        }
    }

    fn send(&mut self, bytes: &[u8], level: AudioLevel, at: Instant) {
        let encoded = Encoded {
            data: Bytes::copy_from_slice(bytes),
            what: What::Sound(level),
            at,
        };
        if self.lane.try_send(encoded).is_err() {
            self.numbers.counters.frames_dropped.add(1);
        }
    }
}

/// Measures a packet for those who do not decode it (RFC 6464).
fn loudness(packet: &[f32]) -> AudioLevel {
    let dbfs = level_dbfs(packet);
    AudioLevel {
        // From -100 to 0 by its definition.
        below_full_scale_db: (-dbfs).round() as u8,
        voice: dbfs > VOICE_DBFS_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loudness_counts_down_from_full_scale() {
        let tone: Vec<f32> = (0..PACKET_SAMPLES)
            .map(|n| (n as f32 * 0.13).sin())
            .collect();
        let level = loudness(&tone);
        assert_eq!((level.below_full_scale_db, level.voice), (3, true));
        let silence = loudness(&[0.0; PACKET_SAMPLES]);
        assert_eq!((silence.below_full_scale_db, silence.voice), (100, false));
    }
}
