//! The session: what the room and we have told each other, as a state machine without IO.
//!
//! Rules, each with its why:
//! - The server decides when to negotiate (`offerData`); we ask for it (`renegotiateTracks`), once
//!   until it comes, however many tracks change meanwhile.
//! - One negotiation at a time, and each has a number: what the transport answers late about an
//!   abandoned one is ignored.
//! - The count of receiving sections never falls, whatever the server asks for: a section cannot
//!   be taken out of a session description.
//! - What makes no sense (unknown peers, tracks, types) is counted and changes nothing.

pub(crate) mod answer;
mod negotiation;
mod roster;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use snug_protocol::{
    Bitrates, ClientEvent, EndpointMetadata, PeerId, PresenceState, SdpAnswer, SdpOffer,
    ServerEvent, TrackId, TrackMetadata, TrackSource, TurnServer, Variant,
};

use crate::Kind;
use crate::event::Happening;
use negotiation::{Negotiation, Step};
pub(crate) use roster::{RemoteTrack, Roster};

/// What the session wants done.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// Say this to the room.
    Send(ClientEvent),
    /// Reach the room through these relays from the next offer on, and in no other way.
    Relay(Vec<TurnServer>),
    /// Write an offer with room for so many tracks, and report it with [`Session::handle_offer`].
    Offer {
        /// Number of the negotiation.
        number: u64,
        /// Receiving sections for sound.
        audio: usize,
        /// Receiving sections for pictures.
        video: usize,
        /// Whether an earlier offer was left unanswered and has to be taken back.
        roll_back: bool,
    },
    /// Apply this answer, and report it with [`Session::handle_answered`].
    Answer {
        /// Number of the negotiation.
        number: u64,
        /// Session description.
        sdp: String,
    },
    /// Add this candidate of the server.
    Candidate(String),
    /// We are in: tracks can be published from now on.
    Ready(PeerId),
    /// Our own track is negotiated: send it.
    Start {
        /// Which one.
        track: TrackId,
        /// Whether the room takes several encodings of it.
        simulcast: bool,
    },
    /// Media section `mid` carries this track of another peer from now on.
    Receive {
        /// Name of the section.
        mid: String,
        /// The track.
        track: RemoteTrack,
    },
    /// This track of another peer is gone.
    Forget(TrackId),
    /// Tell the application.
    Tell(Happening),
    /// The session is over.
    End(Ending),
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The room removed us.
    Removed,
    /// The room ended our session for a reason.
    Refused {
        /// Stable code, empty when the server gave none.
        code: String,
        /// The server's words.
        message: String,
    },
}

/// One of our own tracks, as the session knows it.
#[derive(Debug)]
struct LocalTrack {
    source: TrackSource,
    bitrates: Bitrates,
    active: bool,
    /// The room has been told of it.
    offered: bool,
    started: bool,
    /// Encodings that the room was told to do without.
    withheld: BTreeSet<Variant>,
}

/// A session in one room, from `connect` to its end.
#[derive(Debug)]
pub(crate) struct Session {
    name: String,
    me: Option<PeerId>,
    roster: Roster,
    local: BTreeMap<TrackId, LocalTrack>,
    negotiation: Negotiation,
    nonsense: u64,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Makes a session of a person called `name`, who has not said anything yet.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            me: None,
            roster: Roster::default(),
            local: BTreeMap::new(),
            negotiation: Negotiation::default(),
            nonsense: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Starts, or starts over in a new place: asks to be let in. Own tracks have to be published
    /// anew; what is known of others is kept until `connected` says who is still here.
    pub(crate) fn connect(&mut self) {
        self.me = None;
        self.local.clear();
        self.negotiation.restart();
        for track in self.roster.unbind_all() {
            self.outputs.push_back(Output::Forget(track));
        }
        let metadata = EndpointMetadata {
            display_name: self.name.clone(),
        }
        .to_value();
        self.outputs
            .push_back(Output::Send(ClientEvent::Connect { metadata }));
    }

    /// Goes on in the same place after signalling broke: what was half negotiated starts over.
    ///
    /// What was said of our tracks last may have been lost with the line: it is said again. A room
    /// that heard it tells nobody twice.
    pub(crate) fn resume(&mut self) {
        let step = self.negotiation.resume();
        self.take(step);
        let offered = self.local.iter().filter(|(_, track)| track.offered);
        self.outputs
            .extend(offered.map(|(id, track)| announce(id, track)));
    }

    /// Publishes a track of ours; it is sent once the room has agreed.
    pub(crate) fn publish(
        &mut self,
        track: TrackId,
        source: TrackSource,
        bitrates: Bitrates,
        active: bool,
    ) {
        let local = LocalTrack {
            source,
            bitrates,
            active,
            offered: false,
            started: false,
            withheld: BTreeSet::new(),
        };
        self.local.insert(track, local);
        self.ask();
    }

