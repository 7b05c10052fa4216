//! Pictures and sound from a guest to the others, and theirs to it.

mod inbox;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use snug_media::source::{TestPattern, Tone};
use snug_media::vp8::{EncodedFrame, Encoder, EncoderConfig};
use snug_media::{AudioSource as _, VideoSource as _, opus};
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};

use inbox::Inbox;
pub use inbox::Received;

use super::{CAMERA_SSRC, Guest, Keys, MICROPHONE_SSRC, OPUS, VP8, Way};
use crate::turn::Turn;

/// What its camera shows.
const SIZE: (u32, u32) = (320, 240);
const FRAMES_PER_SECOND: u32 = 10;
const BITS_PER_SECOND: u32 = 100_000;
/// Pictures from one keyframe to the next: it reads no requests, and newcomers should not wait.
const KEYFRAME_EVERY: u64 = 10;
/// The most bytes of a picture in one packet.
const PAYLOAD_MAX: usize = 1100;
/// Ticks of the clock of pictures in a second (RFC 7741 section 4.1).
const CLOCK: u32 = 90_000;
/// How much sound is in one packet.
const SOUND: Duration = Duration::from_millis(20);

/// A guest with a camera and a microphone that looks at and listens to everybody.
pub struct Attendee {
    /// Who it is.
    pub guest: Guest,
    /// One for each section of its offer that receives, by the track that the answer names there.
    inboxes: BTreeMap<String, Inbox>,
    way: Way,
    keys: Keys,
    /// Which track each source carries.
    tracks: BTreeMap<u32, String>,
    camera: TestPattern,
    pictures: Encoder,
    microphone: Tone,
    sounds: opus::Encoder,
    next_picture: SequenceNumber,
    next_sound: SequenceNumber,
}

impl Attendee {
    /// Negotiates and connects by this TURN connection; its voice is a tone of so many hertz.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn start(mut guest: Guest, turn: Turn, hertz: u32) -> Result<Self> {
        let generation = guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        let keys = guest.shake(&mut way)?;
        let (width, height) = SIZE;
        let config = EncoderConfig::new(width, height, FRAMES_PER_SECOND, BITS_PER_SECOND);
        let mut inboxes = BTreeMap::new();
        for track in generation.tracks.values() {
            inboxes.insert(track.clone(), Inbox::new()?);
        }
        Ok(Self {
            guest,
            inboxes,
            way,
            keys,
            tracks: generation.tracks,
            camera: TestPattern::new(width, height, FRAMES_PER_SECOND)?,
            pictures: Encoder::new(config)?,
            microphone: Tone::new(f64::from(hertz), 0.4),
            sounds: opus::Encoder::new(opus::EncoderConfig::default())?,
            next_picture: SequenceNumber(1),
            next_sound: SequenceNumber(1),
        })
    }

    /// Shows and says something, and decodes what comes, as long as `goes_on` wants.
    ///
    /// # Errors
    /// When the way fails, or something arrives that is neither VP8 nor Opus.
    pub fn attend(&mut self, mut goes_on: impl FnMut(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        let (mut pictures, mut sounds) = (0u32, 0u32);
        while goes_on(self) {
            let next_picture = start + self.camera.frame_interval() * pictures;
            let next_sound = start + SOUND * sounds;
            let now = Instant::now();
            if now >= next_picture {
                self.show(u64::from(pictures))?;
                pictures += 1;
            } else if now >= next_sound {
                self.say(sounds)?;
                sounds += 1;
            } else {
                let left = next_picture.min(next_sound) - now;
                if let Some((_, data)) = self.way.turn.receive(left)? {
                    self.take(&data)?;
                }
            }
        }
        Ok(())
    }

    /// Lists what it received so far in each section, with the track that it carries.
    pub fn received(&self) -> impl Iterator<Item = (&str, &Received)> {
        let inboxes = self.inboxes.iter();
        inboxes.map(|(track, inbox)| (track.as_str(), &inbox.received))
    }

    /// Leaves with all that.
    #[must_use]
    pub fn into_received(self) -> BTreeMap<String, Received> {
        let inboxes = self.inboxes.into_iter();
        inboxes
            .map(|(track, inbox)| (track, inbox.received))
            .collect()
    }

    fn show(&mut self, number: u64) -> Result<()> {
        let Some(captured) = self.camera.next_frame()? else {
            return Ok(());
        };
        if number.is_multiple_of(KEYFRAME_EVERY) {
            self.pictures.request_keyframe();
        }
        let Some(frame) = self.pictures.encode(&captured.frame, captured.at)? else {
            return Ok(());
        };
        let ticks = captured.at.as_nanos() * u128::from(CLOCK) / 1_000_000_000;
        // Truncation is the wrap of the clock.
        self.send_picture(&frame, RtpTime(ticks as u32))
    }

    fn send_picture(&mut self, frame: &EncodedFrame, timestamp: RtpTime) -> Result<()> {
        let pieces = frame.data.chunks(PAYLOAD_MAX);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            // The shortest descriptor there is: whether the piece starts the picture.
            let payload = [&[if index == 0 { 0x10 } else { 0 }], piece].concat();
            let fields = Fields {
                marker: index == last,
                payload_type: VP8,
                sequence: self.next_picture,
                timestamp,
                ssrc: CAMERA_SSRC,
            };
            self.next_picture = self.next_picture.next();
            self.send(&fields, &payload)?;
        }
        Ok(())
    }

    fn say(&mut self, number: u32) -> Result<()> {
        let mut samples = [0.0; opus::PACKET_SAMPLES];
        for block in samples.as_chunks_mut().0 {
            self.microphone.read(block)?;
        }
        let mut payload = [0; opus::PACKET_BYTES_MAX];
        let len = self.sounds.encode(&samples, &mut payload)?;
        let fields = Fields {
            marker: false,
            payload_type: OPUS,
            sequence: self.next_sound,
            // Both lengths fit in a packet; the product wraps as the clock does.
            timestamp: RtpTime(number.wrapping_mul(opus::PACKET_SAMPLES as u32)),
            ssrc: MICROPHONE_SSRC,
        };
        self.next_sound = self.next_sound.next();
        self.send(&fields, &payload[..len])
    }

    fn send(&mut self, fields: &Fields, payload: &[u8]) -> Result<()> {
        let mut packet = vec![0; payload.len() + 64];
        let written = write_packet(&mut packet, fields, &[], payload)?;
        let sealed = self.keys.seal_packet(&packet[..written.len])?;
        self.way.turn.send(self.way.server, &sealed)
    }

    /// Puts a packet where it belongs; what is no media, or of no section, is left out.
    fn take(&mut self, data: &[u8]) -> Result<()> {
        let kinds = [OPUS, VP8];
        let opened = kinds.map(|kind| (kind, self.keys.open_packet(data, kind)));
        for (kind, packet) in opened {
            let Some(packet) = packet else { continue };
            let packet = Packet::parse(&packet)?;
            let track = self.tracks.get(&packet.header().ssrc);
            let inbox = track.and_then(|track| self.inboxes.get_mut(track));
            match inbox {
                Some(inbox) if kind == VP8 => inbox.take_picture(&packet)?,
                Some(inbox) => inbox.take_sound(&packet)?,
                None => {}
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Attendee {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Attendee")
            .field("guest", &self.guest)
            .field("received", &self.received().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
