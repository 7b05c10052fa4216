//! Microphones and loudspeakers on a real sound server: what is heard and played, and what happens
//! when a device or the whole server goes away. The devices are used by a process of its own, because
//! its environment says which server is meant.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use snug_testkit::process::{Event, PATIENCE, Program, now_ms};
use snug_testkit::pulse::Pulse;
use snug_testkit::wav::Sound;
use snug_testkit::{lane, tone, usage, wav};

const TONE_HZ: u32 = 1_000;
const AMPLITUDE: f32 = 0.25;
/// Within this what changes has to be known.
const SOON: Duration = Duration::from_secs(1);
/// What a server may take to start a device that nobody has used yet.
const WARM_UP_S: f64 = 3.0;
const MEASURED_S: f64 = 10.0;
/// What else this machine does can only tear holes, so the best of a few runs counts.
const TRIES: usize = 3;

fn device(pulse: &Pulse, arguments: &[&str]) -> Result<Program> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sound_device"));
    command.args(arguments).envs(pulse.environment());
    Program::start(command)
}

fn event(program: &Program, kind: &str, within: Duration) -> Result<Event> {
    program.wait_for(kind, within, |event| event.kind == kind)
}

fn names(list: &Value) -> Vec<&str> {
    let devices = list.as_array().map(Vec::as_slice).unwrap_or_default();
    devices.iter().filter_map(|d| d["name"].as_str()).collect()
}

/// Cuts out the seconds to be measured: from a while after the tone began.
fn measured(sound: &Sound) -> Result<Sound> {
    let starts = sound.samples.iter().position(|s| s.abs() > AMPLITUDE / 2.0);
    let starts_s = starts.context("nothing was heard")? as f64 / f64::from(sound.rate_hz);
    ensure!(starts_s < WARM_UP_S, "first heard after {starts_s:.1} s");
    let from_s = starts_s + 0.5;
    let samples = sound.between(from_s, from_s + MEASURED_S).to_vec();
    let rate_hz = sound.rate_hz;
    let cut = Sound { rate_hz, samples };
    ensure!(
        cut.seconds() > MEASURED_S - 0.1,
        "only {:.1} s",
        cut.seconds()
    );
    Ok(cut)
}

fn assert_is_the_tone(sound: &Sound, who: &str) -> Result<()> {
    let sound = measured(sound)?;
    let level = tone::level_db(&sound.samples);
    let played = 20.0 * f64::from(AMPLITUDE).log10() - 3.01;
    let share = tone::energy_share(&sound, f64::from(TONE_HZ), 20.0);
    let gap = tone::gaps(&sound).first().map_or(0.0, |gap| gap.length_ms);
    println!(
        "{who}: {level:.2} dB, {:.2} % in band, longest gap {gap} ms",
        share * 100.0
    );
    ensure!(
        (level - played).abs() < 1.0,
        "{who}: {level:.2} dB of {played:.2}"
    );
    ensure!(share > 0.95, "{who}: {:.1} % in band", share * 100.0);
    ensure!(gap <= 60.0, "{who}: a gap of {gap} ms");
    Ok(())
}

#[test]
fn a_tone_is_heard_by_the_microphone_and_played_by_the_loudspeaker() -> Result<()> {
    let _turn = lane::turn();
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = hear_and_play();
        if last.is_ok() {
            break;
        }
    }
    last
}

fn hear_and_play() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pulse = Pulse::start()?;
    // Another rate than the call's: somebody has to convert.
    let microphone = pulse.plug_microphone("desk", "Desk microphone", 44_100)?;
    let speaker = pulse.plug_speaker("hall", "Hall loudspeaker", 48_000)?;
    let _playing = pulse.play_tone(&microphone.sink, TONE_HZ, AMPLITUDE)?;
    let recording = pulse.record(&speaker.sink)?;
    let heard = folder.path().join("heard.wav");
    let seconds = (WARM_UP_S + MEASURED_S + 1.0).to_string();
    let listener = device(&pulse, &["listen", "-", &seconds, path(&heard)])?;
    let tone = [TONE_HZ.to_string(), AMPLITUDE.to_string()];
    let player = device(&pulse, &["play", "-", &seconds, &tone[0], &tone[1]])?;
    for (program, name) in [
        (&listener, "Desk microphone"),
        (&player, "Hall loudspeaker"),
    ] {
        let opened = event(program, "opened", PATIENCE)?;
        assert_eq!(opened.text("name"), name);
        let counters = event(program, "counters", PATIENCE + Duration::from_secs(15))?;
        println!("{name}: {}", counters.body);
        assert_eq!(counters.text("by"), "PulseAudio");
        event(program, "closed", PATIENCE)?;
    }
    listener.ended(PATIENCE)?;
    assert_is_the_tone(&wav::read(&heard)?, "microphone")?;
    assert_is_the_tone(&recording.stop()?, "loudspeaker")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary path is plain")
}

