//! What is said by UDP: a question, an answer, a farewell; one JSON object a datagram.
//!
//! - `{"ask":"0123456789abcdef"}`: who hosts rooms? The number is the asker's, made at random.
//! - `{"to":"0123456789abcdef","tell":ADVERT}`: I do. [`Advert`] has the form of the advert; rooms
//!   that do not fit into one datagram come in more.
//! - `{"to":"0123456789abcdef","gone":{"pin":"...","port":7684,"rooms":["Stand up"]}}`: not any more.
//!
//! Answers carry the asker's number, so that only who heard the question can answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use snug_protocol::{ADVERT_ROOMS_MAX, Advert, Pin, RoomName};

/// The longest datagram: it passes every link whole (IPv6 promises 1280, Ethernet carries 1472).
pub const DATAGRAM_BYTES_MAX: usize = 1400;

/// Tells one asker from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub u64);

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram {
    /// Who hosts rooms?
    Ask(Nonce),
    /// This server does.
    Tell(Nonce, Advert),
    /// This server does not host these rooms any more.
    Gone(Nonce, Gone),
}

/// Rooms that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The server's key.
    pub pin: Pin,
    /// Its TCP port.
    pub port: u16,
    /// Which rooms, at most [`ADVERT_ROOMS_MAX`].
    pub rooms: Vec<RoomName>,
}

#[derive(Default, Serialize, Deserialize)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tell: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<WireGone>,
}

#[derive(Serialize, Deserialize)]
struct WireGone {
    pin: String,
    port: u16,
    rooms: Vec<String>,
}

impl Datagram {
    /// Reads a datagram; nothing when it is not one of ours.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return None;
        }
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        match wire {
            Wire {
                ask: Some(ask),
                to: None,
                ..
            } => Some(Self::Ask(Nonce::parse(&ask)?)),
            Wire {
                to: Some(to),
                tell: Some(tell),
                ..
            } => {
                let advert = Advert::parse(tell.get().as_bytes()).ok()?;
                Some(Self::Tell(Nonce::parse(&to)?, advert))
            }
            Wire {
                to: Some(to),
                gone: Some(gone),
                ..
            } => {
                let rooms = gone.rooms.iter().take(ADVERT_ROOMS_MAX);
                let gone = Gone {
                    pin: gone.pin.parse().ok()?,
                    port: gone.port,
                    rooms: rooms.filter_map(|room| room.parse().ok()).collect(),
                };
                Some(Self::Gone(Nonce::parse(&to)?, gone))
            }
            _ => None,
        }
    }

    /// Writes it. The caller keeps it within [`DATAGRAM_BYTES_MAX`]; see [`tell`] and [`gone`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = match self {
            Self::Ask(nonce) => Wire {
                ask: Some(nonce.to_text()),
                ..Wire::default()
            },
            Self::Tell(nonce, advert) => Wire {
                to: Some(nonce.to_text()),
                tell: Some(RawValue::from_string(advert.to_json()).expect("an advert is JSON")),
                ..Wire::default()
            },
            Self::Gone(nonce, gone) => Wire {
                to: Some(nonce.to_text()),
                gone: Some(WireGone {
                    pin: gone.pin.to_string(),
                    port: gone.port,
                    rooms: gone.rooms.iter().map(ToString::to_string).collect(),
                }),
                ..Wire::default()
            },
        };
        serde_json::to_vec(&wire).expect("strings and numbers are always JSON")
    }
}

impl Nonce {
    fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(text, 16).ok())?;
        number.map(Self)
    }

    fn to_text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Makes the datagrams that tell all of an advert, as few as it takes. Without rooms there are none.
#[must_use]
pub fn tell(nonce: Nonce, advert: &Advert) -> Vec<Vec<u8>> {
    pack(&advert.rooms, |rooms| {
        let part = Advert {
            rooms: rooms.to_vec(),
            ..advert.clone()
        };
        Datagram::Tell(nonce, part).to_bytes()
    })
}

/// Makes the datagrams that say that rooms are over.
#[must_use]
pub fn gone(nonce: Nonce, gone: &Gone) -> Vec<Vec<u8>> {
    pack(&gone.rooms, |rooms| {
        let part = Gone {
            rooms: rooms.to_vec(),
            ..gone.clone()
        };
        Datagram::Gone(nonce, part).to_bytes()
    })
}

/// Spreads items over datagrams. Bounds elsewhere see to it that one item always fits.
fn pack<T>(items: &[T], write: impl Fn(&[T]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut packed = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let fits = |count: &usize| write(&rest[..*count]).len() <= DATAGRAM_BYTES_MAX;
        let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
        packed.push(write(&rest[..count]));
        rest = &rest[count..];
    }
    packed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snug_protocol::{AdvertRoom, DisplayName};

    use super::*;

    fn advert(names: &[String]) -> Advert {
        let room = |name: &String| AdvertRoom {
            name: RoomName::parse(name).unwrap(),
            people: u16::MAX,
            is_locked: false,
        };
        Advert {
            host: DisplayName::parse(&"\\".repeat(64)).unwrap(),
            port: 65_535,
            pin: Pin::new([255; 32]),
            addresses: vec!["fd00:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(); 4],
            rooms: names.iter().map(room).collect(),
        }
    }

    #[test]
    fn the_largest_advert_comes_in_datagrams_that_fit() {
        let names: Vec<String> = (0..ADVERT_ROOMS_MAX)
            .map(|number| format!("{number:02}{}", "\u{10ffff}".repeat(49)))
            .chain(["\"".repeat(64)])
            .collect();
        let told = advert(&names[1..]);
        let parts = tell(Nonce(7), &told);
        assert!(parts.len() > 1);
        let mut rooms = Vec::new();
        for part in &parts {
            assert!(part.len() <= DATAGRAM_BYTES_MAX, "{}", part.len());
            let Some(Datagram::Tell(Nonce(7), read)) = Datagram::parse(part) else {
                panic!("not read: {}", String::from_utf8_lossy(part));
            };
            rooms.extend(read.rooms);
        }
        assert_eq!(rooms, told.rooms);
        assert!(tell(Nonce(7), &advert(&[])).is_empty());
    }

    #[test]
    fn questions_and_farewells_survive() {
        let ask = Datagram::Ask(Nonce(u64::MAX));
        assert_eq!(Datagram::parse(&ask.to_bytes()), Some(ask));
        let over = Gone {
            pin: Pin::new([1; 32]),
            port: 7684,
            rooms: vec!["a".parse().unwrap()],
        };
        let said = Datagram::Gone(Nonce(1), over);
        assert_eq!(Datagram::parse(&said.to_bytes()), Some(said));
        for other in [
            &b"{}"[..],
            b"",
            b"{\"ask\":\"+00000000000000a\"}",
            b"{\"ask\":1}",
        ] {
            assert_eq!(Datagram::parse(other), None);
        }
        let long = format!(
            "{{\"ask\":\"{:016x}\"}}{}",
            1,
            " ".repeat(DATAGRAM_BYTES_MAX)
        );
        assert_eq!(Datagram::parse(long.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..400, byte: u8) {
            drop(Datagram::parse(&bytes));
            let mut near = tell(Nonce(3), &advert(&["a".to_owned()])).remove(0);
            if let Some(place) = near.get_mut(at) {
                *place = byte;
            }
            drop(Datagram::parse(&near));
        }
    }
}
