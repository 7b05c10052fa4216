//! Writing compound RTCP packets into the caller's buffer.

use super::{
    APPLICATION_FORMAT, BYE, FIR_FORMAT, NACK_FORMAT, PAYLOAD_FEEDBACK, PLI_FORMAT,
    RECEIVER_REPORT, ReportBlock, SDES_CNAME, SENDER_REPORT, SOURCE_DESCRIPTION, SenderReport,
    TRANSPORT_FEEDBACK,
};
use crate::{Error, SequenceNumber};

/// Appends RTCP packets to a buffer. A packet that does not fit is an error and leaves nothing
/// behind, so the caller can send what there is and start again.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    /// End of the last whole packet.
    len: usize,
    /// End of what is written of the packet in progress.
    at: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0, at: 0 }
    }

    /// Returns how many bytes hold whole packets.
    pub fn finish(self) -> usize {
        self.len
    }

    /// Tells whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a sender report with up to 31 blocks (RFC 3550 section 6.4.1).
    ///
    /// # Errors
    /// [`Error::BufferFull`], or [`Error::TooMany`] blocks.
    pub fn sender_report(
        &mut self,
        report: &SenderReport,
        blocks: &[ReportBlock],
    ) -> Result<(), Error> {
        let count = block_count(blocks)?;
        self.packet(SENDER_REPORT, count, |writer| {
            writer.put(&report.ssrc.to_be_bytes())?;
            writer.put(&report.ntp.0.to_be_bytes())?;
            writer.put(&report.rtp.0.to_be_bytes())?;
            writer.put(&report.packet_count.to_be_bytes())?;
            writer.put(&report.octet_count.to_be_bytes())?;
            writer.blocks(blocks)
        })
    }

    /// Appends a receiver report with up to 31 blocks (RFC 3550 section 6.4.2).
    ///
    /// # Errors
    /// [`Error::BufferFull`], or [`Error::TooMany`] blocks.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), Error> {
        let count = block_count(blocks)?;
        self.packet(RECEIVER_REPORT, count, |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            writer.blocks(blocks)
        })
    }

    /// Appends a source description that holds one canonical name of at most 255 bytes
    /// (RFC 3550 section 6.5).
    ///
    /// # Errors
    /// [`Error::BufferFull`], or [`Error::TooMany`] bytes in the name.
    pub fn cname(&mut self, ssrc: u32, name: &str) -> Result<(), Error> {
        let name_len = u8::try_from(name.len()).map_err(|_| Error::TooMany)?;
        self.packet(SOURCE_DESCRIPTION, 1, |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            writer.put(&[SDES_CNAME, name_len])?;
            writer.put(name.as_bytes())?;
            // One zero ends the list, more fill the word.
            let used = 2 + name.len();
            writer.put(&[0; 4][..4 - used % 4])
        })
    }

    /// Appends a goodbye for up to 31 sources (RFC 3550 section 6.6).
    ///
    /// # Errors
    /// [`Error::BufferFull`], or [`Error::TooMany`] sources.
    pub fn bye(&mut self, ssrcs: &[u32]) -> Result<(), Error> {
        let count = u8::try_from(ssrcs.len()).ok().filter(|count| *count <= 31);
        self.packet(BYE, count.ok_or(Error::TooMany)?, |writer| {
            ssrcs
                .iter()
                .try_for_each(|ssrc| writer.put(&ssrc.to_be_bytes()))
        })
    }

    /// Appends a picture loss indication (RFC 4585 section 6.3.1).
    ///
    /// # Errors
    /// [`Error::BufferFull`].
    pub fn pli(&mut self, sender_ssrc: u32, media_ssrc: u32) -> Result<(), Error> {
        self.packet(PAYLOAD_FEEDBACK, PLI_FORMAT, |writer| {
            writer.put(&sender_ssrc.to_be_bytes())?;
            writer.put(&media_ssrc.to_be_bytes())
        })
    }

    /// Appends a full intra request for one source; `number` differs from the last request's
    /// when a new keyframe is wanted (RFC 5104 section 4.3.1).
    ///
    /// # Errors
    /// [`Error::BufferFull`].
    pub fn fir(&mut self, sender_ssrc: u32, media_ssrc: u32, number: u8) -> Result<(), Error> {
        self.packet(PAYLOAD_FEEDBACK, FIR_FORMAT, |writer| {
            writer.put(&sender_ssrc.to_be_bytes())?;
            writer.put(&[0; 4])?;
            writer.put(&media_ssrc.to_be_bytes())?;
            writer.put(&[number, 0, 0, 0])
        })
    }

    /// Appends a negative acknowledgement of `missing`, ascending; neighbours within 16 share
    /// a pair (RFC 4585 section 6.2.1). Writes nothing when the list is empty.
    ///
    /// # Errors
    /// [`Error::BufferFull`].
    pub fn nack(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
        missing: impl IntoIterator<Item = SequenceNumber>,
    ) -> Result<(), Error> {
        let mut missing = missing.into_iter();
        let Some(mut first) = missing.next() else {
            return Ok(());
        };
        self.packet(TRANSPORT_FEEDBACK, NACK_FORMAT, |writer| {
            writer.put(&sender_ssrc.to_be_bytes())?;
            writer.put(&media_ssrc.to_be_bytes())?;
            let mut mask = 0u16;
            for sequence in missing {
                match sequence.distance_from(first) {
                    0 => {}
                    step @ 1..=16 => mask |= 1 << (step - 1),
                    _ => {
                        writer.pair(first, mask)?;
                        (first, mask) = (sequence, 0);
                    }
                }
            }
            writer.pair(first, mask)
        })
    }

    /// Appends a receiver's estimate of how many bits a second the way of one source carries
    /// (draft-alvestrand-rmcat-remb-03 section 2.2). It is rounded down to 18 bits of mantissa.
    ///
    /// # Errors
    /// [`Error::BufferFull`].
    pub fn remb(&mut self, sender_ssrc: u32, media_ssrc: u32, bits: u64) -> Result<(), Error> {
        const MANTISSA_BITS: u32 = 18;
        // At most 46, which six bits hold.
        let exponent = (u64::BITS - bits.leading_zeros()).saturating_sub(MANTISSA_BITS);
        let mantissa = (bits >> exponent) as u32;
        let sources = 1;
        self.packet(PAYLOAD_FEEDBACK, APPLICATION_FORMAT, |writer| {
            writer.put(&sender_ssrc.to_be_bytes())?;
            writer.put(&[0; 4])?;
            writer.put(b"REMB")?;
            let word = sources << 24 | exponent << MANTISSA_BITS | mantissa;
            writer.put(&word.to_be_bytes())?;
            writer.put(&media_ssrc.to_be_bytes())
        })
    }

    /// Fills the word with zeros.
    pub(super) fn pad(&mut self) -> Result<(), Error> {
        let used = (self.at - self.len) % 4;
        self.put(&[0; 4][..(4 - used) % 4])
    }

    fn pair(&mut self, first: SequenceNumber, mask: u16) -> Result<(), Error> {
        self.put(&first.0.to_be_bytes())?;
        self.put(&mask.to_be_bytes())
    }

    fn blocks(&mut self, blocks: &[ReportBlock]) -> Result<(), Error> {
        for block in blocks {
            let lost = block
                .cumulative_lost
                .clamp(-0x80_0000, 0x7F_FFFF)
                .cast_unsigned();
            let loss = u32::from(block.fraction_lost) << 24 | (lost & 0xFF_FFFF);
            for word in [
                block.ssrc,
                loss,
                block.highest_sequence,
                block.jitter,
                block.last_sender_report,
                block.delay_since_last,
            ] {
                self.put(&word.to_be_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes a head, lets `body` write the rest, and fills in the length; forgets everything
    /// when the body does not fit.
    pub(super) fn packet(
        &mut self,
        packet_type: u8,
        format: u8,
        body: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.at = self.len;
        self.put(&[0x80 | format, packet_type, 0, 0])?;
        body(self)?;
        let words = u16::try_from((self.at - self.len) / 4 - 1).map_err(|_| Error::TooMany)?;
        self.out[self.len + 2..self.len + 4].copy_from_slice(&words.to_be_bytes());
        self.len = self.at;
        Ok(())
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.at + bytes.len();
        self.out
            .get_mut(self.at..end)
            .ok_or(Error::BufferFull)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

fn block_count(blocks: &[ReportBlock]) -> Result<u8, Error> {
    let count = u8::try_from(blocks.len()).map_err(|_| Error::TooMany)?;
    if blocks.len() > ReportBlock::COUNT_MAX {
        Err(Error::TooMany)
    } else {
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, packets};
    use proptest::prelude::*;

    #[test]
    fn a_packet_that_does_not_fit_leaves_nothing() {
        let mut buffer = [0; 20];
        let mut writer = Writer::new(&mut buffer);
        writer.pli(1, 2).unwrap();
        assert_eq!(writer.pli(3, 4), Err(Error::BufferFull));
        assert_eq!(writer.finish(), 12);
        let mut buffer = [0; 2048];
        let blocks = [ReportBlock::default(); 32];
        assert_eq!(
            Writer::new(&mut buffer).receiver_report(1, &blocks),
            Err(Error::TooMany)
        );
    }

    #[test]
    fn requests_and_goodbyes_are_read_back() {
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer);
        writer.fir(1, 2, 9).unwrap();
        writer.bye(&[7, 8]).unwrap();
        let len = writer.finish();
        let read: Vec<_> = packets(&buffer[..len]).map(Result::unwrap).collect();
        let Packet::FullIntraRequest(request) = &read[0] else {
            panic!("{read:?}")
        };
        assert_eq!(request.entries().collect::<Vec<_>>(), [(2, 9)]);
        let Packet::Bye(bye) = &read[1] else {
            panic!("{read:?}")
        };
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn an_estimate_is_written_as_the_draft_says() {
        for (bits, expected) in [
            (0, [1, 0, 0, 0]),
            (262_143, [1, 0x03, 0xFF, 0xFF]),
            // 2 500 000 = 156 250 x 2^4
            (2_500_000, [1, 0x12, 0x62, 0x5A]),
            (u64::MAX, [1, 0xBB, 0xFF, 0xFF]),
        ] {
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            writer.remb(1, 7, bits).unwrap();
            let len = writer.finish();
            let body = &buffer[4..len];
            assert_eq!(buffer[..2], [0x80 | 15, PAYLOAD_FEEDBACK]);
            assert_eq!(&body[8..12], b"REMB");
            assert_eq!(body[12..16], expected, "{bits}");
            assert_eq!(body[16..], [0, 0, 0, 7]);
            let Packet::Estimate { bitrate, .. } = packets(&buffer[..len]).next().unwrap().unwrap()
            else {
                panic!("another packet")
            };
            let rounded = bits - bitrate;
            assert!(rounded <= bits >> 17, "{bits} became {bitrate}");
        }
    }

    proptest! {
        #[test]
        fn names_of_every_length_are_padded(name in "[a-z]{0,255}") {
            let mut buffer = [0xFF; 300];
            let mut writer = Writer::new(&mut buffer);
            writer.cname(77, &name).unwrap();
            let len = writer.finish();
            prop_assert_eq!(len % 4, 0);
            let Packet::SourceDescription(description) = packets(&buffer[..len]).next().unwrap().unwrap() else {
                panic!("another packet")
            };
            prop_assert_eq!(description.cnames().collect::<Vec<_>>(), [(77, name.as_bytes())]);
        }

        #[test]
        fn missing_numbers_are_read_back(start: u16, steps in prop::collection::vec(1u16..40, 1..60)) {
            let mut list = vec![SequenceNumber(start)];
            for step in steps {
                list.push(list[list.len() - 1].wrapping_add(step));
            }
            let mut buffer = [0; 512];
            let mut writer = Writer::new(&mut buffer);
            writer.nack(1, 2, list.iter().copied()).unwrap();
            let len = writer.finish();
            let Packet::Nack(nack) = packets(&buffer[..len]).next().unwrap().unwrap() else {
                panic!("another packet")
            };
            prop_assert_eq!(nack.sequences().collect::<Vec<_>>(), list);
        }
    }
}
