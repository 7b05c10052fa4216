//! A call from coming in to having left: the one task that talks to the participant.

use std::time::Duration;

use snug_client::{Participant, Watched};
use snug_media::{AudioSource, BLOCK_SAMPLES, CapturedFrame, VideoSource};
use snug_protocol::{Ask, PeerId, Reaction, TrackId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::enter::Hosting;
use super::problem::{of_media, problem};
use super::sources::{Picture, Sound};
use crate::ipc::Problem;

/// Requests that may wait for the participant: switches that are flicked faster than they work.
pub(crate) const COMMAND_LANE: usize = 16;

/// The longest a host's goodbye to everybody may take.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// How long a device may take to be free: a camera may need a second for its last picture.
const FREE_WITHIN: Duration = Duration::from_millis(1_500);

/// What is asked of a call. It is left when nobody can ask any more.
pub(crate) enum Command {
    /// Show this, or nothing; answered by [`Report::Camera`].
    Camera(Option<Picture>),
    /// Let this be heard, or nothing; answered by [`Report::Microphone`].
    Microphone(Option<Sound>),
    /// Hand out these pictures.
    Watch(Vec<Watched>),
    /// Ask for a keyframe.
    Refresh(TrackId),
    /// Ask about roles and rules.
    Moderate(Ask),
    /// Say this in the chat.
    Say(String),
    /// Raise the hand, or lower it.
    Hand(bool),
    /// Take somebody's hand down.
    LowerHand(PeerId),
    /// Show a reaction.
    React(Reaction),
}

/// What a call answers.
#[derive(Debug)]
pub(crate) enum Report {
    /// The camera was taken, or let go and is free.
    Camera(Result<(), Problem>),
    /// The microphone was.
    Microphone(Result<(), Problem>),
}

/// Serves a call until its owner drops `commands`, then leaves, and ends the room where it is
/// hosted here. `report` must take every report.
pub(crate) async fn run(
    participant: Participant,
    hosting: Option<Hosting>,
    muted: bool,
    mut commands: mpsc::Receiver<Command>,
    report: impl AsyncFn(Report),
) {
    if muted && let Err(error) = participant.set_microphone(None).await {
        tracing::warn!(%error, "the microphone is not shown as muted");
    }
    let (mut camera, mut microphone) = (CancellationToken::new(), CancellationToken::new());
    // Nothing is held by this call yet.
    camera.cancel();
    microphone.cancel();
    // Devices that are about to be free: at most one of each kind.
    let mut freeing = JoinSet::new();
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            Some(freed) = freeing.join_next() => {
                if let Ok(freed) = freed {
                    report(freed).await;
                }
                continue;
            }
        };
        match command {
            None => break,
            Some(Command::Camera(source)) => {
                let is_on = source.is_some();
                let source = source.map(|it| Box::new(Guarded::new(it, &mut camera)) as Picture);
                let result = participant.set_camera(source).await;
                let answer = Report::Camera(result.map_err(|it| refused(&it)));
                freeing.spawn(once_free((!is_on).then(|| camera.clone()), answer));
            }
            Some(Command::Microphone(source)) => {
                let is_on = source.is_some();
                let source = source.map(|it| Box::new(Guarded::new(it, &mut microphone)) as Sound);
                let result = participant.set_microphone(source).await;
                let answer = Report::Microphone(result.map_err(|it| refused(&it)));
                freeing.spawn(once_free((!is_on).then(|| microphone.clone()), answer));
            }
            Some(Command::Watch(watched)) => note(participant.watch(watched)),
            Some(Command::Moderate(ask)) => note(participant.moderate(ask)),
            Some(Command::Refresh(track)) => note(participant.want_keyframe(&track)),
            Some(Command::Say(text)) => note(participant.say(text)),
            Some(Command::Hand(is_up)) => note(participant.raise_hand(is_up)),
            Some(Command::LowerHand(whose)) => note(participant.lower_hand(&whose)),
            Some(Command::React(reaction)) => note(participant.react(reaction)),
        }
    }
    if let Some(hosting) = &hosting {
        // Guests hear that the room is closed; those who do not, notice soon after.
        drop(timeout(CLOSE_WITHIN, hosting.close()).await);
    }
    if let Err(error) = participant.leave().await {
        tracing::info!(code = error.code(), "left a call that had ended already");
    }
    if let Some(hosting) = hosting {
        hosting.stop().await;
    }
}

/// A source that tells when it is dropped, and with it its device free: opened again before that
/// a camera would count as taken by somebody else.
struct Guarded<S> {
    source: S,
    // After the source: fields are dropped in this order.
    _freed: DropGuard,
}

impl<S> Guarded<S> {
    /// Puts into `freed` what will be cancelled.
    fn new(source: S, freed: &mut CancellationToken) -> Self {
        *freed = CancellationToken::new();
        let guard = freed.clone().drop_guard();
        Self {
            source,
            _freed: guard,
        }
    }
}

impl VideoSource for Guarded<Picture> {
    fn size(&self) -> (u32, u32) {
        self.source.size()
    }

    fn frame_interval(&self) -> Duration {
        self.source.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, snug_media::Error> {
        self.source.next_frame()
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }
}

impl AudioSource for Guarded<Sound> {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), snug_media::Error> {
        self.source.read(out)
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }
}

/// Gives the answer, once `freed` where there is something to wait for.
async fn once_free(freed: Option<CancellationToken>, answer: Report) -> Report {
    if let (Some(freed), Report::Camera(Ok(())) | Report::Microphone(Ok(()))) = (freed, &answer)
        && timeout(FREE_WITHIN, freed.cancelled()).await.is_err()
    {
        tracing::warn!("a device takes long to be free");
    }
    answer
}

fn note(result: Result<(), snug_client::Error>) {
    if let Err(error) = result {
        tracing::debug!(code = error.code(), "the call does not take a request");
    }
}

fn refused(error: &snug_client::Error) -> Problem {
    match error {
        snug_client::Error::Media(error) => of_media(error, None),
        _ => problem(error.code(), error.to_string(), error.hint()),
    }
}
