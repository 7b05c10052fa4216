//! Roles, doors, silence and bars, with made-up instants.

use std::net::IpAddr;

use snug_protocol::{ClientKey, Medium, Role};

use super::*;
use crate::{BARS_MAX, WAITING_MAX};

/// Somebody at the door.
struct Guest {
    credentials: Credentials,
    name: &'static str,
}

fn snug(number: u8) -> Guest {
    let credentials = Credentials {
        is_snug: true,
        fresh_host: Some(HostToken::from_random([number; 16])),
        key: Some(ClientKey::from_bytes([number; 16])),
        address: Some(IpAddr::from([10, 0, 0, number])),
        ..Credentials::default()
    };
    Guest {
        credentials,
        name: "Snug",
    }
}

fn browser(number: u8) -> Guest {
    let address = Some(IpAddr::from([10, 0, 0, number]));
    let credentials = Credentials {
        address,
        ..Credentials::default()
    };
    Guest {
        credentials,
        name: "Browser",
    }
}

impl World {
    fn ask_in(&mut self, guest: Guest) -> Result<(Admission, Connected), ReasonCode> {
        self.joined += 1;
        let joiner = Joiner {
            fresh_id: PeerId::from_random([self.joined; 16]),
            fresh_token: guest
                .credentials
                .is_snug
                .then(|| ResumeToken::from_random([self.joined; 16])),
            resume: None,
            credentials: guest.credentials,
        };
        let now = self.at(self.now);
        let admission = self.room.handle_join(joiner, now)?;
        self.room.handle_name(&admission.seat.peer, guest.name);
        let connected = self.room.handle_connect(&admission.seat);
        Ok((admission, connected))
    }

    fn walk_in(&mut self, guest: Guest) -> Admission {
        let (admission, connected) = self.ask_in(guest).unwrap();
        assert_eq!(connected, Connected::First);
        self.outputs();
        admission
    }

    fn knock(&mut self, guest: Guest) -> PeerId {
        let (admission, connected) = self.ask_in(guest).unwrap();
        assert_eq!(connected, Connected::Waiting);
        assert_eq!(self.outputs(), []);
        admission.seat.peer
    }

    fn ask(&mut self, by: &Admission, ask: Ask) -> Result<(), ReasonCode> {
        self.room.handle_ask(&by.seat.peer, &ask)
    }

    fn role(&self, who: &Admission) -> Role {
        self.room.state_for(&who.seat.peer).unwrap().role
    }
}

fn remove(who: &Admission) -> Ask {
    Ask::Remove {
        endpoint_id: who.seat.peer.clone(),
    }
}

fn silence(who: &Admission, medium: Medium, is_on: bool) -> Ask {
    Ask::Silence {
        endpoint_id: who.seat.peer.clone(),
        medium,
        is_on,
    }
}

fn co_host(who: &Admission, is_on: bool) -> Ask {
    Ask::CoHost {
        endpoint_id: who.seat.peer.clone(),
        is_on,
    }
}

#[test]
fn the_first_snug_joiner_is_host_and_comes_back_as_one_by_the_token_alone() {
    let mut world = World::new();
    let guest = world.walk_in(browser(1));
    let host = world.walk_in(snug(2));
    let other = world.walk_in(snug(3));
    assert!(guest.host.is_none() && other.host.is_none());
    assert_eq!(world.role(&host), Role::Host);
    assert_eq!(
        (world.role(&guest), world.role(&other)),
        (Role::Member, Role::Member)
    );
    world.room.handle_leave(&host.seat);
    let late = world.walk_in(snug(4));
    assert_eq!(
        world.role(&late),
        Role::Member,
        "the room has an owner who is away"
    );
    let mut wrong = snug(5);
    wrong.credentials.host = Some(HostToken::from_random([99; 16]));
    let wrong = world.walk_in(wrong);
    assert_eq!(world.role(&wrong), Role::Member);
    let mut back = snug(6);
    back.credentials.host = host.host.clone();
    let back = world.walk_in(back);
    assert_eq!(world.role(&back), Role::Host);
    assert_eq!(back.host, host.host);
    let mut twice = snug(7);
    twice.credentials.host = host.host;
    let twice = world.walk_in(twice);
    assert_eq!(
        (world.role(&twice), world.role(&back)),
        (Role::Host, Role::Member)
    );
}