    /// Says whether a track of ours carries anything; it keeps its place either way.
    pub(crate) fn set_active(&mut self, id: &TrackId, active: bool) {
        let Some(track) = self.local.get_mut(id) else {
            return;
        };
        let changed = std::mem::replace(&mut track.active, active) != active;
        if changed && track.offered {
            self.outputs.push_back(announce(id, track));
        }
    }

    /// Says which encodings of a track of ours cannot be sent now, so that the room shows others
    /// at once instead of waiting for them.
    pub(crate) fn withhold(&mut self, id: &TrackId, withheld: &BTreeSet<Variant>) {
        let Some(track) = self.local.get_mut(id).filter(|track| track.started) else {
            return;
        };
        let before = std::mem::replace(&mut track.withheld, withheld.clone());
        let gone = withheld
            .difference(&before)
            .map(|encoding| (encoding, true));
        let back = before
            .difference(withheld)
            .map(|encoding| (encoding, false));
        for (encoding, is_gone) in gone.chain(back) {
            let (track_id, encoding) = (id.clone(), *encoding);
            self.outputs.push_back(Output::Send(match is_gone {
                true => ClientEvent::DisableTrackEncoding { track_id, encoding },
                false => ClientEvent::EnableTrackEncoding { track_id, encoding },
            }));
        }
    }

    /// Asks for a negotiation, for a reason of the transport's own (a new network).
    pub(crate) fn ask(&mut self) {
        if self.me.is_some() {
            let step = self.negotiation.ask();
            self.take(step);
        }
    }

    /// Takes a media event of the room, as it stands in `data`.
    pub(crate) fn handle_data(&mut self, data: &str) {
        match ServerEvent::parse(data) {
            Ok(event) => self.handle_event(event),
            Err(error) => {
                self.nonsense += 1;
                tracing::debug!(%error, "a media event makes no sense");
            }
        }
    }

