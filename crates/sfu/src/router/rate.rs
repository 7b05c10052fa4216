//! What the ways carry: feedback in and out, and who is shown how much.

use super::{Arrival, Forwarded, Router, note};
use crate::allocator::{Demand, Purse, Rank, allocate};
use crate::link::{Link, Waiting};
use crate::notice::WantedEncodings;
use crate::subscription::{Allowed, Subscription};
use crate::track::{ENCODINGS_MAX, Published};
use crate::{Counters, Kind, Notice, PeerKey};
use snug_rtp::Packet;
use snug_rtp::rtcp::{TransportFeedback, Writer};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long sharing out waits for more news that it should regard.
const SHARE_DELAY: Duration = Duration::from_millis(20);
/// How long a publisher goes on with an encoding that nobody is shown, so that somebody who
/// changes back and forth does not stop and start it.
const INTEREST: Duration = Duration::from_secs(3);
/// How long a picture without layers may take more than there is room for: its publisher is told
/// to send less, and needs a moment.
const PATIENCE: Duration = Duration::from_secs(3);
/// Below so many bits a second nothing can be made out in a picture.
const PICTURE_LEAST: u64 = 40_000;
/// Padding in small packets, where few bytes are due; more is sent as what was sent last.
const SMALL_PADDING: usize = 800;

impl Router {
    /// Notes when a packet of a peer came, whatever it belongs to, for the report on how they
    /// arrive. To be told of every packet, before [`handle_rtp`](Self::handle_rtp) is.
    pub fn handle_arrival(&mut self, from: PeerKey, packet: &Packet<'_>, at: Instant) {
        let Some(link) = self.link_of(from) else {
            return;
        };
        let number = link.number_id.and_then(|id| packet.extension(id));
        if let Some(number) = number.and_then(|bytes| bytes.first_chunk::<2>()) {
            let number = snug_rtp::SequenceNumber(u16::from_be_bytes(*number));
            link.media_ssrc = packet.header().ssrc;
            link.arrivals.handle_packet(number, at);
        }
    }

    pub(super) fn handle_feedback(
        &mut self,
        from: PeerKey,
        feedback: &TransportFeedback<'_>,
        now: Instant,
    ) {
        self.counters.feedback_received += 1;
        let Some(link) = self.link_of(from) else {
            return;
        };
        let was_limited = link.is_limited();
        if link.handle_feedback(feedback, now) || !was_limited && link.is_limited() {
            self.share_soon(now);
        }
    }

    /// Takes a subscriber's own estimate.
    pub(super) fn handle_estimate(&mut self, from: PeerKey, bitrate: u64, now: Instant) {
        if let Some(link) = self.link_of(from) {
            link.estimate().handle_estimate(bitrate, now);
            self.share_soon(now);
        }
    }

    fn link_of(&mut self, peer: PeerKey) -> Option<&mut Link> {
        let index = self.peers.get(&peer)?.link;
        self.links.get_mut(index)?.as_mut()
    }

    fn share_soon(&mut self, now: Instant) {
        self.share_at.get_or_insert(now + SHARE_DELAY);
    }

    /// Returns when a way has something to do.
    pub(super) fn link_deadline(&self) -> Option<Instant> {
        let links = self.links.iter().flatten();
        links.filter_map(Link::deadline).min()
    }

    pub(super) fn handle_link_timeouts(&mut self, now: Instant) {
        for link in self.links.iter_mut().flatten() {
            link.handle_timeout(now);
        }
        if self.share_at.is_some_and(|at| now >= at) {
            self.share(now);
        }
    }

    /// Writes the next report on how a publisher's packets arrive into `out`, as RTCP; none when
    /// none is due. Drain it after [`handle_timeout`](Self::handle_timeout). 700 bytes are enough.
    pub fn poll_feedback(&mut self, now: Instant, out: &mut [u8]) -> Option<Forwarded> {
        for link in self.links.iter_mut().flatten() {
            if link.arrivals.deadline().is_none_or(|at| now < at) {
                continue;
            }
            let mut writer = Writer::new(out);
            crate::output::lead(&mut writer).ok()?;
            let (from, about) = (crate::output::SERVER_SSRC, link.media_ssrc);
            if let Ok(true) = link.arrivals.write_feedback(now, from, about, &mut writer) {
                self.counters.feedback_sent += 1;
                let to = link.peer;
                let len = writer.finish();
                return Some(Forwarded { to, len });
            }
        }
        None
    }

