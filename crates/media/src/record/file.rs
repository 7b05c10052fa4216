//! A WebM file on disk, with errors that name it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::muxer::{Coding, Muxer};
use crate::error::{Error, RecordingProblem};

/// A file being written.
#[derive(Debug)]
pub struct RecordingFile {
    path: PathBuf,
    muxer: Muxer<File>,
}

impl RecordingFile {
    /// Creates the file and writes its head. Never overwrites a file with something in it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.write(true).read(true);
        match fs::metadata(path) {
            Ok(found) if found.is_file() && found.len() > 0 => {
                return Err(Error::recording(path, RecordingProblem::Exists));
            }
            // An empty file somebody prepared, or a device.
            Ok(_) => options.truncate(true),
            Err(_) => options.create_new(true),
        };
        let file = options
            .open(path)
            .map_err(|error| Error::recording(path, RecordingProblem::Unwritable(error)))?;
        let muxer = Muxer::new(file).map_err(|error| write_error(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            muxer,
        })
    }

    pub fn add_track(&mut self, coding: Coding) -> Result<u8, Error> {
        self.muxer
            .add_track(coding)
            .map_err(|error| write_error(&self.path, error))
    }

    pub fn write_block(
        &mut self,
        track: u8,
        data: &[u8],
        at_ms: u64,
        duration_ms: u64,
        keyframe: bool,
    ) -> Result<(), Error> {
        self.muxer
            .write_block(track, data, at_ms, duration_ms, keyframe)
            .map_err(|error| write_error(&self.path, error))
    }

    pub fn finish(&mut self) -> Result<(), Error> {
        self.muxer
            .finish()
            .map_err(|error| write_error(&self.path, error))
    }
}

/// Tells a full disk from other failures.
pub fn write_error(path: &Path, error: io::Error) -> Error {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    let problem = if full {
        RecordingProblem::DiskFull
    } else {
        RecordingProblem::WriteFailed(error)
    };
    Error::recording(path, problem)
}
