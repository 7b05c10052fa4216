//! Uses the microphones and loudspeakers of this computer as the app does, in a process of its own
//! because the sound server is named by its environment. Prints JSON lines.
//!
//! Usage: `sound_device list`, `sound_device watch`, `sound_device reopen TIMES`,
//! `sound_device listen ID SECONDS OUT.wav`, `sound_device play ID SECONDS FREQUENCY AMPLITUDE`;
//! `-` as ID is the preferred device.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use snug_media::device::{
    DeviceId, DeviceInfo, DeviceWatch, Microphone, SoundCounters, Speaker, microphones, speakers,
};
use snug_media::source::{Pacer, Tone};
use snug_media::{AudioSource, BLOCK_DURATION, BLOCK_SAMPLES, SAMPLE_RATE};
use snug_testkit::process::now_ms;
use snug_testkit::usage;
use snug_testkit::wav::{self, Sound};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => list(),
        ["watch"] => watch(),
        ["reopen", times] => reopen(times.parse()?),
        ["listen", id, seconds, out] => listen(id, seconds.parse()?, out),
        ["play", id, seconds, frequency, amplitude] => play(
            id,
            seconds.parse()?,
            Tone::new(frequency.parse()?, amplitude.parse()?),
        ),
        _ => bail!("unknown arguments: {arguments:?}"),
    }
}

fn say(kind: &str, mut body: Value) {
    body["type"] = kind.into();
    body["at_ms"] = now_ms().into();
    println!("{body}");
}

fn infos(infos: &[DeviceInfo]) -> Value {
    let infos = infos.iter().map(
        |info| json!({ "id": info.id.as_str(), "name": info.name, "is_default": info.is_default }),
    );
    infos.collect()
}

fn list() -> Result<()> {
    for (kind, listed) in [("microphones", microphones()), ("speakers", speakers())] {
        match listed {
            Ok(listed) => say(kind, json!({ "devices": infos(&listed) })),
            Err(error) => say_error(&error),
        }
    }
    Ok(())
}

/// Tells of every change until its input is closed.
fn watch() -> Result<()> {
    let _watch = DeviceWatch::start(|lists| {
        say(
            "devices",
            json!({
                "microphones": infos(&lists.microphones),
                "speakers": infos(&lists.speakers),
            }),
        );
    })?;
    std::io::read_to_string(std::io::stdin())?;
    Ok(())
}

/// Opens and closes both preferred devices, then lives on with none until its input is closed.
fn reopen(times: u32) -> Result<()> {
    for _ in 0..times {
        let (mut microphone, mut speaker) = (Microphone::open(None)?, Speaker::open(None)?);
        paced(0.1, || {
            let mut block = [0.0; BLOCK_SAMPLES];
            speaker.play(&block);
            microphone.read(&mut block).is_ok()
        });
    }
    say("closed", json!({ "times": times }));
    std::io::read_to_string(std::io::stdin())?;
    Ok(())
}

fn chosen(id: &str) -> Option<DeviceId> {
    (id != "-").then(|| DeviceId::new(id))
}

fn listen(id: &str, seconds: f64, out: &str) -> Result<()> {
    let mut microphone = match Microphone::open(chosen(id).as_ref()) {
        Ok(microphone) => microphone,
        Err(error) => {
            say_error(&error);
            return Ok(());
        }
    };
    say(
        "opened",
        infos(std::slice::from_ref(microphone.info()))[0].clone(),
    );
    let mut samples = Vec::new();
    let used = usage::processor_time(std::process::id())?;
    let mut failed = None;
    paced(seconds, || {
        let mut block = [0.0; BLOCK_SAMPLES];
        failed = microphone.read(&mut block).err();
        samples.extend_from_slice(&block);
        failed.is_none()
    });
    say_end(microphone.counters(), used)?;
    if let Some(error) = failed {
        say_error(&error);
    }
    drop(microphone);
    say("closed", json!({}));
    let rate_hz = SAMPLE_RATE;
    wav::write(out.as_ref(), &Sound { rate_hz, samples }).context("keep what was heard")
}

fn play(id: &str, seconds: f64, mut tone: Tone) -> Result<()> {
    let mut speaker = match Speaker::open(chosen(id).as_ref()) {
        Ok(speaker) => speaker,
        Err(error) => {
            say_error(&error);
            return Ok(());
        }
    };
    say(
        "opened",
        infos(std::slice::from_ref(speaker.info()))[0].clone(),
    );
    let used = usage::processor_time(std::process::id())?;
    paced(seconds, || {
        let mut block = [0.0; BLOCK_SAMPLES];
        let told = tone.read(&mut block);
        speaker.play(&block);
        told.is_ok() && !speaker.is_lost()
    });
    say_end(speaker.counters(), used)?;
    if let Err(error) = speaker.check() {
        say_error(&error);
    }
    drop(speaker);
    say("closed", json!({}));
    Ok(())
}

/// Does something every 10 ms for as long as it wants and `seconds` last.
fn paced(seconds: f64, mut step: impl FnMut() -> bool) {
    let mut pacer = Pacer::new(Instant::now());
    for block in 0..(seconds * 100.0) as u32 {
        let now = Instant::now();
        let due = pacer.due(block * BLOCK_DURATION, now);
        std::thread::sleep(due.saturating_duration_since(now));
        if !step() {
            return;
        }
    }
}

fn say_end(counters: SoundCounters, used_before: Duration) -> Result<()> {
    let used = usage::processor_time(std::process::id())?.saturating_sub(used_before);
    say(
        "counters",
        json!({
            "by": counters.by,
            "callbacks": counters.callbacks,
            "starved": counters.starved,
            "concealed_ms": counters.concealed_ms,
            "skipped_ms": counters.skipped_ms,
            "overflowed_ms": counters.overflowed_ms,
            "missed": counters.missed,
            "depth_ms": counters.depth_ms,
            "bend_ppm": counters.bend_ppm,
            "processor_ms": used.as_secs_f64() * 1000.0,
        }),
    );
    Ok(())
}

fn say_error(error: &snug_media::Error) {
    say(
        "error",
        json!({ "code": error.code(), "message": error.to_string(), "hint": error.hint() }),
    );
}
