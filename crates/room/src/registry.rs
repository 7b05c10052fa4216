//! Which rooms there are: looking one up and starting it is one call in one owner.
//!
//! Rules, each with its why:
//! - A name maps to at most one live room. Two joiners of a new name get the same room, the
//!   first one with the order to start it: so no joiner can lose a race against another.
//! - Whoever is sent to a room carries a [`Lease`] until the room has seated or refused them.
//!   A room without people ends only while no lease is out: so a joiner can never be sent to a
//!   room that ends before it arrives. Leases are given out here alone, and only dropped
//!   elsewhere, so "none is out" cannot become wrong between the look and the removal.
//! - A room that is forgotten (ended or dead) gives its name free at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use snug_protocol::{ReasonCode, RoomName};

/// How many rooms one server holds: each costs a task and some kilobytes, and anybody who may
/// join in an open server may start one.
pub const ROOMS_MAX: usize = 10_000;

/// Who may start a room by joining it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomPolicy {
    /// Everybody: joining a name starts its room.
    #[default]
    Open,
    /// Nobody: only rooms that the host listed can be joined.
    Listed,
}

/// Names one life of a room; the same name gets another one after the room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(u64);

/// Keeps a room from ending while its holder is on the way to it. Drop it on arrival.
#[derive(Debug)]
pub struct Lease {
    _held: Arc<()>,
}

/// The room that a joiner is sent to.
#[derive(Debug)]
pub struct Found {
    /// Which room.
    pub room: RoomId,
    /// Whether it is new: the caller starts it before anything else.
    pub is_new: bool,
    /// Keeps it alive until the joiner has arrived.
    pub lease: Lease,
}

/// All rooms of a server. See the module for its rules.
#[derive(Debug)]
pub struct Registry {
    policy: RoomPolicy,
    listed: HashSet<RoomName>,
    by_name: HashMap<RoomName, RoomId>,
    rooms: HashMap<RoomId, Slot>,
    rooms_max: usize,
    next_id: u64,
}

#[derive(Debug)]
struct Slot {
    name: RoomName,
    /// One count is the registry's own; every other one is a lease that is out.
    leases: Arc<()>,
}

impl Registry {
    /// Makes a registry without rooms that will hold `rooms_max` of them, usually
    /// [`ROOMS_MAX`].
    pub fn new(policy: RoomPolicy, rooms_max: usize) -> Self {
        Self {
            policy,
            listed: HashSet::new(),
            by_name: HashMap::new(),
            rooms: HashMap::new(),
            rooms_max,
            next_id: 0,
        }
    }

    /// Allows a room to be joined under [`RoomPolicy::Listed`]; it stays listed when it empties.
    ///
    /// # Errors
    /// [`ReasonCode::ServerFull`] when as many rooms are listed as the registry may hold.
    pub fn list(&mut self, name: RoomName) -> Result<(), ReasonCode> {
        if self.listed.len() >= self.rooms_max && !self.listed.contains(&name) {
            return Err(ReasonCode::ServerFull);
        }
        self.listed.insert(name);
        Ok(())
    }

    /// Takes that back. Returns the room of that name if it runs: the caller closes it. It is
    /// forgotten already, so that the name, once listed again, leads to a new room.
    pub fn unlist(&mut self, name: &RoomName) -> Option<RoomId> {
        self.listed.remove(name);
        let room = self.by_name.get(name).copied()?;
        self.forget(room);
        Some(room)
    }

