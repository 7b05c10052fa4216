//! Runs a camera or a microphone that nobody publishes: the preview and the level meter before a
//! call.
//!
//! Who wants to see or hear it wraps the source in a tap first
//! ([`TappedVideo`](crate::source::TappedVideo), [`TappedAudio`](crate::source::TappedAudio)).
//! Stopping gives the source back, so that a call takes over a device without closing it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::{BLOCK_DURATION, BLOCK_SAMPLES};
use crate::source::{AudioSource, Pacer, VideoSource};

/// Runs a picture source at its own pace. Dropping it stops it and frees the source.
pub struct VideoMonitor(Monitor<Box<dyn VideoSource>>);

impl VideoMonitor {
    /// Starts taking pictures from `source`.
    ///
    /// `ended` hears, on the monitor's thread, when the source ends by itself: with nothing at its
    /// end, or with what went wrong. The source (and with it the device) is free by then. It is not
    /// called after [`VideoMonitor::stop`].
    ///
    /// # Errors
    /// [`Error::Device`] when the system gives no thread.
    pub fn start(
        source: Box<dyn VideoSource>,
        ended: impl FnOnce(Option<Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        Monitor::start("snug-preview", InputRole::Camera, source, ended).map(Self)
    }

    /// Stops and gives the source back; `None` when it had ended by itself. Waits for the thread,
    /// at most for one picture.
    #[must_use]
    pub fn stop(self) -> Option<Box<dyn VideoSource>> {
        self.0.stop()
    }
}

/// Runs a sound source at its own pace. Dropping it stops it and frees the source.
pub struct AudioMonitor(Monitor<Box<dyn AudioSource>>);

impl AudioMonitor {
    /// Starts taking sound from `source`; `ended` is as in [`VideoMonitor::start`].
    ///
    /// # Errors
    /// [`Error::Device`] when the system gives no thread.
    pub fn start(
        source: Box<dyn AudioSource>,
        ended: impl FnOnce(Option<Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        Monitor::start("snug-meter", InputRole::Microphone, source, ended).map(Self)
    }

    /// Stops and gives the source back; `None` when it had ended by itself. Waits for the thread,
    /// at most for one block.
    #[must_use]
    pub fn stop(self) -> Option<Box<dyn AudioSource>> {
        self.0.stop()
    }
}

/// Takes one picture or block from a source and drops it: the tap has seen it.
trait Step: Send + 'static {
    /// Gives the moment that what was taken stands for, or `None` at the end. `count` is how many
    /// were taken before.
    fn step(&mut self, count: u32) -> Result<Option<Duration>, Error>;

    /// Says whether the source keeps its own pace, so that nobody must wait for it.
    fn is_live(&self) -> bool;
}

impl Step for Box<dyn VideoSource> {
    fn step(&mut self, _: u32) -> Result<Option<Duration>, Error> {
        Ok(self.next_frame()?.map(|picture| picture.at))
    }

    fn is_live(&self) -> bool {
        VideoSource::is_live(&**self)
    }
}

impl Step for Box<dyn AudioSource> {
    fn step(&mut self, count: u32) -> Result<Option<Duration>, Error> {
        self.read(&mut [0.0; BLOCK_SAMPLES])?;
        Ok(Some(BLOCK_DURATION * count))
    }

