//! Brings camera, microphone and files to where they should be, step by step.

use snug_media::error::InputRole;
use snug_media::monitor::{AudioMonitor, VideoMonitor};

use super::{Chime, Done, News, Owner, Place};
use crate::bridge::call::Command;
use crate::bridge::capture::{Goal, Opened, Step};
use crate::bridge::choose::Choice;
use crate::bridge::devices::Replaced;
use crate::bridge::problem::{busy, of_media, problem};
use crate::bridge::sources::{
    Picture, Playback, Sound, open_camera, open_microphone, open_speaker,
};
use crate::ipc::{Problem, ProblemDetails};

impl Owner {
    /// Starts whatever there is to do. Called after everything that happens.
    pub(super) fn settle(&mut self) {
        self.settle_camera();
        self.settle_microphone();
        self.settle_speaker();
        let is_home = matches!(self.place, Place::Home) && self.ending.is_none();
        self.nearby.settle(is_home);
        let runs = self.microphone.capture.is_running();
        self.tiles.levels().set_mine_runs(runs);
        if let Place::Room(room) = &mut self.place {
            room.watch(&self.watching);
        }
        if self.is_dirty && !self.is_saving {
            (self.is_dirty, self.is_saving) = (false, true);
            let kept = self.kept.clone();
            self.jobs.spawn_blocking(move || Done::Saved(kept.save()));
        }
    }

    /// Learns which devices are meant, after a choice or after devices came or went.
    pub(super) fn learn_devices(&mut self) {
        let (settings, lists) = (&self.kept.settings, self.lists.as_ref());
        let (camera, microphone) = (
            Choice::from(&settings.camera),
            Choice::from(&settings.microphone),
        );
        let camera = self
            .camera
            .learn(&camera, lists.map(|it| it.cameras.as_slice()));
        let microphone = self
            .microphone
            .learn(&microphone, lists.map(|it| it.microphones.as_slice()));
        let speaker = Choice::from(&settings.speaker);
        let speaker = self
            .speaker
            .learn(&speaker, lists.map(|it| it.speakers.as_slice()));
        self.notify_of_replaced("speaker_unplugged", speaker);
        self.notify_of_replaced("camera_unplugged", camera);
        self.notify_of_replaced("microphone_unplugged", microphone);
    }

    fn notify_of_replaced(&mut self, code: &str, replaced: Option<Replaced>) {
        // Outside a room the pickers show it well enough.
        let (Some(replaced), Place::Room(_)) = (replaced, &self.place) else {
            return;
        };
        let message = match &replaced.instead {
            Some(instead) => format!("{} was unplugged. Using {instead}.", replaced.device),
            None => format!("{} was unplugged.", replaced.device),
        };
        let details = ProblemDetails {
            device: Some(replaced.device),
            instead: replaced.instead,
            ..ProblemDetails::default()
        };
        self.notify(code, message, details);
    }

    /// Where something that is on should be, when it is wanted for a preview or not.
    fn goal(&self, is_on: bool, is_wanted: bool, is_held: bool) -> Goal {
        match &self.place {
            _ if !is_on || self.ending.is_some() => Goal::Off,
            Place::Room(room) if room.capture_is_stopped() => Goal::Off,
            Place::Room(_) => Goal::Call,
            // What runs goes on to run, so that it can be taken along.
            Place::Joining(_) if is_held => Goal::Preview,
            Place::Home | Place::Joining(_) if is_wanted => Goal::Preview,
            Place::Home | Place::Joining(_) => Goal::Off,
        }
    }

    fn present_call(&self) -> Option<u64> {
        match &self.place {
            Place::Room(room) => Some(room.number),
            Place::Home | Place::Joining(_) => None,
        }
    }

    fn settle_camera(&mut self) {
        let is_on = self.kept.settings.camera_on;
        let is_held = self.camera.capture.is_held();
        let goal = self.goal(is_on, self.is_picture_wanted(), is_held);
        let call = self.present_call();
        while let Some(step) = self.camera.next(goal, call) {
            self.step_camera(step);
        }
    }

    fn step_camera(&mut self, step: Step<Picture, VideoMonitor>) {
        match step {
            Step::Open(input) => {
                let taps = self.taps.clone();
                self.jobs.spawn(async move {
                    Done::CameraOpened(opened(move || open_camera(&input, &taps)).await)
                });
            }
            Step::Monitor(source) => {
                let newsroom = self.newsroom.clone();
                let ended = move |error| tell_end(&newsroom, InputRole::Camera, error);
                let monitor = VideoMonitor::start(source, ended);
                let monitor = monitor.map_err(|error| of_media(&error, None));
                self.camera.capture.monitored(monitor);
            }
            Step::Stop { monitor, keep } => {
                let stop = move || Done::CameraStopped(monitor.stop().filter(|_| keep));
                self.jobs.spawn_blocking(stop);
            }
            Step::Free(source) => {
                self.jobs.spawn_blocking(move || {
                    drop(source);
                    Done::CameraStopped(None)
                });
            }
            Step::Publish(source) => {
                let sent = self.command(Command::Camera(Some(source)));
                self.note_sent(InputRole::Camera, sent);
            }
            Step::Withdraw => {
                let sent = self.command(Command::Camera(None));
                self.note_sent(InputRole::Camera, sent);
            }
        }
    }

