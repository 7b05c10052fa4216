//! What the scenarios share: opening a window on the program that cargo built, and the usual
//! first steps in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::process::{Join, PATIENCE, Participant};
use snug_testkit::window::{Opening, Window};

/// Names a ready program to test instead of the one built from this repository, such as the one
/// out of a package.
const READY_PROGRAM: &str = "SNUG_APP";

/// The tile of the only other person.
pub const OTHER: &str = r#"data-me="false""#;
/// One's own tile.
pub const OWN: &str = r#"data-me="true""#;

/// How long the film is that a guest shows: longer than any scenario looks at it.
const FILM_FRAMES: usize = 1500;

/// Names the app under test.
pub fn app() -> PathBuf {
    let ready = std::env::var_os(READY_PROGRAM);
    ready
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_snug").into())
        .into()
}

/// Prepares a window of the app under test.
pub fn opening<'a>() -> Opening<'a> {
    Opening::new(app())
}

/// Takes the system's favourite microphone instead of the test tone.
pub fn real_microphone(opening: Opening<'_>) -> Opening<'_> {
    opening.setting("microphone", json!({ "kind": "default" }))
}

/// Hosts a room by one click and returns its link, by way of loopback.
pub fn host(window: &Window) -> Result<String> {
    window.click("host-button")?;
    window.sees("room")?;
    link_of(window)
}

/// Says the link of the room that the window is in, by way of loopback.
pub fn link_of(window: &Window) -> Result<String> {
    let in_room = |it: &Value| !it["stage"]["links"][0].is_null();
    let snapshot = window.snapshot_when("link of a room", PATIENCE, in_room)?;
    let link = snapshot["stage"]["links"][0].as_str();
    by_loopback(link.context("a link is text")?)
}

/// Joins by what is typed into the field on the home screen.
pub fn join(window: &Window, text: &str) -> Result<()> {
    window.fill("join-input", text)?;
    window.click("join-button")
}

/// Lets somebody join without a window, showing the film with a number in each frame.
pub fn film_guest(link: &str, name: &str, folder: &Path) -> Result<Participant> {
    let camera = folder.join("film.y4m");
    if !camera.exists() {
        StampedFilm::load()?.write(&camera, FILM_FRAMES)?;
    }
    Join::new(link, name)
        .camera(&camera)
        .microphone("test")
        .start()
}

/// Names somebody else's tile.
pub fn tile_of(person: &str) -> String {
    format!(r#"tile"][data-person="{person}"#)
}

/// Waits until this many tiles are there.
pub fn tiles(window: &Window, count: usize, within: Duration) -> Result<()> {
    let expression =
        format!("document.querySelectorAll('[data-testid=\"tile\"]').length === {count}");
    window.until(&format!("{count} tiles"), within, &expression)
}

/// Writes the same link with 127.0.0.1 as host: what a test says stays on the machine.
fn by_loopback(link: &str) -> Result<String> {
    let rest = link.strip_prefix("snug://").context("no snug: link")?;
    let (authority, path) = rest.split_once('/').context("no room in the link")?;
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        _ => "7684",
    };
    Ok(format!("snug://127.0.0.1:{port}/{path}"))
}

#[test]
fn a_link_is_turned_to_loopback() -> Result<()> {
    for (link, wanted) in [
        (
            "snug://192.168.1.2:4000/Den#k=x",
            "snug://127.0.0.1:4000/Den#k=x",
        ),
        ("snug://[fd00::1]/Den#k=x", "snug://127.0.0.1:7684/Den#k=x"),
        ("snug://computer/Den", "snug://127.0.0.1:7684/Den"),
    ] {
        assert_eq!(by_loopback(link)?, wanted);
    }
    Ok(())
}
