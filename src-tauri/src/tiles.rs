//! The tile socket: pictures and loudness on their way from the program to the page.
//!
//! Knows: who may connect, what the page watches, what fits. Refuses to know: where pictures come
//! from and what rooms are. Start from [`Tiles`].
//!
//! Rules, because every program on this computer can reach a loopback port: only 127.0.0.1 is
//! listened on; a page shows a token of 128 bits that it got over Tauri's own channel, good for
//! one connection; its `Origin` has to be the window's and its `Host` the literal address; whoever
//! has not shown the token after two seconds is shut out. A reloaded page gets a new token, which
//! ends the connection of the page before.

mod frame;
mod gate;
mod level;
mod outbox;
mod socket;

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use snug_media::I420Frame;
use snug_protocol::TrackId;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::ipc::{TileAccess, WatchedTile, Watching};
use gate::Gate;
use outbox::Outbox;

pub use level::LevelBoard;
pub use outbox::Drops;

/// The tile of the person's own camera.
pub const OWN_TILE: u32 = 0;

/// Tiles that may wait for a fresh keyframe. One that finds no room asks again when its next
/// keyframe is dropped.
const STALE_LANE: usize = 64;

/// The tile socket of one window. Clones speak of the same socket; it ends with [`Running`].
#[derive(Clone)]
pub struct Tiles {
    shared: Arc<Shared>,
}

/// What its owner needs of a tile socket that runs.
pub struct Running {
    /// What the page shows now; nothing while no page is connected.
    pub watching: watch::Receiver<Watching>,
    /// Tiles that can go on with a keyframe only, because frames were dropped.
    pub stale: mpsc::Receiver<u32>,
    /// Ends the socket when dropped.
    _listening: AbortOnDrop,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A loopback port that nothing was said on yet: taken before the window opens, because the
/// page's security policy names it.
pub struct Port {
    listener: TcpListener,
    number: u16,
}

impl Port {
    /// Takes a free port on 127.0.0.1.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let number = listener.local_addr()?.port();
        Ok(Self { listener, number })
    }

    /// Returns its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// What the socket's tasks and the threads that bring pictures share.
struct Shared {
    port: u16,
    gate: Gate,
    /// The connected page. Locks here are held for a few instructions.
    page: Mutex<Option<Arc<Page>>>,
    /// Which track is shown as which tile.
    tracks: Mutex<HashMap<TrackId, u32>>,
    watching: watch::Sender<Watching>,
    stale: mpsc::Sender<u32>,
    levels: LevelBoard,
}

/// One connected page.
#[derive(Default)]
struct Page {
    outbox: Mutex<Outbox>,
    wake: Notify,
}

impl Tiles {
    /// Starts answering on `port` to pages of `origin`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(port: Port, origin: &'static str) -> std::io::Result<(Self, Running)> {
        let listener = tokio::net::TcpListener::from_std(port.listener)?;
        let (watching, watched) = watch::channel(Watching::default());
        let (stale, stale_tiles) = mpsc::channel(STALE_LANE);
        let shared = Arc::new(Shared {
            port: port.number,
            gate: Gate::new(port.number, origin),
            page: Mutex::default(),
            tracks: Mutex::default(),
            watching,
            stale,
            levels: LevelBoard::default(),
        });
        let task = tokio::spawn(socket::listen(listener, Arc::clone(&shared)));
        let running = Running {
            watching: watched,
            stale: stale_tiles,
            _listening: AbortOnDrop(task.abort_handle()),
        };
        Ok((Self { shared }, running))
    }

    /// Lets one page in: the present connection ends, older tokens are void.
    pub fn open(&self) -> TileAccess {
        TileAccess {
            port: self.shared.port,
            token: self.shared.gate.mint(),
        }
    }

    /// Says which tracks are shown as which tiles from now on.
    pub fn assign(&self, tracks: HashMap<TrackId, u32>) {
        *lock(&self.shared.tracks) = tracks;
    }

    /// Returns where loudness is noted.
    pub fn levels(&self) -> &LevelBoard {
        &self.shared.levels
    }