    /// Takes a media event of the room.
    pub(crate) fn handle_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Connected {
                id,
                other_endpoints,
            } => {
                self.me = Some(id.clone());
                self.outputs.push_back(Output::Ready(id.clone()));
                let others = other_endpoints.into_iter().filter(|other| other.id != id);
                self.roster.replace(others, &mut self.outputs);
            }
            ServerEvent::EndpointRemoved { id } if self.me.as_ref() == Some(&id) => {
                self.outputs.push_back(Output::End(Ending::Removed));
            }
            ServerEvent::Error { message, code } => {
                let code = code.unwrap_or_default();
                self.outputs
                    .push_back(Output::End(Ending::Refused { code, message }));
            }
            ServerEvent::OfferData(data) => {
                if !data.integrated_turn_servers.is_empty() {
                    let servers = data.integrated_turn_servers;
                    self.outputs.push_back(Output::Relay(servers));
                }
                let counts = [data.tracks_types.audio, data.tracks_types.video];
                let step = self
                    .negotiation
                    .handle_offer_data(counts.map(|n| n as usize));
                self.take(step);
            }
            ServerEvent::SdpAnswer(answer) => self.handle_answer(answer),
            ServerEvent::Candidate(candidate) => {
                self.outputs
                    .push_back(Output::Candidate(candidate.candidate));
            }
            other => self.handle_others(other),
        }
    }

    /// Takes what is said about other peers and their tracks.
    fn handle_others(&mut self, event: ServerEvent) {
        let outputs = &mut self.outputs;
        let understood = match event {
            ServerEvent::EndpointAdded { id, metadata, .. } => {
                let mine = self.me.as_ref() == Some(&id);
                !mine && self.roster.add(id, &metadata, outputs)
            }
            ServerEvent::EndpointRemoved { id } => self.roster.remove(&id, outputs),
            ServerEvent::EndpointUpdated { id, metadata } => {
                self.roster.rename(&id, &metadata, outputs)
            }
            ServerEvent::TracksAdded {
                endpoint_id,
                tracks,
            } => tracks.into_iter().fold(true, |all, (id, track)| {
                all & self
                    .roster
                    .add_track(&endpoint_id, id, &track.metadata, outputs)
            }),
            ServerEvent::TracksRemoved {
                endpoint_id,
                track_ids,
            } => track_ids.iter().fold(true, |all, id| {
                all & self.roster.remove_track(&endpoint_id, id, outputs)
            }),
            ServerEvent::TrackUpdated {
                endpoint_id,
                track_id,
                metadata,
            } => self
                .roster
                .update_track(&endpoint_id, &track_id, &metadata, outputs),
            ServerEvent::EncodingSwitched(switched) => {
                self.roster.set_layer(&switched);
                true
            }
            // Nothing to do yet for quality and voices; unknown ones are a newer server's.
            _ => true,
        };
        if !understood {
            self.nonsense += 1;
        }
    }

    /// Takes what the room says about somebody's presence.
    pub(crate) fn handle_presence(&mut self, id: &PeerId, state: PresenceState) {
        if !self.roster.set_presence(id, state, &mut self.outputs) {
            self.nonsense += 1;
        }
    }

    /// Takes what the room says about who came without Snug.
    pub(crate) fn handle_in_browser(&mut self, ids: &[PeerId]) {
        for id in ids {
            if !self.roster.set_in_browser(id, &mut self.outputs) {
                self.nonsense += 1;
            }
        }
    }

    /// Takes the offer that [`Output::Offer`] asked for: its text, and the media sections of our
    /// own tracks in it.
    pub(crate) fn handle_offer(
        &mut self,
        number: u64,
        sdp: String,
        sections: &[(TrackId, String)],
    ) {
        if !self.negotiation.handle_offer(number) {
            return;
        }
        let mut offer = SdpOffer {
            sdp,
            ..SdpOffer::default()
        };
        for (id, mid) in sections {
            let Some(track) = self.local.get_mut(id) else {
                continue;
            };
            track.offered = true;
            offer.mid_to_track_id.insert(mid.clone(), id.clone());
            offer
                .track_id_to_track_metadata
                .insert(id.clone(), metadata(track));
            let bitrates = track.bitrates.clone();
            offer
                .track_id_to_track_bitrates
                .insert(id.clone(), bitrates);
        }
        self.outputs
            .push_back(Output::Send(ClientEvent::SdpOffer(offer)));
    }

    /// Learns that the answer of negotiation `number` was applied.
    pub(crate) fn handle_answered(&mut self, number: u64) {
        let Some((answer, step)) = self.negotiation.handle_applied(number) else {
            return;
        };
        let count = self.negotiation.count();
        self.outputs
            .push_back(Output::Tell(Happening::Negotiated { count }));
        let mids = answer.mid_to_track_id;
        for section in answer::sections(&answer.sdp) {
            let Some(track) = mids.get(section.mid) else {
                continue;
            };
            if let Some(local) = self.local.get_mut(track) {
                if section.accepted && !local.started {
                    local.started = true;
                    self.outputs.push_back(Output::Start {
                        track: track.clone(),
                        simulcast: section.simulcast,
                    });
                }
            } else if section.accepted
                && !self
                    .roster
                    .bind(track, section.mid, section.kind, &mut self.outputs)
            {
                self.nonsense += 1;
            }
        }
        self.take(step);
    }

    /// Learns that an offer could not be made, or an answer not applied. While tracks of ours wait
    /// for it, another one is asked for.
    pub(crate) fn handle_failed(&mut self, number: u64) {
        let waiting = self.local.values().any(|track| !track.started);
        let step = self.negotiation.handle_failed(number, waiting);
        self.take(step);
    }

    /// Returns the next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Our own id, once let in.
    pub(crate) fn me(&self) -> Option<&PeerId> {
        self.me.as_ref()
    }

    /// Everybody else, for statistics.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How many events made no sense.
    pub(crate) fn nonsense(&self) -> u64 {
        self.nonsense
    }

    fn handle_answer(&mut self, answer: SdpAnswer) {
        match self.negotiation.handle_answer(answer) {
            Some(step) => self.take(step),
            None => self.nonsense += 1,
        }
    }

    fn take(&mut self, step: Step) {
        let output = match step {
            Step::Nothing => return,
            Step::Ask => Output::Send(ClientEvent::RenegotiateTracks),
            Step::Offer {
                number,
                counts: [audio, video],
                roll_back,
            } => Output::Offer {
                number,
                audio,
                video,
                roll_back,
            },
            Step::Apply { number, sdp } => Output::Answer { number, sdp },
        };
        self.outputs.push_back(output);
    }
}

fn announce(id: &TrackId, track: &LocalTrack) -> Output {
    Output::Send(ClientEvent::UpdateTrackMetadata {
        track_id: id.clone(),
        metadata: metadata(track),
    })
}

fn metadata(track: &LocalTrack) -> Value {
    TrackMetadata {
        source: Some(track.source),
        active: track.active,
    }
    .to_value()
}

/// Whether a source of this sort is seen or heard.
fn kind_of(source: TrackSource) -> Kind {
    match source {
        TrackSource::Microphone => Kind::Audio,
        TrackSource::Camera | TrackSource::Screensharing => Kind::Video,
    }
}

#[cfg(test)]
mod tests;
