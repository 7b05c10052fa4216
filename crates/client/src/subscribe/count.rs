//! Counting the packets of one stream.

use snug_rtp::{SequenceNumber, SequenceUnwrapper};

/// Knows how many packets should have come.
#[derive(Debug, Default)]
pub(super) struct PacketCount {
    unwrapper: SequenceUnwrapper,
    first: Option<u64>,
    highest: u64,
    /// Packets that should have come on streams before this one.
    expected_before: u64,
    ssrc: Option<u32>,
    pub(super) received: u64,
    pub(super) bytes: u64,
}

impl PacketCount {
    /// Takes a packet of `bytes` payload bytes. A new stream in the same section counts on.
    pub(super) fn take(&mut self, ssrc: u32, sequence: u16, bytes: usize) {
        if self.ssrc != Some(ssrc) {
            self.expected_before = self.expected();
            self.unwrapper = SequenceUnwrapper::default();
            self.first = None;
            self.highest = 0;
            self.ssrc = Some(ssrc);
        }
        let sequence = self.unwrapper.unwrap(SequenceNumber(sequence));
        let first = *self.first.get_or_insert(sequence);
        // One that was reordered before the first belongs to the time before us.
        if sequence >= first {
            self.highest = self.highest.max(sequence).max(first);
        }
        self.received += 1;
        self.bytes += bytes as u64;
    }

    /// Packets that never came. Retransmitted ones count as received.
    pub(super) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u64 {
        let span = self
            .first
            .map_or(0, |first| self.highest.saturating_sub(first) + 1);
        self.expected_before + span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_lost_until_they_are_filled() {
        let mut count = PacketCount::default();
        for sequence in [65_534, 65_535, 2, 3] {
            count.take(1, sequence, 100);
        }
        assert_eq!((count.received, count.bytes, count.lost()), (4, 400, 2));
        count.take(1, 0, 100);
        count.take(1, 1, 100);
        assert_eq!(count.lost(), 0);
        count.take(1, 1, 100);
        assert_eq!(count.lost(), 0, "a duplicate is no negative loss");
    }

    #[test]
    fn another_stream_counts_on() {
        let mut count = PacketCount::default();
        count.take(1, 10, 1);
        count.take(1, 12, 1);
        count.take(2, 500, 1);
        count.take(2, 502, 1);
        assert_eq!((count.received, count.lost()), (4, 2));
    }
}
