//! Made-up instants only; a millisecond count stands for the time.

mod moderation;

use proptest::prelude::*;

use super::*;

const MISSED: u64 = 2750;
const VANISHED: u64 = 5500;
const HELD: u64 = 10_500;

struct World {
    room: Room,
    zero: Instant,
    now: u64,
    joined: u8,
}

impl World {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as zero")]
        let zero = Instant::now();
        Self {
            room: Room::new(Patience::default(), PEERS_MAX, HostRule::First),
            zero,
            now: 0,
            joined: 0,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.zero + Duration::from_millis(ms)
    }

    fn join_with(
        &mut self,
        resume: Option<ResumeToken>,
        credentials: Credentials,
    ) -> Result<Admission, ReasonCode> {
        self.joined += 1;
        let joiner = Joiner {
            fresh_id: PeerId::from_random([self.joined; 16]),
            fresh_token: None,
            resume,
            credentials,
        };
        let now = self.at(self.now);
        self.room.handle_join(joiner, now)
    }

    fn join(&mut self, with_token: bool, resume: Option<&ResumeToken>) -> Admission {
        self.joined += 1;
        let joiner = Joiner {
            fresh_id: PeerId::from_random([self.joined; 16]),
            fresh_token: with_token.then(|| ResumeToken::from_random([self.joined; 16])),
            resume: resume.cloned(),
            credentials: Credentials::default(),
        };
        let now = self.at(self.now);
        self.room.handle_join(joiner, now).unwrap()
    }

    /// Joins and connects, and swallows the word of it.
    fn enter(&mut self, with_token: bool) -> Admission {
        let admission = self.join(with_token, None);
        assert_eq!(self.room.handle_connect(&admission.seat), Connected::First);
        self.outputs();
        admission
    }

    fn heard(&mut self, seat: &Seat) {
        let now = self.at(self.now);
        self.room.handle_heard(&seat.peer, now, now);
    }

    fn socket_lost(&mut self, seat: &Seat) {
        let now = self.at(self.now);
        self.room.handle_socket_lost(seat, now);
    }

    /// Lets time pass as a shell does: at every deadline on the way the room is asked.
    fn advance_to(&mut self, ms: u64) {
        let until = self.at(ms);
        while let Some(deadline) = self.room.deadline().filter(|deadline| *deadline <= until) {
            self.room.handle_timeout(deadline);
            assert_ne!(
                self.room.deadline(),
                Some(deadline),
                "the same deadline twice"
            );
        }
        self.now = ms;
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.room.poll_output()).collect()
    }
}

fn presence(seat: &Seat, state: PresenceState) -> Output {
    Output::Presence {
        peer: seat.peer.clone(),
        state,
    }
}

fn gone(seat: &Seat, why: Departure) -> Output {
    Output::Gone {
        peer: seat.peer.clone(),
        seen: true,
        why,
    }
}

#[test]
fn a_joiner_is_seen_once_it_connects() {
    let mut world = World::new();
    let one = world.join(false, None);
    assert!(one.token.is_none() && !one.resumed);
    assert_eq!(world.room.seen().count(), 0);
    assert_eq!(world.outputs(), []);
    assert_eq!(world.room.handle_connect(&one.seat), Connected::First);
    assert_eq!(
        world.outputs(),
        [Output::Arrived {
            peer: one.seat.peer.clone()
        }]
    );
    assert_eq!(world.room.handle_connect(&one.seat), Connected::Again);
    assert_eq!(world.outputs(), []);
}

#[test]
fn who_leaves_is_gone_at_once_even_with_a_token() {
    let mut world = World::new();
    let one = world.enter(true);
    world.room.handle_leave(&one.seat);
    assert_eq!(world.outputs(), [gone(&one.seat, Departure::Left)]);
    assert!(world.room.is_empty());
    let back = world.join(true, one.token.as_ref());
    assert!(!back.resumed, "a place that was given up is not held");
}

#[test]
fn a_closed_socket_without_a_token_is_gone_at_once() {
    let mut world = World::new();
    let one = world.enter(false);
    world.socket_lost(&one.seat);
    assert_eq!(world.outputs(), [gone(&one.seat, Departure::SocketClosed)]);
    assert!(world.room.is_empty());
}