    /// Finds the room of that name, or makes it.
    ///
    /// # Errors
    /// [`ReasonCode::NoSuchRoom`] when the policy does not allow it, [`ReasonCode::ServerFull`]
    /// when a new one would be too many.
    pub fn look_up_or_start(&mut self, name: &RoomName) -> Result<Found, ReasonCode> {
        if self.policy == RoomPolicy::Listed && !self.listed.contains(name) {
            return Err(ReasonCode::NoSuchRoom);
        }
        if let Some(&room) = self.by_name.get(name) {
            let slot = self.rooms.get(&room).expect("every name leads to a room");
            return Ok(Found {
                room,
                is_new: false,
                lease: slot.lease(),
            });
        }
        if self.rooms.len() >= self.rooms_max {
            return Err(ReasonCode::ServerFull);
        }
        let room = RoomId(self.next_id);
        self.next_id += 1;
        let slot = Slot {
            name: name.clone(),
            leases: Arc::new(()),
        };
        let lease = slot.lease();
        self.by_name.insert(name.clone(), room);
        self.rooms.insert(room, slot);
        Ok(Found {
            room,
            is_new: true,
            lease,
        })
    }

    /// Lets a room that has nobody in it end, unless somebody is on the way to it: then the
    /// answer is false, the room goes on, and asks again while it stays empty.
    pub fn end_if_unused(&mut self, room: RoomId) -> bool {
        let in_use = self.rooms.get(&room).is_some_and(Slot::has_leases);
        if !in_use {
            self.forget(room);
        }
        !in_use
    }

    /// Drops a room that ended on its own, by a crash for instance. Says whether it was known.
    pub fn forget(&mut self, room: RoomId) -> bool {
        let Some(slot) = self.rooms.remove(&room) else {
            return false;
        };
        self.by_name.remove(&slot.name);
        true
    }

    /// Returns how many rooms there are.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether a room may be joined under [`RoomPolicy::Listed`].
    pub fn is_listed(&self, name: &RoomName) -> bool {
        self.listed.contains(name)
    }

    /// Finds a room without starting one.
    pub fn find(&self, name: &RoomName) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    /// Lists the rooms that run, and those that would be started by joining because they are
    /// listed; of these there is no id.
    pub fn names(&self) -> impl Iterator<Item = (&RoomName, Option<RoomId>)> {
        let running = self.by_name.iter().map(|(name, room)| (name, Some(*room)));
        let waits = |name: &&RoomName| !self.by_name.contains_key(*name);
        let waiting = self.listed.iter().filter(waits).map(|name| (name, None));
        running.chain(waiting)
    }

    /// Whether there is no room.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }
}

impl Slot {
    fn lease(&self) -> Lease {
        Lease {
            _held: Arc::clone(&self.leases),
        }
    }

