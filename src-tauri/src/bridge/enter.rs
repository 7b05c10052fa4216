//! The way into a room: a guest's, and a host's, who opens the room first and then takes the way
//! of every guest.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snug_client::{
    EncodedPicture, Event, FrameSink, JoinOptions, JoinStep, Participant, PictureSink, Stats,
};
use snug_discovery::Announcer;
use snug_media::I420Frame;
use snug_media::source::Silence;
use snug_protocol::{
    DisplayName, Host, HostToken, Link, Pin, RoomName, RoomState, Scheme, TrackId,
};
use snug_server::{Config, RoomPolicy, Server};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::problem::{of_client, of_reason, of_server};
use super::speaker::Ears;
use crate::ipc::Problem;
use crate::tiles::Tiles;

/// The file that remembers the keys of hosts.
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";

/// How long hosting waits for the room before to be gone, and with it its port.
const EARLIER_CALL_WITHIN: Duration = Duration::from_secs(3);

/// Where to go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Into a room that somebody else hosts.
    Guest(Link),
    /// Into one that is opened here, preferably on this port.
    Host(RoomName, u16),
}

/// Everything that the way in needs.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) name: DisplayName,
    /// Folder with the keys, ours and those of hosts.
    pub(crate) data: PathBuf,
    /// The key in the link is what the network told.
    pub(crate) is_told: bool,
    /// The person has a microphone and keeps it off: the others see it as muted.
    pub(crate) muted: bool,
    /// A room that is opened here is told on this network.
    pub(crate) is_announced: bool,
    /// How many earlier calls are still ending.
    pub(crate) calls: watch::Receiver<usize>,
    /// Follows the way in.
    pub(crate) steps: watch::Sender<JoinStep>,
    /// Follows roles and rules, also while we wait to be let in.
    pub(crate) rules: watch::Sender<RoomState>,
    /// Where the pictures of the others go.
    pub(crate) tiles: Tiles,
    /// Where their sound goes.
    pub(crate) ears: Ears,
}

/// What came of it.
pub(crate) struct Entered {
    pub(crate) participant: Participant,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) stats: watch::Receiver<Stats>,
    /// The server, where the room is hosted here.
    pub(crate) hosting: Option<Hosting>,
    pub(crate) link: Link,
    /// Links that let others in, the best first.
    pub(crate) links: Vec<Link>,
    pub(crate) muted: bool,
}

/// A room hosted here.
pub(crate) struct Hosting {
    server: Server,
    announcer: Option<Announcer>,
    room: RoomName,
    /// Makes whoever shows it the host: the window's own participant.
    token: HostToken,
}

impl Hosting {
    async fn start(
        room: RoomName,
        port: u16,
        data: PathBuf,
        is_announced: bool,
        mut calls: watch::Receiver<usize>,
    ) -> Result<Self, Problem> {
        // When it takes longer, another port will do.
        drop(timeout(EARLIER_CALL_WITHIN, calls.wait_for(|count| *count == 0)).await);
        let config = |port| Config {
            port,
            data_dir: data.clone(),
            rooms: RoomPolicy::Listed,
            pages: snug_cli::PAGES,
            is_announced,
            ..Config::default()
        };
        let server = match Server::start(config(port)).await {
            Err(snug_server::Error::PortInUse(_)) => Server::start(config(0)).await,
            result => result,
        };
        let server = server.map_err(|error| of_server(&error))?;
        let token = HostToken::from_random(rand::random());
        let listed = server.host_room(room.clone(), token.clone(), true).await;
        listed.map_err(of_reason)?;
        let announcer = server.adverts().map(Announcer::start);
        Ok(Self {
            server,
            announcer,
            room,
            token,
        })
    }

    /// Ends the room for everybody in it.
    pub(crate) async fn close(&self) {
        self.server.unlist_room(&self.room).await;
    }

    /// Stops the server; takes up to two seconds.
    pub(crate) async fn stop(self) {
        if let Some(announcer) = self.announcer {
            announcer.finish().await;
        }
        self.server.shutdown().await;
    }

    fn link_at(&self, address: SocketAddr) -> Link {
        link_at(address, &self.room, self.server.pin())
    }

    fn own_link(&self) -> Link {
        let port = self.server.addresses().first().map_or(0, SocketAddr::port);
        self.link_at((Ipv4Addr::LOCALHOST, port).into())
    }

