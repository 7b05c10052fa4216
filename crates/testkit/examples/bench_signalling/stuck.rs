//! Somebody who joins and never reads, while the others talk: alive, as its heartbeats say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::scripted::Peer;
use snug_testkit::usage;
use tokio_tungstenite::tungstenite::Message;

use super::address;
use super::talk::update;

/// Few enough that this machine reads what all of them hear.
const SPEAKERS: usize = 4;
/// Just below what a peer may say of itself.
const WORD_BYTES: usize = 14 * 1024;
/// How much all say before somebody reads slowly, so that the server holds what it holds anyway.
const WARM_UP_WORDS: usize = 10;
/// Who says nothing for five seconds has vanished, and is not told why.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
const PATIENCE_WITH_THE_STUCK: Duration = Duration::from_secs(30);

/// What it came to.
pub struct Seen {
    /// How much memory the server took meanwhile, at most.
    pub mib: f64,
    /// Whether the socket was closed with its reason.
    pub is_told: bool,
}

/// Measures it.
pub fn measure(server: &Server) -> Result<Seen> {
    let process = server.program.id();
    let mut speakers = Vec::new();
    for _ in 0..SPEAKERS {
        let mut peer = Peer::join(address(server), "hall")?;
        peer.connect("speaker")?;
        speakers.push(peer);
    }
    let (is_over, is_stuck, said) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let talking: Vec<_> = speakers
        .into_iter()
        .map(|speaker| {
            let shared = (
                Arc::clone(&is_over),
                Arc::clone(&is_stuck),
                Arc::clone(&said),
            );
            std::thread::spawn(move || talk(speaker, &shared.0, &shared.1, &shared.2))
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while said.load(Ordering::Relaxed) < SPEAKERS * WARM_UP_WORDS {
        ensure!(Instant::now() < deadline, "nobody talks");
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = usage::resident_kib(process)?;
    let mut stuck = Peer::join(address(server), "hall")?;
    stuck.say(&json!({"type": "connect", "data": {"metadata": {"displayName": "stuck"}}}))?;
    let mut most = before;
    let mut heartbeat_at = Instant::now();
    let deadline = Instant::now() + PATIENCE_WITH_THE_STUCK;
    while !is_stuck.load(Ordering::Acquire) && Instant::now() < deadline {
        most = most.max(usage::resident_kib(process)?);
        if heartbeat_at.elapsed() > HEARTBEAT_EVERY {
            heartbeat_at = Instant::now();
            let heartbeat = json!([null, "9", "phoenix", "heartbeat", {}]);
            stuck.socket.send(Message::text(heartbeat.to_string()))?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let is_told = is_told_why(&mut stuck);
    most = most.max(usage::resident_kib(process)?);
    is_over.store(true, Ordering::Release);
    for speaker in talking {
        let talked = speaker.join();
        talked.map_err(|_| anyhow::anyhow!("a speaker panicked"))??;
    }
    Ok(Seen {
        mib: (most - before) as f64 / 1024.0,
        is_told,
    })
}

/// Talks and listens; notes when somebody was dropped.
fn talk(
    mut peer: Peer,
    is_over: &AtomicBool,
    is_stuck: &AtomicBool,
    said: &AtomicUsize,
) -> Result<()> {
    while !is_over.load(Ordering::Acquire) {
        if !is_stuck.load(Ordering::Acquire) {
            // Another one each time: the room passes on what is new.
            let number = said.fetch_add(1, Ordering::Relaxed);
            peer.say(&update(&format!("{number:0>WORD_BYTES$}")))?;
        }
        let until = Instant::now() + Duration::from_millis(60);
        while Instant::now() < until {
            let frame = peer.socket.next(Duration::from_millis(20))?;
            let event = frame.and_then(|frame| frame.media_event());
            if event.is_some_and(|event| event["type"] == "endpointRemoved") {
                is_stuck.store(true, Ordering::Release);
            }
        }
    }
    Ok(())
}

/// Reads what there is, and whether it ends with the reason.
fn is_told_why(stuck: &mut Peer) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match stuck.socket.read_message(deadline).context("reading") {
            Ok(Some(Message::Close(Some(frame)))) => {
                return frame.reason.as_str() == "slow_consumer";
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}
