//! Bounds the connections of each address, and all that have not made their first request.
//!
//! When a bound of those is reached the *oldest* one makes room. A real client needs milliseconds for its
//! first request and is gone from here before its turn comes; refusing the newest instead would
//! let a handful of silent connections lock everybody out. Connections at work are never ended
//! for others: an address that has too many gets a place among those that wait alone, to be told
//! so.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::Counters;

/// Bounds the waiting connections of one IPv4 address or IPv6 /64: a browser opens six at once,
/// and a whole class may sit behind one address.
const PER_ADDRESS_MAX: usize = 64;

/// Bounds all waiting connections: each may hold a TLS handshake of some 50 kB and a file handle,
/// of which many systems give a process 1024.
const TOTAL_MAX: usize = 512;

/// Bounds all connections of one IPv4 address or IPv6 /64, at work or not. A whole school may sit
/// behind one address: ten full rooms of a hundred people. Sixteen such addresses fill a server.
pub(crate) const OPEN_PER_ADDRESS_MAX: usize = 1024;

/// Gives out places to connections.
#[derive(Debug, Default)]
pub(super) struct Admission {
    waiting: Arc<Mutex<Waiting>>,
    counters: Arc<Counters>,
}

/// Is the place of one connection, until its end.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    group: Group,
    evicted: CancellationToken,
    is_surplus: bool,
    waiting: Arc<Mutex<Waiting>>,
}

impl Admission {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Admission {
            counters,
            ..Admission::default()
        }
    }

    /// Gives a place to a connection from `ip`, which is surplus when too many are open from there.
    /// The oldest that waits may have to go for it.
    pub(super) fn admit(&self, ip: IpAddr) -> Slot {
        let evicted = CancellationToken::new();
        let group = Group::of(ip);
        let (number, made_room, is_surplus) = {
            let mut waiting = lock(&self.waiting);
            // Programs of this computer are no strangers, and everybody may come through one of
            // them: a tunnel or a proxy.
            let is_surplus =
                waiting.open_of(group) >= OPEN_PER_ADDRESS_MAX && !ip.to_canonical().is_loopback();
            let (number, made_room) = waiting.admit(group, !is_surplus, evicted.clone());
            (number, made_room, is_surplus)
        };
        if made_room {
            self.counters.evicted.add();
        }
        if is_surplus {
            self.counters.refused.add();
        }
        Slot {
            number,
            group,
            evicted,
            is_surplus,
            waiting: Arc::clone(&self.waiting),
        }
    }
}

impl Slot {
    /// Makes room among those that wait: the connection has made its first request. One that is
    /// surplus stays among them.
    pub(super) fn settle(&self) {
        if !self.is_surplus {
            lock(&self.waiting).remove(self.number);
        }
    }

    /// Tells whether its address has too many, so that it is only told so.
    pub(super) fn is_surplus(&self) -> bool {
        self.is_surplus
    }

    /// Waits until the connection must go. Never after [`Slot::settle`].
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        waiting.remove(self.number);
        if !self.is_surplus {
            decrement(&mut waiting.open, self.group);
        }
    }
}

/// Whom a bound is for: a home or a laptop has a whole /64 of IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Group {
    /// Returns whom an address counts for.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Group::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let (net, _) = ip
                    .octets()
                    .split_first_chunk()
                    .map(|(a, b)| (*a, b))
                    .expect("16 > 8");
                Group::V6(net)
            }
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By number, so the first is the oldest.
    all: BTreeMap<u64, (Group, CancellationToken)>,
    counts: HashMap<Group, usize>,
    /// How many are open of each address, those at work included, the surplus not.
    open: HashMap<Group, usize>,
}

impl Waiting {
    fn open_of(&self, group: Group) -> usize {
        self.open.get(&group).copied().unwrap_or_default()
    }

    /// Returns the new connection's number, and whether an older one had to go for it.
    fn admit(&mut self, group: Group, counts: bool, evicted: CancellationToken) -> (u64, bool) {
        let crowded = if self
            .counts
            .get(&group)
            .is_some_and(|count| *count >= PER_ADDRESS_MAX)
        {
            Some(group)
        } else if self.all.len() >= TOTAL_MAX {
            // The busiest address pays, so that it hurts an attacker more than anyone else.
            self.counts
                .iter()
                .max_by_key(|(_, count)| **count)
                .map(|(group, _)| *group)
        } else {
            None
        };
        let made_room = crowded.is_some_and(|group| self.evict_oldest_of(group));
        let number = self.next;
        self.next += 1;
        self.all.insert(number, (group, evicted));
        *self.counts.entry(group).or_default() += 1;
        if counts {
            *self.open.entry(group).or_default() += 1;
        }
        (number, made_room)
    }

    fn evict_oldest_of(&mut self, group: Group) -> bool {
        let oldest = self.all.iter().find(|(_, (other, _))| *other == group);
        let Some((number, evicted)) = oldest.map(|(number, (_, evicted))| (*number, evicted))
        else {
            return false;
        };
        evicted.cancel();
        self.remove(number);
        true
    }

