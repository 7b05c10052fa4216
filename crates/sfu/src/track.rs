//! A track: what its publisher sends, and everybody who receives it.

use crate::keyframe::KeyframeRequests;
use crate::meter::Meter;
use crate::reception::Reception;
use crate::ring::Ring;
use crate::selector::Selector;
use crate::subscription::Subscription;
use crate::voice::Voice;
use crate::{Encoding, ExtensionIds, Kind, Notice, PeerKey, Publish, TrackKey};
use snug_rtp::{Mid, Missing, Packet, Rid};
use std::time::Instant;

/// The most encodings that a track may have: three of a simulcast and one to spare.
pub(crate) const ENCODINGS_MAX: usize = 4;

/// Rows of pixels of the lowest encoding, before a keyframe tells.
const ROWS_FIRST: u32 = 180;
/// A picture may be stretched by so much before the next better one is worth its bits: 5 to 4.
const ROWS_SLACK: (u32, u32) = (4, 5);
/// What encodings cost before any was seen, in bits a second: what the npm client sends.
const COST_FIRST: [u64; ENCODINGS_MAX] = [150_000, 500_000, 1_500_000, 2_500_000];
const COST_ALONE: u64 = 1_000_000;

/// A track known to a router, by its publisher, a subscriber, or both: either may be told first.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) key: TrackKey,
    pub(crate) published: Option<Published>,
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Track {
    pub(crate) fn new(key: TrackKey) -> Self {
        Self {
            key,
            published: None,
            subscriptions: Vec::new(),
        }
    }

    /// Tells whether neither side knows it any more.
    pub(crate) fn is_unused(&self) -> bool {
        self.published.is_none() && self.subscriptions.is_empty()
    }

    /// Takes a publication in, keeping what is known of encodings that stay.
    pub(crate) fn publish(&mut self, by: PeerKey, mid: Mid, publish: &Publish) {
        let mut old = self.published.take();
        let ring = old.as_mut().and_then(|published| published.ring.take());
        let old_sources = old.as_ref().map_or(&[][..], |published| &published.sources);
        let sources: Vec<Source> = publish
            .encodings
            .iter()
            .take(ENCODINGS_MAX)
            .map(|encoding| {
                let same = old_sources
                    .iter()
                    .find(|source| source.encoding.is_same_stream(encoding));
                let mut source = same.copied().unwrap_or_else(|| Source::new(*encoding));
                source.encoding.is_disabled = encoding.is_disabled;
                source
            })
            .collect();
        let is_same = sources.len() == old_sources.len()
            && sources
                .iter()
                .zip(old_sources)
                .all(|(new, old)| new.encoding.is_same_stream(&old.encoding));
        let selector = old.as_ref().map(|published| published.selector);
        let voice = old.as_ref().map(|published| published.voice);
        let interest = old.as_ref().map(|published| published.interest);
        let mut published = Published {
            track: self.key,
            by,
            mid,
            kind: publish.kind,
            payload_type: publish.payload_type,
            rtx_payload_type: publish.rtx_payload_type,
            red_payload_type: publish.red_payload_type,
            extensions: publish.extensions,
            bitrate_max: publish.bitrate_max,
            sources,
            selector: selector.unwrap_or_default(),
            voice: voice.unwrap_or_default(),
            ring,
            interest: interest.unwrap_or_default(),
            share: None,
        };
        if !is_same {
            // Indices may have moved: everybody starts again at the next keyframe, with
            // continuous numbers.
            published.selector = Selector::default();
            published.ring = None;
            self.subscriptions
                .iter_mut()
                .for_each(Subscription::leave_source);
        }
        if published.kind == Kind::Video && published.ring.is_none() {
            published.ring = Some(Ring::new(published.sources.len()));
        }
        self.published = Some(published);
    }

    /// Notes which source sends an encoding, and returns the one that did before. When that sent
    /// media, subscribers start again: the numbers of the two have nothing to do with each other.
    pub(crate) fn handle_source(&mut self, claim: Claim, ssrc: u32) -> Option<u32> {
        let sources = &mut self.published.as_mut()?.sources;
        let (source, index) = match claim {
            Claim::Media(index) => (sources.get_mut(index)?, index),
            Claim::Retransmission(index) => {
                return sources.get_mut(index)?.rtx_ssrc.replace(ssrc);
            }
        };
        let former = source.ssrc.replace(ssrc)?;
        source.reception = Reception::default();
        source.missing = Missing::default();
        self.subscriptions
            .iter_mut()
            .filter(|subscription| subscription.current() == Some(index))
            .for_each(Subscription::leave_source);
        Some(former)
    }

    /// Forgets the publication; subscribers wait for another one.
    pub(crate) fn unpublish(&mut self) {
        self.published = None;
        self.subscriptions
            .iter_mut()
            .for_each(Subscription::leave_source);
    }
}

