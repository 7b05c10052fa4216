//! One WebSocket from dialling to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use snug_phoenix::client::{self, Config, Output};
use snug_phoenix::{Frame, Payload};
use snug_protocol::{JoinReply, MEDIA_EVENT, SNUG_EVENT, SnugEvent};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Admission, LineId};
use crate::Error;
use crate::connect::{Connector, Socket};

/// Snug's ping: often enough to notice silence within three seconds.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A line that said nothing for so long is given up by itself; the participant usually did before.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Frames waiting for the socket. Commands stop being taken at this point, so only heartbeats can
/// add to it, until [`SILENCE_MAX`].
const OUTBOX_MAX: usize = 64;

/// Shortest pause between two reports that the server was heard.
const HEARD_INTERVAL: Duration = Duration::from_millis(250);

/// Where to dial and what to say first.
pub(super) struct Plan {
    pub(super) connector: Connector,
    pub(super) patience: Duration,
    pub(super) reply_patience: Duration,
    pub(super) topic: String,
    pub(super) payload: Value,
}

/// What the participant says on a line.
#[derive(Debug)]
pub(crate) enum Said {
    /// A media event, as the text for its `data`.
    Media(String),
    /// A Snug event; only to servers that know them.
    Snug(SnugEvent),
    /// Goodbye; the line ends once it is out.
    Leave,
}

/// What a line reports.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// In the room.
    Joined(Admission),
    /// A media event, as the text of its `data`.
    Media(String),
    /// A Snug event.
    Snug(SnugEvent),
    /// The room says whether it takes several encodings of a picture.
    Simulcast(bool),
    /// The server said something, whatever it was.
    Heard,
    /// The server says what went wrong; the end of the channel may follow.
    Complaint(String),
    /// The room ended the channel for good.
    Closed,
    /// The line ended, or never came to be. Nothing follows.
    Failed(Error),
}

/// The event by which the Membrane videoroom says that an endpoint crashed.
const ERROR_EVENT: &str = "error";

/// The event by which it says whether its rooms have simulcast, after the join.
const SIMULCAST_EVENT: &str = "simulcastConfig";

#[derive(Deserialize)]
struct SimulcastPayload {
    data: bool,
}

#[derive(Deserialize)]
struct MediaPayload {
    data: String,
}

#[derive(Deserialize)]
struct ErrorPayload {
    message: String,
}

/// Runs a line to its end. What it reports carries `id`.
pub(super) async fn run(
    id: LineId,
    plan: Plan,
    said: mpsc::Receiver<Said>,
    reports: mpsc::Sender<(LineId, LineEvent)>,
) {
    let error = match dial(id, plan, said, &reports).await {
        Ok(()) => return,
        Err(error) => error,
    };
    // Nobody listens any more when the participant is gone.
    drop(reports.send((id, LineEvent::Failed(error))).await);
}

async fn dial(
    id: LineId,
    plan: Plan,
    said: mpsc::Receiver<Said>,
    reports: &mpsc::Sender<(LineId, LineEvent)>,
) -> Result<(), Error> {
    let connection = plan.connector.connect(plan.patience).await?;
    let (sink, stream) = connection.socket.split();
    let mut phoenix = client::Socket::new(Config {
        heartbeat_interval: HEARTBEAT,
        heartbeat_timeout: SILENCE_MAX,
        reply_timeout: plan.reply_patience,
        ..Config::default()
    });
    let now = Instant::now();
    phoenix.connect();
    phoenix.handle_connected(now);
    phoenix
        .join(&plan.topic, Payload::from(plan.payload), now)
        .map_err(|error| Error::Internal(error.to_string()))?;
    let admission = Admission {
        reply: JoinReply::default(),
        local: connection.local,
        standing: connection.standing,
        pin: connection.pin,
    };
    let target = plan.connector.target();
    // Nothing more is reported of the way in.
    drop(plan.connector);
    Line {
        id,
        topic: plan.topic,
        target,
        phoenix,
        outbox: VecDeque::new(),
        unflushed: false,
        leaving: false,
        admission: Some(admission),
        last_report: None,
    }
    .run(sink, stream, said, reports)
    .await
}

