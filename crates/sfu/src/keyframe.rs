//! When to ask a publisher for a keyframe.
//!
//! A keyframe costs ten times an ordinary frame and reaches every subscriber, so requests are
//! throttled per source; but somebody who has just joined sees nothing until one comes. Hence
//! two intervals. While a request is unanswered, nobody needs another: its keyframe serves all,
//! and it is repeated only when it was probably lost. After the answer, a decoder that lost
//! something waits until [`RELAY_INTERVAL`] has passed since the last request, because the
//! requests of several subscribers for the same loss arrive within that time. A newcomer has
//! missed that keyframe for certain and waits at most [`JOIN_INTERVAL`]: it adds at most 100 ms
//! to a first picture, and however many join at once, a publisher is asked ten times a second
//! only while people keep arriving in different tenths of it.

use std::time::{Duration, Instant};

/// The least time between requests for subscribers that have no picture at all.
pub(crate) const JOIN_INTERVAL: Duration = Duration::from_millis(100);
/// The least time between requests that repair a loss or change the layer.
pub(crate) const RELAY_INTERVAL: Duration = Duration::from_millis(500);
/// When an unanswered request counts as lost: a LAN round trip, a frame interval of a slow
/// screen share (5 frames a second), and some room for the encoder.
pub(crate) const REPEAT_INTERVAL: Duration = Duration::from_millis(250);
/// How often a request is repeated while the source is silent: 2 s. After that the source is
/// off, and its first packet asks again.
const REPEAT_COUNT_MAX: u8 = 8;

/// Why a keyframe is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A subscriber has no picture yet.
    NoPicture,
    /// A subscriber's decoder lost something, or should change to this source.
    Repair,
}

/// The requests to one source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyframeRequests {
    asked_at: Option<Instant>,
    is_answered: bool,
    is_repair_due: bool,
    repeats: u8,
}

impl KeyframeRequests {
    /// Wants a keyframe; returns whether to ask for it now. A repair that comes too early is
    /// remembered for [`handle_packet`](Self::handle_packet).
    pub(crate) fn want(&mut self, reason: Reason, now: Instant) -> bool {
        let is_due = self.is_allowed(reason, now);
        if is_due {
            self.ask(now);
        } else if reason == Reason::Repair && self.is_answered {
            self.is_repair_due = true;
        }
        is_due
    }

    /// Notes a packet of the source; returns whether a postponed repair is due now.
    pub(crate) fn handle_packet(&mut self, starts_keyframe: bool, now: Instant) -> bool {
        if starts_keyframe {
            self.is_answered = true;
            self.is_repair_due = false;
            self.repeats = 0;
        }
        let is_due = self.is_repair_due && self.is_allowed(Reason::Repair, now);
        if is_due {
            self.ask(now);
        }
        is_due
    }

    /// Returns whether to repeat a request that was not answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_due = self.asked_at.is_some()
            && !self.is_answered
            && self.repeats < REPEAT_COUNT_MAX
            && self.is_allowed(Reason::NoPicture, now);
        if is_due {
            self.repeats += 1;
            self.ask(now);
        }
        is_due
    }

    fn is_allowed(&self, reason: Reason, now: Instant) -> bool {
        let Some(asked_at) = self.asked_at else {
            return true;
        };
        let interval = match reason {
            _ if !self.is_answered => REPEAT_INTERVAL,
            Reason::NoPicture => JOIN_INTERVAL,
            Reason::Repair => RELAY_INTERVAL,
        };
        now.saturating_duration_since(asked_at) >= interval
    }

    fn ask(&mut self, now: Instant) {
        self.asked_at = Some(now);
        self.is_answered = false;
        self.is_repair_due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }

    #[test]
    fn many_joining_at_once_are_served_by_one_request() {
        let (mut requests, start) = (KeyframeRequests::default(), start());
        assert!(requests.want(Reason::NoPicture, start));
        for step in 1..20 {
            assert!(!requests.want(Reason::NoPicture, start + step * MS));
        }
        assert!(!requests.handle_packet(true, start + 30 * MS));
        assert!(!requests.want(Reason::NoPicture, start + 60 * MS));
        assert!(
            requests.want(Reason::NoPicture, start + 100 * MS),
            "a newcomer waits 100 ms"
        );
    }

    #[test]
    fn a_repair_that_comes_early_is_made_up_for_later() {
        let (mut requests, start) = (KeyframeRequests::default(), start());
        assert!(requests.want(Reason::Repair, start));
        requests.handle_packet(true, start + 40 * MS);
        assert!(!requests.want(Reason::Repair, start + 100 * MS));
        assert!(!requests.handle_packet(false, start + 499 * MS));
        assert!(requests.handle_packet(false, start + 500 * MS));
        assert!(!requests.handle_packet(false, start + 501 * MS), "once");
    }

    #[test]
    fn a_lost_request_is_repeated_for_two_seconds() {
        let (mut requests, start) = (KeyframeRequests::default(), start());
        assert!(!requests.handle_timeout(start));
        assert!(requests.want(Reason::NoPicture, start));
        let repeats = (1..400)
            .filter(|step| requests.handle_timeout(start + *step * 10 * MS))
            .count();
        assert_eq!(repeats, 8);
        requests.handle_packet(true, start + 4_000 * MS);
        assert!(!requests.handle_timeout(start + 5_000 * MS));
    }
}
