//! Runs `snug-server` as a user would and reads what it prints: [`Server`] for `serve`,
//! [`Participant`] for `join`. Every process is killed and reaped when its handle is dropped, and
//! every wait has a deadline that reports what was seen instead.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::lane;
use crate::netns::Namespace;

/// How long anything that is not measured may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Builds `snug-server` once per test binary and says where it is.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn snug_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build().expect("snug-server builds"))
}

fn build() -> Result<PathBuf> {
    // This program lies in <target>/<profile>/deps or <target>/<profile>/examples.
    let own = std::env::current_exe()?;
    let profile = own.ancestors().nth(2).context("no profile folder")?;
    let target = profile.parent().context("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "snug-cli",
        "--bin",
        "snug-server",
    ]);
    command
        .arg("--target-dir")
        .arg(target)
        .current_dir(lane::repository());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("start cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(profile.join("snug-server"))
}

/// Says the time as the programs print it: milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    ms(SystemTime::now())
}

/// Turns a time into milliseconds since 1970.
#[must_use]
pub fn ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// One JSON line that a program printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its `type`.
    pub kind: String,
    /// Its `at_ms`: when it happened, in milliseconds since 1970.
    pub at_ms: u64,
    /// The whole line.
    pub body: Value,
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(line).ok()?;
        let kind = body.get("type")?.as_str()?.to_owned();
        Some(Self {
            kind,
            at_ms: body.get("at_ms")?.as_u64()?,
            body,
        })
    }

    /// Lends a text of the line, empty when there is none of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Says a number of the line, 0 when there is none of this name.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.body
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}

/// How a program ended and all it said.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<String>,
    events: Vec<Event>,
    stderr: String,
    closed: bool,
}

/// A running program whose output is read as it comes.
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<(Mutex<Said>, Condvar)>,
    readers: Vec<thread::JoinHandle<()>>,
    called: String,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.said.0.lock().expect("readers do not panic");
        writeln!(f, "{} (process {}) said:", self.called, self.child.id())?;
        for line in said
            .stdout
            .iter()
            .filter(|line| !line.contains(r#""type":"stats""#))
        {
            writeln!(f, "  {line}")?;
        }
        if let Some(stats) = said.events.iter().rev().find(|event| event.kind == "stats") {
            writeln!(f, "  last statistics: {}", stats.body)?;
        }
        let tail: Vec<&str> = said.stderr.lines().rev().take(30).collect();
        for line in tail.iter().rev() {
            writeln!(f, "  ! {line}")?;
        }
        Ok(())
    }
}

impl Program {
    /// Starts it with pipes on all three streams.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let called = format!("{command:?}");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {called}"))?;
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let stdout = child.stdout.take().context("its output")?;
        let stderr = child.stderr.take().context("its complaints")?;
        let readers = vec![
            thread::spawn({
                let said = Arc::clone(&said);
                move || read_stdout(stdout, &said)
            }),
            thread::spawn({
                let said = Arc::clone(&said);
                move || read_stderr(stderr, &said)
            }),
        ];
        let stdin = child.stdin.take();
        Ok(Self {
            child,
            stdin,
            said,
            readers,
            called,
        })
    }

    /// Says its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(id).context("process id 0")?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.called))
    }

    /// Writes one line to its standard input.
    ///
    /// # Errors
    /// When it no longer reads.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its input is closed")?;
        writeln!(stdin, "{line}")?;
        Ok(stdin.flush()?)
    }

    /// Copies the events it printed so far, statistics included.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.said
            .0
            .lock()
            .expect("readers do not panic")
            .events
            .clone()
    }

    /// Copies what it has complained of so far.
    #[must_use]
    pub fn complaints(&self) -> String {
        self.said
            .0
            .lock()
            .expect("readers do not panic")
            .stderr
            .clone()
    }

    /// Waits for an event, also one that has already been printed.
    ///
    /// # Errors
    /// When it does not come in time or the program ends first; the error shows all that was said.
    pub fn wait_for(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let found = self.wait(within, |said| {
            said.events.iter().find(|e| wanted(e)).cloned()
        });
        found.with_context(|| format!("no {what} within {within:?}\n{self:?}"))
    }

    /// Waits for a line of its output that starts like this.
    ///
    /// # Errors
    /// When it does not come in time or the program ends first.
    pub fn wait_for_line(&self, start: &str, within: Duration) -> Result<String> {
        let found = self.wait(within, |said| {
            said.stdout
                .iter()
                .find(|line| line.starts_with(start))
                .cloned()
        });
        found.with_context(|| format!("no line '{start}...' within {within:?}\n{self:?}"))
    }

    fn wait<T>(&self, within: Duration, look: impl Fn(&Said) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let (said, changed) = &*self.said;
        let mut said = said.lock().expect("readers do not panic");
        loop {
            if let Some(found) = look(&said) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            if said.closed {
                return None;
            }
            said = changed
                .wait_timeout(said, left)
                .expect("readers do not panic")
                .0;
        }
    }

    /// Waits for the end and returns everything that was said.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn ended(mut self, within: Duration) -> Result<Ended> {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(
                Instant::now() < deadline,
                "still running after {within:?}\n{self:?}"
            );
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader
                .join()
                .map_err(|_| anyhow::anyhow!("a reader panicked"))?;
        }
        let said = self.said.0.lock().expect("readers do not panic");
        let (stdout, stderr) = (said.stdout.join("\n"), said.stderr.clone());
        Ok(Ended {
            code: status.code(),
            stdout,
            stderr,
        })
    }

    /// Says whether it still runs.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Killing what has already ended is an error we want.
        self.child.kill().ok();
        self.child.wait().ok();
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
    }
}

