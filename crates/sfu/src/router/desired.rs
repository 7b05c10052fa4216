//! Bringing a router to the state that the negotiations ask for.

use super::{Peer, ROUTES_MAX, Route, Router};
use crate::keyframe::Reason;
use crate::link::Link;
use crate::subscription::{Outgoing, Subscription};
use crate::track::{Claim, Track};
use crate::{PeerKey, Publish, Subscribe, TrackKey};
use snug_rtp::Mid;
use std::time::Instant;

/// The most tracks that one peer may publish: camera, microphone and screen with its sound, and
/// room for a few more of each.
const PUBLICATIONS_MAX: usize = 16;
/// The most tracks that one peer may receive: a room of 100 with four tracks each.
const SUBSCRIPTIONS_MAX: usize = 512;
/// The most outgoing sources whose state is kept while they carry nothing. Media sections are
/// used again, so this follows the number of subscriptions.
const PARKED_MAX: usize = SUBSCRIPTIONS_MAX;

impl Router {
    /// Sets everything that a peer sends and receives. What stays the same keeps flowing. What
    /// is illegal (a mid that no extension can carry, a track of another publisher, more than 16
    /// publications or 512 subscriptions) is left out and counted.
    pub fn set_media(
        &mut self,
        peer: PeerKey,
        publish: Vec<Publish>,
        subscribe: Vec<Subscribe>,
        now: Instant,
    ) {
        self.open_link(peer);
        self.set_publications(peer, &publish);
        self.set_subscriptions(peer, &subscribe, now);
        self.set_numbers(peer, &publish, &subscribe);
        self.forget_unused_tracks();
        self.schedule_tick(now);
    }

    /// Notes that a peer can be sent media from now on; it gets a fresh start on every track.
    pub fn handle_connected(&mut self, peer: PeerKey, now: Instant) {
        self.set_connected(peer, true);
        for (ssrc, track) in self.peers[&peer].subscribed.clone() {
            self.want_picture(track, peer, ssrc, now);
        }
    }

    /// Notes that a peer cannot be sent media, until the next
    /// [`handle_connected`](Self::handle_connected).
    pub fn handle_disconnected(&mut self, peer: PeerKey) {
        self.set_connected(peer, false);
    }

    /// Forgets a peer, all that it sends and all that it receives.
    pub fn remove_peer(&mut self, peer: PeerKey) {
        self.set_publications(peer, &[]);
        self.drop_subscriptions(peer, |_, _| false);
        if let Some(gone) = self.peers.remove(&peer)
            && let Some(link) = self.links.get_mut(gone.link)
        {
            *link = None;
        }
        self.forget_unused_tracks();
    }

