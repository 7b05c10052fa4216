//! Every release of every client, with our own program, in one room: everyone decodes everyone.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::{Join, PATIENCE, Participant};
use snug_testkit::relayed::{Guest as Old, Part, Watcher};
use snug_testkit::scripted::Peer;

use crate::rig::{Guest, PORT, Release, Rig, SERVER, scenario};

/// A release of the media client each, over every release of `phoenix`. 1.2 speaks V1.
const RELEASES: [Release; 5] = [
    Release::MAIN,
    Release::new("phoenix-1.6", "fishjam-0.5.0"),
    Release::new("phoenix-1.3", "membrane-0.5.3"),
    Release::new("phoenix-1.6", "membrane-0.5.0"),
    Release::new("phoenix-1.2", "membrane-0.5.3"),
];

/// What the guests show: small, so that two cores carry a full room.
const CAMERA: &str = "snug.addCamera({width: 320, height: 180, frameRate: 10})";

/// What Firefox says when a relay of a negotiation long past has ended: it keeps every one that it
/// ever asked for, two in each negotiation, and the server keeps eight.
const RETIRED_RELAY: &str = r#""type":"icecandidateerror","errorCode":701"#;

/// What releases before 0.7 say when a sender pauses or resumes a layer, which they do not know of.
const LAYERS_UNKNOWN: &str = "Received unknown media event:  trackEncoding";

/// For how long the client of generation A looks: until a browser and our program have joined too.
const OLD_LOOKS: Duration = Duration::from_secs(12);

/// Joins our own program, with its test picture and its tone of 1 kHz.
fn join_ours(rig: &Rig, name: &str, room: &str) -> Result<Participant> {
    Join::new(&rig.link(room), name)
        .test_media()
        .with("--size")
        .with("320x180")
        .start_in(Some(&rig.guests.namespace))
}

fn guest<'a>(
    browser: &'a Browser,
    number: u32,
    release: Release,
    room: &str,
) -> Result<(Guest<'a>, u32)> {
    let name = format!("{number}: {} over {}", release.client, release.phoenix);
    let guest = Guest::join(browser, &name, release, room)?;
    guest.page.run(CAMERA)?;
    let hertz = 400 + 300 * number;
    guest.tone(hertz)?;
    Ok((guest, hertz))
}

/// Waits until each decodes all others, sound by its tone, and our own program all of them.
fn everyone_decodes_everyone(guests: &[(Guest<'_>, u32)], ours: &Participant) -> Result<()> {
    let ours_id = ours.joined()?;
    for (guest, _) in guests {
        for (other, hertz) in guests.iter().filter(|(other, _)| other.id != guest.id) {
            guest.sees_and_hears(&other.id, PATIENCE)?;
            guest.hears_tone(&other.id, *hertz)?;
        }
        guest.sees_and_hears(&ours_id, PATIENCE)?;
        guest.hears_tone(&ours_id, 1000)?;
        guest.ready_once()?;
        for kind in ["video", "audio"] {
            ours.first_frame(&guest.id, kind, PATIENCE)?;
        }
    }
    Ok(())
}

/// Joins as a client of generation A, of which npm has none: by hand, in its words. Returns its id
/// when it was told of everybody and asked to receive all that they show and say; it stays.
fn old_friend(rig: &Rig, room: &'static str) -> Result<String> {
    let join = move || -> Result<String> {
        let address = format!("{SERVER}:{PORT}").parse()?;
        let mut peer = Peer::join(address, room)?;
        peer.say(&json!({"type": "join", "data": {"metadata": {"displayName": "Old"}}}))?;
        let accepted = peer.hears("peerAccepted", PATIENCE)?;
        let present = accepted["peersInRoom"].as_array().map_or(0, Vec::len);
        ensure!(present == RELEASES.len() + 1, "{accepted}");
        for _ in 0..present {
            let added = peer.hears("tracksAdded", PATIENCE)?;
            ensure!(added["peerId"].is_string(), "{added}");
        }
        let asked = peer.hears("offerData", PATIENCE)?;
        let types = &asked["tracksTypes"];
        ensure!(
            types["audio"] == present && types["video"] == present,
            "{asked}"
        );
        // Its socket stays open as long as the program runs, like that of a client that waits.
        std::mem::forget(peer);
        Ok(accepted["id"].as_str().unwrap_or_default().to_owned())
    };
    let joined = rig.guests.namespace.spawn(join)?.join();
    joined.map_err(|_| anyhow!("the scripted peer panicked"))?
}

#[test]
fn all_releases_and_our_program_share_a_room() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let ours = join_ours(rig, "Snug", "mixed")?;
        let guests = RELEASES
            .into_iter()
            .zip(0..)
            .map(|(release, number)| guest(&browser, number, release, "mixed"))
            .collect::<Result<Vec<_>>>()?;
        everyone_decodes_everyone(&guests, &ours)?;
        let old = old_friend(rig, "mixed")?;
        for (guest, _) in &guests {
            let there = format!("snug.others.get('{old}')?.displayName === 'Old'");
            guest.page.until("generation A", PATIENCE, &there)?;
        }
        ours.leave()?;
        browser.close(&[LAYERS_UNKNOWN])
    })
}

