//! From VP8 packets (RFC 7741) to whole pictures in order.
//!
//! Rules. A picture comes out when all of its packets and all pictures before it are there. A missing
//! packet is waited for, since a retransmission may be on its way, but only for a bounded time; then
//! everything up to the next whole keyframe is dropped, because anything in between would be decoded
//! onto the wrong picture. While there is nothing to decode, a keyframe is asked for, at once and then
//! more and more seldom, and only as long as packets come: a sender that is silent cannot answer.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use snug_rtp::vp8::Descriptor;
use snug_rtp::{RtpTime, SequenceNumber, SequenceUnwrapper};

/// Packets held: two seconds of 5 Mb/s, and one keyframe of 1.2 MB.
const SLOTS: usize = 1024;

/// Says how patient an assembler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssemblerConfig {
    /// How long a missing packet is waited for, unless
    /// [`expect_repairs_within`](VideoAssembler::expect_repairs_within) says more.
    pub wait_max: Duration,
    /// How long it is waited for at most, however long repairs take.
    pub wait_limit: Duration,
    /// How long it is waited for when the next picture does without it.
    pub skip_after: Duration,
    /// Pause after the first request for a keyframe; doubles with every further one.
    pub request_pause_min: Duration,
    /// Longest pause between two requests.
    pub request_pause_max: Duration,
}

impl Default for AssemblerConfig {
    /// Waits 250 ms (a few retransmissions on a busy wireless network), or 80 ms where that is not
    /// worth a standing picture; 800 ms at most, beyond which people no longer talk to each other
    /// and a new keyframe costs no more. Asks every 250 ms to 2 s.
    fn default() -> Self {
        Self {
            wait_max: Duration::from_millis(250),
            wait_limit: Duration::from_millis(800),
            skip_after: Duration::from_millis(80),
            request_pause_min: Duration::from_millis(250),
            request_pause_max: Duration::from_secs(2),
        }
    }
}

/// A whole picture as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// The VP8 bitstream.
    pub data: Bytes,
    /// Whether it can be decoded without any picture before it.
    pub keyframe: bool,
    /// Width and height in pixels, of a keyframe.
    pub size: Option<(u32, u32)>,
    /// When it was taken, on the sender's 90 kHz clock.
    pub timestamp: RtpTime,
}

/// What an assembler has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The next picture in order.
    Frame(VideoFrame),
    /// The sender should be asked for a keyframe (PLI, RFC 4585 section 6.3.1).
    KeyframeWanted,
}

/// What an assembler has seen and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AssemblerCounters {
    /// Packets put in.
    pub received: u64,
    /// Packets that came before, or whose picture had been given up.
    pub late_or_duplicate: u64,
    /// Packets thrown away: not VP8, strays, overflow, or up to the next keyframe.
    pub dropped: u64,
    /// Pictures given out.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Times that the picture stood still because packets were missing for too long.
    pub breaks: u64,
    /// Times that pictures were left out on which no other is built.
    pub skips: u64,
    /// Keyframes asked for.
    pub requests: u64,
}

/// Puts the pictures of one track together.
///
/// After each [`handle_packet`](Self::handle_packet) or [`handle_timeout`](Self::handle_timeout),
/// take everything from [`poll_output`](Self::poll_output) and wait until
/// [`deadline`](Self::deadline).
#[derive(Debug)]
pub struct VideoAssembler {
    config: AssemblerConfig,
    /// How long a missing packet is waited for now.
    wait: Duration,
    slots: Vec<Option<Part>>,
    unwrapper: SequenceUnwrapper,
    jump: Option<SequenceNumber>,
    state: State,
    /// Lowest unwrapped sequence number still wanted.
    floor: u64,
    /// TL0PICIDX of the picture of the base layer that came out last (RFC 7741 section 4.2).
    base_layer: Option<u8>,
    /// Since when the packet at `floor` or behind it is missing while later ones are there.
    blocked_since: Option<Instant>,
    request: Request,
    counters: AssemblerCounters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Pictures follow each other.
    Flowing,
    /// Only a keyframe helps.
    AwaitingKeyframe,
}

