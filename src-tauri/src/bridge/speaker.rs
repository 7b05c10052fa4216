//! The loudspeaker while it is open, whoever plays to it: the call, the person's own microphone,
//! a chime.
//!
//! It can be exchanged while sound comes in, because those who play know this place and not the
//! device. Playing never waits: a block that comes in the moment of an exchange is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use snug_client::SoundSink;
use snug_media::{BLOCK_DURATION, BLOCK_SAMPLES, SAMPLE_RATE};
use tokio::time::{MissedTickBehavior, interval};

use super::sources::Playback;

/// How long nobody may have played before a chime brings its own silence along.
const QUIET: Duration = Duration::from_millis(40);

/// The two notes of the chime, a fourth apart: frequency in Hz, and when each begins.
const NOTES: [(f32, f32); 2] = [(659.26, 0.0), (880.0, 0.18)];
/// Length of the chime in seconds.
const CHIME_S: f32 = 1.1;
/// Peak of one note, as a share of full scale: clearly heard, and no fright at full volume.
const PEAK: f32 = 0.18;
/// How fast a note comes, in seconds.
const ATTACK_S: f32 = 0.008;
/// How slowly it fades, in seconds.
const FADE_S: f32 = 0.22;

type Block = [f32; BLOCK_SAMPLES];

/// Where sound goes. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    speaker: Option<Playback>,
    /// The next sample of the chime, while it sounds.
    chime_at: Option<u32>,
    played: Option<Instant>,
}

impl Ears {
    /// Plays on `speaker` from now on. Returns the one before.
    pub(crate) fn put(&self, speaker: Playback) -> Option<Playback> {
        self.lock().speaker.replace(speaker)
    }

    /// Plays nowhere from now on. Dropping what is returned frees the device, which may take a
    /// moment.
    pub(crate) fn take(&self) -> Option<Playback> {
        let mut slot = self.lock();
        slot.chime_at = None;
        slot.speaker.take()
    }

    /// Says what became of the speaker, when it was lost.
    pub(crate) fn check(&self) -> Result<(), snug_media::Error> {
        let slot = self.lock();
        slot.speaker.as_ref().map_or(Ok(()), |it| it.check())
    }

    /// Plays the next 10 ms.
    pub(crate) fn hear(&self, block: &Block) {
        let mut slot = match self.0.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        slot.play(block);
        slot.played = Some(Instant::now());
    }

    /// Plays a chime to its end, mixed into whatever else is played.
    pub(crate) async fn chime(&self) {
        self.lock().chime_at = Some(0);
        let mut tick = interval(BLOCK_DURATION);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tick.tick().await;
            let mut slot = self.lock();
            if slot.chime_at.is_none() {
                return;
            }
            if slot.played.is_none_or(|played| played.elapsed() > QUIET) {
                slot.play(&[0.0; BLOCK_SAMPLES]);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SoundSink for Ears {
    fn play(&mut self, block: &Block) {
        self.hear(block);
    }
}

impl Slot {
    fn play(&mut self, block: &Block) {
        let Some(at) = self.chime_at else {
            if let Some(speaker) = &mut self.speaker {
                speaker.play(block);
            }
            return;
        };
        let mut mixed = *block;
        for (sample, at) in mixed.iter_mut().zip(at..) {
            *sample = (*sample + chime_sample(at)).clamp(-1.0, 1.0);
        }
        let at = at + BLOCK_SAMPLES as u32;
        self.chime_at = Some(at).filter(|at| (*at as f32) < CHIME_S * SAMPLE_RATE as f32);
        if let Some(speaker) = &mut self.speaker {
            speaker.play(&mixed);
        }
    }
}

/// Gives one sample of the chime.
fn chime_sample(at: u32) -> f32 {
    let now = at as f32 / SAMPLE_RATE as f32;
    // Fades out to nothing, so that it ends without a click.
    let end = ((CHIME_S - now) / FADE_S).clamp(0.0, 1.0);
    let note = |(hertz, start): (f32, f32)| {
        let since = now - start;
        if since <= 0.0 {
            return 0.0;
        }
        let loudness = (since / ATTACK_S).min(1.0) * (-since / FADE_S).exp();
        let turn = std::f32::consts::TAU * hertz * since;
        // A little of the octave makes it a bell rather than a test tone.
        loudness * (turn.sin() + 0.2 * (2.0 * turn).sin())
    };
    PEAK * end * NOTES.into_iter().map(note).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chime() -> Vec<f32> {
        let samples = (CHIME_S * SAMPLE_RATE as f32) as u32;
        (0..samples).map(chime_sample).collect()
    }

    #[test]
    fn the_chime_is_soft_and_ends_in_silence() {
        let chime = chime();
        let peak = chime.iter().fold(0.0f32, |peak, it| peak.max(it.abs()));
        assert!((0.1..0.5).contains(&peak), "{peak}");
        assert!(chime[0].abs() < 1e-6);
        let tail = &chime[chime.len() - 480..];
        assert!(tail.iter().all(|it| it.abs() < 0.005), "{tail:?}");
        let steps = chime.windows(2).map(|it| (it[1] - it[0]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.05, "a click");
    }

    #[tokio::test]
    async fn a_chime_plays_to_its_end_where_nothing_else_is_heard() {
        let ears = Ears::default();
        let started = Instant::now();
        ears.chime().await;
        let took = started.elapsed().as_secs_f32();
        assert!(took > CHIME_S - 0.05, "{took}");
        assert!(ears.take().is_none());
    }
}