/// What happened first.
enum Turn {
    Frame(Option<Result<Message, tungstenite::Error>>),
    Said(Option<Said>),
    Writable(Result<(), tungstenite::Error>),
    Flushed(Result<(), tungstenite::Error>),
    Due,
}

struct Line {
    id: LineId,
    topic: String,
    target: String,
    phoenix: client::Socket,
    outbox: VecDeque<Message>,
    unflushed: bool,
    leaving: bool,
    admission: Option<Admission>,
    last_report: Option<Instant>,
}

impl Line {
    async fn run(
        mut self,
        mut sink: SplitSink<Socket, Message>,
        mut stream: SplitStream<Socket>,
        mut said: mpsc::Receiver<Said>,
        reports: &mpsc::Sender<(LineId, LineEvent)>,
    ) -> Result<(), Error> {
        loop {
            for event in self.drain()? {
                if reports.send((self.id, event)).await.is_err() {
                    return Ok(());
                }
            }
            if self.leaving && self.outbox.is_empty() && !self.unflushed {
                return Ok(());
            }
            let deadline = self.phoenix.deadline();
            let full = !self.outbox.is_empty();
            let turn = tokio::select! {
                frame = stream.next() => Turn::Frame(frame),
                command = said.recv(), if self.may_say() => Turn::Said(command),
                turn = advance(&mut sink, full), if full || self.unflushed => turn,
                () = until(deadline) => Turn::Due,
            };
            self.take(turn, &mut sink, reports).await?;
        }
    }

    fn may_say(&self) -> bool {
        !self.leaving && self.outbox.len() < OUTBOX_MAX
    }

    async fn take(
        &mut self,
        turn: Turn,
        sink: &mut SplitSink<Socket, Message>,
        reports: &mpsc::Sender<(LineId, LineEvent)>,
    ) -> Result<(), Error> {
        let now = Instant::now();
        match turn {
            Turn::Frame(Some(Ok(message))) => {
                if self.hear(message, now)? {
                    // A closed lane shows at the next report too.
                    drop(reports.send((self.id, LineEvent::Heard)).await);
                }
            }
            Turn::Frame(Some(Err(error))) => return Err(self.lost(&error)),
            Turn::Frame(None) | Turn::Said(None) => return Err(self.gone()),
            Turn::Said(Some(Said::Media(data))) => {
                self.say_event(MEDIA_EVENT, json!({"data": data}), now)?;
            }
            Turn::Said(Some(Said::Snug(event))) => {
                self.say_event(SNUG_EVENT, event.to_payload(), now)?;
            }
            Turn::Said(Some(Said::Leave)) => {
                self.phoenix.leave(&self.topic);
                self.leaving = true;
            }
            Turn::Writable(ready) => {
                ready.map_err(|error| self.lost(&error))?;
                if let Some(message) = self.outbox.pop_front() {
                    let pinned = std::pin::Pin::new(sink);
                    pinned
                        .start_send(message)
                        .map_err(|error| self.lost(&error))?;
                    self.unflushed = true;
                }
            }
            Turn::Flushed(done) => {
                done.map_err(|error| self.lost(&error))?;
                self.unflushed = false;
            }
            Turn::Due => self.phoenix.handle_timeout(now),
        }
        Ok(())
    }

    /// Takes a message; true when it is time to report that the server is heard.
    fn hear(&mut self, message: Message, now: Instant) -> Result<bool, Error> {
        let frame = match message {
            Message::Text(text) => Some(Frame::Text(text.as_str().to_owned())),
            Message::Binary(bytes) => Some(Frame::Binary(bytes)),
            Message::Close(_) => return Err(self.gone()),
            // The answer to a ping is queued by the library; the next write or flush takes it.
            Message::Ping(_) => {
                self.unflushed = true;
                None
            }
            Message::Pong(_) | Message::Frame(_) => None,
        };
        if let Some(frame) = frame {
            self.phoenix
                .handle_frame(&frame, now)
                .map_err(|error| Error::NotSnug {
                    target: self.target.clone(),
                    detail: error.to_string(),
                })?;
        }
        let due = self
            .last_report
            .is_none_or(|last| now >= last + HEARD_INTERVAL);
        if due {
            self.last_report = Some(now);
        }
        Ok(due)
    }

