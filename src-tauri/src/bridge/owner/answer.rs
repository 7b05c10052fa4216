//! What the page asks for, one request after the other.

use snug_protocol::{DisplayName, Link, Medium, RoomName, RoomState};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Attempt, Chime, Done, END_WITHIN, Owner, Place};
use crate::bridge::call::Command;
use crate::bridge::enter::{Plan, Target, enter};
use crate::bridge::problem::{bad_text, busy, in_a_room, name_needed};
use crate::bridge::social::said;
use crate::bridge::{Outward, Request};
use crate::ipc::{Problem, ProblemDetails};
use crate::settings::Settings;

impl Owner {
    /// Does what is asked, or says why not.
    pub(super) fn answer(&mut self, request: Request) -> Result<(), Problem> {
        match request {
            Request::SetName(name) => return self.set_name(&name),
            Request::HostRoom(name) => return self.host_room(&name),
            Request::JoinRoom(text) => return self.join_room(&text),
            Request::JoinFound(link) => return self.join_found(&link),
            Request::LookAgain => self.nearby.look_again(),
            Request::OpenLink(link) => self.open_link(&link),
            Request::CancelJoining => self.cancel_joining(),
            Request::DismissProblem => self.problem = None,
            Request::DismissNotice(number) => {
                self.notice.take_if(|notice| notice.number == number);
            }
            Request::WordsMatch => self.words_match(),
            Request::LeaveRoom => self.go_home(),
            Request::Moderate(action) => return self.moderate(action),
            Request::Say(text) => return self.ask_call(Command::Say(text)),
            Request::RaiseHand(is_up) => return self.ask_call(Command::Hand(is_up)),
            Request::LowerHand(person) => return self.lower_hand(&person),
            Request::React(reaction) => return self.ask_call(Command::React(said(reaction))),
            Request::SetCameraOn(on) => {
                self.resume(Medium::Video, on);
                self.camera.retry();
                self.set(|settings| settings.camera_on = on);
            }
            Request::SetMicrophoneOn(on) => {
                self.resume(Medium::Audio, on);
                self.microphone.retry();
                self.set(|settings| settings.microphone_on = on);
            }
            Request::ChooseCamera(choice) => {
                self.camera.retry();
                self.set(|settings| settings.camera = choice);
            }
            Request::ChooseMicrophone(choice) => {
                self.microphone.retry();
                self.set(|settings| settings.microphone = choice);
            }
            Request::ChooseSpeaker(id) => {
                self.speaker.retry();
                self.set(|settings| settings.speaker = id);
            }
            Request::SetListening(on) => self.set_listening(on),
            Request::TestSpeaker => self.test_speaker(),
            Request::SetMirror(mirror) => self.set(|settings| settings.mirror = mirror),
            Request::SetAppearance(to) => self.set(|settings| settings.appearance = to),
            Request::SetLanguage(to) => self.set(|settings| settings.language = to),
            Request::SetGraphics(to) => self.set(|settings| settings.graphics = to),
            Request::LinkCopied => {
                self.notify(
                    "link_copied",
                    "The link is copied.",
                    ProblemDetails::default(),
                );
            }
            Request::ForgetRecent(link) => {
                self.kept.recent.retain(|room| room.link != link);
                self.is_dirty = true;
            }
            Request::CloseAsked => self.close_asked(),
            Request::Quit => self.end(),
        }
        Ok(())
    }

    /// Asks something of the call; outside a room nobody could hear it.
    fn ask_call(&self, command: Command) -> Result<(), Problem> {
        match &self.place {
            Place::Room(room) if !room.ask(command) => Err(busy()),
            _ => Ok(()),
        }
    }

    fn lower_hand(&self, person: &str) -> Result<(), Problem> {
        match person.parse() {
            Ok(whose) => self.ask_call(Command::LowerHand(whose)),
            Err(error) => Err(bad_text("bad_person", &error)),
        }
    }

