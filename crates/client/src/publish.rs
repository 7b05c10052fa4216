//! Sending our own picture or sound: source, encoder, packets.
//!
//! Three steps, each at its own pace, with a bounded lane between them:
//! capture thread (keeps the source's time) -> slot of one, newest wins -> encoder thread -> lane
//! of two frames -> task that writes packets. Sound skips the slot: its encoder is cheap and runs
//! on the capture thread.
//!
//! Time stamps and sender reports come from one [`Epoch`], so that a receiver can put sound and
//! picture in step to the millisecond, however long encoding takes.

mod audio;
mod counters;
mod epoch;
mod packetize;
mod sender;
mod slot;
mod video;

use std::sync::Arc;
use std::thread::JoinHandle;

use snug_media::{AudioSource, VideoSource};
use snug_protocol::{TrackId, TrackSource};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Error;
use crate::transport::{Kind, LocalTrack};
pub(crate) use counters::Numbers;
pub(crate) use epoch::Epoch;
use video::Keyframes;

/// A camera, a microphone, or a file or test signal in their place.
pub(crate) enum Source {
    /// Pictures.
    Video(Box<dyn VideoSource>),
    /// Sound.
    Audio(Box<dyn AudioSource>),
}

impl Source {
    /// Seen or heard.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Source::Video(_) => Kind::Video,
            Source::Audio(_) => Kind::Audio,
        }
    }

    /// How the source is called in track metadata.
    pub(crate) fn role(&self) -> TrackSource {
        match self {
            Source::Video(_) => TrackSource::Camera,
            Source::Audio(_) => TrackSource::Microphone,
        }
    }
}

/// Where a source is sent.
pub(crate) struct Destination {
    /// What the room calls the track.
    pub(crate) id: TrackId,
    /// Its section of the media connection.
    pub(crate) track: LocalTrack,
    /// Its numbers on the wire so far.
    pub(crate) numbers: Arc<Numbers>,
    /// Bits per second to aim at.
    pub(crate) bitrate_bps: u32,
}

/// A source that stopped by itself.
#[derive(Debug)]
pub(crate) struct SourceEnded {
    /// Whose source it was.
    pub(crate) track: TrackId,
    /// Why; nothing when it simply came to its end.
    pub(crate) error: Option<snug_media::Error>,
}

/// A running publication. Dropping it stops everything without waiting.
pub(crate) struct Publication {
    stop: Stop,
    threads: Option<Threads>,
    task: AbortHandle,
    numbers: Arc<Numbers>,
    keyframes: Arc<Keyframes>,
}

enum Threads {
    Video {
        capture: JoinHandle<Box<dyn VideoSource>>,
        encode: JoinHandle<()>,
    },
    Audio(JoinHandle<Box<dyn AudioSource>>),
}

impl Publication {
    /// Starts sending `source` as `to` says; its time starts at `begin`, by `epoch`. `ended` hears
    /// when the source stops by itself.
    ///
    /// # Errors
    /// [`Error::Media`] when there is no encoder for it, [`Error::Internal`] when the system gives
    /// no thread.
    pub(crate) fn start(
        source: Source,
        to: Destination,
        (epoch, begin): (Epoch, std::time::Instant),
        ended: mpsc::Sender<SourceEnded>,
    ) -> Result<Self, Error> {
        let Destination {
            id,
            track,
            numbers,
            bitrate_bps,
        } = to;
        let keyframes = Arc::new(Keyframes::default());
        let stop = Stop::default();
        let kind = source.kind();
        let clock = epoch.clock(kind, numbers.base);
        let ended = EndReport {
            track: id,
            lane: ended,
        };
        let (threads, frames) = match source {
            Source::Video(source) => {
                let start = video::Start {
                    source,
                    bitrate_bps,
                    clock,
                    begin,
                    ended,
                };
                let shared = (stop.clone(), Arc::clone(&numbers), Arc::clone(&keyframes));
                let (capture, encode, frames) = video::start(start, shared)?;
                (Threads::Video { capture, encode }, frames)
            }
            Source::Audio(source) => {
                let start = audio::Start {
                    source,
                    bitrate_bps,
                    begin,
                    ended,
                };
                let (capture, frames) = audio::start(start, stop.clone(), Arc::clone(&numbers))?;
                (Threads::Audio(capture), frames)
            }
        };
        let task = sender::spawn(track, frames, clock, Arc::clone(&numbers));
        Ok(Self {
            stop,
            threads: Some(threads),
            task,
            numbers,
            keyframes,
        })
    }

    /// Makes the next picture a keyframe; asked too often, a later one.
    pub(crate) fn request_keyframe(&self) {
        self.numbers.counters.keyframe_requests.add(1);
        self.keyframes.request();
    }

    /// Stops and gives the source back, so that it can be published again. Waits for the threads,
    /// at most for one picture.
    pub(crate) async fn stop(mut self) -> Option<Source> {
        self.stop.set();
        let threads = self.threads.take()?;
        let joined = tokio::task::spawn_blocking(move || match threads {
            Threads::Video { capture, encode } => {
                let source = capture.join().ok().map(Source::Video);
                encode.join().ok().and(source)
            }
            Threads::Audio(capture) => capture.join().ok().map(Source::Audio),
        });
        match joined.await {
            Ok(source) => source,
            Err(error) => {
                tracing::error!(%error, "a capture thread failed");
                None
            }
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.stop.set();
        self.task.abort();
    }
}

/// Tells the participant when a source stops by itself.
struct EndReport {
    track: TrackId,
    lane: mpsc::Sender<SourceEnded>,
}

impl EndReport {
    fn send(self, error: Option<snug_media::Error>) {
        // One per source: the lane has room, or the participant is gone.
        drop(self.lane.try_send(SourceEnded {
            track: self.track,
            error,
        }));
    }
}

/// Asks threads to end, and wakes them from their pauses.
#[derive(Clone, Default)]
struct Stop(Arc<StopState>);

#[derive(Default)]
struct StopState {
    stopped: std::sync::Mutex<bool>,
    changed: std::sync::Condvar,
}

impl Stop {
    fn set(&self) {
        *lock(&self.0.stopped) = true;
        self.0.changed.notify_all();
    }

    /// Waits until `due`; false when asked to end first.
    fn wait_until(&self, due: std::time::Instant) -> bool {
        let mut stopped = lock(&self.0.stopped);
        loop {
            let left = due.saturating_duration_since(std::time::Instant::now());
            if *stopped || left.is_zero() {
                return !*stopped;
            }
            stopped = match self.0.changed.wait_timeout(stopped, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

/// A flag or a slot is never half written, so a poisoned lock is as good as any.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
