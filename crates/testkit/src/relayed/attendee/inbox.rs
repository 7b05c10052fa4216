//! What arrives in one receiving section, decoded.

use anyhow::Result;
use snug_media::frame::SAMPLE_RATE;
use snug_media::{opus, vp8};
use snug_rtp::vp8::Descriptor;
use snug_rtp::{Packet, RtpTime, SequenceNumber};

use crate::tone;
use crate::wav::Sound;

/// How much sound is kept, in samples: a second, of which a tone can be told.
const SAMPLES_MAX: usize = SAMPLE_RATE as usize;
/// How far a decoded tone may be off, in hertz.
const TONE_WIDTH: f64 = 30.0;
/// Which share of the energy a tone must have that is heard.
const TONE_SHARE: f64 = 0.8;

/// What was decoded of one track.
#[derive(Default)]
pub struct Received {
    /// Width and height of every picture.
    pub seen: Vec<(u32, u32)>,
    /// The last second of sound.
    pub heard: Vec<f32>,
}

/// Decodes one track.
pub(super) struct Inbox {
    /// What it decoded.
    pub received: Received,
    pictures: vp8::Decoder,
    sounds: opus::Decoder,
    /// The packets of the picture that is arriving: its time, the next number, its bytes so far.
    arriving: Option<(RtpTime, SequenceNumber, Vec<u8>)>,
}

impl Inbox {
    pub fn new() -> Result<Self> {
        Ok(Self {
            received: Received::default(),
            pictures: vp8::Decoder::new(1)?,
            sounds: opus::Decoder::new()?,
            arriving: None,
        })
    }

    pub fn take_sound(&mut self, packet: &Packet<'_>) -> Result<()> {
        let mut samples = [0.0; opus::PACKET_SAMPLES_MAX];
        if !packet.payload().is_empty() {
            let count = self.sounds.decode(packet.payload(), &mut samples)?;
            let heard = &mut self.received.heard;
            heard.extend(&samples[..count]);
            heard.drain(..heard.len().saturating_sub(SAMPLES_MAX));
        }
        Ok(())
    }

    /// Puts a packet to its picture, and decodes that when it is whole.
    pub fn take_picture(&mut self, packet: &Packet<'_>) -> Result<()> {
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
            let picture = self.pictures.decode(&bytes)?;
            self.received.seen.push((picture.width, picture.height));
        } else {
            self.arriving = Some((header.timestamp, header.sequence.next(), bytes));
        }
        Ok(())
    }
}

impl Received {
    /// Tells whether the last second was this tone.
    #[must_use]
    pub fn hears_tone(&self, hertz: u32) -> bool {
        let sound = Sound {
            rate_hz: SAMPLE_RATE,
            samples: self.heard.clone(),
        };
        let share = tone::energy_share(&sound, f64::from(hertz), TONE_WIDTH);
        self.heard.len() == SAMPLES_MAX && share > TONE_SHARE
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Received")
            .field("pictures", &self.seen.len())
            .field("samples", &self.heard.len())
            .finish_non_exhaustive()
    }
}
