//! How a person names a room on a server.
//!
//! Three forms, one grammar:
//! `snug://HOST[:PORT]/ROOM#k=PIN`, `https://HOST[:PORT]/room/ROOM#k=PIN` and `HOST[:PORT]/ROOM`.
//! The room is percent-encoded in links; in the bare form a person may type it as it is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{DEFAULT_PORT, Error, Pin, RoomName};

/// The port of an https link that names none (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// The longest link accepted, in bytes: a room of 200 bytes tripled by percent-encoding, a host
/// of 253 and a pin fit twice.
const LINK_BYTES_MAX: usize = 2048;

/// The longest DNS name in bytes (RFC 1035 section 2.3.4, as text without the final dot).
const HOST_BYTES_MAX: usize = 253;

/// The longest name of a network interface accepted as an IPv6 zone.
const ZONE_BYTES_MAX: usize = 32;

/// What stays readable in the room part of a link (RFC 3986 section 2.3, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A room on a server, and how far that server's key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which of the two written forms this is; the bare form counts as `snug://`.
    pub scheme: Scheme,
    /// The computer to reach.
    pub host: Host,
    /// Its TCP port, 1 to 65535.
    pub port: u16,
    /// The room to join there.
    pub room: RoomName,
    /// The key that the server must have, when the link says so.
    pub pin: Option<Pin>,
}

/// The written form of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `snug://` or no scheme at all: a Snug server.
    Snug,
    /// `https://`: a page that a browser can open too; perhaps a real Membrane server.
    Https,
}

/// The computer that a link names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS or mDNS name in lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, with the interface it is meant on where it is link-local.
    V6 {
        /// The address.
        address: Ipv6Addr,
        /// The zone: an interface's name or number (RFC 4007 section 11).
        zone: Option<String>,
    },
}

/// How a client decides whether it talks to the right server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Only this key will do.
    Pinned(Pin),
    /// The first key seen is remembered and called "not verified"; a changed one is refused.
    FirstUse,
    /// The platform's certificate authorities decide.
    Authorities,
}

impl Link {
    /// Tells how the server's key is judged.
    pub fn trust(&self) -> Trust {
        match (self.pin, self.scheme) {
            (Some(pin), _) => Trust::Pinned(pin),
            (None, Scheme::Snug) => Trust::FirstUse,
            (None, Scheme::Https) => Trust::Authorities,
        }
    }

    /// Writes `HOST:PORT` as a URL's authority, for `Host` headers and for people.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for Link {
    type Err = Error;

