//! The call of one room: its people, their tracks and the talks with each of them, as plain data.
//!
//! Rules, each with its why (the order of events is what the npm client bears):
//! - `connected` comes first, then `tracksAdded` for each publisher, then `offerData`.
//! - `tracksRemoved` comes before `endpointRemoved`, and neither is about the receiver itself.
//! - Nobody hears of a peer that has not connected, nor of a track it does not know.
//! - The media plane is told before the peer is: media never meets an unprepared plane.
//! - Whatever a peer says that makes no sense is counted and ignored, except an offer that
//!   cannot be answered: it would leave the peer waiting for good, so it is removed with a reason.
//! - News to a Snug peer is kept for a while: what a broken socket swallowed is sent again when
//!   the peer comes back, and its client bears hearing things twice.

mod chat;
mod gestures;
mod goodbye;
mod moderating;
mod publishing;
mod rate;
mod reports;
mod speaking;
mod streams;
mod talk;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use snug_protocol::{
    Bitrates, Endpoint, OfferData, PeerId, PresenceState, ReasonCode, RoomState, ServerEvent,
    SimulcastConfig, Track, TrackId, TurnServer, VadStatus,
};
use snug_room::{Admission, ChatLog, Departure, Gestures, HostRule, Output, Room, Seat};

use super::letter::{Dialect, Journal, Letter, News};
use super::site::{Newcomer, Site};
use crate::negotiation::{Negotiation, OwnTrack, Wanted};
use crate::transport::{IceCredentials, Kind, PeerKey, RelayAccess, TrackKey, TransportCommand};
use goodbye::goodbye;
use speaking::Speakers;

pub(crate) use talk::{OfferedTracks, Said, SaidOffer};

/// The kind of endpoint that a person's program is, on the wire.
const WEBRTC: &str = "webrtc";

/// What the shell has to do, in order.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send a letter to a peer's present channel.
    Tell {
        /// Whom.
        peer: PeerId,
        /// What.
        letter: Letter,
    },
    /// Expect a peer on the media plane.
    AddPeer {
        /// Who.
        peer: PeerKey,
        /// Our side of its first ICE generation.
        ice: IceCredentials,
        /// What it may use the TURN server with.
        relay: Option<RelayAccess>,
    },
    /// Tell the media plane.
    Transport(TransportCommand),
    /// A peer is gone: end its channel like this, or let it be.
    End {
        /// Who.
        peer: PeerId,
        /// How.
        hang_up: Option<HangUp>,
    },
}

/// How a channel is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// `phx_close`: the client stays away.
    Close,
    /// `phx_error`: the client joins again by itself.
    Crash,
}

/// What peers said that was ignored.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ignored {
    /// Media events of a type that is not known.
    pub unknown: u64,
    /// Events from a former socket, or before `connect`.
    pub stale: u64,
    /// Tracks that were not the peer's own, or too many.
    pub tracks: u64,
    /// Words about tracks that are not there.
    pub strays: u64,
    /// What was asked by somebody whose role does not carry it.
    pub forbidden: u64,
}

