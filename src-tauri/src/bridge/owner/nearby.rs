//! Rooms on this network: looked for while the person is at home.

use std::collections::HashSet;
use std::path::PathBuf;

use snug_discovery::{FoundRoom, Looker};
use snug_protocol::Pin;
use tokio::sync::watch;

use super::changed;
use crate::ipc;

/// Looks for rooms, or does not.
pub(super) struct Nearby {
    is_allowed: bool,
    /// File of the keys of hosts, and those in it that are verified.
    known_hosts: PathBuf,
    verified: HashSet<Pin>,
    looking: Option<(Looker, watch::Receiver<Vec<FoundRoom>>)>,
}

impl Nearby {
    /// Starts without looking. Where it is not allowed it never will.
    pub(super) fn new(is_allowed: bool, known_hosts: PathBuf) -> Self {
        Self {
            is_allowed,
            known_hosts,
            verified: HashSet::new(),
            looking: None,
        }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    /// Looks while the person is at home, and not otherwise. Must be called inside a tokio runtime.
    pub(super) fn settle(&mut self, is_home: bool) {
        if is_home && self.is_allowed {
            if self.looking.is_none() {
                self.verified = snug_client::verified_keys(&self.known_hosts)
                    .inspect_err(|error| tracing::warn!(%error, "verified keys are not known"))
                    .unwrap_or_default();
                let looker = Looker::start();
                let rooms = looker.rooms();
                self.looking = Some((looker, rooms));
            }
        } else {
            self.looking = None;
        }
    }

    pub(super) fn look_again(&self) {
        if let Some((looker, _)) = &self.looking {
            looker.look_again();
        }
    }

    /// Waits until other rooms are there. Safe to cancel.
    pub(super) async fn changed(&mut self) {
        changed(self.looking.as_mut().map(|(_, rooms)| rooms)).await;
    }

    /// Returns the rooms as the page shows them.
    pub(super) fn shown(&self) -> Vec<ipc::FoundRoom> {
        let shown = |room: &FoundRoom| ipc::FoundRoom {
            link: room.link().to_string(),
            room: room.name.to_string(),
            host: room.host.to_string(),
            people: room.people,
            is_locked: room.is_locked,
            is_verified: self.verified.contains(&room.pin),
        };
        let looking = self.looking.as_ref();
        looking.map_or_else(Vec::new, |(_, rooms)| {
            rooms.borrow().iter().map(shown).collect()
        })
    }
}