    fn say_event(&mut self, event: &str, payload: Value, now: Instant) -> Result<(), Error> {
        self.phoenix
            .cast(&self.topic, event, Payload::from(payload), now)
            .map_err(|error| Error::Internal(error.to_string()))
    }

    /// Carries out what the Phoenix core wants and returns what is to be reported.
    fn drain(&mut self) -> Result<Vec<LineEvent>, Error> {
        let mut events = Vec::new();
        while let Some(output) = self.phoenix.poll_output() {
            match output {
                Output::Send(Frame::Text(text)) => self.outbox.push_back(Message::text(text)),
                Output::Send(Frame::Binary(bytes)) => self.outbox.push_back(Message::binary(bytes)),
                Output::Joined { response, .. } => events.extend(self.joined(&response)?),
                Output::Event { event, payload, .. } => events.extend(self.event(&event, &payload)),
                Output::JoinRefused { response, .. } => return Err(self.refused(&response)),
                // It took our frames and said nothing to the point: no Phoenix.
                Output::JoinTimedOut { .. } => return Err(self.not_phoenix()),
                Output::Closed { .. } => events.push(LineEvent::Closed),
                Output::Errored { .. } | Output::Disconnect => return Err(self.gone()),
                Output::Connect
                | Output::Reply { .. }
                | Output::TimedOut { .. }
                | Output::Dropped { .. } => {}
            }
        }
        Ok(events)
    }

    fn joined(&mut self, response: &Payload) -> Result<Option<LineEvent>, Error> {
        let Some(mut admission) = self.admission.take() else {
            return Ok(None);
        };
        let text = response.as_json().unwrap_or("{}");
        admission.reply = JoinReply::parse(text).map_err(|error| Error::NotSnug {
            target: self.target.clone(),
            detail: error.to_string(),
        })?;
        Ok(Some(LineEvent::Joined(admission)))
    }

    fn event(&self, event: &str, payload: &Payload) -> Option<LineEvent> {
        match event {
            MEDIA_EVENT => match payload.parse::<MediaPayload>() {
                Ok(MediaPayload { data }) => Some(LineEvent::Media(data)),
                // An empty text is no media event; the session counts it.
                Err(_) => Some(LineEvent::Media(String::new())),
            },
            SNUG_EVENT => Some(LineEvent::Snug(SnugEvent::from_payload(payload.as_json()?))),
            SIMULCAST_EVENT => {
                let SimulcastPayload { data } = payload.parse().ok()?;
                Some(LineEvent::Simulcast(data))
            }
            ERROR_EVENT => {
                let ErrorPayload { message } = payload.parse().ok()?;
                Some(LineEvent::Complaint(message))
            }
            _ => None,
        }
    }

    fn refused(&self, response: &Payload) -> Error {
        #[derive(Deserialize)]
        struct Refusal {
            reason: String,
        }
        let reason = response
            .parse()
            .map_or_else(|_| String::new(), |it: Refusal| it.reason);
        Error::from_refusal(&self.target, &reason, None)
    }

    fn lost(&self, error: &tungstenite::Error) -> Error {
        tracing::debug!(%error, id = %self.id, "the line broke");
        self.gone()
    }

    fn gone(&self) -> Error {
        // Whoever hangs up before answering the join was no room.
        match self.admission {
            Some(_) => self.not_phoenix(),
            None => Error::ConnectionLost {
                target: self.target.clone(),
            },
        }
    }

    fn not_phoenix(&self) -> Error {
        let detail = "it takes a WebSocket but does not let anybody join".to_owned();
        Error::NotSnug {
            target: self.target.clone(),
            detail,
        }
    }
}

/// Waits until the socket takes a message, or has sent all it took.
async fn advance(sink: &mut SplitSink<Socket, Message>, write: bool) -> Turn {
    std::future::poll_fn(|cx| {
        let sink = std::pin::Pin::new(&mut *sink);
        if write {
            sink.poll_ready(cx).map(Turn::Writable)
        } else {
            sink.poll_flush(cx).map(Turn::Flushed)
        }
    })
    .await
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
