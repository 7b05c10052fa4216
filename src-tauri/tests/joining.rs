//! The ways in: what is typed, a link as argument, a link while the window is open.

use anyhow::{Result, ensure};
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::window::Key;

use crate::desk::{OTHER, film_guest, join, opening, tiles};

/// The room of every scenario here.
const ROOM: &str = "Fireside";

#[test]
fn host_and_room_are_typed() -> Result<()> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    let guest = film_guest(&server.link(ROOM), "Grace", folder.path())?;
    guest.joined()?;
    let window = opening().open()?;
    window.fill("join-input", &format!("127.0.0.1:{}/{ROOM}", server.port))?;
    window.press(Key::Enter)?;
    window.sees("room")?;
    window.reads("room-name", ROOM, PATIENCE)?;
    tiles(&window, 2, PATIENCE)?;
    window.strip(OTHER, PATIENCE)?;
    // No link carried the key: said honestly, and remembered.
    window.reads("encryption", "Encrypted to the host", PATIENCE)?;
    let snapshot = window.snapshot()?;
    ensure!(snapshot["stage"]["is_pinned"] == false, "{snapshot}");

    // Home knows the room from now on, and one click is enough.
    window.click("leave-button")?;
    window.click("leave-confirm")?;
    window.sees("home")?;
    window.reads("recent-room", ROOM, PATIENCE)?;
    window.click("recent-room")?;
    window.sees("room")?;
    tiles(&window, 2, PATIENCE)
}

#[test]
fn a_pasted_link_pins_the_key() -> Result<()> {
    let server = Server::start()?;
    let window = opening().open()?;
    join(&window, &server.link(ROOM))?;
    window.sees("room")?;
    let snapshot = window.snapshot()?;
    ensure!(snapshot["stage"]["is_pinned"] == true, "{snapshot}");
    Ok(())
}

#[test]
fn a_link_as_argument_joins_at_once() -> Result<()> {
    let server = Server::start()?;
    let window = opening().argument(&server.link(ROOM)).open()?;
    window.sees("room")?;
    window.reads("room-name", ROOM, PATIENCE)
}

#[test]
fn a_link_as_argument_waits_for_the_name_of_a_newcomer() -> Result<()> {
    let server = Server::start()?;
    let window = opening().name("").argument(&server.link(ROOM)).open()?;
    window.sees("name-input")?;
    window.fill("name-input", "Ada")?;
    window.press(Key::Enter)?;
    window.sees("room")?;
    window.reads("room-name", ROOM, PATIENCE)
}

#[test]
fn a_second_start_hands_its_link_to_the_open_window() -> Result<()> {
    let server = Server::start()?;
    let window = opening().open()?;
    window.sees("home")?;
    let second = window.start_again(&[&server.link(ROOM)])?;
    ensure!(second.code == Some(0), "{second:?}");
    window.sees("room")?;
    window.reads("room-name", ROOM, PATIENCE)
}