    /// Writes the next packet whose turn it is into `out`: one that waited, or padding. None when
    /// all have to wait. Drain it after [`handle_timeout`](Self::handle_timeout).
    pub fn poll_paced(&mut self, now: Instant, out: &mut [u8]) -> Option<Forwarded> {
        while self.turn < self.links.len() {
            if let Some(forwarded) = self.write_of_link(self.turn, now, out) {
                return Some(forwarded);
            }
            self.turn += 1;
        }
        self.turn = 0;
        None
    }

    fn write_of_link(&mut self, index: usize, now: Instant, out: &mut [u8]) -> Option<Forwarded> {
        let to = self.links[index].as_ref()?.peer;
        while let Some(waiting) = self.links[index].as_mut()?.poll_waiting(now) {
            if let Some(len) = self.write_waiting(index, &waiting, now, out) {
                self.counters.forwarded += 1;
                return Some(Forwarded { to, len });
            }
        }
        let due = self.links[index].as_mut()?.padding(now);
        if due == 0 {
            return None;
        }
        let len = self.write_padding(index, due, now, out)?;
        self.counters.padding += 1;
        Some(Forwarded { to, len })
    }

    fn write_waiting(
        &mut self,
        index: usize,
        waiting: &Waiting,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        let link = self.links[index].as_mut()?;
        let track = self.tracks.get_mut(waiting.track)?.as_mut()?;
        let published = track.published.as_ref()?;
        let is_it = |it: &&mut Subscription| it.link == index && it.ssrc == waiting.ssrc;
        let subscription = track.subscriptions.iter_mut().find(is_it)?;
        let packet = published
            .ring
            .as_ref()?
            .find(waiting.source, waiting.sequence)?;
        let arrival = Arrival::read(waiting.track, waiting.source, published.kind, &packet)?;
        let number = link.number(subscription.is_numbered());
        let of = (&arrival, published);
        let len = subscription.write(&waiting.numbers, number, of, &packet, out)?;
        link.handle_sent(number, len, now);
        Some(len)
    }

    /// Writes padding: what was sent last once more, which may even be of use, else nothing at all.
    fn write_padding(
        &mut self,
        index: usize,
        due: usize,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        let link = self.links[index].as_mut()?;
        let (track_index, ssrc) = link.padding_place?;
        let track = self.tracks.get_mut(track_index)?.as_mut()?;
        let is_it = |it: &&mut Subscription| it.link == index && it.ssrc == ssrc && it.can_pad();
        let subscription = track.subscriptions.iter_mut().find(is_it)?;
        let number = link.number(true)?;
        let repeat = |subscription: &mut Subscription, out: &mut [u8]| {
            let published = track.published.as_ref()?;
            let source = subscription.current()?;
            let ring = published.ring.as_ref()?;
            let packet = ring.find(source, ring.newest(source)?)?;
            let arrival = Arrival::read(track_index, source, published.kind, &packet)?;
            let sent = subscription.sent_as(arrival.numbers.sequence)?;
            let of = (&arrival, published);
            subscription.write_repair(sent, Some(number), of, &packet, out)
        };
        let repeated = match due >= SMALL_PADDING {
            true => repeat(subscription, out),
            false => None,
        };
        let small = u8::try_from(due).unwrap_or(u8::MAX).max(100);
        let len = repeated.or_else(|| subscription.write_padding(number, small, out))?;
        link.handle_sent(Some(number), len, now);
        Some(len)
    }

    /// Shares out what the ways carry, and tells what changed by it.
    pub(super) fn share(&mut self, now: Instant) {
        self.share_at = None;
        self.note_demands();
        let mut demands = std::mem::take(&mut self.demands);
        for group in demands.chunk_by_mut(|one, other| one.link == other.link) {
            self.share_link(group, now);
        }
        self.demands = demands;
        for link in self.links.iter_mut().flatten() {
            let (wanted, to) = (link.wanted, link.peer);
            if link.estimator().is_some() {
                // Headers of what is sent again, and swings.
                link.estimate().set_wanted(wanted + wanted / 10, now);
            }
            if let Some(bitrate) = link.estimate_to_tell(now) {
                let notice = Notice::Estimate { to, bitrate };
                note(&mut self.notices, notice, &mut self.counters);
            }
        }
        self.note_interest(now);
    }

