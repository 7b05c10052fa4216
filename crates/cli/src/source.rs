//! What stands for the camera and the microphone.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use snug_media::source::{TestPattern, Tone, WavFile, Y4mFile};
use snug_media::{AudioSource, Error, VideoSource};

/// Frequency of the `test` microphone.
const TONE_HZ: f64 = 1000.0;
/// Peak of the `test` microphone, as a share of full scale (-12 dBFS).
const TONE_AMPLITUDE: f32 = 0.25;
/// Frames a second of the `test` camera.
const PATTERN_FPS: u32 = 30;

/// The value of `--camera`.
#[derive(Clone, Debug)]
pub(crate) enum CameraChoice {
    None,
    Test,
    File(PathBuf),
}

/// The value of `--microphone`.
#[derive(Clone, Debug)]
pub(crate) enum MicrophoneChoice {
    None,
    Test,
    File(PathBuf),
}

impl CameraChoice {
    /// Opens the source; `size` is that of the test pattern in pixels. A film that was cut short
    /// plays as far as it goes, and standard error says so.
    pub(crate) fn open(&self, size: (u32, u32)) -> Result<Option<Box<dyn VideoSource>>, Error> {
        Ok(match self {
            CameraChoice::None => None,
            CameraChoice::Test => Some(Box::new(TestPattern::new(size.0, size.1, PATTERN_FPS)?)),
            CameraChoice::File(path) => {
                let film = Y4mFile::open(path)?;
                if let Some(notice) = film.cut_short() {
                    eprintln!("{notice}");
                }
                Some(Box::new(film))
            }
        })
    }
}

impl MicrophoneChoice {
    /// Opens the source.
    pub(crate) fn open(&self) -> Result<Option<Box<dyn AudioSource>>, Error> {
        Ok(match self {
            MicrophoneChoice::None => None,
            MicrophoneChoice::Test => Some(Box::new(Tone::new(TONE_HZ, TONE_AMPLITUDE))),
            MicrophoneChoice::File(path) => Some(Box::new(WavFile::open(path)?)),
        })
    }
}

impl FromStr for CameraChoice {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => CameraChoice::None,
            "test" => CameraChoice::Test,
            path => CameraChoice::File(path.into()),
        })
    }
}

impl FromStr for MicrophoneChoice {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => MicrophoneChoice::None,
            "test" => MicrophoneChoice::Test,
            path => MicrophoneChoice::File(path.into()),
        })
    }
}