#[test]
fn where_a_token_is_set_nobody_else_becomes_host() {
    let mut world = World::new();
    let token = HostToken::from_random([42; 16]);
    world.room = Room::new(
        Patience::default(),
        PEERS_MAX,
        HostRule::Holder(token.clone()),
    );
    let early = world.walk_in(snug(1));
    assert_eq!(world.role(&early), Role::Member);
    let mut owner = snug(2);
    owner.credentials.host = Some(token.clone());
    let owner = world.walk_in(owner);
    assert_eq!(
        (world.role(&owner), owner.host),
        (Role::Host, Some(token.clone()))
    );
    let mut page = browser(3);
    page.credentials.host = Some(token);
    let page = world.walk_in(page);
    assert_eq!(
        world.role(&page),
        Role::Member,
        "only a Snug program can be host"
    );
}

#[test]
fn who_is_no_host_is_refused_everything() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let helper = world.walk_in(snug(2));
    let member = world.walk_in(snug(3));
    let guest = world.walk_in(browser(4));
    world.ask(&host, co_host(&helper, true)).unwrap();
    assert_eq!(world.role(&helper), Role::CoHost);
    let all = |about: &Admission| {
        let endpoint_id = about.seat.peer.clone();
        [
            remove(about),
            silence(about, Medium::Audio, true),
            co_host(about, true),
            Ask::Admit {
                endpoint_id: endpoint_id.clone(),
            },
            Ask::Deny { endpoint_id },
            Ask::Readmit { bar: 0 },
            Ask::Lock { is_on: true },
            Ask::Lobby { is_on: true },
            Ask::EndForAll,
        ]
    };
    for by in [&member, &guest] {
        for about in [&host, &helper, &member, &guest] {
            for ask in all(about) {
                let said = format!("{ask:?}");
                assert_eq!(world.ask(by, ask), Err(ReasonCode::NotAllowed), "{said}");
            }
        }
    }
    for ask in [
        remove(&host),
        silence(&host, Medium::Video, true),
        remove(&helper),
    ] {
        assert_eq!(world.ask(&helper, ask), Err(ReasonCode::NotAllowed));
    }
    for ask in [co_host(&member, true), Ask::EndForAll] {
        assert_eq!(
            world.ask(&helper, ask),
            Err(ReasonCode::NotAllowed),
            "for the host alone"
        );
    }
    assert_eq!(
        world.ask(&host, co_host(&guest, true)),
        Err(ReasonCode::NotAllowed)
    );
    assert_eq!(world.ask(&host, remove(&host)), Err(ReasonCode::NotAllowed));
    assert_eq!(world.outputs(), []);
    assert!(!world.room.is_locked());
    world
        .ask(&helper, silence(&member, Medium::Audio, true))
        .unwrap();
    world.ask(&host, co_host(&helper, false)).unwrap();
    assert_eq!(
        world.ask(&helper, Ask::Lock { is_on: true }),
        Err(ReasonCode::NotAllowed)
    );
}

#[test]
fn a_locked_room_takes_back_whom_it_knows_and_nobody_else() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let member = world.walk_in(snug(2));
    world.ask(&host, Ask::Lock { is_on: true }).unwrap();
    assert!(world.room.is_locked());
    assert_eq!(world.ask_in(snug(3)).unwrap_err(), ReasonCode::RoomLocked);
    world.socket_lost(&member.seat);
    assert!(world.join(true, member.token.as_ref()).resumed);
    world.room.handle_leave(&host.seat);
    let mut back = snug(4);
    back.credentials.host = host.host;
    let back = world.walk_in(back);
    world.ask(&back, Ask::Lock { is_on: false }).unwrap();
    world.walk_in(snug(3));
}

