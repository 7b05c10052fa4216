//! A call from coming in to having left: the one task that talks to the participant.

use std::time::Duration;

use snug_client::{Participant, Watched};
use snug_protocol::TrackId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::enter::Hosting;
use super::problem::{of_media, problem};
use super::sources::{Picture, Sound};
use crate::ipc::Problem;

/// Requests that may wait for the participant: switches that are flicked faster than they work.
pub(crate) const COMMAND_LANE: usize = 16;

/// The longest a host's goodbye to everybody may take.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

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
}

/// What a call answers.
#[derive(Debug)]
pub(crate) enum Report {
    /// The camera was taken or let go.
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
    while let Some(command) = commands.recv().await {
        match command {
            Command::Camera(source) => {
                let result = participant.set_camera(source).await;
                report(Report::Camera(result.map_err(|it| refused(&it)))).await;
            }
            Command::Microphone(source) => {
                let result = participant.set_microphone(source).await;
                report(Report::Microphone(result.map_err(|it| refused(&it)))).await;
            }
            Command::Watch(watched) => note(participant.watch(watched)),
            Command::Refresh(track) => note(participant.want_keyframe(&track)),
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