    fn settle_microphone(&mut self) {
        let is_on = self.kept.settings.microphone_on;
        let is_held = self.microphone.capture.is_held();
        let goal = self.goal(is_on, self.is_sound_wanted(), is_held);
        let call = self.present_call();
        while let Some(step) = self.microphone.next(goal, call) {
            self.step_microphone(step);
        }
    }

    fn step_microphone(&mut self, step: Step<Sound, AudioMonitor>) {
        match step {
            Step::Open(input) => {
                let taps = self.taps.clone();
                self.jobs.spawn(async move {
                    Done::MicrophoneOpened(opened(move || open_microphone(&input, &taps)).await)
                });
            }
            Step::Monitor(source) => {
                let newsroom = self.newsroom.clone();
                let ended = move |error| tell_end(&newsroom, InputRole::Microphone, error);
                let monitor = AudioMonitor::start(source, ended);
                let monitor = monitor.map_err(|error| of_media(&error, None));
                self.microphone.capture.monitored(monitor);
            }
            Step::Stop { monitor, keep } => {
                let stop = move || Done::MicrophoneStopped(monitor.stop().filter(|_| keep));
                self.jobs.spawn_blocking(stop);
            }
            Step::Free(source) => {
                self.jobs.spawn_blocking(move || {
                    drop(source);
                    Done::MicrophoneStopped(None)
                });
            }
            Step::Publish(source) => {
                let sent = self.command(Command::Microphone(Some(source)));
                self.note_sent(InputRole::Microphone, sent);
            }
            Step::Withdraw => {
                let sent = self.command(Command::Microphone(None));
                self.note_sent(InputRole::Microphone, sent);
            }
        }
    }

    /// The speaker is open while there is anything to hear.
    fn settle_speaker(&mut self) {
        let is_wanted = match &self.place {
            _ if self.ending.is_some() => false,
            Place::Room(_) => true,
            Place::Home | Place::Joining(_) => self.is_listening || self.chime != Chime::Silent,
        };
        let goal = if is_wanted { Goal::Preview } else { Goal::Off };
        while let Some(step) = self.speaker.next(goal, None) {
            self.step_speaker(step);
        }
        match (self.chime, self.speaker.capture.is_running()) {
            (Chime::Wanted, true) => {
                self.chime = Chime::Sounding;
                let ears = self.ears.clone();
                self.jobs.spawn(async move {
                    ears.chime().await;
                    Done::Chimed
                });
            }
            (Chime::Wanted, false) if self.speaker.is_out_of_reach() => self.chime = Chime::Silent,
            _ => {}
        }
    }

    fn step_speaker(&mut self, step: Step<Playback, ()>) {
        match step {
            Step::Open(input) => {
                self.jobs.spawn(async move {
                    Done::SpeakerOpened(opened(move || open_speaker(&input)).await)
                });
            }
            Step::Monitor(speaker) => {
                let before = self.ears.put(speaker);
                self.speaker.capture.monitored(Ok(()));
                debug_assert!(before.is_none(), "one speaker at a time");
            }
            Step::Stop { .. } => {
                let speaker = self.ears.take();
                self.free_speaker(speaker);
            }
            Step::Free(speaker) => self.free_speaker(Some(speaker)),
            Step::Publish(_) | Step::Withdraw => {
                debug_assert!(false, "a speaker is never part of a call");
            }
        }
    }

    /// Closes a speaker where waiting is fine.
    fn free_speaker(&mut self, speaker: Option<Playback>) {
        self.jobs.spawn_blocking(move || {
            drop(speaker);
            Done::SpeakerStopped
        });
    }

    /// Passes a command on to the present call.
    fn command(&self, command: Command) -> Result<(), Problem> {
        match &self.place {
            Place::Room(room) => room.commands.try_send(command).map_err(|_| busy()),
            Place::Home | Place::Joining(_) => Err(busy()),
        }
    }

    /// A command that the call does not take is as good as refused by it.
    fn note_sent(&mut self, role: InputRole, sent: Result<(), Problem>) {
        let (Err(problem), Some(call)) = (sent, self.present_call()) else {
            return;
        };
        match role {
            InputRole::Camera => self.camera.capture.published(call, Err(problem)),
            _ => self.microphone.capture.published(call, Err(problem)),
        }
    }
}

/// Opens a device on a thread that may wait. A panic there is a device that does not open.
async fn opened<S: Send + 'static>(
    open: impl FnOnce() -> Result<Opened<S>, Problem> + Send + 'static,
) -> Result<Opened<S>, Problem> {
    let result = tokio::task::spawn_blocking(open).await;
    result.unwrap_or_else(|error| {
        tracing::error!(%error, "a device was not opened");
        let hint = "Try again; if it stays, report it with the log.";
        Err(problem(
            "internal",
            "Something went wrong inside Snug.",
            hint,
        ))
    })
}

fn tell_end(
    newsroom: &tokio::sync::mpsc::Sender<News>,
    role: InputRole,
    error: Option<snug_media::Error>,
) {
    if newsroom.try_send(News::Ended(role, error)).is_err() {
        tracing::warn!("the end of a preview is not heard of");
    }
}
