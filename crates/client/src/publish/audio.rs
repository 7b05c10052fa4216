//! The thread of a sound: it keeps the microphone's time and encodes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_media::opus::{Encoder, EncoderConfig, PACKET_BYTES_MAX, PACKET_SAMPLES};
use snug_media::source::Pacer;
use snug_media::{AudioSource, BLOCK_DURATION, BLOCK_SAMPLES};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::sender::Encoded;
use super::stop::EndReport;
use super::{End, Source, Stop};
use crate::{Error, thread};

/// Packets of 20 ms between encoder and network: 60 ms, as much as is worth keeping.
const LANE: usize = 3;

/// Packets of silence that end a sound which is switched off: what a receiver makes up until it
/// knows better is then silence too, not the last word once more.
const LAST_PACKETS: u32 = 2;

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
    numbers: &Arc<Numbers>,
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
}

impl Worker {
    /// Reads and encodes until told to stop or the source fails.
    fn run(&mut self, source: &mut dyn AudioSource, begin: Instant, stop: &Stop) -> End {
        let mut pacer = Pacer::new(begin);
        let mut packet = [0.0; PACKET_SAMPLES];
        let mut block = [0.0; BLOCK_SAMPLES];
        let mut position = Duration::ZERO;
        loop {
            let mut first = None;
            for half in packet.chunks_exact_mut(BLOCK_SAMPLES) {
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
                half.copy_from_slice(&block);
            }
            self.numbers.counters.frames_captured.add(1);
            self.encode(&packet, first.unwrap_or_else(Instant::now));
        }
    }

    /// Ends the sound with silence, from `at` on.
    fn fall_silent(&mut self, at: Instant) {
        for packet in 0..LAST_PACKETS {
            self.encode(&[0.0; PACKET_SAMPLES], at + 2 * packet * BLOCK_DURATION);
        }
    }

    fn encode(&mut self, packet: &[f32; PACKET_SAMPLES], at: Instant) {
        let mut bytes = [0; PACKET_BYTES_MAX];
        match self.encoder.encode(packet, &mut bytes) {
            Ok(len) => self.send(&bytes[..len], at),
            Err(error) => {
                self.numbers.counters.frames_dropped.add(1);
                tracing::warn!(%error, "sound cannot be encoded");
            }
        }
    }

    fn send(&self, data: &[u8], at: Instant) {
        let encoded = Encoded {
            data: Bytes::copy_from_slice(data),
            keyframe: false,
            at,
        };
        if self.lane.try_send(encoded).is_err() {
            self.numbers.counters.frames_dropped.add(1);
        }
    }
}
