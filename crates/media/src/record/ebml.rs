//! EBML (RFC 8794): identifiers, sizes and values, written into a buffer.

/// A size that is not known yet, in eight bytes: the element goes on until another of its level
/// begins (RFC 8794 section 6.2). Overwritten with the real one later.
pub const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

const VOID: u32 = 0xEC;

/// Appends an element identifier, which carries its own length marker (RFC 8794 section 5).
pub fn id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let skip = bytes.iter().take_while(|&&byte| byte == 0).count();
    out.extend_from_slice(&bytes[skip..]);
}

/// Appends a size in as few bytes as it needs (RFC 8794 section 4).
pub fn size(out: &mut Vec<u8>, size: u64) {
    // All ones of any length mean "unknown", so they cannot be used for a size.
    let length = (1..8)
        .find(|length| size < (1 << (7 * length)) - 1)
        .unwrap_or(8);
    let marked = size | 1 << (7 * length);
    out.extend_from_slice(&marked.to_be_bytes()[8 - length..]);
}

/// Gives a size in exactly eight bytes, to overwrite [`UNKNOWN_SIZE`].
pub fn wide_size(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}

/// Appends an element with an unsigned number.
pub fn uint(out: &mut Vec<u8>, element: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take_while(|&&byte| byte == 0).count().min(7);
    binary(out, element, &bytes[skip..]);
}

/// Appends an element with a 64 bit floating point number.
pub fn float(out: &mut Vec<u8>, element: u32, value: f64) {
    binary(out, element, &value.to_be_bytes());
}

/// Appends an element with bytes or text.
pub fn binary(out: &mut Vec<u8>, element: u32, value: &[u8]) {
    id(out, element);
    size(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends an element that contains others, which `fill` appends to its own buffer.
pub fn master(out: &mut Vec<u8>, element: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    binary(out, element, &inner);
}

/// Appends an element of exactly `bytes` bytes (at least 2) that means nothing.
pub fn void(out: &mut Vec<u8>, bytes: usize) {
    let start = out.len();
    id(out, VOID);
    if bytes >= 9 {
        out.extend_from_slice(&wide_size(bytes as u64 - 9));
    } else {
        size(out, bytes.saturating_sub(2) as u64);
    }
    out.resize(start + bytes.max(2), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn sizes_are_as_short_as_they_can_be() {
        assert_eq!(written(|out| size(out, 0)), [0x80]);
        assert_eq!(written(|out| size(out, 126)), [0xFE]);
        assert_eq!(written(|out| size(out, 127)), [0x40, 127]);
        assert_eq!(written(|out| size(out, 16_382)), [0x7F, 0xFE]);
        assert_eq!(written(|out| size(out, 16_383)), [0x20, 0x3F, 0xFF]);
        assert_eq!(written(|out| size(out, 1 << 50)).len(), 8);
        assert_eq!(wide_size(5), [1, 0, 0, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn elements_carry_their_identifier_and_length() {
        assert_eq!(written(|out| uint(out, 0x4286, 1)), [0x42, 0x86, 0x81, 1]);
        assert_eq!(written(|out| uint(out, 0xE7, 0)), [0xE7, 0x81, 0]);
        assert_eq!(written(|out| uint(out, 0xE7, 0x0102)), [0xE7, 0x82, 1, 2]);
        assert_eq!(written(|out| binary(out, 0x86, b"A")), [0x86, 0x81, b'A']);
        assert_eq!(
            written(|out| master(out, 0xE1, |inner| uint(inner, 0x9F, 1))),
            [0xE1, 0x83, 0x9F, 0x81, 1]
        );
        for bytes in [2, 3, 8, 9, 10, 11, 500] {
            assert_eq!(written(|out| void(out, bytes)).len(), bytes);
        }
    }
}
