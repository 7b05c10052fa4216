//! The start of a VP8 payload: reading and rewriting its descriptor agree, and nothing behind it
//! changes.

use snug_rtp::vp8::Descriptor;

/// Says the input to it.
pub fn run(data: &[u8]) {
    let Some((numbers, payload)) = data.split_first_chunk::<3>() else {
        return;
    };
    let Ok(descriptor) = Descriptor::parse(payload) else {
        return;
    };
    assert!(descriptor.len <= payload.len());
    if descriptor.starts_keyframe(payload) {
        assert!(descriptor.starts_frame());
    }
    descriptor.keyframe_size(payload);
    let picture_id = u16::from_be_bytes([numbers[0], numbers[1]]);
    let mut rewritten = payload.to_vec();
    descriptor.rewrite(&mut rewritten, picture_id, numbers[2]);
    let again = Descriptor::parse(&rewritten).expect("a rewritten descriptor still fits");
    assert_eq!(again.len, descriptor.len);
    assert_eq!(rewritten[again.len..], payload[again.len..]);
    if let (Some(read), Some(_)) = (again.tl0_picture_index, descriptor.tl0_picture_index) {
        assert_eq!(read, numbers[2]);
    }
}
