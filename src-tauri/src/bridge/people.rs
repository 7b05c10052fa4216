//! Who is in the room, in the order in which they came, and which tile shows whom.

use std::collections::{BTreeMap, HashMap};

use snug_client::{Kind, PeerState, PeerStats, Stats, TrackStats};
use snug_protocol::{PeerId, TrackId};

use crate::ipc::{MicrophoneState, Person, Role};
use crate::tiles::OWN_TILE;

/// The person's own id in [`Person::id`]; others have the ids that the room gave them.
const ME: &str = "me";

/// The person themselves, as far as their tile goes.
#[derive(Clone, Debug)]
pub(crate) struct Me {
    /// What the others call them.
    pub(crate) name: String,
    /// Their camera runs.
    pub(crate) camera_runs: bool,
    /// Size of its pictures.
    pub(crate) picture_size: Option<(u32, u32)>,
    /// Their microphone.
    pub(crate) microphone: MicrophoneState,
}

/// Everybody in a room.
#[derive(Debug)]
pub(crate) struct People {
    /// Who came when; `None` is the person themselves.
    order: Vec<Option<PeerId>>,
    tiles: HashMap<TrackId, u32>,
    next_tile: u32,
    peers: Vec<PeerStats>,
    /// Our own picture is on, and our network carries no more than sound.
    is_held_back: bool,
}

impl People {
    /// Starts with those who are there when we come.
    pub(crate) fn new(stats: &Stats) -> Self {
        let mut people = Self {
            order: Vec::new(),
            tiles: HashMap::new(),
            next_tile: OWN_TILE + 1,
            peers: Vec::new(),
            is_held_back: false,
        };
        people.update(stats);
        people.order.push(None);
        people
    }

    /// Learns who is there now. Says whether other tracks are shown than before.
    pub(crate) fn update(&mut self, stats: &Stats) -> bool {
        self.peers.clone_from(&stats.peers);
        self.is_held_back = stats.published.iter().any(|track| track.held_back);
        let peers = &self.peers;
        let is_here = |id: &Option<PeerId>| {
            id.is_none() || peers.iter().any(|it| Some(&it.peer_id) == id.as_ref())
        };
        self.order.retain(is_here);
        for peer in peers {
            if !self.order.iter().flatten().any(|id| *id == peer.peer_id) {
                self.order.push(Some(peer.peer_id.clone()));
            }
        }
        let pictures = || {
            let tracks = peers.iter().flat_map(|peer| &peer.tracks);
            tracks.filter(|track| track.kind == Kind::Video)
        };
        let known = self.tiles.len();
        self.tiles
            .retain(|id, _| pictures().any(|track| track.track_id == *id));
        let mut is_other = self.tiles.len() != known;
        for track in pictures() {
            if !self.tiles.contains_key(&track.track_id) {
                self.tiles.insert(track.track_id.clone(), self.next_tile);
                self.next_tile += 1;
                is_other = true;
            }
        }
        is_other
    }

    /// Returns which track is shown as which tile.
    pub(crate) fn tiles(&self) -> &HashMap<TrackId, u32> {
        &self.tiles
    }

    /// Returns the track of a tile.
    pub(crate) fn track_of(&self, tile: u32) -> Option<&TrackId> {
        let mut tiles = self.tiles.iter();
        tiles.find(|(_, it)| **it == tile).map(|(track, _)| track)
    }

    /// Returns how loud the others are.
    pub(crate) fn levels(&self) -> BTreeMap<String, f32> {
        let level = |peer: &PeerStats| {
            let sound = peer.tracks.iter().filter(|it| it.kind == Kind::Audio);
            let loudest = sound.map(|it| it.level_dbfs).reduce(f32::max)?;
            Some((peer.peer_id.to_string(), loudest))
        };
        self.peers.iter().filter_map(level).collect()
    }

    /// Lists everybody as the page shows them.
    pub(crate) fn list(&self, me: &Me) -> Vec<Person> {
        let of = |id: &Option<PeerId>| match id {
            None => Some(Person {
                is_held_back: self.is_held_back,
                ..myself(me)
            }),
            Some(id) => {
                let peer = self.peers.iter().find(|peer| peer.peer_id == *id)?;
                Some(self.other(peer))
            }
        };
        self.order.iter().filter_map(of).collect()
    }

