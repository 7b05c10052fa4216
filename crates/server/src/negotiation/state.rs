//! The state of the talks with one peer.
//!
//! Rules, each with its why:
//! - One negotiation at a time; triggers that come meanwhile collapse into one that follows. The
//!   first answer is given a moment to become a connection before the next one is asked for:
//!   browsers queue their work until they are connected.
//! - The counts asked for never fall, and cover every receiving section that the client has: the
//!   npm client computes the difference and fails on a negative one.
//! - A section that carried a track is answered inactive once before it carries another: only
//!   then does a browser announce the new track.
//! - A track that was announced, but stood in no answer yet, cannot be taken back: the npm client
//!   fails on it. Nor can one whose answer the client may still be applying: its browser would
//!   announce a track that the client has forgotten, and the client fails on that. Such a track
//!   is named in the next answer, inactive, and taken back after that; the client offers only
//!   when it is done with the answer before.
//! - ICE credentials of ours change exactly when the client's do (RFC 8839 section 4.4.3.1).
//! - An unasked offer is answered like any other, because an offer without an answer would block
//!   the client for good.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, SdpAnswer, TrackId, TracksTypes, Variant};
use snug_rtp::Rid;
use snug_sfu::{Kind, Subscribe, View};

use super::agreed::{Agreed, OwnTrack, Wanted};
use super::answer::{Outbound, Use};
use super::{Answer, Offer, Section, TRACKS_PER_PEER_MAX};
use crate::transport::IceCredentials;

/// How long the first answer may take to become a connection before the next negotiation.
const SETTLE: Duration = Duration::from_secs(2);

/// The talks with one peer. See the module for the rules.
#[derive(Debug)]
pub(crate) struct Negotiation {
    peer: PeerId,
    /// The peer was asked for an offer, and it has not come yet.
    asked: bool,
    /// The peer wants a negotiation that the one under way may not cover.
    requested: bool,
    /// The peer was told of tracks coming or going and got no answer since: the npm client does
    /// nothing else until it gets one.
    owed: bool,
    /// The last answer placed no track though some wait: asking again would change nothing.
    stuck: bool,
    /// Tracks came to wait since the peer was last asked, so the offer under way has no room
    /// for them, and that it places none says nothing.
    outdated: bool,
    counts: TracksTypes,
    lines: BTreeMap<String, Line>,
    wishes: BTreeMap<TrackId, Wish>,
    remote_ice: Option<IceCredentials>,
    local_ice: IceCredentials,
    next_ssrc: u32,
    answers: u64,
    connected: bool,
    settling_until: Option<Instant>,
}

/// A receiving section of the client.
#[derive(Debug)]
struct Line {
    kind: Kind,
    state: LineState,
}

#[derive(Debug, PartialEq, Eq)]
enum LineState {
    /// Answered inactive: it may carry anything.
    Free,
    /// Its track is gone, but the client has not heard it inactive yet.
    Cooling,
    /// Carries a track.
    Carries(TrackId),
}

#[derive(Debug)]
struct Wish {
    wanted: Wanted,
    /// Set once the track stood in an answer.
    agreed: Option<Subscribe>,
    /// The best layer that the peer wants; none means the best there is.
    target: Option<Rid>,
    /// How the peer shows it.
    view: View,
    /// The client is done with that answer.
    settled: bool,
    /// Gone, but the client cannot be told yet.
    leaving: bool,
}

impl Negotiation {
    /// Starts the talks with a peer whose first ICE generation is `local_ice` on our side.
    /// `first_ssrc` is random; the sources of what it receives are counted from there.
    pub fn new(peer: PeerId, local_ice: IceCredentials, first_ssrc: u32) -> Self {
        Self {
            peer,
            asked: false,
            requested: false,
            owed: false,
            stuck: false,
            outdated: false,
            counts: TracksTypes::default(),
            lines: BTreeMap::new(),
            wishes: BTreeMap::new(),
            remote_ice: None,
            local_ice,
            next_ssrc: first_ssrc,
            answers: 0,
            connected: false,
            settling_until: None,
        }
    }

    /// Our side of the present ICE generation.
    pub fn local_ice(&self) -> &IceCredentials {
        &self.local_ice
    }

    /// Notes that the peer asks for a negotiation.
    pub fn request(&mut self) {
        self.requested = true;
        self.stuck = false;
    }

    /// Wants the peer to receive a track; the caller announces it.
    pub fn want(&mut self, id: TrackId, wanted: Wanted) {
        self.wishes.insert(
            id,
            Wish {
                wanted,
                agreed: None,
                target: None,
                view: View::default(),
                settled: false,
                leaving: false,
            },
        );
        self.owed = true;
        self.stuck = false;
        self.outdated = true;
    }