    fn is_live(&self) -> bool {
        // Even a microphone's sound is fetched at the caller's pace: reading never waits.
        false
    }
}

struct Monitor<S> {
    stop: Arc<Stop>,
    /// Taken when joined.
    thread: Option<JoinHandle<Option<S>>>,
}

impl<S: Step> Monitor<S> {
    fn start(
        name: &str,
        role: InputRole,
        source: S,
        ended: impl FnOnce(Option<Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        let stop = Arc::new(Stop::default());
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || match caught(role, || run(source, &asked)) {
                Outcome::Stopped(source) => Some(source),
                Outcome::Ended(error) => {
                    ended(error);
                    None
                }
            })
            .map_err(|error| {
                let detail = format!("the system gives no thread: {error}");
                Error::device(role, "", DeviceProblem::Backend(detail))
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    fn stop(mut self) -> Option<S> {
        self.join()
    }
}

impl<S> Monitor<S> {
    fn join(&mut self) -> Option<S> {
        self.stop.set();
        let thread = self.thread.take()?;
        if thread.thread().id() == std::thread::current().id() {
            // `ended` drops its own monitor: the thread is about to end anyway.
            return None;
        }
        thread.join().unwrap_or_else(|_| {
            tracing::error!("a source failed while it was monitored");
            None
        })
    }
}

impl<S> Drop for Monitor<S> {
    fn drop(&mut self) {
        drop(self.join());
    }
}

enum Outcome<S> {
    /// As asked.
    Stopped(S),
    /// By itself. The source is gone.
    Ended(Option<Error>),
}

/// Makes an end with an error of a panic: a driver's odd picture must not freeze the preview
/// without a word. The source goes with it, so nothing half-done is used again.
fn caught<S>(role: InputRole, run: impl FnOnce() -> Outcome<S>) -> Outcome<S> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let detail = "Snug failed to read it; this is a defect".to_owned();
        Outcome::Ended(Some(Error::device(
            role,
            "",
            DeviceProblem::Backend(detail),
        )))
    })
}

fn run<S: Step>(mut source: S, stop: &Stop) -> Outcome<S> {
    let mut pacer: Option<(Pacer, Duration)> = None;
    let mut count = 0;
    loop {
        let at = match source.step(count) {
            Ok(Some(at)) => at,
            Ok(None) => return Outcome::Ended(None),
            Err(error) => return Outcome::Ended(Some(error)),
        };
        count = count.wrapping_add(1);
        let now = Instant::now();
        // A source that ran before goes on where it was: its first picture is due now.
        let (pacer, first) = pacer.get_or_insert_with(|| (Pacer::new(now), at));
        let due = if source.is_live() {
            now
        } else {
            pacer.due(at.saturating_sub(*first), now)
        };
        if !stop.wait_until(due) {
            return Outcome::Stopped(source);
        }
    }
}

/// Asks the thread to end, and wakes it from its pause.
#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until `due`; false when asked to end first.
    fn wait_until(&self, due: Instant) -> bool {
        let mut asked = self.lock();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if *asked || left.is_zero() {
                return !*asked;
            }
            asked = match self.changed.wait_timeout(asked, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // Nothing panics while holding it, and a flag cannot be half written.
        self.asked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::frame::CapturedFrame;
    use crate::source::{AudioTap, TappedAudio, TappedVideo, TestPattern, Tone, VideoTap};

    /// Long enough for any scheduling hiccup; only a defect makes a test wait it out.
    const PATIENCE: Duration = Duration::from_secs(20);

    struct Defect;

    impl VideoSource for Defect {
        fn size(&self) -> (u32, u32) {
            (16, 16)
        }

        fn frame_interval(&self) -> Duration {
            Duration::from_millis(40)
        }

        fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
            panic!("as a defect would")
        }
    }

    #[test]
    fn a_source_that_panics_ends_with_a_word() {
        let (say, heard) = mpsc::channel();
        let ended = move |error: Option<Error>| drop(say.send(error));
        let monitor = VideoMonitor::start(Box::new(Defect), ended).unwrap();
        let error = heard.recv_timeout(PATIENCE).unwrap().expect("an error");
        assert_eq!(error.code(), "camera_failed");
        assert!(monitor.stop().is_none());
    }

    struct Lane<T>(mpsc::Sender<T>);

    impl VideoTap for Lane<Duration> {
        fn see(&self, picture: &CapturedFrame) {
            self.0.send(picture.at).unwrap();
        }
    }

    impl AudioTap for Lane<f32> {
        fn hear(&self, block: &[f32; BLOCK_SAMPLES]) {
            self.0.send(block[1]).unwrap();
        }
    }

    fn never(error: Option<Error>) {
        panic!("ended with {error:?}");
    }

    #[test]
    fn a_source_runs_and_comes_back_where_it_was() {
        let (lane, seen) = mpsc::channel();
        let pattern = TestPattern::new(64, 48, 100).unwrap();
        let tapped = TappedVideo::new(Box::new(pattern), Arc::new(Lane(lane)));
        let monitor = VideoMonitor::start(Box::new(tapped), never).unwrap();
        for n in 0..3 {
            let at = seen.recv_timeout(PATIENCE).unwrap();
            assert_eq!(at, Duration::from_millis(10 * n));
        }
        let mut source = monitor.stop().unwrap();
        let last = seen.try_iter().last().unwrap_or(Duration::from_millis(20));
        let next = source.next_frame().unwrap().unwrap();
        assert_eq!(next.at, last + Duration::from_millis(10));
    }

    #[test]
    fn a_source_is_kept_at_its_pace() {
        let (lane, seen) = mpsc::channel();
        let tapped = TappedAudio::new(Box::new(Tone::default()), Arc::new(Lane(lane)));
        let started = Instant::now();
        let monitor = AudioMonitor::start(Box::new(tapped), never).unwrap();
        for _ in 0..11 {
            seen.recv_timeout(PATIENCE).unwrap();
        }
        // The eleventh block stands for 100 ms; it is taken when the tenth is over.
        assert!(
            started.elapsed() >= Duration::from_millis(90),
            "{:?}",
            started.elapsed()
        );
        assert!(monitor.stop().is_some());
    }

    struct Dying {
        pictures: u32,
        error: bool,
        freed: mpsc::Sender<()>,
    }

    impl VideoSource for Dying {
        fn size(&self) -> (u32, u32) {
            (2, 2)
        }

        fn frame_interval(&self) -> Duration {
            Duration::from_millis(1)
        }

        fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
            if self.pictures == 0 {
                return match self.error {
                    true => Err(Error::device(
                        InputRole::Camera,
                        "",
                        DeviceProblem::Unplugged,
                    )),
                    false => Ok(None),
                };
            }
            self.pictures -= 1;
            Ok(Some(CapturedFrame {
                frame: crate::I420Frame::black(2, 2),
                at: Duration::ZERO,
            }))
        }
    }