/// The call of one room. See the module for its rules.
#[derive(Debug)]
pub(crate) struct Call {
    site: Arc<Site>,
    room: Room,
    members: BTreeMap<PeerId, Member>,
    by_key: BTreeMap<PeerKey, PeerId>,
    tracks: BTreeMap<TrackId, Published>,
    speakers: Speakers,
    chat: ChatLog,
    gestures: Gestures,
    /// Whether cameras are to be sent in several layers: the first who asked decided.
    simulcast: Option<bool>,
    ignored: Ignored,
    /// Why nobody may come in any more.
    closed: Option<ReasonCode>,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct Member {
    key: PeerKey,
    dialect: Dialect,
    metadata: Value,
    local: IpAddr,
    turn_servers: Vec<TurnServer>,
    relay: Option<RelayAccess>,
    negotiation: Negotiation,
    /// It is told of roles and rules, as Snug programs and Snug's own page are.
    hears_rules: bool,
    /// What it was last told of them.
    rules: Option<RoomState>,
    /// Kept for Snug peers alone; nobody else can come back.
    journal: Option<Journal>,
    /// It understands chat, hands and reactions.
    listens: bool,
    socket_heard_at: Instant,
    is_away: bool,
    /// More was told while it was away than is kept for its return.
    has_missed_news: bool,
    /// Its socket took nothing more, for nobody knows how long.
    has_choked: bool,
    /// The tracks whose pictures its way does not carry.
    paused: BTreeSet<TrackKey>,
    /// The pictures that it wants before all others, the last wish first.
    preferred: VecDeque<TrackId>,
}

#[derive(Debug)]
struct Published {
    key: TrackKey,
    owner: PeerId,
    kind: Kind,
    stream: String,
    label: String,
    metadata: Value,
    simulcast: SimulcastConfig,
    /// How much the owner means to send, where it said so.
    bitrates: Option<Bitrates>,
    /// Whether somebody speaks on it; none as long as nobody ever did.
    voice: Option<VadStatus>,
    own: OwnTrack,
}

impl Call {
    /// Starts a call with nobody in it.
    pub fn new(site: Arc<Site>, host: HostRule) -> Self {
        Self {
            room: Room::new(site.patience, site.people_max, host),
            site,
            members: BTreeMap::new(),
            by_key: BTreeMap::new(),
            tracks: BTreeMap::new(),
            speakers: Speakers::default(),
            chat: ChatLog::default(),
            gestures: Gestures::default(),
            simulcast: None,
            ignored: Ignored::default(),
            closed: None,
            actions: VecDeque::new(),
        }
    }

    /// Seats a newcomer, or somebody who comes back.
    ///
    /// # Errors
    /// The reason for which the room has no seat for them.
    pub fn handle_join(
        &mut self,
        newcomer: Newcomer,
        now: Instant,
    ) -> Result<Admission, ReasonCode> {
        if let Some(reason) = self.closed {
            return Err(reason);
        }
        let Newcomer {
            joiner,
            is_snug,
            is_page,
            listens,
            local,
            ice,
            first_ssrc,
            turn_servers,
            relay,
            simulcast,
        } = newcomer;
        let admission = self.room.handle_join(joiner, now)?;
        let peer = &admission.seat.peer;
        if admission.resumed {
            self.welcome_back(peer, local, now);
        } else {
            let key = PeerKey(self.site.keys.next());
            let member = Member {
                key,
                dialect: Dialect::default(),
                metadata: Value::Null,
                local,
                turn_servers,
                relay,
                negotiation: Negotiation::new(peer.clone(), ice, first_ssrc),
                hears_rules: is_snug || is_page,
                rules: None,
                journal: is_snug.then(Journal::default),
                listens,
                socket_heard_at: now,
                is_away: false,
                has_missed_news: false,
                has_choked: false,
                paused: BTreeSet::new(),
                preferred: VecDeque::new(),
            };
            self.members.insert(peer.clone(), member);
            self.by_key.insert(key, peer.clone());
        }
        if let Some(asked) = simulcast {
            let is_on = *self.simulcast.get_or_insert(asked);
            let (peer, letter) = (peer.clone(), Letter::simulcast_config(is_on));
            self.actions.push_back(Action::Tell { peer, letter });
        }
        self.settle(now);
        Ok(admission)
    }

    /// Notes that a peer says goodbye.
    pub fn handle_leave(&mut self, seat: &Seat, now: Instant) {
        self.room.handle_leave(seat);
        self.settle(now);
    }

    /// Removes a peer because somebody wants it out. Returns whether it was here.
    pub fn handle_kick(&mut self, peer: &PeerId, now: Instant) -> bool {
        let is_here = self.room.handle_kick(peer);
        self.settle(now);
        is_here
    }

    /// Ends the call for everybody; who was on the way is refused for the same reason.
    pub fn handle_close(&mut self, reason: ReasonCode, now: Instant) {
        self.closed = Some(reason);
        self.room.handle_close(reason);
        self.settle(now);
    }

