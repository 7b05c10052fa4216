//! A film clip and a voice cross a room and are recorded; a tone does. What is measured is what a
//! person would see and hear when playing the recording in another program (ffmpeg).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::fixtures::{self, StampedFilm};
use snug_testkit::process::{Join, PATIENCE, Server};
use snug_testkit::wav::Sound;
use snug_testkit::{correlate, decode, lane, psnr, strip, tone, wav};

/// Silence before the speech, so that it begins when both ends are connected.
const LEAD_S: f64 = 2.5;
/// Longer than the call lasts, so that neither picture nor sound repeats.
const SOURCE_S: f64 = 30.0;

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

/// What became of one recorded picture: the number on it and how like its source it is.
type Seen = Option<(u16, f64)>;

#[test]
fn film_and_speech_arrive_whole_and_in_step() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let (camera, microphone) = (
        folder.path().join("film.y4m"),
        folder.path().join("voice.wav"),
    );
    let film = StampedFilm::load()?;
    film.write(
        &camera,
        (SOURCE_S / film.format.frame_interval_s()) as usize,
    )?;
    let speech = wav::read(&fixtures::speech())?;
    wav::write(&microphone, &padded(&speech))?;
    let recording = folder.path().join("out.webm");

    let server = Server::start()?;
    let sender = Join::new(&server.link("studio"), "sender")
        .camera(camera)
        .microphone(microphone);
    // The voice ends before the recording does.
    record(
        &server,
        &sender,
        "video",
        LEAD_S + speech.seconds() + 1.0,
        &recording,
    )?;

    let pictures = decode::pictures(&recording, |picture| -> Seen {
        let index = strip::read(picture)?;
        let source = film.source(usize::from(index));
        Some((index, psnr::luma_db(picture, source, strip::ROWS)))
    })?;
    let heard = decode::sound(&recording)?;
    check_pictures(&pictures)?;
    let found = correlate::find(&speech.samples, &heard.samples);
    println!(
        "speech: correlation {:.3} at {} samples",
        found.score, found.lag_samples
    );
    ensure!(
        found.score >= 0.9,
        "the speech correlates only {:.3}",
        found.score
    );

    let interval_s = film.format.frame_interval_s();
    let late = |(at_s, seen): &(f64, Seen)| Some(at_s - f64::from(seen.as_ref()?.0) * interval_s);
    let video_late_s = median(pictures.iter().filter_map(late).collect()).context("no strip")?;
    let audio_late_s = found.lag_samples as f64 / f64::from(heard.rate_hz) - LEAD_S;
    let step_ms = (audio_late_s - video_late_s) * 1000.0;
    println!("sound is {step_ms:+.1} ms behind the picture");
    ensure!(
        step_ms.abs() <= 40.0,
        "sound and picture are {step_ms:.1} ms out of step"
    );
    Ok(())
}

fn check_pictures(pictures: &[(f64, Seen)]) -> Result<()> {
    let first_s = pictures.first().context("no pictures")?.0;
    let unreadable = pictures.iter().filter(|(_, seen)| seen.is_none()).count();
    let distinct: BTreeSet<u16> = pictures
        .iter()
        .filter(|(at_s, _)| *at_s < first_s + 10.0)
        .filter_map(|(_, seen)| Some(seen.as_ref()?.0))
        .collect();
    let quality: Vec<f64> = pictures
        .iter()
        .filter_map(|(_, seen)| Some(seen.as_ref()?.1))
        .collect();
    let mean = quality.iter().sum::<f64>() / quality.len() as f64;
    let worst = quality.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "{} pictures, {} distinct in 10 s, PSNR-Y mean {mean:.1} worst {worst:.1} dB",
        pictures.len(),
        distinct.len()
    );
    ensure!(
        unreadable == 0,
        "{unreadable} pictures have no readable strip"
    );
    ensure!(
        distinct.len() >= 240,
        "only {} distinct pictures in 10 s",
        distinct.len()
    );
    ensure!(mean >= 30.0, "mean PSNR-Y is {mean:.1} dB");
    ensure!(worst >= 25.0, "worst PSNR-Y is {worst:.1} dB");
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

fn padded(speech: &Sound) -> Sound {
    let rate = f64::from(speech.rate_hz);
    let mut samples = vec![0.0; (LEAD_S * rate) as usize];
    samples.extend_from_slice(&speech.samples);
    samples.resize((SOURCE_S * rate) as usize, 0.0);
    Sound {
        rate_hz: speech.rate_hz,
        samples,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
