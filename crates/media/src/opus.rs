//! Opus (RFC 6716) by libopus: 48 kHz, mono, packets of 20 ms.

use ::opus as lib;

use crate::error::CodecError;
use crate::frame::SAMPLE_RATE;

/// Samples in one packet: 20 ms.
pub const PACKET_SAMPLES: usize = 960;
/// Samples of packets that are made: 10, 20, 40 or 60 ms.
const PACKET_LENGTHS: [usize; 4] = [480, 960, 1920, 2880];
/// Samples in the longest packet that Opus allows: 120 ms (RFC 6716 section 2.1.4).
pub const PACKET_SAMPLES_MAX: usize = 5760;
/// Bytes in the longest packet taken or made: one frame is at most 1275 (RFC 6716 section 3.2.1) and
/// anything longer than a network packet has no business in a call.
pub const PACKET_BYTES_MAX: usize = 1275;
/// Bitrates taken, in bits a second (RFC 6716 section 2.1.1).
pub const BITRATES_BPS: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// Says how to encode sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Bitrate aimed at, in bits a second; see [`BITRATES_BPS`].
    pub bitrate_bps: u32,
    /// Effort, 0 to 10.
    pub complexity: u8,
    /// Sends a coarse copy of each packet inside the next, so that a single loss can be repaired
    /// (RFC 6716 section 2.1.7). At 10 % loss worth 9.7 dB on the lost packets.
    pub fec: bool,
    /// Loss to prepare for in percent, 0 to 100. FEC needs it above 0 to do anything.
    pub expected_loss_percent: u8,
    /// Sends next to nothing during silence (RFC 6716 section 2.1.9). Off by default: libopus takes
    /// a steady tone or a held note for background noise and stops sending that too (a 1 kHz tone
    /// came out 6 dB quieter and no longer a tone).
    pub dtx: bool,
    /// Whether the sound is mostly voices; else it is coded as music.
    pub voice: bool,
}

impl Default for EncoderConfig {
    /// One voice in a call: 32 kb/s with FEC for 10 % loss.
    fn default() -> Self {
        Self {
            bitrate_bps: 32_000,
            complexity: 5,
            fec: true,
            expected_loss_percent: 10,
            dtx: false,
            voice: true,
        }
    }
}

impl EncoderConfig {
    /// Sets up a recording of everyone mixed: 64 kb/s as music, nothing spent on loss.
    #[must_use]
    pub fn recording() -> Self {
        Self {
            bitrate_bps: 64_000,
            fec: false,
            expected_loss_percent: 0,
            voice: false,
            ..Self::default()
        }
    }
}

/// Encodes a packet at a time.
#[derive(Debug)]
pub struct Encoder {
    inner: lib::Encoder,
    lookahead_samples: u16,
}

impl Encoder {
    /// Starts an encoder.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for a setting out of range, [`CodecError::Library`] when libopus fails.
    pub fn new(config: EncoderConfig) -> Result<Self, CodecError> {
        let EncoderConfig {
            complexity,
            expected_loss_percent,
            ..
        } = config;
        if complexity > 10 {
            return Err(CodecError::Setting {
                setting: "audio complexity",
                value: complexity.into(),
            });
        }
        if expected_loss_percent > 100 {
            return Err(CodecError::Setting {
                setting: "expected audio loss",
                value: expected_loss_percent.into(),
            });
        }
        let mode = if config.voice {
            lib::Application::Voip
        } else {
            lib::Application::Audio
        };
        let mut inner =
            lib::Encoder::new(SAMPLE_RATE, lib::Channels::Mono, mode).map_err(failed)?;
        inner.set_complexity(complexity.into()).map_err(failed)?;
        inner.set_inband_fec(config.fec).map_err(failed)?;
        inner
            .set_packet_loss_perc(expected_loss_percent.into())
            .map_err(failed)?;
        inner.set_dtx(config.dtx).map_err(failed)?;
        let lookahead = inner.get_lookahead().map_err(failed)?;
        let mut encoder = Self {
            inner,
            lookahead_samples: lookahead.clamp(0, 960) as u16,
        };
        encoder.set_bitrate(config.bitrate_bps)?;
        Ok(encoder)
    }

