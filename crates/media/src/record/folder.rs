//! A folder: one file a track, and `session.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use snug_rtp::{RtpTime, SequenceNumber};

use super::file::{RecordingFile, write_error};
use super::muxer::Coding;
use super::order::{Order, Ordered};
use super::{RecordedTrack, Summary, TrackInfo, TrackKind};
use crate::error::{Error, RecordingProblem};
use crate::opus;
use crate::playout::VideoFrame;

const SESSION: &str = "session.json";
/// Characters of a person's name that go into a file name.
const NAME_CHARS_MAX: usize = 32;
/// What the sender's encoder is likely to be late by: libopus at 48 kHz, 6.5 ms.
const PRE_SKIP: u16 = 312;
const FRAME_MS: u64 = 33;

/// Writes one folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    started_at: Instant,
    started_at_unix_ms: u64,
    tracks: BTreeMap<RecordedTrack, Track>,
    /// What `session.json` says, in the order in which files began.
    entries: Vec<Entry>,
    requests: Vec<RecordedTrack>,
    summary: Summary,
}

#[derive(Debug)]
struct Track {
    info: TrackInfo,
    order: Order,
    open: Option<Open>,
}

/// A track whose file has begun.
#[derive(Debug)]
struct Open {
    file: RecordingFile,
    first_at: Instant,
    last_ms: Option<u64>,
    entry: usize,
}

#[derive(Debug, Serialize)]
struct Session<'a> {
    version: u32,
    started_at_unix_ms: u64,
    tracks: &'a [Entry],
}

#[derive(Debug, Serialize)]
struct Entry {
    file: String,
    kind: TrackKind,
    track_id: String,
    peer_id: String,
    name: String,
    /// From the start of the recording to the start of this file.
    offset_ms: u64,
    /// Known once the track has ended.
    length_ms: Option<u64>,
}

impl Folder {
    pub fn create(path: &Path, started_at: Instant) -> Result<Self, Error> {
        if path.join(SESSION).exists() || path.is_file() {
            return Err(Error::recording(path, RecordingProblem::Exists));
        }
        fs::create_dir_all(path)
            .map_err(|error| Error::recording(path, RecordingProblem::Unwritable(error)))?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let folder = Self {
            path: path.to_owned(),
            started_at,
            started_at_unix_ms: since_epoch.as_millis() as u64,
            tracks: BTreeMap::new(),
            entries: Vec::new(),
            requests: Vec::new(),
            summary: Summary::default(),
        };
        folder.write_session().map_err(|error| match error {
            Error::Recording {
                path,
                problem: RecordingProblem::WriteFailed(error),
            } => Error::Recording {
                path,
                problem: RecordingProblem::Unwritable(error),
            },
            other => other,
        })?;
        Ok(folder)
    }

    pub fn add_track(&mut self, track: RecordedTrack, info: TrackInfo) {
        if info.kind == TrackKind::Video {
            self.requests.push(track);
        }
        self.tracks.insert(
            track,
            Track {
                info,
                order: Order::default(),
                open: None,
            },
        );
    }

    pub fn remove_track(&mut self, track: RecordedTrack) -> Result<(), Error> {
        self.requests.retain(|request| *request != track);
        let Some(mut track) = self.tracks.remove(&track) else {
            return Ok(());
        };
        let result = self.end(&mut track);
        self.write_session()?;
        result
    }

    pub fn take_keyframe_request(&mut self) -> Option<RecordedTrack> {
        self.requests.pop()
    }

    pub fn write_video(
        &mut self,
        track: RecordedTrack,
        frame: &VideoFrame,
        at: Instant,
    ) -> Result<(), Error> {
        let mut entry = self.take(track, TrackKind::Video)?;
        let result = self.write_frame(&mut entry, frame, at);
        self.requests
            .retain(|request| *request != track || entry.open.is_none());
        self.tracks.insert(track, entry);
        result
    }

    pub fn write_audio(
        &mut self,
        track: RecordedTrack,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        payload: Bytes,
        at: Instant,
    ) -> Result<(), Error> {
        let mut entry = self.take(track, TrackKind::Audio)?;
        let result = self.write_packet(&mut entry, sequence, timestamp, payload, at);
        self.tracks.insert(track, entry);
        result
    }

    pub fn finish(&mut self) -> Result<Summary, Error> {
        let mut result = Ok(());
        while let Some((_, mut track)) = self.tracks.pop_first() {
            // Every file is finished; the first error is the one to tell.
            result = result.and(self.end(&mut track));
        }
        result.and(self.write_session())?;
        Ok(self.summary)
    }