/// The publisher's side of a track.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) track: TrackKey,
    pub(crate) by: PeerKey,
    pub(crate) mid: Mid,
    pub(crate) kind: Kind,
    pub(crate) payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
    pub(crate) red_payload_type: Option<u8>,
    pub(crate) extensions: ExtensionIds,
    pub(crate) bitrate_max: Option<u64>,
    /// Best last.
    pub(crate) sources: Vec<Source>,
    pub(crate) selector: Selector,
    pub(crate) voice: Voice,
    /// The last packets, of pictures.
    pub(crate) ring: Option<Ring>,
    pub(crate) interest: Interest,
    /// What the ways of those who watch leave for it at best, in bits a second; none where one
    /// leaves enough.
    pub(crate) share: Option<u64>,
}

/// Which encodings of a track anybody was shown lately, and what its publisher knows of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interest {
    /// When each was last shown to anybody.
    pub(crate) shown_at: [Option<Instant>; ENCODINGS_MAX],
    /// What was told, one bit each.
    pub(crate) told: Option<u8>,
}

/// One encoding as it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) encoding: Encoding,
    /// Its source: announced or learnt.
    pub(crate) ssrc: Option<u32>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) reception: Reception,
    pub(crate) keyframes: KeyframeRequests,
    pub(crate) missing: Missing,
    pub(crate) meter: Meter,
    /// Rows of pixels, once a keyframe told.
    pub(crate) rows: Option<u16>,
}

impl Source {
    fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            ssrc: encoding.ssrc,
            rtx_ssrc: encoding.rtx_ssrc,
            reception: Reception::default(),
            keyframes: KeyframeRequests::default(),
            missing: Missing::default(),
            meter: Meter::default(),
            rows: None,
        }
    }
}

/// What a packet of an unknown source says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Media of the encoding with this index.
    Media(usize),
    /// Retransmissions of the encoding with this index.
    Retransmission(usize),
}

impl Published {
    /// Returns the index of the encoding to show to somebody who may be shown none better than
    /// `limit`.
    pub(crate) fn wanted(&self, limit: usize) -> Option<usize> {
        self.selector.wanted(limit, &self.sources)
    }

    /// Returns the index of the least encoding that fills so many rows of pixels.
    pub(crate) fn limit_of_rows(&self, rows: Option<u16>) -> usize {
        let best = self.sources.len().saturating_sub(1);
        let Some(rows) = rows else { return best };
        let fills =
            |index: &usize| self.rows_of(*index) * ROWS_SLACK.1 >= u32::from(rows) * ROWS_SLACK.0;
        (0..best).find(fills).unwrap_or(best)
    }

    /// Returns how many rows an encoding has, or would have: each has twice those of the one below.
    fn rows_of(&self, index: usize) -> u32 {
        let known = |at: usize| self.sources.get(at).and_then(|source| source.rows);
        if let Some(rows) = known(index) {
            return rows.into();
        }
        let other = (0..self.sources.len()).find_map(|at| Some((at, u32::from(known(at)?))));
        match other {
            Some((at, rows)) if at > index => rows >> (at - index),
            Some((at, rows)) => rows << (index - at),
            None => ROWS_FIRST << index,
        }
    }

    /// Returns how many bits a second its sender should use at most, as far as anybody says.
    pub(crate) fn allowance(&self) -> u64 {
        let most = self.bitrate_max.unwrap_or(0);
        self.share.map_or(most, |share| most.min(share))
    }

    /// Returns how many bits a second it could come to take: without layers, what its sender may
    /// use.
    pub(crate) fn room_wanted(&self) -> u64 {
        match self.sources.len() {
            1 => self.bitrate_max.unwrap_or(0),
            _ => 0,
        }
    }