#[derive(Debug, Default)]
struct Request {
    /// When the next one may go out, while awaiting a keyframe.
    due: Option<Instant>,
    pause: Duration,
    pending: bool,
    /// Whether anything has come since the last one.
    heard: bool,
}

#[derive(Debug)]
struct Part {
    sequence: u64,
    timestamp: RtpTime,
    marker: bool,
    starts_frame: bool,
    starts_keyframe: bool,
    /// Its picture's TL0PICIDX, when that belongs to the base layer.
    base_layer: Option<u8>,
    /// The VP8 payload without its descriptor; empty in padding.
    data: Bytes,
}

impl VideoAssembler {
    /// Makes an empty assembler, which begins with a keyframe.
    #[must_use]
    pub fn new(config: AssemblerConfig) -> Self {
        Self {
            config,
            wait: config.wait_max,
            slots: std::iter::repeat_with(|| None).take(SLOTS).collect(),
            unwrapper: SequenceUnwrapper::default(),
            jump: None,
            state: State::AwaitingKeyframe,
            floor: 0,
            base_layer: None,
            blocked_since: None,
            request: Request::default(),
            counters: AssemblerCounters::default(),
        }
    }

    /// Takes one RTP packet: its header's fields and its payload. Never fails, only counts.
    pub fn handle_packet(
        &mut self,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        marker: bool,
        payload: Bytes,
        now: Instant,
    ) {
        self.counters.received += 1;
        self.request.heard = true;
        let Some(unwrapped) = self.place(sequence) else {
            self.counters.dropped += 1;
            return;
        };
        let Some(part) = Part::parse(unwrapped, timestamp, marker, payload) else {
            self.counters.dropped += 1;
            return;
        };
        let held = self.slots[unwrapped as usize % SLOTS].as_ref();
        if unwrapped < self.floor || held.is_some_and(|held| held.sequence == unwrapped) {
            self.counters.late_or_duplicate += 1;
            return;
        }
        if unwrapped >= self.floor + SLOTS as u64 {
            self.give_up(now);
            self.drop_below((unwrapped + 1).saturating_sub(SLOTS as u64));
        }
        self.slots[unwrapped as usize % SLOTS] = Some(part);
        self.check_progress(now);
    }

