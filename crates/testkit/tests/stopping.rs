//! SIGTERM to the real server: everybody hears within half a second that it restarts, and one who
//! does not read cannot keep it from ending.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use serde_json::json;
use snug_testkit::lane;
use snug_testkit::process::{Server, Signal};
use snug_testkit::scripted::Peer;
use tokio_tungstenite::tungstenite::Message;

const PEERS: usize = 50;
/// Until everybody has heard of it.
const TOLD_MAX: Duration = Duration::from_millis(500);
/// Until the program has ended.
const ENDED_MAX: Duration = Duration::from_secs(2);
/// A topic that the answer repeats: some hundred fill every buffer on the way back.
const TOPIC_BYTES: usize = 16 * 1024;
const PUSHES_MAX: usize = 10_000;

#[test]
fn a_stopping_server_tells_everybody_at_once_and_waits_for_no_stuck_reader() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let mut peers = Vec::with_capacity(PEERS);
    for number in 0..PEERS {
        let mut peer = Peer::join(address, "stopping")?;
        peer.connect(&format!("peer {number}"))?;
        peers.push(peer);
    }
    let stuck = stuck(address)?;
    for peer in &mut peers {
        while peer.socket.next(Duration::from_millis(2))?.is_some() {}
    }

    let asked = Instant::now();
    server.program.signal(Signal::TERM)?;
    for (number, peer) in peers.iter_mut().enumerate() {
        let code = close_code(peer, asked + TOLD_MAX).with_context(|| format!("peer {number}"))?;
        ensure!(code == 1012, "peer {number} heard {code}");
    }
    println!("all were told after {:?}", asked.elapsed());
    let left = ENDED_MAX.saturating_sub(asked.elapsed());
    let ended = server.program.ended(left)?;
    println!("ended after {:?}", asked.elapsed());
    ensure!(
        ended.code == Some(0),
        "ended with {:?}: {}",
        ended.code,
        ended.stderr
    );
    drop(stuck);
    Ok(())
}

/// Joins and asks until the server has no more room for answers that are not read.
fn stuck(server: SocketAddr) -> Result<Peer> {
    let mut peer = Peer::join(server, "stopping")?;
    peer.connect("stuck")?;
    peer.socket
        .stream()
        .set_write_timeout(Some(Duration::from_millis(300)))?;
    let topic = "t".repeat(TOPIC_BYTES);
    for _ in 0..PUSHES_MAX {
        if peer.socket.push(None, &topic, "say", &json!({})).is_err() {
            return Ok(peer);
        }
    }
    anyhow::bail!("the server takes any number of answers that nobody reads")
}

/// Reads to the close frame, which comes before `deadline`.
fn close_code(peer: &mut Peer, deadline: Instant) -> Result<u16> {
    while let Some(message) = peer.socket.read_message(deadline)? {
        if let Message::Close(frame) = message {
            return Ok(frame.context("a close frame without a code")?.code.into());
        }
    }
    anyhow::bail!("no close frame in time")
}
