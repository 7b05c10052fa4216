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

/// What words cost, in milliseconds of processor time for a thousand.
pub struct Words {
    /// That come back to who said them.
    pub echoed: f64,
    /// That go to one other instead.
    pub passed_on: f64,
}

/// Says a word in each of some rooms of two, many times: what is answered, by way of the room's
/// task, with as many bytes; and what the other hears.
pub fn words(server: &Server) -> Result<Words> {
    let mut pairs = Vec::with_capacity(PAIRS);
    for number in 0..PAIRS {
        let room = format!("echo-{number}");
        let mut first = Peer::join(address(server), &room)?;
        first.connect("one")?;
        let mut second = Peer::join(address(server), &room)?;
        second.connect(&text(0))?;
        first.hears("endpointAdded", PATIENCE)?;
        pairs.push((first, second));
    }
    let process = server.program.id();
    let mut cost = |said: fn(usize) -> Value, comes: &str, is_echo: bool| {
        let before = usage::processor_time(process)?;
        for word in 0..WORDS {
            for (first, _) in &mut pairs {
                first.say(&said(word))?;
            }
            for (first, second) in &mut pairs {
                let hearer = if is_echo { first } else { second };
                hearer.hears(comes, PATIENCE)?;
            }
        }
        let used = usage::processor_time(process)? - before;
        Result::<f64>::Ok(used.as_secs_f64() * 1e6 / (WORDS * PAIRS) as f64)
    };
    // Whoever connects again is told again who is here.
    let echoed = cost(again, "connected", true)?;
    let passed_on = cost(|word| update(&text(word)), "endpointUpdated", false)?;
    Ok(Words { echoed, passed_on })
}

fn again(number: usize) -> Value {
    json!({"type": "connect", "data": {"metadata": {"displayName": text(number)}}})
}

fn text(number: usize) -> String {
    format!("{number:0>WORD_BYTES$}")
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
            speaker.say(&update(&text(word)))?;
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
pub fn update(name: &str) -> Value {
    let metadata = json!({"displayName": name});
    json!({"type": "updateEndpointMetadata", "data": {"metadata": metadata}})
}
