//! Whose hands are up in a room, and how often one may react.
//!
//! Rules, each with its why:
//! - Hands are kept in the order in which they went up: who waited longest speaks next.
//! - A hand belongs to a seat: it stays up through a broken connection, and goes with its peer.
//! - A reaction is gone as soon as it is told; each peer has a rate of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use snug_protocol::PeerId;

/// What a reaction costs: two a second go on for ever, which is as many as can be seen.
const REACTION: Duration = Duration::from_millis(500);

/// Reactions, or movements of a hand, that a peer may save up.
const BURST: u32 = 6;

/// The hands of one room. See the module for its rules.
#[derive(Debug, Default)]
pub struct Gestures {
    /// Whose hands are up, the first raised first.
    raised: Vec<PeerId>,
    /// When all gestures of a peer are paid for.
    paid_at: BTreeMap<PeerId, Instant>,
}

impl Gestures {
    /// Raises or lowers a peer's hand. Returns whether the others see a change.
    ///
    /// Raising costs as reacting does, since everybody hears of it; lowering is always done.
    pub fn handle_hand(&mut self, peer: &PeerId, is_up: bool, now: Instant) -> bool {
        if !is_up {
            return self.lower(peer);
        }
        if self.raised.contains(peer) || !self.pay(peer, now) {
            return false;
        }
        self.raised.push(peer.clone());
        true
    }

    /// Takes a hand down for somebody who may. Returns whether the others see a change.
    pub fn lower(&mut self, peer: &PeerId) -> bool {
        let before = self.raised.len();
        self.raised.retain(|raised| raised != peer);
        self.raised.len() != before
    }

    /// Counts a reaction. Returns false when the peer reacts too often: then nobody sees it.
    pub fn handle_reaction(&mut self, peer: &PeerId, now: Instant) -> bool {
        self.pay(peer, now)
    }

    /// Forgets a peer. Returns whether its hand was up.
    pub fn handle_gone(&mut self, peer: &PeerId) -> bool {
        self.paid_at.remove(peer);
        self.lower(peer)
    }

    /// Whose hands are up, the first raised first.
    pub fn raised(&self) -> &[PeerId] {
        &self.raised
    }

    fn pay(&mut self, peer: &PeerId, now: Instant) -> bool {
        let paid_at = self.paid_at.entry(peer.clone()).or_insert(now);
        let next = (*paid_at).max(now) + REACTION;
        let may = next <= now + REACTION * BURST;
        if may {
            *paid_at = next;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as zero")]
        Instant::now()
    }

    fn peer(number: u8) -> PeerId {
        PeerId::from_random([number; 16])
    }

    #[test]
    fn hands_keep_the_order_in_which_they_went_up() {
        let (mut gestures, now) = (Gestures::default(), start());
        for number in [3, 1, 2] {
            assert!(gestures.handle_hand(&peer(number), true, now));
        }
        assert!(!gestures.handle_hand(&peer(1), true, now), "it is up");
        assert_eq!(gestures.raised(), [peer(3), peer(1), peer(2)]);
        assert!(gestures.handle_hand(&peer(3), false, now));
        assert!(!gestures.handle_hand(&peer(3), false, now), "it is down");
        assert!(
            gestures.handle_hand(&peer(3), true, now),
            "to the end of the line"
        );
        assert!(gestures.handle_gone(&peer(1)));
        assert!(!gestures.handle_gone(&peer(9)));
        assert!(gestures.lower(&peer(2)));
        assert_eq!(gestures.raised(), [peer(3)]);
    }

    #[test]
    fn whoever_reacts_too_often_is_not_seen_and_others_are() {
        let (mut gestures, now) = (Gestures::default(), start());
        let mut count = |who: u8, at: Instant| {
            let tries = 0..100;
            tries
                .filter(|_| gestures.handle_reaction(&peer(who), at))
                .count()
        };
        assert_eq!(count(1, now), BURST as usize);
        assert_eq!(count(2, now), BURST as usize);
        assert_eq!(count(1, now + Duration::from_secs(1)), 2);
    }

    #[test]
    fn a_hand_that_waves_all_the_time_is_limited_and_can_always_come_down() {
        let (mut gestures, now) = (Gestures::default(), start());
        let mut raised = 0;
        for _ in 0..100 {
            raised += usize::from(gestures.handle_hand(&peer(1), true, now));
            gestures.handle_hand(&peer(1), false, now);
            assert!(gestures.raised().is_empty());
        }
        assert_eq!(raised, BURST as usize);
    }
}