    /// Lists what each receiver could be shown, by ways and ranks.
    fn note_demands(&mut self) {
        self.demands.clear();
        for link in self.links.iter_mut().flatten() {
            (link.sound, link.wanted, link.padding_place) = (0, 0, None);
        }
        let mut speaking = std::mem::take(&mut self.speakers);
        speaking.clear();
        speaking.extend(self.speaking());
        for (index, track) in self.tracks.iter_mut().enumerate() {
            let Some(track) = track else { continue };
            let Some(published) = track.published.as_mut() else {
                continue;
            };
            published.share = None;
            let is_speaking = speaking.contains(&published.by);
            for (place, subscription) in track.subscriptions.iter_mut().enumerate() {
                let link = self
                    .links
                    .get_mut(subscription.link)
                    .and_then(Option::as_mut);
                let Some(link) = link.filter(|_| subscription.is_connected) else {
                    continue;
                };
                if published.kind == Kind::Audio {
                    let cost = published.cost(0);
                    (link.sound, link.wanted) = (link.sound + cost, link.wanted + cost);
                    subscription.spare_red(link.is_thin());
                    continue;
                }
                if subscription.can_pad() && link.padding_place.is_none() {
                    link.padding_place = Some((index, subscription.ssrc));
                }
                let Some(demand) = demand(published, subscription, (index, place), is_speaking)
                else {
                    continue;
                };
                link.wanted += demand.best_cost().max(published.room_wanted());
                if link.is_limited() {
                    self.demands.push(demand);
                } else {
                    published.share = Some(u64::MAX);
                    subscription.allow(Allowed::All);
                }
            }
        }
        self.speakers = speaking;
        let order = |demand: &Demand| {
            (
                demand.link,
                Reverse(demand.rank),
                demand.track,
                demand.place,
            )
        };
        self.demands.sort_unstable_by_key(order);
    }

    /// Lists who speaks.
    fn speaking(&self) -> impl Iterator<Item = PeerKey> + '_ {
        let tracks = self.tracks.iter().flatten();
        let published = tracks.filter_map(|track| track.published.as_ref());
        let voices = published.filter(|published| published.voice.is_speech());
        voices.map(|published| published.by)
    }

    /// Shares out one way.
    fn share_link(&mut self, demands: &mut [Demand], now: Instant) {
        let index = demands[0].link;
        let Some(link) = self.links[index].as_mut() else {
            return;
        };
        let Some(estimator) = link.estimator() else {
            return;
        };
        let purse = Purse {
            now: estimator.target().saturating_sub(link.sound),
            lowest: estimator.target_lowest().saturating_sub(link.sound),
            may_rise: link.may_rise(now),
        };
        let has_limit = estimator.has_limit(now);
        let spent = allocate(demands, &purse);
        let rest = purse.now.saturating_sub(spent);
        let room = if has_limit { rest } else { u64::MAX };
        let (mut has_risen, mut has_fallen) = (false, false);
        for demand in &*demands {
            let track = self.tracks.get_mut(demand.track).and_then(Option::as_mut);
            let Some(track) = track else { continue };
            let Some(published) = track.published.as_mut() else {
                continue;
            };
            let Some(subscription) = track.subscriptions.get_mut(demand.place) else {
                continue;
            };
            let given = settle(demand, published, subscription, (rest, room), now);
            has_risen |= given > demand.kept;
            has_fallen |= given < demand.kept;
            let allowed = match given {
                // What is not sent is no fault of the way.
                _ if given == demand.best() => Allowed::All,
                Some(given) => Allowed::UpTo(given),
                None => Allowed::Nothing,
            };
            let notices = (&mut self.notices, &mut self.counters);
            apply(subscription, published, allowed, notices);
        }
        match (has_fallen, has_risen) {
            (true, _) => link.handle_fall(now),
            (false, true) => link.handle_rise(now),
            _ => {}
        }
    }

    /// Notes which encodings are shown to anybody, and tells publishers when that changed.
    fn note_interest(&mut self, now: Instant) {
        for track in self.tracks.iter_mut().flatten() {
            let Some(published) = track.published.as_mut() else {
                continue;
            };
            if published.kind != Kind::Video {
                continue;
            }
            let mut shown = published.interest.shown_at;
            if published.interest.told.is_none() {
                // Whoever comes in later has a moment to ask.
                shown = [Some(now); ENCODINGS_MAX];
            }
            for subscription in &track.subscriptions {
                let limit = subscription.limit(published);
                let Some(limit) = limit.filter(|_| subscription.is_connected) else {
                    continue;
                };
                let sent = published
                    .wanted(limit)
                    .into_iter()
                    .chain(subscription.current());
                for index in sent.chain([limit]) {
                    if let Some(shown) = shown.get_mut(index) {
                        *shown = Some(now);
                    }
                }
            }
            published.interest.shown_at = shown;
            if let Some(notice) = interest_to_tell(published, now) {
                note(&mut self.notices, notice, &mut self.counters);
            }
        }
    }
}

