//! RTCP: reading compound packets and writing them (RFC 3550 section 6, RFC 4585, RFC 5104).
//!
//! What has no view here (extended reports) comes out as [`Packet::Other`] with its body, so that
//! a caller can hand it to another parser.

mod transport;
mod write;

pub use transport::{ArrivalTime, Arrived, STATUSES_MAX, TransportFeedback};
pub use write::Writer;

use crate::{Error, NtpTime, RtpTime, SequenceNumber};

/// Packet type of a sender report.
pub const SENDER_REPORT: u8 = 200;
/// Packet type of a receiver report.
pub const RECEIVER_REPORT: u8 = 201;
/// Packet type of a source description.
pub const SOURCE_DESCRIPTION: u8 = 202;
/// Packet type of a goodbye.
pub const BYE: u8 = 203;
/// Packet type of transport layer feedback.
pub const TRANSPORT_FEEDBACK: u8 = 205;
/// Packet type of payload-specific feedback.
pub const PAYLOAD_FEEDBACK: u8 = 206;

const NACK_FORMAT: u8 = 1;
const PLI_FORMAT: u8 = 1;
const FIR_FORMAT: u8 = 4;
/// Application layer feedback, which REMB is (RFC 4585 section 6.4).
const APPLICATION_FORMAT: u8 = 15;
const SDES_CNAME: u8 = 1;
const REPORT_BLOCK_LEN: usize = 24;

/// Iterates over the packets of a compound RTCP datagram. After the first error it ends.
pub fn packets(data: &[u8]) -> Packets<'_> {
    Packets { rest: data }
}

/// The iterator that [`packets`] returns.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

/// One RTCP packet of a compound.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// A sender report and what its sender receives.
    SenderReport(SenderReport, ReportBlocks<'a>),
    /// A receiver report: its sender and what that one receives.
    ReceiverReport(u32, ReportBlocks<'a>),
    /// A source description.
    SourceDescription(SourceDescription<'a>),
    /// A goodbye.
    Bye(Bye<'a>),
    /// A picture loss indication (RFC 4585 section 6.3.1).
    PictureLoss {
        /// Who asks.
        sender_ssrc: u32,
        /// The source that should send a keyframe.
        media_ssrc: u32,
    },
    /// A full intra request (RFC 5104 section 4.3.1).
    FullIntraRequest(FullIntraRequest<'a>),
    /// A generic negative acknowledgement (RFC 4585 section 6.2.1).
    Nack(Nack<'a>),
    /// Transport-wide feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// A receiver's estimate of what its way carries (draft-alvestrand-rmcat-remb-03).
    Estimate {
        /// Who estimates.
        sender_ssrc: u32,
        /// Bits a second.
        bitrate: u64,
    },
    /// Anything else, unread.
    Other {
        /// The packet type.
        packet_type: u8,
        /// The five bits after version and padding: a count or a feedback format.
        format: u8,
        /// What follows the four-byte head, without padding.
        body: &'a [u8],
    },
}

/// The sender's part of a sender report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderReport {
    /// The source that reports.
    pub ssrc: u32,
    /// The wall clock of the sender at the report.
    pub ntp: NtpTime,
    /// The same instant in the source's RTP clock.
    pub rtp: RtpTime,
    /// Packets sent so far, wrapping.
    pub packet_count: u32,
    /// Payload bytes sent so far, wrapping.
    pub octet_count: u32,
}

/// What a receiver says about one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far, -8388608 to 8388607; duplicates make it negative.
    pub cumulative_lost: i32,
    /// The highest sequence number, with the count of wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the source's clock.
    pub jitter: u32,
    /// The middle bits of the last sender report's NTP time; 0 when there was none.
    pub last_sender_report: u32,
    /// How long ago that report came, in units of 2^-16 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// The most blocks that one report holds: its count has five bits.
    pub const COUNT_MAX: usize = 31;

    fn parse(data: &[u8; REPORT_BLOCK_LEN]) -> Self {
        Self {
            ssrc: word(data, 0),
            fraction_lost: data[4],
            // Sign extension of the 24-bit field.
            cumulative_lost: (word(data, 4) << 8).cast_signed() >> 8,
            highest_sequence: word(data, 8),
            jitter: word(data, 12),
            last_sender_report: word(data, 16),
            delay_since_last: word(data, 20),
        }
    }
}

/// Iterates over the report blocks of a report.
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a> {
    blocks: std::slice::Iter<'a, [u8; REPORT_BLOCK_LEN]>,
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        self.blocks.next().map(ReportBlock::parse)
    }
}

/// A source description (RFC 3550 section 6.5).
#[derive(Clone, Debug)]
pub struct SourceDescription<'a> {
    body: &'a [u8],
    count: u8,
}

impl<'a> SourceDescription<'a> {
    /// Returns each source's canonical name, as bytes; ends at the first chunk that is broken.
    pub fn cnames(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = self.body;
        let mut left = self.count;
        std::iter::from_fn(move || {
            while left > 0 {
                left -= 1;
                let ssrc = u32::from_be_bytes(*rest.first_chunk()?);
                let (name, len) = read_chunk(rest.get(4..)?)?;
                rest = rest.get(4 + len..).unwrap_or_default();
                if let Some(name) = name {
                    return Some((ssrc, name));
                }
            }
            None
        })
    }
}

/// Reads the items of one chunk; returns its canonical name and its padded length.
fn read_chunk(items: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    let mut name = None;
    let mut at = 0;
    loop {
        let kind = *items.get(at)?;
        if kind == 0 {
            return Some((name, (at + 1).next_multiple_of(4)));
        }
        let len = usize::from(*items.get(at + 1)?);
        let value = items.get(at + 2..at + 2 + len)?;
        if kind == SDES_CNAME {
            name = name.or(Some(value));
        }
        at += 2 + len;
    }
}

/// A goodbye (RFC 3550 section 6.6).
#[derive(Clone, Debug)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
}