#[test]
fn who_waits_is_unseen_until_let_in_and_learns_nothing_but_a_name() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    world.ask(&host, Ask::Lobby { is_on: true }).unwrap();
    let one = world.knock(snug(2));
    let two = world.knock(browser(3));
    let told = world.room.state_for(&one).unwrap();
    let expected = RoomState {
        is_waiting: true,
        host_name: Some("Snug".into()),
        ..RoomState::default()
    };
    assert_eq!(told, expected);
    let waiting = world.room.state_for(&host.seat.peer).unwrap().waiting;
    let waiting: Vec<_> = waiting
        .iter()
        .map(|it| (&it.endpoint_id, it.in_browser))
        .collect();
    assert_eq!(waiting, [(&one, false), (&two, true)]);
    let mine = Ask::Admit {
        endpoint_id: one.clone(),
    };
    assert_eq!(
        world.room.handle_ask(&one, &mine),
        Err(ReasonCode::NotAllowed)
    );
    assert!(!world.room.is_seen(&one));
    world.ask(&host, mine).unwrap();
    assert_eq!(world.outputs(), [Output::Arrived { peer: one.clone() }]);
    world
        .ask(
            &host,
            Ask::Deny {
                endpoint_id: two.clone(),
            },
        )
        .unwrap();
    let why = Departure::Removed(ReasonCode::TurnedAway);
    assert_eq!(
        world.outputs(),
        [Output::Gone {
            peer: two,
            seen: false,
            why
        }]
    );
    // Too late: whoever is in is not turned away.
    world
        .ask(
            &host,
            Ask::Deny {
                endpoint_id: one.clone(),
            },
        )
        .unwrap();
    assert_eq!(world.outputs(), []);
    let again = world.knock(browser(3));
    world.ask(&host, Ask::Lobby { is_on: false }).unwrap();
    assert_eq!(world.outputs(), [Output::Arrived { peer: again }]);
}

#[test]
fn the_number_of_those_who_wait_is_bounded() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    world.ask(&host, Ask::Lobby { is_on: true }).unwrap();
    for _ in 0..WAITING_MAX {
        world.knock(snug(2));
    }
    assert_eq!(world.ask_in(snug(3)).unwrap_err(), ReasonCode::LobbyFull);
    let first = world
        .room
        .state_for(&host.seat.peer)
        .unwrap()
        .waiting
        .remove(0);
    world
        .ask(
            &host,
            Ask::Admit {
                endpoint_id: first.endpoint_id,
            },
        )
        .unwrap();
    world.outputs();
    world.knock(snug(3));
}

#[test]
fn what_is_stopped_goes_on_by_the_persons_own_word_or_the_hosts() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let member = world.walk_in(snug(2));
    let peer = member.seat.peer.clone();
    let stopped = |world: &World| world.room.silence_of(&peer);
    for medium in [Medium::Audio, Medium::Video] {
        world.ask(&host, silence(&member, medium, true)).unwrap();
        world.ask(&host, silence(&member, medium, true)).unwrap();
        assert_eq!(
            world.outputs(),
            [Output::Silenced { peer: peer.clone() }],
            "told once"
        );
        assert!(stopped(&world).of(medium));
        assert_eq!(
            world
                .room
                .state_for(&host.seat.peer)
                .unwrap()
                .silenced
                .len(),
            1
        );
        // Nobody speaks for them but themselves.
        world.ask(&host, Ask::Resume { medium }).unwrap();
        assert!(stopped(&world).of(medium));
        world.ask(&member, Ask::Resume { medium }).unwrap();
        assert!(!stopped(&world).is_any());
        world.ask(&host, silence(&member, medium, true)).unwrap();
        world.ask(&host, silence(&member, medium, false)).unwrap();
        assert!(!stopped(&world).is_any());
        world.outputs();
    }
}

