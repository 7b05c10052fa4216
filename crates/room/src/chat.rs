//! What was said in a room's chat, and who may say how much.
//!
//! Rules, each with its why:
//! - What is kept for late joiners is bounded in messages and bytes: a room may last for weeks.
//! - Each peer has a rate of its own, so that nobody drowns the others out.
//! - What a peer says again, because it did not hear that it was heard, is not said twice.
//! - What is said outlives its speaker's stay, under the name that they had.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use snug_protocol::{ChatMessage, ChatRefusal, PeerId, clean_chat_name, clean_chat_text};

/// Messages kept for late joiners.
pub const CHAT_MESSAGES_MAX: usize = 200;

/// Text and names kept for late joiners, in bytes: with ids and times it stays well below what a
/// socket's mailbox takes at once.
pub const CHAT_BYTES_MAX: usize = 64 * 1024;

/// What a message costs its speaker: one a second goes on for ever.
const MESSAGE: Duration = Duration::from_secs(1);

/// Messages that a speaker may save up: somebody who types in short lines.
const BURST: u32 = 8;

/// The chat of one room. See the module for its rules.
#[derive(Debug, Default)]
pub struct ChatLog {
    messages: VecDeque<ChatMessage>,
    bytes: usize,
    said: u64,
    speakers: BTreeMap<PeerId, Speaker>,
}

#[derive(Debug)]
struct Speaker {
    /// When all that they said is paid for.
    paid_at: Instant,
    /// The number of what they said last, where they said anything.
    heard: Option<u32>,
}

/// What somebody wants to say.
#[derive(Debug)]
pub struct Saying<'a> {
    /// Who.
    pub peer: &'a PeerId,
    /// What they are called.
    pub name: &'a str,
    /// Their own number of it.
    pub nonce: u32,
    /// The words.
    pub text: &'a str,
    /// The time of day, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Tell everybody.
    Said(ChatMessage),
    /// It was said before; nobody needs to hear it again.
    Again,
}

impl ChatLog {
    /// Takes what a peer says.
    ///
    /// # Errors
    /// Why it is not said; see [`ChatRefusal`].
    pub fn handle_say(&mut self, saying: &Saying<'_>, now: Instant) -> Result<Heard, ChatRefusal> {
        let fresh = Speaker {
            paid_at: now,
            heard: None,
        };
        let speaker = self.speakers.entry(saying.peer.clone()).or_insert(fresh);
        if speaker.heard.is_some_and(|heard| saying.nonce <= heard) {
            return Ok(Heard::Again);
        }
        let paid_at = speaker.paid_at.max(now) + MESSAGE;
        if paid_at > now + MESSAGE * BURST {
            return Err(ChatRefusal::TooFast);
        }
        let text = clean_chat_text(saying.text)?;
        speaker.paid_at = paid_at;
        speaker.heard = Some(saying.nonce);
        self.said += 1;
        let message = ChatMessage {
            id: self.said,
            endpoint_id: saying.peer.clone(),
            name: clean_chat_name(saying.name),
            at_ms: saying.at_ms,
            text,
        };
        self.keep(message.clone());
        Ok(Heard::Said(message))
    }

    /// Forgets what a peer may say; what it said stays.
    pub fn handle_gone(&mut self, peer: &PeerId) {
        self.speakers.remove(peer);
    }

    /// Lists what is kept, oldest first.
    pub fn history(&self) -> Vec<ChatMessage> {
        self.messages.iter().cloned().collect()
    }

    fn keep(&mut self, message: ChatMessage) {
        self.bytes += weight(&message);
        self.messages.push_back(message);
        while self.messages.len() > CHAT_MESSAGES_MAX || self.bytes > CHAT_BYTES_MAX {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= weight(&oldest);
            }
        }
    }
}

fn weight(message: &ChatMessage) -> usize {
    message.text.len() + message.name.len()
}

