//! Which Host and which Origin a request may name.
//!
//! A web page anywhere can make its visitor's browser talk to this server. Two checks stop it:
//! - Host must be ours. With DNS rebinding a foreign name points at our address, and only this
//!   header tells. A native program that opens a socket may call us as it likes: people link by
//!   names that this computer has never heard of, and no page can make a browser send what
//!   [`is_native_socket`] looks for.
//! - Origin must be ours, or allowed by name. Native programs send none; `null` (a sandboxed or
//!   local page) is never ours.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap};

use crate::socket::ConnectionInfo;
use crate::{Config, Error};

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Returns the name of this computer, as [`OriginRules::new`] wants it; empty if it has none.
pub fn machine_name() -> String {
    gethostname::gethostname().into_string().unwrap_or_default()
}

/// Tells whether a request comes from a program other than a browser and asks for a socket, over
/// TLS. A page cannot set a header that starts with `Sec-`, so only a browser's own WebSocket
/// sends `Sec-WebSocket-Key`; and that one names its page in Origin, always.
pub(crate) fn is_native_socket(headers: &HeaderMap, connection: &ConnectionInfo) -> bool {
    connection.secure
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && !headers.contains_key(header::ORIGIN)
        && !headers.contains_key("sec-fetch-site")
        && !headers.contains_key("sec-fetch-mode")
}

/// Decides about Host and Origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRules {
    /// Names of this computer and announced hosts, in lower case.
    hosts: Vec<Host>,
    allowed: Vec<Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

impl OriginRules {
    /// Makes the rules of a server on the computer called `machine`.
    ///
    /// # Errors
    /// [`Error::BadAddress`] for an `allow_origins` or `announce` that cannot be read.
    pub fn new(config: &Config, machine: &str) -> Result<Self, Error> {
        let mut hosts = Vec::new();
        for value in &config.announce {
            let bare: Option<IpAddr> = value.parse().ok();
            let host = bare
                .map(Host::from)
                .or_else(|| Some(parse_authority(value)?.0));
            hosts.push(host.ok_or_else(|| bad(value, "an address, ADDR or ADDR:PORT"))?);
        }
        if let Some(Host::Name(name)) = parse_host(machine) {
            hosts.push(Host::Name(format!("{name}.local")));
            hosts.push(Host::Name(name));
        }
        let allow = |value: &String| {
            let trimmed = value.strip_suffix('/').unwrap_or(value);
            Origin::parse(trimmed).ok_or_else(|| bad(value, "an origin, SCHEME://HOST[:PORT]"))
        };
        let allowed = config
            .allow_origins
            .iter()
            .map(allow)
            .collect::<Result<_, _>>()?;
        Ok(OriginRules { hosts, allowed })
    }

    /// Tells whether `host` (the Host header's value) names us on this connection. The port is
    /// free: tunnels and forwards change it, rebinding does not need it.
    pub fn host_is_ours(&self, host: &str, connection: &ConnectionInfo) -> bool {
        parse_authority(host).is_some_and(|(host, _)| self.is_ours(&host, connection))
    }

    /// Tells whether a page of `origin` may open a socket to `host` over this connection.
    pub fn allows(&self, origin: Option<&str>, host: &str, connection: &ConnectionInfo) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        let Some(origin) = Origin::parse(origin) else {
            return false;
        };
        if self.allowed.contains(&origin) {
            return true;
        }
        let default_port = if connection.secure {
            HTTPS_PORT
        } else {
            HTTP_PORT
        };
        let our_port = parse_authority(host).map(|(_, port)| port.unwrap_or(default_port));
        // Another port of this computer is another program.
        origin.web_port().is_some_and(|port| Some(port) == our_port)
            && self.is_ours(&origin.host, connection)
    }

    fn is_ours(&self, host: &Host, connection: &ConnectionInfo) -> bool {
        let local = connection.local.ip();
        match host {
            Host::Address(address) if *address == local => true,
            Host::Name(name) if name == "localhost" => local.is_loopback(),
            host => self.hosts.contains(host),
        }
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let (host, port) = parse_authority(authority)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.or(match scheme.as_str() {
            "http" => Some(HTTP_PORT),
            "https" => Some(HTTPS_PORT),
            _ => None,
        });
        is_scheme.then_some(Origin { scheme, host, port })
    }

    /// Returns the port of a web page; other schemes are never ours by themselves.
    fn web_port(&self) -> Option<u16> {
        matches!(self.scheme.as_str(), "http" | "https")
            .then_some(self.port)
            .flatten()
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Host::Address(address.to_canonical())
    }
}

