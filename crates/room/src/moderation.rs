//! Who is host, who may come in, who is silenced, who is barred: the rules of one room.
//!
//! Rules, each with its why:
//! - The host is whoever shows the host token. In a room without one the first Snug program that
//!   sits down gets a fresh one: a room that anybody may open has no other owner.
//! - The token outlives its holder's seat, not the room: a host whose network broke for long is the
//!   host again. It opens every door of the room, so that no host can lock themselves out.
//! - A room has one host. A second holder of the token takes over: it is the same person at another
//!   computer, or the same program started again.
//! - A host may do everything; a co-host everything to members, but neither appoints nor ends.
//! - What is stopped of somebody stays stopped until they ask for it themselves after being told,
//!   or until a host lets it go on: nobody is made to speak by somebody else's click alone, and
//!   whoever abuses it is removed. A client that cannot ask is helped by the host.
//! - Whoever is removed is barred by key and by address, since each alone is easily changed. An
//!   address of this computer bars nobody: it may be a proxy for everybody.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use snug_protocol::{
    Ask, ClientKey, HostToken, Medium, PeerId, ReasonCode, Removed, Role, RoomState, Silence,
    Waiting,
};

/// How many people may wait at once: more than a host can decide about in a glance.
pub const WAITING_MAX: usize = 16;

/// How many removed people one room remembers; beyond that the first is forgotten.
pub const BARS_MAX: usize = 256;

/// Who is the host of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostRule {
    /// The first Snug program that sits down.
    #[default]
    First,
    /// Whoever shows this token.
    Holder(HostToken),
}

/// What a joiner shows at the door.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Whether it is a Snug program: only such a one can be host or co-host.
    pub is_snug: bool,
    /// The host token that it holds.
    pub host: Option<HostToken>,
    /// The host token of the room if there is none yet.
    pub fresh_host: Option<HostToken>,
    /// What it was known by before.
    pub key: Option<ClientKey>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// They were let in, whether or not they have connected.
    Inside,
    /// They have to wait, and have not connected.
    Outside,
    /// They connected, and wait. The number orders them.
    Knocking(u64),
}

#[derive(Debug)]
struct Person {
    credentials: Credentials,
    role: Role,
    door: Door,
    silence: Silence,
    name: String,
}

#[derive(Debug)]
struct Bar {
    number: u32,
    name: String,
    key: Option<ClientKey>,
    address: Option<IpAddr>,
}

/// What follows from what somebody asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing but that the rules may have changed.
    Noted,
    /// Somebody's media are to be forwarded, or not, anew.
    Silenced(PeerId),
    /// These are let in.
    LetIn(Vec<PeerId>),
    /// This one is turned away.
    TurnedAway(PeerId),
    /// This one is out.
    Removed(PeerId),
    /// Everybody is out.
    Ended,
}

/// The rules of one room. See the module.
#[derive(Debug, Default)]
pub(crate) struct Moderation {
    token: Option<HostToken>,
    people: BTreeMap<PeerId, Person>,
    is_locked: bool,
    has_lobby: bool,
    bars: VecDeque<Bar>,
    next_bar: u32,
    next_knock: u64,
    has_changed: bool,
}

impl Moderation {
    pub fn new(rule: HostRule) -> Self {
        let token = match rule {
            HostRule::First => None,
            HostRule::Holder(token) => Some(token),
        };
        Self {
            token,
            ..Self::default()
        }
    }

    /// Judges whether somebody new may sit down.
    pub fn judge(&self, credentials: &Credentials) -> Result<(), ReasonCode> {
        if self.is_host(credentials) {
            return Ok(());
        }
        if self.bars.iter().any(|bar| bar.applies_to(credentials)) {
            return Err(ReasonCode::Barred);
        }
        if self.is_locked {
            return Err(ReasonCode::RoomLocked);
        }
        let waiting = self
            .people
            .values()
            .filter(|person| person.door != Door::Inside);
        if self.has_lobby && waiting.count() >= WAITING_MAX {
            return Err(ReasonCode::LobbyFull);
        }
        Ok(())
    }

    /// Notes that somebody new sits down, after [`Moderation::judge`]. Returns the host token when
    /// they are the host.
    pub fn seat(&mut self, peer: &PeerId, mut credentials: Credentials) -> Option<HostToken> {
        if self.token.is_none() && credentials.is_snug {
            self.token = credentials.fresh_host.take();
            credentials.host = self.token.clone();
        }
        let is_host = self.is_host(&credentials);
        if is_host {
            let former = self
                .people
                .values_mut()
                .filter(|person| person.role == Role::Host);
            former.for_each(|person| person.role = Role::Member);
        }
        credentials.address = credentials.address.and_then(barred_as);
        let person = Person {
            credentials,
            role: if is_host { Role::Host } else { Role::Member },
            door: if is_host || !self.has_lobby {
                Door::Inside
            } else {
                Door::Outside
            },
            silence: Silence::default(),
            name: String::new(),
        };
        self.people.insert(peer.clone(), person);
        self.has_changed = true;
        self.token.clone().filter(|_| is_host)
    }

