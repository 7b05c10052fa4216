//! Plays a recording in ffmpeg, the judge from outside: pictures with their times, and sound.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::wav::{self, Sound};
use crate::y4m::Picture;

/// Decodes every picture of the first video track and returns what `look` makes of each, with the
/// time in seconds at which a player would show it.
///
/// # Errors
/// When ffmpeg is missing, complains about the recording, or finds no pictures in it.
pub fn pictures<T>(path: &Path, mut look: impl FnMut(&Picture) -> T) -> Result<Vec<(f64, T)>> {
    let (width, height) = size(path)?;
    let mut child = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "info",
            "-nostats",
            "-copyts",
            "-i",
        ])
        .arg(path)
        .args([
            "-map",
            "0:v:0",
            "-vf",
            "showinfo=checksum=0",
            "-fps_mode",
            "passthrough",
            // After a change of layers pictures come closer than the film's rate says.
            "-enc_time_base",
            "1:1000",
        ])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start ffmpeg; Debian's package ffmpeg has it")?;
    let messages = child.stderr.take().context("ffmpeg's messages")?;
    let messages = thread::spawn(move || read_times(messages));
    let mut output = BufReader::with_capacity(1 << 20, child.stdout.take().context("output")?);
    let mut picture = Picture::grey(width, height, 0);
    let mut seen = Vec::new();
    while output.read_exact(&mut picture.data).is_ok() {
        seen.push(look(&picture));
    }
    let status = child.wait()?;
    ensure!(status.success(), "ffmpeg ended with {status}");
    let (times, complaints) = messages
        .join()
        .map_err(|_| anyhow::anyhow!("reader panicked"))?;
    ensure!(
        complaints.is_empty(),
        "ffmpeg complains: {}",
        complaints.join("; ")
    );
    ensure!(
        times.len() == seen.len(),
        "{} times for {} pictures",
        times.len(),
        seen.len()
    );
    ensure!(!seen.is_empty(), "no pictures in {}", path.display());
    Ok(times.into_iter().zip(seen).collect())
}

/// Decodes the first audio track to 48 kHz mono in which sample 0 is at time 0 of the recording
/// and every pause in the track's times is silence.
///
/// # Errors
/// When ffmpeg is missing or fails, or the recording has no sound.
pub fn sound(path: &Path) -> Result<Sound> {
    let folder = tempfile::tempdir()?;
    let wav = folder.path().join("sound.wav");
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "warning",
            "-copyts",
            "-i",
        ])
        .arg(path)
        .args(["-map", "0:a:0", "-ac", "1"])
        // Fill what is missing with silence, never stretch; 20 ms of slack for times in whole ms.
        .args([
            "-af",
            "aresample=48000:async=1:min_hard_comp=0.02:first_pts=0",
        ])
        .args(["-c:a", "pcm_s16le", "-y"])
        .arg(&wav)
        .output()
        .context("start ffmpeg; Debian's package ffmpeg has it")?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ffmpeg failed: {message}");
    wav::read(&wav)
}

/// Asks ffprobe for one figure of the recording, such as `format=duration`.
///
/// # Errors
/// When ffprobe is missing or fails.
pub fn probe(path: &Path, stream: Option<&str>, entries: &str) -> Result<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "csv=p=0", "-show_entries", entries]);
    if let Some(stream) = stream {
        command.args(["-select_streams", stream]);
    }
    let output = command.arg(path).output().context("start ffprobe")?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "ffprobe failed on {}: {message}",
        path.display()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn size(path: &Path) -> Result<(usize, usize)> {
    let answer = probe(path, Some("v:0"), "stream=width,height")?;
    let (width, height) = answer
        .split_once(',')
        .context("the recording has no video track")?;
    Ok((width.parse()?, height.trim_end_matches(',').parse()?))
}

/// Reads showinfo's lines: the times of the pictures, and every line that is a complaint.
fn read_times(messages: impl Read) -> (Vec<f64>, Vec<String>) {
    let (mut times, mut complaints) = (Vec::new(), Vec::new());
    for line in BufReader::new(messages).lines().map_while(Result::ok) {
        if line.contains("Parsed_showinfo") {
            if let Some(time) = line.split("pts_time:").nth(1) {
                times.extend(
                    time.split_whitespace()
                        .next()
                        .and_then(|t| t.parse::<f64>().ok()),
                );
            }
        } else if ["rror", "nvalid", "orrupt"]
            .iter()
            .any(|word| line.contains(word))
        {
            complaints.push(line);
        }
    }
    (times, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strip;
    use crate::y4m::{Format, Writer};

    /// Makes a recording with ffmpeg's own encoders: stamped pictures and a tone, the sound
    /// `late_s` seconds after the pictures.
    fn recording(folder: &Path, late_s: f64) -> Result<std::path::PathBuf> {
        let (video, audio) = (folder.join("v.y4m"), folder.join("a.wav"));
        let mut writer = Writer::create(
            &video,
            Format {
                width: 640,
                height: 360,
                rate: (25, 1),
            },
        )?;
        for index in 0..50 {
            let mut picture = Picture::grey(640, 360, 90);
            strip::stamp(&mut picture, index);
            writer.write(&picture)?;
        }
        writer.finish()?;
        wav::write(&audio, &Sound::sine(48_000, 1000.0, 0.25, 2.0))?;
        let path = folder.join("out.webm");
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(&video)
            .args(["-itsoffset", &late_s.to_string(), "-i"])
            .arg(&audio)
            .args([
                "-c:v",
                "libvpx",
                "-deadline",
                "realtime",
                "-cpu-used",
                "8",
                "-b:v",
                "400k",
            ])
            .args(["-c:a", "libopus", "-application", "lowdelay"])
            .arg(&path)
            .status()?;
        ensure!(status.success());
        Ok(path)
    }

    #[test]
    fn pictures_come_with_their_times() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let seen = pictures(&recording(folder.path(), 0.0)?, strip::read)?;
        assert_eq!(seen.len(), 50);
        for (n, (at_s, index)) in seen.into_iter().enumerate() {
            assert_eq!(index, Some(n as u16));
            assert!((at_s - n as f64 / 25.0).abs() < 0.01, "frame {n} at {at_s}");
        }
        Ok(())
    }

    #[test]
    fn late_sound_is_late() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let sound = sound(&recording(folder.path(), 0.5)?)?;
        let first = sound
            .samples
            .iter()
            .position(|s| s.abs() > 0.1)
            .context("no tone")?;
        assert!(
            (first as f64 / 48_000.0 - 0.5).abs() < 0.01,
            "tone at sample {first}"
        );
        Ok(())
    }

    #[test]
    fn a_cut_file_is_noticed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("junk.webm");
        std::fs::write(&path, b"not a recording")?;
        assert!(pictures(&path, |_| ()).is_err());
        assert!(sound(&path).is_err());
        Ok(())
    }
}
