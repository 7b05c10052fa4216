//! Who else is here, and what they publish.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use snug_protocol::{
    EncodingSwitched, Endpoint, EndpointMetadata, PeerId, PresenceState, TrackId, TrackMetadata,
    Variant,
};

use super::{Output, kind_of};
use crate::Kind;
use crate::event::Happening;
use crate::stats::PeerState;

/// The most peers kept; a server cannot make this client remember more.
const PEERS_MAX: usize = 1024;

/// The most tracks kept of one peer.
const TRACKS_MAX: usize = 64;

/// The longest name kept, in characters: what a room accepts.
const NAME_CHARS_MAX: usize = 64;

/// A track of another peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteTrack {
    /// Whose.
    pub(crate) peer: PeerId,
    /// What its owner is called, perhaps nothing.
    pub(crate) name: String,
    /// Which.
    pub(crate) id: TrackId,
    /// Sound or picture.
    pub(crate) kind: Kind,
}

/// Another peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Their name, perhaps empty.
    pub(crate) name: String,
    /// Whether they are heard.
    pub(crate) state: PeerState,
    /// Whether they came without Snug, as browsers do.
    pub(crate) is_in_browser: bool,
    tracks: BTreeMap<TrackId, Known>,
}

/// What is known of a track. Its kind comes with its metadata, or else with the answer.
#[derive(Debug)]
struct Known {
    kind: Option<Kind>,
    mid: Option<String>,
    /// Whether it carries anything, by its owner's word.
    active: bool,
    /// Which encoding is passed on to us, by the room's word.
    layer: Option<Variant>,
}

impl Peer {
    /// Their tracks whose kind is known, each with whether it carries anything.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = (&TrackId, Kind, bool)> {
        self.tracks
            .iter()
            .filter_map(|(id, known)| Some((id, known.kind?, known.active)))
    }

    /// Which encoding of one of them is passed on to us, once the room has said so.
    pub(crate) fn layer(&self, id: &TrackId) -> Option<Variant> {
        self.tracks.get(id)?.layer
    }
}

/// All others.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    peers: BTreeMap<PeerId, Peer>,
}

type Outputs = VecDeque<Output>;