    /// Makes a layer the best one of a track that the peer wants. Returns whether that changes
    /// what it receives.
    pub fn set_target(&mut self, id: &TrackId, variant: Variant) -> bool {
        let target = variant.as_str().parse().ok();
        let Some(wish) = self.wishes.get_mut(id).filter(|wish| wish.target != target) else {
            return false;
        };
        wish.target = target;
        let agreed = wish.agreed.as_mut();
        agreed.map(|agreed| agreed.target = target).is_some()
    }

    /// Notes how the peer shows a track. Returns whether that changes what it receives.
    pub fn set_view(&mut self, id: &TrackId, change: impl FnOnce(&mut View)) -> bool {
        let Some(wish) = self.wishes.get_mut(id) else {
            return false;
        };
        let before = wish.view;
        change(&mut wish.view);
        let view = wish.view;
        let agreed = wish.agreed.as_mut().filter(|_| view != before);
        agreed.map(|agreed| agreed.view = view).is_some()
    }

    /// Lists the pictures and sounds that the peer shall receive.
    pub fn wished(&self) -> impl Iterator<Item = &TrackId> {
        self.wishes.keys()
    }

    /// Stops wanting a track. Returns whether the peer may be told now; otherwise it is one of
    /// [`Agreed::released`] later.
    pub fn unwant(&mut self, id: &TrackId) -> bool {
        let Some(wish) = self.wishes.get_mut(id) else {
            return false;
        };
        self.owed = true;
        if !wish.settled {
            wish.leaving = true;
            return false;
        }
        self.drop_wish(id);
        true
    }

    /// Forgets a track whose owner is gone. Returns whether it stood in an answer, so that the
    /// peer may be told of the track; it is told of the owner in any case.
    pub fn forget(&mut self, id: &TrackId) -> bool {
        let known = self
            .wishes
            .get(id)
            .is_some_and(|wish| wish.agreed.is_some());
        self.drop_wish(id);
        self.owed |= known;
        known
    }

    /// Whether the peer knows of the track: it was announced, and not taken back.
    pub fn knows(&self, id: &TrackId) -> bool {
        self.wishes.get(id).is_some_and(|wish| !wish.leaving)
    }

    /// Lists everything that the peer receives now.
    pub fn subscriptions(&self) -> Vec<Subscribe> {
        let live = self.wishes.values().filter(|wish| !wish.leaving);
        live.filter_map(|wish| wish.agreed.clone()).collect()
    }

    /// Notes that media flows.
    pub fn handle_connected(&mut self) {
        self.connected = true;
        self.settling_until = None;
    }

    /// Starts over what was under way when the peer's socket broke.
    pub fn handle_resume(&mut self) {
        self.requested |= self.asked;
        self.asked = false;
    }

    /// Returns the counts to ask for when it is time to ask for an offer.
    pub fn poll(&mut self, now: Instant) -> Option<TracksTypes> {
        let settling = self.settling_until.is_some_and(|until| now < until);
        if self.asked || settling || !self.is_due() {
            return None;
        }
        self.requested = false;
        self.asked = true;
        self.outdated = false;
        self.settling_until = None;
        self.counts.audio = self.counts.audio.max(self.needed(Kind::Audio));
        self.counts.video = self.counts.video.max(self.needed(Kind::Video));
        Some(self.counts)
    }

    /// Returns when [`Negotiation::poll`] is worth another look.
    pub fn deadline(&self) -> Option<Instant> {
        self.settling_until.filter(|_| !self.asked && self.is_due())
    }

    /// Answers an offer. `own` says which section sends which of the peer's tracks, `fresh_ice`
    /// is used if this is a new ICE generation.
    pub fn handle_offer(
        &mut self,
        offer: &Offer,
        own: &BTreeMap<String, TrackId>,
        fingerprint: &[u8; 32],
        fresh_ice: IceCredentials,
        now: Instant,
    ) -> Agreed {
        self.asked = false;
        self.owed = false;
        if let Some(remote) = &offer.remote {
            self.note_generation(&remote.ice, fresh_ice);
        }
        let (own, refused) = self.own_tracks(offer, own);
        self.settle();
        self.drop_lost_lines(offer);
        let cooled = self.cooling();
        let placed = self.place(offer);
        self.refresh_agreed(offer);
        self.stuck = placed == 0 && !self.outdated;
        self.answers += 1;
        let answer = self.write_answer(offer, &own, fingerprint);
        for mid in cooled {
            self.lines
                .entry(mid)
                .and_modify(|line| line.state = LineState::Free);
        }
        let released = self.release();
        self.settling_until = (!self.connected).then_some(now + SETTLE);
        Agreed {
            answer,
            local_ice: self.local_ice.clone(),
            own,
            released,
            refused,
        }
    }

