//! The receiving thread.

mod look;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use snug_media::BLOCK_SAMPLES;
use snug_media::playout::{BlockPacer, JitterConfig, Mixer, PlayoutClock, TrackClock};
use snug_protocol::{PeerId, TrackId};
use snug_rtp::{NtpTime, RtpTime};
use tokio::sync::{mpsc, watch};

use super::audio::Audio;
use super::recording::{News, Recording};
use super::video::{Found, Keep, Video};
use super::{Message, Packet, Report, SILENT_DBFS, Snapshot};
use crate::output::{Form, Outputs};
use crate::session::RemoteTrack;
use crate::{Error, Kind};

/// Messages taken in a row before sound is looked after: less than a millisecond of work.
const BATCH: usize = 64;

/// Pause between two snapshots of the statistics.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);

/// Sender reports kept for streams of which no packet came yet.
const EARLY_MAX: usize = 64;

/// Sound that did not play for so long is not waited for: a few blocks.
const PLAYED_AGE_MAX: Duration = Duration::from_millis(100);

/// Ticks per second of Opus and of VP8.
const AUDIO_RATE: u32 = 48_000;
pub(super) const VIDEO_RATE: u32 = 90_000;

/// All that is received.
pub(super) struct Worker {
    tracks: BTreeMap<Arc<str>, Track>,
    /// One timeline for each sender: their sound and picture share it.
    clocks: BTreeMap<PeerId, PeerClock>,
    early: VecDeque<(u32, NtpTime, RtpTime)>,
    mixer: Mixer,
    pacer: BlockPacer,
    outputs: Outputs,
    /// Which pictures are looked at; nothing while nobody has said so.
    watched: Option<BTreeMap<TrackId, Form>>,
    /// Somebody has said what is looked at: decoders that show everything stop showing.
    chosen: Arc<AtomicBool>,
    pictures_dropped: Arc<AtomicU64>,
    start: Instant,
    recording: Option<Recording>,
    reports: mpsc::Sender<Report>,
    snapshots: watch::Sender<Snapshot>,
    next_snapshot: Instant,
}

struct PeerClock {
    timeline: PlayoutClock,
    /// When their sound played last: pictures can be placed next to it.
    played_at: Option<Instant>,
}

struct Track {
    remote: RemoteTrack,
    ssrc: Option<u32>,
    clock: Option<TrackClock>,
    media: Media,
}

enum Media {
    Audio(Box<Audio>),
    Video(Box<Video>),
}

impl PeerClock {
    fn new() -> Self {
        Self {
            timeline: PlayoutClock::new(Instant::now()),
            played_at: None,
        }
    }

    /// Whether their sound plays, so that pictures have something to wait for.
    fn plays(&self, now: Instant) -> bool {
        self.played_at
            .is_some_and(|at| now.saturating_duration_since(at) <= PLAYED_AGE_MAX)
    }
}

impl Worker {
    pub(super) fn new(
        recording: Option<Recording>,
        (outputs, pictures_dropped): (Outputs, Arc<AtomicU64>),
        reports: mpsc::Sender<Report>,
        snapshots: watch::Sender<Snapshot>,
    ) -> Self {
        let now = Instant::now();
        Self {
            tracks: BTreeMap::new(),
            clocks: BTreeMap::new(),
            early: VecDeque::new(),
            mixer: Mixer::new(),
            pacer: BlockPacer::new(now),
            outputs,
            watched: None,
            chosen: Arc::default(),
            pictures_dropped,
            start: now,
            recording,
            reports,
            snapshots,
            next_snapshot: now,
        }
    }