    impl Drop for Dying {
        fn drop(&mut self) {
            self.freed.send(()).unwrap();
        }
    }

    #[test]
    fn the_end_of_a_source_is_told_once_the_device_is_free() {
        for (error, code) in [(true, Some("camera_unplugged")), (false, None)] {
            let (freed, is_freed) = mpsc::channel();
            let (lane, end) = mpsc::channel();
            let source = Dying {
                pictures: 2,
                error,
                freed,
            };
            let monitor = VideoMonitor::start(Box::new(source), move |error| {
                is_freed.try_recv().unwrap();
                lane.send(error.map(|error| error.code())).unwrap();
            })
            .unwrap();
            assert_eq!(end.recv_timeout(PATIENCE).unwrap(), code);
            assert!(monitor.stop().is_none());
        }
    }

    #[test]
    fn dropping_a_monitor_frees_the_source() {
        let (freed, is_freed) = mpsc::channel();
        let source = Dying {
            pictures: u32::MAX,
            error: true,
            freed,
        };
        drop(VideoMonitor::start(Box::new(source), never).unwrap());
        is_freed.try_recv().unwrap();
    }

    #[test]
    fn stopping_does_not_wait_for_a_slow_source_to_be_due() {
        let pattern = TestPattern::new(64, 48, 1).unwrap();
        let (lane, seen) = mpsc::channel();
        let tapped = TappedVideo::new(Box::new(pattern), Arc::new(Lane(lane)));
        let monitor = VideoMonitor::start(Box::new(tapped), never).unwrap();
        // The second picture is due in a second, and the thread waits for that.
        assert_eq!(seen.iter().take(2).count(), 2);
        let asked = Instant::now();
        assert!(monitor.stop().is_some());
        assert!(
            asked.elapsed() < Duration::from_millis(900),
            "{:?}",
            asked.elapsed()
        );
    }
}
