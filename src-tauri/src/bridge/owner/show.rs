//! What the page is shown.

use super::{Owner, Place};
use crate::bridge::devices::listed;
use crate::bridge::people::Me as MyTile;
use crate::bridge::social;
use crate::ipc::{JoinStep, Joining, Me, MicrophoneState, Snapshot, Social, Stage};

impl Owner {
    /// Sends a snapshot where anything on screen changed.
    pub(super) fn show(&mut self) {
        let revision = self.snapshots.borrow().revision;
        let snapshot = self.snapshot(revision);
        self.snapshots.send_if_modified(|shown| {
            let is_other = *shown != snapshot;
            if is_other {
                let revision = revision.wrapping_add(1);
                *shown = Snapshot {
                    revision,
                    ..snapshot
                };
            }
            is_other
        });
    }

    /// Sends chat, hands and reactions where they changed.
    pub(super) fn show_social(&mut self) {
        let shown = match &mut self.place {
            Place::Room(room) if self.is_social_stale => {
                social::shown(&room.social.borrow_and_update(), &room.mine)
            }
            Place::Room(_) => return,
            Place::Home | Place::Joining(_) => Social::default(),
        };
        self.is_social_stale = false;
        self.social.send_if_modified(|before| {
            let is_other = *before != shown;
            *before = shown;
            is_other
        });
    }

    /// Makes the snapshot of this moment.
    pub(super) fn snapshot(&self, revision: u32) -> Snapshot {
        Snapshot {
            revision,
            stage: self.stage(),
            me: self.me(),
            devices: self.lists.as_ref().map(listed).unwrap_or_default(),
            settings: self.kept.settings.clone(),
            recent: self.kept.recent.clone(),
            rooms: self.nearby.shown(),
            looks_for_rooms: self.nearby.is_allowed(),
            problem: self.problem.clone(),
            notice: self.notice.clone(),
        }
    }

    fn stage(&self) -> Stage {
        match &self.place {
            Place::Home => Stage::Home,
            Place::Joining(attempt) => Stage::Joining(Joining {
                room: attempt.room.clone(),
                host: attempt.link.as_ref().map(|link| link.authority()),
                step: match *attempt.steps.borrow() {
                    snug_client::JoinStep::ReachingHost => JoinStep::ReachingHost,
                    snug_client::JoinStep::AgreeingKeys => JoinStep::AgreeingKeys,
                    snug_client::JoinStep::Entering => JoinStep::Entering,
                },
                is_waiting: attempt.rules.borrow().is_waiting,
                decides: attempt.rules.borrow().host_name.clone(),
            }),
            Place::Room(room) => Stage::Room(room.shown(&self.my_tile())),
        }
    }

    fn me(&self) -> Me {
        let settings = &self.kept.settings;
        Me {
            camera: self.camera.state(settings.camera_on),
            microphone: self.microphone.state(settings.microphone_on),
            speaker: self.speaker.state(true),
            is_listening: self.is_listening,
        }
    }

    fn my_tile(&self) -> MyTile {
        let settings = &self.kept.settings;
        let camera = &self.camera.capture;
        MyTile {
            name: settings.name.clone(),
            camera_runs: camera.is_running(),
            picture_size: camera.size(),
            microphone: match self.microphone.is_there() {
                false => MicrophoneState::Absent,
                true if settings.microphone_on => MicrophoneState::Live,
                true => MicrophoneState::Muted,
            },
        }
    }
}
