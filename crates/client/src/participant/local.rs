//! Our own tracks, from source to publication.
//!
//! Rules, each with its why:
//! - A track that was announced stays: switched off it only loses its source, so that nobody has to
//!   negotiate, and the others see a name with its microphone off.
//! - Nothing here waits for a device. A source that is stopped comes back, or is let go of, on the
//!   thread that took from it, and reports when that is done.
//! - What is on stays on, and what is off stays off, whatever happens to the connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use snug_protocol::{Bitrates, TrackId, TrackSource, Variant};
use tokio::sync::mpsc;

use super::media::Place;
use crate::publish::{
    Destination, End, Epoch, Fate, Numbers, Publication, Sending, Source, SourceEnded, Steering,
    Stop, left_for_pictures,
};
use crate::session::Session;
use crate::stats::{EncodingStats, PublishedStats};
use crate::transport::{Estimate, LocalTrack, RIDS, TransportError};
use crate::{Error, Kind};

/// Sources on their way back that nobody looked at yet: one of each kind, with room for quick
/// changes of mind. A full lane makes their threads wait.
const END_LANE: usize = 16;

/// Time for encoders and threads to come up, so that sound and picture really start together.
const START_MARGIN: Duration = Duration::from_millis(30);

/// The encodings of a simulcast, in the order of [`RIDS`].
const VARIANTS: [Variant; RIDS.len()] = [Variant::Low, Variant::Medium, Variant::High];

/// Bits per second that a voice takes, said twice and with its headers.
const AUDIO_WIRE_BPS: u32 = 100_000;

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
    /// Number of the next publication.
    next: u64,
}

/// One kind of media, and as much of its way into the room as exists.
struct Track {
    kind: Kind,
    /// The source while nothing is captured from it. The lock is never contended: a source may
    /// be moved between threads but not shared, and a task's state must be shareable.
    source: Mutex<Option<Source>>,
    /// The publication that is to give its source back.
    returning: Option<(u64, Stop)>,
    /// The room was told of it once, so it is told again in a new place, also when off.
    announced: bool,
    published: Option<Published>,
}

struct Published {
    id: TrackId,
    track: LocalTrack,
    numbers: Arc<Numbers>,
    steering: Arc<Steering>,
    /// Once the room agreed: whether it takes all encodings that were offered.
    negotiated: Option<bool>,
    /// The others were told that it is off, for the network.
    told_held_back: bool,
    publication: Option<Publication>,
    /// What is still sent of the publication before.
    sending: Option<Sending>,
}

impl Local {
    /// Starts with `sources`; the lane reports those that nothing is taken from any more.
    pub(super) fn new(
        sources: impl Iterator<Item = Source>,
        video_bitrate_bps: u32,
    ) -> (Self, mpsc::Receiver<SourceEnded>) {
        let (ended, ends) = mpsc::channel(END_LANE);
        let tracks = sources.map(Track::new).collect();
        let local = Self {
            tracks,
            epoch: Epoch::now(),
            video_bitrate_bps,
            paused: false,
            ended,
            next: 0,
        };
        (local, ends)
    }

