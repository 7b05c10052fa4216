//! Somebody in a room of ours by hand: a scripted peer and its own end of the media, one line of
//! pictures.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::endpoint::{Connected, Endpoint, Ice, PATIENCE, Part, Remote};
use crate::handshake::Identity;
use crate::scripted::Peer;

/// What the camera's owner announces of it, in bits a second.
const BITRATE: u32 = 1_500_000;

/// A guest with keys.
#[derive(Debug)]
pub struct Guest {
    /// Its signalling.
    pub peer: Peer,
    /// Its media.
    pub connected: Connected,
    /// From the offer to the keys.
    pub took: Duration,
}

impl Guest {
    /// Joins a room, whoever is there, and takes this part in it.
    ///
    /// # Errors
    /// When the server refuses or does not answer in [`PATIENCE`].
    pub fn join(server: SocketAddr, room: &str, identity: &Identity, part: Part) -> Result<Self> {
        let mut peer = Peer::join(server, room)?;
        let connected = peer.connect("guest")?;
        let id = connected["id"].as_str().context("no id")?.to_owned();
        let mut tracks = (json!({}), json!({}), json!({}));
        if let Part::Sends(_) = part {
            say(&mut peer, "renegotiateTracks", &Value::Null)?;
            let track = format!("{id}:00000000-0000-4000-8000-000000000001");
            tracks = (
                json!({"0": track}),
                json!({track.clone(): {"active": true}}),
                json!({track: BITRATE}),
            );
        }
        peer.hears("offerData", PATIENCE)?;
        let endpoint = Endpoint::open(server.ip())?;
        let sdp = endpoint.describe(identity, part, "actpass", "0")?;
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
        let connected = endpoint.connect(identity, &remote, Ice::Lite)?;
        Ok(Self {
            peer,
            connected,
            took: offered.elapsed(),
        })
    }
}

fn say(peer: &mut Peer, kind: &str, data: &Value) -> Result<()> {
    peer.say(&json!({"type": "custom", "data": {"type": kind, "data": data}}))
}
