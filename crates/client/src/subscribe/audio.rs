//! One remote voice: its packets, its place in the mix.

use std::time::Instant;

use snug_media::playout::{AudioJitterBuffer, JitterConfig, Mixer, Voice};
use snug_media::{BLOCK_SAMPLES, SAMPLE_RATE};
use snug_rtp::{RtpTime, SequenceNumber};

use super::count::PacketCount;
use super::{Packet, SILENT_DBFS};
use crate::Error;
use crate::stats::ReceivedStats;

/// A voice.
pub(super) struct Audio {
    jitter: AudioJitterBuffer,
    voice: Voice,
    count: PacketCount,
    heard: bool,
    /// Sum of the squares of what was played since the last look, and how many samples it was.
    energy: f32,
    samples: u32,
    level_dbfs: f32,
}

impl Audio {
    /// Makes a voice that waits as long as `config` says.
    pub(super) fn new(config: JitterConfig) -> Result<Self, Error> {
        let jitter = AudioJitterBuffer::new(config).map_err(snug_media::Error::from)?;
        Ok(Self {
            jitter,
            voice: Voice::default(),
            count: PacketCount::default(),
            heard: false,
            energy: 0.0,
            samples: 0,
            level_dbfs: SILENT_DBFS,
        })
    }

    /// Takes a packet; true when it is the first.
    pub(super) fn take(&mut self, packet: &Packet) -> bool {
        self.count
            .take(packet.ssrc, packet.sequence, packet.payload.len());
        self.count.time(packet.at, packet.timestamp, SAMPLE_RATE);
        let sequence = SequenceNumber(packet.sequence);
        self.jitter.insert(
            sequence,
            RtpTime(packet.timestamp),
            &packet.payload,
            packet.at,
        );
        if let Some(earlier) = &packet.earlier {
            let (sequence, time) = (SequenceNumber(earlier.sequence), RtpTime(earlier.timestamp));
            self.jitter.insert_earlier(sequence, time, &earlier.payload);
        }
        !std::mem::replace(&mut self.heard, true)
    }

    /// Adds the next 10 ms to the mix; returns the time stamp of their first sample, if there is
    /// sound.
    pub(super) fn mix(&mut self, mixer: &mut Mixer, at: Instant) -> Option<RtpTime> {
        let mut block = [0.0; BLOCK_SAMPLES];
        let position = self.jitter.playhead();
        self.samples += BLOCK_SAMPLES as u32;
        if self.jitter.pull(&mut block, at) {
            self.energy += block.iter().map(|sample| sample * sample).sum::<f32>();
            mixer.add(&mut self.voice, &block);
        }
        position
    }

    /// How loud it was played since the last call, in dBFS (RMS) from [`SILENT_DBFS`] to 0.
    pub(super) fn take_level(&mut self) -> f32 {
        let samples = std::mem::take(&mut self.samples);
        if samples > 0 {
            let power = std::mem::take(&mut self.energy) / samples as f32;
            let least = 10.0_f32.powf(SILENT_DBFS / 10.0);
            self.level_dbfs = (10.0 * power.max(least).log10()).min(0.0);
        }
        self.level_dbfs
    }

    /// What was received so far.
    pub(super) fn stats(&self) -> ReceivedStats {
        let counters = self.jitter.counters();
        ReceivedStats {
            packets_received: self.count.received,
            packets_lost: self.count.lost(),
            bytes_received: self.count.bytes,
            frames_received: counters.received - counters.duplicate - counters.dropped,
            frames_decoded: counters.played,
            samples_concealed: counters.concealed_samples,
            long_gaps: counters.long_gaps,
            packets_recovered: counters.from_copies,
            jitter_us: self.count.jitter().as_micros() as u64,
            ..ReceivedStats::default()
        }
    }
}