    /// Returns the host token to a host who comes back to their seat.
    pub fn token_of(&self, peer: &PeerId) -> Option<HostToken> {
        self.token.clone().filter(|_| self.role(peer) == Role::Host)
    }

    /// Notes that somebody connects. Returns whether they are seen from now on.
    pub fn connect(&mut self, peer: &PeerId) -> bool {
        let Some(person) = self.people.get_mut(peer) else {
            return false;
        };
        self.has_changed = true;
        if person.door == Door::Outside {
            person.door = Door::Knocking(self.next_knock);
            self.next_knock += 1;
        }
        person.door == Door::Inside
    }

    /// Notes what somebody calls themselves.
    pub fn name(&mut self, peer: &PeerId, name: &str) {
        if let Some(person) = self.people.get_mut(peer)
            && person.name != name
        {
            person.name = name.to_owned();
            self.has_changed = true;
        }
    }

    /// Notes that somebody is gone.
    pub fn forget(&mut self, peer: &PeerId) {
        self.people.remove(peer);
        self.has_changed = true;
    }

    /// Decides about what somebody in the room asks. Whoever it is about may be gone already:
    /// that is no fault of the asker, and nothing follows.
    pub fn ask(&mut self, by: &PeerId, ask: &Ask) -> Result<Verdict, ReasonCode> {
        if let Ask::Resume { medium } = ask {
            return Ok(self.silence(by, *medium, false));
        }
        let role = self.role(by);
        let is_for_host = matches!(ask, Ask::CoHost { .. } | Ask::EndForAll);
        if role == Role::Member || (is_for_host && role != Role::Host) {
            return Err(ReasonCode::NotAllowed);
        }
        self.has_changed = true;
        match ask {
            Ask::Silence {
                endpoint_id,
                medium,
                is_on,
            } => {
                self.outrank(by, endpoint_id)?;
                Ok(self.silence(endpoint_id, *medium, *is_on))
            }
            Ask::Resume { .. } => Ok(Verdict::Noted),
            Ask::Remove { endpoint_id } => {
                self.outrank(by, endpoint_id)?;
                Ok(self.remove(endpoint_id))
            }
            Ask::Readmit { bar } => {
                self.bars.retain(|held| held.number != *bar);
                Ok(Verdict::Noted)
            }
            Ask::CoHost { endpoint_id, is_on } => self.appoint(by, endpoint_id, *is_on),
            Ask::Admit { endpoint_id } => Ok(self.admit(|peer, _| peer == endpoint_id)),
            Ask::Deny { endpoint_id } => match self.is_waiting(endpoint_id) {
                true => Ok(Verdict::TurnedAway(endpoint_id.clone())),
                false => Ok(Verdict::Noted),
            },
            Ask::Lock { is_on } => {
                self.is_locked = *is_on;
                Ok(Verdict::Noted)
            }
            Ask::Lobby { is_on } => {
                self.has_lobby = *is_on;
                match is_on {
                    true => Ok(Verdict::Noted),
                    false => Ok(self.admit(|_, _| true)),
                }
            }
            Ask::EndForAll => Ok(Verdict::Ended),
        }
    }

    /// Whether anything that [`Moderation::state`] tells may have changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Which media of somebody are forwarded to nobody.
    pub fn silence_of(&self, peer: &PeerId) -> Silence {
        self.people
            .get(peer)
            .map(|person| person.silence)
            .unwrap_or_default()
    }

    /// Whether `by` decides about `other`.
    pub fn outranks(&self, by: &PeerId, other: &PeerId) -> bool {
        self.role(by) > self.role(other)
    }

    /// Tells how things stand for one person.
    pub fn state(&self, peer: &PeerId) -> Option<RoomState> {
        let person = self.people.get(peer)?;
        if person.door != Door::Inside {
            let host = self
                .people
                .values()
                .find(|person| person.role == Role::Host);
            let decides = host.or_else(|| self.people.values().find(|it| it.role == Role::CoHost));
            return Some(RoomState {
                is_waiting: true,
                host_name: decides
                    .map(|person| person.name.clone())
                    .filter(|it| !it.is_empty()),
                ..RoomState::default()
            });
        }
        let inside = || {
            self.people
                .iter()
                .filter(|(_, person)| person.door == Door::Inside)
        };
        let roles = inside().filter(|(_, person)| person.role != Role::Member);
        let silenced = inside().filter(|(_, person)| person.silence.is_any());
        let mut state = RoomState {
            role: person.role,
            roles: roles
                .map(|(peer, person)| (peer.clone(), person.role))
                .collect(),
            silenced: silenced
                .map(|(peer, person)| (peer.clone(), person.silence))
                .collect(),
            is_locked: self.is_locked,
            has_lobby: self.has_lobby,
            ..RoomState::default()
        };
        if person.role != Role::Member {
            state.waiting = self.waiting();
            state.removed = self.bars.iter().map(Bar::tell).collect();
        }
        Some(state)
    }

