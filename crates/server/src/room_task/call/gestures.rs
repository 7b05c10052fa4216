//! Raised hands and reactions: who shows what to whom.

use std::time::Instant;

use snug_protocol::{Gesture, PeerId, SnugEvent};

use super::Call;

impl Call {
    /// Takes a gesture of a peer; what only rooms say is ignored.
    pub(super) fn handle_gesture(&mut self, peer: &PeerId, gesture: Gesture, now: Instant) {
        if !self.listens(peer) {
            return;
        }
        match gesture {
            Gesture::Hand { is_up } => {
                if self.gestures.handle_hand(peer, is_up, now) {
                    self.tell_hands(now);
                }
            }
            Gesture::LowerHand { endpoint_id } => {
                if self.may_lower(peer, &endpoint_id) && self.gestures.lower(&endpoint_id) {
                    self.tell_hands(now);
                }
            }
            Gesture::React { reaction } => {
                if self.gestures.handle_reaction(peer, now) {
                    let endpoint_id = peer.clone();
                    let reacted = Gesture::Reacted {
                        endpoint_id,
                        reaction,
                    };
                    self.share_passing(&SnugEvent::Gesture(reacted));
                }
            }
            Gesture::Hands { .. } | Gesture::Reacted { .. } => {}
        }
    }

    /// Tells a newcomer whose hands are up.
    pub(super) fn tell_hands_to(&mut self, peer: &PeerId, now: Instant) {
        let hands = self.hands();
        self.tell_listener(peer, &hands, now);
    }

    /// Takes down the hand of a peer that is gone.
    pub(super) fn forget_gestures_of(&mut self, peer: &PeerId, now: Instant) {
        if self.gestures.handle_gone(peer) {
            self.tell_hands(now);
        }
    }

    /// Whether one may take a hand down: one's own, and those of whom one decides about.
    fn may_lower(&self, peer: &PeerId, whose: &PeerId) -> bool {
        peer == whose || self.room.outranks(peer, whose)
    }

    fn tell_hands(&mut self, now: Instant) {
        let hands = self.hands();
        self.share(&hands, now);
    }

    fn hands(&self) -> SnugEvent {
        let endpoint_ids = self.gestures.raised().to_vec();
        SnugEvent::Gesture(Gesture::Hands { endpoint_ids })
    }
}