    /// Notes that a peer's socket is gone.
    pub fn handle_socket_lost(&mut self, seat: &Seat, now: Instant) {
        if self.room.is_current(seat)
            && let Some(member) = self.members.get_mut(&seat.peer)
        {
            member.is_away = true;
        }
        self.room.handle_socket_lost(seat, now);
        self.settle(now);
    }

    /// Notes that a peer's socket takes nothing more, and is therefore gone.
    pub fn handle_socket_choked(&mut self, seat: &Seat, now: Instant) {
        if self.room.is_current(seat)
            && let Some(member) = self.members.get_mut(&seat.peer)
        {
            member.has_choked = true;
        }
        self.handle_socket_lost(seat, now);
    }

    /// Notes when a peer's present socket was last heard. [`Call::handle_timeout`] follows, once
    /// for all peers.
    pub fn handle_socket_heard(&mut self, peer: &PeerId, at: Instant, now: Instant) {
        if let Some(member) = self.members.get_mut(peer) {
            member.socket_heard_at = member.socket_heard_at.max(at);
            self.room.handle_heard(peer, at, now);
        }
    }

    /// Removes a peer over which something broke.
    pub fn handle_crash(&mut self, peer: &PeerId, now: Instant) {
        self.room.handle_crash(peer);
        self.settle(now);
    }

    /// Looks after whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.room.handle_timeout(now);
        self.settle(now);
    }

