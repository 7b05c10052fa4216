//! Talking to the room over WebSockets that may break.
//!
//! A [`line`] is one WebSocket from dialling to its end. While the current one is silent, new ones
//! are dialled beside it: the first that gets into the room becomes the current one. When to dial,
//! to say "reconnecting", to stop capture and to give up is decided by [`liveness`].

mod line;
mod liveness;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use snug_protocol::{
    CHAT_FEATURE, HostToken, JoinParams, JoinReply, Pin, ResumeToken, SNUG_VERSION, SnugParams,
};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::Timeouts;
use crate::connect::{Connector, KeyStanding, Secrets};

pub(crate) use line::{LineEvent, Said};
pub(crate) use liveness::{Liveness, Output as Verdict};

/// Room for what lines report between two looks of the participant. A full lane makes the line
/// wait, and TCP pushes back on the server.
const EVENT_LANE: usize = 256;

/// Room for what the participant says. It says a handful of things per negotiation; a full lane
/// means that the line is dead, and resuming repeats what matters.
const COMMAND_LANE: usize = 64;

/// The optional things that this client can do, as the room is told.
const FEATURES: [&str; 2] = ["presence", CHAT_FEATURE];

/// Names one line of a participant, so that late reports of a dropped one match nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId(u64);

/// What a line that got into the room knows.
#[derive(Debug)]
pub(crate) struct Admission {
    /// What the room said; nothing from a server that is not Snug.
    pub(crate) reply: JoinReply,
    /// Our end of the socket.
    pub(crate) local: SocketAddr,
    /// How the key was judged.
    pub(crate) standing: KeyStanding,
    /// The key itself, where known.
    pub(crate) pin: Option<Pin>,
}

/// All lines of a participant. Dropping it ends them.
pub(crate) struct Signalling {
    connector: Connector,
    topic: String,
    timeouts: Timeouts,
    tasks: JoinSet<()>,
    lines: BTreeMap<LineId, Line>,
    current: Option<LineId>,
    /// Until when the room may take the current line for an old one: a rival was ended that may
    /// have reached the room after it.
    outrun_until: Option<Instant>,
    next: u64,
    resume: Option<ResumeToken>,
    /// What makes us the host, where we are.
    host: Option<HostToken>,
    secrets: Option<Secrets>,
    reports: mpsc::Sender<(LineId, LineEvent)>,
}

struct Line {
    commands: mpsc::Sender<Said>,
    task: AbortHandle,
}

impl Signalling {
    /// Prepares to reach the room `topic` through `connector`; what lines report comes out of the
    /// returned lane.
    pub(crate) fn new(
        connector: Connector,
        topic: String,
        timeouts: Timeouts,
    ) -> (Self, mpsc::Receiver<(LineId, LineEvent)>) {
        let (reports, events) = mpsc::channel(EVENT_LANE);
        let signalling = Self {
            connector,
            topic,
            timeouts,
            tasks: JoinSet::new(),
            lines: BTreeMap::new(),
            current: None,
            outrun_until: None,
            next: 0,
            resume: None,
            host: None,
            secrets: None,
            reports,
        };
        (signalling, events)
    }

    /// Shows the host's token `given`, or the one that was kept, and is known again by a key.
    pub(crate) fn with_secrets(mut self, secrets: Secrets, given: Option<HostToken>) -> Self {
        self.host = given.or_else(|| secrets.host());
        self.secrets = Some(secrets);
        self
    }

    /// Dials for the first time: patiently, because a person waits for one good reason.
    pub(crate) fn dial_first(&mut self) {
        self.spawn(self.timeouts.answer);
    }

    /// Dials beside whatever there is; the impatience makes a fresh TCP connection each second,
    /// where TCP's own backoff would wait for minutes after an outage.
    pub(crate) fn dial_again(&mut self) {
        self.spawn(self.timeouts.redial);
    }

    fn spawn(&mut self, patience: Duration) {
        // Collects what ended; tasks report by their lane, so there is nothing to learn here.
        while self.tasks.try_join_next().is_some() {}
        let id = LineId(self.next);
        self.next += 1;
        let (commands, said) = mpsc::channel(COMMAND_LANE);
        let plan = line::Plan {
            connector: self.connector.clone(),
            patience,
            reply_patience: self.timeouts.answer,
            topic: self.topic.clone(),
            payload: self.join_params().to_payload(),
        };
        let reports = self.reports.clone();
        let task = self.tasks.spawn(line::run(id, plan, said, reports));
        self.lines.insert(id, Line { commands, task });
    }

