//! `snug-server join` as a test runs it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, Event, PATIENCE, Program, command};
use crate::netns::Namespace;

/// What a participant joins with; `new` gives one without camera and microphone.
#[derive(Debug, Clone)]
pub struct Join {
    arguments: Vec<OsString>,
    camera: OsString,
    microphone: OsString,
    data: Option<PathBuf>,
    authorities: Option<PathBuf>,
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
            authorities: None,
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

    /// Lets it print nothing, so that it decodes nothing either: somebody who only sends. Such a
    /// participant can be asked for nothing.
    #[must_use]
    pub fn quietly(mut self) -> Self {
        self.arguments.retain(|argument| argument != "--stats");
        self
    }

    /// Trusts the certificate authorities of this file (PEM) instead of the computer's.
    #[must_use]
    pub fn authorities(mut self, file: &Path) -> Self {
        self.authorities = Some(file.to_owned());
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
        if let Some(authorities) = &self.authorities {
            command.env("SSL_CERT_FILE", authorities);
        }
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
