//! Redundant sound: a packet that carries earlier ones beside its own (RFC 2198).

use crate::Error;

/// Bytes of the header of an earlier block, and of the packet's own.
const EARLIER_HEADER_LEN: usize = 4;
const OWN_HEADER_LEN: usize = 1;
/// The oldest that an earlier block may be, in ticks before the packet: 14 bits.
pub const AGE_MAX: u32 = (1 << 14) - 1;
/// The longest that an earlier block may be, in bytes: 10 bits.
pub const EARLIER_LEN_MAX: usize = (1 << 10) - 1;

/// An earlier packet's payload, once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// Its payload type.
    pub payload_type: u8,
    /// Ticks of the media's clock between it and the packet that carries it, at most [`AGE_MAX`].
    pub age: u32,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The payload of a packet of redundant sound.
///
/// ```
/// use snug_rtp::red::{Earlier, Red, write_red};
/// let earlier = Earlier { payload_type: 111, age: 960, payload: b"one" };
/// let mut bytes = [0; 32];
/// let len = write_red(&mut bytes, Some(&earlier), 111, b"two").unwrap();
/// let red = Red::parse(&bytes[..len]).unwrap();
/// assert_eq!((red.payload_type(), red.payload()), (111, &b"two"[..]));
/// assert_eq!(red.earlier().collect::<Vec<_>>(), [earlier]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Red<'a> {
    headers: &'a [u8],
    payload_type: u8,
    blocks: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Red<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::TooShort`] when it ends before what its headers announce.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut headers_len, mut blocks_len) = (0, 0);
        let own = loop {
            let header = bytes.get(headers_len..).ok_or(Error::TooShort)?;
            match header {
                [first, _, high, low, ..] if first & 0x80 != 0 => {
                    headers_len += EARLIER_HEADER_LEN;
                    blocks_len += usize::from(u16::from_be_bytes([high & 0x03, *low]));
                }
                [first, ..] if first & 0x80 == 0 => break *first,
                _ => return Err(Error::TooShort),
            }
        };
        let rest = &bytes[headers_len + OWN_HEADER_LEN..];
        let (blocks, payload) = rest.split_at_checked(blocks_len).ok_or(Error::TooShort)?;
        Ok(Self {
            headers: &bytes[..headers_len],
            payload_type: own,
            blocks,
            payload,
        })
    }

    /// Returns the type of the packet's own payload.
    pub fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Returns the packet's own payload.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Returns what it carries besides, as it stands there: the oldest first.
    pub fn earlier(&self) -> impl Iterator<Item = Earlier<'a>> + use<'a> {
        let mut blocks = self.blocks;
        let headers = self.headers.chunks_exact(EARLIER_HEADER_LEN);
        headers.filter_map(move |header| {
            let word = u32::from_be_bytes(*header.first_chunk()?);
            let (payload, rest) = blocks.split_at_checked(word as usize & EARLIER_LEN_MAX)?;
            blocks = rest;
            Some(Earlier {
                payload_type: (word >> 24) as u8 & 0x7F,
                age: word >> 10 & AGE_MAX,
                payload,
            })
        })
    }
}

/// Writes a payload of redundant sound and returns its length.
///
/// # Errors
/// [`Error::BufferFull`] when `out` is too small, [`Error::TooMany`] when the earlier payload is
/// older than [`AGE_MAX`] or longer than [`EARLIER_LEN_MAX`].
pub fn write_red(
    out: &mut [u8],
    earlier: Option<&Earlier<'_>>,
    payload_type: u8,
    payload: &[u8],
) -> Result<usize, Error> {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        let end = at + bytes.len();
        let place = out.get_mut(at..end).ok_or(Error::BufferFull)?;
        place.copy_from_slice(bytes);
        at = end;
        Ok(())
    };
    if let Some(earlier) = earlier {
        if earlier.age > AGE_MAX || earlier.payload.len() > EARLIER_LEN_MAX {
            return Err(Error::TooMany);
        }
        // Below ten bits.
        let len = earlier.payload.len() as u32;
        let word = u32::from(earlier.payload_type | 0x80) << 24 | earlier.age << 10 | len;
        put(&word.to_be_bytes())?;
    }
    put(&[payload_type & 0x7F])?;
    if let Some(earlier) = earlier {
        put(earlier.payload)?;
    }
    put(payload)?;
    Ok(at)
}

/// Gives every block of a payload of redundant sound this payload type, in place. What does not
/// parse stays as it is.
pub fn set_payload_types(bytes: &mut [u8], payload_type: u8) {
    let mut at = 0;
    while let Some(first) = bytes.get_mut(at) {
        let is_own = *first & 0x80 == 0;
        *first = *first & 0x80 | payload_type & 0x7F;
        if is_own {
            return;
        }
        at += EARLIER_HEADER_LEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            age in 0..=AGE_MAX,
            old in proptest::collection::vec(any::<u8>(), 0..=EARLIER_LEN_MAX),
            own in proptest::collection::vec(any::<u8>(), 0..200),
            has_earlier: bool,
        ) {
            let earlier = Earlier { payload_type: 111, age, payload: &old };
            let earlier = has_earlier.then_some(earlier);
            let mut bytes = [0; 1300];
            let len = write_red(&mut bytes, earlier.as_ref(), 96, &own).unwrap();
            let red = Red::parse(&bytes[..len]).unwrap();
            prop_assert_eq!(red.payload_type(), 96);
            prop_assert_eq!(red.payload(), &own[..]);
            prop_assert_eq!(red.earlier().next(), earlier);
            set_payload_types(&mut bytes[..len], 100);
            let red = Red::parse(&bytes[..len]).unwrap();
            prop_assert!(red.earlier().all(|it| it.payload_type == 100));
            prop_assert_eq!((red.payload_type(), red.payload()), (100, &own[..]));
        }

        #[test]
        fn any_bytes_are_safe(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(red) = Red::parse(&bytes) {
                let earlier: usize = red.earlier().map(|it| it.payload.len()).sum();
                let headers = red.earlier().count() * EARLIER_HEADER_LEN + OWN_HEADER_LEN;
                prop_assert_eq!(headers + earlier + red.payload().len(), bytes.len());
            }
            set_payload_types(&mut bytes, 1);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let old = [0; EARLIER_LEN_MAX + 1];
        let mut earlier = Earlier {
            payload_type: 111,
            age: 960,
            payload: &old,
        };
        let mut bytes = [0; 2000];
        let refused = write_red(&mut bytes, Some(&earlier), 111, b"x");
        assert_eq!(refused, Err(Error::TooMany));
        earlier.payload = &old[1..];
        earlier.age = AGE_MAX + 1;
        let refused = write_red(&mut bytes, Some(&earlier), 111, b"x");
        assert_eq!(refused, Err(Error::TooMany));
        let full = write_red(&mut bytes[..1], None, 111, b"x");
        assert_eq!(full, Err(Error::BufferFull));
        assert_eq!(Red::parse(&[0x80 | 111, 0, 0]), Err(Error::TooShort));
        assert_eq!(
            Red::parse(&[0x80 | 111, 0, 0, 5, 111, 1, 2]),
            Err(Error::TooShort)
        );
        assert_eq!(Red::parse(&[]), Err(Error::TooShort));
    }
}
