//! Look-up-or-start of a room has one owner: nobody is refused when many open a fresh room at
//! once (the original loses 36 to 38 % of such joins), nor when the last one leaves just then.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::scripted::{Peer, Socket};

const JOINERS: usize = 8;
const ROOMS: usize = 1000;
const LEAVE_AGAINST_JOIN: usize = 10_000;
/// A join and a leave on loopback lie within this; the new joiner comes anywhere inside it.
const RACE_US: u64 = 300;

fn address(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port))
}

/// Waits until the server has no room any more.
fn expect_empty(server: &Server) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = server.health()?;
        let rooms = health["rooms"].as_u64();
        if rooms.with_context(|| format!("no count of rooms in {health}"))? == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "left behind: {health}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn all<T: Send + 'static>(threads: Vec<thread::JoinHandle<Result<T>>>) -> Result<Vec<T>> {
    threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a joiner panicked"))?
        })
        .collect()
}

#[test]
fn eight_people_open_a_thousand_fresh_rooms() -> Result<()> {
    let server = Server::start()?;
    let start = Arc::new(Barrier::new(JOINERS));
    let address = address(&server);
    let joiners = (0..JOINERS).map(|n| {
        let start = Arc::clone(&start);
        thread::spawn(move || open_rooms(address, n, &start))
    });
    let most_seen = all(joiners.collect())?;
    for room in 0..ROOMS {
        let most = most_seen.iter().map(|seen| seen[room]).max();
        ensure!(
            most == Some(JOINERS - 1),
            "room {room} split: one saw at most {most:?} others"
        );
    }
    expect_empty(&server)
}

/// Joins every room at the same moment as the others; returns how many others it found in each.
fn open_rooms(server: SocketAddr, n: usize, start: &Barrier) -> Result<Vec<usize>> {
    let mut socket = Socket::connect(server)?;
    let mut found = Vec::with_capacity(ROOMS);
    for room in 0..ROOMS {
        start.wait();
        // A joiner that failed would leave the others waiting at the barrier: finish the rounds.
        let (back, others) = open_room(socket, &format!("fresh-{room}"), n, start)
            .unwrap_or_else(|error| panic!("joiner {n}, room {room}: {error:#}"));
        socket = back;
        found.push(others);
    }
    Ok(found)
}

fn open_room(socket: Socket, room: &str, n: usize, start: &Barrier) -> Result<(Socket, usize)> {
    let mut peer = Peer::join_on(socket, room, &json!({}))?;
    let connected = peer.connect(&format!("joiner {n}"))?;
    let others = connected["otherEndpoints"]
        .as_array()
        .context("no otherEndpoints")?
        .len();
    // Nobody leaves before everybody is connected.
    start.wait();
    let mut socket = peer.leave()?;
    socket.forget_unread();
    Ok((socket, others))
}

#[test]
fn the_last_one_leaves_while_somebody_joins() -> Result<()> {
    let server = Server::start()?;
    let address = address(&server);
    let (mut inside, mut outside) = (Peer::join(address, "door")?, Socket::connect(address)?);
    let mut random = StdRng::seed_from_u64(2);
    for round in 0..LEAVE_AGAINST_JOIN {
        let start = Arc::new(Barrier::new(2));
        let joiner_waits_us = random.random_range(0..RACE_US);
        let leaver = thread::spawn({
            let start = Arc::clone(&start);
            move || {
                start.wait();
                inside.leave()
            }
        });
        start.wait();
        spin(Duration::from_micros(joiner_waits_us));
        let joined = Peer::join_on(outside, "door", &json!({}));
        let mut peer = joined.with_context(|| format!("round {round}"))?;
        // Joined is not enough: the room must be alive.
        peer.connect("next")
            .with_context(|| format!("round {round}"))?;
        outside = all(vec![leaver])?.pop().context("one leaver")?;
        outside.forget_unread();
        inside = peer;
    }
    inside.leave()?;
    expect_empty(&server)
}

/// Waits without giving up the processor: a sleep would be longer than the whole race.
fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
