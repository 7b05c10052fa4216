//! One remote voice.

use super::Packet;
use super::count::PacketCount;
use crate::stats::ReceivedStats;

/// A voice.
#[derive(Default)]
pub(super) struct Audio {
    count: PacketCount,
    frames: u64,
}

impl Audio {
    /// Takes a packet; true when it is the first.
    pub(super) fn take(&mut self, packet: &Packet) -> bool {
        self.count
            .take(packet.ssrc, packet.sequence, packet.payload.len());
        self.frames += 1;
        self.frames == 1
    }

    /// What was received so far.
    pub(super) fn stats(&self) -> ReceivedStats {
        ReceivedStats {
            packets_received: self.count.received,
            packets_lost: self.count.lost(),
            bytes_received: self.count.bytes,
            frames_received: self.frames,
            ..ReceivedStats::default()
        }
    }
}
