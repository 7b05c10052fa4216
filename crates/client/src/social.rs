//! Chat, raised hands and reactions, as a participant knows them. Plain data and a lane out.
//!
//! Rules, each with its why:
//! - What is said counts as said when the room says it back. Until then it is said again whenever
//!   a connection was lost; its number keeps it from being heard twice.
//! - Everything that a server sends is bounded here again: it may be a hostile one.

use std::collections::VecDeque;

use snug_protocol::{
    CHAT_TEXT_BYTES_MAX, Chat, ChatMessage, ChatRefusal, Gesture, PeerId, Reaction, SnugEvent,
    clean_chat_text,
};
use tokio::sync::watch;

use crate::event::Happening;

/// Messages kept, the newest ones.
const MESSAGES_MAX: usize = 500;

/// Words that wait for the room to say them back; more are refused as too fast.
const UNSAID_MAX: usize = 16;

/// Reactions kept, the newest ones: as many as are on screen at once.
const REACTIONS_MAX: usize = 32;

/// Hands kept.
const HANDS_MAX: usize = 256;

/// Chat, hands and reactions of a room, as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Social {
    /// The room has them: a server that is not Snug does not.
    pub is_there: bool,
    /// What was said, oldest first; at most 500 messages.
    pub messages: Vec<ChatMessage>,
    /// What could not be said last, if anything.
    pub refused: Option<Unsaid>,
    /// Whose hands are up, the first raised first.
    pub hands: Vec<PeerId>,
    /// The latest reactions, oldest first; at most 32.
    pub reactions: VecDeque<Reacted>,
}

/// Something that was not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    /// Tells one refusal from the next.
    pub number: u64,
    /// Why.
    pub reason: ChatRefusal,
    /// What.
    pub text: String,
}

/// A reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// Counts reactions, so that each is shown once.
    pub number: u64,
    /// Who.
    pub peer_id: PeerId,
    /// What.
    pub reaction: Reaction,
}

/// What the person wants to say or show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Say this to everybody.
    Say(String),
    /// Raise or lower the hand.
    Hand(bool),
    /// Take somebody else's hand down.
    LowerHand(PeerId),
    /// Show this for a moment.
    React(Reaction),
}

/// Keeps [`Social`] up to date, and what the room has still to hear.
#[derive(Debug)]
pub(crate) struct SocialState {
    shown: watch::Sender<Social>,
    unsaid: VecDeque<(u32, String)>,
    nonce: u32,
    /// Our hand is up, or shall be.
    is_hand_up: bool,
    /// The room has said that our hand is up.
    is_hand_seen: bool,
    count: u64,
}

impl SocialState {
    /// Knows nothing yet, and shows what it knows there.
    pub(crate) fn new(shown: watch::Sender<Social>) -> Self {
        Self {
            shown,
            unsaid: VecDeque::new(),
            nonce: 0,
            is_hand_up: false,
            is_hand_seen: false,
            count: 0,
        }
    }

    /// Starts in a new place: hands are down there.
    pub(crate) fn start_over(&mut self, is_there: bool) {
        (self.is_hand_up, self.is_hand_seen) = (false, false);
        if !is_there {
            self.unsaid.clear();
        }
        self.shown.send_modify(|shown| {
            shown.is_there = is_there;
            shown.hands.clear();
            shown.reactions.clear();
        });
    }

    /// Takes a wish; returns what to say to the room.
    ///
    /// # Errors
    /// What to tell of it when it cannot be said.
    pub(crate) fn handle_wish(&mut self, wish: Wish) -> Result<Option<SnugEvent>, Happening> {
        if !self.shown.borrow().is_there {
            return Ok(None);
        }
        let gesture = match wish {
            Wish::Say(text) => return self.say(&text).map(Some),
            Wish::Hand(is_up) => {
                self.is_hand_up = is_up;
                Gesture::Hand { is_up }
            }
            Wish::LowerHand(endpoint_id) => Gesture::LowerHand { endpoint_id },
            Wish::React(reaction) => Gesture::React { reaction },
        };
        Ok(Some(SnugEvent::Gesture(gesture)))
    }

