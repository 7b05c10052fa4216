//! People without a window, and what they ask of the room.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use snug_testkit::process::{Event, Join, PATIENCE, Participant, Server, track_sum};

/// For how long nothing may come of what is stopped, and something must of what is not.
pub const WATCHED_FOR: Duration = Duration::from_secs(2);

/// Somebody in a room, with their id there.
pub struct Person {
    pub program: Participant,
    pub id: String,
}

impl Person {
    /// Joins and is in.
    pub fn join(join: &Join) -> Result<Self> {
        let program = join.start()?;
        let id = program.joined()?;
        Ok(Self { program, id })
    }

    /// The same with camera and microphone, small.
    pub fn with_media(server: &Server, room: &str, name: &str) -> Result<Self> {
        let join = Join::new(&server.link(room), name).test_media();
        Self::join(&join.with("--size").with("320x240"))
    }

    /// Asks the room.
    pub fn ask(&mut self, ask: &Value) -> Result<()> {
        self.program.control(&format!("ask {ask}"))
    }

    /// Waits until the rules that this one was told last are so.
    pub fn told(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Event> {
        let holds = |event: &Event| event.kind == "rules" && holds(&event.body["rules"]);
        self.program
            .program
            .wait_for_last(what, PATIENCE, |event| event.kind == "rules", holds)
    }

    /// Waits until the room refused what was asked, for the so many-th time.
    pub fn refused(&self, count: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.program.program.events();
            let refusals = events.iter().filter(|it| it.kind == "ask_refused");
            let codes: Vec<&str> = refusals.map(|it| it.text("code")).collect();
            ensure!(codes.iter().all(|code| *code == "not_allowed"), "{codes:?}");
            if codes.len() >= count {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{} of {count} refusals",
                codes.len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Says how many packets of a kind came of somebody so far.
    pub fn packets(&self, whom: &str, kind: &str) -> u64 {
        let statistics = self.program.statistics();
        statistics.map_or(0, |it| track_sum(&it, whom, kind, "packets_received"))
    }
}

/// What stops, or lets go on, what somebody says (`audio`) or shows (`video`).
pub fn silence(whom: &str, medium: &str, is_on: bool) -> Value {
    json!({"do": "silence", "endpointId": whom, "medium": medium, "isOn": is_on})
}

/// What concerns one person.
pub fn about(whom: &str, what: &str) -> Value {
    json!({"do": what, "endpointId": whom})
}
