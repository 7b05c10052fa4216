//! What is sent on the tile socket: a header of 24 bytes, little endian, then the payload.
//!
//! ```text
//! 0 u8 kind | 1 u8 flags | 2 u16 0 | 4 u32 tile | 8 u64 timestamp in µs
//! 16 u16 width | 18 u16 height | 20 u32 0 | 24.. payload
//! ```

use snug_media::I420Frame;

use crate::ipc::Levels;

/// Bytes before the payload.
pub(super) const HEADER_LEN: usize = 24;

/// The picture can be decoded without an earlier one.
const KEYFRAME: u8 = 1;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// One VP8 frame.
    Vp8 = 1,
    /// One picture, its three planes without gaps.
    I420 = 2,
    /// How loud everybody is, as JSON.
    Levels = 3,
}

/// Packs one VP8 frame.
pub(super) fn vp8(tile: u32, keyframe: bool, timestamp_us: u64, data: &[u8]) -> Vec<u8> {
    let flags = if keyframe { KEYFRAME } else { 0 };
    pack(Kind::Vp8, flags, tile, timestamp_us, (0, 0), data)
}

/// Packs a decoded picture. `None` when it is larger than a header can say.
pub(super) fn i420(tile: u32, timestamp_us: u64, picture: &I420Frame) -> Option<Vec<u8>> {
    let width = u16::try_from(picture.width).ok()?;
    let height = u16::try_from(picture.height).ok()?;
    let (kind, size) = (Kind::I420, (width, height));
    Some(pack(
        kind,
        KEYFRAME,
        tile,
        timestamp_us,
        size,
        &picture.data,
    ))
}

/// Packs how loud everybody is.
pub(super) fn levels(levels: &Levels) -> Vec<u8> {
    let text = serde_json::to_vec(levels).expect("numbers by name are always JSON");
    pack(Kind::Levels, 0, 0, 0, (0, 0), &text)
}

fn pack(
    kind: Kind,
    flags: u8,
    tile: u32,
    timestamp_us: u64,
    (width, height): (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len());
    bytes.extend([kind as u8, flags, 0, 0]);
    bytes.extend(tile.to_le_bytes());
    bytes.extend(timestamp_us.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_the_page_reads_it() {
        let packed = vp8(0x0102_0304, true, 0x1112_1314_1516_1718, b"vp8");
        let header = [
            1, 1, 0, 0, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0, 0, 0, 0, 0,
            0, 0, 0,
        ];
        assert_eq!(packed[..HEADER_LEN], header);
        assert_eq!(packed[HEADER_LEN..], *b"vp8");
        assert_eq!(vp8(1, false, 0, b"")[..2], [1, 0]);
    }

    #[test]
    fn a_picture_says_its_size() {
        let packed = i420(7, 9, &I420Frame::black(640, 360)).unwrap();
        assert_eq!((packed[0], packed[4]), (2, 7));
        assert_eq!(packed[16..20], [0x80, 2, 0x68, 1]);
        assert_eq!(packed.len(), HEADER_LEN + 640 * 360 * 3 / 2);
        let huge = I420Frame {
            width: 70_000,
            height: 2,
            data: Vec::new(),
        };
        assert_eq!(i420(7, 9, &huge), None);
    }

    #[test]
    fn levels_are_json() {
        let packed = levels(&Levels {
            me: Some(-20.5),
            people: [("a".to_owned(), -3.0)].into(),
        });
        assert_eq!(packed[0], 3);
        assert_eq!(
            packed[HEADER_LEN..],
            *br#"{"me":-20.5,"people":{"a":-3.0}}"#
        );
    }
}