    /// Returns what the room may not have heard, oldest first.
    pub(crate) fn repeat(&self) -> Vec<SnugEvent> {
        let say = |(nonce, text): &(u32, String)| {
            let (nonce, text) = (*nonce, text.clone());
            SnugEvent::Chat(Chat::Say { nonce, text })
        };
        let mut events: Vec<SnugEvent> = self.unsaid.iter().map(say).collect();
        if self.is_hand_up != self.is_hand_seen {
            let is_up = self.is_hand_up;
            events.push(SnugEvent::Gesture(Gesture::Hand { is_up }));
        }
        events
    }

    /// Takes what the room says about chat; returns what to tell.
    pub(crate) fn handle_chat(&mut self, chat: Chat) -> Option<Happening> {
        match chat {
            Chat::Said { message, nonce } => {
                if let Some(nonce) = nonce {
                    self.unsaid.retain(|(number, _)| *number > nonce);
                }
                let message = bounded(message)?;
                let is_new = self
                    .shown
                    .borrow()
                    .messages
                    .iter()
                    .all(|it| it.id != message.id);
                if !is_new {
                    return None;
                }
                self.shown.send_modify(|shown| {
                    shown.messages.push(message.clone());
                    let surplus = shown.messages.len().saturating_sub(MESSAGES_MAX);
                    shown.messages.drain(..surplus);
                });
                Some(Happening::ChatSaid { message })
            }
            Chat::History { messages } => {
                let kept = messages.into_iter().filter_map(bounded);
                let messages: Vec<ChatMessage> = kept.take(MESSAGES_MAX).collect();
                let count = messages.len();
                self.shown.send_modify(|shown| shown.messages = messages);
                Some(Happening::ChatHistory { count })
            }
            Chat::Refused { nonce, reason } => {
                let at = self
                    .unsaid
                    .iter()
                    .position(|(number, _)| *number == nonce)?;
                let (_, text) = self.unsaid.remove(at)?;
                Some(self.refuse(reason, text))
            }
            Chat::Say { .. } => None,
        }
    }

    /// Takes what the room says about hands and reactions; returns what to tell.
    pub(crate) fn handle_gesture(
        &mut self,
        gesture: Gesture,
        me: Option<&PeerId>,
    ) -> Option<Happening> {
        match gesture {
            Gesture::Hands { mut endpoint_ids } => {
                endpoint_ids.truncate(HANDS_MAX);
                let was_seen = self.is_hand_seen;
                self.is_hand_seen = me.is_some_and(|me| endpoint_ids.contains(me));
                // Where the room moved it, that counts: somebody who may has taken it down.
                if self.is_hand_seen != was_seen {
                    self.is_hand_up = self.is_hand_seen;
                }
                self.shown
                    .send_modify(|shown| shown.hands.clone_from(&endpoint_ids));
                Some(Happening::HandsRaised {
                    peer_ids: endpoint_ids,
                })
            }
            Gesture::Reacted {
                endpoint_id,
                reaction,
            } => {
                self.count += 1;
                let reacted = Reacted {
                    number: self.count,
                    peer_id: endpoint_id.clone(),
                    reaction,
                };
                self.shown.send_modify(|shown| {
                    shown.reactions.push_back(reacted);
                    while shown.reactions.len() > REACTIONS_MAX {
                        shown.reactions.pop_front();
                    }
                });
                Some(Happening::Reacted {
                    peer_id: endpoint_id,
                    reaction,
                })
            }
            _ => None,
        }
    }

    fn say(&mut self, text: &str) -> Result<SnugEvent, Happening> {
        let text = match clean_chat_text(text) {
            Ok(_) if self.unsaid.len() >= UNSAID_MAX => {
                return Err(self.refuse(ChatRefusal::TooFast, text.to_owned()));
            }
            Ok(clean) => clean,
            Err(reason) => return Err(self.refuse(reason, text.to_owned())),
        };
        self.nonce += 1;
        self.unsaid.push_back((self.nonce, text.clone()));
        let nonce = self.nonce;
        Ok(SnugEvent::Chat(Chat::Say { nonce, text }))
    }

    fn refuse(&mut self, reason: ChatRefusal, text: String) -> Happening {
        self.count += 1;
        let number = self.count;
        self.shown.send_modify(|shown| {
            let text = text.clone();
            shown.refused = Some(Unsaid {
                number,
                reason,
                text,
            });
        });
        Happening::ChatRefused { reason, text }
    }
}

