//! What `snug-server --log-format json` writes about a call: an object a line, who comes and goes by
//! key, and nothing that says who or where anybody is.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use snug_testkit::process::{PATIENCE, Server, Signal};
use snug_testkit::scripted::Peer;
use tokio_tungstenite::tungstenite::Message;

const ROOM: &str = "pergola-tea-party";
const PERSON: &str = "Wilhelmina";

#[test]
fn every_line_is_an_object_and_tells_neither_names_nor_addresses() -> Result<()> {
    let server = Server::start_with(None, &["--log-format", "json"])?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let mut guest = Peer::join(address, ROOM)?;
    guest.connect(PERSON)?;
    let mut other = Peer::join(address, ROOM)?;
    other.connect(PERSON)?;
    other.say(&json!({"type": "sdpOffer", "data": {"sdpOffer": {"sdp": PERSON}}}))?;
    other.socket.send(Message::text("no frame at all"))?;
    guest.hears("endpointRemoved", PATIENCE)?;
    drop(guest.leave()?);
    let deadline = Instant::now() + PATIENCE;
    while server.health()?["rooms"] != 0 {
        ensure!(Instant::now() < deadline, "the room does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.program.signal(Signal::TERM)?;
    let log = server.program.ended(PATIENCE)?.stderr;

    let mut lines = Vec::new();
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).with_context(|| format!("line {line}"))?;
        for field in ["at_ms", "level", "target", "message"] {
            ensure!(object.get(field).is_some(), "no {field} in {line}");
        }
        lines.push(object);
    }
    let count = |message: &str| lines.iter().filter(|it| it["message"] == message).count();
    for (message, times) in [
        ("listening", 1),
        ("a room started", 1),
        ("a peer came in", 2),
        ("a peer went", 2),
        ("a room ended", 1),
    ] {
        ensure!(
            count(message) == times,
            "{message}: {} times in\n{log}",
            count(message)
        );
    }
    let went = lines.iter().find(|it| it["message"] == "a peer went");
    let went = went.context("nobody went")?;
    ensure!(
        went["peer_key"].is_u64() && went["room_key"].is_u64(),
        "{went}"
    );
    for private in [ROOM, PERSON, "127.0.0.1", &server.fingerprint] {
        ensure!(!log.contains(private), "{private} is in\n{log}");
    }
    Ok(())
}
