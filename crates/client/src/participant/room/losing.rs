//! What comes of a line that ended, or that did not get in.

use std::time::Instant;

use super::{FRUITLESS, FRUITLESS_MAX, REFUSALS_MAX, Room, STEADY_AFTER};
use crate::participant::media::Media;
use crate::signalling::LineId;
use crate::{Error, ErrorKind};

impl Room {
    /// The room ended our channel: for the reason that it gave, if it gave one.
    pub(super) fn name_close(&mut self) -> Error {
        match self.complaint.take() {
            Some(message) => Error::from_refusal(&self.target, "", Some(&message)),
            None => Error::RoomClosed {
                room: self.room.clone(),
            },
        }
    }

    /// Counts places that are lost before they were of any use; a server whose end of it crashes
    /// each time would have us come back for ever.
    pub(super) fn judge_place(&mut self, now: Instant) -> Result<(), Error> {
        let stood = self.media.as_ref().is_some_and(Media::is_verified);
        let lasted = self.admitted_at.is_none_or(|at| now >= at + STEADY_AFTER);
        if stood || lasted {
            self.fruitless = 0;
            return Ok(());
        }
        self.fruitless += 1;
        if self.fruitless < FRUITLESS_MAX {
            return Ok(());
        }
        Err(Error::from_refusal(&self.target, "", Some(FRUITLESS)))
    }

    /// Remembers why a line that was dialled anew did not get in. Somebody else at that address may
    /// be gone in a moment, and a host that comes back may say no before it is ready; but a room
    /// that goes on saying no means it.
    pub(super) fn note_failure(&mut self, error: Error) -> Result<(), Error> {
        match error.kind() {
            ErrorKind::Refused => self.refusals += 1,
            ErrorKind::Trust => {}
            _ => return Ok(()),
        }
        if self.refusals >= REFUSALS_MAX {
            return Err(error);
        }
        self.turned_away = Some(error);
        Ok(())
    }

    pub(super) fn lose(&mut self, id: LineId, now: Instant) {
        if self.signalling.forget(id)
            && let Some(liveness) = &mut self.liveness
        {
            match self.fruitless {
                0 => liveness.handle_broken(now),
                _ => liveness.handle_broken_again(now),
            }
        }
    }
}
