//! What happens by itself: jobs that are done, news of calls and devices, time that passes.

use snug_client::{Event, Happening, Kind, remember_verified};
use snug_media::error::{DeviceProblem, InputRole};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Chime, Done, News, Owner, PREVIEW_LINGERS, Place};
use crate::bridge::call::{self, COMMAND_LANE, Report};
use crate::bridge::enter::{Entered, KNOWN_HOSTS};
use crate::bridge::problem::{of_media, problem};
use crate::bridge::room::Room;
use crate::ipc::{Notice, Problem, ProblemDetails, Watching};
use crate::tiles::OWN_TILE;

/// Ends of a call that are no failure: the person hears of them and needs to do nothing.
const PLAIN_ENDS: &[&str] = &["room_closed", "removed", "host_ended", "turned_away"];

impl Owner {
    pub(super) fn note_done(&mut self, done: Done) {
        match done {
            Done::Entered(number, result) => self.note_entered(number, *result),
            Done::Left(call) => {
                self.calls.remove(&call);
                self.call_count.send_replace(self.calls.len());
                self.camera.capture.call_ended(call);
                self.microphone.capture.call_ended(call);
            }
            Done::CameraOpened(result) => self.camera.capture.opened(result),
            Done::CameraStopped(source) => self.camera.capture.stopped(source),
            Done::MicrophoneOpened(result) => self.microphone.capture.opened(result),
            Done::MicrophoneStopped(source) => self.microphone.capture.stopped(source),
            Done::SpeakerOpened(result) => self.speaker.capture.opened(result),
            Done::SpeakerStopped => self.speaker.capture.stopped(None),
            Done::Verified(Ok(())) => {}
            Done::Verified(Err(error)) => {
                tracing::warn!(%error, "a verified key cannot be remembered");
                let message = "That the words match could not be saved. Compare them next time.";
                self.notify("words_not_saved", message, ProblemDetails::default());
            }
            Done::Chimed => self.chime = Chime::Silent,
            Done::Saved(result) => {
                self.is_saving = false;
                if let Err(error) = result {
                    tracing::warn!(%error, "settings cannot be saved");
                }
            }
        }
    }

    fn note_entered(&mut self, number: u64, result: Result<Entered, Problem>) {
        let is_present = matches!(&self.place, Place::Joining(attempt) if attempt.number == number);
        match result {
            Ok(entered) if is_present => self.go_in(number, entered),
            // Cancelled in the same moment: says goodbye and is gone.
            Ok(entered) => drop(self.start_call(number, entered)),
            Err(problem) if is_present => {
                tracing::info!(code = problem.code, "a room was not entered");
                self.place = Place::Home;
                self.problem = Some(problem);
            }
            Err(_) => {}
        }
    }

    fn go_in(&mut self, number: u64, entered: Entered) {
        tracing::info!(is_host = entered.hosting.is_some(), "entered a room");
        let mut room = self.start_call(number, entered);
        room.is_found = matches!(&self.place, Place::Joining(attempt) if attempt.is_found);
        self.tiles.assign(room.people.tiles().clone());
        self.call_stats.send_replace(Some(room.stats.clone()));
        self.place = Place::Room(Box::new(room));
        self.keep_recent();
        self.is_social_stale = true;
        self.taps.set_in_room(true);
    }

    /// Keeps what joins the room again, by what is known of its key now.
    fn keep_recent(&mut self) {
        if let Place::Room(room) = &self.place
            && !room.is_host
        {
            self.kept.remember(room.recent());
            self.is_dirty = true;
        }
    }

    /// The person compared the words of the host's key: from now on it counts as verified,
    /// wherever that host is met.
    pub(super) fn words_match(&mut self) {
        let Place::Room(room) = &mut self.place else {
            return;
        };
        let Some(pin) = room.pin.filter(|_| !room.is_host) else {
            return;
        };
        room.is_pinned = true;
        self.keep_recent();
        let file = self.kept.folder.join(KNOWN_HOSTS);
        self.jobs
            .spawn_blocking(move || Done::Verified(remember_verified(&file, pin)));
    }

    /// Starts the task of a call. The call is left when the returned room is dropped.
    fn start_call(&mut self, number: u64, entered: Entered) -> Room {
        let (commands, asked) = mpsc::channel(COMMAND_LANE);
        let lanes = (entered.events, entered.stats);
        let is_host = entered.hosting.is_some();
        let room = Room::new(
            number,
            entered.link,
            &entered.links,
            is_host,
            lanes,
            entered.participant.watch_social(),
            commands,
        );
        let newsroom = self.newsroom.clone();
        let report = async move |report| {
            // The bridge is gone: the call is about to be left.
            drop(newsroom.send(News::Call(number, report)).await);
        };
        let (participant, hosting) = (entered.participant, entered.hosting);
        self.jobs.spawn(async move {
            call::run(participant, hosting, entered.muted, asked, report).await;
            Done::Left(number)
        });
        self.calls.insert(number);
        self.call_count.send_replace(self.calls.len());
        room
    }

    pub(super) fn note_report(&mut self, call: u64, report: Report) {
        match report {
            Report::Camera(result) => self.camera.capture.published(call, result),
            Report::Microphone(result) => self.microphone.capture.published(call, result),
        }
    }

    /// A preview ended by itself.
    pub(super) fn note_ended(&mut self, role: InputRole, error: Option<&snug_media::Error>) {
        let unplugged = matches!(
            error,
            Some(snug_media::Error::Device {
                problem: DeviceProblem::Unplugged,
                ..
            })
        );
        let problem = error.map_or_else(ended, |error| of_media(error, None));
        self.note_stopped(role, problem, unplugged);
    }