    /// Changes a setting, and what follows from it.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.kept.settings);
        self.is_dirty = true;
        self.learn_devices();
    }

    /// Lets the person hear themselves: at home only, in a room the others do.
    pub(super) fn set_listening(&mut self, on: bool) {
        self.is_listening = on && matches!(self.place, Place::Home);
        self.taps.set_listening(self.is_listening);
        if on {
            self.microphone.retry();
            self.speaker.retry();
        }
    }

    fn test_speaker(&mut self) {
        self.speaker.retry();
        if self.chime == Chime::Silent {
            self.chime = Chime::Wanted;
        }
    }

    fn set_name(&mut self, name: &str) -> Result<(), Problem> {
        let name = name.trim();
        if !name.is_empty() {
            DisplayName::parse(name).map_err(|error| bad_text("bad_name", &error))?;
        }
        self.set(|settings| name.clone_into(&mut settings.name));
        Ok(())
    }

    fn host_room(&mut self, name: &str) -> Result<(), Problem> {
        let room = RoomName::parse(name).map_err(|error| bad_text("bad_room", &error))?;
        self.enter(Target::Host(room, self.port), false)
    }

    fn join_room(&mut self, text: &str) -> Result<(), Problem> {
        let text = text.trim();
        let known = self.kept.recent.iter().find(|it| it.room == text);
        let link = known.map_or(text, |room| &room.link);
        let link: Link = link.parse().map_err(|error| bad_text("bad_link", &error))?;
        self.enter(Target::Guest(link), false)
    }

    fn join_found(&mut self, link: &str) -> Result<(), Problem> {
        let link: Link = link.parse().map_err(|error| bad_text("bad_link", &error))?;
        self.enter(Target::Guest(link), true)
    }

    /// Joins by a link from outside the page: its problems are shown, nobody else hears them.
    pub(super) fn open_link(&mut self, link: &str) {
        if let Err(problem) = self.join_room(link) {
            match self.place {
                Place::Home => self.problem = Some(problem),
                Place::Joining(_) | Place::Room(_) => {
                    self.notify(&problem.code, problem.message, *problem.details);
                }
            }
        }
    }

    fn enter(&mut self, target: Target, is_found: bool) -> Result<(), Problem> {
        let (room, link) = match &target {
            Target::Guest(link) => (link.room.to_string(), Some(link.clone())),
            Target::Host(room, _) => (room.to_string(), None),
        };
        if !matches!(self.place, Place::Home) || self.ending.is_some() {
            return Err(in_a_room(link.as_ref()));
        }
        if self.kept.settings.name.is_empty() {
            return Err(name_needed(link.as_ref()));
        }
        let name = DisplayName::parse(&self.kept.settings.name);
        let name = name.map_err(|error| bad_text("bad_name", &error))?;
        self.problem = None;
        self.set_listening(false);
        let (follow, steps) = watch::channel(snug_client::JoinStep::ReachingHost);
        let (follow_rules, rules) = watch::channel(RoomState::default());
        let plan = Plan {
            target,
            name,
            data: self.kept.folder.clone(),
            is_told: is_found,
            muted: !self.kept.settings.microphone_on && self.microphone.is_there(),
            calls: self.call_count.subscribe(),
            is_announced: self.nearby.is_allowed(),
            steps: follow,
            rules: follow_rules,
            tiles: self.tiles.clone(),
            ears: self.ears.clone(),
        };
        self.count += 1;
        let number = self.count;
        let job = self
            .jobs
            .spawn(async move { Done::Entered(number, Box::new(enter(plan).await)) });
        self.place = Place::Joining(Attempt {
            number,
            room,
            link,
            is_found,
            steps,
            rules,
            job,
        });
        Ok(())
    }

    pub(super) fn cancel_joining(&mut self) {
        if let Place::Joining(attempt) = &self.place {
            attempt.job.abort();
            self.place = Place::Home;
        }
    }

    /// Leaves the room or stops joining. What was in the call ends behind the page.
    pub(super) fn go_home(&mut self) {
        self.cancel_joining();
        self.place = Place::Home;
        self.taps.set_in_room(false);
        self.tiles.assign(Default::default());
        self.tiles.levels().set_people(Default::default());
    }

    fn close_asked(&mut self) {
        if matches!(self.place, Place::Room(_)) {
            self.tell_window(Outward::AskToClose);
        } else {
            self.end();
        }
    }

    /// Ends the program: at once for the eyes, soon for the rest.
    pub(super) fn end(&mut self) {
        if self.ending.is_none() {
            self.tell_window(Outward::Hide);
            self.go_home();
            self.ending = Some(Instant::now() + END_WITHIN);
        }
    }

    fn tell_window(&self, what: Outward) {
        if self.outward.try_send(what).is_err() {
            tracing::warn!("the window does not hear the bridge");
        }
    }
}