impl Roster {
    /// Lists all others.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter()
    }

    /// Takes the whole list of who is here.
    pub(super) fn replace(
        &mut self,
        others: impl Iterator<Item = Endpoint>,
        outputs: &mut Outputs,
    ) {
        let others: Vec<Endpoint> = others.collect();
        let gone: Vec<PeerId> = self
            .peers
            .keys()
            .filter(|id| others.iter().all(|other| other.id != **id))
            .cloned()
            .collect();
        for id in &gone {
            self.remove(id, outputs);
        }
        for other in others {
            if !self.peers.contains_key(&other.id) {
                self.add(other.id.clone(), &other.metadata, outputs);
            }
            let gone = self.tracks_besides(&other);
            for id in &gone {
                self.remove_track(&other.id, id, outputs);
            }
            for (id, track) in other.tracks {
                self.add_track(&other.id, id, &track.metadata, outputs);
            }
        }
    }

    fn tracks_besides(&self, other: &Endpoint) -> Vec<TrackId> {
        let known = self
            .peers
            .get(&other.id)
            .into_iter()
            .flat_map(|peer| peer.tracks.keys());
        known
            .filter(|id| !other.tracks.contains_key(*id))
            .cloned()
            .collect()
    }

    /// Adds a peer; false when known already, or when there are too many.
    pub(super) fn add(&mut self, id: PeerId, metadata: &Value, outputs: &mut Outputs) -> bool {
        if self.peers.contains_key(&id) || self.peers.len() >= PEERS_MAX {
            return false;
        }
        let name = name_in(metadata);
        let peer = Peer {
            name: name.clone(),
            ..Peer::default()
        };
        self.peers.insert(id.clone(), peer);
        outputs.push_back(Output::Tell(Happening::PeerJoined { peer_id: id, name }));
        true
    }

    /// Removes a peer and its tracks; false when unknown.
    pub(super) fn remove(&mut self, id: &PeerId, outputs: &mut Outputs) -> bool {
        let Some(peer) = self.peers.remove(id) else {
            return false;
        };
        for (track, known) in peer.tracks {
            tell_removed(id, &track, &known, outputs);
        }
        outputs.push_back(Output::Tell(Happening::PeerLeft {
            peer_id: id.clone(),
        }));
        true
    }

    /// Takes new metadata of a peer; false when unknown.
    pub(super) fn rename(&mut self, id: &PeerId, metadata: &Value, outputs: &mut Outputs) -> bool {
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let name = name_in(metadata);
        if peer.name != name {
            peer.name.clone_from(&name);
            let peer_id = id.clone();
            outputs.push_back(Output::Tell(Happening::PeerRenamed { peer_id, name }));
        }
        true
    }

    /// Adds a track; adding it again only renews what is said of it. False when the peer is unknown
    /// or has too many.
    pub(super) fn add_track(
        &mut self,
        peer_id: &PeerId,
        id: TrackId,
        metadata: &Value,
        outputs: &mut Outputs,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(peer_id) else {
            return false;
        };
        if peer.tracks.contains_key(&id) {
            return self.update_track(peer_id, &id, metadata, outputs);
        }
        if peer.tracks.len() >= TRACKS_MAX {
            return false;
        }
        let TrackMetadata { source, active } = TrackMetadata::from_value(metadata);
        let known = Known {
            kind: source.map(kind_of),
            mid: None,
            active,
            layer: None,
        };
        if let Some(kind) = known.kind {
            tell_added(peer_id, &id, (kind, active), outputs);
        }
        peer.tracks.insert(id, known);
        true
    }

    /// Takes new metadata of a track; false when unknown.
    pub(super) fn update_track(
        &mut self,
        peer_id: &PeerId,
        id: &TrackId,
        metadata: &Value,
        outputs: &mut Outputs,
    ) -> bool {
        let peer = self.peers.get_mut(peer_id);
        let Some(known) = peer.and_then(|peer| peer.tracks.get_mut(id)) else {
            return false;
        };
        let active = TrackMetadata::from_value(metadata).active;
        let changed = std::mem::replace(&mut known.active, active) != active;
        if let Some(kind) = known.kind.filter(|_| changed) {
            tell_changed(peer_id, id, (kind, active), outputs);
        }
        true
    }

    /// Learns which encoding of a track is passed on to us. The track may have ended meanwhile.
    pub(super) fn set_layer(&mut self, switched: &EncodingSwitched) {
        let peer = self.peers.get_mut(&switched.endpoint_id);
        if let Some(known) = peer.and_then(|peer| peer.tracks.get_mut(&switched.track_id)) {
            known.layer = Some(switched.encoding);
        }
    }

    /// Removes a track; false when unknown.
    pub(super) fn remove_track(
        &mut self,
        peer_id: &PeerId,
        id: &TrackId,
        outputs: &mut Outputs,
    ) -> bool {
        let known = self
            .peers
            .get_mut(peer_id)
            .and_then(|peer| peer.tracks.remove(id));
        match known {
            Some(known) => {
                tell_removed(peer_id, id, &known, outputs);
                true
            }
            None => false,
        }
    }

    /// Learns which media section carries a track, and of which kind it is; false when unknown.
    pub(super) fn bind(
        &mut self,
        id: &TrackId,
        mid: &str,
        kind: Kind,
        outputs: &mut Outputs,
    ) -> bool {
        let found = self
            .peers
            .iter_mut()
            .find_map(|(peer_id, peer)| Some((peer_id, &peer.name, peer.tracks.get_mut(id)?)));
        let Some((peer_id, name, known)) = found else {
            return false;
        };
        if known.kind.is_none() {
            tell_added(peer_id, id, (kind, known.active), outputs);
        }
        // The section is what is really received, whatever the owner calls it.
        known.kind = Some(kind);
        if known.mid.as_deref() != Some(mid) {
            known.mid = Some(mid.to_owned());
            let track = RemoteTrack {
                peer: peer_id.clone(),
                name: name.clone(),
                id: id.clone(),
                kind,
            };
            outputs.push_back(Output::Receive {
                mid: mid.to_owned(),
                track,
            });
        }
        true
    }

    /// Forgets which sections carry what, because the connection is gone; returns the tracks that
    /// were carried.
    pub(super) fn unbind_all(&mut self) -> Vec<TrackId> {
        let tracks = self
            .peers
            .values_mut()
            .flat_map(|peer| peer.tracks.iter_mut());
        tracks
            .filter_map(|(id, known)| known.mid.take().map(|_| id.clone()))
            .collect()
    }

    /// Notes that a peer came without Snug; false when unknown.
    pub(super) fn set_in_browser(&mut self, id: &PeerId, outputs: &mut Outputs) -> bool {
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        if !std::mem::replace(&mut peer.is_in_browser, true) {
            let peer_id = id.clone();
            outputs.push_back(Output::Tell(Happening::PeerInBrowser { peer_id }));
        }
        true
    }

    /// Takes whether a peer is heard; false when unknown.
    pub(super) fn set_presence(
        &mut self,
        id: &PeerId,
        presence: PresenceState,
        outputs: &mut Outputs,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let (state, happening) = match presence {
            PresenceState::Live => (
                PeerState::Live,
                Happening::PeerLive {
                    peer_id: id.clone(),
                },
            ),
            PresenceState::Reconnecting => (
                PeerState::Reconnecting,
                Happening::PeerReconnecting {
                    peer_id: id.clone(),
                },
            ),
        };
        if peer.state != state {
            peer.state = state;
            outputs.push_back(Output::Tell(happening));
        }
        true
    }
}

/// Tells of a new track, and that it carries nothing where that is so.
fn tell_added(peer: &PeerId, id: &TrackId, (kind, active): (Kind, bool), outputs: &mut Outputs) {
    outputs.push_back(Output::Tell(Happening::TrackAdded {
        peer_id: peer.clone(),
        track_id: id.clone(),
        kind,
    }));
    if !active {
        tell_changed(peer, id, (kind, active), outputs);
    }
}

fn tell_changed(peer: &PeerId, id: &TrackId, (kind, active): (Kind, bool), outputs: &mut Outputs) {
    outputs.push_back(Output::Tell(Happening::TrackChanged {
        peer_id: peer.clone(),
        track_id: id.clone(),
        kind,
        active,
    }));
}

fn tell_removed(peer: &PeerId, id: &TrackId, known: &Known, outputs: &mut Outputs) {
    outputs.push_back(Output::Forget(id.clone()));
    if let Some(kind) = known.kind {
        let (peer_id, track_id) = (peer.clone(), id.clone());
        outputs.push_back(Output::Tell(Happening::TrackRemoved {
            peer_id,
            track_id,
            kind,
        }));
    }
}

fn name_in(metadata: &Value) -> String {
    let name = EndpointMetadata::from_value(metadata).display_name;
    name.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect()
}
