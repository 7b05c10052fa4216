//! The file that remembers keys: which one a host showed that was joined without a fingerprint in
//! the link, and which ones were verified.
//!
//! One line a host: `HOST:PORT PIN`, and one a verified key: `verified PIN`. What was verified is
//! the key, wherever it answers: another computer at the same address has another key and gains
//! nothing. Lines that make no sense are kept and ignored, so that a person's notes and a newer
//! version's entries survive.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use snug_protocol::Pin;

/// The largest file that is read: about 40,000 hosts, far more than a person meets.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Stands in place of a host on the line of a verified key; no host is called so, since each has a
/// port.
const VERIFIED: &str = "verified";

/// Returns the key remembered for `authority` (`host:port`), if there is one.
///
/// # Errors
/// What the system says, except that a missing file is simply empty.
pub(super) fn look_up(path: &Path, authority: &str) -> io::Result<Option<Pin>> {
    let text = read(path)?;
    Ok(text
        .lines()
        .rev()
        .find_map(|line| match_line(line, authority)))
}

/// Remembers `pin` for `authority`, replacing what was there.
///
/// # Errors
/// What the system says.
pub(super) fn remember(path: &Path, authority: &str, pin: Pin) -> io::Result<()> {
    let text = read(path)?;
    let kept = text
        .lines()
        .filter(|line| match_line(line, authority).is_none());
    let line = format!("{authority} {pin}");
    replace(path, kept.chain([line.as_str()]))
}

/// Returns the keys that were verified: by a link that carried them, or by comparing their words.
///
/// # Errors
/// What the system says, except that a missing file is simply empty.
pub(super) fn verified(path: &Path) -> io::Result<HashSet<Pin>> {
    let text = read(path)?;
    let keys = text.lines().filter_map(|line| match_line(line, VERIFIED));
    Ok(keys.collect())
}

/// Remembers that `pin` was verified.
///
/// # Errors
/// What the system says.
pub(super) fn verify(path: &Path, pin: Pin) -> io::Result<()> {
    if verified(path)?.contains(&pin) {
        return Ok(());
    }
    let text = read(path)?;
    let line = format!("{VERIFIED} {pin}");
    replace(path, text.lines().chain([line.as_str()]))
}

/// Writes the file anew: whole, so that a crash leaves the old one or the new one.
fn replace<'a>(path: &Path, lines: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let lines: Vec<&str> = lines.collect();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    // Unique per process and call, so that two participants never write into one file.
    let draft = path.with_extension(format!(
        "{}-{:08x}",
        std::process::id(),
        rand::random::<u32>()
    ));
    let written = fs::File::create_new(&draft).and_then(|mut file| {
        file.write_all(lines.join("\n").as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    match written.and_then(|()| fs::rename(&draft, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // The draft is of no use any more; the first error is the one to report.
            drop(fs::remove_file(&draft));
            Err(error)
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the list of known hosts is too long",
        )),
        Ok(_) => Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn match_line(line: &str, authority: &str) -> Option<Pin> {
    let (name, pin) = line.trim().split_once(' ')?;
    (name == authority).then(|| pin.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(byte: u8) -> Pin {
        Pin::new([byte; 32])
    }

    #[test]
    fn a_host_is_remembered_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("known_hosts");
        assert_eq!(look_up(&path, "a:1").unwrap(), None);
        remember(&path, "a:1", pin(1)).unwrap();
        remember(&path, "b:1", pin(2)).unwrap();
        remember(&path, "a:1", pin(3)).unwrap();
        assert_eq!(look_up(&path, "a:1").unwrap(), Some(pin(3)));
        assert_eq!(look_up(&path, "b:1").unwrap(), Some(pin(2)));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no drafts stay"
        );
    }

    #[test]
    fn a_verified_key_is_known_by_itself_and_no_host_becomes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        remember(&path, "a:1", pin(1)).unwrap();
        assert!(verified(&path).unwrap().is_empty());
        verify(&path, pin(1)).unwrap();
        verify(&path, pin(1)).unwrap();
        verify(&path, pin(2)).unwrap();
        remember(&path, "a:1", pin(3)).unwrap();
        let found = verified(&path).unwrap();
        assert_eq!(
            found,
            HashSet::from([pin(1), pin(2)]),
            "the address says nothing"
        );
        assert_eq!(look_up(&path, "a:1").unwrap(), Some(pin(3)));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn foreign_lines_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        fs::write(&path, "# my notes\na:1 not-a-pin\n\n").unwrap();
        assert_eq!(look_up(&path, "a:1").unwrap(), None);
        remember(&path, "a:1", pin(1)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# my notes\n"), "{text}");
        assert_eq!(look_up(&path, "a:1").unwrap(), Some(pin(1)));
    }
}
