//! What a server is told when it starts.

use std::net::IpAddr;
use std::path::PathBuf;

use snug_room::{PEERS_MAX, ROOMS_MAX, RoomPolicy};

use crate::PageFile;

/// The port that Snug uses unless told otherwise: SNUG on a telephone keypad.
pub const PORT: u16 = 7684;

/// Configures a server. The default serves open rooms on every address, as `snug-server serve`
/// does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// TCP and UDP port; 0 lets the system choose one that is free for both.
    pub port: u16,
    /// The one address to listen on; `None` means all, IPv4 and IPv6.
    pub bind: Option<IpAddr>,
    /// Where the identity key lives. Made if missing.
    pub data_dir: PathBuf,
    /// Which rooms may be joined.
    pub rooms: RoomPolicy,
    /// How many people one room seats, those who are coming back included.
    pub people_max: usize,
    /// How many rooms there may be at once; of a server of listed rooms, how many are listed.
    pub rooms_max: usize,
    /// Answers plain `ws` and `http` from other computers too; from this one they always are.
    pub allow_plain_ws: bool,
    /// Web origins besides our own that may open sockets, as `scheme://host[:port]`.
    pub allow_origins: Vec<String>,
    /// Outside addresses of a port-forwarded host, as `ADDR[:PORT]`.
    pub announce: Vec<String>,
    /// Tells whoever asks on this network which rooms there are and how many people are in them.
    pub is_announced: bool,
    /// A certificate of an authority that browsers know, in place of our own.
    pub tls: Option<TlsFiles>,
    /// The page by which browsers take part; none means that this server has none to give.
    pub pages: &'static [PageFile],
}

/// Where an issued certificate and its key lie, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those of its issuers up to one that browsers know.
    pub certificate: PathBuf,
    /// Its key: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            port: PORT,
            bind: None,
            data_dir: PathBuf::from("snug-data"),
            rooms: RoomPolicy::Open,
            people_max: PEERS_MAX,
            rooms_max: ROOMS_MAX,
            allow_plain_ws: false,
            allow_origins: Vec::new(),
            announce: Vec::new(),
            is_announced: false,
            tls: None,
            pages: &[],
        }
    }
}
