//! The jitter buffer of one voice: packets in as they come, 10 ms of sound out whenever asked.
//!
//! Rules.
//! - Time runs on. A packet that is not there when its turn comes is repaired from the copy in the
//!   next one, else concealed; it is never waited for, so sound stays at one constant lag.
//! - The lag changes only for a reason: it grows when more than one in fifty packets comes too late,
//!   and shrinks when ten seconds have shown that far less would do (see `margin.rs`). It changes by
//!   whole periods of the sound (see `stretch.rs`), which nobody hears.
//! - A sender that starts over (another clock, another sequence, a long pause) is followed after a
//!   few packets that agree with each other; one stray packet changes nothing.
//! - Pulling never allocates, locks or logs: it may be called from an audio thread.

mod delay;
mod order;

use std::time::{Duration, Instant};

use snug_rtp::{RtpTime, SequenceNumber};

use self::delay::DelayControl;
use self::order::{Order, Placed};
use super::stretch;
use crate::error::CodecError;
use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE};
use crate::opus::{self, PACKET_BYTES_MAX, PACKET_SAMPLES_MAX};

/// Packets held: 2.5 s of 20 ms packets, more than any delay this buffer may reach.
const SLOTS: usize = 128;
/// Longest delay: well inside the packets held.
const DELAY_MAX: Duration = Duration::from_secs(1);
/// A packet this far off in time belongs to another run of the sender's clock: 2 s.
const MARGIN_MAX: i64 = 2 * SAMPLE_RATE as i64;
/// A caller that has not pulled for longer is not counted as waiting for sound.
const STALL_MAX: Duration = Duration::from_secs(1);
/// Newest packets in a row that may come too late before playout is moved to them: 100 ms of sound.
const LATE_RUN_MAX: u32 = 5;
/// Concealment ends here: after a second of nothing there is nothing left to continue.
const CONCEAL_MAX: u64 = SAMPLE_RATE as u64;

/// A gap that is longer can be heard, in samples: 60 ms.
const LONG_GAP: u64 = 60 * SAMPLE_RATE as u64 / 1000;

/// Says how much delay a jitter buffer may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// Delay that the first packet gets.
    pub delay_initial: Duration,
    /// Delay that is kept even when packets come like clockwork.
    pub delay_min: Duration,
    /// Delay that is never exceeded; packets that would need more are lost. At most 1 s: more is
    /// brought down to that, and so are the other two.
    pub delay_max: Duration,
}

impl JitterConfig {
    /// Suits a person listening: 40 ms to begin with, 20 to 500 ms later.
    #[must_use]
    pub fn interactive() -> Self {
        Self::from_millis(40, 20, 500)
    }

    /// Suits a recorder that nobody talks to: a steady 200 ms that rides out most hiccups, so that
    /// the lag stays the same from beginning to end.
    #[must_use]
    pub fn recording() -> Self {
        Self::from_millis(200, 200, 1000)
    }

    fn from_millis(initial: u64, min: u64, max: u64) -> Self {
        Self {
            delay_initial: Duration::from_millis(initial),
            delay_min: Duration::from_millis(min),
            delay_max: Duration::from_millis(max),
        }
    }
}

/// What a jitter buffer has seen and done. Packets are counted once each: `received` is the sum of
/// those played, `late`, `duplicate` and `dropped`, and those still waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterCounters {
    /// Packets put in.
    pub received: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets thrown away: damaged, strays of another sequence, overflow, or left behind when the
    /// sender started over.
    pub dropped: u64,
    /// Packets played.
    pub played: u64,
    /// Samples invented for packets that were not there.
    pub concealed_samples: u64,
    /// Times that more than 60 ms in a row were covered by nothing that came.
    pub long_gaps: u64,
    /// Samples repaired from the copy in the following packet.
    pub fec_samples: u64,
    /// Packets that came only as a copy in the one after them.
    pub from_copies: u64,
    /// Samples put in to make the delay longer.
    pub lengthened_samples: u64,
    /// Samples left out to make the delay shorter.
    pub shortened_samples: u64,
    /// Times that playout was moved to a sender that started over.
    pub restarts: u64,
}

