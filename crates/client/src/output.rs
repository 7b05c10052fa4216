//! Where received media goes besides a recording: to whoever looks and listens.

use std::sync::Arc;

use bytes::Bytes;
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

/// Takes the pictures of others as they were sent: a window that decodes for itself.
pub trait FrameSink: Send + Sync {
    /// Takes an encoded picture at the moment when it should be seen.
    ///
    /// Of each track the first one is a keyframe, and after a gap the next one is. Called on the
    /// receiving thread. It must not wait: what it holds up is the sound of everybody. Whoever has
    /// to leave one out asks [`crate::Participant::want_keyframe`] for a fresh start.
    fn frame(&self, track: &TrackId, frame: &EncodedPicture);
}

/// One picture of another, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPicture {
    /// One VP8 frame (RFC 6386).
    pub data: Bytes,
    /// Whether it can be decoded without any picture before it.
    pub keyframe: bool,
    /// When it was taken, in microseconds on a clock of the track's own. Never falls.
    pub timestamp_us: u64,
}

/// A track that is looked at, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Which track.
    pub track: TrackId,
    /// How.
    pub form: Form,
    /// Rows of pixels that it is shown in: a room sends no more than that needs.
    pub rows: u16,
}

/// How pictures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As they were sent, for [`crate::JoinOptions::frames`].
    Encoded,
    /// Decoded, for [`crate::JoinOptions::pictures`].
    Decoded,
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
    pub(crate) frames: Option<Arc<dyn FrameSink>>,
    pub(crate) sound: Option<Box<dyn SoundSink>>,
}
