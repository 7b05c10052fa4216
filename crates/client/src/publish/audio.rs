//! The thread of a sound: it keeps the microphone's time and encodes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_media::opus::{Encoder, EncoderConfig, PACKET_BYTES_MAX, PACKET_SAMPLES};
use snug_media::source::Pacer;
use snug_media::{AudioSource, BLOCK_DURATION, BLOCK_SAMPLES};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::sender::Encoded;
use super::{EndReport, Stop};
use crate::{Error, thread};

/// Packets of 20 ms between encoder and network: 60 ms, as much as is worth keeping.
const LANE: usize = 3;

/// What a sound starts with.
pub(super) struct Start {
    pub(super) source: Box<dyn AudioSource>,
    pub(super) bitrate_bps: u32,
    /// When the first of it is due.
    pub(super) begin: Instant,
    pub(super) ended: EndReport,
}

type Running = (JoinHandle<Box<dyn AudioSource>>, mpsc::Receiver<Encoded>);

/// Starts the thread; encoded packets come out of the lane.
pub(super) fn start(start: Start, stop: Stop, numbers: Arc<Numbers>) -> Result<Running, Error> {
    let Start {
        source,
        bitrate_bps,
        begin,
        ended,
    } = start;
    let config = EncoderConfig {
        bitrate_bps,
        ..EncoderConfig::default()
    };
    let encoder = Encoder::new(config).map_err(snug_media::Error::from)?;
    let (lane, frames) = mpsc::channel(LANE);
    let capture = thread::spawn("snug-microphone", move || {
        let mut worker = Worker {
            source,
            encoder,
            lane,
            numbers,
        };
        if let Some(error) = worker.run(begin, &stop) {
            ended.send(Some(error));
        }
        worker.source
    })?;
    Ok((capture, frames))
}

struct Worker {
    source: Box<dyn AudioSource>,
    encoder: Encoder,
    lane: mpsc::Sender<Encoded>,
    numbers: Arc<Numbers>,
}

impl Worker {
    /// Reads and encodes until told to stop (`None`) or the source fails.
    fn run(&mut self, begin: Instant, stop: &Stop) -> Option<snug_media::Error> {
        let mut pacer = Pacer::new(begin);
        let mut packet = [0.0; PACKET_SAMPLES];
        let mut bytes = [0; PACKET_BYTES_MAX];
        let mut block = [0.0; BLOCK_SAMPLES];
        let mut position = Duration::ZERO;
        loop {
            let mut first = None;
            for half in packet.chunks_exact_mut(BLOCK_SAMPLES) {
                // A block exists when its last sample does: 10 ms after its first.
                let due = pacer.due(position, Instant::now());
                if !stop.wait_until(due + BLOCK_DURATION) {
                    return None;
                }
                position += BLOCK_DURATION;
                first.get_or_insert(due);
                if let Err(error) = self.source.read(&mut block) {
                    return Some(error);
                }
                half.copy_from_slice(&block);
            }
            self.numbers.counters.frames_captured.add(1);
            match self.encoder.encode(&packet, &mut bytes) {
                Ok(len) => self.send(&bytes[..len], first.unwrap_or_else(Instant::now)),
                Err(error) => {
                    self.numbers.counters.frames_dropped.add(1);
                    tracing::warn!(%error, "sound cannot be encoded");
                }
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