    /// Makes `id` the line to talk on, and ends all others.
    pub(crate) fn adopt(&mut self, id: LineId, admission: &Admission) {
        let rivals = self
            .lines
            .keys()
            .any(|line| *line != id && Some(*line) != self.current);
        self.outrun_until = rivals.then(|| Instant::now() + self.timeouts.answer);
        self.current = Some(id);
        self.retain(|other| other == id);
        if let Some(snug) = &admission.reply.snug {
            self.resume = Some(snug.resume.clone());
            if let Some(token) = &snug.host {
                self.host = Some(token.clone());
                self.secrets
                    .iter()
                    .for_each(|secrets| secrets.remember_host(token));
            }
        }
        self.connector.remember(admission.standing, admission.pin);
    }

    /// Forgets a line that ended; true when it was the current one.
    pub(crate) fn forget(&mut self, id: LineId) -> bool {
        self.retain(|other| other != id);
        let was_current = self.current == Some(id);
        if was_current {
            self.current = None;
        }
        was_current
    }

    /// Whether `id` is still wanted.
    pub(crate) fn knows(&self, id: LineId) -> bool {
        self.lines.contains_key(&id)
    }

    /// Whether `id` is the line to talk on.
    pub(crate) fn is_current(&self, id: LineId) -> bool {
        self.current == Some(id)
    }

    /// Whether another line may have taken our place in the room, so that the end of the current
    /// one does not mean the end of the room.
    pub(crate) fn may_be_outrun(&self, now: Instant) -> bool {
        let dialling = self.lines.len() > usize::from(self.current.is_some());
        dialling || self.outrun_until.is_some_and(|until| now < until)
    }

    /// Says something to the room. Without a line, or with one that takes nothing, it is lost:
    /// what matters is repeated when the session resumes.
    pub(crate) fn say(&self, said: Said) {
        let line = self.current.and_then(|id| self.lines.get(&id));
        if line.is_none_or(|line| line.commands.try_send(said).is_err()) {
            tracing::debug!("nothing to say it on");
        }
    }

    /// Ends all lines; `leave` first lets the current one say goodbye.
    pub(crate) async fn close(mut self, leave: bool) {
        if leave && let Some(line) = self.current.and_then(|id| self.lines.remove(&id)) {
            self.say_goodbye(line).await;
        }
        self.tasks.shutdown().await;
    }

    async fn say_goodbye(&mut self, line: Line) {
        // A full lane means a dead line, which takes no goodbye either.
        if line.commands.try_send(Said::Leave).is_err() {
            return;
        }
        self.retain(|_| false);
        // The line ends by itself when everything is flushed.
        let flushed = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.timeouts.goodbye, flushed)
            .await
            .is_err()
        {
            tracing::debug!("the host did not take our goodbye");
        }
    }

    fn retain(&mut self, keep: impl Fn(LineId) -> bool) {
        self.lines.retain(|id, line| {
            let keep = keep(*id);
            if !keep {
                line.task.abort();
            }
            keep
        });
    }

    fn join_params(&self) -> JoinParams {
        JoinParams {
            snug: Some(SnugParams {
                version: SNUG_VERSION,
                features: FEATURES.map(str::to_owned).to_vec(),
                resume: self.resume.clone(),
                host: self.host.clone(),
                key: self.secrets.as_ref().and_then(Secrets::key),
            }),
            ..JoinParams::default()
        }
    }
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_had_rivals_may_be_outrun_for_a_while() {
        let link = "127.0.0.1:1/room".parse().unwrap();
        let connector = Connector::new(link, "unused".into());
        let timeouts = Timeouts::default();
        let (mut signalling, _lines) = Signalling::new(connector, "room:room".into(), timeouts);
        let admission = Admission {
            reply: JoinReply::default(),
            local: ([127, 0, 0, 1], 9).into(),
            standing: KeyStanding::Pinned,
            pin: None,
        };
        let now = Instant::now();
        let later = now + 2 * timeouts.answer;
        signalling.dial_first();
        signalling.adopt(LineId(0), &admission);
        assert!(!signalling.may_be_outrun(now), "nobody else was dialling");
        signalling.dial_again();
        assert!(signalling.may_be_outrun(later), "somebody is");
        signalling.adopt(LineId(1), &admission);
        assert!(!signalling.may_be_outrun(now), "the old line is no rival");
        signalling.dial_again();
        signalling.dial_again();
        signalling.adopt(LineId(2), &admission);
        assert!(
            signalling.may_be_outrun(now),
            "the last one may be in the room too"
        );
        assert!(!signalling.may_be_outrun(later));
    }
}
