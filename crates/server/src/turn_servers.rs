//! Which TURN servers a joiner is told of, and with which credentials.
//!
//! They are all this server: its UDP port, and its TCP port for networks without UDP. The
//! address is the one that the joiner's own WebSocket arrived on, since that is known to work,
//! and the outside addresses of a host behind a router. Credentials are a name with a peer id in
//! it and what a secret of this server makes of that; they live as long as the peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore as _;
use ring::hmac;
use snug_protocol::{PeerId, TurnServer, TurnTransport};

use crate::transport::RelayAccess;

/// Outside addresses that joiners are told as TURN servers: a browser makes an allocation for
/// each server, and with two transports these and the local one fill what a peer may have.
const OUTSIDE_MAX: usize = 3;

/// Tells joiners how to reach this server by TURN.
pub(crate) struct TurnServers {
    secret: hmac::Key,
    port: u16,
    announced: Vec<SocketAddr>,
    /// By which name it is reached over TLS, and the port there.
    tls: Option<(String, u16)>,
}

impl TurnServers {
    /// Serves on `port`, from outside at `announced`, and over TLS by the name for which an
    /// authority issued our certificate.
    pub fn new(port: u16, announced: Vec<SocketAddr>, issued_for: Option<&str>) -> Self {
        // Who calls us by a name comes from outside.
        let tls_port = announced.first().map_or(port, SocketAddr::port);
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            port,
            announced,
            tls: issued_for.map(|name| (name.to_owned(), tls_port)),
        }
    }

    /// Lists the servers for a peer whose WebSocket arrived at `local`, UDP first, and what lets
    /// the media plane know it.
    pub fn admit(
        &self,
        peer: &PeerId,
        local: IpAddr,
        now: SystemTime,
    ) -> (Vec<TurnServer>, RelayAccess) {
        // The time only makes the name look as such names do; see RFC 8656 section 22.1.2.
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let username = format!("{seconds}:{peer}");
        let password = STANDARD.encode(hmac::sign(&self.secret, username.as_bytes()));
        let inside = SocketAddr::new(local, self.port);
        let mut addresses = vec![inside];
        for address in &self.announced {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        let server = |server_addr: String, server_port, transport| TurnServer {
            server_addr,
            server_port,
            transport,
            password: password.clone(),
            username: username.clone(),
        };
        let told = &addresses[..addresses.len().min(1 + OUTSIDE_MAX)];
        let servers = [TurnTransport::Udp, TurnTransport::Tcp]
            .into_iter()
            .flat_map(|transport| told.iter().map(move |address| (address, transport)))
            .map(|(address, transport)| server(host(address.ip()), address.port(), transport));
        // Never alone: where the name leads elsewhere, the others still work.
        let tls = self.tls.iter();
        let tls = tls.map(|(name, port)| server(name.clone(), *port, TurnTransport::Tls));
        let servers = servers.chain(tls).collect();
        let access = RelayAccess::new(username.clone(), &password, &addresses);
        (servers, access)
    }
}

impl fmt::Debug for TurnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServers").finish_non_exhaustive()
    }
}

/// Writes an address as it stands in a URL, which clients make of it.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(servers: &TurnServers, local: &str) -> Vec<TurnServer> {
        let peer = PeerId::from_random([7; 16]);
        let (servers, _) = servers.admit(&peer, local.parse().unwrap(), UNIX_EPOCH);
        servers
    }

    #[test]
    fn the_local_address_comes_first_and_outside_ones_once() {
        let outside = ["203.0.113.9:9", "[2001:db8::9]:7684", "10.0.0.1:7684"];
        let outside = outside.map(|address| address.parse().unwrap()).to_vec();
        let servers = admit(&TurnServers::new(7684, outside, None), "10.0.0.1");
        let udp: Vec<String> = servers
            .iter()
            .filter(|server| server.transport == TurnTransport::Udp)
            .map(|server| format!("{}:{}", server.server_addr, server.server_port))
            .collect();
        assert_eq!(
            udp,
            ["10.0.0.1:7684", "203.0.113.9:9", "[2001:db8::9]:7684"]
        );
        assert_eq!(servers[0].transport, TurnTransport::Udp);
    }

    #[test]
    fn tls_is_told_last_and_only_with_a_name() {
        let servers = admit(&TurnServers::new(7684, vec![], None), "10.0.0.1");
        let kinds = |servers: &[TurnServer]| -> Vec<TurnTransport> {
            servers.iter().map(|server| server.transport).collect()
        };
        assert_eq!(kinds(&servers), [TurnTransport::Udp, TurnTransport::Tcp]);
        let outside = vec!["203.0.113.9:9".parse().unwrap()];
        let servers = admit(
            &TurnServers::new(7684, outside, Some("rooms.example")),
            "10.0.0.1",
        );
        assert_eq!(
            kinds(&servers)[3..],
            [TurnTransport::Tcp, TurnTransport::Tls]
        );
        assert_eq!(servers[4].server_addr, "rooms.example");
        assert_eq!(servers[4].server_port, 9);
    }

    #[test]
    fn credentials_are_a_server_s_own() {
        let (one, two) = (
            TurnServers::new(1, vec![], None),
            TurnServers::new(1, vec![], None),
        );
        let (first, other) = (admit(&one, "10.0.0.1"), admit(&two, "10.0.0.1"));
        assert_eq!(first[0].username, other[0].username);
        assert_ne!(first[0].password, other[0].password);
        assert_eq!(admit(&one, "10.0.0.2")[0].password, first[0].password);
        assert!(first[0].username.starts_with("0:"));
    }
}
