//! Chat, hands and reactions between Snug, the page in a browser, and a client that knows none of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::browser::{Kind, Page};
use snug_testkit::process::{Event, PATIENCE, Participant, Program};

use crate::page::{DESK, HOST, OTHER, PHONE, axe, draw, join, rests, scenario, until};

const ROOM: &str = "talk";

/// A name that would do harm where it was taken for markup.
const EVIL_NAME: &str = "<img src=x onerror=window.pwned=1>";

/// The same as a message, with a link that may be pressed.
const EVIL_TEXT: &str = "<img src=x onerror=\"window.pwned=2\"><script>window.pwned=3</script> \
    javascript:alert(1) https://example.org/<b>";

/// What a flooder tries at once; the room lets eight pass, and one a second after.
const FLOOD: usize = 60;

/// How many messages the page shows, and their words, as an expression.
const SHOWN: &str = "[...document.querySelectorAll('[data-testid=chat-message]')]\
    .map((it) => it.textContent)";

fn is_said(event: &Event, text: &str) -> bool {
    event.kind == "chat_said" && event.body["message"]["text"] == text
}

fn hears(participant: &Participant, text: &str) -> Result<Event> {
    let what = format!("a message: {text}");
    let heard = |event: &Event| is_said(event, text);
    participant.program.wait_for(&what, PATIENCE, heard)
}

fn shows(page: &Page<'_>, text: &str) -> Result<()> {
    let text = serde_json::to_string(text)?;
    let holds = format!("{SHOWN}.some((it) => it.includes({text}))");
    until(page, "message on the page", &holds).map(drop)
}

/// Lists what an unmodified client was sent, by the names of the events.
fn sent_to(old: &Program) -> Vec<String> {
    let frames = old.events().into_iter().filter(|it| it.kind == "frame");
    frames.map(|it| it.text("event").to_owned()).collect()
}

/// What was said reaches Snug and the page, also those who come late, as words and nothing else.
fn words_reach(page: &Page<'_>, ann: &mut Participant, bob: &Participant) -> Result<()> {
    until(
        page,
        "unread messages",
        "document.querySelector('[data-testid=chat-unread]')?.textContent === '2'",
    )?;
    page.click("[data-testid=chat-button]")?;
    shows(page, "before one")?;
    shows(page, "before two")?;
    ann.control(&format!("say {EVIL_TEXT}"))?;
    hears(bob, EVIL_TEXT)?;
    shows(page, EVIL_TEXT)?;
    let harm = page.run(
        "[document.querySelectorAll('main img, main script, [data-testid=chat-log] b').length, \
          String(window.pwned)]",
    )?;
    ensure!(harm == serde_json::json!([0, "undefined"]), "harm: {harm}");
    let link = page.run(
        "[...document.querySelectorAll('[data-testid=chat-log] a')] \
          .map((it) => [it.href, it.target, it.rel].join(' '))",
    )?;
    let safe = "https://example.org/ _blank noopener noreferrer nofollow";
    ensure!(link == serde_json::json!([safe]), "links: {link}");
    page.type_into("[data-testid=chat-field]", "from a browser")?;
    page.click("[data-testid=chat-send]")?;
    for participant in [&*ann, bob] {
        let said = hears(participant, "from a browser")?;
        ensure!(said.body["message"]["name"] == "Grete", "{:?}", said.body);
    }
    until(
        page,
        "own message",
        &format!("{SHOWN}.some((it) => it.includes('from a browser'))"),
    )
    .map(drop)
}

/// Hands and reactions of both sides are seen on both, in order.
fn gestures_reach(page: &Page<'_>, ann: &mut Participant, me: &str) -> Result<()> {
    ann.control("hand up")?;
    let up = |tile: &str| format!("!!document.querySelector('{tile} [data-testid=tile-hand]')");
    let hers = format!("[data-testid=tile][data-person=\"{me}\"]");
    until(page, "raised hand", &up(&hers))?;
    page.click("[data-testid=hand-button]")?;
    until(page, "own hand", &up("[data-me=true]"))?;
    let two = |event: &Event| {
        let hands = event.body["peer_ids"].as_array();
        event.kind == "hands_raised" && hands.is_some_and(|it| it.len() == 2 && it[0] == me)
    };
    ann.program.wait_for("two hands in order", PATIENCE, two)?;
    draw(page, "guest-chat")?;
    ann.control("react heart")?;
    let heart = "!!document.querySelector('[data-testid=tile-reaction][data-reaction=heart]')";
    until(page, "reaction", heart)?;
    page.click("[data-testid=react-button]")?;
    page.click("[data-testid=react-cheer]")?;
    let cheer = |event: &Event| event.kind == "reacted" && event.text("reaction") == "cheer";
    ann.program.wait_for("a reaction", PATIENCE, cheer)?;
    ann.control("hand down")?;
    until(page, "hand down", &format!("!({})", up(&hers))).map(drop)
}

