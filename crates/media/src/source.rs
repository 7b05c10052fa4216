//! Where pictures and sound come from: files, test signals and, behind the same traits, devices.
//!
//! A source never sleeps and never looks at a clock. Each picture carries the moment it stands for,
//! each read of sound is the next 10 ms; the caller keeps the pace with [`Pacer`].

mod pacer;
mod pattern;
mod strip;
mod tone;
mod wav;
mod y4m;

use std::time::Duration;

use crate::error::Error;
use crate::frame::{BLOCK_SAMPLES, CapturedFrame};

pub use pacer::Pacer;
pub use pattern::TestPattern;
pub use strip::{CODE_MAX, STRIP_ROWS, read_strip, stamp_strip};
pub use tone::{Silence, Tone};
pub use wav::WavFile;
pub use y4m::{CutShort, Y4mFile};

/// Gives pictures: a camera, a file, a test pattern.
pub trait VideoSource: Send {
    /// Gives width and height of the next picture in pixels.
    fn size(&self) -> (u32, u32);

    /// Gives the nominal time from one picture to the next.
    fn frame_interval(&self) -> Duration;

    /// Takes the next picture, or `None` when the source has ended for good.
    ///
    /// # Errors
    /// [`Error::Input`] when the file can no longer be read.
    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error>;
}

/// Gives sound: a microphone, a file, a tone.
pub trait AudioSource: Send {
    /// Fills `out` with the next 10 ms: 48 kHz, mono, full scale at 1.0. Endless.
    ///
    /// # Errors
    /// [`Error::Input`] when the file can no longer be read; `out` is then silent.
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error>;
}
