//! What of a track outlives a pause of its source: its numbers go on, and so do its counters.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::stats::SentStats;

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`SentStats`] for what each means.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) frames_captured: Counter,
    pub(super) frames_replaced: Counter,
    pub(super) frames_dropped: Counter,
    pub(super) frames_sent: Counter,
    pub(super) packets_sent: Counter,
    pub(super) bytes_sent: Counter,
    pub(super) keyframes: Counter,
    pub(super) keyframe_requests: Counter,
}

impl Counters {
    fn snapshot(&self) -> SentStats {
        SentStats {
            frames_captured: self.frames_captured.get(),
            frames_replaced: self.frames_replaced.get(),
            frames_dropped: self.frames_dropped.get(),
            frames_sent: self.frames_sent.get(),
            packets_sent: self.packets_sent.get(),
            bytes_sent: self.bytes_sent.get(),
            keyframes: self.keyframes.get(),
            keyframe_requests: self.keyframe_requests.get(),
        }
    }
}

/// The numbers of one track on the wire. A receiver must not see them jump when capture stops
/// and runs again.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Offset of time stamps (RFC 3550 section 5.1).
    pub(super) base: u32,
    sequence: AtomicU16,
    picture_id: AtomicU16,
    pub(super) counters: Counters,
}

impl Numbers {
    /// Starts everywhere at random, as RFC 3550 section 5.1 wants.
    pub(crate) fn random() -> Self {
        Self {
            base: rand::random(),
            sequence: AtomicU16::new(rand::random()),
            picture_id: AtomicU16::new(rand::random()),
            counters: Counters::default(),
        }
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> SentStats {
        self.counters.snapshot()
    }

    pub(super) fn next_sequence(&self) -> u16 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn next_picture_id(&self) -> u16 {
        self.picture_id.fetch_add(1, Ordering::Relaxed)
    }
}
