//! The two threads of a picture: one keeps the camera's time, one encodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use snug_media::source::Pacer;
use snug_media::vp8::{Encoder, EncoderConfig};
use snug_media::{I420Frame, VideoSource};
use tokio::sync::mpsc;

use super::counters::Numbers;
use super::epoch::Clock;
use super::sender::Encoded;
use super::slot::Slot;
use super::{EndReport, Stop};
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
    pub(super) ended: EndReport,
}

type Captured = (I420Frame, Instant);
type Running = (
    JoinHandle<Box<dyn VideoSource>>,
    JoinHandle<()>,
    mpsc::Receiver<Encoded>,
);

/// Starts both threads; encoded pictures come out of the lane.
pub(super) fn start(
    start: Start,
    (stop, numbers, keyframes): (Stop, Arc<Numbers>, Arc<Keyframes>),
) -> Result<Running, Error> {
    let Start {
        source,
        bitrate_bps,
        clock,
        begin,
        ended,
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
    // The codec lives and dies on its thread; whether there is one is learnt before going on.
    let (report, started) = std::sync::mpsc::sync_channel(1);
    let encode = thread::spawn("snug-encode", move || {
        let encoder = match Encoder::new(config) {
            Ok(encoder) => encoder,
            Err(error) => return drop(report.send(Err(error))),
        };
        if report.send(Ok(())).is_ok() {
            worker.run(encoder);
        }
    })?;
    let started = started
        .recv()
        .map_err(|error| Error::Internal(error.to_string()))?;
    started.map_err(snug_media::Error::from)?;
    let capture = thread::spawn("snug-camera", move || {
        let (source, end) = capture(source, begin, &stop, &slot, &numbers);
        slot.close();
        if let Some(error) = end {
            ended.send(error);
        }
        source
    })?;
    Ok((capture, encode, frames))
}

/// Takes pictures at their time until told to stop (`None`) or the source ends (`Some`).
fn capture(
    mut source: Box<dyn VideoSource>,
    begin: Instant,
    stop: &Stop,
    slot: &Slot<Captured>,
    numbers: &Numbers,
) -> (Box<dyn VideoSource>, Option<Option<snug_media::Error>>) {
    let mut pacer: Option<(Pacer, Duration)> = None;
    loop {
        let picture = match source.next_frame() {
            Ok(Some(picture)) => picture,
            Ok(None) => return (source, Some(None)),
            Err(error) => return (source, Some(Some(error))),
        };
        // A source that ran before goes on where it was: its first picture is due now.
        let (pacer, first) = pacer.get_or_insert_with(|| (Pacer::new(begin), picture.at));
        let (at, now) = (picture.at.saturating_sub(*first), Instant::now());
        let due = if source.is_live() {
            pacer.taken(at, now)
        } else {
            pacer.due(at, now)
        };
        if !stop.wait_until(due) {
            return (source, None);
        }
        numbers.counters.frames_captured.add(1);
        if slot.put((picture.frame, due)) {
            numbers.counters.frames_replaced.add(1);
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
