//! `rooms`: lists the rooms on this network.

use std::io::Write;

use serde::Serialize;
use snug_discovery::{FoundRoom, Looker};
use tokio::time::{Instant, sleep_until};

use crate::args::RoomsArguments;
use crate::exit::Failure;
use crate::join::now_ms;
use crate::serve::stop_asked;

#[derive(Serialize)]
struct RoomsLine {
    #[serde(rename = "type")]
    kind: &'static str,
    at_ms: u64,
    rooms: Vec<RoomEntry>,
}

#[derive(Serialize)]
struct RoomEntry {
    room: String,
    host: String,
    address: String,
    people: u16,
    locked: bool,
    /// What joins it. The key in it is the one that was told: it proves nothing yet.
    link: String,
}

/// Looks until the time is up, or SIGINT or SIGTERM arrives.
pub(crate) async fn run(arguments: RoomsArguments) -> Result<(), Failure> {
    let looker = Looker::start();
    let mut rooms = looker.rooms();
    let end = sleep_until(Instant::now() + arguments.duration);
    let stopped = stop_asked();
    tokio::pin!(end, stopped);
    if arguments.json {
        print_json(&rooms.borrow_and_update())?;
    }
    loop {
        tokio::select! {
            () = &mut end => break,
            asked = &mut stopped => { asked.map_err(Failure::unexpected)?; break }
            changed = rooms.changed() => changed.map_err(Failure::unexpected)?,
        }
        if arguments.json {
            print_json(&rooms.borrow_and_update())?;
        }
    }
    match arguments.json {
        true => Ok(()),
        false => print(&list(&rooms.borrow())),
    }
}

fn print_json(rooms: &[FoundRoom]) -> Result<(), Failure> {
    let entry = |room: &FoundRoom| RoomEntry {
        room: room.name.to_string(),
        host: room.host.to_string(),
        address: room.address.to_string(),
        people: room.people,
        locked: room.is_locked,
        link: room.link().to_string(),
    };
    let line = RoomsLine {
        kind: "rooms",
        at_ms: now_ms(),
        rooms: rooms.iter().map(entry).collect(),
    };
    let text = serde_json::to_string(&line).map_err(Failure::unexpected)?;
    print(&format!("{text}\n"))
}

/// Writes the list for people: a room and its link, two lines each.
fn list(rooms: &[FoundRoom]) -> String {
    if rooms.is_empty() {
        return "No rooms on this network. Host one with: snug-server serve\n".to_owned();
    }
    let room = |room: &FoundRoom| {
        let people = match room.people {
            1 => "1 person".to_owned(),
            count => format!("{count} people"),
        };
        let lock = if room.is_locked { ", locked" } else { "" };
        format!(
            "{} on {}: {people}{lock}\n  {}\n",
            room.name,
            room.host,
            room.link()
        )
    };
    rooms.iter().map(room).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::unexpected)
}

#[cfg(test)]
mod tests {
    use snug_protocol::{DisplayName, Pin};

    use super::*;

    #[test]
    fn a_list_reads_well() {
        let room = |people, is_locked| FoundRoom {
            name: "Stand up".parse().unwrap(),
            host: DisplayName::parse("desk").unwrap(),
            people,
            is_locked,
            pin: Pin::new([1; 32]),
            address: "10.0.0.9:7684".parse().unwrap(),
        };
        let text = list(&[room(1, false), room(3, true)]);
        assert!(text.starts_with("Stand up on desk: 1 person\n  snug://10.0.0.9/Stand%20up#k="));
        assert!(
            text.contains("\nStand up on desk: 3 people, locked\n"),
            "{text}"
        );
        assert!(list(&[]).starts_with("No rooms on this network."));
    }
}
