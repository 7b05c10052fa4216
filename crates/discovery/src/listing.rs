//! The list of rooms on this network: a core, without sockets.
//!
//! Rules, each with its why:
//! - Everybody is asked at once and half a second later (the first question may be lost), then
//!   every two seconds; whoever answered is also asked alone, since a network may lose what is
//!   meant for all.
//! - A room is listed when it is heard of and unlisted by a farewell at once, or when nothing is
//!   heard for four and a half seconds: two lost answers are borne, and it is gone within five.
//! - Only neighbours count, and only answers to our own number.
//! - An address that mDNS or the sweep found is asked by UDP and by HTTPS; by HTTPS no more once
//!   it answers by UDP, which costs less and brings farewells.
//! - The sweep is run once by itself, where nothing was heard for 0.7 s: a network that carries
//!   what is meant for all needs none.
//! - A room is known by its host's key, port and name: two hosts may use one name, and one host has
//!   several addresses, of which the first one heard is kept while it answers. Only one that needs
//!   a zone of IPv6 gives way to one that needs none.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use snug_protocol::{Advert, DisplayName, Host, Link as RoomLink, Pin, RoomName, Scheme};

use crate::PORT;
use crate::datagram::{Datagram, Gone, Nonce};
use crate::interfaces::Link;

/// How often everybody is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// When they are asked for the second time.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// After this much silence a room is gone.
const SILENCE_MAX: Duration = Duration::from_millis(4500);

/// How long the first answer is awaited before the sweep.
const SWEEP_AFTER: Duration = Duration::from_millis(700);

/// How many rooms are listed; more are not, until others are gone.
pub const ROOMS_MAX: usize = 256;

/// How many addresses that mDNS or the sweep found are asked one by one.
pub const POINTED_MAX: usize = 64;

/// A room on this network. It proves nothing: whoever joins checks the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRoom {
    /// The room's name.
    pub name: RoomName,
    /// What its host's computer is called.
    pub host: DisplayName,
    /// How many people are in it.
    pub people: u16,
    /// Not everybody who comes is let in at once.
    pub is_locked: bool,
    /// The key that the host says it has.
    pub pin: Pin,
    /// Where to dial it.
    pub address: SocketAddr,
}

impl FoundRoom {
    /// Returns the link that joins it: the address as it was found, with the key it claimed.
    #[must_use]
    pub fn link(&self) -> RoomLink {
        let host = match self.address {
            SocketAddr::V4(address) => Host::V4(*address.ip()),
            SocketAddr::V6(address) => Host::V6 {
                address: *address.ip(),
                zone: (address.scope_id() != 0).then(|| address.scope_id().to_string()),
            },
        };
        RoomLink {
            scheme: Scheme::Snug,
            host,
            port: self.address.port(),
            room: self.name.clone(),
            pin: Some(self.pin),
        }
    }
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to everybody on all networks.
    AskAll(Vec<u8>),
    /// Send this to one address.
    Ask(SocketAddr, Vec<u8>),
    /// Ask this address by HTTPS, and bring the answer to [`Listing::handle_check`].
    Check(SocketAddr),
    /// Ask the neighbours one by one by HTTPS; bring who answered.
    Sweep,
}

/// The list. See the module for its rules.
#[derive(Debug)]
pub struct Listing {
    nonce: Nonce,
    links: Vec<Link>,
    entries: BTreeMap<Key, Entry>,
    pointed: BTreeMap<SocketAddr, Pointed>,
    outputs: VecDeque<Output>,
    ask_at: Instant,
    was_asked: bool,
    /// Nothing once it was run, or is not needed.
    sweep_at: Option<Instant>,
}

/// What a room is known by.
type Key = (RoomName, [u8; 32], u16);

#[derive(Debug)]
struct Entry {
    room: FoundRoom,
    /// Where the host answers by UDP; nothing when it was heard by HTTPS only.
    answers_at: Option<SocketAddr>,
    heard_at: Instant,
}

/// An address that mDNS or the sweep found.
#[derive(Debug, Default)]
struct Pointed {
    is_checked: bool,
    /// When it answered by UDP.
    heard_at: Option<Instant>,
}

