//! From the microphone's callback to the next 10 ms: the ring in between and what happens when it
//! holds too little or too much.
//!
//! Rules. The callback only writes into the ring; what does not fit is dropped and counted. The
//! reader begins when a whole burst and the target depth are there, fades in, and never waits.
//! Running dry fades out, is counted, and begins anew. What is skipped is cross-faded. What is left
//! in the ring counts as if the next burst came just after the read: where the bursts fall between
//! the reads wanders with the clocks, and what is comfortable now would be too little in a minute.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rtrb::{Consumer, Producer, RingBuffer};

use super::elastic::{Depth, Elastic};
use super::stream::{Shared, millis};
use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE};

/// Samples over which sound comes and goes: 2 ms, too short to be noticed and long enough for no
/// click.
pub(super) const FADE: usize = 96;
/// Samples over which a skip is cross-faded: 5 ms at 48 kHz.
const CROSSFADE: usize = 240;
/// More than this is left over from a pause and worth nothing: the caller catches up a quarter
/// second at most.
const STALE_MS: usize = 300;
/// What the ring holds: more than the stale limit and the largest burst of any device together.
pub(super) const RING_MS: usize = 600;

/// Callbacks closer than this are one burst: some systems cut what they give into pieces.
const BURST_NANOS: u64 = 2_000_000;
/// Share of each burst in their average: one stop of the machine is soon forgotten.
const BURST_SMOOTHING: isize = 8;
/// Bursts count up to 60 ms; a device with larger ones gets a deeper ring for running dry.
const BURST_MS_MAX: usize = 60;

/// The callback's end.
pub(super) struct Inlet {
    ring: Producer<f32>,
    shared: Arc<Shared>,
    rate_hz: u32,
    called_at: u64,
    /// What has come in this burst.
    burst: usize,
    usual_burst: usize,
}

impl Inlet {
    /// Takes what the device gave at `now`: samples of one channel.
    ///
    /// Runs on the audio thread: no lock, no allocation, no system call.
    pub(super) fn take(&mut self, samples: impl ExactSizeIterator<Item = f32>, now: u64) {
        let count = samples.len();
        if now.saturating_sub(self.called_at) >= BURST_NANOS {
            self.note_burst();
        }
        self.called_at = now;
        self.burst += count;
        if self.usual_burst == 0 {
            // The very first: as good as any.
            self.shared
                .burst
                .store(self.burst.min(self.burst_max()), Relaxed);
        }
        self.shared.note_callback(now);
        let fitting = count.min(self.ring.slots());
        if let Ok(chunk) = self.ring.write_chunk_uninit(fitting) {
            chunk.fill_from_iter(samples);
        }
        let lost = (count - fitting) as u64;
        self.shared.overflowed.fetch_add(lost, Relaxed);
    }

    /// Takes the burst that has ended into the average.
    fn note_burst(&mut self) {
        let burst = std::mem::take(&mut self.burst);
        let burst = burst.min(self.burst_max());
        if self.usual_burst == 0 {
            self.usual_burst = burst;
        }
        let news = burst.cast_signed() - self.usual_burst.cast_signed();
        self.usual_burst = self
            .usual_burst
            .saturating_add_signed(news / BURST_SMOOTHING);
        self.shared.burst.store(self.usual_burst, Relaxed);
    }

    fn burst_max(&self) -> usize {
        self.rate_hz as usize * BURST_MS_MAX / 1000
    }
}

/// The reader's end.
pub(super) struct Intake {
    ring: Consumer<f32>,
    rate_hz: u32,
    shared: Arc<Shared>,
    elastic: Elastic,
    depth: Depth,
    is_flowing: bool,
    has_flowed: bool,
    last: f32,
    pub(super) starved: u64,
    pub(super) concealed: u64,
    pub(super) skipped: u64,
}

/// Makes the ring between a device of `rate_hz` and its reader.
pub(super) fn intake(rate_hz: u32, shared: Arc<Shared>) -> (Inlet, Intake) {
    let (producer, consumer) = RingBuffer::new(rate_hz as usize * RING_MS / 1000);
    let inlet = Inlet {
        ring: producer,
        shared: shared.clone(),
        rate_hz,
        called_at: 0,
        burst: 0,
        usual_burst: 0,
    };
    let intake = Intake {
        ring: consumer,
        rate_hz,
        shared,
        elastic: Elastic::new(rate_hz, SAMPLE_RATE),
        depth: Depth::new(rate_hz),
        is_flowing: false,
        has_flowed: false,
        last: 0.0,
        starved: 0,
        concealed: 0,
        skipped: 0,
    };
    (inlet, intake)
}

