//! The VP8 payload descriptor and what a forwarder reads of the frame behind it (RFC 7741
//! section 4, RFC 6386 section 9.1).

use crate::Error;

/// The descriptor at the start of every VP8 RTP payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// N: the frame can be dropped without hurting others.
    pub non_reference: bool,
    /// S: the payload starts a partition.
    pub starts_partition: bool,
    /// PID: the partition that the payload belongs to, 0 to 7.
    pub partition: u8,
    /// The running number of the frame.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: the running number of base layer frames.
    pub tl0_picture_index: Option<u8>,
    /// TID, the temporal layer 0 to 3, and Y, that it depends on layer 0 alone.
    pub temporal_layer: Option<(u8, bool)>,
    /// KEYIDX: the running number of keyframes, 0 to 31.
    pub keyframe_index: Option<u8>,
    /// Length of the descriptor in bytes.
    pub len: usize,
}

/// The running number of a frame, in 7 or 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The number.
    pub value: u16,
    /// Whether it has 15 bits, else 7.
    pub is_wide: bool,
}

/// The size that a keyframe declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Width in pixels, before upscaling.
    pub width: u16,
    /// Height in pixels, before upscaling.
    pub height: u16,
}

impl Descriptor {
    /// Reads the descriptor at the start of an RTP payload.
    ///
    /// # Errors
    /// [`Error::TooShort`] when it does not fit, an empty payload included.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader {
            data: payload,
            at: 0,
        };
        let first = reader.byte()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_picture_index: None,
            temporal_layer: None,
            keyframe_index: None,
            len: 1,
        };
        if first & 0x80 != 0 {
            descriptor.parse_extended(&mut reader)?;
        }
        descriptor.len = reader.at;
        Ok(descriptor)
    }

    fn parse_extended(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let present = reader.byte()?;
        if present & 0x80 != 0 {
            let high = reader.byte()?;
            let is_wide = high & 0x80 != 0;
            let low = if is_wide { Some(reader.byte()?) } else { None };
            let value = u16::from(high & 0x7F);
            let value = low.map_or(value, |low| (value << 8) | u16::from(low));
            self.picture_id = Some(PictureId { value, is_wide });
        }
        if present & 0x40 != 0 {
            self.tl0_picture_index = Some(reader.byte()?);
        }
        if present & 0x30 != 0 {
            let byte = reader.byte()?;
            if present & 0x20 != 0 {
                self.temporal_layer = Some((byte >> 6, byte & 0x20 != 0));
            }
            if present & 0x10 != 0 {
                self.keyframe_index = Some(byte & 0x1F);
            }
        }
        Ok(())
    }

    /// Tells whether the payload with this descriptor starts a frame.
    pub fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }

    /// Tells whether `payload`, which this descriptor was read from, starts a keyframe.
    pub fn starts_keyframe(&self, payload: &[u8]) -> bool {
        // The P bit of the frame tag is 0 in a keyframe (RFC 6386 section 9.1).
        self.starts_frame() && payload.get(self.len).is_some_and(|byte| byte & 1 == 0)
    }

    /// Reads the frame size from a payload that starts a keyframe.
    pub fn keyframe_size(&self, payload: &[u8]) -> Option<FrameSize> {
        if !self.starts_keyframe(payload) {
            return None;
        }
        let head = payload.get(self.len..)?.first_chunk::<10>()?;
        if head[3..6] != [0x9D, 0x01, 0x2A] {
            return None;
        }
        // The upper two bits of each are an upscaling hint.
        let size = |low, high| u16::from_le_bytes([low, high]) & 0x3FFF;
        Some(FrameSize {
            width: size(head[6], head[7]),
            height: size(head[8], head[9]),
        })
    }

    /// Writes other running numbers into `payload`, which this descriptor was read from. A
    /// number that the descriptor has no room for is left out; a narrow picture id keeps its
    /// lower 7 bits.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        let mut at = 2;
        if let Some(old) = self.picture_id {
            let bytes = (picture_id | 0x8000).to_be_bytes();
            let narrow = [(picture_id & 0x7F) as u8];
            let bytes = if old.is_wide { &bytes[..] } else { &narrow[..] };
            if let Some(place) = payload.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
            at += bytes.len();
        }
        if self.tl0_picture_index.is_some()
            && let Some(place) = payload.get_mut(at)
        {
            *place = tl0_picture_index;
        }
    }
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.data.get(self.at).ok_or(Error::TooShort)?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A 640x480 keyframe with a 15-bit picture id, TL0PICIDX, TID and KEYIDX.
    const KEYFRAME: [u8; 16] = [
        0x90, 0xF0, 0x92, 0x34, 0x07, 0x65, // descriptor
        0x10, 0x00, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01,
    ];

    #[test]
    fn a_full_descriptor_is_read() {
        let descriptor = Descriptor::parse(&KEYFRAME).unwrap();
        assert_eq!(
            descriptor.picture_id,
            Some(PictureId {
                value: 0x1234,
                is_wide: true
            })
        );
        assert_eq!(descriptor.tl0_picture_index, Some(7));
        assert_eq!(descriptor.temporal_layer, Some((1, true)));
        assert_eq!(descriptor.keyframe_index, Some(5));
        assert_eq!(descriptor.len, 6);
        assert!(descriptor.starts_keyframe(&KEYFRAME));
        let size = descriptor.keyframe_size(&KEYFRAME);
        assert_eq!(
            size,
            Some(FrameSize {
                width: 640,
                height: 480
            })
        );
    }

    #[test]
    fn short_and_plain_descriptors_are_read() {
        let plain = Descriptor::parse(&[0x00, 0x01]).unwrap();
        assert_eq!((plain.len, plain.picture_id), (1, None));
        assert!(!plain.starts_frame());
        let narrow = Descriptor::parse(&[0x90, 0x80, 0x15, 0x01]).unwrap();
        assert_eq!(
            narrow.picture_id,
            Some(PictureId {
                value: 0x15,
                is_wide: false
            })
        );
        assert!(
            !narrow.starts_keyframe(&[0x90, 0x80, 0x15, 0x01]),
            "the P bit is set"
        );
        assert_eq!(Descriptor::parse(&[]), Err(Error::TooShort));
        assert_eq!(Descriptor::parse(&[0x80]), Err(Error::TooShort));
        assert_eq!(Descriptor::parse(&[0x80, 0x80, 0x80]), Err(Error::TooShort));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut data: Vec<u8>, picture_id: u16, index: u8) {
            if let Ok(descriptor) = Descriptor::parse(&data) {
                let _size = descriptor.keyframe_size(&data);
                descriptor.rewrite(&mut data, picture_id, index);
                let read = Descriptor::parse(&data).unwrap();
                prop_assert_eq!(read.len, descriptor.len);
                let mask = |id: PictureId| if id.is_wide { 0x7FFF } else { 0x7F };
                prop_assert_eq!(read.picture_id.map(|id| id.value), descriptor.picture_id.map(|id| picture_id & mask(id)));
                prop_assert_eq!(read.tl0_picture_index, descriptor.tl0_picture_index.map(|_| index));
                prop_assert_eq!(read.temporal_layer, descriptor.temporal_layer);
            }
        }
    }
}
