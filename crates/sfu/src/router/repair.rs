//! Mending what was lost: on the way here by asking, on the way out from the ring (RFC 4588).

use super::{Arrival, Forwarded, Router};
use crate::subscription::Subscription;
use crate::track::Published;
use crate::{Kind, Output, PeerKey};
use snug_rtp::rtcp::Nack;
use snug_rtp::{Header, Packet, SequenceNumber};
use std::time::Instant;

/// Requests that wait to be served. They are served within the turn in which they came.
const REPAIRS_MAX: usize = 1024;

/// The bytes before a retransmitted payload: its original number (RFC 4588 section 4).
const NUMBER_LEN: usize = 2;

/// A packet that a subscriber asked for again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repair {
    track: usize,
    peer: PeerKey,
    ssrc: u32,
    sequence: SequenceNumber,
}

impl Router {
    /// Notes what a subscriber misses.
    pub(super) fn handle_nack(&mut self, from: PeerKey, nack: &Nack<'_>) {
        let ssrc = nack.media_ssrc;
        let peer = self.peers.get(&from);
        let known = peer.and_then(|peer| peer.subscribed.iter().find(|(it, _)| *it == ssrc));
        let Some(&(_, track)) = known else { return };
        for sequence in nack.sequences() {
            if self.repairs.len() >= REPAIRS_MAX {
                self.counters.repairs_refused += 1;
                continue;
            }
            self.repairs.push_back(Repair {
                track,
                peer: from,
                ssrc,
                sequence,
            });
        }
    }

    /// Writes the next packet that a subscriber asked for again into `out`; none when nobody
    /// waits for any more. Drain it after [`handle_rtcp`](Self::handle_rtcp).
    pub fn poll_repair(&mut self, now: Instant, out: &mut [u8]) -> Option<Forwarded> {
        while let Some(repair) = self.repairs.pop_front() {
            match self.write_repair(&repair, now, out) {
                Some(len) => {
                    self.counters.repaired += 1;
                    let to = repair.peer;
                    return Some(Forwarded { to, len });
                }
                None => self.counters.repairs_refused += 1,
            }
        }
        None
    }

    fn write_repair(&mut self, repair: &Repair, now: Instant, out: &mut [u8]) -> Option<usize> {
        let track = self.tracks.get_mut(repair.track)?.as_mut()?;
        let published = track.published.as_ref()?;
        let is_it = |it: &&mut Subscription| it.peer == repair.peer && it.ssrc == repair.ssrc;
        let subscription = track.subscriptions.iter_mut().find(is_it)?;
        let (source, sequence) = subscription.origin(repair.sequence)?;
        let packet = published.ring.as_ref()?.find(source, sequence)?;
        let arrival = Arrival::read(repair.track, source, published.kind, &packet)?;
        let link = self.links.get_mut(subscription.link)?.as_mut()?;
        if !link.may_repair(now) {
            return None;
        }
        subscription.take_repair()?;
        let number = link.number(subscription.is_numbered());
        let of = (&arrival, published);
        let len = subscription.write_repair(repair.sequence, number, of, &packet, out)?;
        link.handle_sent(number, len, now);
        Some(len)
    }

    /// Lets subscribers ask for more.
    pub(super) fn refill_repairs(&mut self) {
        let tracks = self.tracks.iter_mut().flatten();
        tracks
            .flat_map(|track| &mut track.subscriptions)
            .for_each(Subscription::refill_repairs);
    }

    /// Asks publishers for what is missing and due.
    pub(super) fn ask_for_missing(&mut self, now: Instant) {
        let tracks = self.tracks.iter_mut().flatten();
        for published in tracks.filter_map(|track| track.published.as_mut()) {
            let to = published.by;
            for source in &mut published.sources {
                let Some(ssrc) = source.ssrc else { continue };
                if let Some(sequences) = source.missing.poll(now) {
                    self.counters.missing_asked += sequences.iter().count() as u64;
                    self.outputs.push_back(Output::Missing {
                        to,
                        ssrc,
                        sequences,
                    });
                }
            }
        }
    }

    /// Returns when a publisher has to be asked next.
    pub(super) fn missing_deadline(&self) -> Option<Instant> {
        let published = self.tracks.iter().flatten();
        let sources = published
            .filter_map(|track| track.published.as_ref())
            .flat_map(|published| &published.sources);
        sources.filter_map(|source| source.missing.deadline()).min()
    }

    /// Takes in a retransmission: what it repeats, if that has not come.
    pub(super) fn handle_retransmission(
        &mut self,
        from: PeerKey,
        track: usize,
        source: usize,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Option<Arrival> {
        let published = self.tracks.get_mut(track)?.as_mut()?.published.as_mut()?;
        let header = original(published, source, packet);
        let packet = header.and_then(|header| Packet::from_header(header, packet.bytes()).ok());
        let is_missing = packet.as_ref().is_some_and(|packet| {
            let missing = published.sources.get_mut(source).map(|it| &mut it.missing);
            missing.is_some_and(|it| it.handle_repetition(packet.header().sequence, now))
        });
        let Some(packet) = packet.filter(|_| is_missing) else {
            self.counters.retransmission += 1;
            return None;
        };
        self.counters.restored += 1;
        let ring = published.ring.as_mut();
        if let Some(ring) = ring {
            ring.store(source, &packet);
        }
        let arrival = Arrival::read(track, source, published.kind, &packet)?;
        let keyframes = published
            .sources
            .get_mut(source)
            .map(|it| &mut it.keyframes);
        if keyframes.is_some_and(|it| it.handle_packet(arrival.can_start, now)) {
            self.counters.keyframe_requests += 1;
            let ssrc = packet.header().ssrc;
            self.outputs
                .push_back(Output::KeyframeRequest { to: from, ssrc });
        }
        Some(arrival)
    }
}

/// Returns the header that a retransmitted packet had at first; none for one that only probes the
/// path.
fn original(published: &Published, source: usize, packet: &Packet<'_>) -> Option<Header> {
    let number = packet.payload().first_chunk::<NUMBER_LEN>()?;
    let header = packet.header();
    Some(Header {
        payload_type: published.payload_type,
        sequence: SequenceNumber(u16::from_be_bytes(*number)),
        ssrc: published.sources.get(source)?.ssrc?,
        len: header.len + NUMBER_LEN,
        ..*header
    })
}

/// Notes a packet of pictures that came by itself: what is missing before it, and itself for those
/// who will miss it.
pub(super) fn note_packet(
    published: &mut Published,
    arrival: &Arrival,
    packet: &Packet<'_>,
    now: Instant,
) {
    if published.kind != Kind::Video {
        return;
    }
    let sequence = packet.header().sequence;
    if let Some(source) = published.sources.get_mut(arrival.source) {
        // Who cannot send anything again need not be asked.
        if published.rtx_payload_type.is_some() {
            source.missing.handle_packet(sequence, now);
        }
        if arrival.can_start {
            source.missing.handle_keyframe(sequence);
        }
    }
    if let Some(ring) = published.ring.as_mut() {
        ring.store(arrival.source, packet);
    }
}