    /// Returns what an encoding costs, in bits a second; zero when it is not to be had.
    pub(crate) fn cost(&self, index: usize) -> u64 {
        let Some(source) = self.sources.get(index) else {
            return 0;
        };
        if source.encoding.is_disabled {
            return 0;
        }
        let guess = match self.sources.len() {
            1 => COST_ALONE,
            _ => COST_FIRST[index.min(COST_FIRST.len() - 1)],
        };
        source.meter.bitrate().unwrap_or(guess)
    }

    /// Looks whether somebody speaks; returns what people should know then.
    pub(crate) fn listen(&mut self, packet: &Packet<'_>, now: Instant) -> Option<Notice> {
        let id = self.extensions.audio_level?;
        let level = *packet.extension(id)?.first()?;
        let is_speech = self.voice.handle_level(level, now)?;
        Some(self.heard(is_speech))
    }

    /// Looks whether somebody has stopped speaking.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Notice> {
        let is_speech = self.voice.handle_timeout(now)?;
        Some(self.heard(is_speech))
    }

    fn heard(&self, is_speech: bool) -> Notice {
        Notice::Voice {
            from: self.by,
            track: self.track,
            is_speech,
        }
    }

    /// Tells whether an encoding is sent at present.
    pub(crate) fn is_alive(&self, index: usize) -> bool {
        let source = self.sources.get(index);
        source.is_some_and(|source| !source.encoding.is_disabled) && self.selector.is_alive(index)
    }

    /// Returns the index of the best encoding that somebody who wants `target` may be shown.
    pub(crate) fn limit(&self, target: Option<Rid>) -> usize {
        let best = self.sources.len().saturating_sub(1);
        target.map_or(best, |rid| {
            let named = |source: &Source| source.encoding.rid == Some(rid);
            self.sources.iter().position(named).unwrap_or(best)
        })
    }

    /// Reads from the mid and rid extensions whether a packet belongs to this track
    /// (RFC 8843 section 9.2, RFC 8852).
    pub(crate) fn claim(&self, packet: &Packet<'_>) -> Option<Claim> {
        let token = |id: Option<u8>| id.and_then(|id| packet.extension(id));
        if token(self.extensions.mid)? != self.mid.as_bytes() {
            return None;
        }
        if let Some(rid) = token(self.extensions.repaired_rid) {
            return self.encoding_by_rid(rid).map(Claim::Retransmission);
        }
        let index = match token(self.extensions.rid) {
            Some(rid) => self.encoding_by_rid(rid)?,
            None => self.only_encoding()?,
        };
        let is_rtx = Some(packet.header().payload_type) == self.rtx_payload_type;
        Some(if is_rtx {
            Claim::Retransmission(index)
        } else {
            Claim::Media(index)
        })
    }

    /// Tells whether a payload type is one of its media, with earlier sound or without.
    pub(crate) fn is_media(&self, payload_type: u8) -> bool {
        payload_type == self.payload_type || Some(payload_type) == self.red_payload_type
    }

    /// Tells whether a packet repeats earlier sound beside its own.
    pub(crate) fn is_red(&self, packet: &Packet<'_>) -> bool {
        let has_type = Some(packet.header().payload_type) == self.red_payload_type;
        has_type && !packet.payload().is_empty()
    }

    /// Tells which encoding a packet without extensions can only be, by its payload type
    /// (RFC 8843 section 9.2); none whose source is known already. The caller makes sure that no
    /// other track uses that type.
    pub(crate) fn claim_by_payload_type(&self, payload_type: u8) -> Option<Claim> {
        let index = self.only_encoding()?;
        let source = self.sources.get(index)?;
        if self.is_media(payload_type) && source.ssrc.is_none() {
            Some(Claim::Media(index))
        } else if Some(payload_type) == self.rtx_payload_type && source.rtx_ssrc.is_none() {
            Some(Claim::Retransmission(index))
        } else {
            None
        }
    }

    fn only_encoding(&self) -> Option<usize> {
        (self.sources.len() == 1).then_some(0)
    }

    fn encoding_by_rid(&self, rid: &[u8]) -> Option<usize> {
        let rid = Rid::new(rid).ok()?;
        self.sources
            .iter()
            .position(|source| source.encoding.rid == Some(rid))
    }
}
