//! Whole visits by the page, in either browser, and what the page may not do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::{PATIENCE, Participant, track_sum};

use crate::page::{
    DESK, HOST, OTHER, PHONE, axe, draw, join, rests, scenario, sees_moving, until, until_within,
};

/// What Firefox says when a relay of a negotiation long past has ended: it keeps every one that it
/// ever asked for, two in each negotiation, and the server keeps eight.
const RETIRED_RELAY: &str = r#""type":"icecandidateerror","errorCode":701"#;

/// A room whose name needs to be written in another way in an address.
const ROOM: &str = "Harbour crew";

fn address(room: &str) -> String {
    format!("https://{HOST}/room/{}", room.replace(' ', "%20"))
}

/// Waits until the participant decodes more of the guest than it did, sound and pictures.
fn decodes_more(participant: &Participant, guest: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let decoded = |kind| {
        let statistics = participant.statistics();
        statistics.map_or(0, |it| track_sum(&it, guest, kind, "frames_decoded"))
    };
    let before = ["video", "audio"].map(decoded);
    while decoded("video") <= before[0] + 10 || decoded("audio") <= before[1] + 50 {
        ensure!(
            Instant::now() < deadline,
            "no more of {guest} is decoded: {before:?}, then {:?}",
            participant.statistics()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Fails when a page asked for anything of another computer.
fn asked_nobody_else(browser: &Browser, page: &str) -> Result<()> {
    let requests = browser.requests(page);
    ensure!(requests.len() > 2, "page, script, style: {requests:?}");
    let own = [format!("https://{HOST}/"), format!("http://{HOST}/")];
    let is_own =
        |url: &&String| own.iter().any(|own| url.starts_with(own)) || url.starts_with("data:");
    let foreign: Vec<_> = requests.iter().filter(|url| !is_own(url)).collect();
    ensure!(foreign.is_empty(), "asked for {foreign:?}");
    Ok(())
}

fn a_visit(kind: Kind, expected: &[&str]) -> Result<()> {
    scenario(&[], |rig| {
        let ann = rig.participant(ROOM, "Ann")?;
        let browser = rig.browser(kind)?;
        let page = browser.visit("Grete", &address(ROOM), DESK)?;
        let name = "document.querySelector('[data-testid=room-name]')?.textContent.trim()";
        until(&page, "room's name", &format!("{name} === '{ROOM}'"))?;
        until(
            &page,
            "own picture",
            "document.querySelector('video')?.videoWidth > 0",
        )?;
        join(&page, "Grete")?;
        let came = ann.program.wait_for("a guest", PATIENCE, |event| {
            event.kind == "peer_joined" && event.text("name") == "Grete"
        })?;
        let guest = came.text("peer_id").to_owned();
        ann.hears("peer_in_browser", &guest, PATIENCE)?;
        sees_moving(&page)?;
        let hears = format!("{OTHER}?.dataset.speaking === 'true'");
        until(&page, "sound of Ann", &hears)?;
        decodes_more(&ann, &guest)?;

        // Off is off for the others, and on is on again.
        for (button, kind) in [("mic-button", "audio"), ("camera-button", "video")] {
            let button = format!("[data-testid={button}]");
            for active in [false, true] {
                page.click(&button)?;
                ann.program.wait_for("a change", PATIENCE, |event| {
                    event.kind == "track_changed"
                        && event.text("kind") == kind
                        && event.body["active"] == json!(active)
                        && event.at_ms > came.at_ms
                })?;
            }
        }
        decodes_more(&ann, &guest)?;
        page.click("[data-testid=leave-button]")?;
        page.click("[data-testid=leave-confirm]")?;
        ann.hears("peer_left", &guest, Duration::from_secs(2))?;
        until(
            &page,
            "door",
            "!!document.querySelector('[data-testid=join-button]')",
        )?;
        asked_nobody_else(&browser, "Grete")?;
        ann.leave()?;
        browser.close(expected)
    })
}

#[test]
fn a_guest_in_chromium_sees_hears_and_is_seen_and_heard() -> Result<()> {
    a_visit(Kind::Chromium, &[])
}

#[test]
fn a_guest_in_firefox_sees_hears_and_is_seen_and_heard() -> Result<()> {
    a_visit(Kind::Firefox, &[RETIRED_RELAY])
}

#[test]
fn the_page_can_be_used_by_everybody_at_a_desk_and_on_a_phone() -> Result<()> {
    scenario(&[], |rig| {
        let ann = rig.participant(ROOM, "Ann")?;
        let browser = rig.browser(Kind::Chromium)?;
        let page = browser.visit("Grete", &address(ROOM), DESK)?;
        let fine = |where_: &str| -> Result<()> {
            rests(&page)?;
            draw(&page, where_)?;
            let wrong = axe(&page)?;
            ensure!(wrong.is_empty(), "{where_}: {wrong:#?}");
            let wide = page.run("document.documentElement.scrollWidth > window.innerWidth")?;
            ensure!(wide == json!(false), "{where_} is wider than its window");
            Ok(())
        };
        until(
            &page,
            "own picture",
            "document.querySelector('video')?.videoWidth > 0",
        )?;
        for (size, name) in [(DESK, "desk"), (PHONE, "phone")] {
            page.resize(size)?;
            fine(&format!("join-{name}"))?;
        }
        page.click("[data-testid=settings-button]")?;
        until(
            &page,
            "sheet",
            "!!document.querySelector('[data-testid=devices-sheet]')",
        )?;
        fine("devices-phone")?;
        page.click("[data-autofocus]")?;
        join(&page, "Grete")?;
        sees_moving(&page)?;
        for (size, name) in [(PHONE, "phone"), (DESK, "desk")] {
            page.resize(size)?;
            rests(&page)?;
            let fits =
                "[...document.querySelectorAll('[data-testid=tile], button')].every((it) => {
                const { left, top, right, bottom } = it.getBoundingClientRect();
                return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
            })";
            until(&page, "room within its window", fits)?;
            fine(&format!("room-{name}"))?;
        }
        ann.leave()?;
        browser.close(&[])
    })
}

#[test]
fn what_keeps_a_guest_out_is_said_in_sentences() -> Result<()> {
    scenario(&["--rooms", "listed"], |rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let page = browser.visit("Grete", &format!("https://{HOST}/"), DESK)?;
        let says = |what: &str| {
            let holds = format!("document.body.innerText.includes({what:?})");
            until(&page, what, &holds)
        };
        // Without a room or a name nobody goes anywhere.
        page.click("[data-testid=join-button]")?;
        says("Type the name of the room that you were told.")?;
        page.type_into("[data-testid=room-input]", "no where")?;
        page.click("[data-testid=join-button]")?;
        says("Say your name first")?;
        join(&page, "Grete")?;
        says("There is no room called no where")?;
        let path = page.run("location.pathname")?;
        ensure!(path == json!("/room/no%20where"), "{path}");
        let wrong = axe(&page)?;
        ensure!(wrong.is_empty(), "{wrong:#?}");
        browser.close(&[])
    })
}

