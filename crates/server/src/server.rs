//! A whole room server: identity, listener, registry and media plane, started and stopped as one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use snug_protocol::{Advert, HostToken, PeerId, Pin, ReasonCode, RoomName};
use snug_room::Patience;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::advertising::Advertising;
use crate::application::RoomApplication;
use crate::http::{Gate, Health, advert_route, health_route, site, socket_route};
use crate::listener::Listener;
use crate::metrics::metrics_route;
use crate::registry::{Hosted, RegistryTask, Rooms};
use crate::room_task::{Keys, Site, Surroundings};
use crate::socket::SocketOptions;
use crate::stats::StatsTask;
use crate::transport::{self, Transport, TransportConfig, TransportHandle};
use crate::turn_servers::TurnServers;
use crate::{Config, Counters, Error, Identity, OriginRules, machine_name, pages, tls};

/// Where sockets of rooms are served, as in every Phoenix application.
const SOCKET_PATH: &str = "/socket";

/// How often a port that is free for TCP may turn out to be taken for UDP, when the system
/// chooses it.
const PORT_TRIES: usize = 16;

/// A running room server. Dropping it ends everything at once; see [`Server::shutdown`].
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    pin: Pin,
    rooms: Rooms,
    stop: CancellationToken,
    listening: JoinSet<()>,
    stop_rooms: CancellationToken,
    hosting: JoinSet<()>,
    transport: Transport,
    adverts: Option<watch::Receiver<Advert>>,
}

