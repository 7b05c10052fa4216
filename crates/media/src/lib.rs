//! Pictures and sound: where they come from, how they are coded, played out and recorded.
//!
//! Refuses to know about sockets, rooms and clocks of its own: every call that depends on time takes
//! `now` or a time stamp. Start from [`source::VideoSource`] / [`source::AudioSource`].
//!
//! ```
//! use snug_media::source::{TestPattern, VideoSource};
//! let mut camera = TestPattern::new(640, 360, 30)?;
//! let picture = camera.next_frame()?.expect("a test pattern never ends");
//! assert_eq!((picture.frame.width, picture.frame.height), (640, 360));
//! # Ok::<(), snug_media::Error>(())
//! ```

pub mod bench;
pub mod device;
pub mod error;
pub mod frame;
pub mod level;
pub mod monitor;
pub mod opus;
pub mod playout;
pub mod record;
pub mod resample;
pub mod scale;
pub mod source;
pub mod vp8;

pub use error::Error;
pub use frame::{BLOCK_DURATION, BLOCK_SAMPLES, CapturedFrame, I420Frame, SAMPLE_RATE};
pub use source::{AudioSource, VideoSource};
