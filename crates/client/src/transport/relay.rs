//! Reaching a server through its relays (TURN, RFC 8656).
//!
//! A server of the Membrane family takes media only through its own relays; the address that it
//! announces for itself is made up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtc::peer_connection::configuration::{
    RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy,
};
use snug_protocol::{TurnServer, TurnTransport};

/// How many relays of a list are used: a server announces one for each way to reach it.
const RELAYS_MAX: usize = 8;

/// The relays in use.
#[derive(Debug, Default)]
pub(super) struct Relays {
    announced: Vec<TurnServer>,
    in_use: Arc<AtomicBool>,
}

impl Relays {
    /// Tells the runtime whether there are any.
    pub(super) fn in_use(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.in_use)
    }

    /// Takes a list of relays; returns what the connection has to be told when it is news.
    pub(super) fn update(&mut self, servers: &[TurnServer]) -> Option<RTCConfiguration> {
        let servers = &servers[..servers.len().min(RELAYS_MAX)];
        if self.announced == servers {
            return None;
        }
        self.announced = servers.to_vec();
        self.in_use.store(true, Ordering::Relaxed);
        let usable = servers
            .iter()
            .filter(|server| server.transport == TurnTransport::Udp);
        let configuration = RTCConfigurationBuilder::new()
            .with_ice_servers(usable.map(ice_server).collect())
            .with_ice_transport_policy(RTCIceTransportPolicy::Relay);
        Some(configuration.build())
    }
}

fn ice_server(server: &TurnServer) -> RTCIceServer {
    let (host, port) = (bracketed(&server.server_addr), server.server_port);
    RTCIceServer {
        urls: vec![format!("turn:{host}:{port}?transport=udp")],
        username: server.username.clone(),
        credential: server.password.clone(),
    }
}

/// An IPv6 address as URLs have it.
fn bracketed(host: &str) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}