impl Server {
    /// Starts a server. When this returns it answers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// See [`Error`]: the port is in use, an address is not ours or cannot be read, the identity
    /// key cannot be kept.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let identity = match &config.tls {
            Some(files) => Identity::load_issued(files)?,
            None => Identity::load_or_create(&config.data_dir)?,
        };
        let tls = tls::server_config(&identity)?;
        let origins = Arc::new(OriginRules::new(&config, &machine_name())?);
        let (listener, transport) = open_ports(&config)?;
        let port = listener.address().port();
        let announced = announced(&config.announce, port);
        let turn_servers = Arc::new(TurnServers::new(
            port,
            announced.clone(),
            identity.issued_for(),
        ));
        let around = Surroundings {
            site: Arc::new(Site {
                fingerprint: transport.fingerprint(),
                media_port: transport.port(),
                announced,
                patience: Patience::default(),
                people_max: config.people_max,
                keys: Keys::default(),
            }),
            transport: transport.handle(),
        };
        let listener = listener.with_turn(transport.handle().streams());
        let (doors, media) = (listener.counters(), transport.shared_counters());
        let (registry, rooms) = RegistryTask::new(config.rooms, config.rooms_max, around);
        let (telling, stats) = StatsTask::new(rooms.clone(), transport.shared_counters());
        let application =
            RoomApplication::new(rooms.clone(), turn_servers, stats, Arc::clone(&doors));
        let options = SocketOptions::default();
        let routes = socket_route(SOCKET_PATH, application, options, &origins)
            .merge(health_of(rooms.clone(), transport.handle()))
            .merge(metrics_of(rooms.clone(), doors, media))
            .merge(pages::routes(config.pages, identity.pin()));
        let (advertising, adverts) = Advertising::new(rooms.clone(), identity.pin(), port);
        let adverts = config.is_announced.then_some(adverts);
        let routes = match &adverts {
            Some(adverts) => routes.merge(advert_route(adverts.clone())),
            None => routes,
        };
        let gate = Gate {
            origins,
            allow_plain: config.allow_plain_ws,
        };
        let (stop, stop_rooms) = (CancellationToken::new(), CancellationToken::new());
        let addresses = reachable(listener.address());
        let (mut listening, mut hosting) = (JoinSet::new(), JoinSet::new());
        hosting.spawn(registry.run(stop_rooms.clone()));
        hosting.spawn(telling.run(stop_rooms.clone()));
        if adverts.is_some() {
            hosting.spawn(advertising.run(stop_rooms.clone()));
        }
        listening.spawn(listener.run(site(gate, routes), tls, stop.clone()));
        let pin = identity.pin();
        tracing::info!(port, "listening");
        Ok(Self {
            addresses,
            pin,
            rooms,
            stop,
            listening,
            stop_rooms,
            hosting,
            transport,
            adverts,
        })
    }

    /// Returns the addresses at which the server can be reached, the loopback one first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the fingerprint of the server's identity key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Follows what is to be told on this network; nothing where rooms are not announced.
    pub fn adverts(&self) -> Option<watch::Receiver<Advert>> {
        self.adverts.clone()
    }

    /// Lets people into a room on a server that hosts listed rooms only.
    ///
    /// # Errors
    /// [`ReasonCode::ServerFull`] when too many are listed, [`ReasonCode::ServerStopping`].
    pub async fn list_room(&self, name: RoomName) -> Result<(), ReasonCode> {
        self.rooms.list(name, None).await
    }

    /// The same for a room whose host is whoever shows `token`, told of on this network or by invite
    /// only. May be called again to change that.
    ///
    /// # Errors
    /// Those of [`Server::list_room`].
    pub async fn host_room(
        &self,
        name: RoomName,
        token: HostToken,
        is_told: bool,
    ) -> Result<(), ReasonCode> {
        self.rooms.list(name, Some(Hosted { token, is_told })).await
    }

    /// Takes that back: newcomers are refused with [`ReasonCode::NoSuchRoom`], and whoever is in
    /// the room hears [`ReasonCode::RoomClosed`] and is out of it. A room that was never listed
    /// is no error.
    pub async fn unlist_room(&self, name: &RoomName) {
        self.rooms.unlist(name.clone()).await;
    }

    /// Puts a peer out of a room: it hears that it is removed, its channel closes, and its program
    /// does not come back by itself. Returns false when no such peer is in such a room.
    pub async fn kick(&self, room: &RoomName, peer: &PeerId) -> bool {
        self.rooms.kick(room.clone(), peer.clone()).await
    }

    /// Makes a room's task panic, as a defect would, so that tests see what becomes of the people in
    /// it and of the other rooms. No program calls it. Returns false when there is no such room.
    #[doc(hidden)]
    pub async fn crash_room(&self, name: &RoomName) -> bool {
        self.rooms.crash(name.clone()).await
    }

    /// Makes a room panic over what it does for one peer, as a defect would, so that tests see what
    /// becomes of that peer and of the others. No program calls it. Returns false when there is no
    /// such room.
    #[doc(hidden)]
    pub async fn crash_peer(&self, room: &RoomName, peer: &PeerId) -> bool {
        self.rooms.crash_peer(room.clone(), peer.clone()).await
    }

    /// Returns how many rooms have somebody in them.
    pub async fn room_count(&self) -> usize {
        self.rooms.count().await
    }

    /// Waits until the server can no longer host rooms, by a defect of its own: everybody in them
    /// has been told, and newcomers are refused. The future may outlive the server, and then
    /// never ends; a server that is told to stop has not failed.
    pub fn failed(&self) -> impl Future<Output = Error> + Send + 'static + use<> {
        // A parent that is dropped does not cancel its children.
        let failure = self.transport.handle().failure();
        async move {
            failure.cancelled().await;
            Error::MediaLost
        }
    }

    /// Stops: tells every socket (close code 1012), then ends rooms and media. Takes up to two
    /// seconds.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        drain(&mut self.listening).await;
        self.stop_rooms.cancel();
        drain(&mut self.hosting).await;
        let Self { transport, .. } = self;
        // Its thread ends within milliseconds, but not within none.
        let ended = tokio::task::spawn_blocking(move || transport.shutdown()).await;
        if let Err(error) = ended {
            tracing::error!(%error, "the media plane did not stop well");
        }
    }
}

fn health_of(rooms: Rooms, transport: TransportHandle) -> axum::Router {
    health_route(move || {
        let (rooms, media) = (rooms.clone(), !transport.has_failed());
        async move {
            Health {
                rooms: rooms.count().await,
                media,
            }
        }
    })
}

fn metrics_of(rooms: Rooms, doors: Arc<Counters>, media: Arc<transport::Counters>) -> axum::Router {
    let count = move || {
        let rooms = rooms.clone();
        async move { rooms.count().await }
    };
    metrics_route(count, doors, media)
}

async fn drain(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the server did not stop well");
        }
    }
}

