//! Bringing a router to the state that the negotiations ask for.

use super::{Peer, ROUTES_MAX, Route, Router};
use crate::keyframe::Reason;
use crate::subscription::{Outgoing, Subscription};
use crate::track::{Claim, Track};
use crate::{PeerKey, Publish, Subscribe, TrackKey};
use snug_rtp::{Mid, Rid};
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
        self.peers.entry(peer).or_default();
        self.set_publications(peer, &publish);
        self.set_subscriptions(peer, &subscribe, now);
        self.forget_unused_tracks();
        self.schedule_tick(now);
    }

    /// Notes that a peer can be sent media from now on; it gets a fresh start on every track.
    pub fn handle_connected(&mut self, peer: PeerKey, now: Instant) {
        self.set_connected(peer, true);
        for (ssrc, track) in self.peers[&peer].subscribed.clone() {
            let subscriptions = self.tracks.get(track).and_then(Option::as_ref);
            let mut subscriptions = subscriptions.iter().flat_map(|track| &track.subscriptions);
            let own = subscriptions.find(|own| own.peer == peer && own.ssrc == ssrc);
            let target = own.and_then(Subscription::target);
            self.want_picture(track, target, now);
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
        self.peers.remove(&peer);
        self.forget_unused_tracks();
    }

    /// Tells whether the router knows no peer.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn set_connected(&mut self, key: PeerKey, is_connected: bool) {
        let peer = self.peers.entry(key).or_default();
        peer.is_connected = is_connected;
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
                    let mut new = Subscription::new(key, mid, subscribe, outgoing);
                    new.is_connected = peer.is_connected;
                    peer.subscribed.push((subscribe.ssrc, index));
                    track.subscriptions.push(new);
                    if peer.is_connected {
                        self.want_picture(index, subscribe.target, now);
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
    pub(super) fn want_picture(&mut self, index: usize, target: Option<Rid>, now: Instant) {
        let track = self.tracks.get(index).and_then(Option::as_ref);
        let Some(published) = track.and_then(|track| track.published.as_ref()) else {
            return;
        };
        let source = published
            .wanted(target)
            .unwrap_or_else(|| published.limit(target));
        self.want_keyframe(index, source, Reason::NoPicture, now);
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
