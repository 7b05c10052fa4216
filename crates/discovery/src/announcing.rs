//! Answers who asks for rooms, and says farewell: a core, without sockets.
//!
//! Rules, each with its why:
//! - Nothing is said unasked: a host on a network where nobody looks is silent there.
//! - Only neighbours are answered: what comes through a router came from a stranger, perhaps under
//!   a false address, and an answer is longer than its question.
//! - Answers have a rate: no question makes us flood the network.
//! - Who asked lately hears at once that a room is over; others never knew of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use snug_protocol::{ADVERT_ROOMS_MAX, Advert, RoomName};

use crate::datagram::{Datagram, Gone, Nonce, gone, tell};
use crate::interfaces::{Link, dialable};

/// How many askers are remembered for the farewell; of more, who asked longest ago is forgotten.
pub const ASKERS_MAX: usize = 64;

/// How long an asker is remembered: who looks asks every two seconds.
const ASKER_LASTS: Duration = Duration::from_secs(10);

/// How many datagrams are sent in a second at most.
const DATAGRAMS_A_SECOND: u32 = 400;

/// What a host says. See the module for its rules.
#[derive(Debug)]
pub struct Announcing {
    advert: Advert,
    links: Vec<Link>,
    askers: Vec<Asker>,
    outputs: VecDeque<(SocketAddr, Vec<u8>)>,
    /// The second that is counted, and how many datagrams it had.
    second: (Instant, u32),
}

#[derive(Debug)]
struct Asker {
    address: SocketAddr,
    nonce: Nonce,
    asked_at: Instant,
}

impl Announcing {
    /// Starts with these rooms, on no network yet.
    #[must_use]
    pub fn new(advert: Advert, now: Instant) -> Self {
        Self {
            advert,
            links: Vec::new(),
            askers: Vec::new(),
            outputs: VecDeque::new(),
            second: (now, 0),
        }
    }

    /// Learns on which networks we are.
    pub fn handle_links(&mut self, ranked: Vec<Link>) {
        self.advert.addresses = dialable(&ranked);
        self.links = ranked;
    }

    /// Learns which rooms there are; those who asked hear which are over.
    pub fn handle_advert(&mut self, mut advert: Advert, now: Instant) {
        advert.rooms.truncate(ADVERT_ROOMS_MAX);
        advert.addresses = dialable(&self.links);
        let is_over = |name: &&RoomName| !advert.rooms.iter().any(|room| room.name == **name);
        let names = self.advert.rooms.iter().map(|room| &room.name);
        let over: Vec<RoomName> = names.filter(is_over).cloned().collect();
        self.say_gone(over, now);
        self.advert = advert;
    }

    /// Hears a datagram.
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let scope = match from {
            SocketAddr::V6(from) => from.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        if !self.links.iter().any(|link| link.holds(from.ip(), scope)) {
            return;
        }
        let Some(Datagram::Ask(nonce)) = Datagram::parse(bytes) else {
            return;
        };
        // An old asker learns nothing of a room that it was never told of.
        if self.advert.rooms.is_empty() {
            return;
        }
        self.remember(from, nonce, now);
        for datagram in tell(nonce, &self.advert) {
            self.push(from, datagram, now);
        }
    }

    /// Says farewell to everybody who asked lately.
    pub fn handle_end(&mut self, now: Instant) {
        let rooms = self.advert.rooms.drain(..).map(|room| room.name).collect();
        self.say_gone(rooms, now);
    }

    /// Returns the next datagram and whom it is for.
    pub fn poll_output(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outputs.pop_front()
    }

    fn remember(&mut self, address: SocketAddr, nonce: Nonce, now: Instant) {
        let is_same = |asker: &Asker| asker.address == address;
        let lasts = |asker: &Asker| now.duration_since(asker.asked_at) < ASKER_LASTS;
        self.askers.retain(|asker| lasts(asker) && !is_same(asker));
        if self.askers.len() >= ASKERS_MAX {
            self.askers.remove(0);
        }
        self.askers.push(Asker {
            address,
            nonce,
            asked_at: now,
        });
    }

    fn say_gone(&mut self, rooms: Vec<RoomName>, now: Instant) {
        let over = Gone {
            pin: self.advert.pin,
            port: self.advert.port,
            rooms,
        };
        let lasts = |asker: &&Asker| now.duration_since(asker.asked_at) < ASKER_LASTS;
        let askers: Vec<_> = self.askers.iter().filter(lasts).collect();
        let farewells = askers.iter().flat_map(|asker| {
            let datagrams = gone(asker.nonce, &over).into_iter();
            datagrams.map(|datagram| (asker.address, datagram))
        });
        // Bounded by the askers and the rooms, and said once: no rate is needed.
        self.outputs.extend(farewells);
    }

