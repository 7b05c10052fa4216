//! From the next 10 ms to the loudspeaker's callback: the mirror image of the intake.
//!
//! Rules. The callback only reads the ring. It begins when its own need, one block of the player's and
//! the target depth are there, and fades; running dry fades out, is counted and begins anew. All
//! bending and leaving out happens on the player's thread, before the ring. What is left there counts
//! less what the device has played since its last callback, so that the place of the callbacks
//! between the blocks, which wanders with the clocks, does not matter.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rtrb::{Consumer, Producer, RingBuffer};

use super::elastic::{Depth, Elastic};
use super::intake::{FADE, RING_MS};
use super::stream::{Shared, millis};
use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE};

/// The callback's end.
pub(super) struct Outlet {
    ring: Consumer<f32>,
    shared: Arc<Shared>,
    is_flowing: bool,
    has_flowed: bool,
    last: f32,
}

/// The player's end.
pub(super) struct Outflow {
    ring: Producer<f32>,
    capacity: usize,
    rate_hz: u32,
    shared: Arc<Shared>,
    elastic: Elastic,
    depth: Depth,
    seen_starved: u64,
    blocks_to_leave_out: usize,
    /// The first block that was left out, to be faded into the one that is played next.
    left_out: Option<[f32; BLOCK_SAMPLES]>,
    pub(super) skipped: u64,
}

/// Makes the ring between a player and its device of `rate_hz`.
pub(super) fn outflow(rate_hz: u32, shared: Arc<Shared>) -> (Outflow, Outlet) {
    let capacity = rate_hz as usize * RING_MS / 1000;
    let (producer, consumer) = RingBuffer::new(capacity);
    let outlet = Outlet {
        ring: consumer,
        shared: shared.clone(),
        is_flowing: false,
        has_flowed: false,
        last: 0.0,
    };
    let outflow = Outflow {
        ring: producer,
        capacity,
        rate_hz,
        shared,
        elastic: Elastic::new(SAMPLE_RATE, rate_hz),
        depth: Depth::new(rate_hz),
        seen_starved: 0,
        blocks_to_leave_out: 0,
        left_out: None,
        skipped: 0,
    };
    outflow.note_target();
    (outflow, outlet)
}

impl Outflow {
    /// Gives the next 10 ms to be played, at `now`.
    pub(super) fn play(&mut self, block: &[f32; BLOCK_SAMPLES], now: u64) {
        let starved = self.shared.starved.load(Relaxed);
        if starved != self.seen_starved {
            self.seen_starved = starved;
            self.depth.note_starved();
            self.note_target();
        }
        let waiting = self.waiting();
        if self.shared.is_flowing.load(Relaxed) {
            let played = self.shared.since_callback(now, self.rate_hz, waiting);
            self.depth.note(waiting - played);
        } else {
            self.depth.restart();
        }
        let surplus = self.depth.take_surplus();
        if surplus > 0 {
            self.blocks_to_leave_out = surplus / self.block_samples();
        }
        if self.blocks_to_leave_out > 0 {
            self.blocks_to_leave_out -= 1;
            self.left_out.get_or_insert(*block);
            self.skipped += BLOCK_SAMPLES as u64;
            return;
        }
        self.elastic.bend(self.depth.bend());
        let mut block = *block;
        if let Some(before) = self.left_out.take() {
            for (n, (sample, old)) in block.iter_mut().zip(before).enumerate() {
                let share = n as f32 / BLOCK_SAMPLES as f32;
                *sample = *sample * share + old * (1.0 - share);
            }
        }
        let (ring, shared) = (&mut self.ring, &self.shared);
        let mut lost = 0;
        self.elastic.push(&block, |sample| {
            lost += u64::from(ring.push(sample).is_err())
        });
        // A device that has not begun yet takes nothing, and nobody waits for what it lets lie.
        if shared.is_flowing.load(Relaxed) {
            shared.overflowed.fetch_add(lost, Relaxed);
        }
    }

    /// What waits in the ring, in milliseconds.
    pub(super) fn depth_ms(&self) -> u64 {
        millis(self.waiting() as u64, self.rate_hz)
    }

    /// How far the clocks are apart, as it is being bent away, in millionths.
    pub(super) fn bend_ppm(&self) -> i32 {
        (self.depth.bend() * 1e6) as i32
    }

    /// Tells the callback what to wait for before it begins.
    fn note_target(&self) {
        let target = self.block_samples() + self.depth.target();
        self.shared.target.store(target, Relaxed);
    }

    /// How much a block is at the device's rate.
    fn block_samples(&self) -> usize {
        self.rate_hz as usize * BLOCK_SAMPLES / SAMPLE_RATE as usize
    }

    fn waiting(&self) -> usize {
        self.capacity - self.ring.slots()
    }
}

impl Outlet {
    /// Gives the device what it asks for at `now`, one sample of the one channel for each frame.
    ///
    /// Runs on the audio thread: no lock, no allocation, no system call.
    pub(super) fn give(&mut self, frames: usize, now: u64, mut put: impl FnMut(f32)) {
        self.shared.note_callback(now);
        let begins = !self.is_flowing;
        if begins {
            let excess = self.excess(frames);
            let Some(chunk) = excess.and_then(|excess| self.ring.read_chunk(excess).ok()) else {
                self.rest(frames, put);
                return;
            };
            // Out of silence, sound begins with what is new: no delay is carried along.
            chunk.commit_all();
        }
        let waiting = self.ring.slots();
        let is_dry = waiting < frames;
        let there = waiting.min(frames);
        if let Ok(chunk) = self.ring.read_chunk(there) {
            for (n, sample) in chunk.into_iter().enumerate() {
                let up = if begins { n as f32 / FADE as f32 } else { 1.0 };
                let down = if is_dry {
                    (there - n) as f32 / FADE as f32
                } else {
                    1.0
                };
                self.last = sample * up.min(down).min(1.0);
                put(self.last);
            }
        }
        self.is_flowing = !is_dry;
        self.has_flowed = true;
        self.shared.is_flowing.store(self.is_flowing, Relaxed);
        if is_dry {
            self.shared.starved.fetch_add(1, Relaxed);
            self.rest(frames - there, put);
        }
    }

    /// What there is beyond the need to begin; `None` when there is less.
    fn excess(&self, frames: usize) -> Option<usize> {
        let needed = frames + self.shared.target.load(Relaxed);
        self.ring.slots().checked_sub(needed)
    }

    /// Lets the last sample die away and gives silence behind it.
    fn rest(&mut self, frames: usize, mut put: impl FnMut(f32)) {
        for n in 0..frames {
            let share = FADE.saturating_sub(n + 1) as f32 / FADE as f32;
            put(self.last * share);
        }
        self.last *= FADE.saturating_sub(frames) as f32 / FADE as f32;
        if self.has_flowed {
            self.shared.concealed.fetch_add(frames as u64, Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "outflow/tests.rs"]
mod tests;