    pub(super) fn note_event(&mut self, event: Option<Event>) {
        let Place::Room(room) = &mut self.place else {
            return;
        };
        match event.map(|event| event.what) {
            Some(Happening::Joined { peer_id, key, pin }) => {
                room.note_me(peer_id);
                room.note_key(key, pin.as_deref());
                self.is_social_stale = true;
                self.keep_recent();
            }
            Some(Happening::Rules { rules }) => self.note_rules(*rules),
            Some(Happening::SourceStopped {
                kind,
                code,
                message,
                hint,
            }) => {
                let role = match kind {
                    Kind::Video => InputRole::Camera,
                    Kind::Audio => InputRole::Microphone,
                };
                let unplugged = code.ends_with("_unplugged");
                let problem = problem(&code, message, hint.unwrap_or_default());
                self.note_stopped(role, problem, unplugged);
            }
            Some(Happening::Failed {
                code,
                message,
                hint,
            }) => self.note_failed(problem(&code, message, hint)),
            Some(Happening::Left) | None => {
                let what = "The call ended.";
                self.note_failed(problem("connection_lost", what, "Join again."));
            }
            Some(_) => {}
        }
    }

    /// A camera or microphone stopped by itself.
    fn note_stopped(&mut self, role: InputRole, problem: Problem, unplugged: bool) {
        tracing::info!(code = problem.code, "a device stopped by itself");
        match role {
            InputRole::Camera => {
                if unplugged {
                    self.camera.unplugged();
                }
                self.camera.capture.ended(problem);
            }
            InputRole::Speaker => {
                if unplugged {
                    self.speaker.unplugged();
                }
                self.speaker.capture.ended(problem);
            }
            InputRole::Microphone => {
                if unplugged {
                    self.microphone.unplugged();
                }
                self.microphone.capture.ended(problem);
            }
        }
        self.learn_devices();
    }

    /// The call is over without being asked to end.
    fn note_failed(&mut self, problem: Problem) {
        let Place::Room(room) = &self.place else {
            return;
        };
        tracing::info!(code = problem.code, "a call ended");
        let details = ProblemDetails {
            room: Some(room.link.room.to_string()),
            host: (!room.is_host).then(|| room.link.authority()),
            link: (!room.is_host).then(|| room.link.to_string()),
            ..ProblemDetails::default()
        };
        self.go_home();
        if PLAIN_ENDS.contains(&problem.code.as_str()) {
            self.notify(&problem.code, problem.message, details);
        } else {
            let details = Box::new(details);
            self.problem = Some(Problem { details, ..problem });
        }
    }

    pub(super) fn note_stats(&mut self) {
        let Place::Room(room) = &mut self.place else {
            return;
        };
        if room.update() {
            self.tiles.assign(room.people.tiles().clone());
        }
        self.tiles.levels().set_people(room.people.levels());
        self.check_speaker();
    }

    /// A speaker says nothing of itself when it is lost: it is asked while it is used.
    pub(super) fn check_speaker(&mut self) {
        let Err(error) = self.ears.check() else {
            return;
        };
        let lost = self.ears.take();
        self.jobs.spawn_blocking(move || {
            drop(lost);
            Done::SpeakerStopped
        });
        self.note_ended(InputRole::Speaker, Some(&error));
    }

    /// Devices came or went.
    pub(super) fn note_devices(&mut self) {
        let lists = self.devices.borrow_and_update().clone();
        if let Some(lists) = &lists {
            self.camera.forget_gone(&lists.cameras);
            self.microphone.forget_gone(&lists.microphones);
            self.speaker.forget_gone(&lists.speakers);
        }
        self.lists = lists;
        self.learn_devices();
    }

    pub(super) fn note_watching(&mut self) {
        let watching = self.running.watching.borrow_and_update().clone();
        let old = std::mem::replace(&mut self.watching, watching);
        let lingers = Some(Instant::now() + PREVIEW_LINGERS);
        if has_own(&self.watching) {
            self.picture_until = None;
        } else if has_own(&old) {
            self.picture_until = lingers;
        }
        if self.watching.levels {
            self.sound_until = None;
        } else if old.levels {
            self.sound_until = lingers;
        }
    }

    pub(super) fn note_time(&mut self, now: Instant) {
        self.picture_until.take_if(|until| *until <= now);
        if self.sound_until.take_if(|until| *until <= now).is_some() {
            // Nobody looks any more: they do not hear themselves from a hidden window.
            self.set_listening(false);
        }
    }

    /// Whether one's own picture is looked at, or was a moment ago.
    pub(super) fn is_picture_wanted(&self) -> bool {
        has_own(&self.watching) || self.picture_until.is_some()
    }

    /// Whether one's own loudness is, or one's own voice.
    pub(super) fn is_sound_wanted(&self) -> bool {
        self.watching.levels || self.sound_until.is_some() || self.is_listening
    }

    /// Shows news.
    pub(super) fn notify(
        &mut self,
        code: &str,
        message: impl Into<String>,
        details: ProblemDetails,
    ) {
        self.notice_count += 1;
        self.notice = Some(Notice {
            number: self.notice_count,
            code: code.to_owned(),
            message: message.into(),
            details,
        });
    }

    pub(super) fn notify_of_damage(&mut self) {
        let message = "Your settings could not be read and start afresh. \
                       The damaged file is kept beside the new one.";
        self.notify("settings_damaged", message, ProblemDetails::default());
    }
}

fn has_own(watching: &Watching) -> bool {
    watching.tiles.iter().any(|tile| tile.tile == OWN_TILE)
}

fn ended() -> Problem {
    problem("source_ended", "It came to its end.", "Choose another one.")
}