    /// Aims at another bitrate from the next packet on.
    ///
    /// # Errors
    /// [`CodecError::Setting`] outside [`BITRATES_BPS`]; the old bitrate then stays.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), CodecError> {
        if !BITRATES_BPS.contains(&bitrate_bps) {
            return Err(CodecError::Setting {
                setting: "audio bitrate",
                value: bitrate_bps.into(),
            });
        }
        self.inner
            .set_bitrate(lib::Bitrate::Bits(bitrate_bps as i32))
            .map_err(failed)
    }

    /// Prepares for another share of lost packets, in percent (values over 100 count as 100).
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus refuses.
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        self.inner
            .set_packet_loss_perc(percent.min(100).into())
            .map_err(failed)
    }

    /// Encodes sound into `out` and gives the length of the packet in bytes: 10, 20, 40 or 60 ms of
    /// it, from call to call as it suits. Longer packets cost less on thin links, and come later.
    ///
    /// With DTX, a packet of 1 or 2 bytes stands for silence and need not be sent.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for another length, [`CodecError::Library`] when libopus fails.
    pub fn encode(
        &mut self,
        samples: &[f32],
        out: &mut [u8; PACKET_BYTES_MAX],
    ) -> Result<usize, CodecError> {
        if !PACKET_LENGTHS.contains(&samples.len()) {
            return Err(CodecError::Setting {
                setting: "samples of an audio packet",
                value: samples.len() as i64,
            });
        }
        self.inner.encode_float(samples, out).map_err(failed)
    }

    /// Counts the samples by which decoded sound comes later than what was put in: the pre-skip of
    /// RFC 7845 section 4.2.
    #[must_use]
    pub fn lookahead_samples(&self) -> u16 {
        self.lookahead_samples
    }
}

/// Decodes packets of any Opus sender into mono.
#[derive(Debug)]
pub struct Decoder {
    inner: lib::Decoder,
}

impl Decoder {
    /// Starts a decoder.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus has no memory.
    pub fn new() -> Result<Self, CodecError> {
        let inner = lib::Decoder::new(SAMPLE_RATE, lib::Channels::Mono).map_err(failed)?;
        Ok(Self { inner })
    }

    /// Decodes one packet into `out` and gives the number of samples.
    ///
    /// # Errors
    /// [`CodecError::CorruptAudio`] for an empty, overlong or damaged packet.
    pub fn decode(
        &mut self,
        packet: &[u8],
        out: &mut [f32; PACKET_SAMPLES_MAX],
    ) -> Result<usize, CodecError> {
        if packet.is_empty() {
            return Err(CodecError::CorruptAudio);
        }
        self.inner
            .decode_float(packet, out, false)
            .map_err(|_| CodecError::CorruptAudio)
    }

    /// Invents the sound of a lost packet from what came before it; `out` is filled.
    ///
    /// `out` must be a multiple of 2.5 ms (120 samples) and at most 120 ms.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for another length.
    pub fn conceal(&mut self, out: &mut [f32]) -> Result<(), CodecError> {
        check_length(out)?;
        self.inner.decode_float(&[], out, false).map_err(failed)?;
        Ok(())
    }

    /// Repairs a lost packet from the copy inside `next`, the packet after it (RFC 6716 section
    /// 2.1.7); `out` is filled and as long as the lost packet was. Without such a copy libopus
    /// conceals.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for a length that [`Decoder::conceal`] would refuse,
    /// [`CodecError::CorruptAudio`] for a damaged packet.
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<(), CodecError> {
        check_length(out)?;
        if next.is_empty() {
            return Err(CodecError::CorruptAudio);
        }
        self.inner
            .decode_float(next, out, true)
            .map_err(|_| CodecError::CorruptAudio)?;
        Ok(())
    }
}

/// Counts the samples that a packet decodes to at 48 kHz, from its first bytes (RFC 6716 section
/// 3.1); `None` when they make no sense.
#[must_use]
pub fn packet_samples(packet: &[u8]) -> Option<usize> {
    if packet.is_empty() {
        return None;
    }
    let samples = lib::packet::get_nb_samples(packet, SAMPLE_RATE).ok()?;
    (1..=PACKET_SAMPLES_MAX)
        .contains(&samples)
        .then_some(samples)
}

