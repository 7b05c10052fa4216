//! Looking at a recording with ffmpeg: a line about it and a picture of it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{output, program};

/// Makes one PNG of twelve pictures spread over the recording, four in a row.
pub fn contact_sheet(recording: &Path, sheet: &Path) -> Result<()> {
    // Decoding everything also shows that the file plays to its end.
    let filter = format!(
        "fps={:.4},scale=320:-2,tile=4x3:padding=8:margin=8:color=0x0e1412",
        12.0 / duration_s(recording)?
    );
    output(
        program("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(recording)
            .args(["-vf", &filter, "-frames:v", "1", "-update", "1"])
            .arg(sheet),
    )
    .context("the recording does not play")?;
    Ok(())
}

/// Describes a recording in one line: length, pictures and sound.
pub fn describe(recording: &Path) -> Result<String> {
    let streams = probe(
        recording,
        "stream=codec_name,codec_type,width,height,sample_rate",
    )?;
    let mut parts = vec![format!("{:.1} s", duration_s(recording)?)];
    for stream in streams["streams"].as_array().into_iter().flatten() {
        let codec = stream["codec_name"]
            .as_str()
            .unwrap_or("unknown")
            .to_uppercase();
        parts.push(match stream["codec_type"].as_str() {
            Some("video") => format!("{codec} {}x{}", stream["width"], stream["height"]),
            _ => format!(
                "{codec} {} Hz",
                stream["sample_rate"].as_str().unwrap_or("?")
            ),
        });
    }
    Ok(parts.join(", "))
}

fn duration_s(recording: &Path) -> Result<f64> {
    let format = probe(recording, "format=duration")?;
    let text = format["format"]["duration"]
        .as_str()
        .context("the recording has no length")?;
    text.parse().context("the recording's length is no number")
}

fn probe(recording: &Path, entries: &str) -> Result<Value> {
    let printed = output(
        program("ffprobe")
            .args(["-v", "error", "-of", "json", "-show_entries", entries])
            .arg(recording),
    )
    .context("the recording cannot be read")?;
    Ok(serde_json::from_str(&printed)?)
}