    /// Sends an encoded frame of a track to whoever watches it.
    pub fn send_encoded(&self, track: &TrackId, keyframe: bool, timestamp_us: u64, data: &[u8]) {
        let Some((page, tile)) = self.shared.page().zip(self.tile_of(track)) else {
            return;
        };
        if self.shared.watched(tile).is_none_or(|it| it.raw) {
            return;
        }
        let frame = frame::vp8(tile, keyframe, timestamp_us, data);
        let wants_keyframe = lock(&page.outbox).push_encoded(tile, keyframe, frame);
        page.wake.notify_one();
        if wants_keyframe && self.shared.stale.try_send(tile).is_err() {
            tracing::debug!("too many tiles wait for a keyframe");
        }
    }

    /// Sends a decoded picture of a track to a page that cannot decode it.
    pub fn send_picture(&self, track: &TrackId, timestamp_us: u64, picture: &I420Frame) {
        let watched = self.tile_of(track).and_then(|it| self.shared.watched(it));
        if let Some(watched) = watched.filter(|it| it.raw) {
            self.push_picture(watched.tile, watched.height, timestamp_us, picture);
        }
    }

    /// Sends a picture of one's own camera, no taller than it is shown and than `height_max`.
    pub fn send_own(&self, at: Duration, picture: &I420Frame, height_max: u32) {
        if let Some(watched) = self.shared.watched(OWN_TILE) {
            let timestamp_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
            let height = watched.height.min(height_max);
            self.push_picture(OWN_TILE, height, timestamp_us, picture);
        }
    }

    /// Whether the person looks at their own picture.
    pub fn is_own_watched(&self) -> bool {
        self.shared.watched(OWN_TILE).is_some()
    }

    /// Returns what was dropped on the present connection.
    pub fn drops(&self) -> Drops {
        let page = self.shared.page();
        page.map(|page| lock(&page.outbox).drops())
            .unwrap_or_default()
    }

    fn push_picture(&self, tile: u32, height: u32, timestamp_us: u64, picture: &I420Frame) {
        let Some(page) = self.shared.page() else {
            return;
        };
        let scaled = scaled(picture, height);
        let picture = scaled.as_ref().unwrap_or(picture);
        if let Some(frame) = frame::i420(tile, timestamp_us, picture) {
            lock(&page.outbox).push_picture(tile, frame);
            page.wake.notify_one();
        }
    }

    fn tile_of(&self, track: &TrackId) -> Option<u32> {
        lock(&self.shared.tracks).get(track).copied()
    }
}

impl Shared {
    fn page(&self) -> Option<Arc<Page>> {
        lock(&self.page).clone()
    }

    fn watched(&self, tile: u32) -> Option<WatchedTile> {
        let watching = self.watching.borrow();
        watching.tiles.iter().find(|it| it.tile == tile).cloned()
    }

    /// Makes `page` the one that is sent to, unless it is `over`: then another one is about to
    /// come, or has come already. Says whether it is.
    fn enter(&self, page: &Arc<Page>, over: &CancellationToken) -> bool {
        let mut present = lock(&self.page);
        if over.is_cancelled() {
            return false;
        }
        *present = Some(Arc::clone(page));
        self.watching.send_replace(Watching::default());
        true
    }

    /// Forgets `page`, unless another one has come meanwhile.
    fn leave(&self, page: &Arc<Page>) {
        let mut present = lock(&self.page);
        if present.as_ref().is_some_and(|it| Arc::ptr_eq(it, page)) {
            *present = None;
            self.watching.send_replace(Watching::default());
        }
    }

    /// Notes what `page` shows, while it is the one that is sent to.
    fn watch(&self, page: &Arc<Page>, watching: Watching) {
        let present = lock(&self.page);
        if present.as_ref().is_some_and(|it| Arc::ptr_eq(it, page)) {
            // A tile that was away for a moment starts afresh, also when nobody else noticed.
            let encoded = |tile| {
                let mut tiles = watching.tiles.iter();
                tiles.any(|it| it.tile == tile && !it.raw)
            };
            lock(&page.outbox).keep(encoded);
            self.watching.send_if_modified(|now| {
                let is_other = *now != watching;
                *now = watching;
                is_other
            });
        }
    }
}

/// Scales a picture down to `height`; `None` when it is not taller.
fn scaled(picture: &I420Frame, height: u32) -> Option<I420Frame> {
    if picture.height <= height {
        return None;
    }
    let mut small = I420Frame::default();
    snug_media::scale::scale_to_height(picture, height, &mut small);
    Some(small)
}

/// Locks. What is guarded stays whole whoever panics: it is only replaced or pushed to.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