    fn push(&mut self, to: SocketAddr, datagram: Vec<u8>, now: Instant) {
        if now.duration_since(self.second.0) >= Duration::from_secs(1) {
            self.second = (now, 0);
        }
        if self.second.1 < DATAGRAMS_A_SECOND {
            self.second.1 += 1;
            self.outputs.push_back((to, datagram));
        }
    }
}

#[cfg(test)]
mod tests {
    use snug_protocol::{AdvertRoom, DisplayName, Pin};

    use super::*;

    fn advert(rooms: &[&str]) -> Advert {
        let room = |name: &&str| AdvertRoom {
            name: RoomName::parse(name).unwrap(),
            people: 1,
            is_locked: false,
        };
        Advert {
            host: DisplayName::parse("desk").unwrap(),
            port: 7684,
            pin: Pin::new([7; 32]),
            addresses: vec![],
            rooms: rooms.iter().map(room).collect(),
        }
    }

    fn host(rooms: &[&str], now: Instant) -> Announcing {
        let mut host = Announcing::new(advert(rooms), now);
        host.handle_links(vec![Link {
            name: "eth0".into(),
            index: 2,
            address: "10.0.0.1".parse().unwrap(),
            prefix: 24,
            is_up: true,
            is_tunnel: false,
        }]);
        host
    }

    fn ask(number: u64) -> Vec<u8> {
        Datagram::Ask(Nonce(number)).to_bytes()
    }

    fn said(host: &mut Announcing) -> Vec<(SocketAddr, Datagram)> {
        std::iter::from_fn(|| host.poll_output())
            .map(|(to, bytes)| (to, Datagram::parse(&bytes).unwrap()))
            .collect()
    }

    #[test]
    fn a_neighbour_is_answered_and_a_stranger_is_not() {
        let now = Instant::now();
        let mut host = host(&["a"], now);
        assert_eq!(said(&mut host), [], "nothing is said unasked");
        let neighbour: SocketAddr = "10.0.0.9:5000".parse().unwrap();
        host.handle_datagram("10.0.1.9:5000".parse().unwrap(), &ask(1), now);
        assert_eq!(said(&mut host), []);
        host.handle_datagram(neighbour, b"junk", now);
        assert_eq!(said(&mut host), []);
        host.handle_datagram(neighbour, &ask(1), now);
        let told = Datagram::Tell(Nonce(1), advert(&["a"]));
        assert_eq!(said(&mut host), [(neighbour, told)]);
    }

    #[test]
    fn who_asked_lately_hears_what_is_over() {
        let now = Instant::now();
        let mut host = host(&["a", "b"], now);
        let neighbour: SocketAddr = "10.0.0.9:5000".parse().unwrap();
        host.handle_datagram(neighbour, &ask(5), now);
        said(&mut host);
        host.handle_advert(advert(&["b"]), now);
        let over = |room: &str| Gone {
            pin: Pin::new([7; 32]),
            port: 7684,
            rooms: vec![room.parse().unwrap()],
        };
        let farewell = Datagram::Gone(Nonce(5), over("a"));
        assert_eq!(said(&mut host), [(neighbour, farewell)]);
        host.handle_end(now);
        let farewell = Datagram::Gone(Nonce(5), over("b"));
        assert_eq!(said(&mut host), [(neighbour, farewell)]);
        host.handle_datagram(neighbour, &ask(5), now);
        assert_eq!(said(&mut host), [], "there is nothing to tell");
        host.handle_advert(advert(&["c"]), now);
        host.handle_end(now + ASKER_LASTS);
        assert_eq!(said(&mut host), [], "nobody looks any more");
    }

    #[test]
    fn questions_have_a_rate_and_askers_a_number() {
        let now = Instant::now();
        let mut host = host(&["a"], now);
        for port in 1..=1000 {
            host.handle_datagram(SocketAddr::from(([10, 0, 0, 9], port)), &ask(1), now);
        }
        assert_eq!(said(&mut host).len(), DATAGRAMS_A_SECOND as usize);
        host.handle_end(now);
        assert_eq!(said(&mut host).len(), ASKERS_MAX);
    }
}
