//! A room's packets: who sends what to whom.
//!
//! Rules: a source is believed only when it comes from the peer that publishes the track. A
//! subscriber is sent nothing before it is connected, and video only from a keyframe on. Nothing
//! on the packet path allocates; lists are built when a negotiation changes them.

mod control;
mod desired;
mod rate;
mod repair;

use crate::allocator::Demand;
use crate::keyframe::Reason;
use crate::link::{Link, Waiting};
use crate::rewrite::Numbers;
use crate::subscription::{Admission, Outgoing, Subscription};
use crate::track::{Claim, Published, Track};
use crate::{Counters, Kind, Notice, Output, PeerKey, TrackKey};
use repair::{Repair, note_packet};
use snug_rtp::red::Red;
use snug_rtp::vp8::Descriptor;
use snug_rtp::{Header, Packet};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// The most sources that one peer may have in use: 16 tracks of 4 encodings with
/// retransmissions.
const ROUTES_MAX: usize = 128;

/// The most notices that wait for the control side: a room of 100 whose speaker's encodings all
/// change twice before it looks. It looks several times a second.
const NOTICES_MAX: usize = 256;

/// Decides for one room. See the crate's example.
#[derive(Debug, Default)]
pub struct Router {
    tracks: Vec<Option<Track>>,
    track_index: HashMap<TrackKey, usize>,
    peers: HashMap<PeerKey, Peer>,
    outputs: VecDeque<Output>,
    notices: VecDeque<Notice>,
    counters: Counters,
    /// What subscribers asked for again.
    repairs: VecDeque<Repair>,
    /// The ways to the peers.
    links: Vec<Option<Link>>,
    /// The way whose turn it is in [`Router::poll_paced`].
    turn: usize,
    /// When what the ways carry has to be shared anew, before the next tick.
    share_at: Option<Instant>,
    /// Kept for its room.
    demands: Vec<Demand>,
    /// Who speaks, as sharing out last regarded it; kept for its memory.
    speakers: Vec<PeerKey>,
    next_tick: Option<Instant>,
    ticks: u64,
}

/// What a router knows of a peer.
#[derive(Debug, Default)]
struct Peer {
    is_connected: bool,
    /// The place of the way to it.
    link: usize,
    /// The tracks it publishes.
    published: Vec<usize>,
    /// Its sources, announced and learnt. Few, so a scan beats a hash.
    routes: Vec<(u32, Route)>,
    /// The sources it receives, and the track that each carries now.
    subscribed: Vec<(u32, usize)>,
    /// The state of sources that carry no track now.
    parked: HashMap<u32, Outgoing>,
}

/// Where a source's packets belong: a track, and one of its encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    track: usize,
    claim: Claim,
}

/// A packet that belongs to a track, as [`Router::handle_rtp`] found it. Valid until the next
/// [`Router::set_media`].
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub(crate) track: usize,
    pub(crate) source: usize,
    pub(crate) kind: Kind,
    /// Whether a subscriber can start with it: any sound, the start of a keyframe.
    pub(crate) can_start: bool,
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) numbers: Numbers,
    header: Header,
}

impl Arrival {
    /// Returns the header to read the packet's bytes by: of a retransmission, that of the packet
    /// which it repeats.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Tells whether a picture begins with it.
    fn starts_frame(&self) -> bool {
        self.descriptor.is_some_and(|it| it.starts_frame())
    }

    /// Returns the track's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells whether `other` is of the same track, so that both go to the same subscribers.
    pub fn is_same_track(&self, other: &Self) -> bool {
        self.track == other.track
    }
}

/// A packet written for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The subscriber.
    pub to: PeerKey,
    /// Bytes written, before encryption.
    pub len: usize,
}

