//! The people of the tour: with and without camera, muted, with long names and other letters.

use std::time::Duration;

use anyhow::Result;

use crate::fixtures;
use crate::netns::Namespace;
use crate::process::{Join, PATIENCE, Participant};
use crate::window::Window;

/// Who comes, in order.
const NAMES: [&str; 5] = [
    "Grace",
    "Alan",
    "Joan",
    "Софья Ковалевская",
    "Marie-Louise von Württemberg-Hohenzollern",
];

/// Three encoders of a debug build and a window share the machine with whatever else is tested.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// The first ones have a camera, of the others the initials are seen.
const CAMERAS: usize = 3;

/// Those who have come.
pub(super) struct Guests<'a> {
    link: String,
    namespace: &'a Namespace,
    here: Vec<Participant>,
    ids: Vec<String>,
}

impl<'a> Guests<'a> {
    /// Will come by this link.
    pub(super) fn new(link: &str, namespace: &'a Namespace) -> Self {
        Self {
            link: link.to_owned(),
            namespace,
            here: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// Lets further ones in until there are this many.
    pub(super) fn invite_up_to(&mut self, count: usize) -> Result<()> {
        while self.here.len() < count {
            let number = self.here.len();
            let join = Join::new(&self.link, NAMES[number]);
            let join = match number {
                0 => join.camera(fixtures::film()).microphone(fixtures::speech()),
                1 => join.camera("test"),
                2 => join.camera(fixtures::film_close()).microphone("test"),
                _ => join,
            };
            let guest = join.start_in(Some(self.namespace))?;
            self.ids.push(guest.joined()?);
            self.here.push(guest);
        }
        Ok(())
    }

    /// Waits until the window shows everybody, those with a camera by their picture.
    pub(super) fn are_seen_in(&self, window: &Window) -> Result<()> {
        for (number, id) in self.ids.iter().enumerate() {
            if number < CAMERAS {
                window.picture(&format!(r#"data-person="{id}""#), SEEN_WITHIN)?;
            }
        }
        let tiles = format!(
            "document.querySelectorAll('[data-testid=\"tile\"]').length === {}",
            self.ids.len() + 1
        );
        window.until("everybody", PATIENCE, &tiles)
    }
}
