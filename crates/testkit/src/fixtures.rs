//! Real input for the scenarios: files that `cargo xtask test` makes once in `fixtures/`.
//!
//! They are not in the repository: the film clip comes from a package on PyPI and the speech from
//! espeak-ng, so that everybody makes the same ones from the same sources.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::lane;
use crate::strip;
use crate::y4m::{self, Format, Picture};

/// Says where the film clip is: 132 frames of film, 640x360, 25 per second, Y4M.
///
/// # Panics
/// When `cargo xtask test` has not made it.
#[must_use]
pub fn film() -> PathBuf {
    existing("film.y4m")
}

/// Says where the same clip is as a nearer camera sees it: another face.
///
/// # Panics
/// When `cargo xtask test` has not made it.
#[must_use]
pub fn film_close() -> PathBuf {
    existing("film-close.y4m")
}

/// Says where the same clip is at 1280x720.
///
/// # Panics
/// When `cargo xtask test` has not made it.
#[must_use]
pub fn film_720() -> PathBuf {
    existing("film-720.y4m")
}

/// Says where the speech is: one voice, 48 kHz mono WAV, some ten seconds.
///
/// # Panics
/// When `cargo xtask test` has not made it.
#[must_use]
pub fn speech() -> PathBuf {
    existing("speech.wav")
}

/// Says where the same speech is at 22,050 Hz, a rate that no codec of ours takes.
///
/// # Panics
/// When `cargo xtask test` has not made it.
#[must_use]
pub fn speech_22050() -> PathBuf {
    existing("speech-22050.wav")
}

fn existing(name: &str) -> PathBuf {
    let path = lane::repository().join("fixtures").join(name);
    assert!(
        path.exists(),
        "{} is missing. `cargo xtask test` makes the fixtures and then runs all tests.",
        path.display()
    );
    path
}

/// The film clip, looped and stamped: what a camera shows in the scenarios.
#[derive(Debug)]
pub struct StampedFilm {
    /// Size and rate of the film.
    pub format: Format,
    frames: Vec<Picture>,
}

impl StampedFilm {
    /// Reads the clip.
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn load() -> Result<Self> {
        let (format, frames) = y4m::read(&film())?;
        anyhow::ensure!(!frames.is_empty(), "the film has no frames");
        Ok(Self { format, frames })
    }

    /// Writes `count` frames, each stamped with its number from 0 on, to a Y4M file.
    ///
    /// # Errors
    /// When the file cannot be written or the numbers would not fit the strip.
    pub fn write(&self, path: &Path, count: usize) -> Result<()> {
        let mut writer = y4m::Writer::create(path, self.format)?;
        for index in 0..count {
            let mut picture = self.source(index).clone();
            strip::stamp(&mut picture, u16::try_from(index)?);
            writer.write(&picture)?;
        }
        writer.finish()
    }

    /// Lends the picture that frame `index` shows below the strip.
    #[must_use]
    pub fn source(&self, index: usize) -> &Picture {
        &self.frames[index % self.frames.len()]
    }
}
