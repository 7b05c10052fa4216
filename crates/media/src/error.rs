//! The one error type of the crate: what happened in a plain sentence, and a next step beside it.

mod device;

use std::io;
use std::path::{Path, PathBuf};

pub use device::DeviceProblem;

/// Says why media could not be read, coded or written.
///
/// Grouped by what the caller can do: pick another file ([`Error::Input`]) or device
/// ([`Error::Device`]), pick another place to record ([`Error::Recording`]), or treat the picture or
/// sound as lost and carry on ([`Error::Codec`]). `Display` is the sentence for a person, [`Error::hint`] the next step,
/// [`Error::code`] the stable word for programs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file given as camera or microphone cannot be used.
    #[error("{} cannot be used as the {role}: {problem}", path.display())]
    Input {
        /// The file as the caller named it.
        path: PathBuf,
        /// What the file was meant to be.
        role: InputRole,
        /// What is wrong with it.
        problem: InputProblem,
    },
    /// A camera, a microphone or a loudspeaker cannot be used, or no longer.
    #[error("{}", device::Sentence { role: *role, name, problem })]
    Device {
        /// What the device is for.
        role: InputRole,
        /// What it calls itself; empty when that is not known.
        name: String,
        /// What is wrong with it.
        problem: DeviceProblem,
    },
    /// The recording cannot be started or continued.
    #[error("the recording {} {problem}", path.display())]
    Recording {
        /// The file or folder as the caller named it.
        path: PathBuf,
        /// What is in the way.
        problem: RecordingProblem,
    },
    /// An encoder or decoder refused its input or its settings.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// What a device is for, or what an input file stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputRole {
    /// A picture source.
    Camera,
    /// A sound source.
    Microphone,
    /// Where sound comes out. Always a device.
    Speaker,
}

impl std::fmt::Display for InputRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "loudspeaker",
        })
    }
}

/// What is wrong with an input file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputProblem {
    /// The operating system would not open or read it.
    #[error("it cannot be read ({0})")]
    Unreadable(#[source] io::Error),
    /// It does not begin with the signature of its format.
    #[error("it is not {expected}")]
    Foreign {
        /// The format wanted, with its article: "a Y4M file".
        expected: &'static str,
    },
    /// It ends inside its header.
    #[error("it ends in the middle of its header")]
    HeaderCutShort,
    /// It does not hold one whole frame.
    #[error(
        "it was cut short: its first frame needs {needed_bytes} bytes and only {found_bytes} are there"
    )]
    FirstFrameCutShort {
        /// Bytes one frame takes.
        needed_bytes: u64,
        /// Bytes that are there.
        found_bytes: u64,
    },
    /// A header field is missing, repeated or out of range.
    #[error("its header has no usable {field} ({value:?})")]
    HeaderField {
        /// The field's name in plain words.
        field: &'static str,
        /// The text found, shortened.
        value: String,
    },
    /// The header is fine, but asks for something that is not supported.
    #[error("it uses {what}, which is not supported")]
    Unsupported {
        /// The feature, as it stands in the file.
        what: String,
    },
    /// Bytes that should begin a frame do not.
    #[error("it is damaged at frame {frame}")]
    Damaged {
        /// Frame number, from 0.
        frame: u64,
    },
    /// There is a header and nothing behind it.
    #[error("it holds no {what}")]
    Empty {
        /// "frames" or "sound".
        what: &'static str,
    },
}

