//! The pictures of one track on their way to whoever looks at it.
//!
//! Rules, each with its why:
//! - A view begins with a keyframe, and goes on with one after every gap: nothing else can be shown.
//! - With sound of the same person playing, a picture waits until the sound of its moment is heard;
//!   without, it goes at once: then waiting would only be delay.
//! - The queue is bounded. When it is full everything in it is dropped and counted, because a part
//!   of it could not be decoded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use snug_media::playout::VideoFrame;
use snug_protocol::TrackId;
use snug_rtp::RtpTime;

use super::decode::Decode;
use crate::output::{EncodedPicture, Form, FrameSink};

/// Pictures that wait for their sound: a second of 60, twice as long as [`HOLD_MAX`].
const WAITING_MAX: usize = 64;

/// Longest wait for sound: as late as a jitter buffer for people may play. Whatever a sender's
/// clock says, nobody watches older pictures.
const HOLD_MAX: Duration = Duration::from_millis(500);

/// Ticks of a VP8 time stamp in 100 microseconds (RFC 7741 section 4.1).
const TICKS_PER_100_US: u64 = 9;

/// Where the pictures of one track go.
pub(super) struct View {
    form: Form,
    out: Out,
    waiting: VecDeque<(VideoFrame, Instant)>,
    /// Only a keyframe makes sense next.
    gap: bool,
    dropped: Arc<AtomicU64>,
}

/// The end of the way.
pub(super) enum Out {
    /// Undecoded.
    Frames(Arc<dyn FrameSink>, TrackId, Stamps),
    /// Decoded.
    Pictures(Decode),
}

impl View {
    /// Begins to look; what finds no room is counted in `dropped`.
    pub(super) fn new(out: Out, dropped: Arc<AtomicU64>) -> Self {
        let form = match out {
            Out::Frames(..) => Form::Encoded,
            Out::Pictures(_) => Form::Decoded,
        };
        Self {
            form,
            out,
            waiting: VecDeque::new(),
            gap: true,
            dropped,
        }
    }

    /// In which form the pictures go out.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Starts afresh with the next keyframe: whoever looks had to leave out a picture.
    pub(super) fn break_off(&mut self) {
        self.waiting.clear();
        self.gap = true;
    }

    /// Takes the next picture of the track; true when a keyframe is needed to go on.
    pub(super) fn put(&mut self, frame: VideoFrame, now: Instant) -> bool {
        if self.gap && !frame.keyframe {
            return true;
        }
        self.gap = false;
        if self.waiting.len() == WAITING_MAX {
            let lost = self.waiting.len() as u64 + 1;
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            self.break_off();
            return true;
        }
        self.waiting.push_back((frame, now));
        false
    }

    /// Hands out what is due, `place` being when a moment of the track is heard (nothing when there
    /// is no sound to wait for); true when a keyframe is needed to go on.
    pub(super) fn show(
        &mut self,
        now: Instant,
        place: impl Fn(RtpTime) -> Option<Instant>,
    ) -> bool {
        while self.due(&place).is_some_and(|due| due <= now) {
            let Some((frame, _)) = self.waiting.pop_front() else {
                break;
            };
            if !self.out.take(&frame) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.break_off();
                return true;
            }
        }
        false
    }

    /// Returns when [`Self::show`] has something to hand out.
    pub(super) fn due(&self, place: impl Fn(RtpTime) -> Option<Instant>) -> Option<Instant> {
        let (frame, since) = self.waiting.front()?;
        let heard = place(frame.timestamp).unwrap_or(*since);
        Some(heard.min(*since + HOLD_MAX))
    }

    /// Pictures decoded so far.
    pub(super) fn decoded(&self) -> u64 {
        match &self.out {
            Out::Frames(..) => 0,
            Out::Pictures(decode) => decode.decoded(),
        }
    }
}

impl Out {
    /// Takes a picture; false when a keyframe is needed to go on.
    fn take(&mut self, frame: &VideoFrame) -> bool {
        match self {
            Out::Frames(sink, id, stamps) => {
                let picture = EncodedPicture {
                    data: frame.data.clone(),
                    keyframe: frame.keyframe,
                    timestamp_us: stamps.stamp(frame.timestamp),
                };
                sink.frame(id, &picture);
                true
            }
            Out::Pictures(decode) => !decode.put(&frame.data, frame.keyframe),
        }
    }
}

