//! In which stream the others find each track of a person (`a=msid`, RFC 8830): pages play what is
//! in one stream together, in one element and in step.
//!
//! Rules, each with its why (docs/decisions/0021):
//! - A person's first sound and first picture share a stream, whatever the client says: the seed's
//!   page plays one stream a person, and clients put them in no stream, or in one each.
//! - A shared screen and its sound are in a stream of their own, whatever the client says.
//! - A further track of a kind goes where the client puts it: with the tracks of the same stream of
//!   its own, else into the next free one.
//! - A name never changes: a browser announces a track anew whose stream changes.

use snug_protocol::PeerId;

use super::{Kind, Published};

/// A track to be put into a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer<'a> {
    /// Whose it is.
    pub owner: &'a PeerId,
    /// Sound or pictures.
    pub kind: Kind,
    /// Whether it shows a screen, or is its sound.
    pub is_screen: bool,
    /// The client's own name of its stream, where it has one.
    pub given: Option<&'a str>,
}

impl Newcomer<'_> {
    /// Names the stream of the track. `others` are all the tracks of its owner that are there; there
    /// are never more names than tracks.
    pub fn stream(&self, others: &[&Published]) -> String {
        let base = self.base(self.is_screen);
        let of_screens = self.base(true);
        let family: Vec<&Published> = others
            .iter()
            .copied()
            .filter(|other| other.stream.starts_with(&of_screens) == self.is_screen)
            .collect();
        let Some(given) = self.given else {
            return base;
        };
        let companion = family
            .iter()
            .find(|other| other.own.stream.as_deref() == Some(given));
        if let Some(companion) = companion {
            return companion.stream.clone();
        }
        let is_taken = |name: &str| {
            let mut there = family.iter().filter(|other| other.stream == name);
            match name == base {
                // Sound and pictures that came from different streams meet here, and here alone.
                true => there.any(|other| other.kind == self.kind),
                false => there.next().is_some(),
            }
        };
        let mut name = base.clone();
        for number in 2..=family.len() + 2 {
            if !is_taken(&name) {
                break;
            }
            name = format!("{base}-{number}");
        }
        name
    }

    fn base(&self, is_screen: bool) -> String {
        match is_screen {
            true => format!("{}-screen", self.owner),
            false => self.owner.to_string(),
        }
    }
}
