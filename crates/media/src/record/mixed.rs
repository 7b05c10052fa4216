//! One file: everybody's sound, one picture.
//!
//! Rules. Sound is the clock: it is written without a gap from time 0 on, silence where nothing was
//! given. Pieces wait [`HOLD_MS`] so that a picture that is a little late still comes in its order.
//! The picture changes only at a keyframe of the new track, and a track that ends leaves its last
//! picture standing until another begins.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::file::RecordingFile;
use super::muxer::Coding;
use super::{RecordedTrack, Summary, TrackKind};
use crate::error::{Error, RecordingProblem};
use crate::frame::{BLOCK_DURATION, BLOCK_SAMPLES};
use crate::opus::{Encoder, EncoderConfig, PACKET_BYTES_MAX, PACKET_SAMPLES};
use crate::playout::VideoFrame;

/// How long a piece may wait for an earlier one: more than a picture is ever decoded late.
const HOLD_MS: u64 = 300;
/// Pieces held at most: two seconds of 60 pictures and 50 packets each. More go out early.
const HELD_MAX: usize = 220;
/// Longest gap filled with silence; after a longer one (a suspended machine) time jumps.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const PACKET_MS: u64 = 20;
/// When the picture changes over, older pictures closer than this are left out: players stumble over
/// two at once.
const CHANGE_GAP_MS: u64 = 20;

/// Writes one `.webm` file.
#[derive(Debug)]
pub struct Mixed {
    path: PathBuf,
    file: RecordingFile,
    started_at: Instant,
    sound: Sound,
    picture: Picture,
    /// Waiting to be written, in the order of their times.
    held: VecDeque<Piece>,
    summary: Summary,
}

#[derive(Debug)]
struct Sound {
    encoder: Encoder,
    track: u8,
    samples: [f32; PACKET_SAMPLES],
    filled: usize,
    /// Blocks of 10 ms taken so far, silence included.
    blocks: u64,
}

#[derive(Debug, Default)]
struct Picture {
    /// Number of the file's video track, once a keyframe has come.
    track: Option<u8>,
    tracks: BTreeMap<RecordedTrack, TrackKind>,
    active: Option<RecordedTrack>,
    preferred: Option<RecordedTrack>,
    request: Option<RecordedTrack>,
    last_ms: Option<u64>,
}

#[derive(Debug)]
struct Piece {
    at_ms: u64,
    track: u8,
    data: Bytes,
    keyframe: bool,
}

