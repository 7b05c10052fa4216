//! Pointing to hosts by mDNS (RFC 6762) and DNS-SD (RFC 6763), as `_snug._tcp.local.`
//!
//! It only says *where* a server with rooms may be; what rooms these are is asked of the server.
//! So no name of a room or a person is ever multicast.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use mdns_sd::{IfKind, IfPredicate, Receiver, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use snug_protocol::Advert;

use crate::interfaces::leads_to_people;

const SERVICE: &str = "_snug._tcp.local.";

/// How long the farewell of mDNS may take.
const FAREWELL_WITHIN: Duration = Duration::from_millis(300);

/// Says where a server with rooms is, until dropped.
pub(crate) struct Pointing {
    daemon: ServiceDaemon,
    fullname: String,
}

impl Pointing {
    /// Starts; nothing where mDNS cannot be spoken.
    pub fn start(advert: &Advert) -> Option<Self> {
        let started = daemon().and_then(|daemon| {
            let pin = advert.pin.to_string();
            // Names of our own, so that they meet neither another server nor the computer's name.
            let service = service(&pin, advert.port)?;
            let fullname = service.get_fullname().to_owned();
            daemon.register(service)?;
            Ok(Self { daemon, fullname })
        });
        let note = |error| tracing::info!(%error, "rooms are not announced by mDNS");
        started.map_err(note).ok()
    }

    /// Says farewell and ends.
    pub async fn finish(self) {
        if let Ok(status) = self.daemon.unregister(&self.fullname) {
            let said = tokio::time::timeout(FAREWELL_WITHIN, status.recv_async()).await;
            tracing::debug!(?said, "mDNS said farewell");
        }
    }
}

impl Drop for Pointing {
    fn drop(&mut self) {
        end(&self.daemon);
    }
}

/// Hears where servers with rooms are, until dropped.
pub(crate) struct Pointers {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
}

impl Pointers {
    /// Starts; nothing where mDNS cannot be spoken.
    pub fn start() -> Option<Self> {
        let started = daemon().and_then(|daemon| {
            let events = daemon.browse(SERVICE)?;
            Ok(Self { daemon, events })
        });
        let note = |error| tracing::info!(%error, "rooms are not found by mDNS");
        started.map_err(note).ok()
    }

    /// Waits for the addresses of one server. Safe to cancel.
    pub async fn next(&mut self) -> Vec<SocketAddr> {
        loop {
            match self.events.recv_async().await {
                Ok(ServiceEvent::ServiceResolved(service)) => {
                    let port = service.port;
                    return service
                        .addresses
                        .iter()
                        .filter_map(|ip| address(ip, port))
                        .collect();
                }
                Ok(_) => {}
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Pointers {
    fn drop(&mut self) {
        end(&self.daemon);
    }
}

fn service(pin: &str, port: u16) -> mdns_sd::Result<ServiceInfo> {
    let label: String = pin
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    let host = format!("snug-{}.local.", label.to_ascii_lowercase());
    let name = format!("snug-{label}-{port}");
    let none: &[(&str, &str)] = &[];
    Ok(ServiceInfo::new(SERVICE, &name, &host, "", port, none)?.enable_addr_auto())
}

fn daemon() -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    let is_ignored = IfPredicate::new(|interface| {
        interface.is_loopback() || interface.is_p2p() || !leads_to_people(&interface.name)
    });
    daemon.disable_interface(IfKind::Predicate(is_ignored))?;
    Ok(daemon)
}

fn address(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    match ip {
        ScopedIp::V4(ip) => Some((*ip.addr(), port).into()),
        ScopedIp::V6(ip) => {
            let is_near = ip.addr().is_unicast_link_local();
            let scope = if is_near { ip.scope_id().index } else { 0 };
            Some(SocketAddrV6::new(*ip.addr(), port, 0, scope).into())
        }
        _ => None,
    }
}

fn end(daemon: &ServiceDaemon) {
    if let Err(error) = daemon.shutdown() {
        tracing::debug!(%error, "mDNS had ended by itself");
    }
}