    /// Takes a track out, so that it and the folder can be changed together.
    fn take(&mut self, track: RecordedTrack, kind: TrackKind) -> Result<Track, Error> {
        if self
            .tracks
            .get(&track)
            .is_some_and(|track| track.info.kind == kind)
            && let Some(track) = self.tracks.remove(&track)
        {
            return Ok(track);
        }
        Err(Error::recording(&self.path, RecordingProblem::UnknownTrack))
    }

    fn write_frame(
        &mut self,
        track: &mut Track,
        frame: &VideoFrame,
        at: Instant,
    ) -> Result<(), Error> {
        if track.open.is_none() {
            let Some((width, height)) = frame.size else {
                return Ok(());
            };
            track.open = Some(self.open(&track.info, Coding::Vp8 { width, height }, at)?);
        }
        let Some(open) = &mut track.open else {
            return Ok(());
        };
        let at = at.saturating_duration_since(open.first_at);
        self.summary.frames += 1;
        open.write(&frame.data, at, FRAME_MS, frame.keyframe)
    }

    fn write_packet(
        &mut self,
        track: &mut Track,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        payload: Bytes,
        at: Instant,
    ) -> Result<(), Error> {
        if opus::packet_samples(&payload).is_none() {
            return Ok(());
        }
        if track.open.is_none() {
            let coding = Coding::Opus { pre_skip: PRE_SKIP };
            track.open = Some(self.open(&track.info, coding, at)?);
        }
        let Some(open) = &mut track.open else {
            return Ok(());
        };
        track.order.insert(sequence, timestamp, payload, at);
        while let Some(packet) = track.order.pop() {
            open.write_packet(&packet)?;
        }
        Ok(())
    }

    fn open(&mut self, info: &TrackInfo, coding: Coding, at: Instant) -> Result<Open, Error> {
        let number = self.entries.len() + 1;
        let kind = match info.kind {
            TrackKind::Audio => "audio",
            TrackKind::Video => "video",
        };
        let name = format!("{number:02}-{}{kind}.webm", file_name_part(&info.name));
        let mut file = RecordingFile::create(&self.path.join(&name))?;
        file.add_track(coding)?;
        let offset = at.saturating_duration_since(self.started_at);
        self.entries.push(Entry {
            file: name,
            kind: info.kind,
            track_id: info.track_id.clone(),
            peer_id: info.peer_id.clone(),
            name: info.name.clone(),
            offset_ms: offset.as_millis() as u64,
            length_ms: None,
        });
        self.summary.files += 1;
        self.write_session()?;
        Ok(Open {
            file,
            first_at: at,
            last_ms: None,
            entry: number - 1,
        })
    }

    fn end(&mut self, track: &mut Track) -> Result<(), Error> {
        let Some(mut open) = track.open.take() else {
            return Ok(());
        };
        let mut result = Ok(());
        while let Some(packet) = track.order.pop_rest() {
            result = result.and_then(|()| open.write_packet(&packet));
        }
        let length_ms = open.last_ms.unwrap_or(0);
        if let Some(entry) = self.entries.get_mut(open.entry) {
            entry.length_ms = Some(length_ms);
            let end = Duration::from_millis(entry.offset_ms + length_ms);
            self.summary.length = self.summary.length.max(end);
        }
        let finished = open.file.finish();
        result.and(finished)
    }

    /// Writes `session.json` beside itself first, so that a reader never sees half of it.
    fn write_session(&self) -> Result<(), Error> {
        let session = Session {
            version: 1,
            started_at_unix_ms: self.started_at_unix_ms,
            tracks: &self.entries,
        };
        let fresh = self.path.join("session.json.new");
        serde_json::to_vec_pretty(&session)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&fresh, text))
            .and_then(|()| fs::rename(&fresh, self.path.join(SESSION)))
            .map_err(|error| write_error(&self.path, error))
    }
}

impl Open {
    fn write_packet(&mut self, packet: &Ordered) -> Result<(), Error> {
        let samples = opus::packet_samples(&packet.payload).unwrap_or(opus::PACKET_SAMPLES);
        self.write(&packet.payload, packet.at, samples as u64 / 48, true)
    }

    fn write(
        &mut self,
        data: &[u8],
        at: Duration,
        duration_ms: u64,
        keyframe: bool,
    ) -> Result<(), Error> {
        let at_ms = at.as_millis() as u64;
        let at_ms = self.last_ms.map_or(at_ms, |last| at_ms.max(last + 1));
        self.last_ms = Some(at_ms);
        self.file.write_block(1, data, at_ms, duration_ms, keyframe)
    }
}

/// Keeps of a name what every file system takes, with a dash behind it.
fn file_name_part(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(NAME_CHARS_MAX)
        .collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() {
        String::new()
    } else {
        format!("{kept}-")
    }
}
