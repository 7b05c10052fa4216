//! Pictures from a guest to the others, and theirs to it.

use std::time::{Duration, Instant};

use anyhow::Result;
use snug_media::VideoSource as _;
use snug_media::source::TestPattern;
use snug_media::vp8::{Decoder, EncodedFrame, Encoder, EncoderConfig};
use snug_rtp::vp8::Descriptor;
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};

use super::{Guest, Keys, VP8, Way};
use crate::turn::Turn;

/// What its camera shows.
const SIZE: (u32, u32) = (320, 240);
const FRAMES_PER_SECOND: u32 = 15;
const BITS_PER_SECOND: u32 = 200_000;
/// Pictures from one keyframe to the next: it reads no requests, and newcomers should not wait.
const KEYFRAME_EVERY: u64 = 15;
/// The most bytes of a picture in one packet.
const PAYLOAD_MAX: usize = 1100;
/// Ticks of the clock of pictures in a second (RFC 7741 section 4.1).
const CLOCK: u32 = 90_000;
/// The source named in its offers.
const SSRC: u32 = 8;

/// A guest with a camera that looks at one other.
pub struct Watcher {
    /// Who it is.
    pub guest: Guest,
    /// Width and height of every picture that it decoded.
    pub seen: Vec<(u32, u32)>,
    way: Way,
    keys: Keys,
    camera: TestPattern,
    encoder: Encoder,
    decoder: Decoder,
    /// The packets of the picture that is arriving: its time, the next number, its bytes so far.
    arriving: Option<(RtpTime, SequenceNumber, Vec<u8>)>,
    sequence: SequenceNumber,
}

impl Watcher {
    /// Negotiates and connects by this TURN connection.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn start(mut guest: Guest, turn: Turn) -> Result<Self> {
        let generation = guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        let keys = guest.shake(&mut way)?;
        let (width, height) = SIZE;
        let config = EncoderConfig::new(width, height, FRAMES_PER_SECOND, BITS_PER_SECOND);
        Ok(Self {
            guest,
            seen: Vec::new(),
            way,
            keys,
            camera: TestPattern::new(width, height, FRAMES_PER_SECOND)?,
            encoder: Encoder::new(config)?,
            decoder: Decoder::new(1)?,
            arriving: None,
            sequence: SequenceNumber(1),
        })
    }

    /// Shows pictures, and decodes what comes, for so long.
    ///
    /// # Errors
    /// When the way fails, or something arrives that is no VP8.
    pub fn look(&mut self, time: Duration) -> Result<()> {
        let start = Instant::now();
        let mut number = 0;
        while start.elapsed() < time {
            let due = start + self.camera.frame_interval() * number;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.show(u64::from(number))?;
                number += 1;
            } else if let Some((_, data)) = self.way.turn.receive(left)?
                && let Some(packet) = self.keys.open_packet(&data, VP8)
            {
                self.take(&packet)?;
            }
        }
        Ok(())
    }

    fn show(&mut self, number: u64) -> Result<()> {
        let Some(captured) = self.camera.next_frame()? else {
            return Ok(());
        };
        if number.is_multiple_of(KEYFRAME_EVERY) {
            self.encoder.request_keyframe();
        }
        let Some(frame) = self.encoder.encode(&captured.frame, captured.at)? else {
            return Ok(());
        };
        let ticks = captured.at.as_nanos() * u128::from(CLOCK) / 1_000_000_000;
        // Truncation is the wrap of the clock.
        self.send(&frame, RtpTime(ticks as u32))
    }

    fn send(&mut self, frame: &EncodedFrame, timestamp: RtpTime) -> Result<()> {
        let pieces = frame.data.chunks(PAYLOAD_MAX);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            // The shortest descriptor there is: whether the piece starts the picture.
            let payload = [&[if index == 0 { 0x10 } else { 0 }], piece].concat();
            let fields = Fields {
                marker: index == last,
                payload_type: VP8,
                sequence: self.sequence,
                timestamp,
                ssrc: SSRC,
            };
            self.sequence = self.sequence.next();
            let mut packet = vec![0; payload.len() + 64];
            let written = write_packet(&mut packet, &fields, &[], &payload)?;
            let sealed = self.keys.seal_packet(&packet[..written.len])?;
            self.way.turn.send(self.way.server, &sealed)?;
        }
        Ok(())
    }

    /// Puts a packet to its picture, and decodes that when it is whole.
    fn take(&mut self, packet: &[u8]) -> Result<()> {
        let packet = Packet::parse(packet)?;
        let header = packet.header();
        if packet.payload().is_empty() {
            return Ok(());
        }
        let descriptor = Descriptor::parse(packet.payload())?;
        let piece = &packet.payload()[descriptor.len..];
        let starts = descriptor.starts_partition && descriptor.partition == 0;
        let belongs = |(time, next, _): &mut (RtpTime, SequenceNumber, Vec<u8>)| {
            *time == header.timestamp && *next == header.sequence
        };
        let before = self.arriving.take_if(belongs).map(|(_, _, bytes)| bytes);
        let Some(mut bytes) = before.or(starts.then(Vec::new)) else {
            return Ok(());
        };
        bytes.extend(piece);
        if header.marker {
            let picture = self.decoder.decode(&bytes)?;
            self.seen.push((picture.width, picture.height));
        } else {
            self.arriving = Some((header.timestamp, header.sequence.next(), bytes));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Watcher")
            .field("guest", &self.guest)
            .field("seen", &self.seen.len())
            .finish_non_exhaustive()
    }
}