    fn remove(&mut self, number: u64) {
        let Some((group, _)) = self.all.remove(&number) else {
            return;
        };
        decrement(&mut self.counts, group);
    }
}

fn decrement(counts: &mut HashMap<Group, usize>, group: Group) {
    if let Some(count) = counts.get_mut(&group) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&group);
        }
    }
}

/// No code panics while it holds the lock, so the state is whole even if a thread did.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn count(admission: &Admission) -> usize {
        lock(&admission.waiting).all.len()
    }

    #[test]
    fn the_oldest_of_an_address_makes_room() {
        let admission = Admission::default();
        let slots: Vec<Slot> = (0..PER_ADDRESS_MAX)
            .map(|_| admission.admit(ip("10.0.0.1")))
            .collect();
        assert!(slots.iter().all(|slot| !slot.evicted.is_cancelled()));
        let newest = admission.admit(ip("10.0.0.1"));
        assert!(slots[0].evicted.is_cancelled());
        assert_eq!(admission.counters.evicted.count(), 1);
        assert!(!slots[1].evicted.is_cancelled() && !newest.evicted.is_cancelled());
        let other = admission.admit(ip("10.0.0.2"));
        assert!(
            !slots[1].evicted.is_cancelled(),
            "another address has its own bound"
        );
        drop((slots, newest, other));
        assert_eq!(count(&admission), 0);
        assert!(lock(&admission.waiting).counts.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_address_and_mapped_ipv4_is_ipv4() {
        assert_eq!(
            Group::of(ip("2001:db8::1")),
            Group::of(ip("2001:db8::ffff:1"))
        );
        assert_ne!(
            Group::of(ip("2001:db8::1")),
            Group::of(ip("2001:db8:0:1::1"))
        );
        assert_eq!(Group::of(ip("::ffff:10.0.0.1")), Group::of(ip("10.0.0.1")));
    }

    #[test]
    fn the_busiest_address_pays_for_the_total() {
        let admission = Admission::default();
        let quiet = admission.admit(ip("10.9.9.9"));
        let busy: Vec<Slot> = (0..PER_ADDRESS_MAX)
            .map(|_| admission.admit(ip("10.8.8.8")))
            .collect();
        let mut rest = Vec::new();
        while count(&admission) < TOTAL_MAX {
            let number = u32::try_from(rest.len()).unwrap();
            rest.push(admission.admit(IpAddr::V4((0x0b00_0000 + number).into())));
        }
        rest.push(admission.admit(ip("12.0.0.1")));
        assert_eq!(count(&admission), TOTAL_MAX);
        assert!(busy[0].evicted.is_cancelled());
        assert!(!quiet.evicted.is_cancelled());
    }

    #[test]
    fn an_address_that_has_too_many_gets_no_more_until_one_ends() {
        let admission = Admission::default();
        let at_work = |text| {
            let slot = admission.admit(ip(text));
            slot.settle();
            (!slot.is_surplus()).then_some(slot)
        };
        let full: Option<Vec<Slot>> = (0..OPEN_PER_ADDRESS_MAX)
            .map(|_| at_work("10.0.0.1"))
            .collect();
        let mut full = full.expect("a school fits");
        assert!(at_work("10.0.0.1").is_none());
        assert_eq!(admission.counters.refused.count(), 1);
        let surplus: Vec<Slot> = (0..=PER_ADDRESS_MAX)
            .map(|_| admission.admit(ip("10.0.0.1")))
            .collect();
        surplus.iter().for_each(Slot::settle);
        assert!(surplus.iter().all(Slot::is_surplus));
        assert!(surplus[0].evicted.is_cancelled(), "the surplus is bounded");
        assert!(!surplus[1].evicted.is_cancelled());
        drop(surplus);
        assert!(full.iter().all(|slot| !slot.evicted.is_cancelled()));
        assert!(at_work("10.0.0.2").is_some(), "others have their own bound");
        full.pop();
        assert!(at_work("10.0.0.1").is_some());
        let own: Option<Vec<Slot>> = (0..=OPEN_PER_ADDRESS_MAX)
            .map(|_| at_work("127.0.0.1"))
            .collect();
        assert!(own.is_some(), "this computer may be a proxy");
        drop((full, own));
        assert!(lock(&admission.waiting).open.is_empty());
    }

    #[test]
    fn a_settled_connection_is_never_evicted() {
        let admission = Admission::default();
        let first = admission.admit(ip("10.0.0.1"));
        first.settle();
        let rest: Vec<Slot> = (0..=PER_ADDRESS_MAX)
            .map(|_| admission.admit(ip("10.0.0.1")))
            .collect();
        assert!(!first.evicted.is_cancelled());
        assert!(rest[0].evicted.is_cancelled());
    }
}
