//! People who come, are silent, lose their sockets, come back and go, as operations of two bytes.
//! Beside the room runs a naive model: a list of seats, judged anew whenever it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, PresenceState, ResumeToken};
use snug_room::{Connected, Credentials, HostRule, Joiner, Output, Patience, Room, Seat};

const PEERS_MAX: usize = 8;
/// More than this many joins show nothing new.
const JOINS_MAX: usize = 512;

/// A seat of the model.
#[derive(Clone)]
struct Taken {
    seat: Seat,
    token: Option<ResumeToken>,
    seen: bool,
    heard_at: Instant,
    lost_at: Option<Instant>,
}

impl Taken {
    fn is_gone(&self, now: Instant) -> bool {
        let patience = Patience::default();
        let since = self.lost_at.unwrap_or(self.heard_at).min(self.heard_at);
        now >= match self.token {
            Some(_) => since + patience.with_token,
            None => since + patience.without_token,
        }
    }

    fn presence(&self, now: Instant) -> PresenceState {
        let is_missed = now >= self.heard_at + Patience::default().until_missed;
        match self.lost_at.is_some() || is_missed {
            true => PresenceState::Reconnecting,
            false => PresenceState::Live,
        }
    }
}

/// The room and its model.
struct Both {
    room: Room,
    model: Vec<Taken>,
    /// Everybody who was ever let in.
    people: Vec<(Seat, Option<ResumeToken>)>,
    /// Who was announced and is not gone.
    announced: BTreeSet<PeerId>,
    joins: u16,
    now: Instant,
}

/// Says the input to it.
pub fn run(data: &[u8]) {
    let mut both = Both {
        room: Room::new(Patience::default(), PEERS_MAX, HostRule::First),
        model: Vec::new(),
        people: Vec::new(),
        announced: BTreeSet::new(),
        joins: 0,
        now: Instant::now(),
    };
    for operation in data.chunks_exact(2) {
        let &[kind, which] = operation else { return };
        both.operate(kind, which);
        both.compare();
        if both.people.len() > JOINS_MAX {
            return;
        }
    }
}

impl Both {
    fn operate(&mut self, kind: u8, which: u8) {
        let at = usize::from(which) % self.people.len().max(1);
        let person = self.people.get(at).cloned();
        let now = self.now;
        match (kind % 8, person) {
            (0, _) => self.join(None, which & 1 == 1),
            (1, person) => self.join(person.and_then(|(_, token)| token), which & 1 == 1),
            (2, Some((seat, _))) => {
                let taken = self.model.iter_mut().find(|taken| taken.seat == seat);
                let expected = match taken {
                    None => Connected::Stale,
                    Some(taken) if taken.seen => Connected::Again,
                    Some(taken) => {
                        taken.seen = true;
                        Connected::First
                    }
                };
                assert_eq!(self.room.handle_connect(&seat), expected);
            }
            (3, Some((seat, _))) => {
                self.room.handle_leave(&seat);
                self.model.retain(|taken| taken.seat != seat);
            }
            (4, Some((seat, _))) => {
                self.room.handle_socket_lost(&seat, now);
                self.model
                    .retain(|taken| taken.seat != seat || taken.token.is_some());
                for taken in self.model.iter_mut().filter(|taken| taken.seat == seat) {
                    taken.lost_at.get_or_insert(now);
                }
            }
            (5, Some((seat, _))) => {
                self.room.handle_heard(&seat.peer, now, now);
                for taken in &mut self.model {
                    if taken.seat.peer == seat.peer {
                        taken.heard_at = now;
                    }
                }
            }
            (6, Some((seat, _))) if which & 0xC0 == 0xC0 => {
                let is_here = self.room.handle_kick(&seat.peer);
                let before = self.model.len();
                self.model.retain(|taken| taken.seat.peer != seat.peer);
                assert_eq!(is_here, self.model.len() < before);
            }
            _ => self.wait(Duration::from_millis(u64::from(which) * 16)),
        }
    }

    fn join(&mut self, resume: Option<ResumeToken>, has_token: bool) {
        // Chance never gives the same twice.
        self.joins += 1;
        let mut chance = [0; 16];
        chance[..2].copy_from_slice(&self.joins.to_be_bytes());
        let token = has_token.then(|| ResumeToken::from_random(chance));
        let held = self.model.iter().position(|taken| {
            let shown = resume.as_ref();
            shown.is_some() && taken.token.as_ref() == shown
        });
        let joiner = Joiner {
            fresh_id: PeerId::from_random(chance),
            fresh_token: token.clone(),
            resume,
            credentials: Credentials::default(),
        };
        let admission = self.room.handle_join(joiner, self.now);
        if held.is_none() && self.model.len() >= PEERS_MAX {
            assert!(admission.is_err(), "more people than seats");
            return;
        }
        let admission = admission.expect("there is a seat");
        assert_eq!(admission.resumed, held.is_some());
        match held {
            Some(at) => {
                let taken = &mut self.model[at];
                assert_eq!(admission.seat.peer, taken.seat.peer);
                assert!(admission.seat.epoch > taken.seat.epoch);
                (taken.heard_at, taken.lost_at) = (self.now, None);
                taken.seat = admission.seat.clone();
            }
            None => self.model.push(Taken {
                seat: admission.seat.clone(),
                token,
                seen: false,
                heard_at: self.now,
                lost_at: None,
            }),
        }
        self.people.push((admission.seat, admission.token));
    }

    /// Lets time pass, and the room look after people whenever it wants to.
    fn wait(&mut self, pause: Duration) {
        self.now += pause;
        let now = self.now;
        while let Some(due) = self.room.deadline().filter(|due| *due <= now) {
            self.room.handle_timeout(due);
            assert_ne!(self.room.deadline(), Some(due), "the same deadline twice");
        }
        self.model.retain(|taken| !taken.is_gone(now));
    }

    /// Fails unless both agree on everybody.
    fn compare(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Arrived { peer } => assert!(self.announced.insert(peer), "told twice"),
                Output::Presence { peer, .. } => assert!(self.announced.contains(&peer)),
                Output::Gone { peer, seen, .. } => assert_eq!(self.announced.remove(&peer), seen),
                other => panic!("nobody asked for {other:?}"),
            }
        }
        assert_eq!(self.room.len(), self.model.len());
        let seen = self.model.iter().filter(|taken| taken.seen);
        let expected: BTreeMap<PeerId, PresenceState> = seen
            .map(|taken| (taken.seat.peer.clone(), taken.presence(self.now)))
            .collect();
        let told = self.room.seen().map(|(peer, state)| (peer.clone(), state));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), expected);
        assert!(self.announced.iter().eq(expected.keys()));
        for (seat, _) in &self.people {
            let is_taken = self.model.iter().any(|taken| taken.seat == *seat);
            assert_eq!(self.room.is_current(seat), is_taken);
        }
    }
}