/// Generation A in the words of its clients, with a camera, by hand: its pictures are decoded by a
/// browser and by our program, and it decodes the browser's.
#[test]
fn generation_a_shows_itself_and_sees_generation_b() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let bob = Guest::join(&browser, "Bob", Release::MAIN, "old and new")?;
        bob.page.run(CAMERA)?;
        bob.tone(500)?;
        let (told, id) = std::sync::mpsc::channel();
        let look = move || -> Result<Vec<(u32, u32)>> {
            let address = format!("{SERVER}:{PORT}").parse()?;
            let old = Old::join_as_generation_a(address, "old and new", Part::Looks)?;
            told.send(old.id.clone())?;
            let turn = old.server("udp")?.open()?;
            let mut watcher = Watcher::start(old, turn)?;
            watcher.look(OLD_LOOKS)?;
            Ok(watcher.seen)
        };
        let old = rig.guests.namespace.spawn(look)?;
        let id = id.recv_timeout(PATIENCE)?;
        let ours = join_ours(rig, "Snug", "old and new")?;
        bob.receives(&id, "video", 1, PATIENCE)?;
        bob.still_receives_kind(&id, "video")?;
        let shown = format!("snug.of('{id}', 'video')[0].width");
        let width = bob.page.run(&shown)?;
        ensure!(width == 320, "{width} pixels wide");
        ours.joined()?;
        ours.first_frame(&id, "video", PATIENCE)?;
        let seen = old.join().map_err(|_| anyhow!("the old one panicked"))??;
        let of_bob = seen.iter().filter(|size| **size == (320, 180)).count();
        println!("generation A decoded {of_bob} pictures");
        ensure!(of_bob >= 30 && of_bob == seen.len(), "{seen:?}");
        ours.leave()?;
        browser.close(&[])
    })
}

#[test]
fn firefox_and_chromium_and_our_program_share_a_room() -> Result<()> {
    scenario(|rig| {
        let (firefox, chromium) = (rig.browser(Kind::Firefox)?, rig.browser(Kind::Chromium)?);
        let ours = join_ours(rig, "Snug", "two browsers")?;
        let guests = [&firefox, &chromium, &firefox]
            .into_iter()
            .zip(0..)
            .map(|(browser, number)| guest(browser, number, Release::MAIN, "two browsers"))
            .collect::<Result<Vec<_>>>()?;
        everyone_decodes_everyone(&guests, &ours)?;
        ours.leave()?;
        chromium.close(&[])?;
        firefox.close(&[RETIRED_RELAY])
    })
}
