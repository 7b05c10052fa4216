//! The TURN server of the media port (RFC 8656): for clients that send through a relay or not at
//! all. Nothing is relayed: what an allocation sends to one of our own addresses is looked at
//! where it is, and every other destination is forbidden.
//!
//! Rules, each with its why:
//! - Only a peer that the transport knows may allocate, and its credentials end with it. What a
//!   stranger says costs no memory: nonces are computed, not kept.
//! - A relayed address is made up, unlike every other, and nobody can send to it. It names one
//!   allocation, so whatever came through that is its owner's, or dropped.
//! - Permissions and channels are for the addresses that we announced to that peer. Everything
//!   else is 403: this is no way into the network of the host.
//! - A peer has at most [`ALLOCATIONS_MAX`] allocations. One more takes the place of the oldest
//!   that carries nothing, because browsers make new ones at every restart and an answer must not
//!   fail for what the last one left behind.
//! - A stranger is never told more than it said, but for the challenge with which RFC 8656 begins:
//!   48 bytes for 28, so many for an address and no more.

mod access;
mod allocation;
mod challenge;
mod message;
#[cfg(test)]
pub(super) mod tests;

pub use access::RelayAccess;

pub(super) use message::CHANNEL_HEAD_LEN;

use super::io::{Path, RelayKey, Via};
use super::stun::RESPONSE_LEN_MAX;
use allocation::{Allocation, RelayedAddresses};
use challenge::Challenger;
use message::{Family, Method, Refusal, Request, Verdict};
use ring::hmac;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Allocations that a peer may have at once: a browser makes one for each way in (UDP and TCP,
/// inside and outside address) and has those of the last negotiation still.
pub(super) const ALLOCATIONS_MAX: usize = 8;
/// How long an allocation lasts unless its client asks for more (RFC 8656 section 2.2).
const LIFETIME: Duration = Duration::from_secs(600);
/// The longest that a client gets.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// How long an allocation outlives the nomination of a newer one: as long as the ICE credentials
/// of its generation.
const RETIREMENT: Duration = Duration::from_secs(30);

/// The TURN server of one shard.
pub(super) struct Turn {
    users: HashMap<String, User>,
    /// Allocations by the paths of their clients.
    clients: HashMap<Path, u32>,
    allocations: Vec<Option<Allocation>>,
    addresses: RelayedAddresses,
    challenger: Challenger,
    next_serial: u32,
    ended: Vec<Ended>,
}

/// A peer that may allocate.
struct User {
    owner: usize,
    key: hmac::Key,
    addresses: Vec<SocketAddr>,
    /// Places of its allocations, the oldest first.
    allocations: Vec<u32>,
}

/// An allocation that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whose it was.
    pub(super) owner: usize,
    /// Its relayed address.
    pub(super) relayed: SocketAddr,
    /// Where its client was.
    pub(super) client: Path,
}

/// What becomes of a message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// Send the client the first so many bytes of the response.
    Answer(usize),
    /// Look at this part of the message as if it had come on this path.
    Inner(Range<usize>, Path),
    /// It makes no sense.
    Malformed,
    /// It is not allowed, and not answered.
    Refused,
}

