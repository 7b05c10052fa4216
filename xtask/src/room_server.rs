//! One `snug-server serve` on a free loopback port, ended when dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::build::snug_server;
use crate::process::program;

/// The room that every participant joins.
const ROOM: &str = "Fireside";

/// A running room server.
pub struct RoomServer {
    child: Child,
    address: String,
    fingerprint: String,
}

impl RoomServer {
    /// Starts it with a fresh identity in `data` and waits for the line that says it is ready.
    pub fn start(data: &Path) -> Result<RoomServer> {
        let mut child = program(snug_server())
            .args(["serve", "--port", "0", "--bind", "127.0.0.1", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start snug-server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("asked to be piped")).read_line(&mut line)?;
        let Some((address, fingerprint)) = parse_ready(&line) else {
            end(&mut child);
            bail!(
                "snug-server was to print `ready: ...` and printed `{}`",
                line.trim()
            );
        };
        Ok(RoomServer {
            child,
            address,
            fingerprint,
        })
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The link that participants join by, with the server's key pinned.
    pub fn link(&self) -> String {
        format!("snug://{}/{ROOM}#k={}", self.address, self.fingerprint)
    }
}

impl Drop for RoomServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself; either way nothing of it is left after the wait.
    if child.kill().is_ok() {
        child.wait().ok();
    }
}

/// Reads `ready: 127.0.0.1:7684, ... fingerprint KEY`.
fn parse_ready(line: &str) -> Option<(String, String)> {
    let (addresses, fingerprint) = line
        .trim()
        .strip_prefix("ready: ")?
        .split_once(" fingerprint ")?;
    let first = addresses.split(", ").next()?;
    Some((first.to_owned(), fingerprint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_gives_the_first_address_and_the_key() {
        let ready = parse_ready("ready: 127.0.0.1:7684, 192.168.1.20:7684 fingerprint abc-_\n");
        assert_eq!(ready, Some(("127.0.0.1:7684".into(), "abc-_".into())));
        assert_eq!(parse_ready(""), None);
        assert_eq!(parse_ready("error: port in use"), None);
    }
}
