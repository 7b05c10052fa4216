//! What people call rooms and themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use crate::{Error, ROOM_TOPIC_PREFIX};

/// The longest name in characters: more does not fit a list row even at its narrowest.
const CHARS_MAX: usize = 64;

/// The longest name in bytes, so that 64 characters of any script fit, but a pile of combining
/// marks does not, and a topic stays under the 255 bytes that a binary frame can say.
const BYTES_MAX: usize = 200;

/// The longest name taken from a topic, in bytes: real clients were recorded with 3000, and a
/// server keeps the names of all its rooms.
const TOPIC_NAME_BYTES_MAX: usize = 4096;

/// Names a room.
///
/// [`RoomName::parse`] is for what people type and for links; [`RoomName::from_topic`] takes
/// whatever the socket brought, as Phoenix does, the empty name included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Reads a name as a person wrote it: normalised to NFC, trimmed, 1 to 64 characters and at
    /// most 200 bytes. Spaces, emoji and every script are legal.
    ///
    /// # Errors
    /// [`Error::Name`] with a sentence when it is empty or too long, when it holds `/`, a
    /// control character or one that turns the direction of text, or when it is `.` or `..`
    /// (which a browser would resolve away in a link).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = normalise(text, &ROOM_WORDS)?;
        if name.contains('/') {
            return Err(Error::Name(
                "A room name cannot hold \"/\". Choose another name.",
            ));
        }
        if name == "." || name == ".." {
            return Err(Error::Name(
                "A room name needs more than dots. Choose another name.",
            ));
        }
        Ok(Self(name.into()))
    }

    /// Takes the name out of the topic `room:<name>` verbatim; `None` for any other topic, and
    /// for a name of more than 4096 bytes.
    pub fn from_topic(topic: &str) -> Option<Self> {
        let name = topic.strip_prefix(ROOM_TOPIC_PREFIX)?;
        (name.len() <= TOPIC_NAME_BYTES_MAX).then(|| Self(name.into()))
    }

    /// Returns the channel topic `room:<name>`.
    pub fn topic(&self) -> String {
        format!("{ROOM_TOPIC_PREFIX}{}", self.0)
    }

    /// Returns the name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a person, as they chose to be shown to others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// Reads a name as a person wrote it: normalised to NFC, trimmed, 1 to 64 characters and at
    /// most 200 bytes.
    ///
    /// # Errors
    /// [`Error::Name`] with a sentence when it is empty, too long, or holds a control character
    /// or one that turns the direction of text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        normalise(text, &PERSON_WORDS).map(|name| Self(name.into()))
    }

    /// Returns the name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sentences for what can be wrong with either kind of name.
struct Words {
    empty: &'static str,
    long: &'static str,
    invisible: &'static str,
}

const ROOM_WORDS: Words = Words {
    empty: "A room needs a name. Type one.",
    long: "This room name is too long. Use at most 64 characters.",
    invisible: "This room name holds a character that cannot be shown. Type the name afresh.",
};

const PERSON_WORDS: Words = Words {
    empty: "The others need a name to call you by. Type one.",
    long: "This name is too long. Use at most 64 characters.",
    invisible: "This name holds a character that cannot be shown. Type the name afresh.",
};

/// Brings a typed name into the one form that is compared and sent.
fn normalise(text: &str, words: &Words) -> Result<String, Error> {
    // NFC at most triples the length of what it is given; refuse absurd input before the work.
    if text.len() > 4 * BYTES_MAX {
        return Err(Error::Name(words.long));
    }
    let name: String = text.nfc().collect();
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::Name(words.empty));
    }
    if name.len() > BYTES_MAX || name.chars().count() > CHARS_MAX {
        return Err(Error::Name(words.long));
    }
    if name.chars().any(is_hostile) {
        return Err(Error::Name(words.invisible));
    }
    Ok(name.to_owned())
}

/// Whether a character can make one name look like another, or break a line.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{202A}'..='\u{202E}'     // bidi embeddings and overrides
            | '\u{2066}'..='\u{2069}'   // bidi isolates
            | '\u{2028}' | '\u{2029}') // line and paragraph separator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_legal() {
        for name in [
            "Stand up",
            "книги",
            "部屋",
            "غرفة",
            "👩‍👩‍👧 family",
            "a.b",
            "...",
            "C#",
        ] {
            assert_eq!(RoomName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_are_trimmed_and_composed() {
        assert_eq!(
            RoomName::parse("  Cafe\u{301}\t").unwrap().as_str(),
            "Caf\u{e9}"
        );
    }

    #[test]
    fn illegal_room_names_are_refused_in_a_sentence() {
        let long = "x".repeat(65);
        let heavy = "👩".repeat(60);
        let absurd = "x".repeat(1_000_000);
        let bad = [
            "",
            "   ",
            "a/b",
            "a\u{0}b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            "\u{202E}abc",
            "a\u{2066}b",
            ".",
            "..",
            &long,
            &heavy,
            &absurd,
        ];
        for name in bad {
            let error = RoomName::parse(name).unwrap_err();
            assert!(error.to_string().ends_with('.'), "{error}");
        }
    }

    #[test]
    fn sixty_four_characters_of_three_bytes_fit() {
        assert!(RoomName::parse(&"部".repeat(64)).is_ok());
    }

    #[test]
    fn a_topic_is_taken_verbatim() {
        assert_eq!(RoomName::from_topic("room:").unwrap().as_str(), "");
        assert_eq!(
            RoomName::from_topic("room: a/b ").unwrap().as_str(),
            " a/b "
        );
        assert_eq!(RoomName::from_topic("room"), None);
        assert!(RoomName::from_topic(&format!("room:{}", "a".repeat(3000))).is_some());
        assert!(RoomName::from_topic(&format!("room:{}", "a".repeat(4097))).is_none());
        assert_eq!(RoomName::from_topic("stats"), None);
        assert_eq!(RoomName::parse("a b").unwrap().topic(), "room:a b");
    }

    #[test]
    fn a_person_may_have_a_slash() {
        assert_eq!(
            DisplayName::parse(" Ada / Éa ").unwrap().as_str(),
            "Ada / Éa"
        );
        assert!(DisplayName::parse("\u{202E}adA").is_err());
        assert!(DisplayName::parse("").is_err());
    }
}
