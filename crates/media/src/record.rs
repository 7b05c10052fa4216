//! Recording what is received, without decoding pictures again.
//!
//! A path that ends in `.webm` becomes one file with everybody's sound mixed and one picture, which
//! changes at keyframes. Any other path becomes a folder with one file a track, each from its first
//! keyframe or packet, and `session.json`, which says what is what and when it began.
//!
//! All instants are those at which something is seen or heard (see
//! [`PlayoutClock`](crate::playout::PlayoutClock)), so sound and picture stay together. Files can be
//! played while they are being written. Writing happens on the caller's thread, in pieces of half a
//! second.

mod ebml;
mod file;
mod folder;
mod mixed;
mod muxer;
mod order;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_rtp::{RtpTime, SequenceNumber};

use crate::error::Error;
use crate::frame::BLOCK_SAMPLES;
use crate::playout::VideoFrame;
use folder::Folder;
use mixed::Mixed;

/// Says what a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// Describes a track to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// What the track holds.
    pub kind: TrackKind,
    /// The room's name for the track.
    pub track_id: String,
    /// The room's name for whoever sends it.
    pub peer_id: String,
    /// What that person is called; becomes part of a file name in a folder.
    pub name: String,
}

/// Names one track of a [`WebmRecorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordedTrack(u32);

/// What a finished recording holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files with media in them.
    pub files: u32,
    /// Pictures written.
    pub frames: u64,
    /// Length from the start of the recording to the end of the last piece.
    pub length: Duration,
}

/// Records one call, into a file or a folder.
///
/// After an error nothing more is written and every further write fails; drop the recorder, or close
/// it, and what was recorded until then is finished as far as the disk allows.
///
/// ```no_run
/// use std::time::Instant;
/// use snug_media::record::{TrackInfo, TrackKind, WebmRecorder};
/// # fn record(frame: &snug_media::playout::VideoFrame) -> Result<(), snug_media::Error> {
/// let mut recorder = WebmRecorder::create("call.webm", Instant::now())?;
/// let camera = recorder.add_track(TrackInfo {
///     kind: TrackKind::Video,
///     track_id: "t1".into(),
///     peer_id: "p1".into(),
///     name: "Ada".into(),
/// });
/// recorder.write_mix(&[0.0; 480], Instant::now())?; // every 10 ms
/// recorder.write_video(camera, frame, Instant::now())?;
/// let summary = recorder.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WebmRecorder {
    shape: Shape,
    next_track: u32,
    closed: bool,
}

#[derive(Debug)]
enum Shape {
    File(Box<Mixed>),
    Folder(Box<Folder>),
}

impl WebmRecorder {
    /// Starts a recording at `path`, whose time 0 is `started_at`.
    ///
    /// # Errors
    /// [`Error::Recording`]: something with that name is there (an empty file or folder is fine), the
    /// path cannot be written, or the disk is full.
    pub fn create(path: impl AsRef<Path>, started_at: Instant) -> Result<Self, Error> {
        let path = path.as_ref();
        let is_file = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("webm"));
        let shape = if is_file {
            Shape::File(Box::new(Mixed::create(path, started_at)?))
        } else {
            Shape::Folder(Box::new(Folder::create(path, started_at)?))
        };
        Ok(Self {
            shape,
            next_track: 0,
            closed: false,
        })
    }

    /// Adds a track; its file, if it gets one, begins with its first keyframe or packet.
    pub fn add_track(&mut self, info: TrackInfo) -> RecordedTrack {
        let track = RecordedTrack(self.next_track);
        self.next_track += 1;
        match &mut self.shape {
            Shape::File(mixed) => mixed.add_track(track, info.kind),
            Shape::Folder(folder) => folder.add_track(track, info),
        }
        track
    }

    /// Ends a track.
    ///
    /// # Errors
    /// [`Error::Recording`] when its file cannot be finished.
    pub fn remove_track(&mut self, track: RecordedTrack) -> Result<(), Error> {
        match &mut self.shape {
            Shape::File(mixed) => {
                mixed.remove_track(track);
                Ok(())
            }
            Shape::Folder(folder) => folder.remove_track(track),
        }
    }

    /// Shows this video track in a `.webm` file from its next keyframe on, for example because its
    /// sender speaks or shares a screen. Means nothing in a folder.
    pub fn prefer(&mut self, track: RecordedTrack) {
        if let Shape::File(mixed) = &mut self.shape {
            mixed.prefer(track);
        }
    }

    /// Gives a video track whose sender should be asked for a keyframe (PLI), once for each reason.
    pub fn take_keyframe_request(&mut self) -> Option<RecordedTrack> {
        match &mut self.shape {
            Shape::File(mixed) => mixed.take_keyframe_request(),
            Shape::Folder(folder) => folder.take_keyframe_request(),
        }
    }

    /// Writes 10 ms of everybody's sound, heard at `at`. Call it for every block from the start on; a
    /// gap is filled with silence. Means nothing in a folder.
    ///
    /// # Errors
    /// [`Error::Recording`] when writing fails.
    pub fn write_mix(&mut self, block: &[f32; BLOCK_SAMPLES], at: Instant) -> Result<(), Error> {
        match &mut self.shape {
            Shape::File(mixed) => mixed.write_mix(block, at),
            Shape::Folder(_) => Ok(()),
        }
    }

    /// Writes one picture, seen at `at`. Pictures before a track's first keyframe are left out.
    ///
    /// # Errors
    /// [`Error::Recording`] when writing fails, or the track is unknown or holds sound.
    pub fn write_video(
        &mut self,
        track: RecordedTrack,
        frame: &VideoFrame,
        at: Instant,
    ) -> Result<(), Error> {
        match &mut self.shape {
            Shape::File(mixed) => mixed.write_video(track, frame, at),
            Shape::Folder(folder) => folder.write_video(track, frame, at),
        }
    }

    /// Writes one Opus packet of a single track, heard at `at`, in any order. Means nothing in a
    /// `.webm` file, which takes the mix.
    ///
    /// # Errors
    /// [`Error::Recording`] when writing fails, or the track is unknown or holds pictures.
    pub fn write_audio(
        &mut self,
        track: RecordedTrack,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        payload: Bytes,
        at: Instant,
    ) -> Result<(), Error> {
        match &mut self.shape {
            Shape::File(_) => Ok(()),
            Shape::Folder(folder) => folder.write_audio(track, sequence, timestamp, payload, at),
        }
    }

    /// Tells whether the mix is wanted (a `.webm` file) or single packets (a folder).
    #[must_use]
    pub fn wants_mix(&self) -> bool {
        matches!(self.shape, Shape::File(_))
    }

    /// Writes what is left, the index and the duration.
    ///
    /// # Errors
    /// [`Error::Recording`] when that fails; what was written before stays playable.
    pub fn close(mut self) -> Result<Summary, Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<Summary, Error> {
        self.closed = true;
        match &mut self.shape {
            Shape::File(mixed) => mixed.finish(),
            Shape::Folder(folder) => folder.finish(),
        }
    }
}

impl Drop for WebmRecorder {
    fn drop(&mut self) {
        if !self.closed
            && let Err(error) = self.finish()
        {
            // Whoever recorded was told why when writing failed; this is the same cause once more.
            tracing::debug!(%error, "a recording could not be finished");
        }
    }
}

#[cfg(test)]
mod tests;
