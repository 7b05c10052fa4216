//! What a room sends to a peer's channel: written once, shared by everybody who gets it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use snug_protocol::{MEDIA_EVENT, SNUG_EVENT, ServerEvent, SnugEvent};

/// An event on the way to one channel. Clones share the text.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The channel event.
    pub event: &'static str,
    /// Its payload.
    pub payload: Arc<RawValue>,
}

impl Letter {
    /// Writes a media event: JSON in a string in `data`.
    pub fn media(event: &ServerEvent) -> Self {
        Self::write(MEDIA_EVENT, &json!({"data": event.to_json()}))
    }

    /// Writes an event that only Snug programs get.
    pub fn snug(event: &SnugEvent) -> Self {
        Self::write(SNUG_EVENT, &event.to_payload())
    }

    fn write(event: &'static str, payload: &serde_json::Value) -> Self {
        let payload = to_raw_value(payload).expect("a JSON value can always be written");
        Self {
            event,
            payload: payload.into(),
        }
    }
}

/// How long news is kept: longer than a place is held, so that whoever comes back in time
/// misses nothing.
const KEPT_FOR: Duration = Duration::from_secs(13);

/// How much news is kept: as much as a socket's mailbox takes, beyond which the peer counts as
/// too slow to follow the room anyway.
const LETTERS_MAX: usize = 256;

/// The latest news that a peer was sent, in case its socket breaks before they arrive.
#[derive(Debug, Default)]
pub(super) struct Journal {
    letters: VecDeque<(Instant, Letter)>,
}

impl Journal {
    /// Notes news. Returns false when older news that still mattered had to go.
    pub fn push(&mut self, letter: Letter, now: Instant) -> bool {
        while self
            .letters
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > KEPT_FOR)
        {
            self.letters.pop_front();
        }
        let fits = self.letters.len() < LETTERS_MAX;
        if !fits {
            self.letters.pop_front();
        }
        self.letters.push_back((now, letter));
        fits
    }

    /// Returns the news since `at`, oldest first.
    pub fn since(&self, at: Instant) -> impl Iterator<Item = &Letter> {
        self.letters
            .iter()
            .filter(move |(sent, _)| *sent >= at)
            .map(|(_, letter)| letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: usize) -> Letter {
        Letter::media(&ServerEvent::Unknown {
            kind: number.to_string(),
        })
    }

    #[test]
    fn a_media_event_is_json_in_a_string() {
        let letter = Letter::media(&ServerEvent::EndpointRemoved {
            id: "p".parse().unwrap(),
        });
        assert_eq!(letter.event, "mediaEvent");
        let expected = r#"{"data":"{\"type\":\"endpointRemoved\",\"data\":{\"id\":\"p\"}}"}"#;
        assert_eq!(letter.payload.get(), expected);
    }

    #[test]
    fn the_journal_returns_what_is_recent_and_stays_bounded() {
        let start = Instant::now();
        let mut journal = Journal::default();
        for number in 0..LETTERS_MAX {
            assert!(journal.push(letter(number), start + Duration::from_millis(number as u64)));
        }
        assert_eq!(journal.since(start + Duration::from_millis(250)).count(), 6);
        assert!(!journal.push(letter(999), start + Duration::from_secs(1)));
        assert_eq!(journal.since(start).count(), LETTERS_MAX);
        let later = start + Duration::from_secs(1) + KEPT_FOR;
        assert!(journal.push(letter(1000), later));
        assert_eq!(journal.since(start).count(), 2);
    }
}