    fn other(&self, peer: &PeerStats) -> Person {
        let of_kind = |kind| move |track: &&TrackStats| track.kind == kind;
        let picture = peer
            .tracks
            .iter()
            .filter(of_kind(Kind::Video))
            .find(|track| track.active);
        let size = picture.map(|track| (track.received.width, track.received.height));
        let sounds = peer.tracks.iter().filter(of_kind(Kind::Audio));
        let microphone = match sounds.map(|track| track.active).reduce(|a, b| a || b) {
            None => MicrophoneState::Absent,
            Some(true) => MicrophoneState::Live,
            Some(false) => MicrophoneState::Muted,
        };
        Person {
            id: peer.peer_id.to_string(),
            name: peer.name.clone(),
            is_me: false,
            tile: picture.and_then(|track| self.tiles.get(&track.track_id).copied()),
            picture_size: size.filter(|(width, height)| *width > 0 && *height > 0),
            microphone,
            is_in_browser: peer.is_in_browser,
            is_reconnecting: peer.state == PeerState::Reconnecting,
            is_held_back: picture.is_some_and(|track| track.paused),
            role: Role::Member,
            is_muted_by_host: false,
            is_hidden_by_host: false,
        }
    }
}

fn myself(me: &Me) -> Person {
    Person {
        id: ME.to_owned(),
        name: me.name.clone(),
        is_me: true,
        tile: me.camera_runs.then_some(OWN_TILE),
        picture_size: me.picture_size.filter(|_| me.camera_runs),
        microphone: me.microphone,
        is_in_browser: false,
        is_reconnecting: false,
        is_held_back: false,
        role: Role::Member,
        is_muted_by_host: false,
        is_hidden_by_host: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snug_client::ReceivedStats;

    fn track(id: &str, kind: Kind, active: bool) -> TrackStats {
        TrackStats {
            track_id: id.parse().unwrap(),
            kind,
            active,
            paused: false,
            layer: None,
            level_dbfs: -20.0,
            received: ReceivedStats {
                width: 640,
                height: 360,
                ..ReceivedStats::default()
            },
        }
    }

    fn peer(id: &str, tracks: Vec<TrackStats>) -> PeerStats {
        PeerStats {
            peer_id: id.parse().unwrap(),
            name: id.to_uppercase(),
            state: PeerState::Live,
            is_in_browser: false,
            tracks,
        }
    }

    fn stats(peers: Vec<PeerStats>) -> Stats {
        Stats {
            peers,
            ..Stats::default()
        }
    }

    fn me() -> Me {
        Me {
            name: "Me".to_owned(),
            camera_runs: true,
            picture_size: Some((1280, 720)),
            microphone: MicrophoneState::Live,
        }
    }

    fn ids(people: &People) -> Vec<String> {
        people.list(&me()).into_iter().map(|it| it.id).collect()
    }

    #[test]
    fn people_stand_in_the_order_in_which_they_came() {
        let mut people = People::new(&stats(vec![peer("z", vec![])]));
        assert_eq!(ids(&people), ["z", "me"]);
        people.update(&stats(vec![peer("a", vec![]), peer("z", vec![])]));
        assert_eq!(ids(&people), ["z", "me", "a"]);
        people.update(&stats(vec![peer("a", vec![])]));
        assert_eq!(ids(&people), ["me", "a"]);
    }

    #[test]
    fn a_track_keeps_its_tile_and_no_tile_comes_twice() {
        let camera = || track("a:1", Kind::Video, true);
        let mut people = People::new(&stats(vec![peer("a", vec![camera()])]));
        let tile = people.list(&me())[0].tile;
        assert_eq!(tile, Some(1));
        let other = peer("b", vec![track("b:1", Kind::Video, true)]);
        assert!(people.update(&stats(vec![other, peer("a", vec![camera()])])));
        assert_eq!(people.list(&me())[0].tile, tile);
        assert!(!people.update(&stats(people.peers.clone())));
        assert!(people.update(&stats(vec![peer("a", vec![])])));
        assert!(people.update(&stats(vec![peer("a", vec![camera()])])));
        assert_eq!(people.list(&me())[0].tile, Some(3));
        assert_eq!(people.track_of(3), Some(&"a:1".parse().unwrap()));
        assert_eq!(people.track_of(1), None);
    }

    #[test]
    fn what_is_off_is_shown_as_off() {
        let tracks = vec![
            track("a:1", Kind::Video, false),
            track("a:2", Kind::Audio, false),
        ];
        let people = People::new(&stats(vec![peer("a", tracks), peer("b", vec![])]));
        let shown = people.list(&me());
        assert_eq!((shown[0].tile, shown[0].picture_size), (None, None));
        assert_eq!(shown[0].microphone, MicrophoneState::Muted);
        assert_eq!(shown[1].microphone, MicrophoneState::Absent);
        assert_eq!((shown[2].tile, shown[2].is_me), (Some(0), true));
    }

    #[test]
    fn loudness_is_that_of_sound() {
        let tracks = vec![
            track("a:1", Kind::Video, true),
            track("a:2", Kind::Audio, true),
        ];
        let people = People::new(&stats(vec![peer("a", tracks), peer("b", vec![])]));
        assert_eq!(people.levels(), [("a".to_owned(), -20.0)].into());
    }
}
