//! Writing an RTP packet into the caller's buffer.

use crate::extension::{ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
use crate::{Error, FIXED_HEADER_LEN, RtpTime, SequenceNumber};

/// The fixed fields of a packet to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0 to 127; only the lower seven bits count.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: SequenceNumber,
    /// The timestamp.
    pub timestamp: RtpTime,
    /// The synchronisation source.
    pub ssrc: u32,
}

/// How many bytes [`write_packet`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes before the payload.
    pub header_len: usize,
    /// Bytes of the whole packet.
    pub len: usize,
}

/// Writes a packet without CSRCs and padding. The extensions take the one-byte form when they
/// all fit it (ids 1 to 14, 1 to 16 bytes), else the two-byte form (RFC 8285 section 4.1.2).
///
/// # Errors
/// [`Error::BufferFull`] when `out` is too small, [`Error::Extension`] for id 0 or data of more
/// than 255 bytes.
pub fn write_packet(
    out: &mut [u8],
    fields: &Fields,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Result<Written, Error> {
    let fixed = out
        .first_chunk_mut::<FIXED_HEADER_LEN>()
        .ok_or(Error::BufferFull)?;
    fixed[0] = 0x80 | (u8::from(!extensions.is_empty()) << 4);
    fixed[1] = (fields.payload_type & 0x7F) | (u8::from(fields.marker) << 7);
    fixed[2..4].copy_from_slice(&fields.sequence.0.to_be_bytes());
    fixed[4..8].copy_from_slice(&fields.timestamp.0.to_be_bytes());
    fixed[8..12].copy_from_slice(&fields.ssrc.to_be_bytes());
    let mut header_len = FIXED_HEADER_LEN;
    if !extensions.is_empty() {
        header_len += write_extensions(&mut out[FIXED_HEADER_LEN..], extensions)?;
    }
    let len = header_len + payload.len();
    out.get_mut(header_len..len)
        .ok_or(Error::BufferFull)?
        .copy_from_slice(payload);
    Ok(Written { header_len, len })
}

/// Writes the four-byte head and the extensions, padded to a word; returns the bytes used.
fn write_extensions(out: &mut [u8], extensions: &[(u8, &[u8])]) -> Result<usize, Error> {
    let one_byte = extensions
        .iter()
        .all(|(id, data)| (1..=14).contains(id) && (1..=16).contains(&data.len()));
    let profile = if one_byte {
        ONE_BYTE_PROFILE
    } else {
        TWO_BYTE_PROFILE
    };
    let mut at = 4;
    for (id, data) in extensions {
        let data_len = u8::try_from(data.len()).map_err(|_| Error::Extension)?;
        if *id == 0 {
            return Err(Error::Extension);
        }
        let head_len = if one_byte { 1 } else { 2 };
        let end = at + head_len + data.len();
        let element = out.get_mut(at..end).ok_or(Error::BufferFull)?;
        if one_byte {
            element[0] = (*id << 4) | (data_len - 1);
        } else {
            element[..2].copy_from_slice(&[*id, data_len]);
        }
        element[head_len..].copy_from_slice(data);
        at = end;
    }
    let end = at.next_multiple_of(4);
    out.get_mut(at..end).ok_or(Error::BufferFull)?.fill(0);
    let words = u16::try_from(end / 4 - 1).map_err(|_| Error::Extension)?;
    out[..2].copy_from_slice(&profile.to_be_bytes());
    out[2..4].copy_from_slice(&words.to_be_bytes());
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;
    use proptest::prelude::*;

    const FIELDS: Fields = Fields {
        marker: true,
        payload_type: 111,
        sequence: SequenceNumber(65_535),
        timestamp: RtpTime(1),
        ssrc: 2,
    };

    #[test]
    fn a_buffer_that_is_too_small_is_an_error_at_every_size() {
        let mut buffer = [0; 64];
        let len = write_packet(&mut buffer, &FIELDS, &[(1, b"0")], b"abc")
            .unwrap()
            .len;
        for size in 0..len {
            let result = write_packet(&mut buffer[..size], &FIELDS, &[(1, b"0")], b"abc");
            assert_eq!(result, Err(Error::BufferFull), "size {size}");
        }
        assert_eq!(
            write_packet(&mut buffer, &FIELDS, &[(0, b"0")], b""),
            Err(Error::Extension)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            extensions in prop::collection::vec((1u8..=255, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let list: Vec<(u8, &[u8])> = extensions.iter().map(|(id, data)| (*id, &data[..])).collect();
            let mut buffer = [0xEE; 512];
            let written = write_packet(&mut buffer, &FIELDS, &list, &payload).unwrap();
            let packet = Packet::parse(&buffer[..written.len]).unwrap();
            prop_assert_eq!(packet.header().len, written.header_len);
            prop_assert_eq!(packet.payload(), &payload[..]);
            prop_assert_eq!(packet.extensions().collect::<Vec<_>>(), list);
        }
    }
}