    /// Runs until told to stop, or until nobody is left who could tell; then finishes the
    /// recording.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> Result<(), snug_media::Error> {
        while self.turn(messages) {}
        match self.recording.take() {
            Some(recording) => recording.finish(),
            None => Ok(()),
        }
    }

    /// Takes what came, then does what is due; false when it is time to stop.
    fn turn(&mut self, messages: &Receiver<Message>) -> bool {
        let wait = self.deadline().saturating_duration_since(Instant::now());
        let mut message = match messages.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        for _ in 0..BATCH {
            match message {
                Some(Message::Stop) => return false,
                Some(message) => self.handle(message),
                None => break,
            }
            message = messages.try_recv().ok();
        }
        if let Some(message) = message {
            if matches!(message, Message::Stop) {
                return false;
            }
            self.handle(message);
        }
        self.play();
        true
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Packet(packet) => self.take(&packet),
            Message::Bind(mid, track) => {
                if let Err(error) = self.bind(mid, track) {
                    tracing::error!(%error, "a track cannot be received");
                }
            }
            Message::Forget(id) => self.forget(&id),
            Message::Watch(watched) => self.watch(watched),
            Message::WantKeyframe(id) => self.want_keyframe(&id),
            Message::Report { ssrc, ntp, rtp } => self.place(ssrc, ntp, rtp),
            Message::Stop => {}
        }
    }

    fn bind(&mut self, mid: Arc<str>, remote: RemoteTrack) -> Result<(), Error> {
        self.forget(&remote.id);
        let recorded = self.recording.is_some();
        let (rate, media) = match remote.kind {
            Kind::Audio => {
                // Nobody talks to a recorder: it can wait until every packet is there.
                let patience = if recorded {
                    JitterConfig::recording()
                } else {
                    JitterConfig::interactive()
                };
                (AUDIO_RATE, Media::Audio(Box::new(Audio::new(patience)?)))
            }
            Kind::Video => {
                let keep = Keep {
                    to_place: recorded,
                    recent: self.outputs.frames.is_some() || self.outputs.pictures.is_some(),
                };
                let mut video = Video::new(self.decode(&remote.id)?, keep);
                video.look(self.view(&remote.id)?, Instant::now());
                (VIDEO_RATE, Media::Video(Box::new(video)))
            }
        };
        let clock = self
            .clocks
            .entry(remote.peer.clone())
            .or_insert_with(PeerClock::new);
        let clock = clock.timeline.add_track(rate);
        if let Some(recording) = &mut self.recording {
            recording.add(&remote);
        }
        self.tracks.insert(
            mid,
            Track {
                remote,
                ssrc: None,
                clock,
                media,
            },
        );
        Ok(())
    }

    fn forget(&mut self, id: &TrackId) {
        let Some(mid) = self
            .tracks
            .iter()
            .find(|(_, it)| it.remote.id == *id)
            .map(|(mid, _)| Arc::clone(mid))
        else {
            return;
        };
        let Some(track) = self.tracks.remove(&mid) else {
            return;
        };
        let peer = &track.remote.peer;
        if let (Some(clock), Some(handle)) = (self.clocks.get_mut(peer), track.clock) {
            clock.timeline.remove_track(handle);
        }
        if self.tracks.values().all(|other| other.remote.peer != *peer) {
            self.clocks.remove(peer);
        }
        if let Some(recording) = &mut self.recording {
            recording.remove(&track.remote);
        }
    }

    fn take(&mut self, packet: &Packet) {
        // The track may just have been removed.
        let Some(track) = self.tracks.get_mut(&packet.mid) else {
            return;
        };
        let clock = self.clocks.get_mut(&track.remote.peer).zip(track.clock);
        if let Some((clock, handle)) = clock {
            clock
                .timeline
                .handle_packet(handle, RtpTime(packet.timestamp), packet.at);
            if track.ssrc != Some(packet.ssrc) {
                let mine = |(ssrc, ..): &(u32, NtpTime, RtpTime)| *ssrc == packet.ssrc;
                for (_, ntp, rtp) in self.early.iter().copied().filter(mine) {
                    clock.timeline.handle_report(handle, ntp, rtp);
                }
            }
        }
        track.ssrc = Some(packet.ssrc);
        let found = match &mut track.media {
            Media::Audio(audio) => audio
                .take(packet)
                .then_some(Found::FirstFrame)
                .into_iter()
                .collect(),
            Media::Video(video) => video.take(packet),
        };
        if let (Some(recording), Media::Audio(_)) = (&mut self.recording, &track.media) {
            let (clock, handle) = (self.clocks.get(&track.remote.peer), track.clock);
            let heard = clock.zip(handle).and_then(|(clock, handle)| {
                clock
                    .timeline
                    .playout_at(handle, RtpTime(packet.timestamp), packet.at)
            });
            recording.voice(&track.remote, packet, heard.unwrap_or(packet.at));
        }
        tell(&self.reports, found, &packet.mid, track);
    }

    /// Takes a sender report: it ties a stream to the timeline of its sender.
    fn place(&mut self, ssrc: u32, ntp: NtpTime, rtp: RtpTime) {
        let known = self.tracks.values().find(|track| track.ssrc == Some(ssrc));
        let Some(track) = known else {
            if self.early.len() == EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back((ssrc, ntp, rtp));
            return;
        };
        if let (Some(clock), Some(handle)) = (self.clocks.get_mut(&track.remote.peer), track.clock)
        {
            clock.timeline.handle_report(handle, ntp, rtp);
        }
    }

    /// Does what is due: sound, pictures that waited, keyframe requests, statistics.
    fn play(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.pacer.next_due(now) {
            self.play_block(at);
        }
        for (mid, track) in &mut self.tracks {
            if let Media::Video(video) = &mut track.media {
                let found = video.handle_timeout(now);
                tell(&self.reports, found, mid, track);
            }
        }
        self.show_pictures(now);
        self.record_pictures(now);
        self.hear_recording(now);
        if now >= self.next_snapshot {
            self.next_snapshot = now + SNAPSHOT_INTERVAL;
            let snapshot = self.snapshot();
            self.snapshots.send_replace(snapshot);
        }
    }

    fn play_block(&mut self, at: Instant) {
        for track in self.tracks.values_mut() {
            let Media::Audio(audio) = &mut track.media else {
                continue;
            };
            let played = audio.mix(&mut self.mixer, at);
            let clock = self.clocks.get_mut(&track.remote.peer);
            if let (Some(played), Some(clock), Some(handle)) = (played, clock, track.clock) {
                clock.timeline.handle_playout(handle, played, at);
                clock.played_at = Some(at);
            }
        }
        let mut mix = [0.0; BLOCK_SAMPLES];
        self.mixer.finish(&mut mix);
        if let Some(sound) = &mut self.outputs.sound {
            sound.play(&mix);
        }
        if let Some(recording) = &mut self.recording {
            recording.sound(&mix, at);
        }
    }

    fn record_pictures(&mut self, now: Instant) {
        let Some(recording) = &mut self.recording else {
            return;
        };
        // Pictures of somebody whose sound is on its way wait for it a little, so that both are
        // in step from the first frame on.
        let sounds = |track: &&Track| matches!(track.media, Media::Audio(_));
        let with_sound: Vec<PeerId> = self
            .tracks
            .values()
            .filter(sounds)
            .map(|it| it.remote.peer.clone())
            .collect();
        for track in self.tracks.values_mut() {
            let Media::Video(video) = &mut track.media else {
                continue;
            };
            let (clock, handle) = (self.clocks.get(&track.remote.peer), track.clock);
            let (Some(clock), Some(handle)) = (clock, handle) else {
                continue;
            };
            let wants_sound = with_sound.contains(&track.remote.peer);
            let place = |timestamp, patient: bool| {
                let timeline = &clock.timeline;
                let ready =
                    !wants_sound || clock.played_at.is_some() && timeline.is_synchronised(handle);
                if ready || !patient {
                    timeline.playout_at(handle, timestamp, now)
                } else {
                    None
                }
            };
            while let Some((frame, at)) = video.next_due(now, place) {
                if recording.picture(&track.remote, frame, at) {
                    video.want_keyframe(now);
                }
            }
        }
    }

    /// Looks what the recording has to say.
    fn hear_recording(&mut self, now: Instant) {
        while let Some(news) = self.recording.as_mut().and_then(Recording::poll_news) {
            match news {
                News::KeyframeWanted(id) => {
                    let track = self.tracks.values_mut().find(|track| track.remote.id == id);
                    if let Some(Track {
                        media: Media::Video(video),
                        ..
                    }) = track
                    {
                        video.want_keyframe(now);
                    }
                }
                News::Stopped(error) => {
                    self.recording = None;
                    report(&self.reports, Report::RecordingStopped(error));
                }
            }
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let stats = |track: &mut Track| match &mut track.media {
            Media::Audio(audio) => (audio.stats(), audio.take_level()),
            Media::Video(video) => (video.stats(), SILENT_DBFS),
        };
        self.tracks
            .values_mut()
            .map(|track| (track.remote.id.clone(), stats(track)))
            .collect()
    }
}