    /// Lets the time pass, when nothing arrives.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.check_progress(now);
    }

    /// Gives the next thing to do; `None` when there is nothing left for now.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        let frame = self.next_frame();
        self.check_progress(now);
        if let Some(frame) = frame {
            self.counters.frames += 1;
            self.counters.keyframes += u64::from(frame.keyframe);
            return Some(Output::Frame(frame));
        }
        if std::mem::take(&mut self.request.pending) {
            self.counters.requests += 1;
            return Some(Output::KeyframeWanted);
        }
        None
    }

    /// Gives the instant at which [`handle_timeout`](Self::handle_timeout) should be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Flowing => self.blocked_since.map(|since| {
                let wait = match self.skip_target() {
                    Some(_) => self.config.skip_after,
                    None => self.wait,
                };
                since + wait
            }),
            State::AwaitingKeyframe => self.request.due.filter(|_| self.request.heard),
        }
    }

    /// Says how long repairs took lately: what is missing is waited for half as long again, within
    /// the bounds of the configuration.
    pub fn expect_repairs_within(&mut self, slowest: Duration) {
        let (min, max) = (self.config.wait_max, self.config.wait_limit);
        self.wait = (slowest * 3 / 2).clamp(min, max.max(min));
    }

    /// Notes that the decoder failed on a picture: only a keyframe helps now.
    pub fn handle_decode_error(&mut self, now: Instant) {
        self.await_keyframe(now);
        self.check_progress(now);
    }

    /// Gives the counters.
    #[must_use]
    pub fn counters(&self) -> AssemblerCounters {
        self.counters
    }

    /// Finds the place of a packet among the others; `None` for a stray.
    fn place(&mut self, sequence: SequenceNumber) -> Option<u64> {
        if let Some(highest) = self.unwrapper.highest() {
            let step = sequence.distance_from(SequenceNumber(highest as u16));
            if usize::from(step.unsigned_abs()) < SLOTS {
                self.jump = None;
                return Some(self.unwrapper.unwrap(sequence));
            }
            // RFC 3550 appendix A.1: two in a row make a new sequence, one alone is a stray.
            if self.jump != Some(sequence) {
                self.jump = Some(sequence.next());
                return None;
            }
        }
        self.start_over(sequence);
        Some(self.unwrapper.unwrap(sequence))
    }

    fn start_over(&mut self, sequence: SequenceNumber) {
        self.jump = None;
        let held = self.slots.iter_mut().filter_map(Option::take).count();
        self.counters.dropped += held as u64;
        self.unwrapper = SequenceUnwrapper::default();
        // Packets that the first one overtook still have a place below it.
        let first = self.unwrapper.unwrap(sequence);
        self.floor = first.saturating_sub(SLOTS as u64 / 2);
        self.blocked_since = None;
        self.base_layer = None;
        self.state = State::AwaitingKeyframe;
        self.request = Request {
            heard: true,
            ..Request::default()
        };
    }

    fn part(&self, sequence: u64) -> Option<&Part> {
        let part = self.slots[sequence as usize % SLOTS].as_ref();
        part.filter(|part| part.sequence == sequence)
    }

    /// Takes the next picture that is whole and in order.
    fn next_frame(&mut self) -> Option<VideoFrame> {
        loop {
            if self.state == State::AwaitingKeyframe {
                let start = self.newest_whole_keyframe()?;
                self.drop_below(start);
                self.state = State::Flowing;
                self.request = Request::default();
            }
            let end = self.frame_end(self.floor)?;
            self.blocked_since = None;
            match self.take_frame(end) {
                Taken::Frame(frame) => return Some(frame),
                Taken::Nothing => {}
                Taken::Broken => {
                    self.state = State::AwaitingKeyframe;
                    self.counters.breaks += 1;
                }
            }
        }
    }

    /// Gives the last packet of the picture that starts at `start`, when all are there.
    fn frame_end(&self, start: u64) -> Option<u64> {
        let first = self.part(start)?;
        if first.data.is_empty() {
            return Some(start);
        }
        let mut last = start;
        loop {
            if self.part(last)?.marker {
                return Some(last);
            }
            let next = self.part(last + 1)?;
            if next.timestamp != first.timestamp && !next.data.is_empty() {
                // The sender forgot the marker; another time stamp ends a picture too.
                return Some(last);
            }
            last += 1;
        }
    }

    fn take_frame(&mut self, end: u64) -> Taken {
        let range = self.floor..=end;
        self.floor = end + 1;
        let mut frame: Option<VideoFrame> = None;
        let mut data = BytesMut::new();
        for sequence in range {
            let Some(part) = self.slots[sequence as usize % SLOTS].take() else {
                continue;
            };
            if part.data.is_empty() {
                continue;
            }
            if frame.is_none() && !part.starts_frame {
                return Taken::Broken;
            }
            self.base_layer = part.base_layer.or(self.base_layer);
            frame.get_or_insert_with(|| VideoFrame {
                data: Bytes::new(),
                keyframe: part.starts_keyframe,
                size: None,
                timestamp: part.timestamp,
            });
            data.extend_from_slice(&part.data);
        }
        let Some(mut frame) = frame else {
            return Taken::Nothing;
        };
        frame.data = data.freeze();
        if frame.keyframe {
            let header = crate::vp8::FrameHeader::parse(&frame.data);
            frame.size = header.and_then(|header| header.keyframe_size);
            if frame.size.is_none() {
                return Taken::Broken;
            }
        }
        Taken::Frame(frame)
    }

    /// Finds the newest keyframe of which every packet is there.
    fn newest_whole_keyframe(&self) -> Option<u64> {
        let highest = self.unwrapper.highest()?;
        self.keyframe_starts(highest)
            .find(|&sequence| self.frame_end(sequence).is_some())
    }

    /// Tells whether a keyframe has begun and nothing of it is missing so far.
    fn keyframe_is_arriving(&self) -> bool {
        let Some(highest) = self.unwrapper.highest() else {
            return false;
        };
        let newest = self.keyframe_starts(highest).next();
        newest.is_some_and(|start| (start..=highest).all(|next| self.part(next).is_some()))
    }

    fn keyframe_starts(&self, highest: u64) -> impl Iterator<Item = u64> {
        (self.floor..=highest)
            .rev()
            .filter(|&sequence| self.part(sequence).is_some_and(|part| part.starts_keyframe))
    }

    /// Notes what is blocked and for how long, gives up when it takes too long, asks when it is time.
    fn check_progress(&mut self, now: Instant) {
        if self.state == State::Flowing {
            let blocked = self.frame_end(self.floor).is_none() && self.has_gap();
            self.blocked_since = blocked.then(|| self.blocked_since.unwrap_or(now));
            let waited = self
                .blocked_since
                .map(|since| now.saturating_duration_since(since));
            if waited.is_some_and(|waited| waited >= self.config.skip_after)
                && let Some(next) = self.skip_target()
            {
                // What is left out had no other picture built upon it.
                self.counters.skips += 1;
                self.drop_below(next);
                self.blocked_since = None;
                return;
            }
            if waited
                .is_some_and(|waited| waited >= self.wait || self.newest_whole_keyframe().is_some())
            {
                self.give_up(now);
            }
        }
        if self.state == State::AwaitingKeyframe && !self.keyframe_is_arriving() {
            self.ask(now);
        }
    }

    /// Finds the next whole picture of the base layer behind a gap, when nothing in the gap
    /// belongs to one: it is built upon the base layer's last alone, and that one came out.
    fn skip_target(&self) -> Option<u64> {
        let next = self.base_layer?.wrapping_add(1);
        let highest = self.unwrapper.highest()?;
        let starts = (self.floor + 1..=highest).find(|&sequence| {
            self.part(sequence)
                .is_some_and(|part| part.starts_frame && part.base_layer == Some(next))
        });
        starts.filter(|&sequence| self.frame_end(sequence).is_some())
    }

    /// Tells whether a packet is missing below the newest one.
    fn has_gap(&self) -> bool {
        let Some(highest) = self.unwrapper.highest() else {
            return false;
        };
        (self.floor..highest).any(|sequence| self.part(sequence).is_none())
    }

    fn give_up(&mut self, now: Instant) {
        if self.state == State::Flowing {
            self.counters.breaks += 1;
        }
        self.await_keyframe(now);
    }

    fn await_keyframe(&mut self, now: Instant) {
        self.state = State::AwaitingKeyframe;
        self.blocked_since = None;
        if self.request.due.is_none() {
            self.request.due = Some(now);
        }
    }

    fn ask(&mut self, now: Instant) {
        let due = *self.request.due.get_or_insert(now);
        if now < due || !self.request.heard {
            return;
        }
        let pause = self.request.pause.max(self.config.request_pause_min);
        self.request.due = Some(now + pause);
        self.request.pause = (2 * pause).min(self.config.request_pause_max);
        self.request.pending = true;
        self.request.heard = false;
    }

    fn drop_below(&mut self, floor: u64) {
        for part in &mut self.slots {
            if part.as_ref().is_some_and(|part| part.sequence < floor) {
                *part = None;
                self.counters.dropped += 1;
            }
        }
        self.floor = self.floor.max(floor);
    }
}

enum Taken {
    Frame(VideoFrame),
    /// Only padding.
    Nothing,
    /// It does not begin with the beginning of a picture.
    Broken,
}

impl Part {
    fn parse(sequence: u64, timestamp: RtpTime, marker: bool, payload: Bytes) -> Option<Self> {
        if payload.is_empty() {
            // Padding only, sent to probe the network.
            return Some(Self {
                sequence,
                timestamp,
                marker: false,
                starts_frame: false,
                starts_keyframe: false,
                base_layer: None,
                data: payload,
            });
        }
        let descriptor = Descriptor::parse(&payload).ok()?;
        let data = payload.slice(descriptor.len..);
        if data.is_empty() {
            return None;
        }
        Some(Self {
            sequence,
            timestamp,
            marker,
            starts_frame: descriptor.starts_frame(),
            starts_keyframe: descriptor.starts_keyframe(&payload),
            base_layer: descriptor
                .tl0_picture_index
                .filter(|_| matches!(descriptor.temporal_layer, Some((0, _)))),
            data,
        })
    }
}

#[cfg(test)]
mod tests;
