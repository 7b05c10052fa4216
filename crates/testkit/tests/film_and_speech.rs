//! A film clip and a voice cross a room and are recorded; a tone does. What is measured is what a
//! person would see and hear when playing the recording in another program (ffmpeg).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snug_testkit::cable::Cable;
use snug_testkit::fixtures::{self, StampedFilm};
use snug_testkit::netns::{Namespace, with_rights};
use snug_testkit::process::{Join, PATIENCE, Participant, Server, track_sum};
use snug_testkit::profile::Profile;
use snug_testkit::wav::Sound;
use snug_testkit::{correlate, decode, lane, psnr, strip, tone, wav};

/// Silence before the speech, so that it begins when both ends are connected.
const LEAD_S: f64 = 2.5;
/// How much of the speech is said: some sentences, in a call of less than 20 s.
const SPEECH_S: f64 = 11.0;
/// Longer than the call lasts, so that neither picture nor sound repeats.
const SOURCE_S: f64 = 20.0;

/// How far sound and picture may be apart, in milliseconds.
const IN_STEP_MS: f64 = 40.0;
/// While layers change that is looked at in pieces so long.
const STEP_S: f64 = 2.0;
/// Sources for a call that waits for layers.
const LAYERS_SOURCE_S: f64 = 60.0;
/// How long a way may take to be found out.
const LAYERS_WITHIN: Duration = Duration::from_secs(20);
/// A way that does not carry the best layer of the film.
const THIN_KBPS: u64 = 600;
const FILM_ROWS: u64 = 360;

/// Joins a recorder and then a sender, and lets them talk for `seconds` after the first frame of
/// `kind` before the recorder leaves.
fn record(server: &Server, sender: &Join, kind: &str, seconds: f64, path: &Path) -> Result<()> {
    let link = server.link("studio");
    let recorder = Join::new(&link, "recorder")
        .with("--record")
        .with(path)
        .start()?;
    recorder.joined()?;
    let sender = sender.start()?;
    let sender_id = sender.joined()?;
    recorder.first_frame(&sender_id, kind, PATIENCE)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let said = recorder.leave()?;
    println!(
        "{}",
        said.stdout
            .lines()
            .rev()
            .find(|l| l.contains("stats"))
            .unwrap_or_default()
    );
    sender.leave().map(drop)
}

#[test]
fn film_and_speech_arrive_whole_and_in_step() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let sources = Sources::make(folder.path(), SOURCE_S)?;
    let recording = folder.path().join("out.webm");
    let server = Server::start()?;
    let link = server.link("studio");
    let sender = Join::new(&link, "sender")
        .camera(&sources.camera)
        .microphone(&sources.microphone);
    // The voice ends before the recording does.
    let seconds = LEAD_S + sources.speech.seconds() + 1.0;
    record(&server, &sender, "video", seconds, &recording)?;
    let figures = sources.measure(&recording)?;
    println!("{figures:?}");
    figures.check()
}

/// A receiver whose way narrows and widens again is shown less and all again; whatever it is shown
/// stays in step with what it hears.
#[test]
fn picture_and_sound_stay_in_step_while_layers_change() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let folder = tempfile::tempdir()?;
        let sources = Sources::make(folder.path(), LAYERS_SOURCE_S)?;
        // Somebody who does not stop speaking.
        let mut voice = wav::read(&fixtures::speech())?;
        while voice.seconds() < LAYERS_SOURCE_S {
            voice.samples.extend_from_within(..);
        }
        wav::write(&sources.microphone, &voice)?;
        let recording = folder.path().join("out.webm");
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let cable = Cable::lay(&near, &far, Profile::Clear, 9)?;
        let server = Server::start_with(Some(&far), &[])?;
        let link = server.link_by(&Cable::FAR.to_string(), "studio");
        let recorder = Join::new(&link, "recorder")
            .with("--record")
            .with(&recording)
            .start_in(Some(&near))?;
        recorder.joined()?;
        let sender = Join::new(&link, "sender").camera(&sources.camera);
        let sender = sender
            .microphone(&sources.microphone)
            .start_in(Some(&far))?;
        let id = sender.joined()?;
        recorder.first_frame(&id, "video", PATIENCE)?;
        let shown = |what: &str, is_it: fn(u64) -> bool| -> Result<()> {
            let start = Instant::now();
            while !is_it(rows_seen(&recorder, &id)?) {
                ensure!(start.elapsed() < LAYERS_WITHIN, "no {what}");
                std::thread::sleep(Duration::from_millis(100));
            }
            println!("{what} after {:?}", start.elapsed());
            std::thread::sleep(Duration::from_secs(4));
            Ok(())
        };
        let whole = |rows| rows == FILM_ROWS;
        shown("the whole picture", whole)?;
        cable.change(Profile::Bottleneck(THIN_KBPS));
        shown("a smaller one", |rows| (1..FILM_ROWS).contains(&rows))?;
        cable.change(Profile::Clear);
        shown("the whole one again", whole)?;
        recorder.leave()?;
        sender.leave()?;
        sources.check_in_step(&recording)
    })
}