/// Orders, times and repairs the packets of one voice.
///
/// ```
/// use std::time::Instant;
/// use snug_media::playout::{AudioJitterBuffer, JitterConfig};
/// let mut buffer = AudioJitterBuffer::new(JitterConfig::interactive())?;
/// let mut block = [0.0; 480];
/// let voiced = buffer.pull(&mut block, Instant::now());
/// assert!(!voiced, "nothing has arrived yet");
/// # Ok::<(), snug_media::Error>(())
/// ```
#[derive(Debug)]
pub struct AudioJitterBuffer {
    config: JitterConfig,
    decoder: opus::Decoder,
    slots: Vec<Slot>,
    order: Order,
    /// Lowest unwrapped sequence number not yet played.
    next_sequence: u64,
    /// Unwrapped time stamp behind the last sample in `ready`.
    decoded_until: i64,
    /// Up to here playout waits for the first packet's turn.
    lead_in_until: i64,
    pulled_at: Option<Instant>,
    /// Decoded and not yet pulled, from `ready_from` on.
    ready: Vec<f32>,
    ready_from: usize,
    scratch: Box<[f32; PACKET_SAMPLES_MAX]>,
    /// Concealed in one go so far.
    conceal_run: u64,
    delay: DelayControl,
    counters: JitterCounters,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// The packet's unwrapped sequence number; kept after playing, to know duplicates.
    sequence: u64,
    waiting: bool,
    timestamp: i64,
    samples: usize,
    payload: Vec<u8>,
}

impl AudioJitterBuffer {
    /// Makes an empty buffer.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus has no memory for a decoder.
    pub fn new(config: JitterConfig) -> Result<Self, CodecError> {
        let longest = config.delay_max.min(DELAY_MAX);
        let config = JitterConfig {
            delay_initial: config.delay_initial.min(longest),
            delay_min: config.delay_min.min(longest),
            delay_max: longest,
        };
        Ok(Self {
            config,
            decoder: opus::Decoder::new()?,
            slots: vec![Slot::default(); SLOTS],
            order: Order::default(),
            next_sequence: 0,
            decoded_until: 0,
            lead_in_until: 0,
            pulled_at: None,
            ready: Vec::with_capacity(4 * PACKET_SAMPLES_MAX),
            ready_from: 0,
            scratch: Box::new([0.0; PACKET_SAMPLES_MAX]),
            conceal_run: CONCEAL_MAX,
            delay: DelayControl::new(),
            counters: JitterCounters::default(),
        })
    }

    /// Takes one Opus packet as it arrived (RFC 7587). Copies it; never fails, only counts.
    ///
    /// `timestamp` is in 48 kHz ticks whatever the sender's sound is (RFC 7587 section 4.1).
    /// `now` is when it arrived.
    pub fn insert(
        &mut self,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        payload: &[u8],
        now: Instant,
    ) {
        self.counters.received += 1;
        let Some(samples) =
            opus::packet_samples(payload).filter(|_| payload.len() <= PACKET_BYTES_MAX)
        else {
            self.counters.dropped += 1;
            return;
        };
        match self.order.place(sequence, timestamp) {
            Placed::Stray => self.counters.dropped += 1,
            Placed::Restart(unwrapped, time) => {
                self.restart(unwrapped, time);
                self.store(unwrapped, time, samples, payload);
            }
            Placed::At {
                sequence,
                time,
                newest,
            } => {
                let margin = time - self.playing_at(now);
                let packet = Incoming {
                    sequence,
                    time,
                    newest,
                    margin,
                    samples,
                    payload,
                };
                self.insert_placed(packet);
            }
        }
    }

    /// Takes the copy of an earlier packet that came with the one just [inserted](Self::insert)
    /// (RFC 2198), in case its own did not come: it says nothing of how long packets take.
    pub fn insert_earlier(&mut self, sequence: SequenceNumber, timestamp: RtpTime, payload: &[u8]) {
        let samples = opus::packet_samples(payload);
        let Some(samples) = samples.filter(|_| payload.len() <= PACKET_BYTES_MAX) else {
            self.counters.dropped += 1;
            return;
        };
        let Some((sequence, time)) = self.order.behind(sequence, timestamp) else {
            return;
        };
        let slot = &self.slots[sequence as usize % SLOTS];
        let is_late = sequence < self.next_sequence || time + samples as i64 <= self.decoded_until;
        if slot.sequence != sequence && !is_late {
            self.store(sequence, time, samples, payload);
            self.counters.from_copies += 1;
        }
    }

    /// Fills `out` with the next 10 ms and tells whether it may hold sound.
    ///
    /// `now` is the nominal instant of the block (see [`BlockPacer`](super::BlockPacer)), so that a
    /// caller who is late and catches up does not look like a hasty network. Allocates nothing.
    pub fn pull(&mut self, out: &mut [f32; BLOCK_SAMPLES], now: Instant) -> bool {
        self.pulled_at = Some(now);
        if self.order.newest_time.is_none() {
            out.fill(0.0);
            return false;
        }
        while self.ready.len() - self.ready_from < BLOCK_SAMPLES {
            self.fill();
        }
        let end = self.ready_from + BLOCK_SAMPLES;
        out.copy_from_slice(&self.ready[self.ready_from..end]);
        self.ready_from = end;
        if self.ready_from == self.ready.len() {
            self.ready.clear();
            self.ready_from = 0;
        }
        self.conceal_run < CONCEAL_MAX
    }

