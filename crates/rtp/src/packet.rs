//! RTP packets as views of the caller's bytes (RFC 3550 section 5.1).

use crate::{Error, ExtensionBlock, Extensions, FIXED_HEADER_LEN, RtpTime, SequenceNumber};

/// The header of an RTP packet, decoded; holds no borrow. It can be read from a packet whose
/// payload is still encrypted, since SRTP leaves the header in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// Whether the packet ends in padding; how much is known only after decryption.
    pub has_padding: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: SequenceNumber,
    /// The timestamp.
    pub timestamp: RtpTime,
    /// The synchronisation source.
    pub ssrc: u32,
    /// Length of everything before the payload in bytes: fixed header, CSRCs, extensions.
    pub len: usize,
    /// The extension block, if there is one.
    pub extension: Option<ExtensionBlock>,
}

impl Header {
    /// Reads the header at the start of `data`.
    ///
    /// # Errors
    /// [`Error::TooShort`] when the header does not fit, [`Error::Version`] when it is not 2.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let fixed = data
            .first_chunk::<FIXED_HEADER_LEN>()
            .ok_or(Error::TooShort)?;
        if fixed[0] >> 6 != 2 {
            return Err(Error::Version);
        }
        let mut len = FIXED_HEADER_LEN + 4 * usize::from(fixed[0] & 0x0F);
        let mut extension = None;
        if fixed[0] & 0x10 != 0 {
            let head = data.get(len..len + 4).ok_or(Error::TooShort)?;
            let block = ExtensionBlock {
                profile: u16::from_be_bytes([head[0], head[1]]),
                start: len + 4,
                len: 4 * usize::from(u16::from_be_bytes([head[2], head[3]])),
            };
            len = block.start + block.len;
            extension = Some(block);
        }
        if data.len() < len {
            return Err(Error::TooShort);
        }
        Ok(Self {
            marker: fixed[1] & 0x80 != 0,
            has_padding: fixed[0] & 0x20 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: SequenceNumber(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: RtpTime(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            len,
            extension,
        })
    }
}

/// A decrypted RTP packet: a header and the place of its payload in the caller's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    data: &'a [u8],
    header: Header,
    payload_end: usize,
}

impl<'a> Packet<'a> {
    /// Reads a whole packet.
    ///
    /// # Errors
    /// As [`Header::parse`], and [`Error::Padding`] when the padding count is zero or reaches
    /// into the header.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        Self::from_header(Header::parse(data)?, data)
    }

    /// Joins a header read before decryption with the decrypted bytes it was read from.
    ///
    /// # Errors
    /// [`Error::TooShort`] when `data` does not hold the header, [`Error::Padding`] as above.
    pub fn from_header(header: Header, data: &'a [u8]) -> Result<Self, Error> {
        if data.len() < header.len {
            return Err(Error::TooShort);
        }
        let mut payload_end = data.len();
        if header.has_padding {
            let padding = usize::from(*data.last().ok_or(Error::TooShort)?);
            if padding == 0 || padding > data.len() - header.len {
                return Err(Error::Padding);
            }
            payload_end -= padding;
        }
        Ok(Self {
            data,
            header,
            payload_end,
        })
    }

    /// Returns the decoded header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the payload without padding; empty in a packet that only probes the path.
    pub fn payload(&self) -> &'a [u8] {
        &self.data[self.header.len..self.payload_end]
    }

    /// Returns how many bytes of padding end the packet, the count byte included.
    pub fn padding_len(&self) -> usize {
        self.data.len() - self.payload_end
    }

    /// Returns all bytes of the packet.
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// Iterates over the contributing sources.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let count = usize::from(self.data[0] & 0x0F);
        let (words, _) = self.data[FIXED_HEADER_LEN..].as_chunks::<4>();
        words
            .iter()
            .take(count)
            .map(|word| u32::from_be_bytes(*word))
    }

    /// Iterates over the header extensions.
    pub fn extensions(&self) -> Extensions<'a> {
        self.header
            .extension
            .map_or(Extensions::new(0, &[]), |block| {
                Extensions::new(
                    block.profile,
                    &self.data[block.start..block.start + block.len],
                )
            })
    }

    /// Finds the header extension with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(found, _)| *found == id)
            .map(|(_, data)| data)
    }
}

/// A packet whose fixed fields and payload can be changed in place.
#[derive(Debug)]
pub struct PacketMut<'a> {
    data: &'a mut [u8],
    header_len: usize,
    payload_end: usize,
}