/// Reads `HOST` or `HOST:PORT`; an IPv6 address stands in brackets.
fn parse_authority(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_digits = |port: &&str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        Some(port) => Some(is_digits(&port).then(|| port.parse().ok()).flatten()?),
        None => None,
    };
    Some((parse_host(host)?, port))
}

fn parse_host(host: &str) -> Option<Host> {
    if let Some(inner) = host.strip_prefix('[') {
        // A zone says which network card; the address is the same.
        let inner = inner.strip_suffix(']')?.split('%').next()?;
        return Some(Host::from(IpAddr::V6(inner.parse().ok()?)));
    }
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return Some(Host::from(IpAddr::V4(address)));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b) || b >= 0x80);
    is_name.then_some(Host::Name(name))
}

fn bad(value: &str, expected: &'static str) -> Error {
    Error::BadAddress {
        value: value.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(local: &str, secure: bool) -> ConnectionInfo {
        let local = local.parse().unwrap();
        ConnectionInfo {
            local,
            remote: local,
            secure,
        }
    }

    fn rules(allow: &[&str], announce: &[&str]) -> OriginRules {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let config = Config {
            allow_origins: owned(allow),
            announce: owned(announce),
            ..Config::default()
        };
        OriginRules::new(&config, "Desk").unwrap()
    }

    #[test]
    fn hosts_by_address_and_name_are_ours_and_others_are_not() {
        let rules = rules(&[], &["203.0.113.9:7684", "2001:db8::9", "home.example"]);
        let lan = connection("192.168.1.20:7684", true);
        for host in [
            "192.168.1.20",
            "192.168.1.20:7684",
            "192.168.1.20:9000",
            "desk:7684",
            "DESK.local",
            "desk.local.",
            "203.0.113.9",
            "[2001:db8::9]:7684",
            "home.example:1",
        ] {
            assert!(rules.host_is_ours(host, &lan), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "192.168.1.21",
            "localhost:7684",
            "192.168.1.20:",
            "192.168.1.20:x",
            "192.168.1.20:99999",
            "desk.evil.example",
            "user@desk",
            "[::1",
            "a b",
        ] {
            assert!(!rules.host_is_ours(host, &lan), "{host}");
        }
        let loopback = connection("[::1]:7684", false);
        for host in ["localhost:7684", "[::1]:7684", "LOCALHOST"] {
            assert!(rules.host_is_ours(host, &loopback), "{host}");
        }
        let link = connection("[fe80::1]:7684", true);
        assert!(rules.host_is_ours("[fe80::1%eth0]:7684", &link));
    }

    #[test]
    fn a_page_of_ours_may_connect_and_a_foreign_one_may_not() {
        let rules = rules(&["tauri://localhost", "https://app.example/"], &[]);
        let lan = connection("192.168.1.20:7684", true);
        let host = "192.168.1.20:7684";
        for origin in [
            "https://192.168.1.20:7684",
            "http://192.168.1.20:7684",
            "https://desk.local:7684",
            "tauri://localhost",
            "https://app.example",
            "https://app.example:443",
        ] {
            assert!(rules.allows(Some(origin), host, &lan), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://192.168.1.20",
            "https://192.168.1.20:7685",
            "https://192.168.1.21:7684",
            "https://localhost:7684",
            "https://tauri.localhost",
            "http://app.example",
            "tauri://192.168.1.20:7684",
            "://192.168.1.20:7684",
        ] {
            assert!(!rules.allows(Some(origin), host, &lan), "{origin}");
        }
        assert!(rules.allows(None, host, &lan), "native programs send none");
        assert!(
            rules.allows(Some("https://desk"), "desk", &lan),
            "the default port"
        );
    }

    #[test]
    fn unreadable_settings_are_refused() {
        for (allow, announce) in [(vec!["evil"], vec![]), (vec![], vec!["a b"])] {
            let config = Config {
                allow_origins: allow.into_iter().map(str::to_owned).collect(),
                announce: announce.into_iter().map(str::to_owned).collect(),
                ..Config::default()
            };
            assert!(matches!(
                OriginRules::new(&config, ""),
                Err(Error::BadAddress { .. })
            ));
        }
    }
}
