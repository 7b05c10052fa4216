//! People in a browser, with several releases of the clients that npm has for a Membrane room, and
//! somebody in our window: each sees the others move and hears them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::browser::{Browser, Kind, ORIGINS};
use snug_testkit::lane;
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::window::Window;

use crate::desk::{opening, tile_of, tiles};

const SERVER: &str = "10.77.0.1";

/// Who comes with what: a name, and a release of `phoenix` and of the media client.
const RELEASES: [(&str, &str, &str); 3] = [
    ("Eve", "phoenix-1.8", "membrane-0.7.1"),
    ("Joan", "phoenix-1.6", "fishjam-0.5.0"),
    ("Alan", "phoenix-1.2", "membrane-0.5.0"),
];

/// Waits until somebody's picture moves and their voice shows.
fn is_seen_and_heard(window: &Window, id: &str) -> Result<()> {
    let tile = format!(r#"data-person="{id}""#);
    window.picture(&tile, PATIENCE)?;
    let canvas = format!("[{tile}] canvas");
    let before = window.digest(&canvas)?;
    window.until(
        "a voice as a ring",
        PATIENCE,
        &format!("document.querySelector('[{tile}][data-speaking=\"true\"]')"),
    )?;
    let deadline = Instant::now() + PATIENCE;
    while window.digest(&canvas)? == before {
        ensure!(Instant::now() < deadline, "the picture of {id} stands");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn several_releases_in_a_browser_and_our_window_share_a_room() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let (host, guests) = (lan.host(&["10.77.0.1/24"])?, lan.host(&["10.77.0.2/24"])?);
        let origin = ["--allow-plain-ws", "--allow-origin", ORIGINS[0]];
        let server = Server::start_with(Some(&host.namespace), &origin)?;
        let browser = Browser::start(Kind::Chromium, &guests.namespace)?;
        let url = format!("ws://{SERVER}:{}/socket", server.port);
        let mut guests_in = Vec::new();
        for (name, phoenix, client) in RELEASES {
            let page = browser.open(name)?;
            let options = json!({
                "phoenix": phoenix, "client": client, "name": name, "room": "Den", "url": url,
            });
            let id = page.run(&format!("snug.join({options})"))?;
            page.run("snug.addCamera({width: 320, height: 180, frameRate: 10})")?;
            page.run("snug.addTone(700)")?;
            guests_in.push((page, id.as_str().context("no id")?.to_owned()));
        }

        let link = server.link_by(SERVER, "Den");
        let window = opening()
            .namespace(&guests.namespace)
            .argument(&link)
            .open()?;
        tiles(&window, RELEASES.len() + 1, PATIENCE)?;
        for (page, id) in &guests_in {
            window.reads(&tile_of(id), page.name(), PATIENCE)?;
            is_seen_and_heard(&window, id)?;
        }
        window.click("people-button")?;
        window.reads("people-drawer", "In a browser", PATIENCE)?;
        let ids: Vec<&str> = guests_in.iter().map(|(_, id)| id.as_str()).collect();
        for (page, own) in &guests_in {
            let others = ids.iter().filter(|id| **id != own.as_str());
            let strangers = json!(ids);
            let ada = page.run(&format!(
                "[...snug.others.keys()].find((id) => !{strangers}.includes(id))"
            ))?;
            let ada = ada.as_str().context("the window's person is not there")?;
            for id in others.copied().chain([ada]) {
                for kind in ["video", "audio"] {
                    let holds = format!("snug.receives('{id}', '{kind}', 1)");
                    page.until(&format!("{kind} of {id}"), PATIENCE, &holds)?;
                }
            }
        }
        ensure!(window.complaints()?.is_empty(), "{:?}", window.complaints());
        drop(window);
        for (page, _) in &guests_in {
            let holds = format!("snug.others.size === {}", RELEASES.len() - 1);
            page.until("end of the window's person", PATIENCE, &holds)?;
        }
        browser.close(&[])
    })
}
