//! A running stream of sound: the thread that owns it, and what its callback and its user share.
//!
//! Rules. Opening has a deadline. The thread lives as long as the stream and ends with it; the sound
//! server's news reach it, because the server moves a stream whose device is gone to another one
//! without a word, and a call must not go on with a microphone that nobody chose. Whatever ends a
//! stream is kept for its user to find.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::StreamTrait;

use super::sound::{self, Found, SoundSystem};
use super::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};

/// A sound system that takes longer to open a device does not work.
const OPEN_TIME_MAX: Duration = Duration::from_secs(2);
/// How long closing is waited for; it takes a millisecond when the system answers.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);
/// How often the thread looks whether the stream has failed, when nothing tells it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What a running microphone or loudspeaker has been through. Counts from its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SoundCounters {
    /// The way that leads to the device: "PulseAudio" (PipeWire answers to it too), "ALSA", ...
    pub by: &'static str,
    /// How often the device gave or took sound.
    pub callbacks: u64,
    /// How often the ring ran dry while sound was flowing.
    pub starved: u64,
    /// Silence put in where there was no sound, in milliseconds.
    pub concealed_ms: u64,
    /// Sound left out to get rid of delay, in milliseconds.
    pub skipped_ms: u64,
    /// Sound lost because the ring was full, in milliseconds.
    pub overflowed_ms: u64,
    /// How often the system said that the device missed its turn.
    pub missed: u64,
    /// What waits in the ring now, in milliseconds.
    pub depth_ms: u64,
    /// By how much sound is made shorter now (negative: longer), in millionths.
    pub bend_ppm: i32,
}

/// What the audio thread, the thread of the stream and its user share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    callbacks: AtomicU64,
    pub(super) overflowed: AtomicU64,
    pub(super) starved: AtomicU64,
    pub(super) concealed: AtomicU64,
    /// What the loudspeaker's callback waits for before it begins, in samples.
    pub(super) target: AtomicUsize,
    pub(super) is_flowing: AtomicBool,
    /// What usually comes in one go, in samples.
    pub(super) burst: AtomicUsize,
    /// When the last callback was, in the audio thread's own nanoseconds.
    called_at: AtomicU64,
    missed: AtomicU64,
    has_failed: AtomicBool,
    problem: Mutex<Option<DeviceProblem>>,
}

impl Shared {
    /// Notes that a callback ran at `now`, in nanoseconds from any start.
    pub(super) fn note_callback(&self, now: u64) {
        self.called_at.store(now, Relaxed);
        self.callbacks.fetch_add(1, Relaxed);
    }

    /// How much sound the device has made or played since its last callback, in samples; no more
    /// than `most`, because a device that stands still makes none.
    pub(super) fn since_callback(&self, now: u64, rate_hz: u32, most: usize) -> usize {
        let nanos = now.saturating_sub(self.called_at.load(Relaxed));
        let samples = u128::from(nanos) * u128::from(rate_hz) / 1_000_000_000;
        usize::try_from(samples).unwrap_or(most).min(most)
    }

    /// How often the device gave or took sound.
    pub(super) fn callbacks(&self) -> u64 {
        self.callbacks.load(Relaxed)
    }

    /// Keeps the first problem; the ones that follow come of it.
    pub(super) fn fail(&self, problem: DeviceProblem) {
        let mut kept = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(problem);
        self.has_failed.store(true, Relaxed);
    }

