//! A value kept as JSON in a file: written whole or not at all, and put aside when it is damaged.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest file that is read. What a person chooses fits into a page or two.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads `path`. A missing file is the default; one that cannot be read as a `T` is renamed, so
/// that nothing of it is lost, and the default is used. The second value is where it went.
pub fn load<T: DeserializeOwned + Default>(path: &Path) -> (T, Option<PathBuf>) {
    let read = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (T::default(), None),
        Err(error) => Err(error),
        Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read(path),
    };
    let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from));
    match parsed {
        Ok(value) => (value, None),
        Err(error) => {
            tracing::warn!(%error, "a file in the data folder is damaged and is put aside");
            (T::default(), put_aside(path))
        }
    }
}

/// Writes `value` to `path`: a crash leaves the old file or the new one. The file is for its
/// owner alone, the folder is made if missing.
///
/// # Errors
/// What the system says.
pub fn save<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(value)?;
    // Unique per process and call: two windows on one folder never write into one draft.
    let (process, call) = (std::process::id(), rand::random::<u32>());
    let draft = path.with_extension(format!("{process}-{call:08x}"));
    let written = write_draft(&draft, text.as_bytes()).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // It is of no use any more; the first error is the one to report.
        drop(fs::remove_file(&draft));
    }
    written
}

fn write_draft(draft: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn put_aside(path: &Path) -> Option<PathBuf> {
    // The latest damage is kept: one file, however often it happens.
    let aside = path.with_extension("damaged.json");
    match fs::rename(path, &aside) {
        Ok(()) => Some(aside),
        Err(error) => {
            tracing::warn!(%error, "a damaged file cannot be put aside");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{CameraChoice, Settings};

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/settings.json");
        let settings = Settings {
            name: "Zoë".to_owned(),
            camera: CameraChoice::File("/films/clip.y4m".to_owned()),
            ..Settings::default()
        };
        save(&path, &Settings::default()).unwrap();
        save(&path, &settings).unwrap();
        assert_eq!(load::<Settings>(&path), (settings, None));
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no draft is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_missing_file_and_missing_fields_are_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        assert_eq!(load::<Settings>(&path), (Settings::default(), None));
        fs::write(&path, r#"{"name":"Ada","colour_of_a_later_version":7}"#).unwrap();
        let (settings, aside) = load::<Settings>(&path);
        assert_eq!((settings.name.as_str(), settings.mirror), ("Ada", true));
        assert_eq!(aside, None);
    }

    #[test]
    fn a_damaged_file_is_put_aside_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        for damage in ["{\"name\":", "7", "\u{0}\u{0}\u{0}", "{\"camera\":7}"] {
            fs::write(&path, damage).unwrap();
            let (settings, aside) = load::<Settings>(&path);
            assert_eq!(settings, Settings::default());
            let aside = aside.expect("it was put aside");
            assert_eq!(fs::read_to_string(aside).unwrap(), damage);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(save(&file.join("settings.json"), &Settings::default()).is_err());
    }
}
