//! Snug's room server as its guests see it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snug_testkit::handshake::Identity;
use snug_testkit::process;
use snug_testkit::scripted::{Peer, Socket};

use super::pin::SERVER_CORE;
use super::server::{Joined, Server};
use snug_testkit::endpoint::{Endpoint, Ice, PATIENCE, Part, Remote};

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
        let mut peer = Peer::join(self.address, &format!("load-{room}"))?;
        let connected = peer.connect("load")?;
        let id = connected["id"].as_str().context("no id")?.to_owned();
        let mut tracks = (json!({}), json!({}), json!({}));
        if let Part::Sends(_) = part {
            say(&mut peer, "renegotiateTracks", &Value::Null)?;
            let track = format!("{id}:00000000-0000-4000-8000-000000000001");
            tracks = (
                json!({"0": track}),
                json!({track.clone(): {"active": true}}),
                json!({track: 1_500_000}),
            );
        }
        peer.hears("offerData", PATIENCE)?;
        let endpoint = Endpoint::open(self.address.ip())?;
        let sdp = endpoint.describe(&self.identity, part, "actpass", "0")?;
        let offered = Instant::now();
        let data = json!({
            "sdpOffer": {"type": "offer", "sdp": sdp},
            "midToTrackId": tracks.0,
            "trackIdToTrackMetadata": tracks.1,
            "trackIdToTrackBitrates": tracks.2,
        });
        say(&mut peer, "sdpOffer", &data)?;
        let answer = peer.hears("sdpAnswer", PATIENCE)?;
        let candidate = peer.hears("candidate", PATIENCE)?;
        let sdp = answer["sdp"].as_str().context("no SDP")?;
        let remote = Remote::read(sdp, candidate["candidate"].as_str())?;
        let connected = endpoint.connect(&self.identity, &remote, Ice::Lite)?;
        let took = offered.elapsed();
        self.peers.push(peer);
        Ok(Joined { connected, took })
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

fn say(peer: &mut Peer, kind: &str, data: &Value) -> Result<()> {
    peer.say(&json!({"type": "custom", "data": {"type": kind, "data": data}}))
}