    /// Gives what ended the stream. Takes no lock while all is well.
    pub(super) fn problem(&self) -> Option<DeviceProblem> {
        if !self.has_failed.load(Relaxed) {
            return None;
        }
        let kept = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Takes what cpal says about a running stream.
    pub(super) fn handle_error(&self, error: &cpal::Error) {
        use cpal::ErrorKind;
        match error.kind() {
            ErrorKind::Xrun => {
                self.missed.fetch_add(1, Relaxed);
            }
            ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
            ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => {
                self.fail(DeviceProblem::Unplugged);
            }
            _ => self.fail(sound::problem(error)),
        }
    }

    /// Gives the counters that both directions have.
    pub(super) fn counters(&self, by: &'static str, rate_hz: u32) -> SoundCounters {
        SoundCounters {
            by,
            callbacks: self.callbacks.load(Relaxed),
            starved: self.starved.load(Relaxed),
            concealed_ms: millis(self.concealed.load(Relaxed), rate_hz),
            overflowed_ms: millis(self.overflowed.load(Relaxed), rate_hz),
            missed: self.missed.load(Relaxed),
            ..SoundCounters::default()
        }
    }
}

/// Turns a count of samples into milliseconds.
pub(super) fn millis(samples: u64, rate_hz: u32) -> u64 {
    samples * 1000 / u64::from(rate_hz)
}

/// Nanoseconds on a clock that both ends of a ring share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A stream that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) info: DeviceInfo,
    pub(super) by: &'static str,
    pub(super) rate_hz: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    role: InputRole,
    stop: Stop,
    /// Closed by the thread when the device is free again.
    ended: Receiver<()>,
}

/// Makes a stream and the user's end of its ring.
pub(super) type Build<E> = fn(&Found, Arc<Shared>, Clock) -> Result<(cpal::Stream, E), cpal::Error>;

/// What the thread says once it knows.
struct Opened<E> {
    info: DeviceInfo,
    by: &'static str,
    rate_hz: u32,
    stop: Stop,
    end: E,
}

/// How the thread is told to end.
#[derive(Debug)]
enum Stop {
    #[cfg(target_os = "linux")]
    Server(super::pulse::Stopper),
    /// Dropping it is enough.
    Host(SyncSender<()>),
}

impl Running {
    /// Opens a device and lets it run.
    pub(super) fn open<E: Send + 'static>(
        role: InputRole,
        id: Option<&DeviceId>,
        build: Build<E>,
    ) -> Result<(Self, E), Error> {
        let shared = Arc::new(Shared::default());
        let clock = Clock::start();
        let (answer, opened) = mpsc::sync_channel(1);
        let (alive, ended) = mpsc::sync_channel(0);
        let (id, theirs) = (id.cloned(), shared.clone());
        let spawned = thread::Builder::new()
            .name(format!("{role}"))
            .spawn(move || {
                let build = |found: &Found| build(found, theirs.clone(), clock);
                run(role, id.as_ref(), build, &theirs, &answer);
                drop(alive);
            });
        let failed = |name, problem| Error::device(role, name, problem);
        spawned.map_err(|error| failed("", DeviceProblem::Backend(error.to_string())))?;
        match opened.recv_timeout(OPEN_TIME_MAX) {
            Ok(Ok(opened)) => {
                let Opened {
                    info,
                    by,
                    rate_hz,
                    stop,
                    end,
                } = opened;
                let running = Self {
                    info,
                    by,
                    rate_hz,
                    shared,
                    clock,
                    role,
                    stop,
                    ended,
                };
                Ok((running, end))
            }
            Ok(Err((info, problem))) => {
                let name = info.map_or(String::new(), |info| info.name);
                Err(failed(&name, problem))
            }
            Err(_) => Err(failed(
                "",
                DeviceProblem::Backend("it did not open in time".into()),
            )),
        }
    }

    /// Says what ended the stream, once something has.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.shared.problem() {
            None => Ok(()),
            Some(problem) => Err(Error::device(self.role, &self.info.name, problem)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (never, _) = mpsc::sync_channel(0);
        match std::mem::replace(&mut self.stop, Stop::Host(never)) {
            #[cfg(target_os = "linux")]
            Stop::Server(stopper) => stopper.stop(),
            Stop::Host(sender) => drop(sender),
        }
        if self.ended.recv_timeout(CLOSE_TIME_MAX) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(role = %self.role, "the sound system is slow to let go of the device");
        }
    }
}

type Answer<E> = SyncSender<Result<Opened<E>, (Option<DeviceInfo>, DeviceProblem)>>;

