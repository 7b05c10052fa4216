//! One click hosts a room: one's own picture is there and moves, the invitation names a link that
//! works, and leaving returns home.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::process::{Join, PATIENCE};

use crate::desk::{OWN, host, opening, tiles};

#[test]
fn one_click_hosts_and_ones_own_picture_moves() -> Result<()> {
    let _turn = lane::turn();
    let window = opening().open()?;
    window.click("host-button")?;
    window.sees("room")?;
    window.reads("room-name", "Ada's room", PATIENCE)?;
    window.strip(OWN, PATIENCE)?;
    let seen = window.watch(OWN, Duration::from_secs(3))?;
    // Shown at up to 25 a second in a room; what counts is that it lives, evenly and in order.
    ensure!(seen.pictures_per_second() >= 12.0, "{seen:?}");
    ensure!(seen.is_in_order(), "{seen:?}");
    ensure!(window.complaints()?.is_empty(), "{:?}", window.complaints());
    Ok(())
}

#[test]
fn at_home_the_preview_moves_and_stops_with_the_camera() -> Result<()> {
    let window = opening().open()?;
    let canvas = r#"[data-testid="preview"]"#;
    let moves = || -> Result<bool> {
        let first = window.digest(canvas)?;
        std::thread::sleep(Duration::from_millis(400));
        Ok(window.digest(canvas)? != first)
    };
    window.until(
        "a preview",
        PATIENCE,
        &format!("document.querySelector('{canvas}')?.width > 0"),
    )?;
    ensure!(moves()?, "{:?}", window.failure("the preview stands still"));
    window.click("camera-toggle")?;
    window.has("camera-toggle", "aria-pressed", "false", PATIENCE)?;
    window.snapshot_when("free camera", PATIENCE, |it| {
        it["me"]["camera"]["is_running"] == false
    })?;
    Ok(())
}

#[test]
fn the_link_of_the_invitation_lets_somebody_in() -> Result<()> {
    let window = opening().open()?;
    let link = host(&window)?;
    window.click("invite-button")?;
    let shown = "[...document.querySelectorAll('dialog *, [role=dialog] *')]
        .map(it => it.value ?? it.textContent).find(it => it.startsWith('snug://'))";
    let shown = window.until_some("a link in the invitation", PATIENCE, shown)?;
    let key = |link: &str| link.split("#k=").nth(1).unwrap_or_default().to_owned();
    ensure!(
        key(shown.as_str().unwrap_or_default()) == key(&link),
        "{shown} is not {link}"
    );

    let guest = Join::new(&link, "Grace").start()?;
    guest.joined()?;
    tiles(&window, 2, PATIENCE)
}

#[test]
fn leaving_asks_once_and_returns_home() -> Result<()> {
    let window = opening().open()?;
    let link = host(&window)?;
    window.click("leave-button")?;
    window.sees("leave-sheet")?;
    window.click("leave-confirm")?;
    window.sees("home")?;
    // The room went with its host.
    let late = Join::new(&link, "Grace").start()?.program.ended(PATIENCE)?;
    ensure!(late.code == Some(3) || late.code == Some(5), "{late:?}");
    Ok(())
}