/// The server would move the stream to the other device: nobody chose that one.
#[test]
fn a_device_that_is_pulled_out_is_lost_within_a_second() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let pulse = Pulse::start()?;
    let _others = (
        pulse.plug_microphone("lid", "Lid microphone", 48_000)?,
        pulse.plug_speaker("lid_speaker", "Lid loudspeaker", 48_000)?,
    );
    let microphone = pulse.plug_microphone("headset", "Headset", 48_000)?;
    let speaker = pulse.plug_speaker("headset_speaker", "Headset", 48_000)?;
    let _playing = pulse.play_tone(&microphone.sink, TONE_HZ, AMPLITUDE)?;
    let heard = folder.path().join("heard.wav");
    let heard = path(&heard);
    let listener = device(&pulse, &["listen", "pulseaudio:headset", "60", heard])?;
    let id = "pulseaudio:headset_speaker";
    let player = device(&pulse, &["play", id, "60", "1000", "0.1"])?;
    event(&listener, "opened", PATIENCE)?;
    event(&player, "opened", PATIENCE)?;
    std::thread::sleep(SOON);
    for (program, plugged, code) in [
        (&listener, microphone, "microphone_unplugged"),
        (&player, speaker, "speaker_unplugged"),
    ] {
        let unplugged_ms = now_ms();
        pulse.unplug(plugged)?;
        let error = event(program, "error", PATIENCE)?;
        assert_eq!(
            (error.text("code"), error.text("message")),
            (code, "Headset was unplugged")
        );
        let after_ms = error.at_ms.saturating_sub(unplugged_ms);
        assert!(after_ms < 1_000, "told after {after_ms} ms");
        event(program, "closed", PATIENCE)?;
    }
    assert_eq!(
        pulse
            .control(&["list", "short", "source-outputs"])?
            .lines()
            .count(),
        1,
        "only the made-up microphone that is left still records"
    );
    Ok(())
}

#[test]
fn what_is_plugged_in_pulled_out_and_preferred_is_known_within_a_second() -> Result<()> {
    let _turn = lane::turn();
    let pulse = Pulse::start()?;
    let watch = device(&pulse, &["watch"])?;
    let first = event(&watch, "devices", PATIENCE)?;
    assert_eq!(
        (
            names(&first.body["microphones"]),
            names(&first.body["speakers"])
        ),
        (vec![], vec![])
    );
    let told = |what: &str, since_ms: u64, wanted: &dyn Fn(&Value) -> bool| {
        let event = watch.wait_for(what, PATIENCE, |event| {
            event.kind == "devices" && event.at_ms >= since_ms && wanted(&event.body)
        })?;
        let after_ms = event.at_ms - since_ms;
        ensure!(after_ms < 1_000, "{what}: told after {after_ms} ms");
        println!("{what}: told after {after_ms} ms");
        Ok(())
    };
    let since_ms = now_ms();
    let desk = pulse.plug_microphone("desk", "Desk", 48_000)?;
    told("the microphone", since_ms, &|lists| {
        names(&lists["microphones"]).first() == Some(&"Desk")
    })?;
    let since_ms = now_ms();
    let hall = pulse.plug_speaker("hall", "Hall", 48_000)?;
    told("the loudspeaker", since_ms, &|lists| {
        names(&lists["speakers"]).contains(&"Hall")
    })?;
    // It came as the favourite already, perhaps with the same news.
    let since_ms = now_ms();
    pulse.prefer_speaker(&desk.sink)?;
    told("another favourite", since_ms, &|lists| {
        names(&lists["speakers"]).last() == Some(&"Hall")
    })?;
    let since_ms = now_ms();
    pulse.prefer_speaker("hall")?;
    told("the favourite", since_ms, &|lists| {
        names(&lists["speakers"]).first() == Some(&"Hall")
    })?;
    let used = usage::processor_time(watch.id())?;
    std::thread::sleep(2 * SOON);
    let used = usage::processor_time(watch.id())? - used;
    assert!(
        used < Duration::from_millis(20),
        "{used:?} in 2 s of watching"
    );
    let since_ms = now_ms();
    pulse.unplug(desk)?;
    told("its end", since_ms, &|lists| {
        !names(&lists["microphones"]).contains(&"Desk")
    })?;
    let since_ms = now_ms();
    pulse.unplug(hall)?;
    told("the other end", since_ms, &|lists| {
        !names(&lists["speakers"]).contains(&"Hall")
    })?;
    let since_ms = now_ms();
    pulse.kill();
    told("the end of the server", since_ms, &|lists| {
        names(&lists["speakers"]).is_empty()
    })
}