fn read_stdout(stream: impl Read, said: &(Mutex<Said>, Condvar)) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let mut all = said.0.lock().expect("nobody panics with the lock");
        all.events.extend(Event::parse(&line));
        all.stdout.push(line);
        said.1.notify_all();
    }
    said.0.lock().expect("nobody panics with the lock").closed = true;
    said.1.notify_all();
}

fn read_stderr(stream: impl Read, said: &(Mutex<Said>, Condvar)) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let mut all = said.0.lock().expect("nobody panics with the lock");
        all.stderr.push_str(&line);
        all.stderr.push('\n');
    }
}

/// Makes a command for `snug-server`, inside a namespace when one is given.
#[must_use]
pub fn command(namespace: Option<&Namespace>) -> Command {
    match namespace {
        Some(namespace) => namespace.command(snug_server().as_os_str()),
        None => Command::new(snug_server()),
    }
}

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
        let data = tempfile::tempdir()?;
        let mut command = command(namespace);
        command
            .args(["serve", "--no-discovery", "--data"])
            .arg(data.path());
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
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let host = format!("127.0.0.1:{}", self.port);
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("no end of the headers")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "/healthz says {head}");
        serde_json::from_str(body.trim()).with_context(|| format!("/healthz says {body}"))
    }
}

/// What a participant joins with; `new` gives one without camera and microphone.
#[derive(Debug, Clone)]
pub struct Join {
    arguments: Vec<OsString>,
    camera: OsString,
    microphone: OsString,
    data: Option<PathBuf>,
}

impl Join {
    /// Joins this link under this name.
    #[must_use]
    pub fn new(link: &str, name: &str) -> Self {
        let arguments = [link, "--name", name, "--stats", "--control"]
            .map(OsString::from)
            .to_vec();
        Self {
            arguments,
            camera: "none".into(),
            microphone: "none".into(),
            data: None,
        }
    }

    /// Shows this file, or `test`.
    #[must_use]
    pub fn camera(mut self, source: impl AsRef<OsStr>) -> Self {
        self.camera = source.as_ref().to_owned();
        self
    }

    /// Plays this file, or `test`.
    #[must_use]
    pub fn microphone(mut self, source: impl AsRef<OsStr>) -> Self {
        self.microphone = source.as_ref().to_owned();
        self
    }

    /// Shows the test picture and plays the test tone.
    #[must_use]
    pub fn test_media(self) -> Self {
        self.camera("test").microphone("test")
    }

    /// Uses this data folder instead of one of its own.
    #[must_use]
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Adds one more argument.
    #[must_use]
    pub fn with(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Starts it on this computer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self) -> Result<Participant> {
        self.start_in(None)
    }

    /// Starts it inside a namespace when one is given.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_in(&self, namespace: Option<&Namespace>) -> Result<Participant> {
        let own = tempfile::tempdir()?;
        let mut command = command(namespace);
        command.arg("join").args(&self.arguments);
        command
            .arg("--camera")
            .arg(&self.camera)
            .arg("--microphone")
            .arg(&self.microphone);
        command
            .arg("--data")
            .arg(self.data.as_deref().unwrap_or(own.path()));
        let program = Program::start(command)?;
        Ok(Participant {
            program,
            _data: own,
        })
    }
}

/// A running `snug-server join --stats --control`.
#[derive(Debug)]
pub struct Participant {
    /// The program itself, for signals, lines and events.
    pub program: Program,
    _data: TempDir,
}

impl Participant {
    /// Waits until it has joined and says its peer id.
    ///
    /// # Errors
    /// When it does not join in time.
    pub fn joined(&self) -> Result<String> {
        let event = self
            .program
            .wait_for("joined", PATIENCE, |event| event.kind == "joined")?;
        let id = event.text("peer_id").to_owned();
        ensure!(!id.is_empty(), "joined without an id");
        Ok(id)
    }