    /// Gives the RTP time stamp of the next sample that [`pull`](Self::pull) will give, for the
    /// [`PlayoutClock`](super::PlayoutClock); `None` while nothing is playing.
    #[must_use]
    pub fn playhead(&self) -> Option<RtpTime> {
        let playing = self.order.newest_time.is_some() && self.conceal_run < CONCEAL_MAX;
        // Truncation undoes the unwrapping.
        playing.then(|| RtpTime(self.next_out() as u32))
    }

    /// Gives the delay that the middle packet of the last five seconds got.
    pub fn delay(&mut self) -> Duration {
        let samples = self.delay.margins.percentile(50).unwrap_or(0).max(0);
        Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    /// Gives the counters.
    #[must_use]
    pub fn counters(&self) -> JitterCounters {
        self.counters
    }

    fn insert_placed(&mut self, packet: Incoming<'_>) {
        let Incoming {
            sequence,
            time,
            newest,
            margin,
            samples,
            payload,
        } = packet;
        let slot = &self.slots[sequence as usize % SLOTS];
        if slot.sequence == sequence {
            self.counters.duplicate += 1;
            return;
        }
        if sequence < self.next_sequence && self.waits_for_start_after(time) {
            // It was overtaken by the packet that started playout, and there is still time.
            self.next_sequence = sequence;
            self.lead_in_until = time;
        }
        let too_late = sequence < self.next_sequence || time + samples as i64 <= self.decoded_until;
        self.order.late_run = match (newest, too_late) {
            (true, true) => self.order.late_run + 1,
            (true, false) => 0,
            (false, _) => self.order.late_run,
        };
        let overflow = sequence >= self.next_sequence + SLOTS as u64;
        let lost_touch = margin.abs() > MARGIN_MAX || self.order.late_run > LATE_RUN_MAX;
        if newest && (lost_touch || overflow) {
            self.restart(sequence, time);
            self.store(sequence, time, samples, payload);
            return;
        }
        self.delay.margins.record(margin);
        if let Some(wanted) = self.delay.look(&self.config) {
            self.delay.wanted = wanted;
        }
        if too_late {
            self.counters.late += 1;
            // Remembered, so that its double is told from it.
            let slot = &mut self.slots[sequence as usize % SLOTS];
            if !slot.waiting {
                slot.sequence = sequence;
            }
            return;
        }
        self.store(sequence, time, samples, payload);
    }

    fn store(&mut self, sequence: u64, timestamp: i64, samples: usize, payload: &[u8]) {
        let slot = &mut self.slots[sequence as usize % SLOTS];
        if slot.waiting {
            self.counters.dropped += 1;
        }
        slot.sequence = sequence;
        slot.waiting = true;
        slot.timestamp = timestamp;
        slot.samples = samples;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
    }

    /// Leaves everything behind and plays the packet `sequence` after the initial delay.
    fn restart(&mut self, sequence: u64, time: i64) {
        for slot in &mut self.slots {
            self.counters.dropped += u64::from(slot.waiting);
            slot.waiting = false;
            slot.sequence = 0;
        }
        self.counters.restarts += 1;
        let ready = (self.ready.len() - self.ready_from) as i64;
        let delay = samples_of(self.config.delay_initial).max(ready);
        self.next_sequence = sequence;
        self.lead_in_until = time;
        self.decoded_until = time - delay + ready;
        self.conceal_run = 0;
        self.order.late_run = 0;
        self.delay.restart();
        self.delay.margins.record(delay);
    }

    /// Time stamp of what is being heard at `now`, which lies between two pulls.
    fn playing_at(&self, now: Instant) -> i64 {
        let Some(pulled_at) = self.pulled_at else {
            return self.next_out();
        };
        let since = now.saturating_duration_since(pulled_at).min(STALL_MAX);
        self.next_out() - BLOCK_SAMPLES as i64 + samples_of(since)
    }

    fn waits_for_start_after(&self, time: i64) -> bool {
        self.decoded_until <= time && time < self.lead_in_until
    }

    /// Time stamp of the next sample to come out.
    fn next_out(&self) -> i64 {
        self.decoded_until - (self.ready.len() - self.ready_from) as i64
    }

    /// Puts more samples into `ready`: at least one.
    fn fill(&mut self) {
        self.make_room();
        if self.decoded_until < self.lead_in_until {
            let wait = (self.lead_in_until - self.decoded_until).min(BLOCK_SAMPLES as i64);
            self.append_silence(wait as usize);
            return;
        }
        let Some(index) = self.next_waiting() else {
            return self.bridge(BLOCK_SAMPLES, true);
        };
        let gap = self.slots[index].timestamp - self.decoded_until;
        if gap <= 0 {
            return self.play(index, -gap as usize);
        }
        let lost = self.slots[index].sequence > self.next_sequence;
        let Slot { samples, .. } = self.slots[index];
        if lost && gap == samples as i64 && opus::has_fec(&self.slots[index].payload) {
            return self.repair(index);
        }
        // Opus conceals in steps of 2.5 ms.
        self.bridge(
            (gap as usize)
                .div_ceil(120)
                .saturating_mul(120)
                .min(BLOCK_SAMPLES),
            lost,
        );
    }

    /// Moves what is left to the front, so that appending never allocates.
    fn make_room(&mut self) {
        if self.ready_from > 0 {
            self.ready.drain(..self.ready_from);
            self.ready_from = 0;
        }
    }

    /// Finds the waiting packet with the lowest number.
    fn next_waiting(&self) -> Option<usize> {
        let waiting = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.waiting);
        waiting
            .min_by_key(|(_, slot)| slot.sequence)
            .map(|(index, _)| index)
    }