#[test]
fn a_guest_whose_network_drops_is_told_and_comes_back() -> Result<()> {
    scenario(&[], |rig| {
        let ann = rig.participant(ROOM, "Ann")?;
        let browser = rig.browser(Kind::Chromium)?;
        let page = browser.visit("Grete", &address(ROOM), DESK)?;
        join(&page, "Grete")?;
        sees_moving(&page)?;
        rig.guests.cut()?;
        // The slowest takes 15 s.
        let within = Duration::from_secs(60);
        let connection = |is: &str| {
            let holds = format!(
                "document.querySelector('[data-testid=room]')?.dataset.connection === '{is}'"
            );
            until_within(&page, is, within, &holds)
        };
        let since = Instant::now();
        connection("reconnecting")?;
        ensure!(
            since.elapsed() < Duration::from_secs(8),
            "{:?}",
            since.elapsed()
        );
        connection("capture_stopped")?;
        rig.guests.mend()?;
        connection("live")?;
        sees_moving(&page)?;
        ann.leave()?;
        Ok(())
    })
}

#[test]
fn wrong_paths_and_plain_http_are_answered_as_strictly_as_the_page() -> Result<()> {
    scenario(&[], |rig| {
        let browser = rig.browser(Kind::Chromium)?;
        // A person types no scheme, or an old one: the browser ends up at https.
        let page = browser.visit("Grete", &format!("http://{HOST}/room/a"), DESK)?;
        let at = page.run("location.href")?;
        ensure!(at == json!(format!("https://{HOST}/room/a")), "{at}");
        let ask = |method: &str, path: &str| -> Result<Value> {
            page.run(&format!(
                "fetch('{path}', {{ method: '{method}' }}).then((answer) => ({{
                    status: answer.status,
                    policy: answer.headers.get('content-security-policy'),
                    sniff: answer.headers.get('x-content-type-options'),
                    referrer: answer.headers.get('referrer-policy'),
                    caching: answer.headers.get('cache-control'),
                }}))"
            ))
        };
        for (method, path, status) in [
            ("GET", "/", 200),
            ("HEAD", "/room/a", 200),
            ("POST", "/room/a", 405),
            ("GET", "/room/", 404),
            ("GET", "/room/a%2Fb", 404),
            ("GET", "/room/a/b", 404),
            ("GET", "/guest.html", 404),
            ("GET", "/assets/nothing.js", 404),
            ("GET", "/assets/%2e%2e/%2e%2e/etc/passwd", 404),
            ("GET", "/nowhere", 404),
        ] {
            let answer = ask(method, path)?;
            ensure!(
                answer["status"] == json!(status),
                "{method} {path}: {answer}"
            );
            let policy = answer["policy"].as_str().unwrap_or_default();
            ensure!(policy.contains("default-src 'none'"), "{path}: {answer}");
            ensure!(
                policy.contains("frame-ancestors 'none'"),
                "{path}: {answer}"
            );
            ensure!(!policy.contains("http"), "{path} lets others in: {answer}");
            ensure!(answer["sniff"] == json!("nosniff"), "{path}: {answer}");
            ensure!(
                answer["referrer"] == json!("no-referrer"),
                "{path}: {answer}"
            );
        }
        let script = page.run("document.querySelector('script').src")?;
        let answer = ask("GET", script.as_str().context("a script")?)?;
        let caching = answer["caching"].as_str().unwrap_or_default();
        ensure!(caching.contains("immutable"), "{answer}");
        // What the browser itself reports of the refused ones.
        browser.close(&["Failed to load resource"])?;

        let plain = |path: &'static str| -> Result<String> {
            let asked = rig.guests.namespace.spawn(move || -> Result<String> {
                let mut stream = TcpStream::connect(HOST)?;
                let head = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n");
                write!(stream, "{head}\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                Ok(answer)
            })?;
            asked.join().map_err(|_| anyhow::anyhow!("it panicked"))?
        };
        let offered = plain("/room/a")?;
        ensure!(offered.starts_with("HTTP/1.1 307"), "{offered}");
        let place = format!("location: https://{HOST}/room/a\r\n");
        ensure!(offered.contains(&place), "{offered}");
        let refused = plain("/healthz")?;
        ensure!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        Ok(())
    })
}
