//! An unmodified client without media, as a process of its own so that it can be stopped, killed
//! or cut off: joins a room without a resume token, answers pings, and prints when it wrote.
//!
//! Usage: `tokenless_peer ADDRESS:PORT ROOM`. Ends when the server closes the socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use snug_testkit::process::now_ms;
use snug_testkit::scripted::Peer;
use tokio_tungstenite::tungstenite::Message;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server: SocketAddr = arguments.next().context("no server")?.parse()?;
    let room = arguments.next().context("no room")?;
    let mut peer = Peer::join(server, &room)?;
    let id = peer.connect("tokenless")?["id"].clone();
    println!(
        "{}",
        json!({ "type": "joined", "at_ms": now_ms(), "peer_id": id })
    );
    loop {
        match peer
            .socket
            .read_message(Instant::now() + Duration::from_secs(60))?
        {
            Some(Message::Ping(_)) => {
                // The time is taken first: what is printed is never later than what was sent.
                let at_ms = now_ms();
                peer.socket.flush()?;
                println!("{}", json!({ "type": "wrote", "at_ms": at_ms }));
            }
            Some(Message::Close(_)) => return Ok(()),
            _ => {}
        }
    }
}