    /// Decodes the packet in slot `index`, without its first `skip` samples, whose time has passed.
    fn play(&mut self, index: usize, skip: usize) {
        let slot = &mut self.slots[index];
        slot.waiting = false;
        self.next_sequence = slot.sequence + 1;
        let Ok(samples) = self.decoder.decode(&slot.payload, &mut self.scratch) else {
            self.counters.dropped += 1;
            return;
        };
        self.counters.played += 1;
        let end = slot.timestamp + samples as i64;
        if end <= self.decoded_until {
            return;
        }
        self.conceal_run = 0;
        let start = self.ready.len();
        self.ready
            .extend_from_slice(&self.scratch[skip.min(samples)..samples]);
        self.decoded_until = end;
        if skip == 0 {
            self.stretch(start);
        }
    }

    /// Decodes the copy of the lost packet that the one in slot `index` carries.
    fn repair(&mut self, index: usize) {
        let slot = &self.slots[index];
        let out = &mut self.scratch[..slot.samples];
        if self.decoder.decode_fec(&slot.payload, out).is_err() {
            return self.bridge(BLOCK_SAMPLES, true);
        }
        self.ready.extend_from_slice(out);
        self.decoded_until += slot.samples as i64;
        self.counters.fec_samples += slot.samples as u64;
        // The next packet is the one that this came from.
        self.next_sequence = slot.sequence;
    }

    /// Goes on without a packet for `samples`: invents sound for a while, then is silent.
    fn bridge(&mut self, samples: usize, lost: bool) {
        if self.conceal_run >= CONCEAL_MAX {
            return self.append_silence(samples);
        }
        let is_short = self.conceal_run <= LONG_GAP;
        self.conceal_run += samples as u64;
        self.counters.long_gaps += u64::from(is_short && self.conceal_run > LONG_GAP);
        let out = &mut self.scratch[..samples];
        if self.decoder.conceal(out).is_err() {
            out.fill(0.0);
        }
        self.ready.extend_from_slice(out);
        self.decoded_until += samples as i64;
        if lost {
            self.counters.concealed_samples += samples as u64;
        }
    }

    fn append_silence(&mut self, samples: usize) {
        self.ready.resize(self.ready.len() + samples, 0.0);
        self.decoded_until += samples as i64;
    }

    /// Makes the packet appended at `start` longer or shorter when the lag should change.
    fn stretch(&mut self, start: usize) {
        let wanted = self.delay.wanted;
        if wanted.abs() < 120 {
            return;
        }
        let change = if wanted > 0 {
            stretch::lengthen
        } else {
            stretch::shorten
        };
        let period = change(&mut self.ready, start) as i64;
        let moved = if wanted > 0 { period } else { -period };
        if wanted > 0 {
            self.counters.lengthened_samples += period as u64;
        } else {
            self.counters.shortened_samples += period as u64;
        }
        self.delay.moved(moved);
    }
}

/// A packet that has its place among the others.
struct Incoming<'a> {
    sequence: u64,
    time: i64,
    newest: bool,
    /// How much too early it came, in samples.
    margin: i64,
    samples: usize,
    payload: &'a [u8],
}

fn samples_of(duration: Duration) -> i64 {
    (duration.as_micros() as i64) * i64::from(SAMPLE_RATE) / 1_000_000
}

#[cfg(test)]
mod tests;