    /// Gives every track a section of a new connection and announces it, as `me`.
    pub(super) async fn announce_all(
        &mut self,
        place: Place<'_>,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        for index in 0..self.tracks.len() {
            self.announce(index, place, session).await?;
        }
        Ok(())
    }

    async fn announce(
        &mut self,
        index: usize,
        place: Place<'_>,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        let bitrate_bps = self.bitrate(self.tracks[index].kind);
        let track = &mut self.tracks[index];
        let active = track.is_on();
        if track.published.is_some() || !(active || track.announced) {
            return Ok(());
        }
        let id = TrackId::from_random(place.me, rand::random());
        let simulcast = place.simulcast && track.kind == Kind::Video;
        let section = place
            .transport
            .publish(track.kind, place.stream, simulcast)
            .await?;
        let bitrates = match simulcast {
            true => bitrates(bitrate_bps),
            false => Bitrates::Total(bitrate_bps.into()),
        };
        session.publish(id.clone(), track.role(), bitrates, active);
        track.announced = true;
        track.published = Some(Published {
            id,
            track: section,
            numbers: Arc::new(Numbers::random()),
            steering: Arc::default(),
            negotiated: None,
            told_held_back: false,
            publication: None,
            sending: None,
        });
        Ok(())
    }

    /// Replaces the source of `kind`; what was published of it goes on with the new one.
    /// [`Self::start`] makes it run.
    pub(super) async fn replace(
        &mut self,
        kind: Kind,
        source: Option<Source>,
        place: Option<Place<'_>>,
        session: &mut Session,
    ) -> Result<(), TransportError> {
        let index = self.tracks.iter().position(|track| track.kind == kind);
        let index = match (index, source) {
            (Some(index), source) => {
                self.switch(index, source, session);
                index
            }
            (None, None) => return Ok(()),
            (None, Some(source)) => {
                self.tracks.push(Track::new(source));
                self.tracks.len() - 1
            }
        };
        match place {
            Some(place) => self.announce(index, place, session).await,
            // Announced when we are in.
            None => Ok(()),
        }
    }

    fn switch(&mut self, index: usize, source: Option<Source>, session: &mut Session) {
        let track = &mut self.tracks[index];
        track.stop(Fate::Free);
        if let Some((_, stop)) = track.returning.take() {
            stop.set(Fate::Free);
        }
        let before = std::mem::replace(track.source(), source);
        let active = track.is_on();
        if let Some(published) = &track.published {
            session.set_active(&published.id, active);
        }
        self.release(before);
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

    /// Notes that the room agreed to a track, and whether to all its encodings.
    pub(super) fn agree(&mut self, id: &TrackId, simulcast: bool) {
        for track in &mut self.tracks {
            if let Some(published) = track.published.as_mut().filter(|it| it.id == *id) {
                published.negotiated = Some(simulcast);
            }
        }
    }

    /// Takes which encodings of a track somebody is shown; nobody needs the others.
    pub(super) fn want(&self, id: &TrackId, encodings: &[Variant]) {
        for published in self.published().filter(|published| published.id == *id) {
            let wanted = VARIANTS.map(|variant| encodings.contains(&variant));
            published.steering.want(wanted);
        }
    }

    /// Bits per second that our tracks would take where nothing is in the way.
    pub(super) fn wanted_bps(&mut self) -> u64 {
        let video = self.video_bitrate_bps;
        let wanted = |track: &mut Track| {
            let is_on = track.is_on();
            let published = track.published.as_ref().filter(|_| is_on)?;
            Some(match track.kind {
                Kind::Audio => u64::from(AUDIO_WIRE_BPS),
                Kind::Video => published.steering.wanted_bps(published.encodings(), video),
            })
        };
        self.tracks.iter_mut().filter_map(wanted).sum()
    }

    /// Has everything take no more than the way to the room carries: sound first.
    pub(super) fn limit(&mut self, estimate: Option<Estimate>) {
        let Some(Estimate { target_bps, loss }) = estimate else {
            return;
        };
        let budget = u32::try_from(target_bps).unwrap_or(u32::MAX);
        let loss_percent = (100.0 * loss).round().clamp(0.0, 100.0) as u8;
        let scarce = target_bps < self.wanted_bps();
        let sounds = |track: &mut Track| track.kind == Kind::Audio && track.is_on();
        let voices = self.tracks.iter_mut().map(sounds).filter(|it| *it).count() as u32;
        for track in &self.tracks {
            let Some(published) = &track.published else {
                continue;
            };
            let budget = match track.kind {
                Kind::Audio => budget,
                Kind::Video => left_for_pictures(budget, voices),
            };
            published.steering.limit(budget, loss_percent, scarce);
        }
    }

    /// Tells the room which encodings it has to do without, and the others that a picture is off
    /// while none can be sent: a picture that stands still looks like a fault.
    pub(super) fn tell_withheld(&mut self, session: &mut Session) {
        for track in &mut self.tracks {
            let is_on = track.is_on();
            let Some(published) = &mut track.published else {
                continue;
            };
            let held_back = published.is_held_back();
            if std::mem::replace(&mut published.told_held_back, held_back) != held_back {
                session.set_active(&published.id, is_on && !held_back);
            }
            if published.encodings() > 1 {
                let withheld = published.steering.withheld();
                session.withhold(&published.id, &variants(withheld).collect());
            }
        }
    }

    /// Starts every source that may be sent and is not, all at the same instant. Returns those
    /// that cannot be used; they are off from now on.
    pub(super) fn start(&mut self, session: &mut Session) -> Vec<(Kind, Error)> {
        if self.paused {
            return Vec::new();
        }
        let when = (self.epoch, Instant::now() + START_MARGIN);
        let mut failed = Vec::new();
        for index in 0..self.tracks.len() {
            let bitrate_bps = self.bitrate(self.tracks[index].kind);
            let report = (self.next, self.ended.clone());
            self.next += 1;
            let track = &mut self.tracks[index];
            if let Err(error) = track.start(bitrate_bps, when, report) {
                failed.push((track.kind, error));
                if let Some(published) = &track.published {
                    session.set_active(&published.id, false);
                }
            }
        }
        failed
    }

    /// Stops capturing; what was announced stays.
    pub(super) fn pause(&mut self) {
        self.paused = true;
        for track in &mut self.tracks {
            track.stop(Fate::Return);
        }
    }

    /// Lets capture run again; [`Self::start`] does it.
    pub(super) fn unpause(&mut self) {
        self.paused = false;
    }

    /// Whether there is anything to capture.
    pub(super) fn has_sources(&mut self) -> bool {
        self.tracks.iter_mut().any(Track::is_on)
    }

    /// Takes all tracks back from a connection that is gone.
    pub(super) fn withdraw(&mut self) {
        for track in &mut self.tracks {
            track.stop(Fate::Return);
            track.published = None;
        }
    }

    /// Takes a source that nothing is taken from any more. Returns why its track is off now, when
    /// that is news; a source that came back as asked waits for [`Self::start`].
    pub(super) fn take_back(&mut self, ended: SourceEnded, session: &mut Session) -> Option<End> {
        let SourceEnded {
            kind,
            number,
            source,
            end,
        } = ended;
        let track = self.tracks.iter_mut().find(|track| track.kind == kind);
        let Some(track) = track.filter(|track| track.runs_as(number)) else {
            self.release(source);
            return None;
        };
        track.stop(Fate::Free);
        track.returning = None;
        *track.source() = source;
        let active = track.is_on();
        if let Some(published) = &track.published {
            session.set_active(&published.id, active);
        }
        (!active).then_some(end)
    }

    /// Lets go of everything. Its lane ends when the last device is free.
    pub(super) fn close(mut self) {
        for mut track in std::mem::take(&mut self.tracks) {
            track.stop(Fate::Free);
            if let Some((_, stop)) = track.returning.take() {
                stop.set(Fate::Free);
            }
            let source = track.source().take();
            self.release(source);
        }
    }

    /// Drops a source where waiting for its device hurts nobody.
    fn release(&self, source: Option<Source>) {
        let Some(source) = source else {
            return;
        };
        // Holds the lane open until the device is free, see `close`.
        let lane = self.ended.clone();
        tokio::task::spawn_blocking(move || {
            drop(source);
            drop(lane);
        });
    }

    /// Renews the picture that is sent as `ssrc`; asked too often, a later one.
    pub(super) fn request_keyframe(&self, ssrc: u32) {
        for published in self.published() {
            if let Some(encoding) = published.track.encoding_of(ssrc) {
                published.steering.request_keyframe(encoding);
                published.numbers.count_keyframe_request();
            }
        }
    }

    /// What was sent so far.
    pub(super) fn stats(&mut self) -> Vec<PublishedStats> {
        let stats = |track: &mut Track| {
            let active = track.is_on();
            let published = track.published.as_ref()?;
            Some(PublishedStats {
                track_id: published.id.clone(),
                kind: track.kind,
                active,
                held_back: active && published.is_held_back(),
                sent: published.numbers.sent(),
                encodings: published.encoding_stats(),
            })
        };
        self.tracks.iter_mut().filter_map(stats).collect()
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

impl Published {
    /// How many encodings are sent at most.
    fn encodings(&self) -> usize {
        match self.negotiated {
            Some(true) => self.track.encodings(),
            _ => 1,
        }
    }

    /// Whether nothing that is wanted of it can be sent.
    fn is_held_back(&self) -> bool {
        self.publication.is_some() && self.steering.is_held_back()
    }

    fn encoding_stats(&self) -> Vec<EncodingStats> {
        let several = (self.encodings() > 1).then_some(RIDS);
        let rids = several.into_iter().flatten().enumerate();
        rids.map(|(encoding, rid)| {
            let (bytes_sent, frames_sent) = self.numbers.sent_of(encoding);
            EncodingStats {
                rid,
                frames_sent,
                bytes_sent,
            }
        })
        .collect()
    }
}

/// What is announced of a picture in several encodings.
fn bitrates(bitrate_bps: u32) -> Bitrates {
    let encodings = Steering::bitrates(bitrate_bps).map(u64::from);
    Bitrates::PerVariant(VARIANTS.into_iter().zip(encodings).collect())
}

/// Names encodings by their places in [`RIDS`].
fn variants(which: [bool; RIDS.len()]) -> impl Iterator<Item = Variant> {
    let places = VARIANTS.into_iter().zip(which);
    places.filter_map(|(variant, is_set)| is_set.then_some(variant))
}

impl Track {
    fn new(source: Source) -> Self {
        Self {
            kind: source.kind(),
            source: Mutex::new(Some(source)),
            returning: None,
            announced: false,
            published: None,
        }
    }

    fn start(
        &mut self,
        bitrate_bps: u32,
        when: (Epoch, Instant),
        report: (u64, mpsc::Sender<SourceEnded>),
    ) -> Result<(), Error> {
        if self
            .published
            .as_ref()
            .is_none_or(|it| it.negotiated.is_none())
        {
            return Ok(());
        }
        let source = self.source().take();
        let (Some(source), Some(published)) = (source, &mut self.published) else {
            return Ok(());
        };
        let to = Destination {
            track: published.track.clone(),
            numbers: Arc::clone(&published.numbers),
            steering: Arc::clone(&published.steering),
            encodings: published.encodings(),
            bitrate_bps,
            after: published.sending.take(),
        };
        published.publication = Some(Publication::start(source, to, when, report)?);
        Ok(())
    }

    /// Whether there is a source, wherever it is just now.
    fn is_on(&mut self) -> bool {
        let runs = self
            .published
            .as_ref()
            .is_some_and(|it| it.publication.is_some());
        runs || self.returning.is_some() || self.source().is_some()
    }

    /// Whether publication `number` has the source that this track goes by.
    fn runs_as(&self, number: u64) -> bool {
        let running = self
            .published
            .as_ref()
            .and_then(|it| it.publication.as_ref())
            .map(Publication::number);
        let returning = self.returning.as_ref().map(|(number, _)| *number);
        running.or(returning) == Some(number)
    }

    /// Stops capturing, if it runs.
    fn stop(&mut self, fate: Fate) {
        let Some(published) = &mut self.published else {
            return;
        };
        let Some(publication) = published.publication.take() else {
            return;
        };
        let number = publication.number();
        let (stop, sending) = publication.stop(fate);
        published.sending = sending;
        if fate == Fate::Return {
            self.returning = Some((number, stop));
        }
    }

    fn source(&mut self) -> &mut Option<Source> {
        self.source
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn role(&self) -> TrackSource {
        match self.kind {
            Kind::Audio => TrackSource::Microphone,
            Kind::Video => TrackSource::Camera,
        }
    }
}
