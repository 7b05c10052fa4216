//! Our own tracks, from source to publication.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, TrackId, TrackSource};
use tokio::sync::mpsc;

use crate::publish::{Destination, Epoch, Numbers, Publication, Source, SourceEnded};
use crate::session::Session;
use crate::stats::PublishedStats;
use crate::transport::{LocalTrack, Transport, TransportError};
use crate::{Error, Kind};

/// Sources that may end at once: one of each kind, with room for a quick change of mind.
const END_LANE: usize = 16;

/// Time for encoders and threads to come up, so that sound and picture really start together.
const START_MARGIN: Duration = Duration::from_millis(30);

/// Bits per second of a voice.
const AUDIO_BITRATE_BPS: u32 = 32_000;

/// Our tracks, at most one of each kind.
pub(super) struct Local {
    tracks: Vec<Track>,
    epoch: Epoch,
    video_bitrate_bps: u32,
    /// Nothing is captured although there is something to capture.
    paused: bool,
    ended: mpsc::Sender<SourceEnded>,
}

/// One source, and as much of its way into the room as exists.
struct Track {
    kind: Kind,
    /// The source while nothing is captured from it. The lock is never contended: a source may
    /// be moved between threads but not shared, and a task's state must be shareable.
    source: Mutex<Option<Source>>,
    published: Option<Published>,
}

struct Published {
    id: TrackId,
    track: LocalTrack,
    numbers: Arc<Numbers>,
    negotiated: bool,
    publication: Option<Publication>,
}

impl Local {
    /// Starts with `sources`; the lane reports those that end by themselves.
    pub(super) fn new(
        sources: impl Iterator<Item = Source>,
        video_bitrate_bps: u32,
    ) -> (Self, mpsc::Receiver<SourceEnded>) {
        let (ended, ends) = mpsc::channel(END_LANE);
        let tracks = sources.map(Track::new).collect();
        let epoch = Epoch::now();
        (
            Self {
                tracks,
                epoch,
                video_bitrate_bps,
                paused: false,
                ended,
            },
            ends,
        )
    }

    /// Gives every source a section of a new connection and announces it, as `me`.
    pub(super) async fn announce_all(
        &mut self,
        me: &PeerId,
        stream: &str,
        transport: &Transport,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        for index in 0..self.tracks.len() {
            self.announce(index, me, stream, transport, session).await?;
        }
        Ok(())
    }

    async fn announce(
        &mut self,
        index: usize,
        me: &PeerId,
        stream: &str,
        transport: &Transport,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        let bitrate_bps = u64::from(self.bitrate(self.tracks[index].kind));
        let track = &mut self.tracks[index];
        let Some(role) = track.role().filter(|_| track.published.is_none()) else {
            return Ok(());
        };
        let id = TrackId::from_random(me, rand::random());
        let section = transport.publish(track.kind, stream).await?;
        session.publish(id.clone(), role, bitrate_bps, true);
        track.published = Some(Published {
            id,
            track: section,
            numbers: Arc::new(Numbers::random()),
            negotiated: false,
            publication: None,
        });
        Ok(())
    }

    /// Replaces what is published of `kind`.
    pub(super) async fn replace(
        &mut self,
        kind: Kind,
        source: Option<Source>,
        place: Option<(&PeerId, &str, &Transport)>,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        while let Some(mut track) = self.take(|track| track.kind == kind) {
            track.pause().await;
            if let (Some(published), Some((_, _, transport))) = (track.published, place) {
                transport.unpublish(&published.track).await?;
                session.unpublish(&published.id);
            }
        }
        let Some(source) = source else {
            return Ok(());
        };
        self.tracks.push(Track::new(source));
        match place {
            Some((me, stream, transport)) => {
                let index = self.tracks.len() - 1;
                self.announce(index, me, stream, transport, session).await
            }
            // Announced when we are in.
            None => Ok(()),
        }
    }

    /// Returns which section of the connection is which of our tracks.
    pub(super) async fn sections(&self) -> Vec<(TrackId, String)> {
        let mut sections = Vec::new();
        for published in self.published() {
            if let Some(mid) = published.track.mid().await {
                sections.push((published.id.clone(), mid));
            }
        }
        sections
    }

    /// Learns what the last answer settled for our tracks.
    pub(super) async fn settle(&self) {
        for published in self.published() {
            if let Err(error) = published.track.settle().await {
                tracing::debug!(%error, "a track is not settled");
            }
        }
    }

