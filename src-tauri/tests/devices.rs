//! Microphones and speakers of the window, on a sound server of the test's own: freed when off,
//! replaced when unplugged, and done without when there are none.

use anyhow::{Result, ensure};
use snug_testkit::process::PATIENCE;
use snug_testkit::pulse::Pulse;
use snug_testkit::window::{Opening, Window};

use crate::desk::{host, opening, real_microphone};

/// Prepares a window that takes what the sound server has.
fn opening_with<'a>(pulse: &Pulse) -> Opening<'a> {
    real_microphone(opening()).sound(pulse)
}

/// Waits until this many programs record at the sound server.
fn recorders(window: &Window, pulse: &Pulse, count: usize) -> Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let listed = pulse.control(&["list", "short", "source-outputs"])?;
        // Others are the server's own: the made-up microphone listens to its room.
        let programs = listed.lines().filter(|it| it.contains("protocol-native"));
        if programs.count() == count {
            return Ok(());
        }
        if std::time::Instant::now() >= deadline {
            return Err(window.failure(&format!("not {count} recorders but:\n{listed}")));
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_muted_microphone_is_not_recorded_from() -> Result<()> {
    let pulse = Pulse::start()?;
    let _microphone = pulse.plug_microphone("headset", "Headset", 48_000)?;
    let _speaker = pulse.plug_speaker("boxes", "Boxes", 48_000)?;
    let window = opening_with(&pulse).open()?;
    host(&window)?;
    window.snapshot_when("running microphone", PATIENCE, |it| {
        it["me"]["microphone"]["is_running"] == true
    })?;
    recorders(&window, &pulse, 1)?;
    window.click("mic-button")?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
    recorders(&window, &pulse, 0)?;
    window.click("mic-button")?;
    recorders(&window, &pulse, 1)
}

#[test]
fn an_unplugged_microphone_is_told_and_another_one_takes_over() -> Result<()> {
    let pulse = Pulse::start()?;
    let headset = pulse.plug_microphone("headset", "Headset", 48_000)?;
    let _built_in = pulse.plug_microphone("builtin", "Built-in microphone", 48_000)?;
    let _speaker = pulse.plug_speaker("boxes", "Boxes", 48_000)?;
    pulse.prefer_microphone("headset")?;
    let window = opening_with(&pulse).open()?;
    host(&window)?;
    window.snapshot_when("the headset", PATIENCE, |it| {
        it["me"]["microphone"]["name"] == "Headset"
    })?;
    window.click("mic-button")?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
    pulse.unplug(headset)?;
    window.reads(
        "toast",
        "Headset was unplugged. Using Built-in microphone, still muted.",
        PATIENCE,
    )?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
    // Unmuted, the other one is what is recorded from.
    window.click("mic-button")?;
    window.snapshot_when("the other microphone", PATIENCE, |it| {
        it["me"]["microphone"]["is_running"] == true
            && it["me"]["microphone"]["name"] == "Built-in microphone"
    })?;
    Ok(())
}

#[test]
fn nobody_needs_a_microphone_or_a_speaker() -> Result<()> {
    let pulse = Pulse::start()?;
    let window = opening_with(&pulse).open()?;
    window.reads("home", "No microphone", PATIENCE)?;
    host(&window)?;
    let snapshot = window.snapshot()?;
    ensure!(
        snapshot["stage"]["people"][0]["microphone"] != "live",
        "{snapshot}"
    );
    Ok(())
}