#[cfg(test)]
mod tests {
    use snug_protocol::CHAT_TEXT_BYTES_MAX;

    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as zero")]
        Instant::now()
    }

    fn peer(number: u8) -> PeerId {
        PeerId::from_random([number; 16])
    }

    fn say(
        log: &mut ChatLog,
        who: u8,
        nonce: u32,
        text: &str,
        now: Instant,
    ) -> Result<Heard, ChatRefusal> {
        let saying = Saying {
            peer: &peer(who),
            name: "A\u{202E}da",
            nonce,
            text,
            at_ms: 5,
        };
        log.handle_say(&saying, now)
    }

    #[test]
    fn what_is_said_is_numbered_cleaned_and_kept() {
        let (mut log, now) = (ChatLog::default(), start());
        let Ok(Heard::Said(first)) = say(&mut log, 1, 1, " hi\u{202E} ", now) else {
            panic!("it is not said")
        };
        assert_eq!((first.id, &*first.name, &*first.text), (1, "Ada", "hi"));
        assert_eq!((first.endpoint_id.clone(), first.at_ms), (peer(1), 5));
        say(&mut log, 2, 1, "ho", now).unwrap();
        log.handle_gone(&peer(1));
        let texts: Vec<_> = log
            .history()
            .into_iter()
            .map(|it| (it.id, it.text))
            .collect();
        assert_eq!(texts, [(1, "hi".to_owned()), (2, "ho".to_owned())]);
    }

    #[test]
    fn what_is_said_again_is_not_said_twice_and_a_refusal_may_be_mended() {
        let (mut log, now) = (ChatLog::default(), start());
        assert!(matches!(say(&mut log, 1, 4, "a", now), Ok(Heard::Said(_))));
        assert_eq!(say(&mut log, 1, 4, "a", now), Ok(Heard::Again));
        assert_eq!(say(&mut log, 1, 3, "older", now), Ok(Heard::Again));
        assert!(matches!(say(&mut log, 2, 4, "b", now), Ok(Heard::Said(_))));
        assert_eq!(say(&mut log, 1, 5, " ", now), Err(ChatRefusal::Empty));
        let long = "x".repeat(CHAT_TEXT_BYTES_MAX + 1);
        assert_eq!(say(&mut log, 1, 6, &long, now), Err(ChatRefusal::TooLong));
        assert_eq!(log.history().len(), 2);
    }

    #[test]
    fn a_flood_is_limited_for_the_flooder_alone() {
        let (mut log, start) = (ChatLog::default(), start());
        let mut nonce = 0;
        let mut said = |log: &mut ChatLog, at: Instant| {
            nonce += 1;
            say(log, 1, nonce, "spam", at).is_ok()
        };
        let at_once = (0..100).filter(|_| said(&mut log, start)).count();
        assert_eq!(at_once, BURST as usize);
        assert!(matches!(
            say(&mut log, 2, 1, "calm", start),
            Ok(Heard::Said(_))
        ));
        let later = start + Duration::from_secs(3);
        assert_eq!((0..100).filter(|_| said(&mut log, later)).count(), 3);
        let rested = start + Duration::from_secs(3600);
        assert_eq!(
            (0..100).filter(|_| said(&mut log, rested)).count(),
            BURST as usize
        );
    }

    #[test]
    fn what_is_kept_is_bounded_in_messages_and_in_bytes() {
        let (mut log, mut now) = (ChatLog::default(), start());
        let mut nonce = 0;
        let mut tell = |log: &mut ChatLog, text: &str| {
            (nonce, now) = (nonce + 1, now + MESSAGE);
            say(log, 1, nonce, text, now).unwrap();
        };
        for number in 0..CHAT_MESSAGES_MAX + 50 {
            tell(&mut log, &number.to_string());
        }
        let kept = log.history();
        assert_eq!((kept.len(), kept[0].id), (CHAT_MESSAGES_MAX, 51));
        for _ in 0..CHAT_MESSAGES_MAX {
            tell(&mut log, &"x".repeat(CHAT_TEXT_BYTES_MAX));
        }
        let bytes: usize = log.history().iter().map(weight).sum();
        assert!(bytes <= CHAT_BYTES_MAX && bytes > CHAT_BYTES_MAX - 2 * CHAT_TEXT_BYTES_MAX);
        assert_eq!(log.bytes, bytes);
    }
}