impl<'a> Bye<'a> {
    /// Returns the sources that leave.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources
            .iter()
            .map(|source| u32::from_be_bytes(*source))
    }
}

/// A full intra request (RFC 5104 section 4.3.1).
#[derive(Clone, Debug)]
pub struct FullIntraRequest<'a> {
    /// Who asks.
    pub sender_ssrc: u32,
    entries: &'a [[u8; 8]],
}

impl<'a> FullIntraRequest<'a> {
    /// Returns the sources that should send a keyframe, each with the request's own number.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u8)> + use<'a> {
        self.entries.iter().map(|entry| (word(entry, 0), entry[4]))
    }
}

/// A generic negative acknowledgement (RFC 4585 section 6.2.1).
#[derive(Clone, Debug)]
pub struct Nack<'a> {
    /// Who misses packets.
    pub sender_ssrc: u32,
    /// The source whose packets are missing.
    pub media_ssrc: u32,
    pairs: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    /// Returns the missing sequence numbers, at most 17 for each pair of the packet.
    pub fn sequences(&self) -> impl Iterator<Item = SequenceNumber> + use<'a> {
        self.pairs.iter().flat_map(|pair| {
            let first = SequenceNumber(u16::from_be_bytes([pair[0], pair[1]]));
            let mask = u16::from_be_bytes([pair[2], pair[3]]);
            let more = (0..16).filter(move |bit| mask >> bit & 1 == 1);
            std::iter::once(first).chain(more.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = split_first(self.rest);
        self.rest = split.as_ref().map_or(&[], |(_, rest)| rest);
        Some(split.and_then(|(raw, _)| raw.read()))
    }
}

/// One packet with its head decoded and its padding removed.
struct Raw<'a> {
    packet_type: u8,
    format: u8,
    body: &'a [u8],
}

