//! The two threads of a picture: one keeps the camera's time, one encodes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use snug_media::source::Pacer;
use snug_media::vp8::{Encoder, EncoderConfig};
use snug_media::{I420Frame, VideoSource};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::epoch::Clock;
use super::live::LiveClock;
use super::sender::Encoded;
use super::slot::{Put, Slot};
use super::stop::EndReport;
use super::{End, Source, Stop};
use crate::{Error, thread};

/// Encoded pictures between encoder and network: one being packetised, one behind it. More would
/// only be delay.
const LANE: usize = 2;

/// Shortest pause between two keyframes on request. A keyframe is ten times a picture; a room
/// full of newcomers must not make a stream of them.
const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(300);

/// A wish for a keyframe, from any thread.
#[derive(Debug, Default)]
pub(super) struct Keyframes(AtomicBool);

impl Keyframes {
    pub(super) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// What a picture starts with.
pub(super) struct Start {
    pub(super) source: Box<dyn VideoSource>,
    pub(super) bitrate_bps: u32,
    pub(super) clock: Clock,
    /// When the first of it is due.
    pub(super) begin: Instant,
    pub(super) report: EndReport,
}

/// A picture, and when it was taken.
pub(super) type Captured = (I420Frame, Instant);

type Running = (Arc<Slot<Captured>>, mpsc::Receiver<Encoded>);

/// Starts both threads; encoded pictures come out of the lane. Closing the slot ends the encoder.
pub(super) fn start(
    start: Start,
    (stop, numbers, keyframes): (Stop, Arc<Numbers>, Arc<Keyframes>),
) -> Result<Running, Error> {
    let Start {
        mut source,
        bitrate_bps,
        clock,
        begin,
        report,
    } = start;
    let (width, height) = source.size();
    let fps = 1.0 / source.frame_interval().as_secs_f64().max(1.0 / 240.0);
    let config = EncoderConfig::new(width, height, (fps.round() as u32).max(1), bitrate_bps);
    let (lane, frames) = mpsc::channel(LANE);
    let slot = Arc::new(Slot::new());
    let worker = EncodeThread {
        clock,
        slot: Arc::clone(&slot),
        lane,
        numbers: Arc::clone(&numbers),
        keyframes,
        last_forced: None,
        gap: false,
    };
    worker.start(config, stop.clone())?;
    let pictures = Arc::clone(&slot);
    let capture = thread::spawn("snug-camera", move || {
        let run = || capture(&mut *source, begin, &stop, &pictures, &numbers);
        let end = catch_unwind(AssertUnwindSafe(run));
        pictures.close();
        report.send(Source::Video(source), end, &stop);
    });
    if let Err(error) = capture {
        slot.close();
        return Err(error);
    }
    Ok((slot, frames))
}

/// Takes pictures at their time until told to stop or the source ends.
fn capture(
    source: &mut dyn VideoSource,
    begin: Instant,
    stop: &Stop,
    slot: &Slot<Captured>,
    numbers: &Numbers,
) -> End {
    let mut timing = Timing::of(source, begin);
    loop {
        let picture = match source.next_frame() {
            Ok(Some(picture)) => picture,
            Ok(None) => return End::Over,
            // Whoever pulls the plug after the switch has not broken anything.
            Err(_) if stop.is_set() => return End::Asked,
            Err(error) => return End::Failed(error.into()),
        };
        let due = timing.place(picture.at);
        if !stop.wait_until(due) {
            return End::Asked;
        }
        numbers.counters.frames_captured.add(1);
        match slot.put((picture.frame, due)) {
            Put::Taken => {}
            Put::Replaced => numbers.counters.frames_replaced.add(1),
            Put::Closed => return End::Asked,
        }
    }
}

/// When pictures are due.
enum Timing {
    /// By our clock, from the first one on.
    Paced(Pacer, Option<Duration>),
    /// As they come.
    Live(LiveClock),
}

impl Timing {
    fn of(source: &dyn VideoSource, begin: Instant) -> Self {
        if source.is_live() {
            Timing::Live(LiveClock::default())
        } else {
            Timing::Paced(Pacer::new(begin), None)
        }
    }

    /// Gives the instant of a picture stamped `at`, which is here now; in the past means at once.
    fn place(&mut self, at: Duration) -> Instant {
        let now = Instant::now();
        match self {
            Timing::Live(clock) => clock.place(at, now),
            Timing::Paced(pacer, first) => {
                // A source that ran before goes on where it was: its first picture is due now.
                let first = *first.get_or_insert(at);
                pacer.due(at.saturating_sub(first), now)
            }
        }
    }
}

struct EncodeThread {
    clock: Clock,
    slot: Arc<Slot<Captured>>,
    lane: mpsc::Sender<Encoded>,
    numbers: Arc<Numbers>,
    keyframes: Arc<Keyframes>,
    last_forced: Option<Instant>,
    /// A frame was dropped: only a keyframe makes sense next.
    gap: bool,
}

impl EncodeThread {
    /// Starts it. What goes wrong later, in making the encoder too, ends the publication by `stop`.
    fn start(self, config: EncoderConfig, stop: Stop) -> Result<(), Error> {
        let slot = Arc::clone(&self.slot);
        thread::spawn("snug-encode", move || {
            // The codec lives and dies on its thread.
            let run = move || Encoder::new(config).map(|encoder| self.run(encoder));
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => stop.fail(snug_media::Error::from(error).into()),
                Err(_) => stop.fail(Error::Internal("the encoder of pictures failed".into())),
            }
            slot.close();
        })
        .map(drop)
    }

    fn run(mut self, mut encoder: Encoder) {
        let mut wanted = false;
        while let Some((frame, at)) = self.slot.take() {
            if self.lane.is_closed() {
                return;
            }
            wanted |= self.keyframes.take();
            if self.lane.capacity() == 0 {
                // Encoding what cannot be sent would only heat the room.
                self.gap = true;
                self.numbers.counters.frames_dropped.add(1);
                continue;
            }
            if self.gap || (wanted && self.may_force(at)) {
                encoder.request_keyframe();
                self.last_forced = Some(at);
                wanted = false;
                self.gap = false;
            }
            self.encode(&mut encoder, &frame, at);
        }
    }

    fn may_force(&self, at: Instant) -> bool {
        self.last_forced
            .is_none_or(|last| at.saturating_duration_since(last) >= KEYFRAME_INTERVAL_MIN)
    }

    fn encode(&mut self, encoder: &mut Encoder, frame: &I420Frame, at: Instant) {
        let since_start = at.saturating_duration_since(self.clock.start());
        match encoder.encode(frame, since_start) {
            Ok(Some(encoded)) => {
                if encoded.keyframe {
                    // A keyframe of the encoder's own serves whoever asked for one.
                    self.last_forced = Some(at);
                }
                let encoded = Encoded {
                    data: encoded.data,
                    keyframe: encoded.keyframe,
                    at,
                };
                if self.lane.try_send(encoded).is_err() {
                    self.gap = true;
                    self.numbers.counters.frames_dropped.add(1);
                }
            }
            Ok(None) => {}
            Err(error) => {
                self.gap = true;
                self.numbers.counters.frames_dropped.add(1);
                tracing::warn!(%error, "a picture cannot be encoded");
            }
        }
    }
}
