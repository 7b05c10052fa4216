//! One peer's ICE-lite: which of its checks are believed, and where to send (RFC 8445).
//!
//! Rules: the server never checks, it answers. A path that was checked may carry DTLS and media
//! at once, since browsers start before they nominate. Until a nomination, the latest checked
//! path is used; after it, the nominated one, until a later generation nominates another or it
//! falls silent. Credentials of a generation before stay valid for [`RETIREMENT`], because
//! browsers go on using them. Without a sign of life for [`CONSENT`] nothing is sent (RFC 7675).

use super::IceCredentials;
use super::io::Path;
use super::stun::{self, Request};
use ring::hmac;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the credentials before a restart stay valid.
const RETIREMENT: Duration = Duration::from_secs(30);
/// How long a path may be used without a sign of life (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(30);
/// How long a nominated path may be silent before a checked one takes over. Consent checks come
/// every 5 s, but media is heard much more often.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// Generations alive at once: a renegotiation every few seconds, each of which restarts ICE.
const GENERATIONS_MAX: usize = 8;
/// Paths remembered: each pair of a local and a remote address, and some that have gone.
const PATHS_MAX: usize = 16;

/// The ICE state of one peer.
pub(super) struct Ice {
    generations: Vec<Generation>,
    paths: Vec<CheckedPath>,
    selected: Option<Selected>,
    next_number: u32,
}

struct Generation {
    number: u32,
    local: IceCredentials,
    key: hmac::Key,
    /// The peer's user name fragment, once its offer has told.
    remote_ufrag: Option<String>,
    expires_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct CheckedPath {
    path: Path,
    /// The newest generation that was checked on it.
    generation: u32,
    heard_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Selected {
    path: Path,
    generation: u32,
    is_nominated: bool,
    heard_at: Instant,
}

/// A check that is believed.
#[derive(Debug)]
pub(super) struct Believed {
    /// The key to sign the response with.
    pub(super) key: hmac::Key,
    generation: u32,
}

/// Why a check is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotBelieved {
    /// Its credentials have expired, or were never ours.
    UnknownCredentials,
    /// It was not signed with our password, or the user name's second half is another's.
    WrongCredentials,
}

impl Ice {
    pub(super) fn new(local: IceCredentials) -> Self {
        let mut ice = Self {
            generations: Vec::new(),
            paths: Vec::new(),
            selected: None,
            next_number: 0,
        };
        ice.add_generation(local);
        ice
    }

    /// Starts a generation, or names the peer's side of one that is known. Returns user name
    /// fragments of ours that are no longer valid.
    pub(super) fn set_remote(
        &mut self,
        local: IceCredentials,
        remote: &IceCredentials,
        now: Instant,
    ) -> Vec<String> {
        // A restart may change either side's credentials, or both.
        let known = self.generations.iter().position(|generation| {
            let theirs = generation.remote_ufrag.as_ref();
            generation.local == local && theirs.is_none_or(|theirs| *theirs == remote.ufrag)
        });
        match known {
            // The newest again: a negotiation without a restart.
            Some(index) if index + 1 == self.generations.len() => {}
            Some(index) => {
                self.generations.remove(index);
                self.add_generation(local);
            }
            None => self.add_generation(local),
        }
        if let Some((newest, older)) = self.generations.split_last_mut() {
            newest.remote_ufrag = Some(remote.ufrag.clone());
            for generation in older {
                generation.expires_at = generation.expires_at.or(Some(now + RETIREMENT));
            }
        }
        let excess = self.generations.len().saturating_sub(GENERATIONS_MAX);
        let gone: Vec<Generation> = self.generations.drain(..excess).collect();
        self.out_of_use(gone)
    }

    /// Returns which user name fragments of generations that have gone no other one has.
    fn out_of_use(&self, gone: Vec<Generation>) -> Vec<String> {
        let ufrags = gone.into_iter().map(|generation| generation.local.ufrag);
        ufrags
            .filter(|gone| self.ufrags().all(|ufrag| ufrag != gone))
            .collect()
    }

    fn add_generation(&mut self, local: IceCredentials) {
        let key = stun::key(&local.pwd);
        let number = self.next_number;
        self.next_number += 1;
        self.generations.push(Generation {
            number,
            local,
            key,
            remote_ufrag: None,
            expires_at: None,
        });
    }

    /// Tells whether a Binding request is believed, and which generation it is of.
    pub(super) fn authenticate(
        &self,
        request: &Request<'_>,
        now: Instant,
    ) -> Result<Believed, NotBelieved> {
        let (ours, theirs) = request.username;
        let mut result = Err(NotBelieved::UnknownCredentials);
        let valid = self.generations.iter().filter(|generation| {
            generation.local.ufrag == ours && generation.expires_at.is_none_or(|at| now < at)
        });
        for generation in valid {
            result = Err(NotBelieved::WrongCredentials);
            if generation.remote_ufrag.as_deref() == Some(theirs)
                && request.is_authentic(&generation.key)
            {
                let (key, generation) = (generation.key.clone(), generation.number);
                return Ok(Believed { key, generation });
            }
        }
        result
    }

