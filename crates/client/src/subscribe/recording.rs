//! Writing a recording on a thread of its own: a slow disk must not disturb what is heard.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use snug_media::BLOCK_SAMPLES;
use snug_media::playout::VideoFrame;
use snug_media::record::{RecordedTrack, TrackInfo, TrackKind, WebmRecorder};
use snug_protocol::TrackId;
use snug_rtp::{RtpTime, SequenceNumber};

use super::Packet;
use crate::session::RemoteTrack;
use crate::{Error, Kind, thread};

/// Jobs waiting for the disk: with sound and one picture about seven seconds.
const LANE: usize = 1024;

/// News of the thread nobody looked at yet: a keyframe wish for each track, and its end.
const NEWS_LANE: usize = 64;

/// What is to be written.
enum Job {
    Add(TrackInfo, TrackId),
    Remove(TrackId),
    Mix(Box<[f32; BLOCK_SAMPLES]>, Instant),
    Picture(TrackId, VideoFrame, Instant),
    Voice(TrackId, SequenceNumber, RtpTime, Bytes, Instant),
}

/// What the thread has to say.
pub(super) enum News {
    /// The recording needs a keyframe of this track.
    KeyframeWanted(TrackId),
    /// Nothing more is written.
    Stopped(snug_media::Error),
}

/// A recording that is being written. Dropping it finishes it in the background.
pub(super) struct Recording {
    lane: SyncSender<Job>,
    news: Receiver<News>,
    thread: JoinHandle<Result<(), snug_media::Error>>,
    wants_mix: bool,
    /// Pictures that lost a frame on the way: only a keyframe makes sense next.
    gaps: Vec<TrackId>,
    dropped: Arc<AtomicU64>,
}

impl Recording {
    /// Starts a recording at `path`; what cannot be kept up with is counted in `dropped`.
    ///
    /// # Errors
    /// [`Error::Media`] when it cannot be written there.
    pub(super) fn open(path: &Path, dropped: Arc<AtomicU64>) -> Result<Self, Error> {
        let recorder = WebmRecorder::create(path, Instant::now())?;
        let wants_mix = recorder.wants_mix();
        let (lane, jobs) = sync_channel(LANE);
        let (news_lane, news) = sync_channel(NEWS_LANE);
        let writer = Writer {
            recorder,
            tracks: BTreeMap::new(),
            news: news_lane,
        };
        let thread = thread::spawn("snug-record", move || writer.run(&jobs))?;
        Ok(Self {
            lane,
            news,
            thread,
            wants_mix,
            gaps: Vec::new(),
            dropped,
        })
    }

    /// Announces a track.
    pub(super) fn add(&mut self, track: &RemoteTrack) {
        let kind = match track.kind {
            Kind::Audio => TrackKind::Audio,
            Kind::Video => TrackKind::Video,
        };
        let info = TrackInfo {
            kind,
            track_id: track.id.to_string(),
            peer_id: track.peer.to_string(),
            name: track.name.clone(),
        };
        self.put(Job::Add(info, track.id.clone()));
    }

    /// Ends a track.
    pub(super) fn remove(&mut self, track: &RemoteTrack) {
        self.gaps.retain(|id| *id != track.id);
        self.put(Job::Remove(track.id.clone()));
    }

    /// Takes 10 ms of everybody's sound, heard at `at`.
    pub(super) fn sound(&mut self, mix: &[f32; BLOCK_SAMPLES], at: Instant) {
        if self.wants_mix {
            self.put(Job::Mix(Box::new(*mix), at));
        }
    }

    /// Takes a packet of one voice, heard at `at`.
    pub(super) fn voice(&mut self, track: &RemoteTrack, packet: &Packet, at: Instant) {
        if !self.wants_mix {
            let (sequence, timestamp) =
                (SequenceNumber(packet.sequence), RtpTime(packet.timestamp));
            let payload = packet.payload.clone();
            self.put(Job::Voice(
                track.id.clone(),
                sequence,
                timestamp,
                payload,
                at,
            ));
        }
    }

