//! One remote picture.

use super::Packet;
use super::count::PacketCount;
use crate::stats::ReceivedStats;

/// A picture.
#[derive(Default)]
pub(super) struct Video {
    count: PacketCount,
    frames: u64,
}

impl Video {
    /// Takes a packet; true when it ends the first frame.
    pub(super) fn take(&mut self, packet: &Packet) -> bool {
        self.count
            .take(packet.ssrc, packet.sequence, packet.payload.len());
        self.frames += u64::from(packet.marker);
        packet.marker && self.frames == 1
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