    /// Makes the path of a believed request one to send and listen on. Returns a path that had
    /// to be forgotten for it.
    pub(super) fn accept(
        &mut self,
        believed: &Believed,
        path: Path,
        is_nominated: bool,
        now: Instant,
    ) -> Option<Path> {
        let evicted = self.remember(path, believed.generation, now);
        self.select(path, believed.generation, is_nominated, now);
        evicted
    }

    fn select(&mut self, path: Path, generation: u32, is_nominated: bool, now: Instant) {
        let takes_over = self.selected.is_none_or(|old| {
            let is_silent = now.saturating_duration_since(old.heard_at) > SILENCE_MAX;
            let is_current = generation >= old.generation;
            (is_current && (is_nominated || !old.is_nominated)) || is_silent
        });
        if takes_over {
            self.selected = Some(Selected {
                path,
                generation,
                is_nominated,
                heard_at: now,
            });
        }
    }

    fn remember(&mut self, path: Path, generation: u32, now: Instant) -> Option<Path> {
        self.note_heard(path, now);
        if let Some(known) = self.paths.iter_mut().find(|known| known.path == path) {
            known.generation = known.generation.max(generation);
            return None;
        }
        let is_selected = |path: Path| self.selected.is_some_and(|selected| selected.path == path);
        let mut evicted = None;
        if self.paths.len() >= PATHS_MAX {
            let candidates = self
                .paths
                .iter()
                .enumerate()
                .filter(|(_, known)| !is_selected(known.path));
            let oldest = candidates
                .min_by_key(|(_, known)| known.heard_at)
                .map(|(index, _)| index);
            evicted = oldest.map(|index| self.paths.swap_remove(index).path);
        }
        self.paths.push(CheckedPath {
            path,
            generation,
            heard_at: now,
        });
        evicted
    }

    /// Notes that something authentic came on a path.
    pub(super) fn note_heard(&mut self, path: Path, now: Instant) {
        if let Some(selected) = self
            .selected
            .as_mut()
            .filter(|selected| selected.path == path)
        {
            selected.heard_at = now;
        }
        if let Some(known) = self.paths.iter_mut().find(|known| known.path == path) {
            known.heard_at = now;
        }
    }

    /// Returns when the peer was last heard from an address.
    pub(super) fn heard_from(&self, remote: SocketAddr) -> Option<Instant> {
        let known = self
            .paths
            .iter()
            .filter(|known| known.path.remote == remote);
        known.map(|known| known.heard_at).max()
    }

    /// Forgets an address that is another peer's now.
    pub(super) fn forget(&mut self, remote: SocketAddr) {
        self.paths.retain(|known| known.path.remote != remote);
        self.selected = self
            .selected
            .filter(|selected| selected.path.remote != remote);
    }

    /// Returns where to send, while the peer consents.
    pub(super) fn path(&self, now: Instant) -> Option<Path> {
        let selected = self.selected?;
        let is_alive = now.saturating_duration_since(selected.heard_at) < CONSENT;
        is_alive.then_some(selected.path)
    }

    /// Tells whether a path was checked, so that it may carry DTLS and media.
    pub(super) fn is_checked(&self, path: Path) -> bool {
        self.paths.iter().any(|known| known.path == path)
    }

    /// Tells whether the paths to an address were last checked in a generation before that of the
    /// path that is nominated now.
    pub(super) fn is_outdated(&self, remote: SocketAddr) -> bool {
        let current = self.selected.filter(|selected| selected.is_nominated);
        let checked = self
            .paths
            .iter()
            .filter(|known| known.path.remote == remote)
            .map(|known| known.generation)
            .max();
        current
            .zip(checked)
            .is_some_and(|(current, checked)| checked < current.generation)
    }

    /// Returns the remote addresses of all checked paths.
    pub(super) fn remotes(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.iter().map(|known| known.path.remote)
    }

    /// Returns our user name fragments that are valid.
    pub(super) fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.generations
            .iter()
            .map(|generation| generation.local.ufrag.as_str())
    }

    /// Forgets generations that have expired; returns their user name fragments.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<String> {
        let is_over =
            |generation: &mut Generation| generation.expires_at.is_some_and(|at| at <= now);
        let gone: Vec<Generation> = self.generations.extract_if(.., is_over).collect();
        self.out_of_use(gone)
    }

    /// Returns when the next generation expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.generations
            .iter()
            .filter_map(|generation| generation.expires_at)
            .min()
    }
}

#[cfg(test)]
mod tests;