fn split_first(data: &[u8]) -> Result<(Raw<'_>, &[u8]), Error> {
    let head = data.first_chunk::<4>().ok_or(Error::TooShort)?;
    if head[0] >> 6 != 2 {
        return Err(Error::Version);
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (packet, rest) = data.split_at_checked(len).ok_or(Error::TooShort)?;
    let mut body = &packet[4..];
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*body.last().ok_or(Error::Padding)?);
        if padding == 0 || padding > body.len() {
            return Err(Error::Padding);
        }
        body = &body[..body.len() - padding];
    }
    Ok((
        Raw {
            packet_type: head[1],
            format: head[0] & 0x1F,
            body,
        },
        rest,
    ))
}

impl<'a> Raw<'a> {
    fn read(self) -> Result<Packet<'a>, Error> {
        match (self.packet_type, self.format) {
            (SENDER_REPORT, count) => {
                let sender = self.body.first_chunk::<24>().ok_or(Error::TooShort)?;
                let report = SenderReport {
                    ssrc: word(sender, 0),
                    ntp: NtpTime(u64::from(word(sender, 4)) << 32 | u64::from(word(sender, 8))),
                    rtp: RtpTime(word(sender, 12)),
                    packet_count: word(sender, 16),
                    octet_count: word(sender, 20),
                };
                Ok(Packet::SenderReport(
                    report,
                    report_blocks(&self.body[24..], count)?,
                ))
            }
            (RECEIVER_REPORT, count) => {
                let (ssrc, rest) = self.ssrc()?;
                Ok(Packet::ReceiverReport(ssrc, report_blocks(rest, count)?))
            }
            (SOURCE_DESCRIPTION, count) => Ok(Packet::SourceDescription(SourceDescription {
                body: self.body,
                count,
            })),
            (BYE, count) => {
                let (sources, _) = self.body.as_chunks::<4>();
                let sources = sources.get(..usize::from(count)).ok_or(Error::TooShort)?;
                Ok(Packet::Bye(Bye { sources }))
            }
            (TRANSPORT_FEEDBACK, NACK_FORMAT) => {
                let (sender_ssrc, media_ssrc, rest) = self.feedback()?;
                let (pairs, _) = rest.as_chunks::<4>();
                Ok(Packet::Nack(Nack {
                    sender_ssrc,
                    media_ssrc,
                    pairs,
                }))
            }
            (TRANSPORT_FEEDBACK, transport::TRANSPORT_WIDE_FORMAT) => Ok(
                Packet::TransportFeedback(TransportFeedback::parse(self.body)?),
            ),
            (PAYLOAD_FEEDBACK, APPLICATION_FORMAT) if self.is_estimate() => self.estimate(),
            (PAYLOAD_FEEDBACK, PLI_FORMAT) => {
                let (sender_ssrc, media_ssrc, _) = self.feedback()?;
                Ok(Packet::PictureLoss {
                    sender_ssrc,
                    media_ssrc,
                })
            }
            (PAYLOAD_FEEDBACK, FIR_FORMAT) => {
                let (sender_ssrc, _, rest) = self.feedback()?;
                let (entries, _) = rest.as_chunks::<8>();
                Ok(Packet::FullIntraRequest(FullIntraRequest {
                    sender_ssrc,
                    entries,
                }))
            }
            (packet_type, format) => Ok(Packet::Other {
                packet_type,
                format,
                body: self.body,
            }),
        }
    }

    /// Tells whether application layer feedback is the one that this crate knows.
    fn is_estimate(&self) -> bool {
        self.body.get(8..12) == Some(b"REMB")
    }

    fn estimate(&self) -> Result<Packet<'a>, Error> {
        let (sender_ssrc, _, rest) = self.feedback()?;
        let word = word(rest.first_chunk::<8>().ok_or(Error::TooShort)?, 4);
        let (exponent, mantissa) = (word >> 18 & 0x3F, u64::from(word & 0x3_FFFF));
        Ok(Packet::Estimate {
            sender_ssrc,
            // More than 64 bits mean more than any way carries.
            bitrate: mantissa.saturating_mul(1 << exponent),
        })
    }

    fn ssrc(&self) -> Result<(u32, &'a [u8]), Error> {
        let (ssrc, rest) = self.body.split_first_chunk::<4>().ok_or(Error::TooShort)?;
        Ok((u32::from_be_bytes(*ssrc), rest))
    }

    fn feedback(&self) -> Result<(u32, u32, &'a [u8]), Error> {
        let (head, rest) = self.body.split_first_chunk::<8>().ok_or(Error::TooShort)?;
        Ok((word(head, 0), word(head, 4), rest))
    }
}

