//! Where pictures and sound come from: files, test signals and, behind the same traits, devices.
//!
//! A file or test signal never sleeps and never looks at a clock. Each picture carries the moment it
//! stands for, each read of sound is the next 10 ms; the caller keeps the pace with [`Pacer`].
//! A device (`is_live`) keeps its own pace: see [`VideoSource::is_live`] and
//! [`AudioSource::is_live`] for what its caller may count on.

mod pacer;
mod pattern;
mod strip;
mod tap;
mod tone;
mod wav;
mod y4m;

use std::time::Duration;

use crate::error::Error;
use crate::frame::{BLOCK_SAMPLES, CapturedFrame};

pub use pacer::Pacer;
pub use pattern::TestPattern;
pub use strip::{CODE_MAX, STRIP_ROWS, read_strip, stamp_strip};
pub use tap::{AudioTap, TappedAudio, TappedVideo, VideoTap};
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
    /// [`Error::Input`] when the file can no longer be read, [`Error::Device`] when the device no
    /// longer gives pictures.
    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error>;

    /// Whether pictures come when they are taken, as a camera's do, instead of when they are asked
    /// for. Then [`next_frame`](Self::next_frame) waits for the next picture, for at most a second,
    /// and its caller neither waits nor catches up ([`Pacer::taken`], not [`Pacer::due`], or one
    /// late picture would delay all after it); `at` is the device's own clock, which may run
    /// faster or slower than the caller's.
    fn is_live(&self) -> bool {
        false
    }
}

/// Gives sound: a microphone, a file, a tone.
pub trait AudioSource: Send {
    /// Fills `out` with the next 10 ms: 48 kHz, mono, full scale at 1.0. Endless.
    ///
    /// # Errors
    /// [`Error::Input`] when the file can no longer be read, [`Error::Device`] when the device is
    /// gone; `out` is then silent.
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error>;

    /// Whether sound comes when it is made, as a microphone's does, instead of when it is asked
    /// for. [`read`](Self::read) still returns at once, and its caller asks every 10 ms by its own
    /// clock. The source makes up for the difference of the two clocks, and skips what is older
    /// than its ring holds, so that no delay builds up, nor stays after a pause.
    fn is_live(&self) -> bool {
        false
    }
}