    /// Whether another negotiation is needed.
    fn is_due(&self) -> bool {
        let waits = self.wishes.values().any(|wish| wish.agreed.is_none());
        self.requested || self.owed || (waits && !self.stuck) || !self.cooling().is_empty()
    }

    /// Lists the sections whose track is gone and that the next answer makes inactive.
    fn cooling(&self) -> Vec<String> {
        let cooling = self
            .lines
            .iter()
            .filter(|(_, line)| line.state == LineState::Cooling);
        cooling.map(|(mid, _)| mid.clone()).collect()
    }

    /// Sections needed for a kind: those that carry or cool, and one for each track without one;
    /// but never fewer than the client has.
    fn needed(&self, kind: Kind) -> u32 {
        let lines = self.lines.values().filter(|line| line.kind == kind);
        let all = lines.clone().count();
        let busy = lines.filter(|line| line.state != LineState::Free).count();
        let waiting = self.wishes.values().filter(|wish| wish.wanted.kind == kind);
        let waiting = waiting.filter(|wish| wish.agreed.is_none()).count();
        u32::try_from(all.max(busy + waiting)).unwrap_or(u32::MAX)
    }

    fn note_generation(&mut self, remote: &IceCredentials, fresh: IceCredentials) {
        let changed = self
            .remote_ice
            .as_ref()
            .is_some_and(|known| known != remote);
        if changed {
            self.local_ice = fresh;
        }
        self.remote_ice = Some(remote.clone());
    }

    /// Picks the peer's own tracks out of an offer.
    fn own_tracks(&self, offer: &Offer, ids: &BTreeMap<String, TrackId>) -> (Vec<OwnTrack>, usize) {
        let mut own: Vec<OwnTrack> = Vec::new();
        let mut refused = 0;
        for section in &offer.sections {
            let sends = section.direction == super::Direction::Send;
            let (Some(codec), Some(id), true) = (&section.codec, ids.get(&section.mid), sends)
            else {
                continue;
            };
            let taken = own.iter().any(|track| track.id == *id);
            if taken || !id.belongs_to(&self.peer) || own.len() >= TRACKS_PER_PEER_MAX {
                refused += 1;
                continue;
            }
            own.push(OwnTrack {
                id: id.clone(),
                kind: codec.kind,
                mid: section.mid.clone(),
                stream: section.stream.clone(),
                encodings: section.encodings.clone(),
                variants: section.variants(),
                payload_type: codec.payload_type,
                rtx_payload_type: codec.rtx_payload_type,
                red_payload_type: codec.red_payload_type,
                extensions: section.extensions,
                wants_estimate: section.wants_estimate(),
            });
        }
        (own, refused)
    }

    /// Notes that the client is done with the answer before this offer.
    fn settle(&mut self) {
        for wish in self.wishes.values_mut() {
            wish.settled = wish.agreed.is_some();
        }
    }

    /// Gives every track that waits a free receiving section, and says how many got one.
    fn place(&mut self, offer: &Offer) -> usize {
        let mut placed = 0;
        for section in &offer.sections {
            let receives = section.direction == super::Direction::Receive;
            let (Some(codec), true) = (&section.codec, receives) else {
                continue;
            };
            let kind = codec.kind;
            let line = self.lines.entry(section.mid.clone());
            let line = line.or_insert(Line {
                kind,
                state: LineState::Free,
            });
            if line.state != LineState::Free {
                continue;
            }
            let waiting = self.wishes.iter_mut();
            let mut waiting = waiting.filter(|(_, wish)| wish.agreed.is_none());
            let Some((id, wish)) = waiting.find(|(_, wish)| wish.wanted.kind == kind) else {
                continue;
            };
            let id = id.clone();
            let (ssrc, rtx_ssrc) = (
                next_ssrc(&mut self.next_ssrc, offer),
                codec.rtx_payload_type,
            );
            let rtx_ssrc = rtx_ssrc.map(|_| next_ssrc(&mut self.next_ssrc, offer));
            wish.agreed = Some(Subscribe {
                track: wish.wanted.key,
                mid: section.mid.clone(),
                ssrc,
                rtx_ssrc,
                payload_type: codec.payload_type,
                rtx_payload_type: codec.rtx_payload_type,
                red_payload_type: codec.red_payload_type,
                extensions: section.extensions,
                target: wish.target,
                view: wish.view,
            });
            line.state = LineState::Carries(id);
            placed += 1;
        }
        placed
    }