#[test]
fn a_closed_socket_with_a_token_is_missed_at_once_and_held() {
    let mut world = World::new();
    let one = world.enter(true);
    world.now = 1000;
    world.socket_lost(&one.seat);
    assert_eq!(
        world.outputs(),
        [presence(&one.seat, PresenceState::Reconnecting)]
    );
    world.advance_to(HELD - 1);
    assert_eq!(world.outputs(), []);
    world.advance_to(HELD);
    assert_eq!(world.outputs(), [gone(&one.seat, Departure::Vanished)]);
}

#[test]
fn media_does_not_hold_a_place_whose_socket_stays_away() {
    let mut world = World::new();
    let one = world.enter(true);
    world.socket_lost(&one.seat);
    for ms in (500..HELD).step_by(500) {
        world.advance_to(ms);
        world.heard(&one.seat);
    }
    let missed = presence(&one.seat, PresenceState::Reconnecting);
    assert_eq!(world.outputs(), [missed]);
    world.advance_to(HELD);
    assert_eq!(world.outputs(), [gone(&one.seat, Departure::Vanished)]);
}

#[test]
fn silence_is_missed_then_gone() {
    for (with_token, gone_at) in [(false, VANISHED), (true, HELD)] {
        let mut world = World::new();
        let one = world.enter(with_token);
        world.advance_to(MISSED - 1);
        assert_eq!(world.outputs(), []);
        world.advance_to(MISSED);
        assert_eq!(
            world.outputs(),
            [presence(&one.seat, PresenceState::Reconnecting)]
        );
        world.advance_to(gone_at - 1);
        assert_eq!(world.outputs(), []);
        world.advance_to(gone_at);
        assert_eq!(world.outputs(), [gone(&one.seat, Departure::Vanished)]);
        assert_eq!(world.room.deadline(), None);
    }
}

#[test]
fn the_promises_hold_although_signs_of_life_are_reported_late() {
    // Known at 0, while the last packet came at up to 500 ms.
    let patience = Patience::default();
    let late = Duration::from_millis(500);
    let second = Duration::from_secs(1);
    assert!(patience.until_missed <= 3 * second && patience.until_missed - late >= 2 * second);
    assert!(patience.without_token - late >= 5 * second && patience.without_token <= 6 * second);
    assert!(patience.with_token - late >= 10 * second && patience.with_token <= 11 * second);
}

#[test]
fn a_sign_of_life_brings_a_missed_peer_back() {
    let mut world = World::new();
    let one = world.enter(true);
    world.advance_to(9000);
    world.outputs();
    world.heard(&one.seat);
    assert_eq!(world.outputs(), [presence(&one.seat, PresenceState::Live)]);
    world.advance_to(9000 + MISSED);
    assert_eq!(
        world.outputs(),
        [presence(&one.seat, PresenceState::Reconnecting)]
    );
}

#[test]
fn an_old_sign_of_life_does_not() {
    let mut world = World::new();
    let one = world.enter(true);
    world.advance_to(MISSED);
    world.outputs();
    let (at, now) = (world.at(100), world.at(5000));
    world.room.handle_heard(&one.seat.peer, at, now);
    assert_eq!(world.outputs(), []);
}

#[test]
fn a_token_brings_the_same_seat_back() {
    let mut world = World::new();
    let one = world.enter(true);
    world.socket_lost(&one.seat);
    world.advance_to(9000);
    world.outputs();
    let back = world.join(true, one.token.as_ref());
    assert!(back.resumed);
    assert_eq!(back.seat.peer, one.seat.peer);
    assert_eq!(back.token, one.token);
    assert_eq!(world.outputs(), [presence(&one.seat, PresenceState::Live)]);
    assert_eq!(world.room.handle_connect(&back.seat), Connected::Again);
}