/// Opens the TCP and the UDP port of one number.
fn open_ports(config: &Config) -> Result<(Listener, Transport), Error> {
    let mut tries = if config.port == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let listener = Listener::bind(config.bind, config.port)?;
        let address = listener.address();
        let bind = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        match Transport::start(TransportConfig {
            bind,
            port: address.port(),
        }) {
            Ok(transport) => return Ok((listener, transport)),
            Err(transport::Error::Bind { source, .. }) => {
                let is_taken = source.kind() == std::io::ErrorKind::AddrInUse;
                match (is_taken, tries) {
                    (true, 0) => return Err(Error::PortInUse(address)),
                    (true, _) => {}
                    (false, _) => return Err(Error::Listen { address, source }),
                }
            }
            Err(error) => return Err(Error::Media(error)),
        }
    }
}

/// Reads the outside addresses that candidates carry; names are for links and Host alone.
fn announced(values: &[String], port: u16) -> Vec<SocketAddr> {
    let address = |value: &String| {
        let bare = value.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port));
        ip.or_else(|_| value.parse()).ok()
    };
    values.iter().filter_map(address).collect()
}

/// Lists where a bound address can be reached: itself, or the addresses of this computer.
fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut ips = vec![loopback];
    match rtc_shared::ifaces::ifaces() {
        Ok(interfaces) => {
            let all = interfaces.iter().filter_map(|interface| interface.addr);
            let fits = |ip: &IpAddr| ip.is_ipv4() || bound.is_ipv6();
            ips.extend(all.map(|address| address.ip()).filter(fits));
        }
        Err(error) => tracing::warn!(%error, "the addresses of this computer are not known"),
    }
    // Link-local IPv6 addresses mean nothing without the zone of the one who uses them.
    let is_useful = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_loopback(),
    };
    let mut addresses = Vec::new();
    for ip in ips.into_iter().filter(is_useful) {
        let address = SocketAddr::new(ip, bound.port());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn announced_addresses_get_our_port_unless_they_have_one() {
        let values = [
            "203.0.113.9",
            "203.0.113.9:9",
            "2001:db8::1",
            "[2001:db8::1]:9",
            "a.example",
        ];
        let values = values.map(str::to_owned);
        let expected: Vec<SocketAddr> = [
            "203.0.113.9:7684",
            "203.0.113.9:9",
            "[2001:db8::1]:7684",
            "[2001:db8::1]:9",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        assert_eq!(announced(&values, 7684), expected);
    }

    /// Asks for the health of a server; returns the status line and the body.
    async fn health(server: &Server) -> (String, String) {
        ask(server, "/healthz").await
    }

    async fn ask(server: &Server, path: &str) -> (String, String) {
        let address = server.addresses()[0];
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn a_media_thread_that_dies_is_noticed_and_told() {
        let data = tempfile::tempdir().unwrap();
        let config = Config {
            port: 0,
            bind: Some(Ipv4Addr::LOCALHOST.into()),
            data_dir: data.path().to_owned(),
            ..Config::default()
        };
        let server = Server::start(config).await.unwrap();
        let (status, body) = health(&server).await;
        assert!(status.ends_with("200 OK"), "{status}");
        assert_eq!(body, r#"{"rooms":0,"media":true}"#);
        let (status, body) = ask(&server, "/metrics").await;
        assert!(status.ends_with("200 OK"), "{status}");
        for line in ["snug_rooms 0", "snug_packets_forwarded_total 0"] {
            assert!(body.lines().any(|said| said == line), "{body}");
        }
        let failed = server.failed();
        let command = transport::TransportCommand::Panic;
        server.transport.handle().send(command).unwrap();
        let noticed = tokio::time::timeout(Duration::from_secs(10), failed).await;
        assert!(matches!(noticed, Ok(Error::MediaLost)));
        let (status, body) = health(&server).await;
        assert!(status.ends_with("503 Service Unavailable"), "{status}");
        assert_eq!(body, r#"{"rooms":0,"media":false}"#);
        let name = RoomName::parse("a").unwrap();
        let refused = server.rooms.look_up_or_start(name).await.err();
        assert_eq!(refused, Some(ReasonCode::MediaLost));
        server.shutdown().await;
    }

    #[test]
    fn a_bound_address_is_reached_at_itself_and_all_of_them_at_loopback_first() {
        let bound: SocketAddr = "[::1]:5".parse().unwrap();
        assert_eq!(reachable(bound), [bound]);
        let all = reachable("0.0.0.0:5".parse().unwrap());
        assert_eq!(all[0].to_string(), "127.0.0.1:5");
        assert!(all.iter().all(SocketAddr::is_ipv4));
        assert_eq!(
            all.iter()
                .filter(|address| address.ip().is_loopback())
                .count(),
            1
        );
    }
}