impl Listing {
    /// Starts looking, with a number made at random.
    #[must_use]
    pub fn new(nonce: u64, now: Instant) -> Self {
        Self {
            nonce: Nonce(nonce),
            links: Vec::new(),
            entries: BTreeMap::new(),
            pointed: BTreeMap::new(),
            outputs: VecDeque::new(),
            ask_at: now,
            was_asked: false,
            sweep_at: Some(now + SWEEP_AFTER),
        }
    }

    /// Learns on which networks we are.
    pub fn handle_links(&mut self, ranked: Vec<Link>) {
        self.links = ranked;
    }

    /// Hears a datagram.
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        if !self.is_near(from) {
            return;
        }
        match Datagram::parse(bytes) {
            Some(Datagram::Tell(nonce, advert)) if nonce == self.nonce => {
                for (address, pointed) in &mut self.pointed {
                    if address.ip() == from.ip() && address.port() == advert.port {
                        pointed.heard_at = Some(now);
                    }
                }
                self.note(from.ip(), from, Some(from), advert, now);
            }
            Some(Datagram::Gone(nonce, gone)) if nonce == self.nonce => self.bury(from, &gone),
            _ => {}
        }
    }

    /// Learns of an address where a host may be, by mDNS or the sweep.
    pub fn handle_pointer(&mut self, address: SocketAddr) {
        let is_known = self.pointed.contains_key(&address);
        if is_known || self.pointed.len() >= POINTED_MAX || !self.is_near(address) {
            return;
        }
        self.pointed.insert(address, Pointed::default());
        self.ask_pointed(address);
    }

    /// Learns what an address answered by HTTPS; nothing when it did not answer as a host does.
    pub fn handle_check(&mut self, address: SocketAddr, told: Option<Advert>, now: Instant) {
        if !self.is_near(address) {
            return;
        }
        let Some(advert) = told else {
            // Where it answers by UDP, that counts; else it is not there.
            self.pointed.remove(&address);
            let is_other =
                |entry: &Entry| entry.answers_at.is_some() || entry.room.address != address;
            self.entries.retain(|_, entry| is_other(entry));
            return;
        };
        if !self.pointed.contains_key(&address) {
            self.handle_pointer(address);
        }
        if let Some(pointed) = self.pointed.get_mut(&address) {
            pointed.is_checked = false;
        }
        // Which rooms are over is known at once, unlike by UDP, where an answer has parts.
        let has = |name: &RoomName| advert.rooms.iter().any(|room| room.name == *name);
        self.entries.retain(|_, entry| {
            entry.answers_at.is_some() || entry.room.address != address || has(&entry.room.name)
        });
        self.note(address.ip(), address, None, advert, now);
    }

    /// Looks again, also by a sweep.
    pub fn handle_look_again(&mut self, now: Instant) {
        self.sweep_at = Some(now);
        self.ask_at = now;
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_heard = |entry: &Entry| now.duration_since(entry.heard_at) < SILENCE_MAX;
        self.entries.retain(|_, entry| is_heard(entry));
        if now >= self.ask_at {
            let rest = if self.was_asked { ASK_EVERY } else { ASK_AGAIN };
            self.was_asked = true;
            self.ask_at = now + rest;
            self.ask_everybody(now);
        }
        if self.sweep_at.is_some_and(|at| now >= at) {
            self.sweep_at = None;
            self.outputs.push_back(Output::Sweep);
        }
    }

    /// When to call [`Listing::handle_timeout`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let silent_at = |entry: &Entry| entry.heard_at + SILENCE_MAX;
        let silence = self.entries.values().map(silent_at).min();
        [Some(self.ask_at), self.sweep_at, silence]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the rooms by name; of one name, by the host's name.
    #[must_use]
    pub fn rooms(&self) -> Vec<FoundRoom> {
        let mut rooms: Vec<FoundRoom> = self.entries.values().map(|e| e.room.clone()).collect();
        rooms.sort_by(|a, b| {
            let key = |room: &FoundRoom| (room.name.to_string(), room.host.to_string());
            key(a).cmp(&key(b)).then(a.address.cmp(&b.address))
        });
        rooms
    }

    fn is_near(&self, address: SocketAddr) -> bool {
        let scope = scope_of(address);
        self.links
            .iter()
            .any(|link| link.holds(address.ip(), scope))
    }

    /// Lists or refreshes what a host told from `from`.
    fn note(
        &mut self,
        heard_at_ip: IpAddr,
        from: SocketAddr,
        answers_at: Option<SocketAddr>,
        advert: Advert,
        now: Instant,
    ) {
        let address = self.dial_address(heard_at_ip, scope_of(from), &advert);
        for told in advert.rooms {
            let key = (told.name.clone(), *advert.pin.as_bytes(), advert.port);
            let mut room = FoundRoom {
                name: told.name,
                host: advert.host.clone(),
                people: told.people,
                is_locked: told.is_locked,
                pin: advert.pin,
                address,
            };
            let is_full = self.entries.len() >= ROOMS_MAX;
            match self.entries.get_mut(&key) {
                Some(entry) => {
                    // HTTPS never takes the place of UDP, nor a second way that of the first:
                    // whoever claims another's key would otherwise turn people away from it.
                    let is_same_way =
                        entry.answers_at.map(|at| at.ip()) == answers_at.map(|at| at.ip());
                    let is_better = scope_of(entry.room.address) != 0 && scope_of(address) == 0;
                    if entry.answers_at.is_some() && !is_same_way && !is_better {
                        continue;
                    }
                    if is_same_way {
                        room.address = entry.room.address;
                    }
                    *entry = Entry {
                        room,
                        answers_at,
                        heard_at: now,
                    };
                }
                None if is_full => return,
                None => {
                    self.sweep_at = None;
                    self.entries.insert(
                        key,
                        Entry {
                            room,
                            answers_at,
                            heard_at: now,
                        },
                    );
                }
            }
        }
    }

    /// Where to dial a host that was heard at `ip`: there, unless that is an address of IPv6 that
    /// means nothing without a zone and the host told a better one on the same network.
    fn dial_address(&self, ip: IpAddr, scope: u32, advert: &Advert) -> SocketAddr {
        let IpAddr::V6(six) = ip else {
            return SocketAddr::new(ip, advert.port);
        };
        if !six.is_unicast_link_local() {
            return SocketAddr::new(ip, advert.port);
        }
        let holds = |told: &&IpAddr| {
            let is_plain = matches!(told, IpAddr::V6(told) if !told.is_unicast_link_local());
            is_plain && self.links.iter().any(|link| link.holds(**told, 0))
        };
        match advert.addresses.iter().find(holds) {
            Some(&better) => SocketAddr::new(better, advert.port),
            None => std::net::SocketAddrV6::new(six, advert.port, 0, scope).into(),
        }
    }

    fn bury(&mut self, from: SocketAddr, gone: &Gone) {
        for name in &gone.rooms {
            let key = (name.clone(), *gone.pin.as_bytes(), gone.port);
            // Only the host itself says farewell.
            let is_its_own = self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.answers_at.map(|at| at.ip()) == Some(from.ip()));
            if is_its_own {
                self.entries.remove(&key);
            }
        }
    }

    fn ask_everybody(&mut self, now: Instant) {
        let ask = Datagram::Ask(self.nonce).to_bytes();
        self.outputs.push_back(Output::AskAll(ask.clone()));
        let mut alone: Vec<SocketAddr> = self
            .entries
            .values()
            .filter_map(|entry| entry.answers_at)
            .collect();
        alone.sort_unstable();
        alone.dedup();
        for host in alone {
            self.outputs.push_back(Output::Ask(host, ask.clone()));
        }
        let is_silent = |pointed: &Pointed| {
            pointed
                .heard_at
                .is_none_or(|at| now.duration_since(at) >= SILENCE_MAX)
        };
        let silent = self
            .pointed
            .iter()
            .filter(|(_, pointed)| is_silent(pointed));
        let silent: Vec<SocketAddr> = silent.map(|(address, _)| *address).collect();
        for address in silent {
            self.ask_pointed(address);
        }
    }

    fn ask_pointed(&mut self, address: SocketAddr) {
        let mut answering = address;
        answering.set_port(PORT);
        let ask = Datagram::Ask(self.nonce).to_bytes();
        self.outputs.push_back(Output::Ask(answering, ask));
        if let Some(pointed) = self.pointed.get_mut(&address)
            && !pointed.is_checked
        {
            pointed.is_checked = true;
            self.outputs.push_back(Output::Check(address));
        }
    }
}

fn scope_of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

#[cfg(test)]
mod tests;
