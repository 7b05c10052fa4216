//! What this program keeps to be known again: one secret of its own, and the host tokens that it
//! was given.
//!
//! Both lie beside the known hosts, readable by their owner alone. The secret itself is told to
//! nobody: each server is told a key made of it and of that server's name, so that no two servers
//! can tell that they speak to the same program.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use snug_protocol::{ClientKey, HostToken, Link, RoomName};

/// How many rooms' host tokens are kept: the last ones, since rooms end.
const HOSTED_MAX: usize = 32;

/// The largest file that is read, in bytes; a token's line has some hundred.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where the secrets of a participant lie.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    secret: PathBuf,
    hosted: PathBuf,
    /// Names the room in the file of tokens; no space is in it.
    room: String,
    authority: String,
}

impl Secrets {
    /// Keeps the secrets beside `known_hosts`, for the room of `link`.
    pub(crate) fn beside(known_hosts: &Path, link: &Link) -> Self {
        Self {
            secret: known_hosts.with_file_name("client_secret"),
            hosted: known_hosts.with_file_name("host_tokens"),
            room: name_of(&link.authority(), &link.room),
            authority: link.authority(),
        }
    }

    /// Returns what the server is told to know this program by; nothing when no secret can be kept.
    pub(crate) fn key(&self) -> Option<ClientKey> {
        let secret = self.secret().inspect_err(|error| {
            tracing::warn!(%error, "nothing can be kept to be known by");
        });
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret.ok()?);
        let tag = ring::hmac::sign(&key, self.authority.as_bytes());
        let bytes = tag.as_ref().first_chunk::<16>()?;
        Some(ClientKey::from_bytes(*bytes))
    }

    /// Returns the host token of the room, if this program was given it.
    pub(crate) fn host(&self) -> Option<HostToken> {
        let text = read(&self.hosted).ok()?;
        let mine = |line: &str| {
            let (room, token) = line.split_once(' ')?;
            (room == self.room).then(|| serde_json::from_value(token.into()).ok())?
        };
        text.lines().rev().find_map(mine)
    }

    /// Keeps the host token of the room for another time.
    pub(crate) fn remember_host(&self, token: &HostToken) {
        if self.host().as_ref() == Some(token) {
            return;
        }
        let Ok(serde_json::Value::String(digits)) = serde_json::to_value(token) else {
            return;
        };
        let text = read(&self.hosted).unwrap_or_default();
        let others = text
            .lines()
            .filter(|line| line.split(' ').next() != Some(&self.room));
        let mut lines: Vec<String> = others.map(str::to_owned).collect();
        lines.push(format!("{} {digits}", self.room));
        let first = lines.len().saturating_sub(HOSTED_MAX);
        let written = write(
            &self.hosted,
            format!("{}\n", lines[first..].join("\n")).as_bytes(),
        );
        if let Err(error) = written {
            tracing::warn!(%error, "the host's token is kept for this call only");
        }
    }

    fn secret(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.secret) {
            Ok(secret) if secret.len() == 32 => return Ok(secret),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let secret: [u8; 32] = rand::random();
        write(&self.secret, &secret)?;
        // Another participant of this program may have written its own at the same moment.
        fs::read(&self.secret)
    }
}

/// Names a room in a line of its own: hexadecimal, since names may hold anything.
fn name_of(authority: &str, room: &RoomName) -> String {
    let bytes = room.as_str().bytes();
    let room: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    format!("{authority}/{room}")
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read_to_string(path)
}

/// Replaces a file as a whole; only its owner may read it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!(
        "{}-{:08x}",
        std::process::id(),
        rand::random::<u32>()
    ));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&draft, path))
        .inspect_err(|_| {
            // The draft is of no use any more; the first error is the one to report.
            drop(fs::remove_file(&draft));
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(folder: &Path, link: &str) -> Secrets {
        Secrets::beside(&folder.join("known_hosts"), &link.parse().unwrap())
    }

    #[test]
    fn a_server_knows_this_program_again_and_no_other_servers() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = secrets(folder.path(), "10.0.0.1/a").key();
        assert!(key.is_some());
        assert_eq!(key, secrets(folder.path(), "10.0.0.1/b").key());
        assert_ne!(key, secrets(folder.path(), "10.0.0.2/a").key());
        assert_ne!(key, secrets(other.path(), "10.0.0.1/a").key());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let meta = fs::metadata(folder.path().join("client_secret")).unwrap();
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn host_tokens_are_kept_by_room_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let at = |room: usize| secrets(folder.path(), &format!("10.0.0.1/stand up {room}"));
        let token = |byte: u8| HostToken::from_random([byte; 16]);
        assert_eq!(at(0).host(), None);
        at(0).remember_host(&token(1));
        at(1).remember_host(&token(2));
        at(0).remember_host(&token(3));
        assert_eq!(
            (at(0).host(), at(1).host()),
            (Some(token(3)), Some(token(2)))
        );
        for room in 2..2 + HOSTED_MAX {
            at(room).remember_host(&token(4));
        }
        let text = fs::read_to_string(folder.path().join("host_tokens")).unwrap();
        assert_eq!(text.lines().count(), HOSTED_MAX);
        assert_eq!(at(0).host(), None);
    }
}
