//! The receiving half: safe on any input, and honest about damage.

use super::FrameHeader;
use super::ffi::RawDecoder;
use crate::error::CodecError;
use crate::frame::I420Frame;

/// Longest side decoded, in pixels. VP8 allows 16383, which would let one forged keyframe claim
/// 400 MB; nothing that a call shows is larger than 4K.
pub const SIDE_MAX: u32 = 4096;

/// Decodes pictures one by one.
///
/// Starts, and starts again after damage, with a keyframe: until one comes every call fails with
/// [`CodecError::AwaitingKeyframe`] and [`Decoder::last_frame`] still holds the last good picture.
pub struct Decoder {
    raw: RawDecoder,
    frame: I420Frame,
    scratch: I420Frame,
    awaiting_keyframe: bool,
}

impl Decoder {
    /// Starts a decoder that uses `threads` threads (1 to 16).
    ///
    /// # Errors
    /// [`CodecError::Setting`] for another number, [`CodecError::Library`] when libvpx has no memory.
    pub fn new(threads: u32) -> Result<Self, CodecError> {
        if !(1..=16).contains(&threads) {
            return Err(CodecError::Setting {
                setting: "video threads",
                value: threads.into(),
            });
        }
        Ok(Self {
            raw: RawDecoder::new(threads)?,
            frame: I420Frame::default(),
            scratch: I420Frame::default(),
            awaiting_keyframe: true,
        })
    }

    /// Decodes one whole frame and lends the picture; it is valid until the next call.
    ///
    /// A frame that VP8 marks as not to be shown gives the last picture again.
    ///
    /// # Errors
    /// [`CodecError::CorruptVideo`] when the frame is damaged, [`CodecError::AwaitingKeyframe`] when
    /// it builds on pictures that were lost: ask the sender for a keyframe.
    pub fn decode(&mut self, data: &[u8]) -> Result<&I420Frame, CodecError> {
        let header = FrameHeader::parse(data).ok_or(CodecError::CorruptVideo);
        let header = header.inspect_err(|_| self.awaiting_keyframe = true)?;
        match header.keyframe_size {
            Some((width, height)) => {
                let sides = 1..=SIDE_MAX;
                if !sides.contains(&width) || !sides.contains(&height) {
                    self.awaiting_keyframe = true;
                    return Err(CodecError::CorruptVideo);
                }
            }
            None if self.awaiting_keyframe => return Err(CodecError::AwaitingKeyframe),
            None => {}
        }
        match self.raw.decode(data, &mut self.scratch) {
            Ok(true) => {
                self.awaiting_keyframe = false;
                std::mem::swap(&mut self.frame, &mut self.scratch);
                Ok(&self.frame)
            }
            Ok(false) if self.frame.width > 0 => {
                self.awaiting_keyframe = false;
                Ok(&self.frame)
            }
            // No real stream begins with a picture that is not to be shown.
            Ok(false) => Err(CodecError::CorruptVideo),
            Err(_) => {
                self.awaiting_keyframe = true;
                Err(CodecError::CorruptVideo)
            }
        }
    }

    /// Lends the last good picture, `None` before the first.
    #[must_use]
    pub fn last_frame(&self) -> Option<&I420Frame> {
        (self.frame.width > 0).then_some(&self.frame)
    }

    /// Tells whether only a keyframe can be decoded next.
    #[must_use]
    pub fn awaits_keyframe(&self) -> bool {
        self.awaiting_keyframe
    }

    /// Notes that frames were lost before the next one: it must then be a keyframe.
    pub fn handle_loss(&mut self) {
        self.awaiting_keyframe = true;
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("size", &(self.frame.width, self.frame.height))
            .field("awaiting_keyframe", &self.awaiting_keyframe)
            .finish_non_exhaustive()
    }
}
