//! VP8 (RFC 6386) by libvpx: live encoding and decoding of [`I420Frame`](crate::I420Frame)s.
//!
//! Rules. The encoder runs in real-time mode with a fixed, negative `cpu-used`, because the positive
//! kind adapts to the wall clock and its quality then drifts with the load of the machine. It never
//! drops pictures by itself: whoever feeds it drops before encoding, where it is cheap and counted.
//! The decoder never invents pictures: after damage it says so, keeps the last good picture, and
//! waits for a keyframe. All `unsafe` of the crate is in `vp8/ffi.rs`.

mod decoder;
mod encoder;
mod ffi;

use bytes::Bytes;

pub use decoder::{Decoder, SIDE_MAX};
pub use encoder::{BITRATES_BPS, Encoder, EncoderConfig};

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The VP8 bitstream of the picture (RFC 6386 section 9.1).
    pub data: Bytes,
    /// Whether it can be decoded without any picture before it.
    pub keyframe: bool,
    /// The temporal layer that it belongs to (RFC 7741 section 4.2): 0 for a picture that later ones
    /// build upon, 1 for one that may be left out.
    pub temporal_layer: u8,
}

/// Reads what the first bytes of a VP8 frame say about it (RFC 6386 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Width and height in pixels when it is a keyframe, else `None`.
    pub keyframe_size: Option<(u32, u32)>,
}

impl FrameHeader {
    /// Parses the frame tag; `None` when `data` is too short, or a keyframe without its start code.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let tag = data.get(..3)?;
        if tag[0] & 1 == 1 {
            return Some(Self {
                keyframe_size: None,
            });
        }
        let &[0x9D, 0x01, 0x2A, w0, w1, h0, h1] = data.get(3..10)? else {
            return None;
        };
        // The upper two bits of each are a scaling hint for the display.
        let width = u32::from(u16::from_le_bytes([w0, w1]) & 0x3FFF);
        let height = u32::from(u16::from_le_bytes([h0, h1]) & 0x3FFF);
        Some(Self {
            keyframe_size: Some((width, height)),
        })
    }
}

#[cfg(test)]
mod tests;
