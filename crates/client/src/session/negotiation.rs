//! Whose turn it is in the exchange of offers and answers.

use snug_protocol::SdpAnswer;

use crate::transport::SLOTS_MAX;

/// Failures in a row after which nothing is asked for again.
const FAILURES_MAX: u32 = 3;

/// What follows from an input.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Wait.
    Nothing,
    /// Ask the server for a negotiation.
    Ask,
    /// Make an offer with so many receiving sections for sound and pictures.
    Offer {
        /// Number of the negotiation.
        number: u64,
        /// Sections for sound, sections for pictures.
        counts: [usize; 2],
        /// Whether an earlier offer has to be taken back first.
        roll_back: bool,
    },
    /// Apply an answer.
    Apply {
        /// Number of the negotiation.
        number: u64,
        /// Session description.
        sdp: String,
    },
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is under way.
    #[default]
    Stable,
    /// We asked, and the server has not come back to it.
    Asked,
    /// The transport writes the offer.
    Making,
    /// The offer is with the server.
    Offered,
    /// The transport applies the answer.
    Applying(SdpAnswer),
}

/// The negotiation under way, and what has to follow it.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    state: State,
    number: u64,
    completed: u64,
    counts: [usize; 2],
    /// How many failed in a row.
    failures: u32,
    /// Something changed that the negotiation under way does not cover.
    stale: bool,
    /// The server wants another one after this one.
    wanted: bool,
    /// An offer stands that will get no answer.
    abandoned: bool,
}

impl Negotiation {
    /// How many negotiations were completed.
    pub(super) fn count(&self) -> u64 {
        self.completed
    }

    /// Begins anew on a new connection.
    pub(super) fn restart(&mut self) {
        // The number goes on, so that late reports about the old connection match nothing.
        *self = Self {
            number: self.number + 1,
            completed: self.completed,
            ..Self::default()
        };
    }

    /// Drops what was under way when signalling broke. The server starts over when it had a
    /// negotiation open; ours we ask for again.
    pub(super) fn resume(&mut self) -> Step {
        let ask = match std::mem::take(&mut self.state) {
            // Its answer is here already: it goes on as if nothing had happened.
            State::Applying(answer) => {
                self.state = State::Applying(answer);
                return Step::Nothing;
            }
            State::Stable => self.stale,
            State::Asked => true,
            State::Making | State::Offered => {
                self.abandoned = true;
                true
            }
        };
        self.number += 1;
        self.wanted = false;
        if ask { self.ask() } else { Step::Nothing }
    }

    /// Notes that our side changed.
    pub(super) fn ask(&mut self) -> Step {
        match self.state {
            State::Stable => {
                self.stale = false;
                self.state = State::Asked;
                Step::Ask
            }
            // The offer is not written yet, so it will cover the change.
            State::Asked => Step::Nothing,
            State::Making | State::Offered | State::Applying(_) => {
                self.stale = true;
                Step::Nothing
            }
        }
    }

    /// Takes the server's wish for an offer with so many receiving sections.
    pub(super) fn handle_offer_data(&mut self, counts: [usize; 2]) -> Step {
        for (known, wanted) in self.counts.iter_mut().zip(counts) {
            *known = wanted.min(SLOTS_MAX).max(*known);
        }
        match self.state {
            State::Stable | State::Asked => self.offer(),
            // Our unanswered offer is void: the server never has two negotiations open.
            State::Offered => {
                self.abandoned = true;
                self.offer()
            }
            State::Making | State::Applying(_) => {
                self.wanted = true;
                Step::Nothing
            }
        }
    }

    /// Notes that the offer is on its way; false when it is of an abandoned negotiation.
    pub(super) fn handle_offer(&mut self, number: u64) -> bool {
        let due = number == self.number && matches!(self.state, State::Making);
        if due {
            self.abandoned = false;
            self.state = State::Offered;
        }
        due
    }

    /// Takes the answer; `None` when nobody waits for one.
    pub(super) fn handle_answer(&mut self, answer: SdpAnswer) -> Option<Step> {
        if !matches!(self.state, State::Offered) {
            return None;
        }
        let sdp = answer.sdp.clone();
        self.state = State::Applying(answer);
        Some(Step::Apply {
            number: self.number,
            sdp,
        })
    }

    /// Ends the negotiation: its answer is applied. Returns that answer and what follows.
    pub(super) fn handle_applied(&mut self, number: u64) -> Option<(SdpAnswer, Step)> {
        if number != self.number {
            return None;
        }
        match std::mem::take(&mut self.state) {
            State::Applying(answer) => {
                self.completed += 1;
                self.failures = 0;
                Some((answer, self.follow()))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Gives up the negotiation; the connection stays as it was before.
    ///
    /// When somebody is `waiting` for it, it is tried again, but not for ever: what fails a few
    /// times in a row fails for a reason that stays.
    pub(super) fn handle_failed(&mut self, number: u64, waiting: bool) -> Step {
        if number != self.number {
            return Step::Nothing;
        }
        self.failures += 1;
        self.stale |= waiting && self.failures <= FAILURES_MAX;
        self.abandoned = true;
        self.state = State::Stable;
        self.follow()
    }

    fn follow(&mut self) -> Step {
        if std::mem::take(&mut self.wanted) {
            self.offer()
        } else if self.stale {
            self.ask()
        } else {
            Step::Nothing
        }
    }

    fn offer(&mut self) -> Step {
        self.number += 1;
        self.wanted = false;
        self.stale = false;
        self.state = State::Making;
        Step::Offer {
            number: self.number,
            counts: self.counts,
            roll_back: self.abandoned,
        }
    }
}
