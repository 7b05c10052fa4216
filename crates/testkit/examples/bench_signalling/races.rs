//! Eight people who open a fresh room at the same moment, a thousand times.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use anyhow::Result;
use serde_json::json;
use snug_testkit::process::Server;
use snug_testkit::scripted::{Peer, Socket};

use super::address;

const JOINERS: usize = 8;
const ROOMS: usize = 1_000;

/// Counts the joins that were refused.
pub fn refused(server: &Server) -> Result<usize> {
    let start = Arc::new(Barrier::new(JOINERS));
    let address = address(server);
    let joiners: Vec<_> = (0..JOINERS)
        .map(|_| {
            let start = Arc::clone(&start);
            std::thread::spawn(move || open_all(address, &start))
        })
        .collect();
    let mut refused = 0;
    for joiner in joiners {
        let joined = joiner.join();
        refused += joined.map_err(|_| anyhow::anyhow!("a joiner panicked"))?;
    }
    Ok(refused)
}

/// Opens every room with the others; counts refusals, and goes on whatever happens, since the
/// others wait for it.
fn open_all(server: SocketAddr, start: &Barrier) -> usize {
    let mut refused = 0;
    let mut socket = Socket::connect(server);
    for room in 0..ROOMS {
        start.wait();
        let joined = match socket {
            Ok(socket) => Peer::join_on(socket, &format!("fresh-{room}"), &json!({})),
            Err(error) => Err(error),
        };
        refused += usize::from(joined.is_err());
        // The next one starts anew where this one was refused.
        socket = joined
            .and_then(Peer::leave)
            .or_else(|_| Socket::connect(server));
    }
    refused
}
