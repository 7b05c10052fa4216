//! Sound as samples between -1 and 1, and the PCM WAV files that carry it.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Holds one channel of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples per second.
    pub rate_hz: u32,
    /// Samples from -1 to 1.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Makes a sine of the given peak amplitude (0 to 1).
    #[must_use]
    pub fn sine(rate_hz: u32, frequency_hz: f64, amplitude: f32, seconds: f64) -> Self {
        let count = (f64::from(rate_hz) * seconds) as usize;
        let step = std::f64::consts::TAU * frequency_hz / f64::from(rate_hz);
        let samples = (0..count)
            .map(|n| amplitude * (step * n as f64).sin() as f32)
            .collect();
        Self { rate_hz, samples }
    }

    /// Says how long the sound is, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate_hz)
    }

    /// Lends the samples from one time to another, in seconds; less when the sound is shorter.
    #[must_use]
    pub fn between(&self, from_s: f64, to_s: f64) -> &[f32] {
        let at = |s: f64| ((s * f64::from(self.rate_hz)) as usize).min(self.samples.len());
        &self.samples[at(from_s)..at(to_s).max(at(from_s))]
    }
}

/// Reads a 16-bit PCM WAV file, mixing its channels into one.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<Sound> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("parse {}", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Sound> {
    ensure!(
        bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"),
        "not a WAV file"
    );
    let (mut rate_hz, mut channels) = (0, 0_usize);
    let mut rest = &bytes[12..];
    while let Some((head, body)) = rest.split_at_checked(8) {
        // A pipe writes a length it cannot know: take what is there.
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = &body[..length.min(body.len())];
        if head.starts_with(b"fmt ") {
            let field = |at: usize| body.get(at).copied().context("a short fmt chunk");
            channels = usize::from(field(2)?);
            rate_hz = u32::from_le_bytes([field(4)?, field(5)?, field(6)?, field(7)?]);
            ensure!(field(14)? == 16 && channels > 0, "not 16-bit PCM");
        } else if head.starts_with(b"data") {
            ensure!(channels > 0, "data before the format");
            let samples = body
                .chunks_exact(2 * channels)
                .map(|frame| mix(frame, channels));
            return Ok(Sound {
                rate_hz,
                samples: samples.collect(),
            });
        }
        rest = rest.get(8 + length + length % 2..).unwrap_or_default();
    }
    anyhow::bail!("no data chunk")
}

fn mix(frame: &[u8], channels: usize) -> f32 {
    let sum: f32 = frame
        .chunks_exact(2)
        .map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0)
        .sum();
    sum / channels as f32
}

/// Writes a sound as a 16-bit PCM WAV file.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, sound: &Sound) -> Result<()> {
    let length = u32::try_from(sound.samples.len() * 2).context("too long for a WAV file")?;
    let mut bytes = Vec::with_capacity(44 + sound.samples.len() * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + length).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 1, 0]);
    bytes.extend_from_slice(&sound.rate_hz.to_le_bytes());
    bytes.extend_from_slice(&(sound.rate_hz * 2).to_le_bytes());
    bytes.extend_from_slice(&[2, 0, 16, 0]);
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&length.to_le_bytes());
    for sample in &sound.samples {
        let value = (sample * 32767.0).round().clamp(-32768.0, 32767.0) as i16;
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.wav");
        let sound = Sound::sine(44100, 440.0, 0.5, 0.1);
        write(&path, &sound)?;
        let back = read(&path)?;
        assert_eq!((back.rate_hz, back.samples.len()), (44100, 4410));
        let worst = back
            .samples
            .iter()
            .zip(&sound.samples)
            .map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) < 1e-4);
        Ok(())
    }

    #[test]
    fn junk_is_an_error() {
        assert!(parse(b"RIFF....WAVEfmt ").is_err());
        assert!(parse(b"no").is_err());
    }
}
