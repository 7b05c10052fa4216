//! Reaching a server through its relays (TURN, RFC 8656).
//!
//! A server of the Membrane family takes media only through its own relays; the address that it
//! announces for itself is made up.
//!
//! Rules, each with its why:
//! - `webrtc` speaks to relays over UDP only, so those over TCP and TLS stand behind a [`Bridge`].
//! - UDP gets a head start, TLS comes last: over TCP a lost packet holds up all that follow.
//! - The way that worked is the only one that the next ICE generation tries, without a head start
//!   for another; if it fails, the generation after that tries all again.

mod bridge;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rtc::peer_connection::configuration::{
    RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy,
};
use snug_protocol::{TurnServer, TurnTransport};

use bridge::Bridge;

/// How many relays of a list are used: a server announces one for each way to reach it.
const RELAYS_MAX: usize = 8;

/// How much earlier each kind of relay is tried than the next: a few round trips of a far server.
const HEAD_START: Duration = Duration::from_millis(500);

/// The relays of a connection.
#[derive(Debug, Default)]
pub(super) struct Relays {
    announced: Vec<TurnServer>,
    ways: Vec<Way>,
    /// The way that the last generation was told to take; none means all.
    chosen: Option<usize>,
    in_use: Arc<AtomicBool>,
    connected: Arc<AtomicBool>,
}

/// One relay.
#[derive(Debug)]
struct Way {
    server: RTCIceServer,
    bridge: Option<Bridge>,
}

impl Relays {
    /// Tells the runtime whether there are any.
    pub(super) fn in_use(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.in_use)
    }

    /// To be set whenever the connection stands.
    pub(super) fn connected(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.connected)
    }

    /// Takes a list of relays, for a connection bound to `local`; returns what the connection has
    /// to be told when the list is news.
    pub(super) async fn update(
        &mut self,
        servers: &[TurnServer],
        local: IpAddr,
    ) -> Option<RTCConfiguration> {
        let servers = &servers[..servers.len().min(RELAYS_MAX)];
        if self.announced == servers {
            return None;
        }
        self.announced = servers.to_vec();
        self.in_use.store(true, Ordering::Relaxed);
        self.ways.clear();
        self.chosen = None;
        for server in servers {
            match self.way(server, local).await {
                Ok(way) => self.ways.push(way),
                Err(error) => tracing::warn!(%error, ?server, "a relay cannot be used"),
            }
        }
        Some(self.configuration())
    }

    /// Chooses the ways for the next ICE generation; returns what the connection has to be told
    /// when they are others than before.
    pub(super) fn choose(&mut self) -> Option<RTCConfiguration> {
        let worked = self.connected.swap(false, Ordering::Relaxed);
        let carried = |way: &Way| way.bridge.as_ref().is_some_and(Bridge::take_carried);
        let bridged: Vec<bool> = self.ways.iter().map(carried).collect();
        let direct = || self.ways.iter().position(|way| way.bridge.is_none());
        let way = bridged.iter().position(|carried| *carried).or_else(direct);
        let before = self.chosen;
        self.chosen = way.filter(|_| worked);
        for (index, way) in self.ways.iter().enumerate() {
            if let Some(bridge) = &way.bridge {
                bridge.hurry(self.chosen == Some(index));
            }
        }
        (self.chosen != before).then(|| self.configuration())
    }

    async fn way(&self, server: &TurnServer, local: IpAddr) -> std::io::Result<Way> {
        let direct = server.transport == TurnTransport::Udp && same_family(server, local);
        let bridge = if direct {
            None
        } else {
            let head_start = HEAD_START * self.rank(server.transport);
            let connected = Arc::clone(&self.connected);
            Some(Bridge::open(local, server, head_start, connected).await?)
        };
        let (host, port) = match bridge.as_ref().map(Bridge::address) {
            Some(SocketAddr::V4(v4)) => (v4.ip().to_string(), v4.port()),
            Some(SocketAddr::V6(v6)) => (v6.ip().to_string(), v6.port()),
            None => (server.server_addr.clone(), server.server_port),
        };
        let server = RTCIceServer {
            urls: vec![format!("turn:{}:{port}?transport=udp", bracketed(&host))],
            username: server.username.clone(),
            credential: server.password.clone(),
        };
        Ok(Way { server, bridge })
    }

    /// How many kinds of relay are announced that are tried before this one.
    fn rank(&self, transport: TurnTransport) -> u32 {
        let order = [TurnTransport::Udp, TurnTransport::Tcp, TurnTransport::Tls];
        let announced =
            |kind: &&TurnTransport| self.announced.iter().any(|it| it.transport == **kind);
        let before = order
            .iter()
            .take_while(|kind| **kind != transport)
            .filter(announced);
        before.fold(0, |count, _| count + 1)
    }

    fn configuration(&self) -> RTCConfiguration {
        let ways = self.ways.iter().enumerate();
        let wanted = ways.filter(|(index, _)| self.chosen.is_none_or(|chosen| chosen == *index));
        RTCConfigurationBuilder::new()
            .with_ice_servers(wanted.map(|(_, way)| way.server.clone()).collect())
            .with_ice_transport_policy(RTCIceTransportPolicy::Relay)
            .build()
    }
}

