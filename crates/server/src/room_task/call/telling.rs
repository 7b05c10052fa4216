//! What peers are told: each in its own dialect, and again if its socket broke meanwhile.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, PresenceState, ServerEvent, SnugEvent, TrackId};

use super::{Action, Call, Letter, News};

/// How far before a socket's last sign of life news may have been swallowed by its break.
const SWALLOWED: Duration = Duration::from_secs(2);

impl Call {
    /// Says what is not worth repeating, unless the peer is away.
    pub(super) fn tell_now(&mut self, peer: &PeerId, event: &ServerEvent) {
        self.tell_passing(peer, &News::of(event));
    }

    /// Says to one of several what is not worth repeating, unless it is away.
    pub(super) fn tell_passing(&mut self, peer: &PeerId, news: &News<'_>) {
        let Some(member) = self.members.get(peer).filter(|member| !member.is_away) else {
            return;
        };
        if let Some(letter) = news.letter(member.dialect) {
            let peer = peer.clone();
            self.actions.push_back(Action::Tell { peer, letter });
        }
    }

    /// Sends news, and keeps it for a peer that may come back.
    pub(super) fn tell_news(&mut self, peer: &PeerId, news: &News<'_>, now: Instant) {
        let dialect = self.members.get(peer).map(|member| member.dialect);
        if let Some(letter) = dialect.and_then(|dialect| news.letter(dialect)) {
            self.deliver(peer, letter, now);
        }
    }

    /// Sends news to everybody whom the others see, except one.
    pub(super) fn tell_others(&mut self, peer: &PeerId, event: &ServerEvent, now: Instant) {
        let news = News::of(event);
        for other in self.others(peer) {
            self.tell_news(&other, &news, now);
        }
    }

    /// Sends news to those who know a track: the npm client fails on others.
    pub(super) fn tell_who_knows(&mut self, id: &TrackId, event: &ServerEvent, now: Instant) {
        let news = News::of(event);
        for peer in self.who_knows(id) {
            self.tell_news(&peer, &news, now);
        }
    }

    /// Lists those who know a track.
    pub(super) fn who_knows(&self, id: &TrackId) -> Vec<PeerId> {
        let members = self.members.iter();
        let knowing = members.filter(|(_, member)| member.negotiation.knows(id));
        knowing.map(|(peer, _)| peer.clone()).collect()
    }

    /// Sends what only Snug programs understand.
    pub(super) fn tell_snug(&mut self, peer: &PeerId, event: &SnugEvent, now: Instant) {
        if self.has_snug(peer) {
            self.deliver(peer, Letter::snug(event), now);
        }
    }

    /// Sends chat, hands or reactions to everybody who understands them and is seen.
    pub(super) fn share(&mut self, event: &SnugEvent, now: Instant) {
        let letter = Letter::snug(event);
        for peer in self.listeners() {
            self.deliver(&peer, letter.clone(), now);
        }
    }

    /// The same, except to one.
    pub(super) fn share_except(&mut self, except: &PeerId, event: &SnugEvent, now: Instant) {
        let letter = Letter::snug(event);
        for peer in self.listeners().into_iter().filter(|it| it != except) {
            self.deliver(&peer, letter.clone(), now);
        }
    }

    /// The same where it is worth nothing later: whoever is away misses it.
    pub(super) fn share_passing(&mut self, event: &SnugEvent) {
        let letter = Letter::snug(event);
        for peer in self.listeners() {
            let is_away = self.members.get(&peer).is_none_or(|member| member.is_away);
            if !is_away {
                let letter = letter.clone();
                self.actions.push_back(Action::Tell { peer, letter });
            }
        }
    }

    /// Sends it to one, if they understand.
    pub(super) fn tell_listener(&mut self, peer: &PeerId, event: &SnugEvent, now: Instant) {
        if self.listens(peer) {
            self.deliver(peer, Letter::snug(event), now);
        }
    }

    /// Whether a peer understands chat, hands and reactions, as its join said. Nobody else is ever
    /// sent any of it, nor heard when they say it.
    pub(super) fn listens(&self, peer: &PeerId) -> bool {
        let member = self.members.get(peer);
        self.room.is_seen(peer) && member.is_some_and(|member| member.listens)
    }

    fn listeners(&self) -> Vec<PeerId> {
        let seen = self.room.seen().map(|(peer, _)| peer);
        seen.filter(|peer| self.listens(peer)).cloned().collect()
    }

    pub(super) fn deliver(&mut self, peer: &PeerId, letter: Letter, now: Instant) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        if let Some(journal) = &mut member.journal {
            let kept = journal.push(letter.clone(), now);
            member.has_missed_news |= member.is_away && !kept;
        }
        if !member.is_away {
            let peer = peer.clone();
            self.actions.push_back(Action::Tell { peer, letter });
        }
    }

    pub(super) fn tell_who_is_missed(&mut self, peer: &PeerId, now: Instant) {
        let state = PresenceState::Reconnecting;
        let missed = self
            .room
            .seen()
            .filter(|(other, is)| *other != peer && *is == state);
        let missed: Vec<PeerId> = missed.map(|(other, _)| other.clone()).collect();
        for endpoint_id in missed {
            self.tell_snug(peer, &SnugEvent::Presence { endpoint_id, state }, now);
        }
    }

    /// Tells a newcomer with Snug who came without, or the others with Snug of one without.
    pub(super) fn tell_who_is_in_a_browser(&mut self, peer: &PeerId, now: Instant) {
        let mut others = self.others(peer);
        if !self.has_snug(peer) {
            let endpoint_ids = vec![peer.clone()];
            let event = SnugEvent::InBrowser { endpoint_ids };
            for other in &others {
                self.tell_snug(other, &event, now);
            }
            return;
        }
        others.retain(|other| !self.has_snug(other));
        if !others.is_empty() {
            let endpoint_ids = others;
            self.tell_snug(peer, &SnugEvent::InBrowser { endpoint_ids }, now);
        }
    }

    fn has_snug(&self, peer: &PeerId) -> bool {
        let member = self.members.get(peer);
        member.is_some_and(|member| member.journal.is_some())
    }

    pub(super) fn tell_presence(&mut self, peer: &PeerId, state: PresenceState, now: Instant) {
        for other in self.others(peer) {
            let endpoint_id = peer.clone();
            self.tell_snug(&other, &SnugEvent::Presence { endpoint_id, state }, now);
        }
    }

    /// Sends again what the broken socket may have swallowed.
    pub(super) fn welcome_back(&mut self, peer: &PeerId, local: IpAddr, now: Instant) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        let since = match member.has_choked {
            true => None,
            false => member.socket_heard_at.checked_sub(SWALLOWED),
        };
        let news = member
            .journal
            .iter()
            .flat_map(|journal| journal.since(since).cloned());
        for letter in news {
            self.actions.push_back(Action::Tell {
                peer: peer.clone(),
                letter,
            });
        }
        member.local = local;
        member.socket_heard_at = now;
        member.is_away = false;
        member.has_choked = false;
        member.negotiation.handle_resume();
        for origin in self.others(peer) {
            self.tell_voices_of(&origin, peer);
        }
    }
}
