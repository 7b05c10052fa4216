//! Two windows and one participant without a window in one room: everybody sees and hears the
//! others. Sound goes through made-up devices, from one person's microphone to the other's
//! loudspeaker, and is measured there.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::lane;
use snug_testkit::process::PATIENCE;
use snug_testkit::pulse::{Plugged, Pulse};
use snug_testkit::tone;
use snug_testkit::wav::Sound;

use crate::desk::{film_guest, host, opening, real_microphone, tiles};

/// Another one than the 1 kHz of the participant without a window.
const TONE_HZ: u32 = 700;
const AMPLITUDE: f32 = 0.25;
const BAND_HZ: f64 = 30.0;
/// What the headless participant plays.
const GUEST_TONE_HZ: f64 = 1000.0;
const LISTENED: Duration = Duration::from_secs(10);
/// The beginning of a recording, in which the recorder itself starts.
const SKIPPED_S: usize = 1;

const LEVEL_TOLERANCE_DB: f64 = 1.0;
const SHARE_MIN: f64 = 0.95;
const GAP_MS_MAX: f64 = 60.0;
/// What else this machine does can only tear holes, so the best of a few times counts.
const TRIES: usize = 3;

/// A person's ears and mouth: a sound server with one of each.
struct Person {
    pulse: Pulse,
    microphone: Plugged,
    speaker: Plugged,
}

impl Person {
    fn new() -> Result<Self> {
        let pulse = Pulse::start()?;
        Ok(Self {
            microphone: pulse.plug_microphone("mouth", "Microphone", 48_000)?,
            speaker: pulse.plug_speaker("ear", "Speaker", 48_000)?,
            pulse,
        })
    }

    /// Records what comes out of their loudspeaker.
    fn hears(&self, during: Duration) -> Result<Sound> {
        let recording = self.pulse.record(&self.speaker.sink)?;
        std::thread::sleep(during + Duration::from_secs(SKIPPED_S as u64));
        let mut sound = recording.stop()?;
        let skipped = sound.rate_hz as usize * SKIPPED_S;
        // The recorder needs a moment to begin, and more of it on a busy machine.
        let least = skipped + sound.rate_hz as usize * during.as_secs() as usize / 2;
        ensure!(
            sound.samples.len() > least,
            "only {} samples were recorded",
            sound.samples.len()
        );
        sound.samples.drain(..skipped);
        Ok(sound)
    }
}

#[test]
fn three_in_a_room_see_and_hear_each_other() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let (ada, bob) = (Person::new()?, Person::new()?);
    let adas = real_microphone(opening().name("Ada"))
        .sound(&ada.pulse)
        .open()?;
    let link = host(&adas)?;
    let bobs = real_microphone(opening().name("Bob"))
        .sound(&bob.pulse)
        .argument(&link)
        .open()?;
    let mut grace = film_guest(&link, "Grace", folder.path())?;
    let grace_id = grace.joined()?;

    // Everybody sees everybody.
    for window in [&adas, &bobs] {
        tiles(window, 3, PATIENCE)?;
        window.strip(&format!(r#"data-person="{grace_id}""#), PATIENCE)?;
        let other = other_id(window, &grace_id)?;
        let before = window.strip(&format!(r#"data-person="{other}""#), PATIENCE)?;
        window.strip_after(&format!(r#"data-person="{other}""#), before, PATIENCE)?;
    }
    grace
        .program
        .wait_for("both windows' pictures and sound", PATIENCE, |event| {
            let peers = event.body["peers"].as_array().cloned().unwrap_or_default();
            event.kind == "stats"
                && peers.len() == 2
                && peers.iter().all(|peer| {
                    let tracks = peer["tracks"].as_array().cloned().unwrap_or_default();
                    let receives = |kind: &str, figure: &str| {
                        tracks.iter().any(|track| {
                            track["kind"] == kind && track[figure].as_u64().unwrap_or_default() > 0
                        })
                    };
                    receives("video", "frames_decoded") && receives("audio", "packets_received")
                })
        })?;

    // Grace's tone comes out of both loudspeakers, while nobody else makes a sound.
    for person in [&ada, &bob] {
        best_of_a_few(|| {
            let heard = person.hears(Duration::from_secs(2))?;
            let share = tone::energy_share(&heard, GUEST_TONE_HZ, BAND_HZ);
            ensure!(
                share >= SHARE_MIN,
                "only {share:.3} of what is heard is Grace's tone"
            );
            Ok(())
        })?;
    }

    // Then only Ada's: into her microphone, out of Bob's loudspeaker.
    grace.control("microphone off")?;
    let _tone = ada
        .pulse
        .play_tone(&ada.microphone.sink, TONE_HZ, AMPLITUDE)?;
    std::thread::sleep(Duration::from_secs(1));
    best_of_a_few(|| hears_the_tone(&bob))?;

    // Her own loudspeaker says nothing of it.
    let own = ada.hears(Duration::from_secs(1))?;
    ensure!(tone::level_db(&own.samples) < -60.0, "Ada hears herself");
    Ok(())
}

/// Measures until it is good, a few times at most.
fn best_of_a_few(measure: impl Fn() -> Result<()>) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = measure();
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Measures what comes out of somebody's loudspeaker.
fn hears_the_tone(person: &Person) -> Result<()> {
    let heard = person.hears(LISTENED)?;
    let wanted_db =
        tone::level_db(&Sound::sine(48_000, f64::from(TONE_HZ), AMPLITUDE, 1.0).samples);
    let level_db = tone::level_db(&heard.samples);
    let share = tone::energy_share(&heard, f64::from(TONE_HZ), BAND_HZ);
    let gaps = tone::gaps(&heard);
    println!("level {level_db:.2} dB of {wanted_db:.2}, share {share:.4}, gaps {gaps:?}");
    ensure!(
        (level_db - wanted_db).abs() <= LEVEL_TOLERANCE_DB,
        "{level_db:.2} dB instead of {wanted_db:.2}"
    );
    ensure!(
        share >= SHARE_MIN,
        "only {share:.3} of the energy is the tone"
    );
    let longest = gaps.first().map_or(0.0, |gap| gap.length_ms);
    ensure!(longest <= GAP_MS_MAX, "gaps: {gaps:?}");
    ensure!(
        heard.samples.len() as f64 / 48_000.0 >= LISTENED.as_secs_f64() - 1.0,
        "cut short"
    );
    Ok(())
}

/// Says the id of the person in a window who is neither oneself nor `known`.
fn other_id(window: &snug_testkit::window::Window, known: &str) -> Result<String> {
    let snapshot = window.snapshot()?;
    let people = snapshot["stage"]["people"].as_array().context("people")?;
    let other = people
        .iter()
        .find(|it| it["is_me"] == false && it["id"] != known)
        .context("nobody else")?;
    Ok(other["id"].as_str().unwrap_or_default().to_owned())
}