    /// Reads any of the three forms.
    ///
    /// # Errors
    /// [`Error::Link`] or [`Error::Name`], each a sentence that says what to write instead.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.len() > LINK_BYTES_MAX {
            return Err(Error::Link(
                "This link is too long to be one. Copy it again.",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return parse_bare(text);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "snug" => parse_url(Scheme::Snug, rest),
            "https" => parse_url(Scheme::Https, rest),
            "http" => Err(Error::Link(
                "A link that starts with http:// is not encrypted. Use the https:// one.",
            )),
            _ => Err(Error::Link(
                "This kind of link is not known here. Use a snug:// or https:// link, or HOST/ROOM.",
            )),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = utf8_percent_encode(self.room.as_str(), ENCODED);
        let (scheme, usual_port, path) = match self.scheme {
            Scheme::Snug => ("snug", DEFAULT_PORT, "/"),
            Scheme::Https => ("https", HTTPS_PORT, "/room/"),
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != usual_port {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "{path}{room}")?;
        match self.pin {
            Some(pin) => write!(f, "#k={pin}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    /// Writes the host as it stands in a URL: IPv6 in brackets, its zone after `%25` (RFC 6874).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6 {
                address,
                zone: None,
            } => write!(f, "[{address}]"),
            Self::V6 {
                address,
                zone: Some(zone),
            } => write!(f, "[{address}%25{zone}]"),
        }
    }
}

impl FromStr for Host {
    type Err = Error;

    /// Reads a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`Error::Link`] when it can be none of them.
    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return parse_v6(inner);
        }
        if text.contains(':') {
            return Err(Error::Link(
                "An IPv6 address needs brackets: [fe80::1%eth0]:7684/ROOM.",
            ));
        }
        if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            let refused = Error::Link("This address is not complete. Write it like 192.168.1.20.");
            return text.parse().map(Self::V4).map_err(|_| refused);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if !is_dns_name(name) {
            return Err(Error::Link(
                "The part before the room is not a computer's name. Write HOST/ROOM.",
            ));
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

/// Reads `HOST[:PORT]/ROOM[#k=PIN]`, where the room may be typed as it is.
fn parse_bare(text: &str) -> Result<Link, Error> {
    let missing = Error::Link("A link needs a computer and a room. Write HOST/ROOM.");
    let (authority, rest) = text.split_once('/').ok_or(missing)?;
    let (host, port) = parse_authority(authority, DEFAULT_PORT)?;
    // Only a real key ends the name: a person may well call a room "C#".
    let (room, pin) = match rest.rsplit_once("#k=") {
        Some((room, pin)) => (room, Some(parse_pin(pin)?)),
        None => (rest, None),
    };
    // Typed, not copied: a name such as "100%" is not percent-encoded.
    let room = decode(room).unwrap_or_else(|_| room.to_owned());
    Ok(Link {
        scheme: Scheme::Snug,
        host,
        port,
        room: RoomName::parse(&room)?,
        pin,
    })
}

/// Reads what follows `snug://` or `https://`.
fn parse_url(scheme: Scheme, rest: &str) -> Result<Link, Error> {
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    // A page's own switches (`?simulcast=true`) mean nothing to us.
    let (rest, _query) = rest.split_once('?').unwrap_or((rest, ""));
    let no_room = Error::Link("This link names no room. Add /ROOM after the computer's name.");
    let (authority, path) = rest.split_once('/').ok_or(no_room.clone())?;
    let (usual_port, room) = match scheme {
        Scheme::Snug => (DEFAULT_PORT, path),
        Scheme::Https => (HTTPS_PORT, path.strip_prefix("room/").ok_or(no_room)?),
    };
    let (host, port) = parse_authority(authority, usual_port)?;
    let pin = fragment.split('&').find_map(|pair| pair.strip_prefix("k="));
    let pin = pin.map(parse_pin).transpose()?;
    // A final slash is what browsers and chat programs add.
    let room = room.strip_suffix('/').unwrap_or(room);
    let room = RoomName::parse(&decode(room)?)?;
    Ok(Link {
        scheme,
        host,
        port,
        room,
        pin,
    })
}

fn parse_pin(text: &str) -> Result<Pin, Error> {
    text.parse().map_err(|_| {
        Error::Link("The key at the end of this link is damaged. Copy the whole link again.")
    })
}

/// Splits `HOST[:PORT]`, where an IPv6 host is in brackets.
fn parse_authority(text: &str, usual_port: u16) -> Result<(Host, u16), Error> {
    if text.is_empty() {
        return Err(Error::Link("This link names no computer. Write HOST/ROOM."));
    }
    if text.contains('@') {
        return Err(Error::Link(
            "A link cannot carry a user name. Remove the part up to \"@\".",
        ));
    }
    let after_brackets = text.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match text.get(after_brackets..).and_then(|tail| tail.rfind(':')) {
        Some(colon) => text.split_at(after_brackets + colon),
        None => (text, ""),
    };
    let host = host.parse()?;
    let Some(digits) = port.strip_prefix(':') else {
        return Ok((host, usual_port));
    };
    let refused = Error::Link("A port is a number from 1 to 65535. Correct it or leave it out.");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(refused),
        Ok(port) => Ok((host, port)),
    }
}

/// Reads what stands between the brackets of an IPv6 host; the zone follows `%25` or `%`.
fn parse_v6(inner: &str) -> Result<Host, Error> {
    let refused = Error::Link("The address in brackets is not an IPv6 address. Check it.");
    let (address, zone) = match inner.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (inner, None),
    };
    let address = address.parse().map_err(|_| refused.clone())?;
    let is_zone = |zone: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte);
        (1..=ZONE_BYTES_MAX).contains(&zone.len()) && zone.bytes().all(legal)
    };
    if zone.is_some_and(|zone| !is_zone(zone)) {
        return Err(refused);
    }
    Ok(Host::V6 {
        address,
        zone: zone.map(str::to_owned),
    })
}

/// Whether a text can be a host name: letters, digits, hyphens and (as found on home networks)
/// underscores, in labels of at most 63 (RFC 1123 section 2.1).
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label)
}

