//! The receiving thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use snug_protocol::TrackId;
use tokio::sync::{mpsc, watch};

use super::audio::Audio;
use super::video::Video;
use super::{Message, Packet, Report, Snapshot};
use crate::Kind;
use crate::session::RemoteTrack;
use crate::stats::ReceivedStats;

/// Messages taken in a row before sound is looked after: less than a millisecond of work.
const BATCH: usize = 64;

/// Pause between two snapshots of the statistics.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);

/// All that is received.
pub(super) struct Worker {
    tracks: BTreeMap<Arc<str>, Track>,
    reports: mpsc::Sender<Report>,
    snapshots: watch::Sender<Snapshot>,
    next_snapshot: Instant,
}

struct Track {
    remote: RemoteTrack,
    media: Media,
}

enum Media {
    Audio(Audio),
    Video(Video),
}

impl Worker {
    pub(super) fn new(reports: mpsc::Sender<Report>, snapshots: watch::Sender<Snapshot>) -> Self {
        let now = Instant::now();
        Self {
            tracks: BTreeMap::new(),
            reports,
            snapshots,
            next_snapshot: now,
        }
    }

    /// Runs until told to stop, or until nobody is left who could tell.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let wait = self.next_snapshot.saturating_duration_since(Instant::now());
            match messages.recv_timeout(wait) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => {
                    self.handle(message);
                    for message in messages.try_iter().take(BATCH) {
                        if matches!(message, Message::Stop) {
                            return;
                        }
                        self.handle(message);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look_up();
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Packet(packet) => self.take(&packet),
            Message::Bind(mid, track) => self.bind(mid, track),
            Message::Forget(id) => self.tracks.retain(|_, track| track.remote.id != id),
            Message::Stop => {}
        }
    }

    fn bind(&mut self, mid: Arc<str>, remote: RemoteTrack) {
        let media = match remote.kind {
            Kind::Audio => Media::Audio(Audio::default()),
            Kind::Video => Media::Video(Video::default()),
        };
        self.tracks.insert(mid, Track { remote, media });
    }

    fn take(&mut self, packet: &Packet) {
        // The track may just have been removed.
        let Some(track) = self.tracks.get_mut(&packet.mid) else {
            return;
        };
        let first = match &mut track.media {
            Media::Audio(audio) => audio.take(packet),
            Media::Video(video) => video.take(packet),
        };
        if first {
            report(&self.reports, Report::FirstFrame(track.remote.clone()));
        }
    }

    fn look_up(&mut self) {
        let now = Instant::now();
        if now >= self.next_snapshot {
            self.next_snapshot = now + SNAPSHOT_INTERVAL;
            self.snapshots.send_replace(self.snapshot());
        }
    }

    fn snapshot(&self) -> BTreeMap<TrackId, ReceivedStats> {
        let stats = |track: &Track| match &track.media {
            Media::Audio(audio) => audio.stats(),
            Media::Video(video) => video.stats(),
        };
        self.tracks
            .values()
            .map(|track| (track.remote.id.clone(), stats(track)))
            .collect()
    }
}

/// A full lane means that the participant is far behind; it loses news, never the thread.
fn report(lane: &mpsc::Sender<Report>, report: Report) {
    if lane.try_send(report).is_err() {
        tracing::warn!("news of received media is lost");
    }
}
