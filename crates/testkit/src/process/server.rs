//! `snug-server serve` as a test runs it.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, Program, command, snug_server};
use crate::netns::Namespace;

/// A running `snug-server serve` with a data folder of its own.
#[derive(Debug)]
pub struct Server {
    /// The program itself, for signals and statistics.
    pub program: Program,
    /// Where it listens, as printed.
    pub addresses: Vec<String>,
    /// The pin of its key, as printed: 43 characters.
    pub fingerprint: String,
    /// The port of all its addresses.
    pub port: u16,
    data: TempDir,
}

impl Server {
    /// Starts a server on any port of this computer and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start() -> Result<Self> {
        Self::start_with(None, &[])
    }

    /// Starts a server with further arguments, inside a namespace when one is given.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_with(namespace: Option<&Namespace>, arguments: &[&str]) -> Result<Self> {
        Self::start_as(command(namespace), arguments)
    }

    /// Starts a server that tells this namespace's network of its rooms, at the usual port.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_announcing(namespace: &Namespace) -> Result<Self> {
        Self::start_by(command(Some(namespace)), &["--port", "7684"])
    }

    /// Starts a server that runs on this core alone, for measurements.
    ///
    /// # Errors
    /// When it does not get ready, or `taskset` (util-linux) is missing.
    pub fn start_on_core(core: usize, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(snug_server());
        Self::start_as(command, arguments)
    }

    fn start_as(command: Command, arguments: &[&str]) -> Result<Self> {
        Self::start_by(command, &[&["--no-discovery"], arguments].concat())
    }

    fn start_by(mut command: Command, arguments: &[&str]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        command.args(["serve", "--data"]).arg(data.path());
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(arguments);
        let program = Program::start(command)?;
        let line = program.wait_for_line("ready: ", PATIENCE)?;
        let (addresses, fingerprint) = line["ready: ".len()..]
            .split_once(" fingerprint ")
            .context("no fingerprint")?;
        let addresses: Vec<String> = addresses.split(", ").map(str::to_owned).collect();
        let first = addresses.first().context("no address")?;
        let port = first.rsplit(':').next().context("no port")?.parse()?;
        let fingerprint = fingerprint.trim().to_owned();
        ensure!(
            fingerprint.len() == 43,
            "the fingerprint {fingerprint} is not 43 characters"
        );
        Ok(Self {
            program,
            addresses,
            fingerprint,
            port,
            data,
        })
    }

    /// Says the link of a room by way of loopback, with the key pinned.
    #[must_use]
    pub fn link(&self, room: &str) -> String {
        self.link_by("127.0.0.1", room)
    }

    /// Says the link of a room by way of this host name or address (IPv6 in brackets).
    #[must_use]
    pub fn link_by(&self, host: &str, room: &str) -> String {
        format!("snug://{host}:{}/{room}#k={}", self.port, self.fingerprint)
    }

    /// Says where its data lies.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Asks `/healthz` over plain HTTP on loopback; for servers outside namespaces.
    ///
    /// # Errors
    /// When there is no answer or it is not JSON.
    pub fn health(&self) -> Result<Value> {
        let body = self.ask("/healthz")?;
        serde_json::from_str(body.trim()).with_context(|| format!("/healthz says {body}"))
    }

    /// Says what `/metrics` holds under this name, as [`Self::health`] asks.
    ///
    /// # Errors
    /// When there is no answer or no such figure.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let body = self.ask("/metrics")?;
        let figure = body.lines().find_map(|line| {
            let (found, figure) = line.split_once(' ')?;
            (found == name).then_some(figure)
        });
        let figure = figure.with_context(|| format!("no {name} in {body}"))?;
        Ok(figure.parse()?)
    }

    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let host = format!("127.0.0.1:{}", self.port);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("no end of the headers")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{path} says {head}");
        Ok(body.to_owned())
    }
}
