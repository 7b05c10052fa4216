//! What a call is given: what all calls share, and who comes to the door.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use snug_protocol::TurnServer;
use snug_room::{Joiner, Patience};

use crate::transport::{IceCredentials, RelayAccess};

/// What all calls of a server share.
#[derive(Debug)]
pub(crate) struct Site {
    /// SHA-256 of the DTLS certificate.
    pub fingerprint: [u8; 32],
    /// The UDP port of the media plane.
    pub media_port: u16,
    /// Outside addresses of a host behind a router.
    pub announced: Vec<SocketAddr>,
    /// How long silence is borne.
    pub patience: Patience,
    /// How many people one room seats.
    pub people_max: usize,
    /// Where keys for the media plane come from.
    pub keys: Keys,
}

/// Counts out keys that no two peers, rooms or tracks of a server share.
#[derive(Debug, Default)]
pub(crate) struct Keys(AtomicU32);

impl Keys {
    /// Returns a number that was not given out before.
    pub fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Somebody at the door, with what chance has provided for them.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// Who wants to sit where.
    pub joiner: Joiner,
    /// Whether it is a Snug program.
    pub is_snug: bool,
    /// Whether it is the page that Snug serves to browsers.
    pub is_page: bool,
    /// Whether it understands chat, hands and reactions, as newer Snug programs do and the page that
    /// this server serves to browsers.
    pub listens: bool,
    /// The address on which its WebSocket arrived.
    pub local: IpAddr,
    /// Our side of its first ICE generation.
    pub ice: IceCredentials,
    /// Where the numbers of the sources that it receives begin.
    pub first_ssrc: u32,
    /// TURN servers for it, valid as long as it stays.
    pub turn_servers: Vec<TurnServer>,
    /// What it may use them with.
    pub relay: Option<RelayAccess>,
    /// Whether it wants cameras in several layers, where it says so.
    pub simulcast: Option<bool>,
}