fn tell(lane: &mpsc::Sender<Report>, found: Vec<Found>, mid: &Arc<str>, track: &Track) {
    for found in found {
        match (found, &track.media) {
            (Found::FirstFrame, _) => report(lane, Report::FirstFrame(track.remote.clone())),
            (Found::KeyframeWanted, Media::Video(video)) => {
                let wish = video.ssrc().map(|ssrc| (Arc::clone(mid), ssrc));
                if let Some((mid, ssrc)) = wish {
                    report(lane, Report::KeyframeWanted { mid, ssrc });
                }
            }
            (Found::Missing(sequences), Media::Video(video)) => {
                let wish = video.ssrc().map(|ssrc| (Arc::clone(mid), ssrc));
                if let Some((mid, ssrc)) = wish {
                    report(
                        lane,
                        Report::Missing {
                            mid,
                            ssrc,
                            sequences,
                        },
                    );
                }
            }
            // Lost sound is not sent again: the copy in the next packet stands in.
            (Found::KeyframeWanted | Found::Missing(_), Media::Audio(_)) => {}
        }
    }
}

/// A full lane means that the participant is far behind; it loses news, never the thread.
fn report(lane: &mpsc::Sender<Report>, report: Report) {
    if lane.try_send(report).is_err() {
        tracing::warn!("news of received media is lost");
    }
}

#[cfg(test)]
mod tests;