impl Turn {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            users: HashMap::new(),
            clients: HashMap::new(),
            allocations: Vec::new(),
            addresses: RelayedAddresses::default(),
            challenger: Challenger::new(now),
            next_serial: 0,
            ended: Vec::new(),
        }
    }

    /// Lets the peer in place `owner` allocate.
    pub(super) fn add_user(&mut self, owner: usize, access: RelayAccess) {
        let user = User {
            owner,
            key: access.key,
            addresses: access.addresses,
            allocations: Vec::new(),
        };
        // Peer ids are never used again, so nobody is replaced.
        self.users.insert(access.username, user);
    }

    /// Ends the credentials of a peer together with its allocations.
    pub(super) fn remove_owner(&mut self, owner: usize) {
        let gone = self.users.extract_if(|_, user| user.owner == owner);
        let slots: Vec<u32> = gone.flat_map(|(_, user)| user.allocations).collect();
        for slot in slots {
            self.end(slot);
        }
    }

    /// Returns the next allocation that has ended, for whoever remembers its address.
    pub(super) fn poll_ended(&mut self) -> Option<Ended> {
        self.ended.pop()
    }

    /// Tells whether a client has an allocation.
    pub(super) fn has_allocation(&self, client: Path) -> bool {
        self.clients.contains_key(&client)
    }

    /// Ends the allocation of a client that is gone.
    pub(super) fn handle_client_gone(&mut self, client: Path) {
        if let Some(slot) = self.clients.get(&client).copied() {
            self.end(slot);
        }
    }

    /// Returns the place of the peer that owns an allocation.
    pub(super) fn owner(&self, key: RelayKey) -> Option<usize> {
        self.allocation(key).map(|allocation| allocation.owner)
    }

    fn allocation(&self, key: RelayKey) -> Option<&Allocation> {
        let allocation = self.allocations.get(key.slot as usize)?.as_ref()?;
        (allocation.serial == key.serial).then_some(allocation)
    }

    /// Takes in channel data: the packet path.
    pub(super) fn handle_channel_data(&self, data: &[u8], client: Path) -> Handled {
        let Some((number, range)) = message::channel_data(data) else {
            return Handled::Malformed;
        };
        let found = self.clients.get(&client).and_then(|slot| {
            self.allocations[*slot as usize]
                .as_ref()
                .map(|it| (*slot, it))
        });
        found
            .and_then(|(slot, allocation)| {
                let leg = allocation.leg_of_channel(number)?;
                Some(Handled::Inner(range, allocation.path(slot, leg)))
            })
            .unwrap_or(Handled::Refused)
    }

    /// Puts the head of channel data or of a Data indication before the `len` bytes in `slot`.
    /// Returns the new length and the path of the client; none when the client has not permitted
    /// it, or is gone.
    pub(super) fn wrap(&self, key: RelayKey, slot: &mut [u8], len: usize) -> Option<(usize, Path)> {
        let allocation = self.allocation(key)?;
        let leg = allocation.legs.get(usize::from(key.leg))?;
        let wrapped = match leg.channel {
            Some((number, _)) => message::write_channel_data(slot, len, number),
            None => {
                leg.permitted_until?;
                message::write_data(slot, len, leg.address)
            }
        }?;
        Some((wrapped, allocation.client))
    }

    /// Takes in a message of a TURN method.
    pub(super) fn handle_message(
        &mut self,
        data: &[u8],
        client: Path,
        now: Instant,
        out: &mut [u8; RESPONSE_LEN_MAX],
    ) -> Handled {
        match message::parse(data) {
            Ok(message::Message::Send { peer, range }) => {
                self.handle_send(peer, range, client, now)
            }
            Ok(message::Message::Request(request)) => {
                self.handle_request(&request, data.len(), client, now, out)
            }
            Ok(message::Message::Other) | Err(_) => Handled::Malformed,
        }
    }

    fn handle_send(
        &self,
        peer: SocketAddr,
        range: Range<usize>,
        client: Path,
        now: Instant,
    ) -> Handled {
        let Some(&slot) = self.clients.get(&client) else {
            return Handled::Refused;
        };
        let allocation = self.allocations[slot as usize].as_ref();
        allocation
            .and_then(|allocation| {
                let leg = allocation.leg_of(peer)?;
                let until = allocation.legs[usize::from(leg)].permitted_until?;
                (now < until).then(|| Handled::Inner(range, allocation.path(slot, leg)))
            })
            .unwrap_or(Handled::Refused)
    }

    fn handle_request(
        &mut self,
        request: &Request<'_>,
        request_len: usize,
        client: Path,
        now: Instant,
        out: &mut [u8; RESPONSE_LEN_MAX],
    ) -> Handled {
        let username = match self.authenticate(request, now) {
            Ok(username) => username,
            Err(refusal) => {
                let len = self.challenger.write(request, refusal, now, out);
                let is_first = refusal == Refusal::Unauthenticated && request.tag().is_none();
                let is_stream = matches!(client.via, Via::Stream(_));
                // Who knows the address is really theirs may be told more than they said.
                let may_answer = is_stream
                    || len <= request_len
                    || (is_first && self.challenger.may_challenge(client.remote.ip(), now));
                return match may_answer {
                    true => Handled::Answer(len),
                    false => Handled::Refused,
                };
            }
        };
        let key = self.users[&username].key.clone();
        let verdict = self.perform(request, &username, client, now);
        Handled::Answer(message::write_verdict(out, request, &verdict, client, &key))
    }

    fn authenticate(&self, request: &Request<'_>, now: Instant) -> Result<String, Refusal> {
        if request.tag().is_none() {
            return Err(Refusal::Unauthenticated);
        }
        let credentials = request.credentials().ok_or(Refusal::BadRequest)?;
        if !self.challenger.is_fresh(credentials.nonce, now) {
            return Err(Refusal::StaleNonce);
        }
        let user = self
            .users
            .get_key_value(credentials.username)
            .filter(|_| credentials.realm == challenge::REALM);
        user.filter(|(_, user)| request.is_authentic(&user.key))
            .map(|(username, _)| username.clone())
            .ok_or(Refusal::Unauthenticated)
    }

    fn perform(
        &mut self,
        request: &Request<'_>,
        username: &str,
        client: Path,
        now: Instant,
    ) -> Verdict {
        if !request.unknown().is_empty() {
            return Verdict::Error(Refusal::UnknownAttribute);
        }
        let existing = self.clients.get(&client).copied();
        if request.method == Method::Allocate {
            return self.allocate(request, username, client, existing, now);
        }
        let Some(slot) = existing else {
            return Verdict::Error(Refusal::NoAllocation);
        };
        let Some(user) = self.users.get(username) else {
            return Verdict::Error(Refusal::WrongCredentials);
        };
        if !user.allocations.contains(&slot) {
            return Verdict::Error(Refusal::WrongCredentials);
        }
        let Some(allocation) = self.allocations[slot as usize].as_mut() else {
            return Verdict::Error(Refusal::NoAllocation);
        };
        match request.method {
            Method::Refresh => {
                if request
                    .family
                    .is_some_and(|family| family != allocation.family())
                {
                    return Verdict::Error(Refusal::FamilyMismatch);
                }
                let lifetime = lifetime(request.lifetime);
                if lifetime.is_zero() {
                    self.end(slot);
                } else {
                    allocation.expires_at = now + lifetime;
                }
                Verdict::Refreshed(lifetime)
            }
            Method::CreatePermission => allocation.permit(request, now),
            Method::ChannelBind => allocation.bind(request, now),
            Method::Allocate => Verdict::Error(Refusal::BadRequest),
        }
    }

    fn allocate(
        &mut self,
        request: &Request<'_>,
        username: &str,
        client: Path,
        existing: Option<u32>,
        now: Instant,
    ) -> Verdict {
        if let Some(slot) = existing {
            // The same request again, whose answer was lost, gets the same answer.
            let same = self.allocations[slot as usize]
                .as_ref()
                .filter(|it| it.transaction == request.transaction);
            return same.map_or(Verdict::Error(Refusal::NoAllocation), Allocation::made);
        }
        match request.transport {
            None => return Verdict::Error(Refusal::BadRequest),
            Some(message::UDP) => {}
            Some(_) => return Verdict::Error(Refusal::UnsupportedTransport),
        }
        // Without a wish RFC 8656 gives IPv4, but an allocation that cannot reach our address
        // would be useless, and browsers express no wish.
        let family = request.family.unwrap_or(Family::of(client.remote.ip()));
        let Some(user) = self.users.get(username) else {
            return Verdict::Error(Refusal::WrongCredentials);
        };
        if !user
            .addresses
            .iter()
            .any(|it| Family::of(it.ip()) == family)
        {
            return Verdict::Error(Refusal::UnsupportedFamily);
        }
        if user.allocations.len() >= ALLOCATIONS_MAX && !self.make_room(username) {
            return Verdict::Error(Refusal::QuotaReached);
        }
        let relayed = self.addresses.next(family);
        let Some(user) = self.users.get_mut(username) else {
            return Verdict::Error(Refusal::WrongCredentials);
        };
        let allocation = Allocation::new(allocation::Setup {
            serial: self.next_serial,
            owner: user.owner,
            client,
            relayed,
            addresses: &user.addresses,
            transaction: request.transaction,
            lifetime: lifetime(request.lifetime).max(LIFETIME),
            now,
        });
        self.next_serial = self.next_serial.wrapping_add(1);
        let made = allocation.made();
        let slot = self.place(allocation);
        self.clients.insert(client, slot);
        if let Some(user) = self.users.get_mut(username) {
            user.allocations.push(slot);
        }
        made
    }

    fn place(&mut self, allocation: Allocation) -> u32 {
        let free = self.allocations.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.allocations.len());
        match free {
            Some(slot) => self.allocations[slot] = Some(allocation),
            None => self.allocations.push(Some(allocation)),
        }
        u32::try_from(slot).expect("peers and their allocations are bounded")
    }

    /// Ends the oldest allocation of a user that carries nothing.
    fn make_room(&mut self, username: &str) -> bool {
        let idle = self.users.get(username).and_then(|user| {
            user.allocations.iter().copied().find(|slot| {
                let allocation = self.allocations[*slot as usize].as_ref();
                allocation.is_some_and(|allocation| !allocation.is_selected)
            })
        });
        if let Some(slot) = idle {
            self.end(slot);
        }
        idle.is_some()
    }

    fn end(&mut self, slot: u32) {
        let Some(allocation) = self.allocations[slot as usize].take() else {
            return;
        };
        let Allocation {
            owner,
            relayed,
            client,
            ..
        } = allocation;
        self.clients.remove(&client);
        for user in self.users.values_mut().filter(|user| user.owner == owner) {
            user.allocations.retain(|known| *known != slot);
        }
        self.ended.push(Ended {
            owner,
            relayed,
            client,
        });
    }

    /// Notes which allocation carries its owner's media, and those whose ICE generation is over.
    pub(super) fn note_paths(
        &mut self,
        owner: usize,
        selected: Option<Path>,
        is_outdated: impl Fn(SocketAddr) -> bool,
        now: Instant,
    ) {
        let own = self.allocations.iter_mut().flatten();
        for allocation in own.filter(|allocation| allocation.owner == owner) {
            allocation.is_selected = selected.is_some_and(|path| path.remote == allocation.relayed);
            allocation.retire_at = is_outdated(allocation.relayed)
                .then(|| allocation.retire_at.unwrap_or(now + RETIREMENT));
        }
    }

    /// Ends what has expired.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for slot in 0..self.allocations.len() {
            let Some(allocation) = self.allocations[slot].as_mut() else {
                continue;
            };
            allocation.expire_legs(now);
            if allocation.deadline() <= now {
                self.end(u32::try_from(slot).expect("places are numbered so"));
            }
        }
    }

    /// Returns how many allocations there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.allocations.iter().flatten().count()
    }
}

/// Returns how long an allocation gets for the wish of its client, in whole seconds.
fn lifetime(wish: Option<u32>) -> Duration {
    wish.map_or(LIFETIME, |seconds| {
        Duration::from_secs(seconds.into()).min(LIFETIME_MAX)
    })
}

impl Family {
    /// Returns the family of an address.
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}
