//! Our own encoder, and the whole way from a camera's buffer to packets.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use snug_media::bench;
use snug_media::device::camera::{CameraFormat, PixelFormat};
use snug_media::scale::scale_to_height;
use snug_media::{I420Frame, vp8};
use snug_rtp::{Fields, RtpTime, SequenceNumber, write_packet};
use snug_testkit::fixtures;
use snug_testkit::y4m;

use super::{BITRATE_BPS, FPS};

/// How many pictures are encoded.
pub const PICTURES: usize = 264;
/// What goes into a packet.
const PAYLOAD_LEN_MAX: usize = 1_150;
/// The layers besides the whole picture: by what its sides are divided, bits a second.
const SMALLER: [(u32, u32); 2] = [(2, 500_000), (4, 150_000)];

/// The film, read once.
pub struct Film(Vec<I420Frame>);

impl Film {
    pub fn load() -> Result<Self> {
        let (_, pictures) = y4m::read(&fixtures::film_720())?;
        let frames: Vec<I420Frame> = pictures
            .into_iter()
            .map(|picture| I420Frame {
                width: picture.width as u32,
                height: picture.height as u32,
                data: picture.data,
            })
            .collect();
        Ok(Self(frames))
    }

    fn picture(&self, number: usize) -> &I420Frame {
        &self.0[number % self.0.len()]
    }
}

/// Says how many milliseconds of processor time encoding a picture in one layer takes.
pub fn one_layer(film: &Film) -> Result<f64> {
    let first = film.picture(0);
    let mut encoder = encoder(first, 1, BITRATE_BPS)?;
    let before = thread_ms()?;
    for number in 0..PICTURES {
        let at = Duration::from_secs(number as u64) / FPS;
        black_box(encoder.encode(film.picture(number), at)?);
    }
    Ok((thread_ms()? - before) / PICTURES as f64)
}

/// Says the same of the whole way in three layers: taking the picture out of the camera's buffer,
/// scaling, encoding, packets.
pub fn three_layers(film: &Film) -> Result<f64> {
    let first = film.picture(0);
    let format = CameraFormat {
        pixels: PixelFormat::Yuyv,
        width: first.width,
        height: first.height,
        fps: f64::from(FPS),
    };
    let taken = bench::capture(format, &packed(first), PICTURES as u32)?.convert_ms;
    let mut encoders = vec![encoder(first, 1, BITRATE_BPS)?];
    for (divisor, bitrate) in SMALLER {
        encoders.push(encoder(first, divisor, bitrate)?);
    }
    let mut scaled = [I420Frame::default(), I420Frame::default()];
    let mut sequence = SequenceNumber(0);
    let before = thread_ms()?;
    for number in 0..PICTURES {
        let at = Duration::from_secs(number as u64) / FPS;
        let whole = film.picture(number);
        let [half, quarter] = &mut scaled;
        scale_to_height(whole, whole.height / SMALLER[0].0, half);
        scale_to_height(half, whole.height / SMALLER[1].0, quarter);
        for (encoder, picture) in encoders.iter_mut().zip([whole, &*half, &*quarter]) {
            if let Some(encoded) = encoder.encode(picture, at)? {
                sequence = packetize(&encoded.data, sequence, number)?;
            }
        }
    }
    Ok(taken + (thread_ms()? - before) / PICTURES as f64)
}

fn encoder(whole: &I420Frame, divisor: u32, bitrate: u32) -> Result<vp8::Encoder> {
    let (width, height) = (whole.width / divisor, whole.height / divisor);
    let config = vp8::EncoderConfig::new(width, height, FPS, bitrate);
    Ok(vp8::Encoder::new(config)?)
}

fn packetize(frame: &[u8], mut sequence: SequenceNumber, number: usize) -> Result<SequenceNumber> {
    for payload in frame.chunks(PAYLOAD_LEN_MAX) {
        let fields = Fields {
            marker: false,
            payload_type: 96,
            sequence,
            // Truncation is the wrap of the RTP clock.
            timestamp: RtpTime((number as u32).wrapping_mul(3_000)),
            ssrc: 7,
        };
        let mut packet = [0; 1_500];
        let written = write_packet(&mut packet, &fields, &[(4, b"0")], payload);
        black_box(written.context("a packet")?);
        sequence = sequence.next();
    }
    Ok(sequence)
}

/// Packs a picture as most cameras do: Y, U, Y, V.
fn packed(picture: &I420Frame) -> Vec<u8> {
    let [luma, blue, red] = picture.planes();
    let width = picture.width as usize;
    let mut bytes = Vec::with_capacity(2 * luma.len());
    for (row, line) in luma.chunks_exact(width).enumerate() {
        for (column, pair) in line.chunks_exact(2).enumerate() {
            let chroma = row / 2 * (width / 2) + column;
            bytes.extend([pair[0], blue[chroma], pair[1], red[chroma]]);
        }
    }
    bytes
}

/// Says how much processor time this thread has used, in milliseconds. The kernel adds it up when a
/// thread rests, so it rests first.
fn thread_ms() -> Result<f64> {
    std::thread::sleep(Duration::from_millis(5));
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next();
    let nanoseconds: f64 = first.context("an empty schedstat")?.parse()?;
    Ok(nanoseconds / 1e6)
}
