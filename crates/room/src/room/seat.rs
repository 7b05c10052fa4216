//! What a room remembers about one peer, and what the clock makes of it.

use std::time::Instant;

use snug_protocol::{PresenceState, ResumeToken};

use super::Patience;

/// The holder of a seat.
#[derive(Debug)]
pub(super) struct Occupant {
    pub token: Option<ResumeToken>,
    /// The seat's present socket.
    pub epoch: u64,
    /// When its socket closed, while no other has taken its place.
    pub socket_lost_at: Option<Instant>,
    /// The last sign of life by any way.
    pub heard_at: Instant,
    /// Whether the others know of it.
    pub seen: bool,
    /// Whether the others are told "reconnecting".
    pub missed: bool,
}

/// What the clock makes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Live,
    Missed,
    Gone,
}

impl Occupant {
    pub fn new(token: Option<ResumeToken>, epoch: u64, now: Instant) -> Self {
        Self {
            token,
            epoch,
            socket_lost_at: None,
            heard_at: now,
            seen: false,
            missed: false,
        }
    }

    /// Takes a new socket in the place of the old one.
    pub fn resume(&mut self, epoch: u64, now: Instant) {
        self.epoch = epoch;
        self.socket_lost_at = None;
        self.heard_at = self.heard_at.max(now);
    }

    pub fn presence(&self) -> PresenceState {
        match self.missed {
            true => PresenceState::Reconnecting,
            false => PresenceState::Live,
        }
    }

    pub fn judge(&self, patience: &Patience, now: Instant) -> Verdict {
        if now >= self.gone_at(patience) {
            Verdict::Gone
        } else if self.socket_lost_at.is_some() || now >= self.heard_at + patience.until_missed {
            Verdict::Missed
        } else {
            Verdict::Live
        }
    }

    /// When this peer has to be judged again, if nothing is heard until then.
    pub fn deadline(&self, patience: &Patience) -> Instant {
        let gone_at = self.gone_at(patience);
        match self.missed {
            true => gone_at,
            false => gone_at.min(self.heard_at + patience.until_missed),
        }
    }

    fn gone_at(&self, patience: &Patience) -> Instant {
        match (&self.token, self.socket_lost_at) {
            (None, _) => self.heard_at + patience.without_token,
            (Some(_), None) => self.heard_at + patience.with_token,
            (Some(_), Some(lost_at)) => self.heard_at.min(lost_at) + patience.with_token,
        }
    }
}
