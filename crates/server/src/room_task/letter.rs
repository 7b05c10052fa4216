//! What a room sends to a peer's channel: written once, shared by everybody who gets it.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use snug_protocol::{
    MEDIA_EVENT, OfferData, PeerId, SNUG_EVENT, ServerEvent, SnugEvent, TracksTypes,
};

/// An event on the way to one channel. Clones share the text.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The channel event.
    pub event: &'static str,
    /// Its payload.
    pub payload: Arc<RawValue>,
    /// How many receiving sections it asks the client to offer; zero for all else.
    pub sections_asked: usize,
}

/// What a person reads whose session the server ended by a defect.
const CRASHED: &str = "The server failed over this connection. Join again.";

/// How a peer's program names what happens, known from the first thing that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dialect {
    /// Generation A: it said `join`.
    A,
    /// Generation B, and Snug: it said `connect`.
    #[default]
    B,
}

/// A media event that several peers hear: written once for each dialect among them.
#[derive(Debug)]
pub(super) struct News<'a> {
    event: &'a ServerEvent,
    in_a: OnceCell<Option<Letter>>,
    in_b: OnceCell<Letter>,
}

impl<'a> News<'a> {
    /// Is going to tell this.
    pub fn of(event: &'a ServerEvent) -> Self {
        Self {
            event,
            in_a: OnceCell::new(),
            in_b: OnceCell::new(),
        }
    }

    /// Returns what a peer of that dialect is sent; nothing when it must not hear of it.
    pub fn letter(&self, dialect: Dialect) -> Option<Letter> {
        match dialect {
            Dialect::A => {
                let translated = || Some(Letter::nested(&self.event.to_generation_a()?));
                self.in_a.get_or_init(translated).clone()
            }
            Dialect::B => Some(self.in_b.get_or_init(|| Letter::media(self.event)).clone()),
        }
    }
}

impl Letter {
    /// Writes a media event: JSON in a string in `data`.
    pub fn media(event: &ServerEvent) -> Self {
        Self::nested(&event.to_json())
    }

    /// Writes what asks for an offer, which grows with what is asked for.
    pub(super) fn offer_data(data: OfferData) -> Self {
        let TracksTypes { audio, video } = data.tracks_types;
        let sections = usize::try_from(audio.saturating_add(video)).unwrap_or(usize::MAX);
        Self {
            sections_asked: sections,
            ..Self::media(&ServerEvent::OfferData(data))
        }
    }

    /// Writes what tells a peer that it is removed.
    pub(super) fn removal(peer: &PeerId, dialect: Dialect, sentence: &str) -> Self {
        match dialect {
            Dialect::A => Self::nested(&ServerEvent::peer_removed(peer, sentence)),
            Dialect::B => Self::media(&ServerEvent::EndpointRemoved { id: peer.clone() }),
        }
    }

    /// Writes what the seed's page hears when the server fails over it.
    pub(super) fn crash() -> Self {
        Self::plain("error", &json!({"message": CRASHED}))
    }

    /// Writes whether cameras are to be sent in several layers, for programs that ask.
    pub(super) fn simulcast_config(is_on: bool) -> Self {
        Self::plain("simulcastConfig", &json!({"data": is_on}))
    }

    fn nested(event: &str) -> Self {
        #[derive(Serialize)]
        struct Nested<'a> {
            data: &'a str,
        }
        Self::write(MEDIA_EVENT, &Nested { data: event })
    }

    /// Writes an event that only Snug programs get.
    pub fn snug(event: &SnugEvent) -> Self {
        Self::write(SNUG_EVENT, &event.to_payload())
    }

    /// Writes a channel event that is no media event.
    pub fn plain(event: &'static str, payload: &serde_json::Value) -> Self {
        Self::write(event, payload)
    }

    fn write(event: &'static str, payload: &impl Serialize) -> Self {
        let payload = to_raw_value(payload).expect("JSON with text for keys can be written");
        Self {
            event,
            payload: payload.into(),
            sections_asked: 0,
        }
    }
}

/// How long news is kept: longer than a place is held, so that whoever comes back in time
/// misses nothing.
const KEPT_FOR: Duration = Duration::from_secs(13);

/// How much news is kept: as much as a socket's mailbox takes, beyond which the peer counts as
/// too slow to follow the room anyway.
const LETTERS_MAX: usize = 256;

/// The same in bytes of payload.
const BYTES_MAX: usize = 1024 * 1024;

/// The latest news that a peer was sent, in case its socket breaks before they arrive.
#[derive(Debug, Default)]
pub(super) struct Journal {
    letters: VecDeque<(Instant, Letter)>,
    bytes: usize,
}

impl Journal {
    /// Notes news. Returns false when older news that still mattered had to go.
    pub fn push(&mut self, letter: Letter, now: Instant) -> bool {
        while self
            .letters
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > KEPT_FOR)
        {
            self.drop_oldest();
        }
        self.bytes += letter.payload.get().len();
        self.letters.push_back((now, letter));
        let mut kept_all = true;
        while self.letters.len() > LETTERS_MAX || self.bytes > BYTES_MAX {
            self.drop_oldest();
            kept_all = false;
        }
        kept_all
    }

    /// Returns the news since `at`, or all of it, oldest first.
    pub fn since(&self, at: Option<Instant>) -> impl Iterator<Item = &Letter> {
        let is_due = move |sent: Instant| at.is_none_or(|at| sent >= at);
        self.letters
            .iter()
            .filter(move |(sent, _)| is_due(*sent))
            .map(|(_, letter)| letter)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, letter)) = self.letters.pop_front() {
            self.bytes -= letter.payload.get().len();
        }
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
        assert_eq!(
            journal
                .since(Some(start + Duration::from_millis(250)))
                .count(),
            6
        );
        assert!(!journal.push(letter(999), start + Duration::from_secs(1)));
        assert_eq!(journal.since(None).count(), LETTERS_MAX);
        let later = start + Duration::from_secs(1) + KEPT_FOR;
        assert!(journal.push(letter(1000), later));
        assert_eq!(journal.since(None).count(), 2);
        let huge = || {
            Letter::media(&ServerEvent::Unknown {
                kind: "x".repeat(BYTES_MAX / 2),
            })
        };
        assert!(journal.push(huge(), later));
        assert!(!journal.push(huge(), later));
        assert!(journal.bytes <= BYTES_MAX);
        journal.push(letter(1), later + 2 * KEPT_FOR);
        assert_eq!(journal.since(None).count(), 1);
        assert_eq!(journal.bytes, letter(1).payload.get().len());
    }
}