fn rows_seen(viewer: &Participant, peer: &str) -> Result<u64> {
    let latest = viewer.statistics().context("no statistics yet")?;
    Ok(track_sum(&latest, peer, "video", "height"))
}

/// What the sender shows and says.
struct Sources {
    film: StampedFilm,
    speech: Sound,
    camera: PathBuf,
    microphone: PathBuf,
}

/// What became of it in the recording.
#[derive(Debug)]
struct Figures {
    /// Pictures on which the number cannot be read.
    unreadable: usize,
    /// Different numbers in the ten seconds from the first picture on.
    distinct_in_10_s: usize,
    psnr_y_db_mean: f64,
    psnr_y_db_min: f64,
    speech_correlation: f64,
    /// How much later the sound is than the picture, against the sources.
    sound_late_ms: f64,
}

impl Sources {
    fn make(folder: &Path, seconds: f64) -> Result<Self> {
        let (camera, microphone) = (folder.join("film.y4m"), folder.join("voice.wav"));
        let film = StampedFilm::load()?;
        film.write(&camera, (seconds / film.format.frame_interval_s()) as usize)?;
        let mut speech = wav::read(&fixtures::speech())?;
        let kept = (SPEECH_S * f64::from(speech.rate_hz)) as usize;
        speech.samples.truncate(kept);
        wav::write(&microphone, &padded(&speech, seconds))?;
        Ok(Self {
            film,
            speech,
            camera,
            microphone,
        })
    }

    /// Fails unless the picture is in step with the sound in every two seconds of a recording.
    fn check_in_step(&self, recording: &Path) -> Result<()> {
        let (said, heard) = (wav::read(&self.microphone)?, decode::sound(recording)?);
        let pictures = decode::pictures(recording, strip::read)?;
        let first_s = pictures.first().context("no pictures")?.0;
        let mut windows: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (at_s, index) in &pictures {
            let Some(index) = index else { continue };
            let late_s = at_s - f64::from(*index) * self.film.format.frame_interval_s();
            let window = ((at_s - first_s) / STEP_S) as u64;
            windows.entry(window).or_default().push(late_s);
        }
        let mut apart = Vec::new();
        for (window, late_s) in windows {
            let from_s = first_s + window as f64 * STEP_S;
            let late_s = median(late_s).context("an empty window")?;
            let piece = heard.between(from_s, from_s + STEP_S);
            // What was said when the pictures of this window were taken, and a second around it.
            let taken_s = from_s - late_s;
            let around = said.between(taken_s - 1.0, taken_s + STEP_S + 1.0);
            if taken_s < 1.0 || piece.len() * 2 > around.len() + 2 {
                continue;
            }
            let found = correlate::find(piece, around);
            let lag_s = found.lag_samples as f64 / f64::from(said.rate_hz);
            // Where much of the sound was lost it says nothing of the time.
            if found.score > 0.6 {
                apart.push((1.0 - lag_s) * 1000.0);
            }
        }
        println!("the sound is later by {apart:.1?} ms");
        ensure!(
            apart.len() >= 5,
            "sound and pictures in {} windows",
            apart.len()
        );
        ensure!(apart.iter().all(|ms| ms.abs() <= IN_STEP_MS), "{apart:?}");
        Ok(())
    }