/// Turns RTP time stamps into microseconds that never fall, also when the sender starts over.
#[derive(Debug)]
pub(super) struct Stamps {
    ticks: u64,
    last: Option<RtpTime>,
}

impl Stamps {
    /// The first picture is stamped `start`: a clock that goes on while nobody looks, so that a
    /// track that is looked at again does not go back in time.
    pub(super) fn new(start: Duration) -> Self {
        let micros = u64::try_from(start.as_micros()).unwrap_or(u64::MAX / TICKS_PER_100_US);
        Self {
            ticks: micros.saturating_mul(TICKS_PER_100_US) / 100,
            last: None,
        }
    }

    fn stamp(&mut self, timestamp: RtpTime) -> u64 {
        if let Some(last) = self.last {
            let step = u64::try_from(timestamp.distance_from(last)).unwrap_or(0);
            self.ticks = self.ticks.saturating_add(step.max(1));
        }
        self.last = Some(timestamp);
        self.ticks.saturating_mul(100) / TICKS_PER_100_US
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(bool, u64)>>);

    impl FrameSink for Seen {
        fn frame(&self, _: &TrackId, frame: &EncodedPicture) {
            let seen = (frame.keyframe, frame.timestamp_us);
            self.0.lock().unwrap().push(seen);
        }
    }

    impl Seen {
        fn take(&self) -> Vec<(bool, u64)> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn view() -> (View, Arc<Seen>, Arc<AtomicU64>) {
        let (seen, dropped) = (Arc::new(Seen::default()), Arc::new(AtomicU64::new(0)));
        let sink: Arc<dyn FrameSink> = Arc::clone(&seen) as _;
        let out = Out::Frames(sink, "p:t".parse().unwrap(), Stamps::new(Duration::ZERO));
        (View::new(out, Arc::clone(&dropped)), seen, dropped)
    }

    fn frame(number: u32, keyframe: bool) -> VideoFrame {
        VideoFrame {
            data: Bytes::from_static(b"x"),
            keyframe,
            size: None,
            timestamp: RtpTime((u32::MAX - 4_000).wrapping_add(3_000 * number)),
        }
    }

    #[test]
    fn a_view_begins_with_a_keyframe_and_time_only_grows() {
        let (mut view, seen, _) = view();
        let now = Instant::now();
        assert!(view.put(frame(0, false), now), "nothing to build on");
        for (number, keyframe) in [(1, true), (2, false), (3, false), (1, true)] {
            assert!(!view.put(frame(number, keyframe), now));
        }
        assert!(!view.show(now, |_| None), "nothing to wait for");
        let wanted = [(true, 0), (false, 33_333), (false, 66_666), (true, 66_677)];
        assert_eq!(seen.take(), wanted, "also when the sender starts over");
    }

    #[test]
    fn pictures_wait_for_their_sound_but_never_long() {
        let (mut view, seen, _) = view();
        let now = Instant::now();
        let heard = now + Duration::from_millis(40);
        view.put(frame(0, true), now);
        view.show(now, |_| Some(heard));
        assert!(seen.take().is_empty());
        assert_eq!(view.due(|_| Some(heard)), Some(heard));
        view.show(heard, |_| Some(heard));
        assert_eq!(seen.take().len(), 1);
        view.put(frame(1, false), now);
        let never = now + Duration::from_secs(3_600);
        assert_eq!(view.due(|_| Some(never)), Some(now + HOLD_MAX));
    }

    #[test]
    fn a_full_queue_is_dropped_whole_and_counted() {
        let (mut view, seen, dropped) = view();
        let now = Instant::now();
        let late = now + Duration::from_millis(400);
        for number in 0..WAITING_MAX as u32 {
            assert!(!view.put(frame(number, number == 0), now));
        }
        assert!(view.put(frame(64, false), now), "a keyframe is needed");
        assert_eq!(dropped.load(Ordering::Relaxed), WAITING_MAX as u64 + 1);
        assert!(view.put(frame(65, false), now), "still");
        assert!(!view.put(frame(66, true), now));
        view.show(late, |_| Some(late));
        assert_eq!(seen.take().len(), 1);
    }
}
