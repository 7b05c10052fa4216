//! Joining, and words from one to another and to many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snug_testkit::bars::median;
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::scripted::Peer;
use snug_testkit::usage;

use super::address;

const JOINS: usize = 1_000;
const PEOPLE_PER_ROOM: usize = 8;
const PAIRS: usize = 50;
/// What one peer says at once without being slowed down.
const WORDS: usize = 40;
const LISTENERS: usize = 100;
const SPEAKERS: usize = 4;
/// What a word carries.
const WORD_BYTES: usize = 200;

/// Says how long connecting and joining takes, and how much processor time of the server, both in
/// milliseconds.
pub fn connect_and_join(server: &Server) -> Result<(f64, f64)> {
    let process = server.program.id();
    let mut peers = Vec::with_capacity(JOINS);
    for number in 0..PEOPLE_PER_ROOM {
        peers.push(Peer::join(address(server), &format!("warm-{number}"))?);
    }
    let before = usage::processor_time(process)?;
    let mut took_ms = Vec::with_capacity(JOINS);
    for number in 0..JOINS {
        let room = format!("join-{}", number / PEOPLE_PER_ROOM);
        let started = Instant::now();
        peers.push(Peer::join(address(server), &room)?);
        took_ms.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    let used = usage::processor_time(process)? - before;
    Ok((median(took_ms), used.as_secs_f64() * 1000.0 / JOINS as f64))
}

/// Says what a word to one other costs, which comes back: processor time for a thousand, in
/// milliseconds. Nothing in a room comes back to its speaker, so another hears it: more than an
/// echo.
pub fn echo(server: &Server) -> Result<f64> {
    let mut pairs = Vec::with_capacity(PAIRS);
    for number in 0..PAIRS {
        let room = format!("echo-{number}");
        let mut first = Peer::join(address(server), &room)?;
        first.connect("one")?;
        let mut second = Peer::join(address(server), &room)?;
        second.connect("other")?;
        pairs.push((first, second));
    }
    let process = server.program.id();
    let before = usage::processor_time(process)?;
    for word in 0..WORDS {
        for (first, _) in &mut pairs {
            first.say(&update(word))?;
        }
        for (_, second) in &mut pairs {
            second.hears("endpointUpdated", PATIENCE)?;
        }
    }
    let used = usage::processor_time(process)? - before;
    Ok(used.as_secs_f64() * 1e6 / (WORDS * PAIRS) as f64)
}

/// Says what a thousand deliveries of a word to a hundred others cost, in milliseconds of processor
/// time.
pub fn fan_out(server: &Server) -> Result<f64> {
    let mut speakers = Vec::new();
    for _ in 0..SPEAKERS {
        let mut speaker = Peer::join(address(server), "hall")?;
        speaker.connect("speaker")?;
        speakers.push(speaker);
    }
    let mut listeners = Vec::with_capacity(LISTENERS);
    for _ in 0..LISTENERS {
        let mut listener = Peer::join(address(server), "hall")?;
        listener.connect("listener")?;
        listeners.push(listener);
    }
    // Whoever came later was told to those who came before; that is not measured.
    for peer in speakers.iter_mut().chain(&mut listeners) {
        while peer.socket.next(Duration::from_millis(2))?.is_some() {}
    }
    let process = server.program.id();
    let before = usage::processor_time(process)?;
    let mut deliveries = 0;
    for word in 0..WORDS {
        for speaker in &mut speakers {
            speaker.say(&update(word))?;
        }
        let others = speakers.iter_mut().map(|it| (it, SPEAKERS - 1));
        for (peer, words) in listeners.iter_mut().map(|it| (it, SPEAKERS)).chain(others) {
            for _ in 0..words {
                peer.hears("endpointUpdated", PATIENCE)?;
                deliveries += 1;
            }
        }
    }
    let used = usage::processor_time(process)? - before;
    let used = used.as_secs_f64() * 1e6;
    Some(used / f64::from(deliveries)).context("nothing was delivered")
}

/// A word: new metadata of its speaker.
pub fn update(number: usize) -> Value {
    let text = format!("{number:0>WORD_BYTES$}");
    json!({"type": "updateEndpointMetadata", "data": {"metadata": {"displayName": text}}})
}
