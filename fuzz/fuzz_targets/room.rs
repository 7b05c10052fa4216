//! People who come, are silent, lose their sockets, come back and go, as operations of two bytes.
//! Beside the room runs the naive model: who has a seat, and who was announced.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use snug_protocol::{PeerId, ResumeToken};
use snug_room::{Connected, Joiner, Output, Patience, Room, Seat};

const PEERS_MAX: usize = 8;

/// Somebody who was let in.
struct Person {
    seat: Seat,
    token: Option<ResumeToken>,
}

fuzz_target!(|data: &[u8]| {
    let zero = Instant::now();
    let (mut now, mut number) = (zero, 0u16);
    let mut room = Room::new(Patience::default(), PEERS_MAX);
    let mut people: Vec<Person> = Vec::new();
    let mut announced: BTreeSet<PeerId> = BTreeSet::new();
    for operation in data.chunks_exact(2) {
        let &[kind, which] = operation else { return };
        let at = usize::from(which) % people.len().max(1);
        let person = people.get(at);
        match (kind % 8, person) {
            (0 | 1, _) => {
                // Chance never gives the same twice.
                number += 1;
                let mut chance = [0; 16];
                chance[..2].copy_from_slice(&number.to_be_bytes());
                let again = person.and_then(|person| person.token.clone());
                let joiner = Joiner {
                    fresh_id: PeerId::from_random(chance),
                    fresh_token: (which & 1 == 1).then(|| ResumeToken::from_random(chance)),
                    resume: again.filter(|_| kind % 8 == 1),
                };
                let was_full = room.len() >= PEERS_MAX;
                match room.handle_join(joiner, now) {
                    Ok(admission) => people.push(Person {
                        seat: admission.seat,
                        token: admission.token,
                    }),
                    Err(_) => assert!(was_full, "a room with seats turns somebody away"),
                }
            }
            (2, Some(person)) => {
                let current = room.is_current(&person.seat);
                let connected = room.handle_connect(&person.seat);
                assert_eq!(connected == Connected::Stale, !current);
            }
            (3, Some(person)) => room.handle_leave(&person.seat),
            (4, Some(person)) => room.handle_socket_lost(&person.seat, now),
            (5, Some(person)) => room.handle_heard(&person.seat.peer, now, now),
            (6, Some(person)) if which & 0xC0 == 0xC0 => {
                room.handle_kick(&person.seat.peer);
            }
            _ => {
                now += Duration::from_millis(u64::from(which) * 16);
                while let Some(due) = room.deadline().filter(|due| *due <= now) {
                    room.handle_timeout(due);
                    assert_ne!(room.deadline(), Some(due), "the same deadline twice");
                }
            }
        }
        while let Some(output) = room.poll_output() {
            match output {
                Output::Arrived { peer } => assert!(announced.insert(peer), "announced twice"),
                Output::Presence { peer, .. } => assert!(announced.contains(&peer)),
                Output::Gone { peer, seen, .. } => assert_eq!(announced.remove(&peer), seen),
            }
        }
        let seen: BTreeSet<PeerId> = room.seen().map(|(peer, _)| peer.clone()).collect();
        assert_eq!(seen, announced);
        assert!(room.len() <= PEERS_MAX && seen.len() <= room.len());
        if people.len() > 512 {
            return;
        }
    }
});