impl Intake {
    /// Gives the next 10 ms, asked for at `now`.
    pub(super) fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES], now: u64) {
        let burst = self.shared.burst.load(Relaxed);
        let waiting = self.ring.slots();
        let needed = self.elastic.needed_for(BLOCK_SAMPLES);
        if self.is_flowing && waiting < needed {
            self.is_flowing = false;
            self.starved += 1;
            self.depth.note_starved();
        }
        let begin_at = needed + burst + self.depth.target();
        let stale_at = self.rate_hz as usize * STALE_MS / 1000;
        if waiting > begin_at.max(stale_at) {
            // Nobody read for a while; a later block begins with what is new.
            self.skip_silently(waiting - begin_at);
            self.is_flowing = false;
            self.depth.restart();
        }
        if !self.is_flowing {
            if self.ring.slots() < begin_at {
                self.conceal(out);
                return;
            }
            let waiting = self.ring.slots();
            self.skip_silently(waiting - begin_at);
            self.is_flowing = true;
            self.has_flowed = true;
            self.flow(out, 0);
            self.note_depth(burst, now);
            for (n, sample) in out[..FADE].iter_mut().enumerate() {
                *sample *= n as f32 / FADE as f32;
            }
        } else {
            let surplus = self.depth.take_surplus();
            let skip = surplus.min(waiting.saturating_sub(needed + CROSSFADE));
            self.flow(out, skip);
            self.note_depth(burst, now);
        }
        self.last = out[BLOCK_SAMPLES - 1];
    }

    /// What waits in the ring, in milliseconds.
    pub(super) fn depth_ms(&self) -> u64 {
        millis(self.ring.slots() as u64, self.rate_hz)
    }

    /// How far the clocks are apart, as it is being bent away, in millionths.
    pub(super) fn bend_ppm(&self) -> i32 {
        (self.depth.bend() * 1e6) as i32
    }

    /// Takes a block from the ring, cross-fading over the `skip` samples that are left out.
    fn flow(&mut self, out: &mut [f32; BLOCK_SAMPLES], skip: usize) {
        let waiting = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(waiting) else {
            return;
        };
        let (front, back) = chunk.as_slices();
        let sample = |at: usize| match front.get(at) {
            Some(sample) => *sample,
            None => back.get(at - front.len()).copied().unwrap_or_default(),
        };
        let mut taken = 0;
        self.elastic.pull(out, || {
            let at = taken;
            taken += 1;
            if skip > 0 && at < CROSSFADE {
                let share = at as f32 / CROSSFADE as f32;
                return sample(at) * (1.0 - share) + sample(at + skip) * share;
            }
            sample(at + skip)
        });
        let used = (taken + skip).min(waiting);
        chunk.commit(used);
        self.skipped += skip as u64;
    }

    /// Notes what would be left if the next burst were only just on its way.
    fn note_depth(&mut self, burst: usize, now: u64) {
        let made = self.shared.since_callback(now, self.rate_hz, burst);
        self.depth
            .note((self.ring.slots() + made).saturating_sub(burst));
        self.elastic.bend(self.depth.bend());
    }

    fn skip_silently(&mut self, count: usize) {
        if let Ok(chunk) = self.ring.read_chunk(count) {
            chunk.commit_all();
            // Before the first sound nobody can miss any.
            self.skipped += if self.has_flowed { count as u64 } else { 0 };
        }
    }

    /// Lets the last sample die away and gives silence behind it.
    fn conceal(&mut self, out: &mut [f32; BLOCK_SAMPLES]) {
        out.fill(0.0);
        for (n, sample) in out[..FADE].iter_mut().enumerate() {
            *sample = self.last * (1.0 - (n + 1) as f32 / FADE as f32);
        }
        self.last = 0.0;
        if self.has_flowed {
            self.concealed += BLOCK_SAMPLES as u64;
        }
    }
}

#[cfg(test)]
#[path = "intake/tests.rs"]
mod tests;