#[test]
fn who_was_removed_is_known_by_key_and_by_address_until_readmitted() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let member = world.walk_in(snug(2));
    let neighbour = world.walk_in(browser(2));
    world.ask(&host, remove(&member)).unwrap();
    let peer = member.seat.peer.clone();
    assert_eq!(world.outputs(), [gone(&member.seat, Departure::Kicked)]);
    assert!(
        world.room.is_seen(&neighbour.seat.peer),
        "who shares the address stays"
    );
    assert!(world.room.state_for(&peer).is_none());
    let barred = Err(ReasonCode::Barred);
    let (mut by_key, mut by_address) = (snug(3), snug(4));
    by_key.credentials.key = Some(ClientKey::from_bytes([2; 16]));
    by_address.credentials.address = Some("::ffff:10.0.0.2".parse().unwrap());
    for guest in [snug(2), browser(2), by_key, by_address] {
        assert_eq!(world.ask_in(guest).map(|_| ()), barred);
    }
    let resumed = world.join_with(member.token.clone(), snug(2).credentials);
    assert_eq!(resumed.map(|_| ()), barred, "no seat is held for them");
    world.walk_in(snug(5));
    let removed = world.room.state_for(&host.seat.peer).unwrap().removed;
    world
        .ask(
            &host,
            Ask::Readmit {
                bar: removed[0].bar,
            },
        )
        .unwrap();
    world.walk_in(snug(2));
    assert_eq!(world.room.state_for(&host.seat.peer).unwrap().removed, []);
}

#[test]
fn a_bar_covers_a_household_of_ipv6_and_never_this_computer() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let at = |number: u8, address: &str| {
        let mut guest = snug(number);
        guest.credentials.address = Some(address.parse().unwrap());
        guest
    };
    let far = world.walk_in(at(2, "2001:db8:0:1::5"));
    let here = world.walk_in(at(3, "127.0.0.1"));
    for who in [&far, &here] {
        world.ask(&host, remove(who)).unwrap();
    }
    let near = world.ask_in(at(4, "2001:db8:0:1:9::1"));
    assert_eq!(near.map(|_| ()), Err(ReasonCode::Barred));
    assert!(world.ask_in(at(5, "2001:db8:0:2::5")).is_ok());
    assert!(world.ask_in(at(6, "127.0.0.1")).is_ok());
    assert!(
        world.ask_in(at(3, "127.0.0.1")).is_err(),
        "the key is barred all the same"
    );
}

#[test]
fn bars_are_bounded_and_the_host_passes_them() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    for number in 0..=BARS_MAX {
        let mut guest = snug(2);
        let bytes = u32::try_from(number).unwrap().to_be_bytes();
        guest.credentials.address = Some(IpAddr::from([11, bytes[1], bytes[2], bytes[3]]));
        guest.credentials.key = None;
        let who = world.walk_in(guest);
        world.ask(&host, remove(&who)).unwrap();
        world.outputs();
        // Ids are few, and theirs is free again.
        world.joined = 1;
    }
    let removed = world.room.state_for(&host.seat.peer).unwrap().removed;
    assert_eq!(removed.len(), BARS_MAX);
    let mut back = snug(3);
    back.credentials.host = host.host;
    back.credentials.address = Some(IpAddr::from([11, 0, 1, 0]));
    assert_eq!(world.ask_in(back).unwrap().1, Connected::First);
}

#[test]
fn the_host_ends_it_for_everybody() {
    let mut world = World::new();
    let host = world.walk_in(snug(1));
    let member = world.walk_in(snug(2));
    world.ask(&host, Ask::EndForAll).unwrap();
    let why = ReasonCode::HostEnded;
    let gone_all = [&host.seat, &member.seat].map(|seat| gone(seat, Departure::Removed(why)));
    let mut outputs = world.outputs();
    assert_eq!(outputs.remove(0), Output::Closed { why });
    assert_eq!(outputs, gone_all);
    assert!(world.room.is_empty());
}