    fn links(&self) -> Vec<Link> {
        let reachable = for_others(self.server.addresses());
        reachable.map(|address| self.link_at(address)).collect()
    }
}

/// Goes all the way into a room. Dropping it on the way takes everything back.
pub(crate) async fn enter(plan: Plan) -> Result<Entered, Problem> {
    let (hosting, link) = match plan.target {
        Target::Guest(link) => (None, link),
        Target::Host(room, port) => {
            let data = plan.data.clone();
            let hosting = Hosting::start(room, port, data, plan.is_announced, plan.calls).await?;
            let link = hosting.own_link();
            (Some(hosting), link)
        }
    };
    let known_hosts = plan.data.join(KNOWN_HOSTS);
    let mut options = JoinOptions::new(link.clone(), plan.name, known_hosts);
    options.is_told = plan.is_told;
    options.steps = Some(plan.steps);
    options.rules = Some(plan.rules);
    options.host = hosting.as_ref().map(|hosting| hosting.token.clone());
    let others = Arc::new(Others {
        tiles: plan.tiles,
        since: Instant::now(),
    });
    options.frames = Some(Arc::clone(&others) as Arc<dyn FrameSink>);
    options.pictures = Some(others);
    options.sound = Some(Box::new(plan.ears));
    if plan.muted {
        // Gives the microphone a place in the room, without opening it.
        options.audio = Some(Box::new(Silence));
    }
    let joined = Participant::join(options).await;
    let mut participant = joined.map_err(|error| of_client(&error, &link, hosting.is_some()))?;
    let links = hosting.as_ref().map(Hosting::links);
    Ok(Entered {
        events: participant.events(),
        stats: participant.watch_stats(),
        participant,
        links: links.unwrap_or_else(|| vec![link.clone()]),
        hosting,
        link,
        muted: plan.muted,
    })
}

/// Sends the pictures of the others to the page.
struct Others {
    tiles: Tiles,
    /// Start of the clock of decoded pictures: they carry no time of their own.
    since: Instant,
}

impl FrameSink for Others {
    fn frame(&self, track: &TrackId, frame: &EncodedPicture) {
        let (keyframe, at_us) = (frame.keyframe, frame.timestamp_us);
        self.tiles.send_encoded(track, keyframe, at_us, &frame.data);
    }
}

impl PictureSink for Others {
    fn show(&self, track: &TrackId, picture: &I420Frame) {
        let at_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tiles.send_picture(track, at_us, picture);
    }
}

/// Picks the addresses that others can use: those of the network, IPv4 first because people read
/// them out; loopback where there is no network.
fn for_others(addresses: &[SocketAddr]) -> impl Iterator<Item = SocketAddr> {
    let is_loopback = |address: &SocketAddr| address.ip().is_loopback();
    let are_all_loopback = addresses.iter().all(is_loopback);
    let mut usable: Vec<_> = addresses
        .iter()
        .copied()
        .filter(|address| are_all_loopback || !is_loopback(address))
        .collect();
    usable.sort_by_key(SocketAddr::is_ipv6);
    usable.into_iter()
}

fn link_at(address: SocketAddr, room: &RoomName, pin: Pin) -> Link {
    let host = match address {
        SocketAddr::V4(address) => Host::V4(*address.ip()),
        SocketAddr::V6(address) => Host::V6 {
            address: *address.ip(),
            zone: None,
        },
    };
    Link {
        scheme: Scheme::Snug,
        host,
        port: address.port(),
        room: room.clone(),
        pin: Some(pin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        for_others(&addresses).map(|it| it.to_string()).collect()
    }

    #[test]
    fn others_get_addresses_of_the_network() {
        assert_eq!(
            picked(&["127.0.0.1:7", "[2001:db8::1]:7", "192.168.1.20:7"]),
            ["192.168.1.20:7", "[2001:db8::1]:7"]
        );
        assert_eq!(picked(&["127.0.0.1:7"]), ["127.0.0.1:7"]);
    }

    #[test]
    fn an_invite_names_the_room_the_port_and_the_key() {
        let room = RoomName::parse("küche 1").unwrap();
        let address = "192.168.1.20:7685".parse().unwrap();
        let link = link_at(address, &room, Pin::new([7; 32]));
        let read: Link = link.to_string().parse().unwrap();
        assert_eq!(read, link);
        assert!(link.to_string().contains(":7685/"), "{link}");
    }
}
