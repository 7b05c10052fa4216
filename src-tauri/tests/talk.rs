//! Chat, hands and reactions in the real window: what a guest says comes in, what the host says goes
//! out, and words stay words.

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::process::{Event, PATIENCE};
use snug_testkit::window::Key;

use crate::desk::{film_guest, host, opening, tile_of, tiles};

const EVIL: &str = "<img src=x onerror=\"window.pwned=1\"> https://example.org/x";

#[test]
fn host_and_guest_talk_raise_hands_and_react() -> Result<()> {
    let _turn = lane::turn();
    let folder = tempfile::tempdir()?;
    let window = opening().open()?;
    let mut guest = film_guest(&host(&window)?, "Grace", folder.path())?;
    let grace = guest.joined()?;
    tiles(&window, 2, PATIENCE)?;

    guest.control(&format!("say {EVIL}"))?;
    window.reads("chat-unread", "1", PATIENCE)?;
    window.type_text("c")?;
    window.reads("chat-log", EVIL, PATIENCE)?;
    window.until(
        "a message without markup, and nothing unread",
        PATIENCE,
        "!document.querySelector('[data-testid=chat-log] img, [data-testid=chat-unread]') \
         && window.pwned === undefined \
         && document.querySelector('[data-testid=chat-log] a').href === 'https://example.org/x'",
    )?;

    // The field has the focus: letters are text, and Enter sends it.
    window.type_text("come in, camera and all")?;
    window.press(Key::Enter)?;
    guest
        .program
        .wait_for("the host's words", PATIENCE, |event| {
            event.kind == "chat_said" && event.body["message"]["text"] == "come in, camera and all"
        })?;
    window.has("camera-button", "aria-pressed", "true", PATIENCE)?;

    guest.control("hand up")?;
    window.until("Grace's hand", PATIENCE, &hand_on(&tile_of(&grace)))?;
    window.click("hand-button")?;
    window.until("own hand", PATIENCE, &hand_on(r#"tile"][data-me="true"#))?;
    let both = |event: &Event| {
        let hands = event.body["peer_ids"].as_array();
        event.kind == "hands_raised" && hands.is_some_and(|it| it.len() == 2 && it[0] == *grace)
    };
    guest.program.wait_for("both hands", PATIENCE, both)?;
    guest.control("react cheer")?;
    window.until(
        "a reaction",
        PATIENCE,
        "document.querySelector('[data-testid=tile-reaction][data-reaction=cheer]')",
    )?;
    guest.leave()?;
    window.until(
        "one hand less",
        PATIENCE,
        "document.querySelectorAll('[data-testid=tile-hand]').length === 1",
    )?;
    ensure!(window.complaints()?.is_empty(), "{:?}", window.complaints());
    Ok(())
}

fn hand_on(tile: &str) -> String {
    format!("!!document.querySelector('[data-testid=\"{tile}\"] [data-testid=tile-hand]')")
}
