//! `join`: a participant without a window, for bots, load and tests.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use snug_client::{ErrorKind, Event, Happening, JoinOptions, Participant, Stats};
use snug_protocol::{DisplayName, RoomState};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::args::{DURATION_MAX, JoinArguments, data_dir};
use crate::control::{Control, Controls};
use crate::exit::{Exit, Failure};
use crate::serve::stop_asked;

/// How often statistics are printed.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// Takes part until the time is up, `leave` is read, SIGINT or SIGTERM arrives, or the call ends.
/// What stopped on the way (a recording on a full disk) does not end the call, but the exit code
/// tells of it.
pub(crate) async fn run(arguments: JoinArguments) -> Result<(), Failure> {
    let options = options(&arguments)?;
    let mut call = Call {
        print: arguments.stats,
        stopped: None,
    };
    let mut participant = call.come_in(options).await?;
    let mut events = participant.events();
    let told = call.take_part(&participant, &mut events, &arguments).await;
    // Whatever ended the call: the others see us go, and the recording is finished.
    let ended = participant.leave().await.map_err(failure);
    let told = told.and(call.note_the_rest(&mut events).await);
    ended.and(told).and(call.stopped.map_or(Ok(()), Err))
}

/// Opens what is asked for before anything is dialled: a bad file costs nobody a connection.
fn options(arguments: &JoinArguments) -> Result<JoinOptions, Failure> {
    let name = DisplayName::parse(&arguments.name)
        .map_err(|error| Failure::new(Exit::Usage, error, Some("Use another --name.".into())))?;
    let known_hosts = data_dir(arguments.data.clone()).join("known_hosts");
    let mut options = JoinOptions::new(arguments.link.clone(), name, known_hosts);
    options.video = arguments.camera.open(arguments.size).map_err(bad_input)?;
    options.audio = arguments.microphone.open().map_err(bad_input)?;
    options.record = arguments.record.clone();
    options.decode = arguments.stats;
    options.video_bitrate_bps = arguments.bitrate;
    Ok(options)
}

/// A call as far as the command line follows it.
struct Call {
    /// Whether events and statistics are printed.
    print: bool,
    /// What stopped while the call went on.
    stopped: Option<Failure>,
}

#[derive(Serialize)]
struct StatsLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    at_ms: u64,
    #[serde(flatten)]
    stats: &'a Stats,
}

/// Somebody has to let us in.
#[derive(Serialize)]
struct WaitingLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    at_ms: u64,
    host_name: Option<&'a str>,
}

impl Call {
    /// Joins; while somebody has to let us in, says that it waits.
    async fn come_in(&self, mut options: JoinOptions) -> Result<Participant, Failure> {
        let (rules, mut told) = watch::channel(RoomState::default());
        options.rules = Some(rules);
        let joining = Participant::join(options);
        tokio::pin!(joining);
        loop {
            tokio::select! {
                joined = &mut joining => return joined.map_err(failure),
                Ok(()) = told.changed() => {
                    let rules = told.borrow_and_update().clone();
                    if rules.is_waiting {
                        self.print_line(&WaitingLine {
                            kind: "waiting",
                            at_ms: now_ms(),
                            host_name: rules.host_name.as_deref(),
                        })?;
                    }
                }
            }
        }
    }

    async fn take_part(
        &mut self,
        participant: &Participant,
        events: &mut mpsc::Receiver<Event>,
        arguments: &JoinArguments,
    ) -> Result<(), Failure> {
        let mut controls = Controls::new(arguments.control);
        let end = sleep_until(Instant::now() + arguments.duration.unwrap_or(DURATION_MAX));
        let stopped = stop_asked();
        tokio::pin!(end, stopped);
        let mut tick = interval(STATS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                () = &mut end => Next::End,
                result = &mut stopped => { result.map_err(Failure::unexpected)?; Next::End }
                control = controls.next() => Next::Control(control),
                event = events.recv() => event.map_or(Next::End, Next::Event),
                _ = tick.tick() => Next::Tick,
            };
            match next {
                Next::End | Next::Control(Control::Leave) => return Ok(()),
                Next::Control(control) => obey(participant, arguments, control).await?,
                Next::Event(event) => self.note(&event)?,
                Next::Tick => self.print_stats(&participant.stats())?,
            }
        }
    }

    /// Prints what happened while the participant left.
    async fn note_the_rest(&mut self, events: &mut mpsc::Receiver<Event>) -> Result<(), Failure> {
        while let Some(event) = events.recv().await {
            self.note(&event)?;
        }
        Ok(())
    }

    /// Prints an event, and keeps what stopped on its own for the end.
    fn note(&mut self, event: &Event) -> Result<(), Failure> {
        let exit = match &event.what {
            Happening::RecordingStopped { message, hint, .. } => {
                Some((Exit::BadOutput, message, Some(hint.clone())))
            }
            Happening::SourceStopped { message, hint, .. } => {
                Some((Exit::BadInput, message, hint.clone()))
            }
            _ => None,
        };
        if let Some((exit, message, hint)) = exit {
            self.stopped = Some(Failure::new(exit, message, hint));
        }
        self.print_line(event)
    }

    fn print_stats(&self, stats: &Stats) -> Result<(), Failure> {
        self.print_line(&StatsLine {
            kind: "stats",
            at_ms: now_ms(),
            stats,
        })
    }

    fn print_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.print {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(Failure::unexpected)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(Failure::unexpected)
    }
}

/// Milliseconds since the Unix epoch; 0 for a clock before it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What woke the call up.
enum Next {
    End,
    Control(Control),
    Event(Event),
    Tick,
}

/// Does what a line of standard input says.
async fn obey(
    participant: &Participant,
    arguments: &JoinArguments,
    control: Control,
) -> Result<(), Failure> {
    match control {
        Control::Camera(on) => {
            let source = if on {
                arguments.camera.open(arguments.size)
            } else {
                Ok(None)
            };
            participant
                .set_camera(source.map_err(bad_input)?)
                .await
                .map_err(failure)
        }
        Control::Microphone(on) => {
            let source = if on {
                arguments.microphone.open()
            } else {
                Ok(None)
            };
            participant
                .set_microphone(source.map_err(bad_input)?)
                .await
                .map_err(failure)
        }
        Control::Ask(ask) => participant.moderate(ask).map_err(failure),
        Control::Hand(is_up) => participant.raise_hand(is_up).map_err(failure),
        Control::React(reaction) => participant.react(reaction).map_err(failure),
        Control::Say(text) => participant.say(text).map_err(failure),
        Control::Leave => Ok(()),
    }
}

fn bad_input(error: snug_media::Error) -> Failure {
    Failure::new(Exit::BadInput, &error, Some(error.hint().to_owned()))
}

fn failure(error: snug_client::Error) -> Failure {
    Failure::new(exit_of(error.kind()), &error, Some(error.hint()))
}

/// Says which exit code belongs to what a participant could not do.
fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::NotReached => Exit::NotReached,
        ErrorKind::Trust => Exit::NotTrusted,
        ErrorKind::Refused => Exit::Refused,
        ErrorKind::Input => Exit::BadInput,
        ErrorKind::Recording => Exit::BadOutput,
        ErrorKind::NotSnug => Exit::NotARoomServer,
        ErrorKind::Lost => Exit::ConnectionLost,
        _ => Exit::Unexpected,
    }
}
