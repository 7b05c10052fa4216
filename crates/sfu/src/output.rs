//! RTCP that a router wants sent.

use crate::{PeerKey, Sequences};
use snug_rtp::Error;
use snug_rtp::rtcp::{ReportBlock, SenderReport, Writer};
use std::fmt::Write as _;

/// The source under which the server itself speaks RTCP: "SNUG". Its packets carry no media, so
/// nothing depends on it being unlike others.
pub(crate) const SERVER_SSRC: u32 = 0x534E_5547;

/// One RTCP packet to one peer. Neighbouring outputs for the same peer fit one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A publisher should send a keyframe.
    KeyframeRequest {
        /// The publisher.
        to: PeerKey,
        /// Its source.
        ssrc: u32,
    },
    /// A subscriber learns how a source's timestamps map to the publisher's wall clock.
    SenderReport {
        /// The subscriber.
        to: PeerKey,
        /// The peer whose media it is; names the clock that its sources share.
        publisher: PeerKey,
        /// The report, in the subscriber's numbers.
        report: SenderReport,
    },
    /// A publisher learns how its packets arrive.
    ReceiverReport {
        /// The publisher.
        to: PeerKey,
        /// What is reported.
        block: ReportBlock,
    },
    /// A publisher should send packets again.
    Missing {
        /// The publisher.
        to: PeerKey,
        /// Its source.
        ssrc: u32,
        /// What is missing.
        sequences: Sequences,
    },
    /// A publisher learns how much it may send.
    Estimate {
        /// The publisher.
        to: PeerKey,
        /// One of its sources; the estimate is for all of them.
        ssrc: u32,
        /// Bits a second.
        bitrate: u64,
    },
}

impl Output {
    /// Returns the peer that the packet is for.
    pub fn to(&self) -> PeerKey {
        match self {
            Self::KeyframeRequest { to, .. }
            | Self::SenderReport { to, .. }
            | Self::ReceiverReport { to, .. }
            | Self::Missing { to, .. }
            | Self::Estimate { to, .. } => *to,
        }
    }

    /// Appends the packet to a compound.
    ///
    /// # Errors
    /// [`Error::BufferFull`] when it does not fit; nothing is written then.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        match self {
            Self::KeyframeRequest { ssrc, .. } => {
                lead(writer)?;
                writer.pli(SERVER_SSRC, *ssrc)
            }
            Self::Missing {
                ssrc, sequences, ..
            } => {
                lead(writer)?;
                writer.nack(SERVER_SSRC, *ssrc, sequences.iter())
            }
            Self::Estimate { ssrc, bitrate, .. } => {
                lead(writer)?;
                writer.remb(SERVER_SSRC, *ssrc, *bitrate)
            }
            Self::SenderReport {
                publisher, report, ..
            } => {
                writer.sender_report(report, &[])?;
                let mut name = Cname::default();
                write!(name, "{:08x}", publisher.0).expect("eight digits fit");
                writer.cname(report.ssrc, name.as_str())
            }
            Self::ReceiverReport { block, .. } => {
                writer.receiver_report(SERVER_SSRC, std::slice::from_ref(block))
            }
        }
    }
}

/// Starts a compound with a report, as it must where reduced size was not negotiated
/// (RFC 3550 section 6.1, RFC 5506 section 4.2): an empty one costs 8 bytes.
pub(crate) fn lead(writer: &mut Writer<'_>) -> Result<(), Error> {
    match writer.is_empty() {
        true => writer.receiver_report(SERVER_SSRC, &[]),
        false => Ok(()),
    }
}

/// Eight characters on the stack: receivers play sources of one canonical name in step
/// (RFC 3550 section 6.5.1), and no name of a person comes into it.
#[derive(Default)]
struct Cname {
    bytes: [u8; 8],
    len: usize,
}

impl Cname {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("only digits are written")
    }
}

impl std::fmt::Write for Cname {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let place = self
            .bytes
            .get_mut(self.len..self.len + text.len())
            .ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snug_rtp::rtcp::{Packet, packets};

    #[test]
    fn outputs_make_a_compound() {
        let to = PeerKey(1);
        let report = SenderReport {
            ssrc: 5,
            ..Default::default()
        };
        let outputs = [
            Output::SenderReport {
                to,
                publisher: PeerKey(0xAB),
                report,
            },
            Output::KeyframeRequest { to, ssrc: 6 },
            Output::ReceiverReport {
                to,
                block: ReportBlock {
                    ssrc: 7,
                    ..Default::default()
                },
            },
        ];
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        for output in outputs {
            output.write(&mut writer).unwrap();
        }
        let len = writer.finish();
        let read: Vec<_> = packets(&buffer[..len]).map(Result::unwrap).collect();
        assert!(matches!(&read[0], Packet::SenderReport(found, _) if *found == report));
        let Packet::SourceDescription(names) = &read[1] else {
            panic!("{read:?}")
        };
        assert_eq!(names.cnames().next(), Some((5, &b"000000ab"[..])));
        assert!(matches!(read[2], Packet::PictureLoss { media_ssrc: 6, .. }));
        assert!(matches!(read[3], Packet::ReceiverReport(SERVER_SSRC, _)));
    }
}