    /// Tells whether the router knows no peer.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn set_connected(&mut self, key: PeerKey, is_connected: bool) {
        self.open_link(key);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.is_connected = is_connected;
        if let Some(link) = self.links[peer.link].as_mut() {
            link.handle_disconnected();
        }
        for (ssrc, track) in &peer.subscribed {
            let track = self.tracks.get_mut(*track).and_then(Option::as_mut);
            let subscriptions = track.map_or(&mut [][..], |track| &mut track.subscriptions);
            let is_own = |subscription: &&mut Subscription| {
                subscription.peer == key && subscription.ssrc == *ssrc
            };
            if let Some(subscription) = subscriptions.iter_mut().find(is_own) {
                subscription.is_connected = is_connected;
                subscription.leave_source();
            }
        }
    }

    fn set_publications(&mut self, key: PeerKey, publish: &[Publish]) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        for &index in &peer.published {
            let track = self.tracks.get_mut(index).and_then(Option::as_mut);
            if let Some(track) =
                track.filter(|track| publish.iter().all(|kept| kept.track != track.key))
            {
                track.unpublish();
            }
        }
        let mut published = Vec::with_capacity(publish.len());
        for publish in publish {
            let Ok(mid) = publish.mid.parse::<Mid>() else {
                self.counters.refused_publications += 1;
                continue;
            };
            let index = self.track(publish.track);
            let Some(track) = self.tracks[index].as_mut() else {
                continue;
            };
            let is_foreign = track.published.as_ref().is_some_and(|old| old.by != key);
            if is_foreign || published.contains(&index) || published.len() >= PUBLICATIONS_MAX {
                self.counters.refused_publications += 1;
                continue;
            }
            track.publish(key, mid, publish);
            published.push(index);
        }
        let routes = self.routes_of(&published);
        let peer = self.peers.entry(key).or_default();
        (peer.published, peer.routes) = (published, routes);
    }

    /// Lists the sources of tracks, announced and learnt.
    fn routes_of(&self, published: &[usize]) -> Vec<(u32, Route)> {
        let mut routes: Vec<(u32, Route)> = Vec::new();
        for &track in published {
            let found = self.tracks.get(track).and_then(Option::as_ref);
            let sources = found
                .and_then(|found| found.published.as_ref())
                .map(|found| &found.sources);
            for (index, source) in sources.into_iter().flatten().enumerate() {
                let media = source.ssrc.map(|ssrc| (ssrc, Claim::Media(index)));
                let rtx = source
                    .rtx_ssrc
                    .map(|ssrc| (ssrc, Claim::Retransmission(index)));
                for (ssrc, claim) in media.into_iter().chain(rtx) {
                    let is_new = routes.iter().all(|(known, _)| *known != ssrc);
                    if is_new && routes.len() < ROUTES_MAX {
                        routes.push((ssrc, Route { track, claim }));
                    }
                }
            }
        }
        routes
    }

    fn set_subscriptions(&mut self, key: PeerKey, subscribe: &[Subscribe], now: Instant) {
        self.drop_subscriptions(key, |track, ssrc| {
            subscribe
                .iter()
                .any(|kept| kept.track == track && kept.ssrc == ssrc)
        });
        for subscribe in subscribe {
            let Ok(mid) = subscribe.mid.parse::<Mid>() else {
                self.counters.refused_subscriptions += 1;
                continue;
            };
            let index = self.track(subscribe.track);
            let (Some(peer), Some(track)) = (self.peers.get_mut(&key), self.tracks[index].as_mut())
            else {
                continue;
            };
            let known = peer
                .subscribed
                .iter()
                .find(|(ssrc, _)| *ssrc == subscribe.ssrc);
            match known {
                Some((_, other)) if *other != index => self.counters.refused_subscriptions += 1,
                Some(_) => track
                    .subscriptions
                    .iter_mut()
                    .filter(|old| old.peer == key && old.ssrc == subscribe.ssrc)
                    .for_each(|old| old.update(mid, subscribe)),
                None if peer.subscribed.len() >= SUBSCRIPTIONS_MAX => {
                    self.counters.refused_subscriptions += 1;
                }
                None => {
                    let outgoing = peer.parked.remove(&subscribe.ssrc).unwrap_or_default();
                    let mut new = Subscription::new((key, peer.link), mid, subscribe, outgoing);
                    new.is_connected = peer.is_connected;
                    peer.subscribed.push((subscribe.ssrc, index));
                    track.subscriptions.push(new);
                    if peer.is_connected {
                        self.want_picture(index, key, subscribe.ssrc, now);
                    }
                }
            }
        }
    }

    /// Ends the subscriptions of a peer that are not to be kept; their sources remember.
    fn drop_subscriptions(&mut self, key: PeerKey, keep: impl Fn(TrackKey, u32) -> bool) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Peer {
            subscribed, parked, ..
        } = peer;
        subscribed.retain(|(ssrc, index)| {
            let Some(track) = self.tracks.get_mut(*index).and_then(Option::as_mut) else {
                return false;
            };
            if keep(track.key, *ssrc) {
                return true;
            }
            let is_own = |old: &Subscription| old.peer == key && old.ssrc == *ssrc;
            if let Some(at) = track.subscriptions.iter().position(is_own) {
                let outgoing: Outgoing = track.subscriptions.remove(at).into_outgoing();
                if parked.len() < PARKED_MAX {
                    parked.insert(*ssrc, outgoing);
                }
            }
            false
        });
    }

    /// Asks for a keyframe of what a newcomer to a track will be shown.
    pub(super) fn want_picture(&mut self, index: usize, peer: PeerKey, ssrc: u32, now: Instant) {
        let Some(track) = self.tracks.get(index).and_then(Option::as_ref) else {
            return;
        };
        let Some(published) = &track.published else {
            return;
        };
        let mut own = track.subscriptions.iter();
        let own = own.find(|own| own.peer == peer && own.ssrc == ssrc);
        let Some(limit) = own.and_then(|own| own.limit(published)) else {
            return;
        };
        let source = published.wanted(limit).unwrap_or(limit);
        self.want_keyframe(index, source, Reason::NoPicture, now);
    }

    /// Opens the way to a peer that is new.
    fn open_link(&mut self, key: PeerKey) {
        if self.peers.contains_key(&key) {
            return;
        }
        let free = self.links.iter().position(Option::is_none);
        let link = free.unwrap_or_else(|| {
            self.links.push(None);
            self.links.len() - 1
        });
        self.links[link] = Some(Link::new(key));
        let peer = Peer {
            link,
            ..Peer::default()
        };
        self.peers.insert(key, peer);
    }

    /// Notes under which ids transport-wide numbers come and go.
    fn set_numbers(&mut self, key: PeerKey, publish: &[Publish], subscribe: &[Subscribe]) {
        let link = self.peers.get(&key).map(|peer| peer.link);
        let Some(link) = link.and_then(|link| self.links[link].as_mut()) else {
            return;
        };
        let mut ids = publish.iter().map(|it| it.extensions.transport_cc);
        link.number_id = ids.find_map(|id| id);
        if subscribe
            .iter()
            .any(|it| it.extensions.transport_cc.is_some())
        {
            link.estimate();
        }
    }

    /// Returns the place of a track, making it when it is new.
    fn track(&mut self, key: TrackKey) -> usize {
        if let Some(&index) = self.track_index.get(&key) {
            return index;
        }
        let free = self.tracks.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.tracks.push(None);
            self.tracks.len() - 1
        });
        self.tracks[index] = Some(Track::new(key));
        self.track_index.insert(key, index);
        index
    }

    fn forget_unused_tracks(&mut self) {
        for slot in &mut self.tracks {
            if let Some(track) = slot.take_if(|track| track.is_unused()) {
                self.track_index.remove(&track.key);
            }
        }
    }
}