/// Whether a connection bound to `local` can reach the server's address itself; a name may have
/// addresses of both families.
fn same_family(server: &TurnServer, local: IpAddr) -> bool {
    let address = server.server_addr.parse::<IpAddr>();
    address.map_or(true, |address| address.is_ipv4() == local.is_ipv4())
}

/// An IPv6 address as URLs have it.
fn bracketed(host: &str) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(transport: TurnTransport, address: &str) -> TurnServer {
        TurnServer {
            server_addr: address.to_owned(),
            server_port: 3478,
            transport,
            password: "p".to_owned(),
            username: "u".to_owned(),
        }
    }

    fn urls(configuration: &RTCConfiguration) -> Vec<String> {
        let servers = configuration.ice_servers().iter();
        servers.flat_map(|server| server.urls.clone()).collect()
    }

    #[tokio::test]
    async fn the_way_that_worked_is_taken_alone_until_it_fails() {
        let local = "127.0.0.1".parse().unwrap();
        let mut relays = Relays::default();
        let kinds = [TurnTransport::Tls, TurnTransport::Udp, TurnTransport::Tcp];
        let servers = kinds.map(|kind| server(kind, "192.0.2.1"));
        let all = urls(&relays.update(&servers, local).await.unwrap());
        assert_eq!(all[1], "turn:192.0.2.1:3478?transport=udp");
        assert!(all[0].starts_with("turn:127.0.0.1:") && all[2].starts_with("turn:127.0.0.1:"));
        assert!(relays.update(&servers, local).await.is_none(), "no news");
        assert_eq!(kinds.map(|kind| relays.rank(kind)), [2, 0, 1]);

        assert!(relays.choose().is_none(), "nothing worked yet: all again");
        relays.connected().store(true, Ordering::Relaxed);
        assert_eq!(
            urls(&relays.choose().unwrap()),
            all[1..2],
            "no bridge carried anything"
        );
        relays.connected().store(true, Ordering::Relaxed);
        assert!(relays.choose().is_none(), "the same way again");
        assert_eq!(urls(&relays.choose().unwrap()), all, "it failed");
    }

    #[tokio::test]
    async fn an_address_of_the_other_family_is_reached_by_a_bridge() {
        let mut relays = Relays::default();
        let servers = [server(TurnTransport::Udp, "2001:db8::1")];
        let local = "127.0.0.1".parse().unwrap();
        let urls = urls(&relays.update(&servers, local).await.unwrap());
        assert!(urls[0].starts_with("turn:127.0.0.1:"), "{urls:?}");
        assert_eq!(bracketed("2001:db8::1"), "[2001:db8::1]");
    }
}
