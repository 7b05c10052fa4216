//! What coding and capturing cost on this machine, for `cargo xtask bench`.

use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use crate::device::camera::{self, CameraFormat};
use crate::error::Error;
#[cfg(target_os = "linux")]
use crate::frame::I420Frame;
#[cfg(target_os = "linux")]
use crate::scale::scale_to_height;
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

/// Time of taking in what a camera gives.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CaptureCost {
    /// Median time to make a picture of what lies in the camera's buffer, in milliseconds.
    pub convert_ms: f64,
    /// Median time to scale it to 360 rows, the size of an own tile, in milliseconds.
    pub scale_ms: f64,
}

/// Takes in `bytes`, one picture as a camera of `format` puts it into a buffer, `pictures` times
/// (at least once).
///
/// # Errors
/// [`Error::Device`] when the bytes are no such picture.
#[cfg(target_os = "linux")]
pub fn capture(format: CameraFormat, bytes: &[u8], pictures: u32) -> Result<CaptureCost, Error> {
    let (mut converting, mut scaling) = (Vec::new(), Vec::new());
    let mut convert = camera::converter(format);
    let mut small = I420Frame::default();
    let pictures = pictures.max(1);
    for _ in 0..pictures {
        let started = Instant::now();
        let picture = convert(bytes)?;
        converting.push(started.elapsed());
        let started = Instant::now();
        scale_to_height(&picture, 360, &mut small);
        scaling.push(started.elapsed());
    }
    Ok(CaptureCost {
        convert_ms: median_ms(converting),
        scale_ms: median_ms(scaling),
    })
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

#[cfg(target_os = "linux")]
fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
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
        #[cfg(target_os = "linux")]
        {
            let format = CameraFormat {
                pixels: camera::PixelFormat::Yuyv,
                width: 64,
                height: 48,
                fps: 30.0,
            };
            assert!(capture(format, &[128; 64 * 48 * 2], 3).unwrap().convert_ms > 0.0);
            let error = capture(format, &[128; 64 * 47 * 2], 3).unwrap_err();
            assert_eq!(error.code(), "camera_format");
        }
        let cost = audio(opus::EncoderConfig::default(), 100).unwrap();
        println!("{cost:?}");
        assert!(cost.encode_ms > 0.0 && cost.encode_ms < 20.0);
    }
}
