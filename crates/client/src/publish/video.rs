//! The two threads of a picture: one keeps the camera's time, one encodes, in as many sizes as the
//! plan says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use snug_media::error::CodecError;
use snug_media::source::Pacer;
use snug_media::vp8::EncoderConfig;
use snug_media::{I420Frame, VideoSource};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::epoch::Clock;
use super::ladder::Ladder;
use super::live::LiveClock;
use super::plan::{Conditions, Effort, Plan, Planner};
use super::sender::{Encoded, What};
use super::slot::{Put, Slot};
use super::steering::Steering;
use super::stop::EndReport;
use super::{End, Source, Stop};
use crate::{Error, thread};

/// Pictures between encoder and network, each in all its encodings: one being packetised, one
/// behind it. More would only be delay.
const LANE: usize = 2;

/// What a picture starts with.
pub(super) struct Start {
    pub(super) source: Box<dyn VideoSource>,
    /// How many encodings the room knows.
    pub(super) encodings: usize,
    /// Of the picture in full size.
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
    (stop, numbers, steering): (Stop, Arc<Numbers>, Arc<Steering>),
) -> Result<Running, Error> {
    let Start {
        mut source,
        encodings,
        bitrate_bps,
        clock,
        begin,
        report,
    } = start;
    let fps = 1.0 / source.frame_interval().as_secs_f64().max(1.0 / 240.0);
    let fps = (fps.round() as u32).max(1);
    let (lane, frames) = mpsc::channel(LANE * encodings);
    let slot = Arc::new(Slot::new());
    let worker = EncodeThread {
        clock,
        slot: Arc::clone(&slot),
        lane,
        numbers: Arc::clone(&numbers),
        steering,
        encodings,
        bitrate_bps,
        fps,
        planner: Planner::default(),
        effort: Effort::new(),
    };
    worker.start(source.size(), stop.clone())?;
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
    steering: Arc<Steering>,
    encodings: usize,
    bitrate_bps: u32,
    fps: u32,
    planner: Planner,
    effort: Effort,
}

impl EncodeThread {
    /// Starts it. What goes wrong later, in making the encoders too, ends the publication by
    /// `stop`.
    fn start(self, size: (u32, u32), stop: Stop) -> Result<(), Error> {
        let slot = Arc::clone(&self.slot);
        thread::spawn("snug-encode", move || {
            // The codecs live and die on their thread.
            match catch_unwind(AssertUnwindSafe(move || self.run(size))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => stop.fail(snug_media::Error::from(error).into()),
                Err(_) => stop.fail(Error::Internal("the encoder of pictures failed".into())),
            }
            slot.close();
        })
        .map(drop)
    }

    fn run(mut self, (width, height): (u32, u32)) -> Result<(), CodecError> {
        // Whoever gives pictures that no codec takes hears it at once.
        EncoderConfig::new(width, height, self.fps, self.bitrate_bps).check()?;
        let mut ladder = Ladder::default();
        while let Some((frame, at)) = self.slot.take() {
            if self.lane.is_closed() {
                return Ok(());
            }
            let plan = self.follow(frame.height, at);
            let scarce = self.steering.pace_bps().is_some();
            ladder.want_keyframes(self.steering.take_keyframes(), scarce);
            if self.lane.capacity() < plan.iter().flatten().count() {
                // Encoding what cannot be sent would only heat the room. Encoders know nothing of
                // this picture, so that no other one misses it.
                self.numbers.counters.frames_dropped.add(1);
                continue;
            }
            let started = Instant::now();
            self.encode(&mut ladder, (&frame, at), &plan);
            let now = Instant::now();
            self.effort
                .note(now.saturating_duration_since(started), now);
        }
        Ok(())
    }

    /// Looks what is to be sent now, and says what cannot be.
    fn follow(&mut self, rows: u32, now: Instant) -> Plan {
        let conditions = Conditions {
            rows,
            encodings: self.encodings,
            bitrate_max_bps: self.bitrate_bps,
            budget_bps: self.steering.budget_bps(),
            wanted: self.steering.wanted(),
            effort: self.effort.step(),
        };
        let plan = self.planner.plan(&conditions, now);
        let withheld = conditions.withheld(&plan);
        let nothing = plan.iter().all(Option::is_none) && withheld.contains(&true);
        self.steering.withhold(withheld, nothing);
        plan
    }

    /// Encodes a picture in all sizes that are due: the best first, because whoever passes it on
    /// shows first what comes first.
    fn encode(&self, ladder: &mut Ladder, (frame, at): (&I420Frame, Instant), plan: &Plan) {
        let since_start = at.saturating_duration_since(self.clock.start());
        ladder.show();
        for (encoding, target) in plan.iter().enumerate().rev() {
            let Some(target) = target else {
                ladder.leave(encoding);
                continue;
            };
            let picture = (frame, self.fps);
            let encoded = ladder.encode((encoding, target), picture, (at, since_start));
            let encoded = match encoded {
                Ok(Some(encoded)) => encoded,
                Ok(None) => continue,
                Err(error) => {
                    ladder.leave(encoding);
                    self.numbers.counters.frames_dropped.add(1);
                    tracing::warn!(%error, "a picture cannot be encoded");
                    continue;
                }
            };
            let encoded = Encoded {
                what: What::Picture {
                    encoding,
                    keyframe: encoded.keyframe,
                    temporal_layer: encoded.temporal_layer,
                },
                data: encoded.data,
                at,
            };
            if self.lane.try_send(encoded).is_err() {
                // What builds upon it would be of no use.
                ladder.leave(encoding);
                self.numbers.counters.frames_dropped.add(1);
            }
        }
    }
}
