//! Decoding a picture on a thread of its own, for whoever looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use snug_media::I420Frame;
use snug_media::vp8::Decoder;

use crate::{Error, thread};

/// Frames waiting for the decoder: a quarter of a second. A decoder that is further behind will
/// not catch up; it goes on with the next keyframe.
const LANE: usize = 8;

/// Threads within one decoder: a tile is small, and there are many.
const THREADS: u32 = 1;

/// Hands frames to a decoder. Dropping it ends the thread.
pub(super) struct Decode {
    lane: SyncSender<Bytes>,
    shared: Arc<Shared>,
    /// A frame was left out: only a keyframe makes sense next.
    gap: bool,
}

#[derive(Default)]
struct Shared {
    decoded: AtomicU64,
    damaged: AtomicBool,
}

impl Decode {
    /// Starts a decoder; `show` is called with each picture, on the decoder's thread.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system gives no thread.
    pub(super) fn start(show: impl Fn(&I420Frame) + Send + 'static) -> Result<Self, Error> {
        let (lane, frames) = sync_channel(LANE);
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        thread::spawn("snug-decode", move || worker.run(&frames, show))?;
        Ok(Self {
            lane,
            shared,
            gap: false,
        })
    }

    /// Takes the next frame; true when a keyframe is needed to go on.
    pub(super) fn put(&mut self, frame: &Bytes, keyframe: bool) -> bool {
        if self.shared.damaged.swap(false, Ordering::Relaxed) {
            self.gap = true;
        }
        if self.gap && !keyframe {
            return true;
        }
        self.gap = self.lane.try_send(frame.clone()).is_err();
        self.gap
    }

    /// Frames decoded so far.
    pub(super) fn decoded(&self) -> u64 {
        self.shared.decoded.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn run(&self, frames: &Receiver<Bytes>, show: impl Fn(&I420Frame)) {
        let mut decoder = match Decoder::new(THREADS) {
            Ok(decoder) => decoder,
            Err(error) => return tracing::error!(%error, "no picture can be decoded"),
        };
        while let Ok(frame) = frames.recv() {
            match decoder.decode(&frame) {
                Ok(picture) => {
                    show(picture);
                    self.decoded.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::debug!(%error, "a picture is damaged");
                    self.damaged.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use snug_media::vp8::{Encoder, EncoderConfig};

    use super::*;

    #[test]
    fn frames_are_decoded_and_damage_asks_for_a_keyframe() {
        let mut encoder = Encoder::new(EncoderConfig::new(64, 64, 30, 100_000)).unwrap();
        let picture = snug_media::I420Frame::black(64, 64);
        let mut frames = (0..3).map(|n| {
            encoder
                .encode(&picture, Duration::from_millis(33 * n))
                .unwrap()
                .unwrap()
        });
        let mut decode = Decode::start(|_| ()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let wait_for = |done: &dyn Fn() -> bool| {
            while !done() {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
        };
        let first = frames.next().unwrap();
        assert!(!decode.put(&first.data, first.keyframe));
        wait_for(&|| decode.decoded() == 1);
        assert!(!decode.put(&Bytes::from_static(&[0; 20]), false));
        let shared = Arc::clone(&decode.shared);
        wait_for(&|| shared.damaged.load(Ordering::Relaxed));
        let next = frames.next().unwrap();
        assert!(
            decode.put(&next.data, next.keyframe),
            "a keyframe is needed"
        );
        assert!(!decode.put(&first.data, true), "a keyframe mends it");
        wait_for(&|| decode.decoded() == 2);
    }
}
