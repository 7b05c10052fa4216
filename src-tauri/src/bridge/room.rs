//! The room that the person is in, as far as the bridge keeps it.

use std::time::{SystemTime, UNIX_EPOCH};

use std::collections::BTreeSet;

use snug_client::{ConnectionState, Event, Form, KeyStanding, Social, Stats, Watched};
use snug_protocol::{Ask, Link, Medium, PeerId, Pin, RoomState, TrackId};
use tokio::sync::{mpsc, watch};

use super::call::Command;
use super::moderation;
use super::people::{Me, People};
use crate::ipc::{Connection, RecentRoom, Room as Shown, Watching};

/// Former ids of the person that are kept: they get another after each long break.
const MINE_MAX: usize = 64;

/// A room, from coming in to leaving.
pub(crate) struct Room {
    /// Tells this call from others.
    pub(crate) number: u64,
    pub(crate) link: Link,
    pub(crate) is_host: bool,
    pub(crate) is_pinned: bool,
    /// It was found on this network: the key in its link is what anybody may have said.
    pub(crate) is_found: bool,
    /// The host's key, once it is known and where one can pin it.
    pub(crate) pin: Option<Pin>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) stats: watch::Receiver<Stats>,
    pub(crate) social: watch::Receiver<Social>,
    /// The ids that the person has had here, the latest included.
    pub(crate) mine: BTreeSet<PeerId>,
    /// Dropping it leaves.
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) people: People,
    links: Vec<Link>,
    since_ms: u64,
    connection: ConnectionState,
    rules: RoomState,
    /// What was last asked to be handed out.
    watched: Option<Vec<Watched>>,
}

impl Room {
    pub(crate) fn new(
        number: u64,
        link: Link,
        links: &[Link],
        is_host: bool,
        (events, stats): (mpsc::Receiver<Event>, watch::Receiver<Stats>),
        social: watch::Receiver<Social>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        let people = People::new(&stats.borrow());
        let connection = stats.borrow().connection;
        Self {
            number,
            link,
            is_host,
            is_pinned: false,
            is_found: false,
            pin: links.first().and_then(|link| link.pin),
            events,
            stats,
            social,
            mine: BTreeSet::new(),
            commands,
            people,
            links: links.to_vec(),
            since_ms: now_ms(),
            connection,
            rules: RoomState::default(),
            watched: None,
        }
    }

    /// Learns the latest about everybody. Says whether other tracks are shown than before.
    pub(crate) fn update(&mut self) -> bool {
        let stats = self.stats.borrow_and_update();
        self.connection = stats.connection;
        self.people.update(&stats)
    }

    /// Whether the host was not heard for so long that nothing is captured: then devices are free.
    pub(crate) fn capture_is_stopped(&self) -> bool {
        self.connection == ConnectionState::CaptureStopped
    }

    /// Has those pictures handed out that the page shows.
    pub(crate) fn watch(&mut self, watching: &Watching) {
        let form = |raw| if raw { Form::Decoded } else { Form::Encoded };
        let watched = watching.tiles.iter().filter_map(|tile| {
            let track = self.people.track_of(tile.tile)?.clone();
            Some(Watched {
                track,
                form: form(tile.raw),
                rows: u16::try_from(tile.height).unwrap_or(u16::MAX),
            })
        });
        let mut watched: Vec<Watched> = watched.collect();
        watched.sort_by(|a, b| a.track.as_str().cmp(b.track.as_str()));
        if self.watched.as_ref() == Some(&watched) {
            return;
        }
        // Where the lane is full it is asked again at the next change, a tenth of a second later.
        if self
            .commands
            .try_send(Command::Watch(watched.clone()))
            .is_ok()
        {
            self.watched = Some(watched);
        }
    }

    /// Learns how the host's key was judged.
    pub(crate) fn note_key(&mut self, key: KeyStanding, pin: Option<&str>) {
        self.is_pinned = key.is_verified();
        self.pin = pin.and_then(|pin| pin.parse().ok());
    }

    /// Returns what joins it again. A key that nobody vouched for is not kept as if somebody had.
    pub(crate) fn recent(&self) -> RecentRoom {
        let mut link = self.link.clone();
        link.pin = match self.is_pinned {
            true => link.pin.or(self.pin),
            false => link.pin.filter(|_| !self.is_found),
        };
        RecentRoom {
            link: link.to_string(),
            room: self.link.room.to_string(),
            host: self.link.authority(),
        }
    }

    /// Returns it as the page shows it.
    pub(crate) fn shown(&self, me: &Me) -> Shown {
        let mut people = self.people.list(me);
        let marked = people.iter_mut();
        marked.for_each(|person| moderation::mark(person, &self.rules));
        Shown {
            name: self.link.room.to_string(),
            host: (!self.is_host).then(|| self.link.authority()),
            links: self.links.iter().map(|link| self.invite(link)).collect(),
            since_ms: self.since_ms,
            connection: match self.connection {
                ConnectionState::ConnectingMedia => Connection::ConnectingMedia,
                ConnectionState::Live => Connection::Live,
                ConnectionState::Reconnecting => Connection::Reconnecting,
                ConnectionState::CaptureStopped => Connection::CaptureStopped,
            },
            is_pinned: self.is_pinned || self.is_host,
            words: self.words(),
            rules: moderation::shown(&self.rules, self.stats.borrow().peer_id.as_ref()),
            people,
        }
    }

    /// Learns how roles and rules stand.
    pub(crate) fn set_rules(&mut self, rules: RoomState) {
        self.rules = rules;
    }

    /// Whether a host stopped this of the person.
    pub(crate) fn is_stopped(&self, medium: Medium) -> bool {
        let stats = self.stats.borrow();
        let me = stats.peer_id.as_ref();
        let mine = me.and_then(|me| self.rules.silenced.get(me));
        mine.is_some_and(|silence| silence.of(medium))
    }

    /// Asks the room about roles and rules; what came of it is told by the rules.
    pub(crate) fn moderate(&self, ask: Ask) {
        if self.commands.try_send(Command::Moderate(ask)).is_err() {
            tracing::warn!("the room is not asked: the call is busy");
        }
    }

    /// Writes a link for others. It carries the key only where that is verified: for whoever
    /// follows it, the key in a link is.
    fn invite(&self, link: &Link) -> String {
        let is_proven = self.is_pinned || self.is_host;
        let pin = link.pin.or(self.pin).filter(|_| is_proven);
        Link {
            pin,
            ..link.clone()
        }
        .to_string()
    }

    fn words(&self) -> Vec<String> {
        let words = self.pin.iter().flat_map(Pin::words);
        words.map(str::to_owned).collect()
    }

    /// Learns the person's present id.
    pub(crate) fn note_me(&mut self, me: PeerId) {
        if self.mine.len() >= MINE_MAX {
            self.mine.pop_first();
        }
        self.mine.insert(me);
    }

    /// Asks something of the call. Says whether it could be asked.
    pub(crate) fn ask(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    /// Asks for a keyframe of what is shown as `tile`.
    pub(crate) fn refresh(&self, tile: u32) {
        let Some(track) = self.people.track_of(tile) else {
            return;
        };
        let track: TrackId = track.clone();
        if self.commands.try_send(Command::Refresh(track)).is_err() {
            tracing::debug!("a keyframe is not asked for: the call is busy");
        }
    }
}

fn now_ms() -> u64 {
    // A clock before 1970 is no reason to fail.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
