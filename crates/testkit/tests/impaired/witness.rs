//! Participants inside this process who note what they hear and see, each in a namespace of their
//! own network.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use snug_client::{JoinOptions, Kind, Participant, PictureSink, ReceivedStats, SoundSink, Stats};
use snug_media::source::{WavFile, Y4mFile};
use snug_media::{BLOCK_SAMPLES, I420Frame};
use snug_protocol::{DisplayName, Link, TrackId};
use snug_testkit::netns::Namespace;
use tokio::sync::oneshot;

pub const RATE_HZ: u32 = 48_000;

/// Somebody in a room who shows a film, speaks, and notes what comes from the other.
pub struct Witness {
    notes: Arc<Mutex<Notes>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What was noted since the last look.
#[derive(Default)]
pub struct Notes {
    /// Everything heard, 48 kHz, in blocks of 10 ms.
    pub heard: Vec<f32>,
    /// When each picture was shown.
    pub shown: Vec<Instant>,
    /// The statistics, each time they changed.
    pub told: Vec<Stats>,
}

struct Ear(Arc<Mutex<Notes>>);

impl SoundSink for Ear {
    fn play(&mut self, block: &[f32; BLOCK_SAMPLES]) {
        lock(&self.0).heard.extend_from_slice(block);
    }
}

struct Eye(Arc<Mutex<Notes>>);

impl PictureSink for Eye {
    fn show(&self, _: &TrackId, _: &I420Frame) {
        lock(&self.0).shown.push(Instant::now());
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().expect("nobody panics with the lock")
}

impl Witness {
    /// Joins from `place`, with a film and a voice if there are any; `folder` is for what it keeps.
    pub fn join(
        place: &Namespace,
        link: &str,
        name: &str,
        folder: &Path,
        media: Option<(&Path, &Path)>,
    ) -> Result<Self> {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let link: Link = link.parse()?;
        let mut options = JoinOptions::new(
            link,
            DisplayName::parse(name)?,
            folder.join(format!("{name}.known_hosts")),
        );
        if let Some((film, voice)) = media {
            options.video = Some(Box::new(Y4mFile::open(film)?));
            options.audio = Some(Box::new(WavFile::open(voice)?));
        }
        options.pictures = Some(Arc::new(Eye(Arc::clone(&notes))));
        options.sound = Some(Box::new(Ear(Arc::clone(&notes))));
        let (end, ended) = oneshot::channel();
        let theirs = Arc::clone(&notes);
        let thread = place.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(stay(options, theirs, ended))
        })?;
        Ok(Self {
            notes,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Waits until pictures are shown and a voice is heard.
    pub fn meets(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            let notes = lock(&self.notes);
            let is_loud = notes.heard.iter().any(|sample| sample.abs() > 0.05);
            if is_loud && !notes.shown.is_empty() {
                return Ok(());
            }
            drop(notes);
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(anyhow!("nobody was seen and heard within {within:?}"))
    }

    /// Notes from now on for so long, and gives that.
    pub fn watches(&self, during: Duration) -> Notes {
        *lock(&self.notes) = Notes::default();
        std::thread::sleep(during);
        std::mem::take(&mut *lock(&self.notes))
    }

    /// Says whether a picture of one's own is held back, by the latest statistics.
    pub fn is_held_back(&self) -> bool {
        let notes = lock(&self.notes);
        let latest = notes.told.last();
        latest.is_some_and(|stats| stats.published.iter().any(|track| track.held_back))
    }

    /// Leaves the room.
    pub fn leave(mut self) -> Result<()> {
        drop(self.end.take());
        let thread = self.thread.take().context("it leaves once")?;
        thread.join().map_err(|_| anyhow!("a witness panicked"))?
    }
}

async fn stay(
    options: JoinOptions,
    notes: Arc<Mutex<Notes>>,
    ended: oneshot::Receiver<()>,
) -> Result<()> {
    let participant = Participant::join(options).await?;
    let mut stats = participant.watch_stats();
    let note = async {
        while stats.changed().await.is_ok() {
            let told = stats.borrow_and_update().clone();
            lock(&notes).told.push(told);
        }
    };
    tokio::select! {
        () = note => return Err(anyhow!("the participant ended by itself")),
        // The witness drops its end to have us leave.
        _ = ended => {}
    }
    Ok(participant.leave().await?)
}

impl Notes {
    /// How much a count of the sound has grown.
    pub fn counted(&self, count: impl Fn(&ReceivedStats) -> u64) -> u64 {
        let sum = |stats: &Stats| -> u64 {
            let tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
            let sounds = tracks.filter(|track| track.kind == Kind::Audio);
            sounds.map(|track| count(&track.received)).sum()
        };
        let (first, last) = (self.told.first(), self.told.last());
        let ends = first.zip(last);
        ends.map_or(0, |(first, last)| sum(last).saturating_sub(sum(first)))
    }

    /// Pictures shown a second, while any were.
    pub fn pictures_a_second(&self) -> f64 {
        let ends = self.shown.first().zip(self.shown.last());
        let lasted = ends.map_or(0.0, |(first, last)| (*last - *first).as_secs_f64());
        self.shown.len().saturating_sub(1) as f64 / lasted.max(1.0)
    }

    /// The share of time in which the picture froze, by the W3C's definition: an interval longer
    /// than three times the mean, or than the mean and 150 ms.
    pub fn frozen(&self) -> f64 {
        let steps: Vec<f64> = self
            .shown
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64())
            .collect();
        let total: f64 = steps.iter().sum();
        if steps.is_empty() || total == 0.0 {
            return 1.0;
        }
        let mean = total / steps.len() as f64;
        let bound = (3.0 * mean).max(mean + 0.15);
        steps.iter().filter(|step| **step > bound).sum::<f64>() / total
    }
}
