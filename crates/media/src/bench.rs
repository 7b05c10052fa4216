//! What coding costs on this machine, for `cargo xtask bench`.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::source::{AudioSource, TestPattern, Tone};
use crate::{BLOCK_SAMPLES, opus, vp8};

/// Time and quality of coding a picture sequence.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct VideoCost {
    /// Mean time to encode one picture, in milliseconds.
    pub encode_ms: f64,
    /// Mean time to decode one picture, in milliseconds.
    pub decode_ms: f64,
    /// Lowest PSNR-Y of a picture, in dB.
    pub psnr_y_db_min: f64,
    /// Bits a second that came out.
    pub bitrate_bps: f64,
}

/// Time of coding sound.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct AudioCost {
    /// Mean time to encode 20 ms, in milliseconds.
    pub encode_ms: f64,
    /// Mean time to decode 20 ms, in milliseconds.
    pub decode_ms: f64,
}

/// Encodes and decodes `pictures` (at least 1) of the test pattern with `config`.
///
/// # Errors
/// [`Error::Codec`] for settings out of range.
pub fn video(config: &vp8::EncoderConfig, pictures: u32) -> Result<VideoCost, Error> {
    let pattern = TestPattern::new(config.width, config.height, config.fps.min(120))?;
    let mut encoder = vp8::Encoder::new(config.clone())?;
    let mut decoder = vp8::Decoder::new(config.threads)?;
    let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
    let (mut bytes, mut psnr_y_db_min) = (0, f64::INFINITY);
    let pictures = pictures.max(1);
    for n in 0..pictures {
        let picture = pattern.draw(n.into());
        let at = Duration::from_secs(n.into()) / config.fps;
        let started = Instant::now();
        let Some(encoded) = encoder.encode(&picture, at)? else {
            continue;
        };
        encoding += started.elapsed();
        bytes += encoded.data.len();
        let started = Instant::now();
        let decoded = decoder.decode(&encoded.data)?;
        decoding += started.elapsed();
        psnr_y_db_min = psnr_y_db_min.min(decoded.psnr_y(&picture).unwrap_or(0.0));
    }
    Ok(VideoCost {
        encode_ms: mean_ms(encoding, pictures),
        decode_ms: mean_ms(decoding, pictures),
        psnr_y_db_min,
        bitrate_bps: bytes as f64 * 8.0 * f64::from(config.fps) / f64::from(pictures),
    })
}

/// Encodes and decodes `packets` (at least 1) of a tone with `config`.
///
/// # Errors
/// [`Error::Codec`] for settings out of range.
pub fn audio(config: opus::EncoderConfig, packets: u32) -> Result<AudioCost, Error> {
    let mut tone = Tone::default();
    let mut encoder = opus::Encoder::new(config)?;
    let mut decoder = opus::Decoder::new()?;
    let mut samples = [0.0; opus::PACKET_SAMPLES];
    let mut block = [0.0; BLOCK_SAMPLES];
    let mut packet = [0; opus::PACKET_BYTES_MAX];
    let mut decoded = [0.0; opus::PACKET_SAMPLES_MAX];
    let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
    let packets = packets.max(1);
    for _ in 0..packets {
        for half in samples.chunks_exact_mut(BLOCK_SAMPLES) {
            tone.read(&mut block)?;
            half.copy_from_slice(&block);
        }
        let started = Instant::now();
        let bytes = encoder.encode(&samples, &mut packet)?;
        encoding += started.elapsed();
        let started = Instant::now();
        decoder.decode(&packet[..bytes], &mut decoded)?;
        decoding += started.elapsed();
    }
    Ok(AudioCost {
        encode_ms: mean_ms(encoding, packets),
        decode_ms: mean_ms(decoding, packets),
    })
}

fn mean_ms(total: Duration, count: u32) -> f64 {
    total.as_secs_f64() * 1_000.0 / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_measured() {
        let cost = video(&vp8::EncoderConfig::new(1280, 720, 30, 1_500_000), 30).unwrap();
        println!("{cost:?}");
        assert!(cost.encode_ms > 0.0 && cost.decode_ms > 0.0);
        assert!(cost.psnr_y_db_min > 30.0, "{cost:?}");
        let cost = audio(opus::EncoderConfig::default(), 100).unwrap();
        println!("{cost:?}");
        assert!(cost.encode_ms > 0.0 && cost.encode_ms < 20.0);
    }
}
