//! The room that the person is in, as far as the bridge keeps it.

use std::time::{SystemTime, UNIX_EPOCH};

use snug_client::{ConnectionState, Event, Form, Stats, Watched};
use snug_protocol::{Link, TrackId};
use tokio::sync::{mpsc, watch};

use super::call::Command;
use super::people::{Me, People};
use crate::ipc::{Connection, RecentRoom, Room as Shown, Watching};

/// A room, from coming in to leaving.
pub(crate) struct Room {
    /// Tells this call from others.
    pub(crate) number: u64,
    pub(crate) link: Link,
    pub(crate) is_host: bool,
    pub(crate) is_pinned: bool,
    /// It was found on this network: the key in its link is what anybody may have said.
    pub(crate) is_found: bool,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) stats: watch::Receiver<Stats>,
    /// Dropping it leaves.
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) people: People,
    links: Vec<String>,
    since_ms: u64,
    connection: ConnectionState,
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
            events,
            stats,
            commands,
            people,
            links: links.iter().map(Link::to_string).collect(),
            since_ms: now_ms(),
            connection,
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

    /// Returns what joins it again. A key that nobody vouched for is not kept as if somebody had.
    pub(crate) fn recent(&self) -> RecentRoom {
        let mut link = self.link.clone();
        link.pin = link.pin.filter(|_| !self.is_found);
        RecentRoom {
            link: link.to_string(),
            room: self.link.room.to_string(),
            host: self.link.authority(),
        }
    }

    /// Returns it as the page shows it.
    pub(crate) fn shown(&self, me: &Me) -> Shown {
        Shown {
            name: self.link.room.to_string(),
            host: (!self.is_host).then(|| self.link.authority()),
            links: self.links.clone(),
            since_ms: self.since_ms,
            connection: match self.connection {
                ConnectionState::ConnectingMedia => Connection::ConnectingMedia,
                ConnectionState::Live => Connection::Live,
                ConnectionState::Reconnecting => Connection::Reconnecting,
                ConnectionState::CaptureStopped => Connection::CaptureStopped,
            },
            is_pinned: self.is_pinned,
            people: self.people.list(me),
        }
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