    /// Returns when [`Call::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let talks = self
            .members
            .values()
            .filter_map(|member| member.negotiation.deadline());
        talks
            .chain(self.room.deadline())
            .chain(self.speakers.deadline())
            .min()
    }

    /// Returns what has to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many people are in the call, those who are coming back included.
    pub fn people(&self) -> usize {
        self.room.len()
    }

    /// Whether newcomers are refused.
    pub fn is_locked(&self) -> bool {
        self.room.is_locked()
    }

    /// Whether nobody is in the call and nobody's place is held.
    pub fn is_empty(&self) -> bool {
        self.room.is_empty()
    }

    /// Whether somebody is missed who may be heard again any moment.
    pub fn is_anyone_missed(&self) -> bool {
        self.room
            .seen()
            .any(|(_, state)| state == PresenceState::Reconnecting)
    }

    /// What was ignored so far.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// Carries out what the room decided, and asks for the offers that are due.
    fn settle(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.room.poll_output() {
                match output {
                    Output::Arrived { peer } => self.let_in(&peer, now),
                    Output::Presence { peer, state } => self.tell_presence(&peer, state, now),
                    Output::Gone { peer, seen, why } => self.see_off(&peer, seen, why, now),
                    Output::Silenced { peer } => self.apply_silence(&peer),
                    Output::Closed { why } => self.closed = Some(why),
                }
            }
            if self.room.take_state_changed() {
                self.tell_rules(now);
            }
            self.ask_for_offers(now);
            self.tell_speakers(now);
            if !self.drop_overflowed() {
                return;
            }
        }
    }

    fn ask_for_offers(&mut self, now: Instant) {
        for (peer, member) in &mut self.members {
            if member.is_away {
                continue;
            }
            if let Some(tracks_types) = member.negotiation.poll(now) {
                let integrated_turn_servers = member.turn_servers.clone();
                let data = OfferData {
                    tracks_types,
                    integrated_turn_servers,
                };
                let letter = Letter::offer_data(data);
                self.actions.push_back(Action::Tell {
                    peer: peer.clone(),
                    letter,
                });
            }
        }
    }

    /// Removes those whose news outgrew what is kept for their return.
    fn drop_overflowed(&mut self) -> bool {
        let overflowed: Vec<PeerId> = self
            .members
            .iter()
            .filter(|(_, member)| member.has_missed_news)
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in &overflowed {
            self.room.handle_removal(peer, ReasonCode::SlowConsumer);
        }
        !overflowed.is_empty()
    }

    /// Makes a peer known to the others and the others to it.
    fn let_in(&mut self, peer: &PeerId, now: Instant) {
        let Some(member) = self.members.get(peer) else {
            return;
        };
        let ice = member.negotiation.local_ice().clone();
        self.actions.push_back(Action::AddPeer {
            peer: member.key,
            ice,
            relay: member.relay.clone(),
        });
        let event = ServerEvent::EndpointAdded {
            id: peer.clone(),
            kind: WEBRTC.to_owned(),
            metadata: member.metadata.clone(),
        };
        self.tell_connected(peer);
        self.tell_others(peer, &event, now);
        let origins: Vec<PeerId> = self.others(peer);
        for origin in &origins {
            self.offer_tracks_of(origin, peer, now);
        }
        self.tell_who_is_missed(peer, now);
        self.tell_who_is_in_a_browser(peer, now);
        self.tell_chat_so_far(peer, now);
        self.tell_hands_to(peer, now);
    }

    /// Tells a peer its id and who else is here.
    fn tell_connected(&mut self, peer: &PeerId) {
        let endpoint = |id: PeerId| {
            let metadata = self.members.get(&id).map(|member| member.metadata.clone());
            let tracks = self.tracks_of(&id);
            let metadata = metadata.unwrap_or_default();
            Endpoint {
                id,
                kind: WEBRTC.to_owned(),
                metadata,
                tracks,
            }
        };
        let other_endpoints = self.others(peer).into_iter().map(endpoint).collect();
        let connected = ServerEvent::Connected {
            id: peer.clone(),
            other_endpoints,
        };
        self.tell_now(peer, &connected);
    }

    /// Announces what somebody publishes already, and wants it for the receiver.
    fn offer_tracks_of(&mut self, origin: &PeerId, receiver: &PeerId, now: Instant) {
        let tracks = self.tracks_of(origin);
        if tracks.is_empty() {
            return;
        }
        let ids: Vec<TrackId> = tracks.keys().cloned().collect();
        let added = ServerEvent::TracksAdded {
            endpoint_id: origin.clone(),
            tracks,
        };
        self.tell_news(receiver, &News::of(&added), now);
        self.tell_voices_of(origin, receiver);
        for id in ids {
            let Some(wanted) = self.tracks.get(&id).map(Published::wanted) else {
                continue;
            };
            if let Some(member) = self.members.get_mut(receiver) {
                member.negotiation.want(id, wanted);
            }
        }
    }

    /// Ends what is left of a peer, and tells the others if they knew it.
    fn see_off(&mut self, peer: &PeerId, seen: bool, why: Departure, now: Instant) {
        let Some(member) = self.members.remove(peer) else {
            return;
        };
        self.by_key.remove(&member.key);
        self.speakers.forget(peer);
        self.chat.handle_gone(peer);
        self.forget_gestures_of(peer, now);
        let (goodbye, hang_up) = goodbye(peer, &member, why);
        if let Some(letter) = goodbye {
            let peer = peer.clone();
            self.actions.push_back(Action::Tell { peer, letter });
        }
        if seen {
            self.actions
                .push_back(Action::Transport(TransportCommand::RemovePeer {
                    peer: member.key,
                }));
            self.forget_tracks_of(peer, now);
            let removed = ServerEvent::EndpointRemoved { id: peer.clone() };
            self.tell_others(peer, &removed, now);
        }
        self.actions.push_back(Action::End {
            peer: peer.clone(),
            hang_up,
        });
    }

    /// Lists everybody whom the others see, except one.
    fn others(&self, peer: &PeerId) -> Vec<PeerId> {
        self.room
            .seen()
            .map(|(other, _)| other)
            .filter(|other| *other != peer)
            .cloned()
            .collect()
    }
}

impl Published {
    fn wanted(&self) -> Wanted {
        let Self {
            key,
            owner,
            kind,
            stream,
            label,
            ..
        } = self;
        Wanted {
            key: *key,
            owner: owner.clone(),
            kind: *kind,
            stream: stream.clone(),
            label: label.clone(),
        }
    }

    fn as_track(&self) -> Track {
        Track {
            metadata: self.metadata.clone(),
            simulcast_config: self.simulcast.clone(),
        }
    }
}
