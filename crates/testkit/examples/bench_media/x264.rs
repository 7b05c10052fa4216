//! x264 as Debian's ffmpeg has it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use snug_testkit::fixtures;

use super::BITRATE_BPS;
use super::ours::PICTURES;

/// Says how many milliseconds of processor time a picture takes.
pub fn encode() -> Result<f64> {
    let bitrate = BITRATE_BPS.to_string();
    let codec = [
        "-c:v",
        "libx264",
        "-preset",
        "superfast",
        "-tune",
        "zerolatency",
        "-threads",
        "1",
        "-g",
        "3000",
        "-b:v",
        &bitrate,
    ];
    // Reading the film is not encoding.
    let both = seconds(&codec)?;
    let reading = seconds(&["-c:v", "rawvideo"])?;
    Ok((both - reading) * 1000.0 / PICTURES as f64)
}

/// Runs ffmpeg on the film and says how much processor time it took.
fn seconds(codec: &[&str]) -> Result<f64> {
    let pictures = PICTURES.to_string();
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-benchmark",
            "-stream_loop",
            "-1",
            "-r",
            "30",
            "-i",
        ])
        .arg(fixtures::film_720())
        .args(["-frames:v", &pictures])
        .args(codec)
        .args(["-f", "null", "-"])
        .output()
        .context("start ffmpeg (Debian: apt-get install ffmpeg)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg failed: {said}");
    let line = said.lines().find(|line| line.starts_with("bench: utime="));
    let line = line.with_context(|| format!("no benchmark in {said}"))?;
    let mut sum = 0.0;
    for word in line.split_whitespace() {
        if let Some((_, figure)) = word
            .split_once('=')
            .filter(|(name, _)| matches!(*name, "utime" | "stime"))
        {
            sum += figure.trim_end_matches('s').parse::<f64>()?;
        }
    }
    Ok(sum)
}