/// The thread of a stream, from opening to its end.
fn run<E>(
    role: InputRole,
    id: Option<&DeviceId>,
    build: impl Fn(&Found) -> Result<(cpal::Stream, E), cpal::Error>,
    shared: &Arc<Shared>,
    answer: &Answer<E>,
) {
    let (stream, news) = match start(role, id, build, answer) {
        Ok(Some(started)) => started,
        // Whoever asked has stopped waiting.
        Ok(None) => return,
        Err(refusal) => {
            // Nobody may be waiting any more, and then there is nobody to tell.
            answer.try_send(Err(refusal)).ok();
            return;
        }
    };
    match stream.play() {
        Ok(()) => news.await_end(shared),
        Err(error) => shared.handle_error(&error),
    }
    // Before anything else ends: the device is free from here on.
    drop(stream);
}

type Refusal = (Option<DeviceInfo>, DeviceProblem);

fn start<E>(
    role: InputRole,
    id: Option<&DeviceId>,
    build: impl Fn(&Found) -> Result<(cpal::Stream, E), cpal::Error>,
    answer: &Answer<E>,
) -> Result<Option<(cpal::Stream, News)>, Refusal> {
    let nameless = |problem| (None, problem);
    let mut system = SoundSystem::reach().map_err(nameless)?;
    // Before looking for the device, so that its end cannot fall in between.
    #[cfg(target_os = "linux")]
    if let SoundSystem::Server(connection) = &mut system {
        connection.subscribe().map_err(nameless)?;
    }
    let found = system.find(role, id).map_err(nameless)?;
    let named = |problem| (Some(found.info.clone()), problem);
    let built = build(&found);
    let (stream, end) = built.map_err(|error| named(sound::problem(&error)))?;
    let (stop, news) = News::of(system, role, &found).map_err(named)?;
    let opened = Opened {
        info: found.info.clone(),
        by: found.by,
        rate_hz: found.config.sample_rate,
        stop,
        end,
    };
    tracing::debug!(%role, by = found.by, rate_hz = opened.rate_hz, "opened");
    let is_awaited = answer.try_send(Ok(opened)).is_ok();
    Ok(is_awaited.then_some((stream, news)))
}

/// What tells the thread that its stream is to end or its device is gone.
enum News {
    #[cfg(target_os = "linux")]
    Server {
        connection: Box<super::pulse::Connection>,
        role: InputRole,
        index: Option<u32>,
    },
    Host(Receiver<()>),
}

impl News {
    fn of(
        system: SoundSystem,
        role: InputRole,
        found: &Found,
    ) -> Result<(Stop, Self), DeviceProblem> {
        #[cfg(not(target_os = "linux"))]
        let _ = (role, found);
        match system {
            #[cfg(target_os = "linux")]
            SoundSystem::Server(connection) => {
                let stop = Stop::Server(connection.stopper()?);
                let index = found.index;
                let news = Self::Server {
                    connection,
                    role,
                    index,
                };
                Ok((stop, news))
            }
            SoundSystem::Host(_) => {
                let (sender, receiver) = mpsc::sync_channel(0);
                Ok((Stop::Host(sender), Self::Host(receiver)))
            }
        }
    }

    /// Waits until the stream is to end, and says why when its user does not know.
    fn await_end(self, shared: &Shared) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Server {
                mut connection,
                role,
                index,
            } => loop {
                use super::pulse::{Waited, is_end_of};
                match connection.wait(LOOK_INTERVAL) {
                    Waited::News(news) if is_end_of(news, role, index) => {
                        shared.fail(DeviceProblem::Unplugged);
                        return;
                    }
                    // The user's own wish looks the same; they no longer ask why.
                    Waited::Gone => {
                        shared.fail(DeviceProblem::Unplugged);
                        return;
                    }
                    Waited::News(_) | Waited::Quiet if shared.has_failed.load(Relaxed) => return,
                    Waited::News(_) | Waited::Quiet => {}
                }
            },
            Self::Host(receiver) => {
                while receiver.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout)
                    && !shared.has_failed.load(Relaxed)
                {}
            }
        }
    }
}