/// Tells whether a packet carries a copy of the one before it (LBRR flag, RFC 6716 section 4.2.4).
///
/// Looks at packets of one mono frame up to 60 ms, which is what calls send; says no to others.
#[must_use]
pub fn has_fec(packet: &[u8]) -> bool {
    let [toc, first, ..] = packet else {
        return false;
    };
    // Configurations 0 to 15 contain the SILK layer, the only one with copies; 0 to 11 are of 10,
    // 20, 40 and 60 ms, 12 to 15 of 10 and 20.
    let config = toc >> 3;
    let single_frame = toc & 0b11 == 0;
    let stereo = toc & 0b100 != 0;
    if !single_frame || stereo || config > 15 {
        return false;
    }
    // The SILK header of a mono frame begins with bits of even odds: VAD for each 20 ms, then LBRR.
    let lbrr = match (config, config % 4) {
        (0..=11, 2) => 0x20,
        (0..=11, 3) => 0x10,
        _ => 0x40,
    };
    first & lbrr != 0
}

fn check_length(out: &[f32]) -> Result<(), CodecError> {
    if out.is_empty() || !out.len().is_multiple_of(120) || out.len() > PACKET_SAMPLES_MAX {
        return Err(CodecError::Setting {
            setting: "length of concealed sound",
            value: out.len() as i64,
        });
    }
    Ok(())
}