/// Returns what a subscriber could be shown of a track; none when it hides it.
fn demand(
    published: &Published,
    subscription: &Subscription,
    (track, place): (usize, usize),
    is_speaking: bool,
) -> Option<Demand> {
    let view = subscription.view();
    if view.rows == Some(0) {
        return None;
    }
    let limit = subscription.use_limit(published);
    let mut costs = [0; ENCODINGS_MAX];
    for (index, cost) in costs.iter_mut().enumerate() {
        *cost = published.cost(index);
    }
    Some(Demand {
        link: subscription.link,
        track,
        place,
        rank: Rank {
            is_prioritized: view.is_prioritized,
            is_speaking,
            rows: view.rows.unwrap_or(u16::MAX),
        },
        costs,
        limit,
        kept: match subscription.allowed() {
            Allowed::All => Some(limit),
            Allowed::UpTo(index) => Some(index.min(limit)),
            Allowed::Nothing => None,
        },
        given: None,
    })
}

/// Decides about a picture, after sharing out: one without layers has to be adapted by its
/// publisher, who is told how much `room` there is besides, and gets a moment to do so.
fn settle(
    demand: &Demand,
    published: &mut Published,
    subscription: &mut Subscription,
    (rest, room): (u64, u64),
    now: Instant,
) -> Option<usize> {
    if published.sources.len() != 1 {
        return demand.given;
    }
    let cost = demand.given.map_or(0, |given| demand.costs[given]);
    let share = room.saturating_add(cost).max(PICTURE_LEAST);
    published.share = Some(published.share.map_or(share, |other| other.max(share)));
    if demand.given.is_some() || published.bitrate_max.is_none() || demand.kept.is_none() {
        subscription.over_since = None;
        return demand.given;
    }
    let since = *subscription.over_since.get_or_insert(now);
    let is_patient = now.saturating_duration_since(since) < PATIENCE;
    demand.kept.filter(|_| is_patient && rest > PICTURE_LEAST)
}

/// Lets a subscription have what it is given, and notes what people should know of that.
fn apply(
    subscription: &mut Subscription,
    published: &Published,
    allowed: Allowed,
    (notices, counters): (&mut VecDeque<Notice>, &mut Counters),
) {
    let was_paused = subscription.allowed() == Allowed::Nothing;
    let is_paused = allowed == Allowed::Nothing;
    subscription.allow(allowed);
    if was_paused == is_paused {
        return;
    }
    if is_paused {
        counters.pauses += 1;
        subscription.leave_source();
    }
    let notice = Notice::Paused {
        to: subscription.peer,
        track: published.track,
        is_paused,
    };
    note(notices, notice, counters);
}

/// Returns what a publisher should know of who is shown what, if that changed.
fn interest_to_tell(published: &mut Published, now: Instant) -> Option<Notice> {
    let is_shown =
        |at: &Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < INTEREST);
    let mut told = 0;
    let mut encodings = WantedEncodings::default();
    let shown = published.interest.shown_at.iter().zip(&published.sources);
    for (index, (at, source)) in shown.enumerate() {
        if is_shown(at) {
            told |= 1 << index;
            encodings.is_any = true;
            encodings.rids[index] = source.encoding.rid;
        }
    }
    let before = published.interest.told.replace(told);
    // At first all are sent, and nobody has to be told.
    let all = (1u8 << published.sources.len().min(ENCODINGS_MAX)) - 1;
    if before.unwrap_or(all) == told {
        return None;
    }
    Some(Notice::Wanted {
        from: published.by,
        track: published.track,
        encodings,
    })
}