/// Undoes percent-encoding; refuses broken escapes and what is not UTF-8.
fn decode(text: &str) -> Result<String, Error> {
    let damaged = Error::Link("The room in this link is damaged. Copy the whole link again.");
    let mut escapes = text.split('%');
    escapes.next();
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !escapes.all(is_escape) {
        return Err(damaged);
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(room) => Ok(room.into_owned()),
        Err(_) => Err(damaged),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s";

    fn link(text: &str) -> Link {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_three_forms_are_read() {
        let snug = link(&format!("snug://Box.local/Stand%20up#k={KEY}"));
        assert_eq!(snug.host, Host::Name("box.local".into()));
        assert_eq!((snug.port, snug.room.as_str()), (7684, "Stand up"));
        assert!(matches!(snug.trust(), Trust::Pinned(pin) if pin.to_string() == KEY));

        let https = link("https://meet.example.org/room/demo?simulcast=true");
        assert_eq!((https.port, https.room.as_str()), (443, "demo"));
        assert_eq!(https.trust(), Trust::Authorities);
        assert_eq!(
            link(&format!("https://10.0.0.2:7684/room/a#k={KEY}")).port,
            7684
        );

        let bare = link("192.168.1.20:9000/книги");
        assert_eq!(bare.host, Host::V4(Ipv4Addr::new(192, 168, 1, 20)));
        assert_eq!((bare.port, bare.room.as_str()), (9000, "книги"));
        assert_eq!(bare.trust(), Trust::FirstUse);
    }

    #[test]
    fn ipv6_comes_in_brackets_with_a_zone() {
        for text in ["[fe80::1%eth0]:7000/a", "snug://[fe80::1%25eth0]:7000/a"] {
            let link = link(text);
            assert_eq!(link.authority(), "[fe80::1%25eth0]:7000");
            let Host::V6 { zone, .. } = link.host else {
                panic!("{text}")
            };
            assert_eq!(zone.as_deref(), Some("eth0"));
        }
        assert_eq!(link("[::1]/a").port, 7684);
        assert!(
            "fe80::1/a"
                .parse::<Link>()
                .unwrap_err()
                .to_string()
                .contains("brackets")
        );
    }

    #[test]
    fn a_typed_room_may_hold_signs_that_links_encode() {
        assert_eq!(link("box/C#").room.as_str(), "C#");
        assert_eq!(link("box/100%").room.as_str(), "100%");
        assert_eq!(link("box/why?").room.as_str(), "why?");
        assert_eq!(link("box/Stand%20up").room.as_str(), "Stand up");
        assert_eq!(link(&format!("box/C##k={KEY}")).room.as_str(), "C#");
    }

    #[test]
    fn wrong_links_are_refused_in_a_sentence() {
        let bad = [
            "",
            "room",
            "/room",
            "box/",
            "box:0/a",
            "box:65536/a",
            "box:/a",
            "box:+1/a",
            "bo x/a",
            "http://box/room/a",
            "ftp://box/a",
            "https://box/a",
            "https://box/room/",
            "snug://box",
            "snug://box/a%2Fb",
            "snug://box/a/b",
            "snug://box/%zz",
            "snug://box/%ff",
            "snug:///a",
            "snug://me@box/a",
            "[::1/a",
            "[zz]/a",
            "[fe80::1%]/a",
            "999.1.1.1/a",
            "1.2.3/a",
            "-box/a",
            "a..b/x",
            "snug://box/a#k=short",
            "box/a#k=short",
            "[[]]:1/a",
            "]:1/x",
            "snug://box/%2e%2e",
        ];
        for text in bad {
            let error = text.parse::<Link>().unwrap_err();
            assert!(error.to_string().ends_with('.'), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            https: bool,
            host in prop_oneof![
                "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}".prop_map(Host::Name),
                any::<Ipv4Addr>().prop_map(Host::V4),
                (any::<Ipv6Addr>(), proptest::option::of("[a-z][a-z0-9]{0,6}"))
                    .prop_map(|(address, zone)| Host::V6 { address, zone }),
            ],
            port in 1u16..,
            room in "[^/\\p{Cc}]{1,20}",
            key in proptest::option::of(any::<[u8; 32]>()),
        ) {
            let Ok(room) = RoomName::parse(&room) else { return Ok(()) };
            let scheme = if https { Scheme::Https } else { Scheme::Snug };
            let link = Link { scheme, host, port, room, pin: key.map(Pin::new) };
            prop_assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            drop(text.parse::<Link>());
            drop(format!("snug://{text}").parse::<Link>());
            drop(format!("https://[{text}]:7/room/{text}").parse::<Link>());
        }
    }
}