    /// Plays the recording and compares it with the sources.
    fn measure(&self, recording: &Path) -> Result<Figures> {
        let pictures = decode::pictures(recording, |picture| {
            let index = strip::read(picture)?;
            let source = self.film.source(usize::from(index));
            Some((index, psnr::luma_db(picture, source, strip::ROWS)))
        })?;
        let first_s = pictures.first().context("no pictures")?.0;
        let read: Vec<(f64, u16, f64)> = pictures
            .iter()
            .filter_map(|(at_s, seen)| seen.map(|(index, quality)| (*at_s, index, quality)))
            .collect();
        let early = read.iter().filter(|(at_s, ..)| *at_s < first_s + 10.0);
        let distinct: BTreeSet<u16> = early.map(|(_, index, _)| *index).collect();

        let heard = decode::sound(recording)?;
        let found = correlate::find(&self.speech.samples, &heard.samples);
        let interval_s = self.film.format.frame_interval_s();
        let late = read
            .iter()
            .map(|(at_s, index, _)| at_s - f64::from(*index) * interval_s);
        let picture_late_s = median(late.collect()).context("no picture has a number")?;
        let sound_late_s = found.lag_samples as f64 / f64::from(heard.rate_hz) - LEAD_S;
        Ok(Figures {
            unreadable: pictures.len() - read.len(),
            distinct_in_10_s: distinct.len(),
            psnr_y_db_mean: read.iter().map(|seen| seen.2).sum::<f64>() / read.len() as f64,
            psnr_y_db_min: read.iter().map(|seen| seen.2).fold(f64::INFINITY, f64::min),
            speech_correlation: found.score,
            sound_late_ms: (sound_late_s - picture_late_s) * 1000.0,
        })
    }
}

impl Figures {
    fn check(&self) -> Result<()> {
        ensure!(self.unreadable == 0, "unreadable pictures: {self:?}");
        ensure!(self.distinct_in_10_s >= 240, "too few pictures: {self:?}");
        ensure!(self.psnr_y_db_mean >= 30.0, "poor pictures: {self:?}");
        ensure!(self.psnr_y_db_min >= 25.0, "a poor picture: {self:?}");
        ensure!(
            self.speech_correlation >= 0.9,
            "the speech suffered: {self:?}"
        );
        ensure!(self.in_step(), "out of step: {self:?}");
        Ok(())
    }

    fn in_step(&self) -> bool {
        self.sound_late_ms.abs() <= IN_STEP_MS
    }
}

/// The judge is judged: recordings that ffmpeg makes of the same sources pass when they are good
/// and fail for the right reason when they are not.
#[test]
fn good_recordings_pass_and_bad_ones_fail() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sources = Sources::make(folder.path(), 15.0)?;
    let recording = folder.path().join("made.webm");
    let judged = |rate: &str, every: &str, sound_late_s: &str| -> Result<Figures> {
        make_recording(&sources, &recording, rate, every, sound_late_s)?;
        sources.measure(&recording)
    };
    let good = judged("1500k", "1", "0")?;
    println!("{good:?}");
    good.check()?;
    let refused = |figures: Figures, reason: &str| -> Result<()> {
        ensure!(
            !figures.in_step(),
            "sound 60 ms late went unnoticed: {figures:?}"
        );
        let error = figures.check().expect_err("a bad recording").to_string();
        ensure!(error.starts_with(reason), "{error} instead of {reason}");
        Ok(())
    };
    refused(judged("50k", "1", "0.06")?, "poor pictures")?;
    refused(judged("1500k", "2", "0.06")?, "too few pictures")
}