    fn has_leases(&self) -> bool {
        Arc::strong_count(&self.leases) > 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> RoomName {
        RoomName::parse(text).unwrap()
    }

    fn open() -> Registry {
        Registry::new(RoomPolicy::Open, ROOMS_MAX)
    }

    #[test]
    fn the_first_joiner_starts_the_room_and_the_others_find_it() {
        let mut registry = open();
        let first = registry.look_up_or_start(&name("a")).unwrap();
        let second = registry.look_up_or_start(&name("a")).unwrap();
        let other = registry.look_up_or_start(&name("b")).unwrap();
        assert!(first.is_new && !second.is_new && other.is_new);
        assert_eq!(first.room, second.room);
        assert_ne!(first.room, other.room);
    }

    #[test]
    fn a_room_ends_only_while_nobody_is_on_the_way() {
        let mut registry = open();
        let found = registry.look_up_or_start(&name("a")).unwrap();
        assert!(!registry.end_if_unused(found.room));
        drop(found.lease);
        let late = registry.look_up_or_start(&name("a")).unwrap();
        assert_eq!(late.room, found.room);
        assert!(!registry.end_if_unused(found.room));
        drop(late.lease);
        assert!(registry.end_if_unused(found.room));
        assert!(registry.is_empty());
        let again = registry.look_up_or_start(&name("a")).unwrap();
        assert!(again.is_new);
        assert_ne!(again.room, found.room);
    }

    #[test]
    fn a_dead_room_gives_its_name_free_and_cannot_harm_the_next() {
        let mut registry = open();
        let dead = registry.look_up_or_start(&name("a")).unwrap();
        assert!(registry.forget(dead.room));
        let next = registry.look_up_or_start(&name("a")).unwrap();
        assert!(next.is_new);
        assert!(
            !registry.forget(dead.room),
            "a late word from the dead room"
        );
        assert!(
            registry.end_if_unused(dead.room),
            "it may end a second time"
        );
        assert_eq!(registry.len(), 1);
        assert!(!registry.look_up_or_start(&name("a")).unwrap().is_new);
    }

    #[test]
    fn a_listed_policy_knows_only_what_the_host_listed() {
        let mut registry = Registry::new(RoomPolicy::Listed, ROOMS_MAX);
        let refused = registry
            .look_up_or_start(&name("a"))
            .map(|found| found.room);
        assert_eq!(refused, Err(ReasonCode::NoSuchRoom));
        registry.list(name("a")).unwrap();
        let found = registry.look_up_or_start(&name("a")).unwrap();
        drop(found.lease);
        assert!(registry.end_if_unused(found.room));
        assert!(
            registry.look_up_or_start(&name("a")).unwrap().is_new,
            "it stays listed"
        );
        let running = registry.look_up_or_start(&name("a")).unwrap().room;
        assert_eq!(registry.unlist(&name("a")), Some(running));
        assert_eq!(registry.unlist(&name("a")), None);
        assert!(registry.look_up_or_start(&name("a")).is_err());
        registry.list(name("a")).unwrap();
        let again = registry.look_up_or_start(&name("a")).unwrap();
        assert!(again.is_new, "who comes now does not meet the closed room");
    }

    #[test]
    fn the_number_of_rooms_is_bounded() {
        let mut registry = Registry::new(RoomPolicy::Open, 2);
        let a = registry.look_up_or_start(&name("a")).unwrap();
        let _b = registry.look_up_or_start(&name("b")).unwrap();
        let refused = registry
            .look_up_or_start(&name("c"))
            .map(|found| found.room);
        assert_eq!(refused, Err(ReasonCode::ServerFull));
        assert!(
            registry.look_up_or_start(&name("a")).is_ok(),
            "what runs can be joined"
        );
        assert!(registry.forget(a.room));
        assert!(registry.look_up_or_start(&name("c")).is_ok());
        registry.list(name("x")).unwrap();
        registry.list(name("y")).unwrap();
        registry.list(name("y")).unwrap();
        assert_eq!(registry.list(name("z")), Err(ReasonCode::ServerFull));
    }

    proptest! {
        /// Against the naive model "name -> (life, people in it, people on the way)".
        #[test]
        fn no_order_of_events_refuses_a_joiner_or_leaks_a_room(
            steps in proptest::collection::vec((0usize..4, 0usize..3), 1..200)
        ) {
            let names = ["a", "b", "c"].map(name);
            let mut registry = open();
            let mut lives: [Option<RoomId>; 3] = [None; 3];
            let mut on_the_way: [Vec<Lease>; 3] = Default::default();
            let mut inside = [0usize; 3];
            for (step, which) in steps {
                match step {
                    0 => {
                        let found = registry.look_up_or_start(&names[which]).unwrap();
                        prop_assert_eq!(found.is_new, lives[which].is_none());
                        prop_assert!(lives[which].is_none_or(|life| life == found.room));
                        lives[which] = Some(found.room);
                        on_the_way[which].push(found.lease);
                    }
                    // Arrives.
                    1 => inside[which] += usize::from(on_the_way[which].pop().is_some()),
                    // Gives up on the way.
                    2 => drop(on_the_way[which].pop()),
                    // Leaves.
                    _ => inside[which] = inside[which].saturating_sub(1),
                }
                if let Some(life) = lives[which].filter(|_| inside[which] == 0) {
                    let ended = registry.end_if_unused(life);
                    prop_assert_eq!(ended, on_the_way[which].is_empty());
                    lives[which] = lives[which].filter(|_| !ended);
                }
                prop_assert_eq!(registry.len(), lives.iter().flatten().count());
            }
        }
    }
}
