//! Snug's room server as its guests see it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use snug_testkit::handshake::Identity;
use snug_testkit::process;
use snug_testkit::scripted::{Peer, Socket};

use super::pin::SERVER_CORE;
use super::server::{Joined, Server};
use snug_testkit::endpoint::{PATIENCE, Part};
use snug_testkit::guest::Guest;

/// A running server and everybody's signalling.
pub struct Snug {
    server: process::Server,
    address: SocketAddr,
    identity: Identity,
    peers: Vec<Peer>,
    /// Somebody who is told the numbers of all rooms, once a second.
    watcher: Socket,
}

impl Snug {
    /// Starts a server on one core.
    pub fn start() -> Result<Self> {
        let arguments = ["--bind", "127.0.0.1", "--people-max", "128"];
        let server = process::Server::start_on_core(SERVER_CORE, &arguments)?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port));
        let mut watcher = Socket::connect(address)?;
        let join = watcher.push(None, "stats", "phx_join", &json!({}))?;
        watcher.reply(&join, PATIENCE)?;
        Ok(Self {
            address,
            server,
            watcher,
            identity: Identity::generate()?,
            peers: Vec::new(),
        })
    }

    fn join(&mut self, room: usize, part: Part) -> Result<Joined> {
        let room = format!("load-{room}");
        let guest = Guest::join(self.address, &room, &self.identity, part)?;
        self.peers.push(guest.peer);
        Ok(Joined {
            connected: guest.connected,
            took: guest.took,
        })
    }
}

impl Server for Snug {
    fn process(&self) -> u32 {
        self.server.program.id()
    }

    fn publish(&mut self, room: usize, ssrc: u32) -> Result<Joined> {
        self.join(room, Part::Sends(ssrc))
    }

    fn subscribe(&mut self, room: usize) -> Result<Joined> {
        self.join(room, Part::Receives)
    }

    fn keep_alive(&mut self) -> Result<()> {
        let sockets = self.peers.iter_mut().map(|peer| &mut peer.socket);
        for socket in sockets.chain([&mut self.watcher]) {
            while socket.next(Duration::ZERO)?.is_some() {}
            socket.push(None, "phoenix", "heartbeat", &json!({}))?;
        }
        Ok(())
    }
}