/// Who floods is refused, and the others see no more than the room lets pass.
fn floods(page: &Page<'_>, ann: &mut Participant, bob: &mut Participant) -> Result<()> {
    for number in 0..FLOOD {
        ann.control(&format!("say flood {number}"))?;
    }
    let refused =
        |event: &Event| event.kind == "chat_refused" && event.text("reason") == "too_fast";
    ann.program.wait_for("a refusal", PATIENCE, refused)?;
    // Another's word is not held up by it, and comes after all that passed.
    bob.control("say calm")?;
    shows(page, "calm")?;
    let passed = page.run(&format!(
        "{SHOWN}.filter((it) => it.includes('flood ')).length"
    ))?;
    let passed = passed.as_u64().unwrap_or(u64::MAX);
    ensure!(
        (1..=FLOOD as u64 / 2).contains(&passed),
        "{passed} of {FLOOD} passed"
    );
    Ok(())
}

#[test]
fn chat_hands_and_reactions_reach_all_who_understand_and_nobody_else() -> Result<()> {
    scenario(&[], |rig| {
        let mut ann = rig.participant(ROOM, "Ann")?;
        let me = ann.joined()?;
        let mut bob = rig.participant(ROOM, EVIL_NAME)?;
        let old = rig.unmodified("node/eavesdrop.mjs", ROOM)?;
        old.wait_for("the unmodified client", PATIENCE, |it| it.kind == "in")?;
        for text in ["before one", "before two"] {
            ann.control(&format!("say {text}"))?;
            hears(&bob, text)?;
        }
        let browser = rig.browser(Kind::Chromium)?;
        let page = browser.visit("Grete", &format!("https://{HOST}/room/{ROOM}"), DESK)?;
        join(&page, "Grete")?;
        let came = ann.program.wait_for("a guest", PATIENCE, |event| {
            event.kind == "peer_joined" && event.text("name") == "Grete"
        })?;
        ann.hears("peer_in_browser", came.text("peer_id"), PATIENCE)?;
        until(&page, "somebody else", &format!("!!{OTHER}"))?;
        words_reach(&page, &mut ann, &bob)?;
        gestures_reach(&page, &mut ann, &me)?;
        rests(&page)?;
        let wrong = axe(&page)?;
        ensure!(wrong.is_empty(), "axe finds {wrong:#?}");
        floods(&page, &mut ann, &mut bob)?;
        page.resize(PHONE)?;
        rests(&page)?;
        draw(&page, "guest-chat-phone")?;

        let late = rig.participant(ROOM, "Late")?;
        let history = |event: &Event| event.kind == "chat_history" && event.number("count") > 5;
        late.program
            .wait_for("what was said before", PATIENCE, history)?;

        let sent = sent_to(&old);
        ensure!(
            sent.iter().any(|it| it == "mediaEvent"),
            "it hears nothing: {sent:?}"
        );
        ensure!(
            !sent.iter().any(|it| it == "snug"),
            "it is sent what it does not know: {sent:?}"
        );
        let is_forged = |it: &Event| is_said(it, "forged");
        let heard = [&ann, &bob, &late].map(|it| it.program.events());
        ensure!(
            !heard.iter().flatten().any(is_forged),
            "a forged message is heard"
        );
        for participant in [ann, bob, late] {
            participant.leave()?;
        }
        old.wait_for("the last to leave", Duration::from_secs(10), |it| {
            it.kind == "frame" && it.text("payload").contains("endpointRemoved")
        })?;
        drop(old);
        browser.close(&[])
    })
}
