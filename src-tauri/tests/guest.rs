//! Somebody without a window comes into the hosted room: they are seen at full rate, and what
//! either side switches off shows on the other.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::process::{PATIENCE, Participant, track_sum};
use snug_testkit::window::Window;

use crate::desk::{OTHER, film_guest, host, opening, tile_of, tiles};

/// The film has 25 frames a second; a viewer is to see at least these.
const PICTURES_PER_SECOND_MIN: f64 = 20.0;

#[test]
fn a_guest_is_seen_at_full_rate_and_sees_and_hears_the_host() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let window = opening().open()?;
    let link = host(&window)?;
    let guest = film_guest(&link, "Grace", folder.path())?;
    let grace = guest.joined()?;
    tiles(&window, 2, PATIENCE)?;
    window.reads(&tile_of(&grace), "Grace", PATIENCE)?;

    window.strip(OTHER, PATIENCE)?;
    let seen = window.watch(OTHER, Duration::from_secs(5))?;
    ensure!(
        seen.pictures_per_second() >= PICTURES_PER_SECOND_MIN,
        "{seen:?}"
    );
    ensure!(seen.is_in_order(), "{seen:?}");

    let ada = own_id(&guest)?;
    guest.first_frame(&ada, "video", PATIENCE)?;
    guest.first_frame(&ada, "audio", PATIENCE)?;
    window.until(
        "Grace's voice as a ring",
        PATIENCE,
        "document.querySelector('[data-person][data-speaking=\"true\"]')",
    )?;
    ensure!(window.complaints()?.is_empty(), "{:?}", window.complaints());
    guest.leave()?;
    tiles(&window, 1, PATIENCE)
}

#[test]
fn what_the_host_switches_off_the_guest_is_told_and_the_device_is_free() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let window = opening().open()?;
    let guest = film_guest(&host(&window)?, "Grace", folder.path())?;
    guest.joined()?;
    let ada = own_id(&guest)?;
    guest.first_frame(&ada, "video", PATIENCE)?;

    window.click("camera-button")?;
    window.has("camera-button", "aria-pressed", "false", PATIENCE)?;
    told(&guest, &ada, "video", false)?;
    free(&window, "camera")?;
    window.until(
        "own tile without a picture",
        PATIENCE,
        "!document.querySelector('[data-me=\"true\"] canvas')",
    )?;

    window.click("mic-button")?;
    window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
    told(&guest, &ada, "audio", false)?;
    free(&window, "microphone")?;
    window.has(r#"tile"][data-me="true"#, "data-muted", "true", PATIENCE)?;

    // And on again, by the keys.
    let before = frames_of(&guest, &ada)?;
    window.type_text("v")?;
    window.type_text("m")?;
    window.has("camera-button", "aria-pressed", "true", PATIENCE)?;
    window.has("mic-button", "aria-pressed", "true", PATIENCE)?;
    told(&guest, &ada, "video", true)?;
    told(&guest, &ada, "audio", true)?;
    guest
        .program
        .wait_for("pictures again", PATIENCE, |event| {
            event.kind == "stats" && track_sum(event, &ada, "video", "frames_decoded") > before + 10
        })?;
    Ok(())
}

#[test]
fn what_the_guest_switches_off_shows_on_their_tile_and_in_the_list() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let window = opening().open()?;
    let mut guest = film_guest(&host(&window)?, "Grace", folder.path())?;
    let grace = guest.joined()?;
    let tile = tile_of(&grace);
    window.strip(OTHER, PATIENCE)?;
    window.has(&tile, "data-muted", "false", PATIENCE)?;

    guest.control("microphone off")?;
    window.has(&tile, "data-muted", "true", PATIENCE)?;
    guest.control("camera off")?;
    window.until(
        "tile with initials",
        PATIENCE,
        "!document.querySelector('[data-me=\"false\"] canvas')",
    )?;
    window.click("people-button")?;
    window.reads("people-drawer", "Camera off", PATIENCE)?;
    window.reads("people-drawer", "Muted", PATIENCE)?;

    guest.control("camera on")?;
    guest.control("microphone on")?;
    window.has(&tile, "data-muted", "false", PATIENCE)?;
    let first = window.strip(OTHER, PATIENCE)?;
    window.strip_after(OTHER, first, PATIENCE)?;
    Ok(())
}

/// Says the id that the guest knows the window's person by.
fn own_id(guest: &Participant) -> Result<String> {
    let event = guest.program.wait_for("the host", PATIENCE, |event| {
        event.kind == "stats"
            && event.body["peers"]
                .as_array()
                .is_some_and(|peers| peers.iter().any(|peer| peer["name"] == "Ada"))
    })?;
    let peers = event.body["peers"].as_array().cloned().unwrap_or_default();
    let ada = peers.iter().find(|peer| peer["name"] == "Ada");
    Ok(ada
        .map_or("", |peer| peer["peer_id"].as_str().unwrap_or_default())
        .to_owned())
}

/// Waits until the guest is told that a track of this person is on or off.
fn told(guest: &Participant, person: &str, kind: &str, active: bool) -> Result<()> {
    let what = format!("{kind} {}", if active { "on" } else { "off" });
    guest.program.wait_for_last(
        &what,
        PATIENCE,
        |event| {
            event.kind == "track_changed"
                && event.text("peer_id") == person
                && event.text("kind") == kind
        },
        |event| event.body["active"] == active,
    )?;
    Ok(())
}

fn frames_of(guest: &Participant, person: &str) -> Result<u64> {
    let now = guest.statistics_after(snug_testkit::process::now_ms())?;
    Ok(track_sum(&now, person, "video", "frames_decoded"))
}

fn free(window: &Window, device: &str) -> Result<()> {
    window.snapshot_when(&format!("free {device}"), PATIENCE, |it| {
        it["me"][device]["is_running"] == false && it["me"][device]["is_on"] == false
    })?;
    Ok(())
}