#[test]
fn a_late_word_from_a_former_socket_is_ignored() {
    let mut world = World::new();
    let one = world.enter(true);
    let back = world.join(true, one.token.as_ref());
    assert!(back.resumed, "the former socket need not have closed");
    world.socket_lost(&one.seat);
    world.room.handle_leave(&one.seat);
    assert_eq!(world.room.handle_connect(&one.seat), Connected::Stale);
    assert_eq!(world.outputs(), []);
    assert!(world.room.is_current(&back.seat) && !world.room.is_current(&one.seat));
}

#[test]
fn a_wrong_or_expired_token_gets_a_new_seat() {
    let mut world = World::new();
    let one = world.enter(true);
    let wrong = ResumeToken::from_random([99; 16]);
    let other = world.join(true, Some(&wrong));
    assert!(!other.resumed);
    world.room.handle_leave(&other.seat);
    world.socket_lost(&one.seat);
    world.advance_to(HELD);
    let back = world.join(true, one.token.as_ref());
    assert!(!back.resumed);
    assert_ne!(back.seat.peer, one.seat.peer);
}

#[test]
fn an_unseen_peer_goes_unseen() {
    let mut world = World::new();
    let one = world.join(false, None);
    world.advance_to(VANISHED);
    let peer = one.seat.peer;
    let gone = Output::Gone {
        peer,
        seen: false,
        why: Departure::Vanished,
    };
    assert_eq!(world.outputs(), [gone]);
}

#[test]
fn who_connects_while_missed_is_said_to_be_missed() {
    let mut world = World::new();
    let one = world.join(true, None);
    world.advance_to(MISSED);
    world.room.handle_connect(&one.seat);
    let arrived = Output::Arrived {
        peer: one.seat.peer.clone(),
    };
    let missed = presence(&one.seat, PresenceState::Reconnecting);
    assert_eq!(world.outputs(), [arrived, missed]);
}

#[test]
fn the_room_is_bounded_and_a_removal_makes_room() {
    let mut world = World::new();
    let first = world.join(true, None);
    for _ in 1..PEERS_MAX {
        world.join(false, None);
    }
    let joiner = |n, resume| Joiner {
        fresh_id: PeerId::from_random([n; 16]),
        fresh_token: None,
        resume,
        credentials: Credentials::default(),
    };
    let now = world.at(0);
    let refused = world.room.handle_join(joiner(200, None), now);
    assert_eq!(refused.unwrap_err(), ReasonCode::RoomFull);
    let resumed = world.room.handle_join(joiner(200, first.token), now);
    assert!(resumed.unwrap().resumed, "a held seat is not a new one");
    world
        .room
        .handle_removal(&first.seat.peer, ReasonCode::FingerprintMismatch);
    let taken = world.room.handle_join(joiner(2, None), now);
    assert_eq!(taken.unwrap_err(), ReasonCode::FailedToStartRoom);
    assert!(world.room.handle_join(joiner(200, None), now).is_ok());
}

/// One random step of one of a few people.
#[derive(Debug, Clone)]
enum Step {
    Join { with_token: bool },
    Resume { of: usize },
    Connect { who: usize },
    Leave { who: usize },
    SocketLost { who: usize },
    Heard { who: usize },
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..12;
    prop_oneof![
        2 => any::<bool>().prop_map(|with_token| Step::Join { with_token }),
        3 => who.clone().prop_map(|of| Step::Resume { of }),
        3 => who.clone().prop_map(|who| Step::Connect { who }),
        1 => who.clone().prop_map(|who| Step::Leave { who }),
        2 => who.clone().prop_map(|who| Step::SocketLost { who }),
        4 => who.prop_map(|who| Step::Heard { who }),
        6 => prop_oneof![0u64..600, 2000u64..6000, 9000u64..12_000]
            .prop_map(|ms| Step::Pass { ms }),
    ]
}

/// The naive model: one line a person, the rules written out as one reads them.
#[derive(Debug, Clone)]
struct Person {
    /// Every socket that this person ever had; the last one counts.
    sockets: Vec<Seat>,
    token: Option<ResumeToken>,
    heard: u64,
    lost: Option<u64>,
    seen: bool,
    gone: bool,
}

