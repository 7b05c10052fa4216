//! Runs `snug-server` as a user would and reads what it prints: [`Server`] for `serve`,
//! [`Participant`] for `join`. Every process is killed and reaped when its handle is dropped, and
//! every wait has a deadline that reports what was seen instead.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

mod binary;
mod participant;
mod server;

pub use binary::{command, snug_server};
pub use participant::{Join, Participant, track_sum};
pub use server::Server;

/// How much of what a program complained of is shown when a wait fails.
const COMPLAINTS_SHOWN: usize = 12;
const COMPLAINT_CHARS_SHOWN: usize = 300;

/// How long anything that is not measured may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

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
        let tail: Vec<&str> = said.stderr.lines().rev().take(COMPLAINTS_SHOWN).collect();
        for line in tail.iter().rev() {
            let shown: String = line.chars().take(COMPLAINT_CHARS_SHOWN).collect();
            writeln!(f, "  ! {shown}")?;
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

    /// Takes its standard input away, for whoever writes to it while others wait; the input is
    /// closed when what is returned is dropped.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
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

    /// Waits until the latest event about something is as wanted: what was so once and changed
    /// back does not count.
    ///
    /// # Errors
    /// When it is not in time or the program ends first; the error shows all that was said.
    pub fn wait_for_last(
        &self,
        what: &str,
        within: Duration,
        about: impl Fn(&Event) -> bool,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let found = self.wait(within, |said| {
            let latest = said.events.iter().rev().find(|event| about(event))?;
            wanted(latest).then(|| latest.clone())
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
    fn only_the_latest_event_about_something_counts() -> Result<()> {
        let program = shell(
            r#"for on in true false; do echo "{\"type\":\"track\",\"at_ms\":1,\"on\":$on}"; done; exec sleep 60"#,
        )?;
        let about = |event: &Event| event.kind == "track";
        program.wait_for_last("off", PATIENCE, about, |event| event.body["on"] == false)?;
        let on = program.wait_for_last("on", Duration::from_millis(100), about, |event| {
            event.body["on"] == true
        });
        assert!(on.is_err());
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
}