impl Router {
    /// Returns the counts so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a decrypted packet in; none when it belongs to no track of the peer. The packet is
    /// then written for each of [`subscriber_count`](Self::subscriber_count) subscribers by
    /// [`forward`](Self::forward).
    pub fn handle_rtp(
        &mut self,
        from: PeerKey,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Option<Arrival> {
        let route = self.route(from, packet)?;
        let source_index = match route.claim {
            Claim::Media(index) => index,
            Claim::Retransmission(index) => {
                return self.handle_retransmission(from, route.track, index, packet, now);
            }
        };
        let published = self
            .tracks
            .get_mut(route.track)?
            .as_mut()?
            .published
            .as_mut()?;
        let header = packet.header();
        if !published.is_media(header.payload_type) {
            self.counters.unknown_source += 1;
            return None;
        }
        let read = Arrival::read(route.track, source_index, published.kind, packet);
        let Some(arrival) = read.filter(|_| has_own_sound(published, packet)) else {
            self.counters.malformed += 1;
            return None;
        };
        self.counters.received += 1;
        published
            .selector
            .handle_packet(source_index, header.marker, now);
        let (by, kind) = (published.by, published.kind);
        if kind == Kind::Audio
            && let Some(notice) = published.listen(packet, now)
        {
            note(&mut self.notices, notice, &mut self.counters);
        }
        note_packet(published, &arrival, packet, now);
        let source = published.sources.get_mut(source_index)?;
        let clock_rate = kind.clock_rate();
        source
            .reception
            .handle_packet(header.sequence, header.timestamp, clock_rate, now);
        source.meter.handle_packet(packet.bytes().len());
        if kind == Kind::Video && arrival.can_start {
            let size = arrival
                .descriptor
                .and_then(|it| it.keyframe_size(packet.payload()));
            source.rows = size.map(|size| size.height).or(source.rows);
        }
        if kind == Kind::Video && source.keyframes.handle_packet(arrival.can_start, now) {
            self.counters.keyframe_requests += 1;
            self.outputs.push_back(Output::KeyframeRequest {
                to: by,
                ssrc: header.ssrc,
            });
        }
        Some(arrival)
    }

    /// Returns how many subscribers the track of a packet has, connected or not.
    pub fn subscriber_count(&self, arrival: &Arrival) -> usize {
        let track = self.tracks.get(arrival.track).and_then(Option::as_ref);
        track.map_or(0, |track| track.subscriptions.len())
    }

    /// Writes a packet for the subscriber `index` into `out`; none when that one should not get
    /// it, which is counted by cause. `out` should hold the packet and 24 bytes more.
    pub fn forward(
        &mut self,
        arrival: &Arrival,
        index: usize,
        packet: &Packet<'_>,
        now: Instant,
        out: &mut [u8],
    ) -> Option<Forwarded> {
        let track = self.tracks.get_mut(arrival.track)?.as_mut()?;
        let published = track.published.as_mut()?;
        let subscription = track.subscriptions.get_mut(index)?;
        let link = self.links.get_mut(subscription.link)?.as_mut()?;
        if !subscription.is_connected {
            return None;
        }
        if arrival.kind == Kind::Video && holds_back(link, subscription, arrival, now) {
            self.counters.pictures_dropped += u64::from(arrival.starts_frame());
            return None;
        }
        match subscription.admit(arrival, published) {
            Admission::Forward => {}
            Admission::Switch => {
                subscription.switch(published, arrival, now);
                if let Some(notice) = subscription.layer_to_tell(published) {
                    note(&mut self.notices, notice, &mut self.counters);
                }
                let report = first_report(subscription, published, arrival, now);
                self.outputs.extend(report);
            }
            Admission::AwaitPicture => {
                self.counters.not_wanted += 1;
                self.want_keyframe(arrival.track, arrival.source, Reason::NoPicture, now);
                return None;
            }
            Admission::AwaitSwitch => {
                self.counters.not_wanted += 1;
                self.want_keyframe(arrival.track, arrival.source, Reason::Repair, now);
                return None;
            }
            Admission::NotWanted => {
                self.counters.not_wanted += 1;
                return None;
            }
        }
        let Some(numbers) = subscription.rewrite(arrival, now) else {
            self.counters.overtaken += 1;
            return None;
        };
        if arrival.kind == Kind::Video && link.is_pacing(now) {
            self.counters.paced += 1;
            link.push(Waiting::new(
                arrival,
                numbers,
                subscription.ssrc,
                packet,
                now,
            ));
            return None;
        }
        let number = link.number(subscription.is_numbered());
        let of = (arrival, &*published);
        let Some(len) = subscription.write(&numbers, number, of, packet, out) else {
            self.counters.too_large += 1;
            return None;
        };
        link.handle_sent(number, len, now);
        self.counters.forwarded += 1;
        Some(Forwarded {
            to: subscription.peer,
            len,
        })
    }

    /// Returns the next RTCP packet to send. Drain it after every call that changes something.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the next thing that the control side should know.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Takes a notice back that could not be delivered now.
    pub fn return_notice(&mut self, notice: Notice) {
        self.notices.push_front(notice);
    }

    /// Asks the publisher of an encoding for a keyframe, when the throttle allows.
    fn want_keyframe(&mut self, track: usize, source: usize, reason: Reason, now: Instant) {
        let published = self.tracks.get_mut(track).and_then(Option::as_mut);
        let Some(published) = published.and_then(|track| track.published.as_mut()) else {
            return;
        };
        if published.kind != Kind::Video {
            return;
        }
        let to = published.by;
        if let Some(source) = published.sources.get_mut(source)
            && let Some(ssrc) = source.ssrc
            && source.keyframes.want(reason, now)
        {
            self.counters.keyframe_requests += 1;
            self.outputs.push_back(Output::KeyframeRequest { to, ssrc });
        }
    }

    /// Finds the place of a source, learning it from the packet when it is new.
    fn route(&mut self, from: PeerKey, packet: &Packet<'_>) -> Option<Route> {
        let peer = self.peers.get_mut(&from)?;
        let ssrc = packet.header().ssrc;
        if let Some((_, route)) = peer.routes.iter().find(|(known, _)| *known == ssrc) {
            return Some(*route);
        }
        let Some(route) = learn(&self.tracks, peer, packet) else {
            self.counters.unknown_source += 1;
            return None;
        };
        if peer.routes.len() >= ROUTES_MAX {
            self.counters.too_many_sources += 1;
            return None;
        }
        peer.routes.push((ssrc, route));
        let track = self.tracks.get_mut(route.track)?.as_mut()?;
        if let Some(former) = track.handle_source(route.claim, ssrc) {
            peer.routes.retain(|(known, _)| *known != former);
        }
        Some(route)
    }
}

/// Tells whether a packet can be read by who knows nothing of earlier sound in packets.
fn has_own_sound(published: &Published, packet: &Packet<'_>) -> bool {
    let red = published
        .is_red(packet)
        .then(|| Red::parse(packet.payload()));
    red.is_none_or(|red| red.is_ok_and(|red| red.payload_type() == published.payload_type))
}

/// Makes the report on how the clocks of a source map with which a subscriber starts on it, if
/// its publisher has told.
fn first_report(
    subscription: &Subscription,
    published: &Published,
    arrival: &Arrival,
    now: Instant,
) -> Option<Output> {
    let clock = published.sources.get(arrival.source)?.reception.clock();
    let point = clock?.at(now, arrival.kind.clock_rate());
    Some(Output::SenderReport {
        to: subscription.peer,
        publisher: published.by,
        report: subscription.report(&point),
    })
}

/// Tells whether a packet of pictures is not to be sent because too much waits on the way, and
/// stops at the end of a picture then.
fn holds_back(
    link: &mut Link,
    subscription: &mut Subscription,
    arrival: &Arrival,
    now: Instant,
) -> bool {
    if !link.is_idle() && link.is_hopeless() {
        link.drop_waiting();
        subscription.stop();
    }
    if subscription.is_stopped(link.is_idle()) {
        return true;
    }
    let is_over = arrival.starts_frame() && subscription.current().is_some() && link.is_full(now);
    if is_over {
        subscription.stop();
    }
    is_over
}

/// Keeps a notice until the control side takes it.
fn note(notices: &mut VecDeque<Notice>, notice: Notice, counters: &mut Counters) {
    // What is newer about the same matter makes the older one untrue.
    notices.retain(|kept| !notice.replaces(kept));
    if notices.len() < NOTICES_MAX {
        notices.push_back(notice);
    } else {
        counters.notices_dropped += 1;
    }
}

/// Finds the track that a packet of a new source belongs to: by its extensions, else by a
/// payload type that only one of the peer's tracks uses and whose source is not known yet. So what
/// is still on its way of a track that has ended is nobody's, and does not count as another's.
fn learn(tracks: &[Option<Track>], peer: &Peer, packet: &Packet<'_>) -> Option<Route> {
    let published =
        |track: usize| -> Option<&Published> { tracks.get(track)?.as_ref()?.published.as_ref() };
    let named = peer.published.iter().find_map(|&track| {
        let claim = published(track)?.claim(packet)?;
        Some(Route { track, claim })
    });
    let names_a_section = |&track: &usize| {
        let id = published(track).and_then(|it| it.extensions.mid);
        id.is_some_and(|id| packet.extension(id).is_some())
    };
    if named.is_some() || peer.published.iter().any(names_a_section) {
        return named;
    }
    let payload_type = packet.header().payload_type;
    let mut typed = peer.published.iter().filter_map(|&track| {
        let claim = published(track)?.claim_by_payload_type(payload_type)?;
        Some(Route { track, claim })
    });
    typed.next().filter(|_| typed.next().is_none())
}

impl Arrival {
    /// Reads what forwarding needs of a packet; none when its VP8 descriptor does not parse.
    fn read(track: usize, source: usize, kind: Kind, packet: &Packet<'_>) -> Option<Self> {
        let payload = packet.payload();
        // A packet without payload only probes the path; it goes along like any other, so that
        // its sequence number is not missed.
        let descriptor = match kind {
            Kind::Video if !payload.is_empty() => Some(Descriptor::parse(payload).ok()?),
            _ => None,
        };
        let numbers = Numbers {
            sequence: packet.header().sequence,
            timestamp: packet.header().timestamp,
            picture_id: descriptor
                .and_then(|descriptor| descriptor.picture_id)
                .map_or(0, |picture_id| picture_id.value),
            tl0_picture_index: descriptor
                .and_then(|descriptor| descriptor.tl0_picture_index)
                .unwrap_or(0),
            has_picture: descriptor.is_some(),
        };
        let can_start = match kind {
            Kind::Audio => !payload.is_empty(),
            Kind::Video => descriptor.is_some_and(|descriptor| descriptor.starts_keyframe(payload)),
        };
        Some(Self {
            track,
            source,
            kind,
            can_start,
            descriptor,
            numbers,
            header: *packet.header(),
        })
    }
}

#[cfg(test)]
mod tests;