impl Person {
    /// Judges at `now`, a moment up to which nothing happened since the last judgement.
    fn judge(&mut self, now: u64) {
        let limit = if self.token.is_some() { HELD } else { VANISHED };
        let silent_for = now - self.heard;
        let away_for = self.lost.map_or(0, |lost| now - lost);
        self.gone |= silent_for >= limit || away_for >= limit;
    }

    fn view(&self, now: u64) -> Option<PresenceState> {
        if self.gone || !self.seen {
            return None;
        }
        Some(match self.lost.is_some() || now - self.heard >= MISSED {
            true => PresenceState::Reconnecting,
            false => PresenceState::Live,
        })
    }
}

fn apply(step: &Step, world: &mut World, people: &mut Vec<Person>) {
    let now = world.now;
    match step {
        Step::Join { with_token } => {
            let Admission { seat, token, .. } = world.join(*with_token, None);
            let sockets = vec![seat];
            let new = Person {
                sockets,
                token,
                heard: now,
                lost: None,
                seen: false,
                gone: false,
            };
            people.push(new);
        }
        Step::Resume { of } => {
            let Some(person) = people.get_mut(*of) else {
                return;
            };
            let Some(token) = person.token.clone() else {
                return;
            };
            let admission = world.join(true, Some(&token));
            assert_eq!(admission.resumed, !person.gone);
            if admission.resumed {
                person.sockets.push(admission.seat);
                (person.heard, person.lost) = (now, None);
            } else {
                world.room.handle_leave(&admission.seat);
            }
        }
        Step::Connect { who } => {
            let Some(person) = people.get_mut(*who) else {
                return;
            };
            world.room.handle_connect(person.sockets.last().unwrap());
            person.seen = true;
        }
        Step::Leave { who } => {
            let Some(person) = people.get_mut(*who) else {
                return;
            };
            world.room.handle_leave(person.sockets.last().unwrap());
            person.gone = true;
        }
        Step::SocketLost { who } => {
            let Some(person) = people.get_mut(*who) else {
                return;
            };
            // Former sockets close too, in any order, and must not matter.
            for seat in &person.sockets {
                let at = world.at(now);
                world.room.handle_socket_lost(seat, at);
            }
            person.gone |= person.token.is_none();
            person.lost = person.lost.or(Some(now));
        }
        Step::Heard { who } => {
            let Some(person) = people.get_mut(*who) else {
                return;
            };
            let seat = person.sockets[0].clone();
            world.heard(&seat);
            person.heard = now;
        }
        Step::Pass { ms } => world.advance_to(now + ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What an observer pieces together from the outputs is what the naive model says.
    #[test]
    fn any_order_of_events_agrees_with_the_naive_model(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut world = World::new();
        let mut people: Vec<Person> = Vec::new();
        let mut observed: BTreeMap<PeerId, PresenceState> = BTreeMap::new();
        for step in steps {
            apply(&step, &mut world, &mut people);
            for person in &mut people {
                person.judge(world.now);
            }
            for output in world.outputs() {
                match output {
                    Output::Arrived { peer } => {
                        prop_assert_eq!(observed.insert(peer, PresenceState::Live), None);
                    }
                    Output::Presence { peer, state } => {
                        let before = observed.insert(peer, state);
                        prop_assert!(before.is_some_and(|before| before != state));
                    }
                    Output::Gone { peer, seen, .. } => {
                        prop_assert_eq!(observed.remove(&peer).is_some(), seen);
                    }
                    other => prop_assert!(false, "nobody asked for {other:?}"),
                }
            }
            let expected: BTreeMap<PeerId, PresenceState> = people
                .iter()
                .filter_map(|person| {
                    Some((person.sockets[0].peer.clone(), person.view(world.now)?))
                })
                .collect();
            prop_assert_eq!(&observed, &expected);
            let seen: BTreeMap<PeerId, PresenceState> =
                world.room.seen().map(|(peer, state)| (peer.clone(), state)).collect();
            prop_assert_eq!(&seen, &expected);
            prop_assert_eq!(world.room.len(), people.iter().filter(|p| !p.gone).count());
        }
    }
}
