//! The rules of the room, and what follows from them for the person's own devices.

use snug_protocol::{Ask, Medium, RoomState};

use super::{Owner, Place};
use crate::bridge::moderation;
use crate::ipc::{HostAction, Problem, ProblemDetails};

impl Owner {
    /// Asks the room what a host asks.
    pub(super) fn moderate(&mut self, action: HostAction) -> Result<(), Problem> {
        if let Place::Room(room) = &self.place
            && let Some(ask) = moderation::asked(action)
        {
            room.moderate(ask);
        }
        Ok(())
    }

    /// Tells the room that the person goes on themselves, where a host had stopped this.
    pub(super) fn resume(&self, medium: Medium, on: bool) {
        if let Place::Room(room) = &self.place
            && on
            && room.is_stopped(medium)
        {
            room.moderate(Ask::Resume { medium });
        }
    }

    /// Rules have changed: what a host stopped is off here too, so that nothing is captured for
    /// nobody, and only the person's own word turns it on again.
    pub(super) fn note_rules(&mut self, rules: RoomState) {
        let Place::Room(room) = &mut self.place else {
            return;
        };
        let before = [Medium::Audio, Medium::Video].map(|medium| room.is_stopped(medium));
        room.set_rules(rules);
        let after = [Medium::Audio, Medium::Video].map(|medium| room.is_stopped(medium));
        if after[0] && !before[0] {
            self.set(|settings| settings.microphone_on = false);
            self.notify(
                "muted_by_host",
                "A host muted you.",
                ProblemDetails::default(),
            );
        }
        if after[1] && !before[1] {
            self.set(|settings| settings.camera_on = false);
            let message = "A host stopped your video.";
            self.notify("hidden_by_host", message, ProblemDetails::default());
        }
    }
}
