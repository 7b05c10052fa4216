//! Cutting encoded frames into RTP payloads.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Largest RTP payload. With the RTP header (12), extensions (up to 16), the two bytes of a
/// retransmission, the SRTP tag (16), UDP and IPv6 it stays under 1280, which every link carries.
const PAYLOAD_MAX: usize = 1150;

/// Bytes of the VP8 payload descriptor with a 15-bit picture id (RFC 7741 section 4.2).
const DESCRIPTOR: usize = 4;

/// Cuts a VP8 frame into payloads of about equal size, each with a payload descriptor. The
/// picture id always takes 15 bits, so that a forwarder can rewrite it in place.
///
/// Of `picture_id` the low 15 bits count; nothing comes of an empty frame.
pub(super) fn cut_vp8(frame: &Bytes, picture_id: u16) -> Vec<Bytes> {
    let count = frame.len().div_ceil(PAYLOAD_MAX - DESCRIPTOR);
    if count == 0 {
        return Vec::new();
    }
    let [id_high, id_low] = picture_id.to_be_bytes();
    // Equal pieces: a tiny last packet costs as much to forward as a full one.
    let piece = frame.len().div_ceil(count);
    let cut = |(index, piece): (usize, &[u8])| {
        let start = if index == 0 { 0x10 } else { 0 };
        let mut payload = BytesMut::with_capacity(DESCRIPTOR + piece.len());
        payload.put_slice(&[0x80 | start, 0x80, 0x80 | id_high, id_low]);
        payload.put_slice(piece);
        payload.freeze()
    };
    frame.chunks(piece).enumerate().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use snug_rtp::vp8::Descriptor;

    use super::*;

    #[test]
    fn a_frame_is_cut_into_equal_pieces_that_add_up() {
        let frame: Bytes = (0..5000u32).map(|n| n as u8).collect();
        let payloads = cut_vp8(&frame, 0x7FFF);
        assert_eq!(payloads.len(), 5);
        let mut joined = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            assert!(payload.len() <= PAYLOAD_MAX);
            let descriptor = Descriptor::parse(payload).unwrap();
            assert_eq!(descriptor.starts_frame(), index == 0);
            assert_eq!(payload[2..4], [0xFF, 0xFF]);
            joined.extend_from_slice(&payload[DESCRIPTOR..]);
        }
        assert_eq!(joined, frame);
        assert_eq!(cut_vp8(&frame, 0x8000)[0][2..4], [0x80, 0], "the id wraps");
    }

    #[test]
    fn small_and_empty_frames() {
        assert_eq!(cut_vp8(&Bytes::new(), 0), Vec::<Bytes>::new());
        assert_eq!(cut_vp8(&Bytes::from_static(b"x"), 0).len(), 1);
    }
}