impl<'a> PacketMut<'a> {
    /// Reads a whole packet, as [`Packet::parse`] does.
    ///
    /// # Errors
    /// Those of [`Packet::parse`].
    pub fn parse(data: &'a mut [u8]) -> Result<Self, Error> {
        let packet = Packet::parse(data)?;
        let (header_len, payload_end) = (packet.header.len, packet.payload_end);
        Ok(Self {
            data,
            header_len,
            payload_end,
        })
    }

    /// Writes the marker bit.
    pub fn set_marker(&mut self, marker: bool) {
        self.data[1] = (self.data[1] & 0x7F) | (u8::from(marker) << 7);
    }

    /// Writes the payload type; only its lower seven bits count.
    pub fn set_payload_type(&mut self, payload_type: u8) {
        self.data[1] = (self.data[1] & 0x80) | (payload_type & 0x7F);
    }

    /// Writes the sequence number.
    pub fn set_sequence(&mut self, sequence: SequenceNumber) {
        self.data[2..4].copy_from_slice(&sequence.0.to_be_bytes());
    }

    /// Writes the timestamp.
    pub fn set_timestamp(&mut self, timestamp: RtpTime) {
        self.data[4..8].copy_from_slice(&timestamp.0.to_be_bytes());
    }

    /// Writes the synchronisation source.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        self.data[8..12].copy_from_slice(&ssrc.to_be_bytes());
    }

    /// Returns the payload without padding, to change in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.header_len..self.payload_end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PADDED: [u8; 24] = [
        0xB1, 0xE0, 0x00, 0x07, 0, 0, 0, 9, 0, 0, 0, 5, // fixed: P, X, one CSRC, M, PT 96
        0, 0, 0, 42, // CSRC
        0xBE, 0xDE, 0, 0, // an empty extension block
        0xAA, 0, 0, 3, // one byte of payload, three of padding
    ];

    #[test]
    fn every_field_is_found() {
        let packet = Packet::parse(&PADDED).unwrap();
        assert!(packet.header().marker);
        assert_eq!(packet.header().payload_type, 96);
        assert_eq!(packet.header().sequence, SequenceNumber(7));
        assert_eq!(packet.header().timestamp, RtpTime(9));
        assert_eq!(packet.header().ssrc, 5);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [42]);
        assert_eq!(packet.payload(), [0xAA]);
        assert_eq!(packet.padding_len(), 3);
        assert_eq!(packet.extensions().count(), 0);
    }

    #[test]
    fn impossible_packets_are_refused() {
        let mut bytes = PADDED;
        bytes[23] = 0;
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Error::Padding);
        bytes[23] = 5;
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Error::Padding);
        bytes[0] = 0x40;
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Error::Version);
        assert_eq!(Packet::parse(&PADDED[..18]).unwrap_err(), Error::TooShort);
        assert_eq!(Packet::parse(&[]).unwrap_err(), Error::TooShort);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut data: Vec<u8>) {
            if let Some(first) = data.first_mut() {
                *first = 0x80 | (*first & 0x3F);
            }
            if let Ok(packet) = Packet::parse(&data) {
                let parts = packet.header().len + packet.payload().len() + packet.padding_len();
                prop_assert_eq!(parts, data.len());
                let _count = packet.extensions().count() + packet.csrcs().count();
            }
        }

        #[test]
        fn what_is_set_is_read(sequence: u16, timestamp: u32, ssrc: u32, payload_type in 0u8..128, marker: bool) {
            let mut bytes = PADDED;
            let mut packet = PacketMut::parse(&mut bytes).unwrap();
            packet.set_sequence(SequenceNumber(sequence));
            packet.set_timestamp(RtpTime(timestamp));
            packet.set_ssrc(ssrc);
            packet.set_payload_type(payload_type);
            packet.set_marker(marker);
            packet.payload_mut()[0] = 0xBB;
            let read = Packet::parse(&bytes).unwrap();
            prop_assert_eq!(read.header().sequence.0, sequence);
            prop_assert_eq!(read.header().timestamp.0, timestamp);
            prop_assert_eq!(read.header().ssrc, ssrc);
            prop_assert_eq!(read.header().payload_type, payload_type);
            prop_assert_eq!(read.header().marker, marker);
            prop_assert_eq!(read.payload(), [0xBB]);
        }
    }
}