    fn waiting(&self) -> Vec<Waiting> {
        let knocking = self
            .people
            .iter()
            .filter_map(|(peer, person)| match person.door {
                Door::Knocking(number) => Some((number, peer, person)),
                _ => None,
            });
        let mut knocking: Vec<_> = knocking.collect();
        knocking.sort_by_key(|(number, ..)| *number);
        let tell = |(_, peer, person): (u64, &PeerId, &Person)| Waiting {
            endpoint_id: peer.clone(),
            name: person.name.clone(),
            in_browser: !person.credentials.is_snug,
        };
        knocking.into_iter().map(tell).collect()
    }

    fn role(&self, peer: &PeerId) -> Role {
        self.people
            .get(peer)
            .map(|person| person.role)
            .unwrap_or_default()
    }

    fn is_host(&self, credentials: &Credentials) -> bool {
        credentials.is_snug && self.token.is_some() && credentials.host == self.token
    }

    fn is_waiting(&self, peer: &PeerId) -> bool {
        self.people
            .get(peer)
            .is_some_and(|person| person.door != Door::Inside)
    }

    /// Whether one may act on another: on who is less than oneself, and never on oneself.
    fn outrank(&self, by: &PeerId, other: &PeerId) -> Result<(), ReasonCode> {
        match self.outranks(by, other) {
            true => Ok(()),
            false => Err(ReasonCode::NotAllowed),
        }
    }

    fn silence(&mut self, peer: &PeerId, medium: Medium, is_on: bool) -> Verdict {
        let Some(person) = self.people.get_mut(peer) else {
            return Verdict::Noted;
        };
        if person.silence.of(medium) == is_on {
            return Verdict::Noted;
        }
        person.silence.set(medium, is_on);
        self.has_changed = true;
        Verdict::Silenced(peer.clone())
    }

    fn remove(&mut self, peer: &PeerId) -> Verdict {
        let Some(person) = self.people.get(peer) else {
            return Verdict::Noted;
        };
        let Credentials { key, address, .. } = person.credentials.clone();
        if self.bars.len() >= BARS_MAX {
            self.bars.pop_front();
        }
        let (number, name) = (self.next_bar, person.name.clone());
        self.next_bar = self.next_bar.wrapping_add(1);
        self.bars.push_back(Bar {
            number,
            name,
            key,
            address,
        });
        Verdict::Removed(peer.clone())
    }

    fn appoint(&mut self, by: &PeerId, peer: &PeerId, is_on: bool) -> Result<Verdict, ReasonCode> {
        self.outrank(by, peer)?;
        let Some(person) = self.people.get_mut(peer) else {
            return Ok(Verdict::Noted);
        };
        if !person.credentials.is_snug || person.door != Door::Inside {
            return Err(ReasonCode::NotAllowed);
        }
        person.role = if is_on { Role::CoHost } else { Role::Member };
        Ok(Verdict::Noted)
    }

    /// Opens the door to some who wait; returns those of them who have connected.
    fn admit(&mut self, which: impl Fn(&PeerId, &Person) -> bool) -> Verdict {
        let mut let_in = Vec::new();
        for (peer, person) in &mut self.people {
            if person.door == Door::Inside || !which(peer, person) {
                continue;
            }
            if matches!(person.door, Door::Knocking(_)) {
                let_in.push(peer.clone());
            }
            person.door = Door::Inside;
        }
        Verdict::LetIn(let_in)
    }
}

impl Bar {
    fn applies_to(&self, credentials: &Credentials) -> bool {
        let address = credentials.address.and_then(barred_as);
        let is_same_key = self.key.is_some() && self.key == credentials.key;
        is_same_key || (self.address.is_some() && self.address == address)
    }

    fn tell(&self) -> Removed {
        Removed {
            bar: self.number,
            name: self.name.clone(),
        }
    }
}

/// Returns what stands for an address in a bar: IPv4 itself, of IPv6 the /64 that one household
/// has. Nothing for an address of this computer.
fn barred_as(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(ip.into()),
        IpAddr::V6(ip) => Some(Ipv6Addr::from(u128::from(ip) >> 64 << 64).into()),
    }
}