fn failed(error: lib::Error) -> CodecError {
    CodecError::Library {
        codec: "Opus",
        operation: error.function(),
        detail: error.description().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(packet: usize) -> [f32; PACKET_SAMPLES] {
        std::array::from_fn(|i| {
            let n = (packet * PACKET_SAMPLES + i) as f64;
            (0.25 * (TAU * 1_000.0 * n / 48_000.0).sin()) as f32
        })
    }

    fn encode_tone(config: EncoderConfig, packets: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(config).unwrap();
        let mut out = [0; PACKET_BYTES_MAX];
        (0..packets)
            .map(|n| {
                let bytes = encoder.encode(&tone(n), &mut out).unwrap();
                out[..bytes].to_vec()
            })
            .collect()
    }

    fn level_db(samples: &[f32]) -> f64 {
        let power: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
        10.0 * (power / samples.len() as f64).log10()
    }

    #[test]
    fn a_tone_keeps_its_level_within_1_db() {
        for config in [EncoderConfig::default(), EncoderConfig::recording()] {
            let mut decoder = Decoder::new().unwrap();
            let mut decoded = Vec::new();
            let mut out = [0.0; PACKET_SAMPLES_MAX];
            for packet in encode_tone(config, 100) {
                let samples = decoder.decode(&packet, &mut out).unwrap();
                assert_eq!(samples, PACKET_SAMPLES);
                decoded.extend_from_slice(&out[..samples]);
            }
            let expected = level_db(&tone(0));
            let found = level_db(&decoded[9_600..]);
            assert!(
                (found - expected).abs() < 1.0,
                "{found:.2} dB for {expected:.2} dB"
            );
        }
    }

    #[test]
    fn packets_tell_their_length_and_their_copy() {
        let packets = encode_tone(
            EncoderConfig {
                dtx: false,
                ..EncoderConfig::default()
            },
            20,
        );
        assert!(
            packets
                .iter()
                .all(|p| packet_samples(p) == Some(PACKET_SAMPLES))
        );
        assert!(packets[5..].iter().any(|p| has_fec(p)));
        let plain = encode_tone(EncoderConfig::recording(), 20);
        assert!(!plain.iter().any(|p| has_fec(p)));
        assert_eq!(packet_samples(&[]), None);
        assert!(!has_fec(&[]) && !has_fec(&[0x78]));
    }

    #[test]
    fn longer_packets_carry_copies_too() {
        // A voice that rises and falls: libopus copies only what sounds like one.
        let voice = |n: u32| {
            let t = f64::from(n) / 48_000.0;
            let loud = 0.2 + 0.2 * (TAU * 3.0 * t).sin();
            (loud * (TAU * (150.0 * t + 40.0 * t * t)).sin()) as f32
        };
        let long: Vec<f32> = (0..144_000).map(voice).collect();
        for samples in [1920, 2880] {
            let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
            encoder.set_bitrate(24_000).unwrap();
            let mut out = [0; PACKET_BYTES_MAX];
            let mut copies = 0;
            for part in long.chunks_exact(samples) {
                let bytes = encoder.encode(part, &mut out).unwrap();
                assert_eq!(packet_samples(&out[..bytes]), Some(samples));
                copies += usize::from(has_fec(&out[..bytes]));
            }
            assert!(copies > 0, "{samples}");
            assert!(encoder.encode(&long[..1000], &mut out).is_err());
        }
    }

    #[test]
    fn a_lost_packet_is_repaired_better_than_concealed() {
        // A sweep, so that concealment cannot guess the next 20 ms.
        let sweep = |n: usize| -> [f32; PACKET_SAMPLES] {
            std::array::from_fn(|i| {
                let t = (n * PACKET_SAMPLES + i) as f64 / 48_000.0;
                (0.25 * (TAU * (300.0 * t + 400.0 * t * t)).sin()) as f32
            })
        };
        let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
        let mut out = [0; PACKET_BYTES_MAX];
        let packets: Vec<Vec<u8>> = (0..30)
            .map(|n| {
                let bytes = encoder.encode(&sweep(n), &mut out).unwrap();
                out[..bytes].to_vec()
            })
            .collect();
        let play = |repair: bool, lose: bool| -> Vec<f32> {
            let mut decoder = Decoder::new().unwrap();
            let mut whole = [0.0; PACKET_SAMPLES_MAX];
            let mut one = [0.0; PACKET_SAMPLES];
            let mut found = Vec::new();
            for n in 0..packets.len() {
                if lose && n == 20 {
                    if repair {
                        decoder.decode_fec(&packets[21], &mut one).unwrap();
                    } else {
                        decoder.conceal(&mut one).unwrap();
                    }
                } else {
                    decoder.decode(&packets[n], &mut whole).unwrap();
                    one.copy_from_slice(&whole[..PACKET_SAMPLES]);
                }
                if n == 20 {
                    found = one.to_vec();
                }
            }
            found
        };
        let ideal = play(false, false);
        let error = |found: &[f32]| -> f64 {
            found
                .iter()
                .zip(&ideal)
                .map(|(a, b)| f64::from(a - b).powi(2))
                .sum()
        };
        assert!(error(&play(true, true)) < error(&play(false, true)) / 2.0);
    }

    #[test]
    fn silence_costs_next_to_nothing_with_dtx() {
        let config = EncoderConfig {
            dtx: true,
            ..EncoderConfig::default()
        };
        let mut encoder = Encoder::new(config).unwrap();
        let mut out = [0; PACKET_BYTES_MAX];
        let sizes: Vec<usize> = (0..100)
            .map(|_| encoder.encode(&[0.0; PACKET_SAMPLES], &mut out).unwrap())
            .collect();
        assert!(
            sizes[50..].iter().filter(|&&s| s <= 2).count() > 40,
            "{sizes:?}"
        );
    }

    #[test]
    fn junk_and_settings_out_of_range_are_errors() {
        let mut decoder = Decoder::new().unwrap();
        let mut out = [0.0; PACKET_SAMPLES_MAX];
        assert_eq!(decoder.decode(&[], &mut out), Err(CodecError::CorruptAudio));
        assert_eq!(
            decoder.decode(&[0xFF; 3], &mut out),
            Err(CodecError::CorruptAudio)
        );
        assert!(decoder.conceal(&mut [0.0; 100]).is_err());
        assert!(decoder.decode_fec(&[], &mut [0.0; 960]).is_err());
        let base = EncoderConfig::default();
        assert!(
            Encoder::new(EncoderConfig {
                complexity: 11,
                ..base
            })
            .is_err()
        );
        assert!(
            Encoder::new(EncoderConfig {
                expected_loss_percent: 101,
                ..base
            })
            .is_err()
        );
        assert!(
            Encoder::new(EncoderConfig {
                bitrate_bps: 100,
                ..base
            })
            .is_err()
        );
        assert_eq!(Encoder::new(base).unwrap().lookahead_samples(), 312);
    }
}
