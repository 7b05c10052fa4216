//! Where received media goes besides a recording: to whoever looks and listens.

use std::sync::Arc;

use snug_media::{BLOCK_SAMPLES, I420Frame};
use snug_protocol::TrackId;

/// Looks at the pictures of others: a window, or a test.
pub trait PictureSink: Send + Sync {
    /// Takes a decoded picture.
    ///
    /// Called on the track's own decoding thread. It should be back within a frame interval;
    /// when it stays away for longer, pictures are left out up to the next keyframe.
    fn show(&self, track: &TrackId, picture: &I420Frame);
}

/// Listens to everybody at once: a speaker, or a test.
pub trait SoundSink: Send {
    /// Takes the next 10 ms, 48 kHz mono, mixed and limited to -1..=1.
    ///
    /// Called every 10 ms on the receiving thread. It must not wait: what it holds up is the
    /// sound of everybody.
    fn play(&mut self, block: &[f32; BLOCK_SAMPLES]);
}

/// What receiving is wanted for.
#[derive(Default)]
pub(crate) struct Outputs {
    /// Pictures are decoded even when nobody looks, to count them.
    pub(crate) decode: bool,
    pub(crate) pictures: Option<Arc<dyn PictureSink>>,
    pub(crate) sound: Option<Box<dyn SoundSink>>,
}