/// What is in the way of a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingProblem {
    /// Something with that name is there already; it is never overwritten.
    #[error("already exists")]
    Exists,
    /// The path cannot be created or opened for writing.
    #[error("cannot be created ({0})")]
    Unwritable(#[source] io::Error),
    /// No space is left. What was written so far stays playable.
    #[error("stopped because the disk is full; what was recorded until then is kept")]
    DiskFull,
    /// Writing failed for another reason. What was written so far stays playable.
    #[error("stopped because writing failed ({0}); what was recorded until then is kept")]
    WriteFailed(#[source] io::Error),
    /// The track was never added, or is of the other kind.
    #[error("knows no such track")]
    UnknownTrack,
}

/// What an encoder or decoder refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A setting is outside its legal range.
    #[error("{setting} is out of range: {value}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// The value given.
        value: i64,
    },
    /// The codec library failed; its own words.
    #[error("the {codec} codec failed in {operation}: {detail}")]
    Library {
        /// "VP8" or "Opus".
        codec: &'static str,
        /// The library call.
        operation: &'static str,
        /// The library's description of it.
        detail: String,
    },
    /// A picture buffer does not have the size that its width and height ask for.
    #[error("a {width}x{height} picture needs {needed_bytes} bytes, not {found_bytes}")]
    PictureSize {
        /// Luma width in pixels.
        width: u32,
        /// Luma height in pixels.
        height: u32,
        /// Bytes wanted.
        needed_bytes: usize,
        /// Bytes given.
        found_bytes: usize,
    },
    /// Received video could not be decoded; the last good picture stands until a keyframe comes.
    #[error("a received picture was damaged")]
    CorruptVideo,
    /// The decoder has nothing to build on: ask the sender for a keyframe.
    #[error("waiting for a whole picture from the sender")]
    AwaitingKeyframe,
    /// Received audio could not be decoded.
    #[error("a piece of received sound was damaged")]
    CorruptAudio,
}

impl Error {
    /// Names the error for programs: stable, snake_case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Input {
                role: InputRole::Camera,
                ..
            } => "camera_file_unusable",
            Self::Input { .. } => "microphone_file_unusable",
            Self::Device { role, problem, .. } => problem.code(*role),
            Self::Recording { problem, .. } => match problem {
                RecordingProblem::Exists => "recording_exists",
                RecordingProblem::Unwritable(_) => "recording_unwritable",
                RecordingProblem::DiskFull => "recording_disk_full",
                RecordingProblem::WriteFailed(_) => "recording_write_failed",
                RecordingProblem::UnknownTrack => "recording_unknown_track",
            },
            Self::Codec(_) => "codec_failed",
        }
    }

    /// Says what a person can do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Input {
                problem: InputProblem::Unreadable(_),
                ..
            } => "Check the name of the file and that you may read it.",
            Self::Input {
                role: InputRole::Camera,
                ..
            } => {
                "Make a fresh file with `ffmpeg -i CLIP -pix_fmt yuv420p OUT.y4m`, \
                 or use `test` for a test picture."
            }
            Self::Input { .. } => {
                "Make a fresh file with `ffmpeg -i SOUND -c:a pcm_s16le OUT.wav`, \
                 or use `test` for a tone."
            }
            Self::Device { role, problem, .. } => problem.hint(*role),
            Self::Recording { problem, .. } => match problem {
                RecordingProblem::Exists => {
                    "Choose another name, or move the earlier recording away."
                }
                RecordingProblem::Unwritable(_) => {
                    "Choose a folder that exists and that you may write to."
                }
                RecordingProblem::DiskFull => {
                    "Free some space or choose another disk, then record again."
                }
                RecordingProblem::WriteFailed(_) => "Check the disk, then record again.",
                RecordingProblem::UnknownTrack => "Add the track before writing to it.",
            },
            Self::Codec(_) => "Leave the room and join again; if it stays, please report it.",
        }
    }

    pub(crate) fn camera(path: &Path, problem: InputProblem) -> Self {
        Self::Input {
            path: path.to_owned(),
            role: InputRole::Camera,
            problem,
        }
    }

    pub(crate) fn microphone(path: &Path, problem: InputProblem) -> Self {
        Self::Input {
            path: path.to_owned(),
            role: InputRole::Microphone,
            problem,
        }
    }

    pub(crate) fn device(role: InputRole, name: &str, problem: DeviceProblem) -> Self {
        Self::Device {
            role,
            name: name.to_owned(),
            problem,
        }
    }

    pub(crate) fn recording(path: &Path, problem: RecordingProblem) -> Self {
        Self::Recording {
            path: path.to_owned(),
            problem,
        }
    }
}
