//! The host's computer goes silent, and comes back or does not.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use snug_testkit::lane;
use snug_testkit::process::{PATIENCE, Server, Signal};
use snug_testkit::window::Window;

use crate::desk::{OTHER, film_guest, opening, tiles};

/// Tiles dim and the person is told within this (product.md).
const NOTICED_WITHIN: Duration = Duration::from_secs(3);
/// How late a test may be that looks every 50 ms on a busy machine.
const LATE: Duration = Duration::from_millis(700);
/// Pictures flow again within this, as after an outage anywhere.
const FLOWS_WITHIN: Duration = Duration::from_secs(5);
/// A minute of trying, and what the last try takes.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(80);

fn reconnecting(window: &Window, since: Instant) -> Result<()> {
    window.has(
        "room",
        "data-connection",
        "reconnecting",
        NOTICED_WITHIN + LATE,
    )?;
    let noticed = since.elapsed();
    ensure!(
        noticed <= NOTICED_WITHIN + LATE,
        "told only after {noticed:?}"
    );
    window.reads(
        "connection-note",
        "Your network dropped. Holding your place.",
        PATIENCE,
    )
}

#[test]
fn a_killed_host_is_told_within_three_seconds_and_then_given_up() -> Result<()> {
    let turn = lane::turn();
    let server = Server::start()?;
    let window = opening().argument(&server.link("Den")).open()?;
    window.has("room", "data-connection", "live", PATIENCE)?;
    let killed = Instant::now();
    server.program.signal(Signal::KILL)?;
    reconnecting(&window, killed)?;
    // The rest is waiting, which others need not wait for.
    drop(turn);
    let free = |it: &Value| {
        ["camera", "microphone"]
            .iter()
            .all(|device| it["me"][device]["is_running"] == false)
    };
    window.has(
        "room",
        "data-connection",
        "capture_stopped",
        GIVEN_UP_WITHIN,
    )?;
    window.snapshot_when("free camera and microphone", PATIENCE, free)?;
    window.reads(
        "problem",
        "is lost. Check the network, then try again.",
        GIVEN_UP_WITHIN,
    )?;
    window.click("home-button")?;
    window.sees("home")
}

#[test]
fn a_host_that_slept_for_five_seconds_is_back_without_rejoining() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let server = Server::start()?;
    let guest = film_guest(&server.link("Den"), "Grace", folder.path())?;
    let grace = guest.joined()?;
    let window = opening().argument(&server.link("Den")).open()?;
    tiles(&window, 2, PATIENCE)?;
    window.strip(OTHER, PATIENCE)?;
    window.click("mic-button")?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;

    let stopped = Instant::now();
    server.program.signal(Signal::STOP)?;
    let noticed = reconnecting(&window, stopped);
    std::thread::sleep(Duration::from_secs(5).saturating_sub(stopped.elapsed()));
    server.program.signal(Signal::CONT)?;
    noticed?;
    window.has("room", "data-connection", "live", PATIENCE)?;
    window.misses("connection-note", PATIENCE)?;
    // The same people under the same ids, the picture moves on, and muted stayed muted.
    window.sees(&crate::desk::tile_of(&grace))?;
    let frozen = window.strip(OTHER, PATIENCE)?;
    window.strip_after(OTHER, frozen, PATIENCE)?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
    flows_again(&window)
}

/// What waited in queues is shown first, and then perhaps nothing until a keyframe comes.
fn flows_again(window: &Window) -> Result<()> {
    let since = Instant::now();
    loop {
        let seen = window.watch(OTHER, Duration::from_secs(2))?;
        if seen.pictures_per_second() >= 15.0 {
            return Ok(());
        }
        ensure!(since.elapsed() < FLOWS_WITHIN, "{seen:?}");
    }
}

#[test]
fn somebody_who_vanished_dims_and_is_gone_after_ten_seconds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start()?;
    let guest = film_guest(&server.link("Den"), "Grace", folder.path())?;
    let grace = guest.joined()?;
    let window = opening().argument(&server.link("Den")).open()?;
    tiles(&window, 2, PATIENCE)?;
    guest.program.signal(Signal::KILL)?;
    let tile = crate::desk::tile_of(&grace);
    window.has(&tile, "data-reconnecting", "true", PATIENCE)?;
    window.reads(&tile, "Grace", PATIENCE)?;
    tiles(&window, 1, Duration::from_secs(14))
}