    /// Lets go of sections that the client no longer offers to receive in.
    fn drop_lost_lines(&mut self, offer: &Offer) {
        let receives = |mid: &str, kind: Kind| {
            offer.sections.iter().any(|section| {
                section.mid == mid
                    && section.kind() == Some(kind)
                    && section.direction == super::Direction::Receive
            })
        };
        let wishes = &mut self.wishes;
        self.lines.retain(|mid, line| {
            let kept = receives(mid, line.kind);
            if let (false, LineState::Carries(id)) = (kept, &line.state)
                && let Some(wish) = wishes.get_mut(id)
            {
                wish.agreed = None;
                wish.settled = false;
            }
            kept
        });
    }

    /// Takes over payload types and extension ids, which a client may change with every offer.
    fn refresh_agreed(&mut self, offer: &Offer) {
        for agreed in self
            .wishes
            .values_mut()
            .filter_map(|wish| wish.agreed.as_mut())
        {
            let section = offer
                .sections
                .iter()
                .find(|section| section.mid == agreed.mid);
            let Some((section, codec)) = section.and_then(|s| Some((s, s.codec.as_ref()?))) else {
                continue;
            };
            agreed.payload_type = codec.payload_type;
            agreed.extensions = section.extensions;
            agreed.red_payload_type = codec.red_payload_type;
            agreed.rtx_payload_type = codec.rtx_payload_type.filter(|_| agreed.rtx_ssrc.is_some());
        }
    }

    fn write_answer(&self, offer: &Offer, own: &[OwnTrack], fingerprint: &[u8; 32]) -> SdpAnswer {
        let answer = Answer {
            offer,
            uses: offer
                .sections
                .iter()
                .map(|section| self.use_of(section, own))
                .collect(),
            ice: &self.local_ice,
            fingerprint,
            session: self.session(),
            version: self.answers,
        };
        let mut mid_to_track_id: BTreeMap<String, TrackId> = own
            .iter()
            .map(|track| (track.mid.clone(), track.id.clone()))
            .collect();
        for (mid, line) in &self.lines {
            if let LineState::Carries(id) = &line.state {
                mid_to_track_id.insert(mid.clone(), id.clone());
            }
        }
        SdpAnswer {
            sdp: answer.to_sdp(),
            mid_to_track_id,
        }
    }

    /// Names the session in `o=`: any number will do that stays the same for one peer.
    fn session(&self) -> u64 {
        let bytes = self.peer.as_str().bytes();
        bytes.fold(1, |hash: u64, byte| {
            (hash * 31 + u64::from(byte)) & 0x7fff_ffff
        })
    }

    fn use_of(&self, section: &Section, own: &[OwnTrack]) -> Use<'_> {
        if section.codec.is_none() {
            return Use::Rejected;
        }
        if own.iter().any(|track| track.mid == section.mid) {
            return Use::Inbound;
        }
        let line = self.lines.get(&section.mid).map(|line| &line.state);
        let Some(LineState::Carries(id)) = line else {
            return Use::Inactive;
        };
        let wish = self
            .wishes
            .get(id)
            .expect("what a line carries is wished for");
        if wish.leaving {
            return Use::Inactive;
        }
        let agreed = wish.agreed.as_ref().expect("what a line carries is agreed");
        Use::Outbound(Outbound {
            stream: &wish.wanted.stream,
            label: &wish.wanted.label,
            cname: wish.wanted.owner.as_str(),
            ssrc: agreed.ssrc,
            rtx_ssrc: agreed.rtx_ssrc,
        })
    }

    /// Takes back what was held until it stood in an answer, where it was inactive.
    fn release(&mut self) -> Vec<(TrackId, PeerId)> {
        let leaving = self
            .wishes
            .iter()
            .filter(|(_, wish)| wish.leaving && wish.agreed.is_some());
        let released: Vec<(TrackId, PeerId)> = leaving
            .map(|(id, wish)| (id.clone(), wish.wanted.owner.clone()))
            .collect();
        for (id, _) in &released {
            self.drop_wish_to(id, LineState::Free);
            self.owed = true;
        }
        released
    }

    fn drop_wish(&mut self, id: &TrackId) {
        self.drop_wish_to(id, LineState::Cooling);
    }

    fn drop_wish_to(&mut self, id: &TrackId, state: LineState) {
        self.wishes.remove(id);
        for line in self.lines.values_mut() {
            if matches!(&line.state, LineState::Carries(carried) if carried == id) {
                line.state = state;
                return;
            }
        }
    }
}

/// Counts to the next source that the client does not use itself.
fn next_ssrc(next: &mut u32, offer: &Offer) -> u32 {
    loop {
        let ssrc = *next;
        *next = next.wrapping_add(1);
        let taken = offer
            .sections
            .iter()
            .any(|section| section.ssrcs.contains(&ssrc));
        if ssrc != 0 && !taken {
            return ssrc;
        }
    }
}
