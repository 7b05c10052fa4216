//! Sending our own picture or sound: source, encoder, packets.
//!
//! Three steps, each at its own pace, with a bounded lane between them:
//! capture thread (keeps the source's time) -> slot of one, newest wins -> encoder thread -> lane
//! of two frames -> task that writes packets. Sound skips the slot: its encoder is cheap and runs
//! on the capture thread.
//!
//! Stopping never waits: a camera may need a second for its last picture. The threads end by
//! themselves, let go of the source, and say so; meanwhile another source may already take over,
//! on the same numbers, once everything of the one before is sent.
//!
//! Time stamps and sender reports come from one [`Epoch`], so that a receiver can put sound and
//! picture in step to the millisecond, however long encoding takes.

mod audio;
mod counters;
mod epoch;
mod ladder;
mod live;
mod packetize;
mod plan;
mod sender;
mod slot;
mod steering;
mod stop;
#[cfg(test)]
mod tests;
mod video;
mod voice;

use std::sync::Arc;

use snug_media::{AudioSource, VideoSource};
use tokio::sync::mpsc;

use crate::Error;
use crate::transport::{Kind, LocalTrack};
pub(crate) use counters::Numbers;
pub(crate) use epoch::Epoch;
pub(crate) use sender::Sending;
use slot::Slot;
pub(crate) use steering::Steering;
use stop::EndReport;
pub(crate) use stop::{Fate, Stop};
use video::Captured;
pub(crate) use voice::left_for_pictures;

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
}

/// Where a source is sent.
pub(crate) struct Destination {
    /// Its section of the media connection.
    pub(crate) track: LocalTrack,
    /// Its numbers on the wire so far.
    pub(crate) numbers: Arc<Numbers>,
    /// What is said of it while it runs.
    pub(crate) steering: Arc<Steering>,
    /// How many encodings of a picture are sent at most.
    pub(crate) encodings: usize,
    /// Bits per second to aim at where nothing is in the way.
    pub(crate) bitrate_bps: u32,
    /// What is still being sent of the source before it.
    pub(crate) after: Option<Sending>,
}

/// A source that nothing is taken from any more. The last that is heard of a publication.
pub(crate) struct SourceEnded {
    /// Seen or heard.
    pub(crate) kind: Kind,
    /// Of which publication.
    pub(crate) number: u64,
    /// The source, when it was asked back. Otherwise it is dropped, and its device free.
    pub(crate) source: Option<Source>,
    /// How it came.
    pub(crate) end: End,
}

/// How a source came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// It was asked to stop.
    Asked,
    /// It has nothing more to give.
    Over,
    /// It failed.
    Failed(Error),
}

/// A running publication. Dropping it stops everything without waiting, and frees the source.
pub(crate) struct Publication {
    number: u64,
    stop: Stop,
    /// Where pictures wait for their encoder; sound has no such place.
    slot: Option<Arc<Slot<Captured>>>,
    /// Taken when stopped in good order.
    sending: Option<Sending>,
}

impl Publication {
    /// Starts sending `source` as `to` says; its time starts at `begin`, by `epoch`. `ended` hears
    /// of `number` once nothing is taken from the source any more.
    ///
    /// # Errors
    /// [`Error::Media`] when there is no encoder for it, [`Error::Internal`] when the system gives
    /// no thread. The source is dropped then.
    pub(crate) fn start(
        source: Source,
        to: Destination,
        (epoch, begin): (Epoch, std::time::Instant),
        (number, ended): (u64, mpsc::Sender<SourceEnded>),
    ) -> Result<Self, Error> {
        let Destination {
            track,
            numbers,
            steering,
            encodings,
            bitrate_bps,
            after,
        } = to;
        let stop = Stop::default();
        let kind = source.kind();
        let clock = epoch.clock(kind, numbers.base);
        let report = EndReport {
            kind,
            number,
            lane: ended,
        };
        let (slot, frames) = match source {
            Source::Video(source) => {
                let start = video::Start {
                    source,
                    encodings,
                    bitrate_bps,
                    clock,
                    begin,
                    report,
                };
                let shared = (stop.clone(), Arc::clone(&numbers), Arc::clone(&steering));
                let (slot, frames) = video::start(start, shared)?;
                (Some(slot), frames)
            }
            Source::Audio(source) => {
                let start = audio::Start {
                    source,
                    bitrate_bps,
                    begin,
                    report,
                };
                (
                    None,
                    audio::start(start, stop.clone(), (&numbers, &steering))?,
                )
            }
        };
        let sending = sender::spawn(track, frames, (clock, numbers, steering), after);
        Ok(Self {
            number,
            stop,
            slot,
            sending: Some(sending),
        })
    }

    /// Which publication this is.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Asks for the end, and what is to become of the source. Waits for nothing: what is encoded
    /// already is still sent, and [`SourceEnded`] follows. The returned [`Stop`] can still change
    /// the source's fate.
    pub(crate) fn stop(mut self, fate: Fate) -> (Stop, Option<Sending>) {
        self.wind_down(fate);
        (self.stop.clone(), self.sending.take())
    }

    fn wind_down(&self, fate: Fate) {
        self.stop.set(fate);
        if let Some(slot) = &self.slot {
            // A camera may take its time; the encoder need not wait for it.
            slot.close();
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if self.sending.is_some() {
            self.wind_down(Fate::Free);
        }
    }
}

/// A flag or a slot is never half written, so a poisoned lock is as good as any.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
