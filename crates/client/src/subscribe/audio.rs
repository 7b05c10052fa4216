//! One remote voice: its packets, its place in the mix.

use std::time::Instant;

use snug_media::BLOCK_SAMPLES;
use snug_media::playout::{AudioJitterBuffer, JitterConfig, Mixer, Voice};
use snug_rtp::{RtpTime, SequenceNumber};

use super::Packet;
use super::count::PacketCount;
use crate::Error;
use crate::stats::ReceivedStats;

/// A voice.
pub(super) struct Audio {
    jitter: AudioJitterBuffer,
    voice: Voice,
    count: PacketCount,
    heard: bool,
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
        })
    }

    /// Takes a packet; true when it is the first.
    pub(super) fn take(&mut self, packet: &Packet) -> bool {
        self.count
            .take(packet.ssrc, packet.sequence, packet.payload.len());
        let sequence = SequenceNumber(packet.sequence);
        self.jitter.insert(
            sequence,
            RtpTime(packet.timestamp),
            &packet.payload,
            packet.at,
        );
        !std::mem::replace(&mut self.heard, true)
    }

    /// Adds the next 10 ms to the mix; returns the time stamp of their first sample, if there is
    /// sound.
    pub(super) fn mix(&mut self, mixer: &mut Mixer, at: Instant) -> Option<RtpTime> {
        let mut block = [0.0; BLOCK_SAMPLES];
        let position = self.jitter.playhead();
        if self.jitter.pull(&mut block, at) {
            mixer.add(&mut self.voice, &block);
        }
        position
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
            ..ReceivedStats::default()
        }
    }
}