/// What an honest room would have sent, or nothing.
fn bounded(mut message: ChatMessage) -> Option<ChatMessage> {
    message.name = snug_protocol::clean_chat_name(&message.name);
    if message.text.len() > CHAT_TEXT_BYTES_MAX {
        return None;
    }
    message.text = clean_chat_text(&message.text).ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (SocialState, watch::Receiver<Social>) {
        let (sender, shown) = watch::channel(Social::default());
        let mut state = SocialState::new(sender);
        state.start_over(true);
        (state, shown)
    }

    fn said(id: u64, text: &str, nonce: Option<u32>) -> Chat {
        let message = ChatMessage {
            id,
            endpoint_id: PeerId::from_random([9; 16]),
            name: "Ada".into(),
            at_ms: 1,
            text: text.into(),
        };
        Chat::Said { message, nonce }
    }

    #[test]
    fn what_the_room_has_not_said_back_is_said_again() {
        let (mut state, shown) = state();
        for text in ["one", "two"] {
            assert!(matches!(
                state.handle_wish(Wish::Say(text.into())),
                Ok(Some(_))
            ));
        }
        assert_eq!(state.repeat().len(), 2);
        state.handle_chat(said(1, "one", Some(1)));
        let text = "two".to_owned();
        let again = SnugEvent::Chat(Chat::Say { nonce: 2, text });
        assert_eq!(state.repeat(), [again]);
        assert!(
            state.handle_chat(said(1, "one", Some(1))).is_none(),
            "told twice"
        );
        assert_eq!(shown.borrow().messages.len(), 1);
        let reason = ChatRefusal::TooFast;
        assert!(
            state
                .handle_chat(Chat::Refused { nonce: 2, reason })
                .is_some()
        );
        assert_eq!(shown.borrow().refused.as_ref().unwrap().text, "two");
        assert_eq!(state.repeat(), []);
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_before_it_is_sent() {
        let (mut state, shown) = state();
        let long = "x".repeat(CHAT_TEXT_BYTES_MAX + 1);
        assert!(state.handle_wish(Wish::Say(long.clone())).is_err());
        let refused = shown.borrow().refused.clone().unwrap();
        assert_eq!((refused.reason, refused.text), (ChatRefusal::TooLong, long));
        for _ in 0..UNSAID_MAX {
            assert!(state.handle_wish(Wish::Say("x".into())).is_ok());
        }
        assert!(state.handle_wish(Wish::Say("x".into())).is_err());
        state.start_over(false);
        assert_eq!(
            state.handle_wish(Wish::Say("x".into())),
            Ok(None),
            "nobody hears it"
        );
    }

    #[test]
    fn a_hostile_server_cannot_make_us_keep_much_nor_show_what_turns_text() {
        let (mut state, shown) = state();
        for id in 0..2 * MESSAGES_MAX as u64 {
            state.handle_chat(said(id, "x\u{202E}y", None));
        }
        let messages = shown.borrow().messages.clone();
        assert_eq!((messages.len(), &*messages[0].text), (MESSAGES_MAX, "xy"));
        let huge = "x".repeat(CHAT_TEXT_BYTES_MAX + 1);
        assert!(state.handle_chat(said(9999, &huge, None)).is_none());
        let endpoint_id = PeerId::from_random([9; 16]);
        for _ in 0..100 {
            let (endpoint_id, reaction) = (endpoint_id.clone(), Reaction::No);
            let reacted = Gesture::Reacted {
                endpoint_id,
                reaction,
            };
            state.handle_gesture(reacted, None);
        }
        assert_eq!(shown.borrow().reactions.len(), REACTIONS_MAX);
        let endpoint_ids = vec![endpoint_id; 1000];
        state.handle_gesture(Gesture::Hands { endpoint_ids }, None);
        assert_eq!(shown.borrow().hands.len(), HANDS_MAX);
    }

    #[test]
    fn a_hand_is_raised_again_after_a_break_unless_somebody_took_it_down() {
        let (mut state, _shown) = state();
        let me = PeerId::from_random([1; 16]);
        let hands = |up: &[&PeerId]| Gesture::Hands {
            endpoint_ids: up.iter().copied().cloned().collect(),
        };
        state.handle_wish(Wish::Hand(true)).unwrap();
        assert_eq!(state.repeat().len(), 1, "the room has not said so yet");
        state.handle_gesture(hands(&[&me]), Some(&me));
        assert_eq!(state.repeat(), []);
        state.handle_gesture(hands(&[]), Some(&me));
        assert_eq!(state.repeat(), [], "it was taken down");
    }
}
