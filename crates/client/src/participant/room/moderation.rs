//! Roles and rules, as far as a participant follows them.

use snug_protocol::{Ask, Moderation, SnugEvent};

use super::Room;
use crate::event::Happening;
use crate::signalling::Said;

impl Room {
    /// Takes what the room says about roles and rules.
    pub(super) fn handle_moderation(&mut self, what: Moderation) {
        match what {
            Moderation::State(rules) => {
                // Somebody decides about us, and people take their time.
                if rules.is_waiting {
                    self.let_in_by = None;
                }
                if let Some(follow) = &self.rules {
                    follow.send_replace(rules.clone());
                }
                self.tell(Happening::Rules {
                    rules: Box::new(rules),
                });
            }
            Moderation::Refused(code) => self.tell(Happening::AskRefused { code }),
            // Rooms ask nothing.
            Moderation::Ask(_) => {}
        }
    }

    /// Asks the room about roles and rules.
    pub(super) fn moderate(&mut self, ask: Ask) {
        let event = SnugEvent::Moderation(Moderation::Ask(ask));
        self.signalling.say(Said::Snug(event));
    }
}
