//! One allocation: where its client is, and what it may reach.

use super::message::{Family, Refusal, Request, Verdict};
use crate::transport::io::{Path, RelayKey, Via};
use crate::transport::stun::TransactionId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a permission lasts (RFC 8656 section 9).
const PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel stays bound (RFC 8656 section 12).
const CHANNEL: Duration = Duration::from_secs(600);
/// The channels of RFC 5766, which clients still use; RFC 8656 ends at 0x4FFF.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7FFF;
/// Ports of relayed addresses: above those that mean something.
const FIRST_PORT: u16 = 1024;

/// An allocation of a client.
pub(super) struct Allocation {
    pub(super) serial: u32,
    /// The place of the peer that it belongs to.
    pub(super) owner: usize,
    pub(super) client: Path,
    pub(super) relayed: SocketAddr,
    /// The request that made it.
    pub(super) transaction: TransactionId,
    pub(super) expires_at: Instant,
    /// When it goes because a newer one does its work.
    pub(super) retire_at: Option<Instant>,
    /// The owner's media takes this way.
    pub(super) is_selected: bool,
    /// What it may reach of ours, one for each address that the owner was told.
    pub(super) legs: Vec<Leg>,
    lifetime: Duration,
}

/// One of our addresses, as a client speaks to it through an allocation.
pub(super) struct Leg {
    pub(super) address: SocketAddr,
    pub(super) permitted_until: Option<Instant>,
    /// Its channel, and until when.
    pub(super) channel: Option<(u16, Instant)>,
}

/// What an allocation is made of.
pub(super) struct Setup<'a> {
    pub(super) serial: u32,
    pub(super) owner: usize,
    pub(super) client: Path,
    pub(super) relayed: SocketAddr,
    pub(super) addresses: &'a [SocketAddr],
    pub(super) transaction: TransactionId,
    pub(super) lifetime: Duration,
    pub(super) now: Instant,
}

impl Allocation {
    pub(super) fn new(setup: Setup<'_>) -> Self {
        let leg = |address: &SocketAddr| Leg {
            address: *address,
            permitted_until: None,
            channel: None,
        };
        Self {
            serial: setup.serial,
            owner: setup.owner,
            client: setup.client,
            relayed: setup.relayed,
            transaction: setup.transaction,
            expires_at: setup.now + setup.lifetime,
            retire_at: None,
            is_selected: false,
            legs: setup.addresses.iter().map(leg).collect(),
            lifetime: setup.lifetime,
        }
    }

    /// Says that it was made.
    pub(super) fn made(&self) -> Verdict {
        Verdict::Made {
            relayed: self.relayed,
            lifetime: self.lifetime,
        }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.relayed.ip())
    }

    /// Returns when it ends by itself.
    pub(super) fn deadline(&self) -> Instant {
        self.retire_at
            .map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    /// Returns the path of what came through it to one of our addresses.
    pub(super) fn path(&self, slot: u32, leg: u8) -> Path {
        let serial = self.serial;
        Path {
            remote: self.relayed,
            local: None,
            via: Via::Relay(RelayKey { slot, serial, leg }),
        }
    }

    pub(super) fn leg_of_channel(&self, number: u16) -> Option<u8> {
        let is_it = |leg: &Leg| leg.channel.is_some_and(|(bound, _)| bound == number);
        self.index(is_it)
    }

    pub(super) fn leg_of(&self, address: SocketAddr) -> Option<u8> {
        self.index(|leg| leg.address == address)
    }

    fn index(&self, is_it: impl Fn(&Leg) -> bool) -> Option<u8> {
        let index = self.legs.iter().position(is_it)?;
        u8::try_from(index).ok()
    }

    /// Permits what a client sends to these addresses, if all of them are ours (RFC 8656
    /// section 10.2: all or none; ports do not count).
    pub(super) fn permit(&mut self, request: &Request<'_>, now: Instant) -> Verdict {
        let peers = request.peers().map(|peer| peer.ip());
        if peers.clone().next().is_none() {
            return Verdict::Error(Refusal::BadRequest);
        }
        if peers.clone().any(|ip| Family::of(ip) != self.family()) {
            return Verdict::Error(Refusal::FamilyMismatch);
        }
        let is_ours = |ip: IpAddr| self.legs.iter().any(|leg| leg.address.ip() == ip);
        if !peers.clone().all(is_ours) {
            return Verdict::Error(Refusal::Forbidden);
        }
        for leg in &mut self.legs {
            if peers.clone().any(|ip| ip == leg.address.ip()) {
                leg.permitted_until = Some(now + PERMISSION);
            }
        }
        Verdict::Done
    }

    /// Binds a channel to one of our addresses (RFC 8656 section 12.2).
    pub(super) fn bind(&mut self, request: &Request<'_>, now: Instant) -> Verdict {
        let (Some(number), Some(peer)) = (request.channel, request.peers().next()) else {
            return Verdict::Error(Refusal::BadRequest);
        };
        if !CHANNELS.contains(&number) {
            return Verdict::Error(Refusal::BadRequest);
        }
        if Family::of(peer.ip()) != self.family() {
            return Verdict::Error(Refusal::FamilyMismatch);
        }
        let Some(index) = self.leg_of(peer) else {
            return Verdict::Error(Refusal::Forbidden);
        };
        if self
            .leg_of_channel(number)
            .is_some_and(|bound| bound != index)
        {
            return Verdict::Error(Refusal::BadRequest);
        }
        let leg = &mut self.legs[usize::from(index)];
        if leg.channel.is_some_and(|(bound, _)| bound != number) {
            return Verdict::Error(Refusal::BadRequest);
        }
        leg.channel = Some((number, now + CHANNEL));
        leg.permitted_until = Some(now + PERMISSION);
        Verdict::Done
    }

    /// Forgets permissions and channels that were not renewed.
    pub(super) fn expire_legs(&mut self, now: Instant) {
        for leg in &mut self.legs {
            leg.channel = leg.channel.filter(|(_, until)| now < *until);
            // A bound channel carries data both ways whatever the permission says.
            leg.permitted_until = leg.permitted_until.filter(|until| now < *until);
        }
    }
}

/// Makes up relayed addresses: from the blocks for documentation (RFC 5737, RFC 3849), which no
/// network routes.
#[derive(Default)]
pub(super) struct RelayedAddresses {
    next: u32,
}

impl RelayedAddresses {
    /// Returns an address that was not given out for sixteen million others.
    pub(super) fn next(&mut self, family: Family) -> SocketAddr {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let ports = u32::from(u16::MAX - FIRST_PORT) + 1;
        let port = FIRST_PORT + (number % ports) as u16;
        let host = number / ports % 254 + 1;
        let ip = match family {
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host as u16)),
            _ => IpAddr::V4(Ipv4Addr::new(192, 0, 2, host as u8)),
        };
        SocketAddr::new(ip, port)
    }
}