fn report_blocks(data: &[u8], count: u8) -> Result<ReportBlocks<'_>, Error> {
    let (blocks, _) = data.as_chunks::<REPORT_BLOCK_LEN>();
    let blocks = blocks.get(..usize::from(count)).ok_or(Error::TooShort)?;
    Ok(ReportBlocks {
        blocks: blocks.iter(),
    })
}

/// Reads the big-endian word at `at`, which the caller's array type shows to be inside.
fn word(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(data: &[u8]) -> Packet<'_> {
        packets(data).next().unwrap().unwrap()
    }

    #[test]
    fn a_compound_is_read_in_order() {
        let report = SenderReport {
            ssrc: 1,
            ntp: NtpTime(0x1122_3344_5566_7788),
            rtp: RtpTime(9),
            packet_count: 3,
            octet_count: 4,
        };
        let block = ReportBlock {
            ssrc: 5,
            cumulative_lost: -3,
            jitter: 7,
            ..Default::default()
        };
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        writer.sender_report(&report, &[block]).unwrap();
        writer.cname(1, "snug").unwrap();
        writer.pli(1, 2).unwrap();
        let len = writer.finish();
        let read: Vec<_> = packets(&buffer[..len]).map(Result::unwrap).collect();
        let Packet::SenderReport(found, blocks) = &read[0] else {
            panic!("{read:?}")
        };
        assert_eq!(*found, report);
        assert_eq!(blocks.clone().collect::<Vec<_>>(), [block]);
        let Packet::SourceDescription(description) = &read[1] else {
            panic!("{read:?}")
        };
        assert_eq!(
            description.cnames().collect::<Vec<_>>(),
            [(1, &b"snug"[..])]
        );
        assert!(matches!(
            read[2],
            Packet::PictureLoss {
                sender_ssrc: 1,
                media_ssrc: 2
            }
        ));
    }

    #[test]
    fn nack_pairs_become_numbers_across_the_wrap() {
        let bytes = [
            0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0xFF, 0xFF, 0x80, 0x01,
        ];
        let Packet::Nack(nack) = first(&bytes) else {
            panic!()
        };
        let numbers: Vec<u16> = nack.sequences().map(|sequence| sequence.0).collect();
        assert_eq!(numbers, [65_535, 0, 15]);
    }

    #[test]
    fn broken_packets_end_the_iteration() {
        assert_eq!(
            packets(&[0x81, 200]).next().unwrap().unwrap_err(),
            Error::TooShort
        );
        let lying = [0x81, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(
            packets(&lying).next().unwrap().unwrap_err(),
            Error::TooShort
        );
        let mut iterator = packets(&[0x01, 200, 0, 0, 0x80, 203, 0, 0]);
        assert_eq!(iterator.next().unwrap().unwrap_err(), Error::Version);
        assert!(iterator.next().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut data: Vec<u8>, packet_type in 199u8..=207) {
            if data.len() >= 4 {
                data[0] = 0x80 | (data[0] & 0x3F);
                data[1] = packet_type;
                data[2] = 0;
            }
            for packet in packets(&data).flatten() {
                let _count = match packet {
                    Packet::SenderReport(_, blocks) | Packet::ReceiverReport(_, blocks) => blocks.count(),
                    Packet::SourceDescription(description) => description.cnames().count(),
                    Packet::Bye(bye) => bye.ssrcs().count(),
                    Packet::FullIntraRequest(request) => request.entries().count(),
                    Packet::Nack(nack) => nack.sequences().count(),
                    Packet::TransportFeedback(feedback) => feedback.arrivals().count(),
                    Packet::PictureLoss { .. } | Packet::Estimate { .. } | Packet::Other { .. } => 0,
                };
            }
        }
    }
}
