//! Measures what it costs to take in a picture of 1280 x 720 from a camera, for each way that
//! cameras code them, and to scale it to the size of an own tile.
//!
//! `cargo run --release -p snug-media --example capture_cost`; ffmpeg makes the pictures.

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};

use snug_media::bench;
use snug_media::device::camera::{CameraFormat, PixelFormat};
use snug_media::source::TestPattern;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const PICTURES: u32 = 300;

/// What is measured, and how ffmpeg is asked for it.
const CASES: &[(PixelFormat, &[&str])] = &[
    (
        PixelFormat::Yu12,
        &["-f", "rawvideo", "-pix_fmt", "yuv420p"],
    ),
    (PixelFormat::Nv12, &["-f", "rawvideo", "-pix_fmt", "nv12"]),
    (
        PixelFormat::Yuyv,
        &["-f", "rawvideo", "-pix_fmt", "yuyv422"],
    ),
    (PixelFormat::Rgb3, &["-f", "rawvideo", "-pix_fmt", "rgb24"]),
    // As webcams do it: 4:2:2, some 100 KiB a picture.
    (
        PixelFormat::Mjpg,
        &[
            "-f",
            "image2pipe",
            "-c:v",
            "mjpeg",
            "-pix_fmt",
            "yuvj422p",
            "-q:v",
            "4",
        ],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let picture = TestPattern::new(WIDTH, HEIGHT, 30)?.draw(100).data;
    println!("format  bytes     convert ms  scale to 360 ms");
    for (pixels, options) in CASES {
        let bytes = recode(&picture, options)?;
        let format = CameraFormat {
            pixels: *pixels,
            width: WIDTH,
            height: HEIGHT,
            fps: 30.0,
        };
        let cost = bench::capture(format, &bytes, PICTURES)?;
        println!(
            "{pixels:<6}  {:<8}  {:<10.2}  {:.2}",
            bytes.len(),
            cost.convert_ms,
            cost.scale_ms
        );
    }
    Ok(())
}

fn recode(picture: &[u8], options: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
        ])
        .args([
            "-s",
            &format!("{WIDTH}x{HEIGHT}"),
            "-i",
            "-",
            "-frames:v",
            "1",
        ])
        .args(options)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // One picture fits into what ffmpeg reads before it writes.
    ffmpeg
        .stdin
        .take()
        .ok_or("it takes no picture")?
        .write_all(picture)?;
    let output = ffmpeg.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("ffmpeg failed ({})", output.status).into());
    }
    Ok(output.stdout)
}