    /// Notes that the room agreed to a track.
    pub(super) fn agree(&mut self, id: &TrackId) {
        for track in &mut self.tracks {
            if let Some(published) = track.published.as_mut().filter(|it| it.id == *id) {
                published.negotiated = true;
            }
        }
    }

    /// Starts every source that may be sent and is not, all at the same instant. Returns those
    /// that cannot be used.
    pub(super) fn start(&mut self) -> Vec<(Kind, Error)> {
        if self.paused {
            return Vec::new();
        }
        let begin = Instant::now() + START_MARGIN;
        let mut failed = Vec::new();
        for index in 0..self.tracks.len() {
            let bitrate_bps = self.bitrate(self.tracks[index].kind);
            let when = (self.epoch, begin);
            let track = &mut self.tracks[index];
            if let Err(error) = track.start(bitrate_bps, when, self.ended.clone()) {
                failed.push((track.kind, error));
            }
        }
        failed
    }

    /// Stops capturing; what was announced stays.
    pub(super) async fn pause(&mut self) {
        self.paused = true;
        for track in &mut self.tracks {
            track.pause().await;
        }
    }

    /// Lets capture run again; [`Self::start`] does it.
    pub(super) fn unpause(&mut self) {
        self.paused = false;
    }

    /// Whether there is anything to capture.
    pub(super) fn has_sources(&self) -> bool {
        !self.tracks.is_empty()
    }

    /// Takes all tracks back from a connection that is gone.
    pub(super) async fn withdraw(&mut self) {
        for track in &mut self.tracks {
            track.pause().await;
            track.published = None;
        }
    }

    /// Forgets a source that ended by itself, and returns its kind.
    pub(super) async fn forget(
        &mut self,
        id: &TrackId,
        transport: Option<&Transport>,
        session: &mut Session,
    ) -> Option<Kind> {
        let is = |track: &Track| track.published.as_ref().is_some_and(|it| it.id == *id);
        let mut track = self.take(is)?;
        track.pause().await;
        session.unpublish(id);
        if let (Some(published), Some(transport)) = (track.published, transport)
            && let Err(error) = transport.unpublish(&published.track).await
        {
            tracing::debug!(%error, "a track cannot be taken back");
        }
        Some(track.kind)
    }

    /// Renews the picture that is sent as `ssrc`.
    pub(super) fn request_keyframe(&self, ssrc: u32) {
        let wanted = self
            .published()
            .filter(|published| published.track.ssrc() == ssrc);
        for publication in wanted.filter_map(|published| published.publication.as_ref()) {
            publication.request_keyframe();
        }
    }

    /// What was sent so far.
    pub(super) fn stats(&self) -> Vec<PublishedStats> {
        let stats = |published: &Published| PublishedStats {
            track_id: published.id.clone(),
            kind: published.track.kind(),
            active: published.publication.is_some(),
            sent: published.numbers.sent(),
        };
        self.published().map(stats).collect()
    }

    fn take(&mut self, which: impl Fn(&Track) -> bool) -> Option<Track> {
        let index = self.tracks.iter().position(which)?;
        Some(self.tracks.swap_remove(index))
    }

    fn published(&self) -> impl Iterator<Item = &Published> {
        self.tracks
            .iter()
            .filter_map(|track| track.published.as_ref())
    }

    fn bitrate(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Audio => AUDIO_BITRATE_BPS,
            Kind::Video => self.video_bitrate_bps,
        }
    }
}

impl Track {
    fn new(source: Source) -> Self {
        Self {
            kind: source.kind(),
            source: Mutex::new(Some(source)),
            published: None,
        }
    }

    fn start(
        &mut self,
        bitrate_bps: u32,
        when: (Epoch, Instant),
        ended: mpsc::Sender<SourceEnded>,
    ) -> Result<(), Error> {
        if !self.published.as_ref().is_some_and(|it| it.negotiated) {
            return Ok(());
        }
        let source = self.source().take();
        let (Some(source), Some(published)) = (source, &mut self.published) else {
            return Ok(());
        };
        let to = Destination {
            id: published.id.clone(),
            track: published.track.clone(),
            numbers: Arc::clone(&published.numbers),
            bitrate_bps,
        };
        published.publication = Some(Publication::start(source, to, when, ended)?);
        Ok(())
    }

    fn source(&mut self) -> &mut Option<Source> {
        self.source
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn role(&mut self) -> Option<TrackSource> {
        self.source().as_ref().map(Source::role)
    }

    async fn pause(&mut self) {
        let running = self.published.as_mut().and_then(|it| it.publication.take());
        if let Some(publication) = running {
            let source = publication.stop().await;
            *self.source() = source;
        }
    }
}
