//! What of a track outlives a pause of its source: its numbers go on, and so do its counters.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};

use super::plan::ENCODINGS_MAX;
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
    /// Offset of time stamps (RFC 3550 section 5.1), the same for all encodings.
    pub(super) base: u32,
    encodings: [EncodingNumbers; ENCODINGS_MAX],
    pub(super) counters: Counters,
}

/// The numbers of one encoding.
#[derive(Debug)]
pub(super) struct EncodingNumbers {
    sequence: AtomicU16,
    picture_id: AtomicU16,
    base_layer: AtomicU8,
    pub(super) packets_sent: Counter,
    pub(super) bytes_sent: Counter,
    pub(super) frames_sent: Counter,
}

impl Numbers {
    /// Starts everywhere at random, as RFC 3550 section 5.1 wants.
    pub(crate) fn random() -> Self {
        Self {
            base: rand::random(),
            encodings: std::array::from_fn(|_| EncodingNumbers::random()),
            counters: Counters::default(),
        }
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> SentStats {
        self.counters.snapshot()
    }

    /// Bytes and frames sent of an encoding so far.
    pub(crate) fn sent_of(&self, encoding: usize) -> (u64, u64) {
        let numbers = &self.encodings[encoding.min(ENCODINGS_MAX - 1)];
        (numbers.bytes_sent.get(), numbers.frames_sent.get())
    }

    /// Notes that a keyframe was asked for.
    pub(crate) fn count_keyframe_request(&self) {
        self.counters.keyframe_requests.add(1);
    }

    /// The numbers of an encoding; of the last one for places that there are not.
    pub(super) fn of(&self, encoding: usize) -> &EncodingNumbers {
        &self.encodings[encoding.min(ENCODINGS_MAX - 1)]
    }
}

impl EncodingNumbers {
    fn random() -> Self {
        Self {
            sequence: AtomicU16::new(rand::random()),
            picture_id: AtomicU16::new(rand::random()),
            base_layer: AtomicU8::new(rand::random()),
            packets_sent: Counter::default(),
            bytes_sent: Counter::default(),
            frames_sent: Counter::default(),
        }
    }

    pub(super) fn next_sequence(&self) -> u16 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of the next picture, and that of the picture of the base layer that it is or
    /// builds upon (PictureID and TL0PICIDX, RFC 7741 section 4.2).
    pub(super) fn next_picture(&self, temporal_layer: u8) -> (u16, u8) {
        let step = u8::from(temporal_layer == 0);
        let before = self.base_layer.fetch_add(step, Ordering::Relaxed);
        let picture_id = self.picture_id.fetch_add(1, Ordering::Relaxed);
        (picture_id, before.wrapping_add(step))
    }
}