impl Mixed {
    pub fn create(path: &Path, started_at: Instant) -> Result<Self, Error> {
        let encoder = Encoder::new(EncoderConfig::recording())?;
        let mut file = RecordingFile::create(path)?;
        let track = file.add_track(Coding::Opus {
            pre_skip: encoder.lookahead_samples(),
        })?;
        let sound = Sound {
            encoder,
            track,
            samples: [0.0; PACKET_SAMPLES],
            filled: 0,
            blocks: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            started_at,
            sound,
            picture: Picture::default(),
            held: VecDeque::with_capacity(HELD_MAX + 2),
            summary: Summary {
                files: 1,
                ..Summary::default()
            },
        })
    }

    pub fn add_track(&mut self, track: RecordedTrack, kind: TrackKind) {
        self.picture.tracks.insert(track, kind);
        if kind == TrackKind::Video && self.picture.active.is_none() {
            self.picture.request = Some(track);
        }
    }

    pub fn remove_track(&mut self, track: RecordedTrack) {
        let picture = &mut self.picture;
        picture.tracks.remove(&track);
        picture.preferred = picture.preferred.filter(|preferred| *preferred != track);
        picture.request = picture.request.filter(|request| *request != track);
        if picture.active == Some(track) {
            picture.active = None;
            picture.request = picture.successor();
        }
    }

    pub fn prefer(&mut self, track: RecordedTrack) {
        let picture = &mut self.picture;
        if picture.tracks.get(&track) != Some(&TrackKind::Video) {
            return;
        }
        if picture.preferred.replace(track) != Some(track) && picture.active != Some(track) {
            picture.request = Some(track);
        }
    }

    pub fn take_keyframe_request(&mut self) -> Option<RecordedTrack> {
        self.picture.request.take()
    }

    pub fn write_mix(&mut self, block: &[f32; BLOCK_SAMPLES], at: Instant) -> Result<(), Error> {
        let at = at.saturating_duration_since(self.started_at);
        let taken = BLOCK_DURATION * u32::try_from(self.sound.blocks).unwrap_or(u32::MAX);
        let gap = at.saturating_sub(taken);
        let missing = gap.as_millis() as u64 / BLOCK_DURATION.as_millis() as u64;
        if gap > SILENCE_MAX {
            self.sound.blocks += missing;
        } else {
            for _ in 0..missing {
                self.write_block(&[0.0; BLOCK_SAMPLES])?;
            }
        }
        self.write_block(block)
    }

    pub fn write_video(
        &mut self,
        track: RecordedTrack,
        frame: &VideoFrame,
        at: Instant,
    ) -> Result<(), Error> {
        let picture = &mut self.picture;
        if picture.tracks.get(&track) != Some(&TrackKind::Video) {
            return Err(Error::recording(&self.path, RecordingProblem::UnknownTrack));
        }
        let before = picture.active;
        if !picture.shows(track, frame.keyframe) {
            return Ok(());
        }
        let changes = before != picture.active;
        let number = match (picture.track, frame.size) {
            (Some(number), _) => number,
            (None, Some((width, height))) => {
                let number = self.file.add_track(Coding::Vp8 { width, height })?;
                *picture.track.insert(number)
            }
            (None, None) => return Ok(()),
        };
        let at_ms = at.saturating_duration_since(self.started_at).as_millis() as u64;
        if changes {
            self.make_way(number, at_ms);
        }
        let at_ms = self
            .picture
            .last_ms
            .map_or(at_ms, |last| at_ms.max(last + 1));
        self.picture.last_ms = Some(at_ms);
        self.summary.frames += 1;
        self.hold(Piece {
            at_ms,
            track: number,
            data: frame.data.clone(),
            keyframe: frame.keyframe,
        })
    }

    /// Drops waiting pictures that would follow or crowd one of another track at `at_ms`, which is a
    /// keyframe and so needs none of them.
    fn make_way(&mut self, number: u8, at_ms: u64) {
        let before = self.held.len();
        self.held
            .retain(|piece| piece.track != number || piece.at_ms + CHANGE_GAP_MS <= at_ms);
        let dropped = before - self.held.len();
        self.summary.frames -= dropped as u64;
        if dropped > 0 {
            self.picture.last_ms = at_ms.checked_sub(CHANGE_GAP_MS);
        }
    }

    pub fn finish(&mut self) -> Result<Summary, Error> {
        let rest = self.write_rest();
        // Finished even when the rest could not be written; the first error is the one to tell.
        let finished = self.file.finish();
        rest.and(finished)?;
        Ok(self.summary)
    }

    fn write_rest(&mut self) -> Result<(), Error> {
        // The last packet is filled up; a recording of nothing gets one, because players refuse a
        // file without any.
        while self.sound.filled > 0 || self.sound.blocks == 0 {
            self.write_block(&[0.0; BLOCK_SAMPLES])?;
        }
        while let Some(piece) = self.held.pop_front() {
            self.write(&piece)?;
        }
        Ok(())
    }

    fn write_block(&mut self, block: &[f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        let sound = &mut self.sound;
        sound.samples[sound.filled..sound.filled + BLOCK_SAMPLES].copy_from_slice(block);
        sound.filled += BLOCK_SAMPLES;
        sound.blocks += 1;
        if sound.filled < PACKET_SAMPLES {
            return Ok(());
        }
        sound.filled = 0;
        let mut packet = [0; PACKET_BYTES_MAX];
        let bytes = sound.encoder.encode(&sound.samples, &mut packet)?;
        let at_ms = (sound.blocks - 2) * BLOCK_DURATION.as_millis() as u64;
        let data = Bytes::copy_from_slice(&packet[..bytes]);
        let track = sound.track;
        self.hold(Piece {
            at_ms,
            track,
            data,
            keyframe: true,
        })?;
        self.write_older_than(at_ms.saturating_sub(HOLD_MS))
    }

    /// Puts a piece in its place among those waiting.
    fn hold(&mut self, piece: Piece) -> Result<(), Error> {
        let behind = self
            .held
            .iter()
            .rev()
            .take_while(|held| held.at_ms > piece.at_ms)
            .count();
        self.held.insert(self.held.len() - behind, piece);
        if self.held.len() > HELD_MAX
            && let Some(piece) = self.held.pop_front()
        {
            self.write(&piece)?;
        }
        Ok(())
    }

    fn write_older_than(&mut self, at_ms: u64) -> Result<(), Error> {
        while self.held.front().is_some_and(|piece| piece.at_ms < at_ms) {
            let Some(piece) = self.held.pop_front() else {
                break;
            };
            self.write(&piece)?;
        }
        Ok(())
    }

    fn write(&mut self, piece: &Piece) -> Result<(), Error> {
        let Piece {
            at_ms,
            track,
            ref data,
            keyframe,
        } = *piece;
        self.file
            .write_block(track, data, at_ms, PACKET_MS, keyframe)?;
        let end = Duration::from_millis(at_ms + PACKET_MS);
        self.summary.length = self.summary.length.max(end);
        Ok(())
    }
}

impl Picture {
    /// Decides whether a picture of `track` is shown, changing over to it at a keyframe.
    fn shows(&mut self, track: RecordedTrack, keyframe: bool) -> bool {
        let wanted = match self.active {
            Some(active) => active == track || self.preferred == Some(track),
            None => true,
        };
        if !wanted || (self.active != Some(track) && !keyframe) {
            return false;
        }
        self.active = Some(track);
        self.request = self.request.filter(|request| *request != track);
        true
    }

    /// Gives the track to show when the active one has ended.
    fn successor(&self) -> Option<RecordedTrack> {
        let videos = self
            .tracks
            .iter()
            .filter(|(_, kind)| **kind == TrackKind::Video);
        self.preferred
            .or_else(|| videos.map(|(track, _)| *track).next())
    }
}