    /// Takes a picture, seen at `at`; true when a keyframe is needed to go on.
    pub(super) fn picture(&mut self, track: &RemoteTrack, frame: VideoFrame, at: Instant) -> bool {
        let gap = self.gaps.contains(&track.id);
        if gap && !frame.keyframe {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.gaps.retain(|id| *id != track.id);
        let lost = !self.put(Job::Picture(track.id.clone(), frame, at));
        if lost {
            self.gaps.push(track.id.clone());
        }
        lost
    }

    /// Returns what the thread has to say.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Writes what is left and finishes the recording.
    ///
    /// # Errors
    /// Why it could not be finished. What was written before stays playable.
    pub(super) fn finish(self) -> Result<(), snug_media::Error> {
        drop(self.lane);
        let finished = self.thread.join().unwrap_or_else(|_| {
            tracing::error!("the recording thread failed");
            Ok(())
        });
        // What stopped it in its last moments was told, and nobody has looked since.
        let stopped = self.news.try_iter().find_map(|news| match news {
            News::Stopped(error) => Some(error),
            News::KeyframeWanted(_) => None,
        });
        stopped.map_or(finished, Err)
    }

    fn put(&self, job: Job) -> bool {
        let put = self.lane.try_send(job).is_ok();
        if !put {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        put
    }
}

struct Writer {
    recorder: WebmRecorder,
    tracks: BTreeMap<TrackId, RecordedTrack>,
    news: SyncSender<News>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) -> Result<(), snug_media::Error> {
        while let Ok(job) = jobs.recv() {
            if let Err(error) = self.write(job) {
                // Told now, so that it is not told again at the end; the recorder finishes what
                // it can when it goes. With nobody to tell, the participant is gone too.
                drop(self.news.try_send(News::Stopped(error)));
                return Ok(());
            }
            while let Some(wanted) = self.recorder.take_keyframe_request() {
                let found = self.tracks.iter().find(|(_, track)| **track == wanted);
                if let Some((id, _)) = found
                    && self
                        .news
                        .try_send(News::KeyframeWanted(id.clone()))
                        .is_err()
                {
                    tracing::debug!("a keyframe for the recording is not asked for");
                }
            }
        }
        self.recorder.close().map(drop)
    }

    fn write(&mut self, job: Job) -> Result<(), snug_media::Error> {
        match job {
            Job::Add(info, id) => {
                let track = self.recorder.add_track(info);
                self.tracks.insert(id, track);
                Ok(())
            }
            Job::Remove(id) => match self.tracks.remove(&id) {
                Some(track) => self.recorder.remove_track(track),
                None => Ok(()),
            },
            Job::Mix(block, at) => self.recorder.write_mix(&block, at),
            Job::Picture(id, frame, at) => match self.tracks.get(&id) {
                Some(track) => self.recorder.write_video(*track, &frame, at),
                None => Ok(()),
            },
            Job::Voice(id, sequence, timestamp, payload, at) => match self.tracks.get(&id) {
                Some(track) => self
                    .recorder
                    .write_audio(*track, sequence, timestamp, payload, at),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording whose thread does as `end` says once nothing more comes.
    fn ending(end: impl FnOnce(&SyncSender<News>) + Send + 'static) -> Recording {
        let (lane, jobs) = sync_channel(LANE);
        let (news_lane, news) = sync_channel(NEWS_LANE);
        let work = move || {
            while jobs.recv().is_ok() {}
            end(&news_lane);
            Ok(())
        };
        Recording {
            lane,
            news,
            thread: thread::spawn("snug-record", work).unwrap(),
            wants_mix: true,
            gaps: Vec::new(),
            dropped: Arc::default(),
        }
    }

    #[test]
    fn a_disk_that_fills_up_in_the_last_moment_is_told() {
        let full = || snug_media::Error::Recording {
            path: "call.webm".into(),
            problem: snug_media::error::RecordingProblem::DiskFull,
        };
        let recording = ending(move |news| news.send(News::Stopped(full())).unwrap());
        let error = recording.finish().unwrap_err();
        assert_eq!(error.code(), "recording_disk_full");
        assert!(ending(|_| ()).finish().is_ok());
    }
}
