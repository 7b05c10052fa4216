//! Mute and stop video: the server stops forwarding, though the sender goes on.

use std::thread::sleep;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use snug_testkit::lane;
use snug_testkit::process::{PATIENCE, Server, now_ms};

use crate::people::{Person, WATCHED_FOR, silence};

/// Packets of a kind of somebody that come to each of these while nobody looks away.
fn within_a_while(who: &[&Person], whom: &str, kind: &str) -> Result<Vec<u64>> {
    let counted = || -> Result<Vec<u64>> {
        let packets = |it: &&Person| {
            it.program.statistics_after(now_ms())?;
            Ok(it.packets(whom, kind))
        };
        who.iter().map(packets).collect()
    };
    let before = counted()?;
    sleep(WATCHED_FOR);
    let after = counted()?;
    Ok(after
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect())
}

/// Waits until nothing of a kind of somebody comes to any of these for a while.
fn ceases(who: &[&Person], whom: &str, kind: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let came = within_a_while(who, whom, kind)?;
        if came.iter().all(|came| *came == 0) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{kind} of {whom} goes on: {came:?}"
        );
    }
}

/// Waits until a kind of somebody comes to all of these.
fn flows(who: &[&Person], whom: &str, kind: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let came = within_a_while(who, whom, kind)?;
        if came.iter().all(|came| *came > 10) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no {kind} of {whom}: {came:?}");
    }
}

/// Packets of sound that somebody sent so far.
fn sent(who: &Person) -> Result<u64> {
    let statistics = who.program.statistics_after(now_ms())?;
    let tracks = statistics.body["published"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let sound = tracks.iter().filter(|track| track["kind"] == "audio");
    Ok(sound
        .filter_map(|track| track["packets_sent"].as_u64())
        .sum())
}

fn is_silent(rules: &Value, whom: &str, medium: &str) -> bool {
    rules["silenced"][whom][medium] == json!(true)
}

#[test]
fn what_the_host_stops_reaches_nobody_until_its_owner_asks_or_the_host_relents() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let mut ann = Person::with_media(&server, "silence", "Ann")?;
    ann.told("role of host", |rules| rules["role"] == "host")?;
    let mut bob = Person::with_media(&server, "silence", "Bob")?;
    let cid = Person::with_media(&server, "silence", "Cid")?;
    let bob_id = bob.id.clone();
    for kind in ["audio", "video"] {
        flows(&[&ann, &cid], &bob_id, kind)?;
    }
    for (kind, other) in [("audio", "video"), ("video", "audio")] {
        ann.ask(&silence(&bob_id, kind, true))?;
        for who in [&ann, &bob, &cid] {
            who.told("word of it", |rules| is_silent(rules, &bob_id, kind))?;
        }
        let before = sent(&bob)?;
        ceases(&[&ann, &cid], &bob_id, kind)?;
        flows(&[&ann, &cid], &bob_id, other)?;
        let after = sent(&bob)?;
        ensure!(
            after > before + 50,
            "its sender stopped by itself: {before}, {after}"
        );
        // A new line of the same kind is no way round: the room asks for nothing of it either.
        let device = if kind == "audio" {
            "microphone"
        } else {
            "camera"
        };
        bob.program.control(&format!("{device} off"))?;
        bob.program.control(&format!("{device} on"))?;
        ceases(&[&ann, &cid], &bob_id, kind)?;
        match kind {
            "audio" => bob.ask(&json!({"do": "resume", "medium": kind}))?,
            _ => ann.ask(&silence(&bob_id, kind, false))?,
        }
        bob.told("end of it", |rules| !is_silent(rules, &bob_id, kind))?;
        flows(&[&ann, &cid], &bob_id, kind)?;
    }
    // Nobody but a host stops anything.
    bob.ask(&silence(&cid.id, "audio", true))?;
    bob.refused(1)?;
    flows(&[&ann, &bob], &cid.id, "audio")?;
    for who in [ann, bob, cid] {
        who.program.leave()?;
    }
    Ok(())
}
