//! How late a picture is seen and a voice is heard: two participants in this process, a room
//! server in another, loopback between them.
//!
//! Capture is the moment at which the camera has the picture, and render the moment at which the
//! decoded picture is handed to whoever shows it. Mouth is the moment of the sound itself, 10 ms
//! before the microphone hands over the block that begins with it, and ear the moment at which
//! the block that holds it is handed to the speaker. What screens and sound cards add is theirs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snug_client::{JoinOptions, Participant, PictureSink, SoundSink};
use snug_media::{AudioSource, BLOCK_SAMPLES, CapturedFrame, Error, I420Frame, VideoSource};
use snug_protocol::{DisplayName, Link, TrackId};
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::strip;
use snug_testkit::wav::Sound;
use snug_testkit::y4m::Picture;

/// What is not counted: buffers find their size in the first moments of a call.
const SETTLING: Duration = Duration::from_secs(2);
/// A beep is this many blocks of 10 ms, and one begins every half second.
const BEEP_BLOCKS: usize = 3;
const BEEP_EVERY_BLOCKS: usize = 50;
const BEEP_AMPLITUDE: f32 = 0.5;
/// A beep has begun when the sound exceeds this after a quiet quarter of a second.
const HEARD_ABOVE: f32 = 0.12;
const QUIET_SAMPLES: usize = 12_000;

/// All delays that were measured, shortest first.
pub struct Delays {
    /// From a picture's capture to its being shown.
    pub picture: Vec<Duration>,
    /// From a sound to its being heard.
    pub sound: Vec<Duration>,
}

/// Finds the delay that `percent` of all do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len() - 1))
        .copied()
        .unwrap_or_default()
}

/// Holds a call of this length by way of the server that `link` names, and measures.
pub fn measure(link: &str, folder: &Path, length: Duration) -> Result<Delays> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(call(link, folder, length))
}

async fn call(link: &str, folder: &Path, length: Duration) -> Result<Delays> {
    let options = |name| -> Result<JoinOptions> {
        let link: Link = link.parse()?;
        Ok(JoinOptions::new(
            link,
            DisplayName::parse(name)?,
            folder.join("known_hosts"),
        ))
    };
    let journal = Arc::new(Journal::default());
    let mut watching = options("watching")?;
    watching.pictures = Some(Arc::new(Eye(Arc::clone(&journal))));
    watching.sound = Some(Box::new(Ear {
        journal: Arc::clone(&journal),
        quiet: 0,
    }));
    let mut sending = options("sending")?;
    sending.video = Some(Box::new(Camera {
        film: StampedFilm::load()?,
        next: 0,
        journal: Arc::clone(&journal),
    }));
    sending.audio = Some(Box::new(Mouth {
        beep: Sound::sine(48_000, 1000.0, BEEP_AMPLITUDE, 0.01).samples,
        block: 0,
        journal: Arc::clone(&journal),
    }));
    let watcher = Participant::join(watching).await?;
    let sender = Participant::join(sending).await?;
    tokio::time::sleep(SETTLING).await;
    journal.forget_delays();
    tokio::time::sleep(length).await;
    sender.leave().await?;
    watcher.leave().await?;
    journal.delays()
}

/// When what was captured, and how long it took to arrive.
#[derive(Default)]
struct Journal {
    captured: Mutex<Vec<Instant>>,
    spoken: Mutex<Option<Instant>>,
    pictures: Mutex<Vec<Duration>>,
    sounds: Mutex<Vec<Duration>>,
}

impl Journal {
    fn forget_delays(&self) {
        locked(&self.pictures).clear();
        locked(&self.sounds).clear();
    }

    fn delays(&self) -> Result<Delays> {
        let (mut picture, mut sound) =
            (locked(&self.pictures).clone(), locked(&self.sounds).clone());
        picture.sort();
        sound.sort();
        ensure!(!picture.is_empty() && !sound.is_empty(), "nothing arrived");
        Ok(Delays { picture, sound })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the lock")
}

/// Shows the film, each picture with its number.
struct Camera {
    film: StampedFilm,
    next: u16,
    journal: Arc<Journal>,
}

impl VideoSource for Camera {
    fn size(&self) -> (u32, u32) {
        let size = |pixels| u32::try_from(pixels).unwrap_or(u32::MAX);
        (size(self.film.format.width), size(self.film.format.height))
    }

    fn frame_interval(&self) -> Duration {
        Duration::from_secs_f64(self.film.format.frame_interval_s())
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
        // Whoever asks for the next picture has just taken the one before, at its time.
        if self.next > 0 {
            locked(&self.journal.captured).push(Instant::now());
        }
        let mut picture = self.film.source(usize::from(self.next)).clone();
        strip::stamp(&mut picture, self.next);
        let at = self.frame_interval() * u32::from(self.next);
        self.next += 1;
        let (width, height) = self.size();
        Ok(Some(CapturedFrame {
            frame: I420Frame {
                width,
                height,
                data: picture.data,
            },
            at,
        }))
    }
}

struct Eye(Arc<Journal>);

impl PictureSink for Eye {
    fn show(&self, _: &TrackId, picture: &I420Frame) {
        let seen = Instant::now();
        let (width, height) = (picture.width as usize, picture.height as usize);
        let picture = Picture {
            width,
            height,
            data: picture.data.clone(),
        };
        let index = strip::read(&picture).map(usize::from);
        let captured = index.and_then(|index| locked(&self.0.captured).get(index).copied());
        if let Some(captured) = captured {
            locked(&self.0.pictures).push(seen.saturating_duration_since(captured));
        }
    }
}

/// Beeps twice a second.
struct Mouth {
    beep: Vec<f32>,
    block: usize,
    journal: Arc<Journal>,
}

impl AudioSource for Mouth {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        let place = self.block % BEEP_EVERY_BLOCKS;
        self.block += 1;
        out.fill(0.0);
        if place < BEEP_BLOCKS {
            // Ten whole periods, so that blocks join without a step.
            out.copy_from_slice(&self.beep);
        }
        if place == 0 {
            *locked(&self.journal.spoken) = Instant::now().checked_sub(Duration::from_millis(10));
        }
        Ok(())
    }
}

struct Ear {
    journal: Arc<Journal>,
    quiet: usize,
}

impl SoundSink for Ear {
    fn play(&mut self, block: &[f32; BLOCK_SAMPLES]) {
        let now = Instant::now();
        for (n, sample) in block.iter().enumerate() {
            if sample.abs() < HEARD_ABOVE {
                self.quiet += 1;
                continue;
            }
            let has_begun = self.quiet >= QUIET_SAMPLES;
            self.quiet = 0;
            let spoken = locked(&self.journal.spoken).filter(|_| has_begun);
            if let Some(spoken) = spoken {
                let heard = now + Duration::from_secs_f64(n as f64 / 48_000.0);
                locked(&self.journal.sounds).push(heard.saturating_duration_since(spoken));
            }
        }
    }
}

/// Says a delay in milliseconds.
pub fn in_ms(delays: &[Duration], percent: usize) -> Result<f64> {
    delays.first().context("no delays")?;
    Ok(percentile(delays, percent).as_secs_f64() * 1000.0)
}
