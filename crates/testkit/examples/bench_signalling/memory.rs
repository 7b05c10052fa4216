//! What a joined socket holds.

use std::time::Duration;

use anyhow::Result;
use snug_testkit::process::Server;
use snug_testkit::scripted::Peer;
use snug_testkit::usage;

use super::address;

const PEOPLE_PER_ROOM: usize = 50;
const FEW: usize = 1_000;
const MANY: usize = 5_000;

/// Says how many kB a joined socket takes, of 1000 and of 5000.
pub fn measure(server: &Server) -> Result<(f64, f64)> {
    let process = server.program.id();
    // What the first one brings is not its own.
    let mut peers = vec![Peer::join(address(server), "first")?];
    let before = usage::resident_kib(process)?;
    let mut at = Vec::new();
    for size in [FEW, MANY] {
        for number in peers.len()..=size {
            let room = format!("crowd-{}", number / PEOPLE_PER_ROOM);
            peers.push(Peer::join(address(server), &room)?);
        }
        std::thread::sleep(Duration::from_millis(500));
        let grown = usage::resident_kib(process)?.saturating_sub(before);
        at.push(grown as f64 * 1.024 / size as f64);
    }
    Ok((at[0], at[1]))
}