/// Encodes the sources at a bit rate, with every n-th picture only, and with the sound late.
fn make_recording(
    sources: &Sources,
    path: &Path,
    rate: &str,
    every: &str,
    sound_late_s: &str,
) -> Result<()> {
    let keep = format!("select=not(mod(n\\,{every}))");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(&sources.camera)
        .args(["-itsoffset", sound_late_s, "-i"])
        .arg(&sources.microphone)
        .args([
            "-t",
            "14.5",
            "-vf",
            &keep,
            "-fps_mode",
            "vfr",
            "-c:v",
            "libvpx",
        ])
        .args([
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-b:v",
            rate,
            "-maxrate",
            rate,
        ])
        .args(["-c:a", "libopus", "-b:a", "32k", "-application", "voip"])
        .arg(path)
        .status()?;
    ensure!(status.success(), "ffmpeg ended with {status}");
    Ok(())
}

#[test]
fn a_tone_stays_a_tone() -> Result<()> {
    let sent = Sound::sine(48_000, 1000.0, 0.25, SOURCE_S);
    let (heard, _folder) = tone_through_a_room(&sent, 11.5)?;
    let ten_s = steady(&heard, 10.0)?;
    let level = tone::level_db(&ten_s.samples) - tone::level_db(&sent.samples);
    let share = tone::energy_share(&ten_s, 1000.0, 20.0);
    let gaps = tone::gaps(&ten_s);
    println!(
        "level {level:+.2} dB, {:.2} % within 20 Hz, gaps {gaps:?}",
        share * 100.0
    );
    ensure!(level.abs() <= 1.0, "the level changed by {level:.2} dB");
    ensure!(
        share >= 0.95,
        "only {:.1} % of the energy is within 20 Hz",
        share * 100.0
    );
    if let Some(gap) = gaps.first() {
        ensure!(gap.length_ms <= 20.0, "the tone stops: {gap:?}");
    }
    Ok(())
}

/// A WAV of another rate than the codec's is played at its own pitch and level.
#[test]
fn a_wav_of_another_rate_keeps_its_pitch() -> Result<()> {
    let sent = Sound::sine(22_050, 1000.0, 0.25, SOURCE_S);
    let (heard, _folder) = tone_through_a_room(&sent, 4.0)?;
    let part = steady(&heard, 2.5)?;
    let level = tone::level_db(&part.samples) - tone::level_db(&sent.samples);
    let share = tone::energy_share(&part, 1000.0, 20.0);
    ensure!(level.abs() <= 1.0, "the level changed by {level:.2} dB");
    ensure!(
        share >= 0.95,
        "only {:.1} % of the energy is within 20 Hz",
        share * 100.0
    );
    Ok(())
}

fn tone_through_a_room(sent: &Sound, seconds: f64) -> Result<(Sound, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let (microphone, recording) = (
        folder.path().join("tone.wav"),
        folder.path().join("out.webm"),
    );
    wav::write(&microphone, sent)?;
    let server = Server::start()?;
    let sender = Join::new(&server.link("studio"), "sender").microphone(microphone);
    record(&server, &sender, "audio", seconds, &recording)?;
    Ok((decode::sound(&recording)?, folder))
}

/// Cuts `seconds` out of the recording, from half a second after the tone began.
fn steady(heard: &Sound, seconds: f64) -> Result<Sound> {
    let start = heard
        .samples
        .iter()
        .position(|s| s.abs() > 0.1)
        .context("the tone never began")?;
    let from_s = start as f64 / f64::from(heard.rate_hz) + 0.5;
    let samples = heard.between(from_s, from_s + seconds).to_vec();
    let cut = Sound {
        rate_hz: heard.rate_hz,
        samples,
    };
    ensure!(
        cut.seconds() > seconds - 0.01,
        "only {:.1} s of tone were recorded",
        cut.seconds()
    );
    Ok(cut)
}

fn padded(speech: &Sound, seconds: f64) -> Sound {
    let rate = f64::from(speech.rate_hz);
    let mut samples = vec![0.0; (LEAD_S * rate) as usize];
    samples.extend_from_slice(&speech.samples);
    samples.resize((seconds * rate) as usize, 0.0);
    Sound {
        rate_hz: speech.rate_hz,
        samples,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