    /// Waits for an event of this kind about this peer.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn hears(&self, kind: &str, peer: &str, within: Duration) -> Result<Event> {
        self.program
            .wait_for(&format!("{kind} of {peer}"), within, |event| {
                event.kind == kind && event.text("peer_id") == peer
            })
    }

    /// Waits for the first frame of this kind (`audio` or `video`) from this peer.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn first_frame(&self, peer: &str, kind: &str, within: Duration) -> Result<Event> {
        self.program
            .wait_for(&format!("first {kind} frame of {peer}"), within, |event| {
                event.kind == "first_frame"
                    && event.text("peer_id") == peer
                    && event.text("kind") == kind
            })
    }

    /// Says the latest statistics, if any were printed yet.
    #[must_use]
    pub fn statistics(&self) -> Option<Event> {
        self.program
            .events()
            .into_iter()
            .rev()
            .find(|event| event.kind == "stats")
    }

    /// Waits for statistics that were taken after `at_ms`.
    ///
    /// # Errors
    /// When none come in time.
    pub fn statistics_after(&self, at_ms: u64) -> Result<Event> {
        self.program
            .wait_for("later statistics", PATIENCE, |event| {
                event.kind == "stats" && event.at_ms > at_ms
            })
    }

    /// Says how often it has negotiated so far.
    #[must_use]
    pub fn negotiations(&self) -> u64 {
        let events = self.program.events();
        let counts = events.iter().filter(|event| event.kind == "negotiated");
        counts
            .map(|event| event.number("count"))
            .max()
            .unwrap_or_default()
    }

    /// Types a control line such as `camera off` or `leave`.
    ///
    /// # Errors
    /// When it no longer reads.
    pub fn control(&mut self, line: &str) -> Result<()> {
        self.program.type_line(line)
    }

    /// Asks it to leave and waits for its good end.
    ///
    /// # Errors
    /// When it does not end, or not with code 0.
    pub fn leave(mut self) -> Result<Ended> {
        self.control("leave")?;
        let ended = self.program.ended(PATIENCE)?;
        if ended.code != Some(0) {
            bail!("ended with {:?}: {}", ended.code, ended.stderr);
        }
        Ok(ended)
    }
}

/// Sums a figure over a peer's tracks of one kind in a line of statistics.
#[must_use]
pub fn track_sum(statistics: &Event, peer: &str, kind: &str, figure: &str) -> u64 {
    let empty = Vec::new();
    let list = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_array)
            .unwrap_or(&empty)
            .clone()
    };
    list(&statistics.body, "peers")
        .iter()
        .filter(|p| p.get("peer_id").and_then(Value::as_str) == Some(peer))
        .flat_map(|p| list(p, "tracks"))
        .filter(|track| track.get("kind").and_then(Value::as_str) == Some(kind))
        .filter_map(|track| track.get(figure).and_then(Value::as_u64))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Program> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Program::start(command)
    }

    #[test]
    fn events_are_read_as_they_come() -> Result<()> {
        let program = shell(r#"echo '{"type":"joined","at_ms":5,"peer_id":"x"}'; exec sleep 60"#)?;
        let event = program.wait_for("joined", PATIENCE, |event| event.kind == "joined")?;
        assert_eq!((event.at_ms, event.text("peer_id")), (5, "x"));
        Ok(())
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_shows_what_was_said() -> Result<()> {
        let program = shell("echo hello; echo trouble >&2; exec sleep 60")?;
        program.wait_for_line("hello", PATIENCE)?;
        let started = Instant::now();
        let outcome = program.wait_for("joined", Duration::from_millis(200), |_| true);
        let error = outcome.expect_err("nothing was printed").to_string();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(
            error.contains("no joined") && error.contains("hello"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn the_end_of_a_program_ends_the_wait() -> Result<()> {
        let program = shell("echo bye >&2; exit 3")?;
        assert!(program.wait_for("joined", PATIENCE, |_| true).is_err());
        let ended = program.ended(PATIENCE)?;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), "bye\n"));
        Ok(())
    }

    #[test]
    fn a_dropped_program_is_gone() -> Result<()> {
        let program = shell("exec sleep 60")?;
        let path = format!("/proc/{}", program.id());
        drop(program);
        assert!(!std::fs::exists(path)?);
        Ok(())
    }

    #[test]
    fn statistics_are_summed_per_kind() {
        let line = r#"{"type":"stats","at_ms":1,"peers":[{"peer_id":"a","tracks":[
            {"kind":"video","frames_decoded":3},{"kind":"video","frames_decoded":4},
            {"kind":"audio","frames_decoded":9}]},{"peer_id":"b","tracks":[]}]}"#;
        let event = Event::parse(line).expect("a good line");
        assert_eq!(track_sum(&event, "a", "video", "frames_decoded"), 7);
        assert_eq!(track_sum(&event, "b", "video", "frames_decoded"), 0);
    }
}