#[test]
fn an_id_outlives_the_server_and_monitors_come_last() -> Result<()> {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let pulse = Pulse::start()?;
        pulse.plug_speaker("hall", "Hall", 48_000)?;
        pulse.plug_microphone("desk", "", 48_000)?;
        let ended = device(&pulse, &["list"])?.ended(PATIENCE)?;
        let lists: Vec<Value> = ended
            .stdout
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let microphones = &lists[0]["devices"];
        // Without a label of its own, the server's name has to do.
        assert_eq!(names(microphones)[0], "desk");
        assert_eq!(microphones[0]["is_default"], true);
        assert_eq!(
            microphones.as_array().map(Vec::len),
            Some(3),
            "{microphones}"
        );
        ids.push(microphones[0]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    Ok(())
}

#[test]
fn without_a_sound_server_or_a_device_everything_says_so_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("never.wav");
    let started_ms = now_ms();
    let run = |arguments: &[&str]| -> Result<Vec<Value>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sound_device"));
        command.args(arguments).envs(Pulse::nowhere(folder.path()));
        let ended = Program::start(command)?.ended(PATIENCE)?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines = ended.stdout.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>()?)
    };
    for (arguments, code) in [
        (&["listen", "-", "1", path(&out)][..], "microphone_absent"),
        (
            &["listen", "pulseaudio:gone", "1", path(&out)],
            "microphone_absent",
        ),
        (&["play", "-", "1", "1000", "0.1"], "speaker_absent"),
    ] {
        let said = run(arguments)?;
        assert_eq!(said[0]["code"], code, "{arguments:?}: {said:?}");
    }
    let lists = run(&["list"])?;
    assert!(
        lists.iter().all(|list| names(&list["devices"]).is_empty()),
        "{lists:?}"
    );
    assert!(
        now_ms() - started_ms < 4_000,
        "four calls took {} ms",
        now_ms() - started_ms
    );
    Ok(())
}

#[test]
fn a_server_that_hangs_is_an_error_and_not_a_frozen_program() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("never.wav");
    let pulse = Pulse::start()?;
    pulse.plug_microphone("desk", "Desk", 48_000)?;
    pulse.freeze(true)?;
    let started_ms = now_ms();
    let listener = device(&pulse, &["listen", "-", "1", path(&out)])?;
    let error = event(&listener, "error", PATIENCE)?;
    assert_eq!(error.text("code"), "microphone_failed");
    let after_ms = error.at_ms - started_ms;
    assert!(after_ms < 3_000, "told after {after_ms} ms");
    pulse.freeze(false)
}

/// A switch that is pressed forty times must leave neither a listening microphone nor a pile of
/// threads and connections behind.
#[test]
fn a_closed_device_is_free_however_often_it_was_open() -> Result<()> {
    let _turn = lane::turn();
    let pulse = Pulse::start()?;
    let microphone = pulse.plug_microphone("desk", "Desk", 48_000)?;
    let speaker = pulse.plug_speaker("hall", "Hall", 48_000)?;
    pulse.prefer_speaker("hall")?;
    // Awake devices, as those of a computer are.
    let _playing = (
        pulse.play_tone(&microphone.sink, TONE_HZ, AMPLITUDE)?,
        pulse.play_tone(&speaker.sink, TONE_HZ, AMPLITUDE)?,
    );
    let clients = |pulse: &Pulse| -> Result<usize> {
        Ok(pulse
            .control(&["list", "short", "clients"])?
            .lines()
            .count())
    };
    let before = clients(&pulse)?;
    let program = device(&pulse, &["reopen", "40"])?;
    event(&program, "closed", Duration::from_secs(60))?;
    std::thread::sleep(SOON);
    assert_eq!(
        pulse
            .control(&["list", "short", "source-outputs"])?
            .lines()
            .count(),
        1,
        "only the made-up microphone itself still records"
    );
    let threads = std::fs::read_dir(format!("/proc/{}/task", program.id()))?.count();
    let left = clients(&pulse)?.saturating_sub(before);
    println!("{left} connections and {threads} threads are left");
    assert!(
        left <= 2 && threads <= 4,
        "{left} connections, {threads} threads"
    );
    Ok(())
}
