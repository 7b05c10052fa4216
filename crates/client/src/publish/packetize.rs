//! Cutting encoded frames into RTP payloads.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Largest RTP payload. With the RTP header (12), extensions (up to 16), the two bytes of a
/// retransmission, the SRTP tag (16), UDP and IPv6 it stays under 1280, which every link carries.
const PAYLOAD_MAX: usize = 1150;

/// Bytes of the VP8 payload descriptor with a 15-bit picture id and a temporal layer (RFC 7741
/// section 4.2).
const DESCRIPTOR: usize = 6;

/// What the payload descriptor says of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its running number, of which the low 15 bits count.
    pub(super) picture_id: u16,
    /// The running number of the picture of the base layer that it is or builds upon.
    pub(super) base_layer: u8,
    /// 0, or 1 for a picture that none builds upon.
    pub(super) temporal_layer: u8,
}

/// Cuts a VP8 frame into payloads of about equal size, each with a payload descriptor. The
/// picture id always takes 15 bits, so that a forwarder can rewrite it in place.
///
/// Nothing comes of an empty frame.
pub(super) fn cut_vp8(frame: &Bytes, place: Place) -> Vec<Bytes> {
    let count = frame.len().div_ceil(PAYLOAD_MAX - DESCRIPTOR);
    if count == 0 {
        return Vec::new();
    }
    let [id_high, id_low] = place.picture_id.to_be_bytes();
    let upper = place.temporal_layer > 0;
    // N: nobody builds upon it. Y: it builds upon the base layer alone.
    let (non_reference, layer) = match upper {
        true => (0x20, place.temporal_layer << 6 | 0x20),
        false => (0, 0),
    };
    // Equal pieces: a tiny last packet costs as much to forward as a full one.
    let piece = frame.len().div_ceil(count);
    let cut = |(index, piece): (usize, &[u8])| {
        let start = if index == 0 { 0x10 } else { 0 };
        let mut payload = BytesMut::with_capacity(DESCRIPTOR + piece.len());
        payload.put_slice(&[0x80 | non_reference | start, 0xE0]);
        payload.put_slice(&[0x80 | id_high, id_low, place.base_layer, layer]);
        payload.put_slice(piece);
        payload.freeze()
    };
    frame.chunks(piece).enumerate().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use snug_rtp::vp8::Descriptor;

    use super::*;

    fn place(picture_id: u16, temporal_layer: u8) -> Place {
        Place {
            picture_id,
            base_layer: 200,
            temporal_layer,
        }
    }

    #[test]
    fn a_frame_is_cut_into_equal_pieces_that_add_up() {
        let frame: Bytes = (0..5000u32).map(|n| n as u8).collect();
        let payloads = cut_vp8(&frame, place(0x7FFF, 0));
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
        let wrapped = &cut_vp8(&frame, place(0x8000, 0))[0];
        assert_eq!(wrapped[2..4], [0x80, 0], "the id wraps");
    }

    #[test]
    fn the_descriptor_tells_what_may_be_left_out() {
        for (layer, told) in [(0, (0, false)), (1, (1, true))] {
            let payload = &cut_vp8(&Bytes::from_static(b"x"), place(7, layer))[0];
            let descriptor = Descriptor::parse(payload).unwrap();
            assert_eq!(descriptor.temporal_layer, Some(told));
            assert_eq!(descriptor.non_reference, layer == 1);
            assert_eq!(descriptor.tl0_picture_index, Some(200));
            assert_eq!(descriptor.picture_id.map(|id| id.value), Some(7));
            assert_eq!(descriptor.len, DESCRIPTOR);
        }
    }

    #[test]
    fn small_and_empty_frames() {
        assert_eq!(cut_vp8(&Bytes::new(), place(0, 0)), Vec::<Bytes>::new());
        assert_eq!(cut_vp8(&Bytes::from_static(b"x"), place(0, 0)).len(), 1);
    }
}
