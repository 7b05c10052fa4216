//! What a server tells about its rooms to whoever asks on its network, before any trust.
//!
//! It is JSON: `{"snug":1, "host":"desk", "port":7684, "pin":"...", "addresses":["fd00::1"],
//! "rooms":[{"name":"Stand up", "people":3, "locked":false}]}`. It proves nothing: anybody on the
//! network may say anything. It carries no person's name. Fields that are not known are ignored.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{DisplayName, Error, Pin, RoomName};

/// The version of what is told; another is not read.
const VERSION: u32 = 1;

/// How many rooms one server tells of: more than a person would read.
pub const ADVERT_ROOMS_MAX: usize = 32;

/// How many addresses are told: computers have few that others reach.
pub const ADVERT_ADDRESSES_MAX: usize = 4;

/// The longest text that is read, in bytes: [`ADVERT_ROOMS_MAX`] rooms of 200 bytes, all escaped.
pub const ADVERT_BYTES_MAX: usize = 64 * 1024;

/// Where HTTPS tells it.
pub const ADVERT_PATH: &str = "/.well-known/snug";

/// What one server tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// What its computer is called, 1 to 64 characters.
    pub host: DisplayName,
    /// Its TCP port, 1 to 65535.
    pub port: u16,
    /// The key it says it has.
    pub pin: Pin,
    /// More ways to it, for those who heard of it at an address that is hard to dial; at most
    /// [`ADVERT_ADDRESSES_MAX`].
    pub addresses: Vec<IpAddr>,
    /// Its rooms, at most [`ADVERT_ROOMS_MAX`].
    pub rooms: Vec<AdvertRoom>,
}

/// What is told about one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertRoom {
    /// Its name, one that a link can carry.
    pub name: RoomName,
    /// How many people are in it.
    pub people: u16,
    /// Not everybody who comes is let in at once.
    pub is_locked: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    snug: u32,
    host: String,
    port: u16,
    pin: String,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    rooms: Vec<WireRoom>,
}

#[derive(Serialize, Deserialize)]
struct WireRoom {
    name: String,
    #[serde(default)]
    people: u16,
    #[serde(default)]
    locked: bool,
}

impl Advert {
    /// Reads what a server told. Rooms and addresses beyond the bounds are left out, and so are
    /// rooms whose names no link can carry.
    ///
    /// # Errors
    /// [`Error::Advert`] when it is too long, is not JSON of this form, is of another version, or
    /// when host, port or key cannot be.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        if json.len() > ADVERT_BYTES_MAX {
            return Err(Error::Advert);
        }
        let wire: Wire = serde_json::from_slice(json).map_err(|_| Error::Advert)?;
        if wire.snug != VERSION || wire.port == 0 {
            return Err(Error::Advert);
        }
        let rooms = wire.rooms.iter().filter_map(|room| {
            Some(AdvertRoom {
                name: RoomName::parse(&room.name).ok()?,
                people: room.people,
                is_locked: room.locked,
            })
        });
        Ok(Self {
            host: DisplayName::parse(&wire.host).map_err(|_| Error::Advert)?,
            port: wire.port,
            pin: wire.pin.parse().map_err(|_| Error::Advert)?,
            addresses: wire
                .addresses
                .into_iter()
                .take(ADVERT_ADDRESSES_MAX)
                .collect(),
            rooms: rooms.take(ADVERT_ROOMS_MAX).collect(),
        })
    }

    /// Writes it as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let room = |room: &AdvertRoom| WireRoom {
            name: room.name.to_string(),
            people: room.people,
            locked: room.is_locked,
        };
        let wire = Wire {
            snug: VERSION,
            host: self.host.to_string(),
            port: self.port,
            pin: self.pin.to_string(),
            addresses: self.addresses.clone(),
            rooms: self.rooms.iter().map(room).collect(),
        };
        serde_json::to_string(&wire).expect("strings and numbers are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn advert() -> Advert {
        Advert {
            host: DisplayName::parse("desk").unwrap(),
            port: 7684,
            pin: Pin::new([7; 32]),
            addresses: vec!["fd00::1".parse().unwrap()],
            rooms: vec![AdvertRoom {
                name: RoomName::parse("第三教室 · \"Physics\"").unwrap(),
                people: 12,
                is_locked: true,
            }],
        }
    }

    #[test]
    fn what_is_told_is_read() {
        let json = advert().to_json();
        assert_eq!(Advert::parse(json.as_bytes()).unwrap(), advert());
    }

    #[test]
    fn what_cannot_be_is_not_read() {
        let json = advert().to_json();
        for (from, to) in [
            ("\"snug\":1", "\"snug\":2"),
            ("7684", "0"),
            ("7684", "70000"),
            ("desk", "\\u202e"),
            ("desk", ""),
            ("BwcH", "B"),
            ("fd00::1", "here"),
        ] {
            let wrong = json.replacen(from, to, 1);
            assert_ne!(wrong, json, "{from}");
            assert!(Advert::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let long = format!("{json}{}", " ".repeat(ADVERT_BYTES_MAX));
        assert!(Advert::parse(long.as_bytes()).is_err());
    }

    #[test]
    fn there_is_an_end_to_what_is_read() {
        let mut many = advert();
        many.addresses = vec![many.addresses[0]; 9];
        many.rooms = vec![many.rooms[0].clone(); 99];
        let read = Advert::parse(many.to_json().as_bytes()).unwrap();
        assert_eq!(read.rooms.len(), ADVERT_ROOMS_MAX);
        assert_eq!(read.addresses.len(), ADVERT_ADDRESSES_MAX);
        let odd = advert().to_json().replace("第三教室", "a/b");
        assert_eq!(Advert::parse(odd.as_bytes()).unwrap().rooms, []);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
            drop(Advert::parse(&bytes));
            let mut near = advert().to_json().into_bytes();
            if let Some(place) = near.get_mut(at) {
                *place = byte;
            }
            drop(Advert::parse(&near));
        }
    }
}
