//! Who speaks, and whose picture therefore comes first.
//!
//! Rules, each with its why:
//! - Only who knows a track hears of its voice: the npm client fails on others.
//! - A voice is not news that is kept for a peer's return, since it changes every second; who
//!   comes in or comes back is told how things stand.
//! - What a receiver asks for comes first in its order (`prioritizeTrack`), whoever speaks.
//! - The order of pictures lists all of them that a receiver has, since its client takes what is
//!   not listed for switched off. It is told at most once a second, because pages move tiles by
//!   it. Snug's own page knows better; generation A would fail on
//!   it and is never told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, ServerEvent, TrackId, VadStatus};

use super::{Call, Member, News, Published};
use crate::transport::{Kind, TrackKey};

/// The least time between two orders of pictures.
const REORDER_INTERVAL: Duration = Duration::from_secs(1);

/// How many pictures a receiver may want before all others: more than any page shows large.
pub(super) const PREFERRED_MAX: usize = 16;

/// In which order people spoke.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    /// Who spoke last comes first; who never did is not in it.
    order: VecDeque<PeerId>,
    /// The order is another than was told.
    is_changed: bool,
    told_at: Option<Instant>,
}

impl Speakers {
    /// Puts somebody first who began to speak.
    fn note(&mut self, peer: &PeerId) {
        if self.order.front() == Some(peer) {
            return;
        }
        self.order.retain(|known| known != peer);
        self.order.push_front(peer.clone());
        self.is_changed = true;
    }

    /// Forgets somebody who is gone; the others keep their order.
    pub fn forget(&mut self, peer: &PeerId) {
        self.order.retain(|known| known != peer);
    }

    /// Returns when the order may be told again, if it has to be.
    pub fn deadline(&self) -> Option<Instant> {
        let told_at = self.told_at.filter(|_| self.is_changed)?;
        Some(told_at + REORDER_INTERVAL)
    }

    /// Returns whether the order is to be told now, as it will be.
    fn take_turn(&mut self, now: Instant) -> bool {
        let is_rested = self.deadline().is_none_or(|at| now >= at);
        let is_due = self.is_changed && is_rested;
        if is_due {
            (self.is_changed, self.told_at) = (false, Some(now));
        }
        is_due
    }

    fn rank(&self, peer: &PeerId) -> usize {
        let place = self.order.iter().position(|known| known == peer);
        place.unwrap_or(self.order.len())
    }
}

impl Call {
    /// Tells those who know a track that somebody began or stopped speaking on it.
    pub(super) fn handle_voice(&mut self, key: TrackKey, is_speech: bool) {
        let is_silenced = |track: &Published| self.is_silenced(track);
        let heard = self.tracks.values().find(|track| track.key == key);
        let is_speech = is_speech && !heard.is_some_and(is_silenced);
        let found = self.tracks.iter_mut().find(|(_, track)| track.key == key);
        let Some((id, track)) = found else {
            return; // It was on its way while the track ended.
        };
        let status = match is_speech {
            true => VadStatus::Speech,
            false => VadStatus::Silence,
        };
        if track.voice == Some(status) {
            return;
        }
        track.voice = Some(status);
        let (track_id, owner) = (id.clone(), track.owner.clone());
        if is_speech {
            self.speakers.note(&owner);
        }
        let knowing = self.who_knows(&track_id);
        let event = ServerEvent::VadNotification { track_id, status };
        let news = News::of(&event);
        for peer in knowing {
            self.tell_passing(&peer, &news);
        }
    }

    /// Tells a receiver how things stand with the voices of somebody whose tracks it knows.
    pub(super) fn tell_voices_of(&mut self, origin: &PeerId, receiver: &PeerId) {
        let voices = self
            .tracks
            .iter()
            .filter(|(_, track)| track.owner == *origin);
        let voices = voices.filter_map(|(id, track)| Some((id.clone(), track.voice?)));
        for (track_id, status) in voices.collect::<Vec<_>>() {
            let event = ServerEvent::VadNotification { track_id, status };
            self.tell_now(receiver, &event);
        }
    }

    /// Notes that a receiver wants a picture before all others, or does no longer, and tells it the
    /// new order. A picture that it does not know is a stray.
    pub(super) fn prefer(&mut self, peer: &PeerId, id: &TrackId, is_wanted: bool) {
        let is_picture = |track: &Published| track.kind == Kind::Video;
        let is_there = self.tracks.get(id).is_some_and(is_picture);
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        if !is_there || !member.negotiation.knows(id) {
            self.ignored.strays += 1;
            return;
        }
        let before = member.preferred.clone();
        member.preferred.retain(|known| known != id);
        if is_wanted {
            member.preferred.push_front(id.clone());
            member.preferred.truncate(PREFERRED_MAX);
        }
        if member.preferred == before {
            return;
        }
        // It also comes first where the way does not carry all.
        let (preferred, negotiation) = (&member.preferred, &mut member.negotiation);
        let mut is_news = false;
        for id in before.iter().chain(preferred) {
            let is_first = preferred.contains(id);
            is_news |= negotiation.set_view(id, |view| view.is_prioritized = is_first);
        }
        if is_news {
            self.set_media(peer);
        }
        self.tell_order(|other| other == peer);
    }

    /// Tells clients that go by it whose picture comes first, when that changed.
    pub(super) fn tell_speakers(&mut self, now: Instant) {
        if self.speakers.take_turn(now) {
            self.tell_order(|_| true);
        }
    }

    /// Tells some of those who go by it whose picture comes first: what each wants before all
    /// others, then who spoke last.
    fn tell_order(&mut self, is_told: impl Fn(&PeerId) -> bool) {
        let mut pictures: Vec<(usize, &TrackId)> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.kind == Kind::Video)
            .map(|(id, track): (_, &Published)| (self.speakers.rank(&track.owner), id))
            .collect();
        pictures.sort();
        let goes_by_it = |member: &Member| member.journal.is_none() && !member.is_away;
        let mut orders = Vec::new();
        for (peer, member) in &self.members {
            if !goes_by_it(member) || !is_told(peer) {
                continue;
            }
            let known = pictures.iter().map(|(_, id)| *id);
            let mut tracks: Vec<TrackId> = known
                .filter(|id| member.negotiation.knows(id))
                .cloned()
                .collect();
            let wish = |id: &TrackId| member.preferred.iter().position(|known| known == id);
            tracks.sort_by_key(|id| wish(id).unwrap_or(PREFERRED_MAX));
            if tracks.len() > 1 {
                orders.push((peer.clone(), ServerEvent::TracksPriority { tracks }));
            }
        }
        for (peer, event) in orders {
            self.tell_now(&peer, &event);
        }
    }
}
