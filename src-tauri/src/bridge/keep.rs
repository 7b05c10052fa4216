//! What is kept across starts: read before the window opens, written behind it.

use std::io;
use std::path::{Path, PathBuf};

use crate::ipc::RecentRoom;
use crate::settings::{Settings, file};

/// Rooms that are remembered: as many as a person finds at a glance.
const RECENT_MAX: usize = 8;

/// Settings and the rooms joined before.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Folder of both files.
    pub folder: PathBuf,
    /// The person's choices.
    pub settings: Settings,
    /// Rooms joined before, the latest first.
    pub recent: Vec<RecentRoom>,
}

impl Kept {
    /// Reads both. Says where a damaged file went.
    pub fn load(folder: &Path) -> (Self, Option<PathBuf>) {
        let (settings, aside) = file::load(&settings_file(folder));
        let (mut recent, other) = file::load::<Vec<RecentRoom>>(&recent_file(folder));
        recent.truncate(RECENT_MAX);
        let folder = folder.to_owned();
        let kept = Self {
            folder,
            settings,
            recent,
        };
        (kept, aside.or(other))
    }

    /// Writes both. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn save(&self) -> io::Result<()> {
        file::save(&settings_file(&self.folder), &self.settings)?;
        file::save(&recent_file(&self.folder), &self.recent)
    }

    /// Puts a room at the head of those joined before.
    pub(crate) fn remember(&mut self, room: RecentRoom) {
        self.recent
            .retain(|it| (&it.host, &it.room) != (&room.host, &room.room));
        self.recent.insert(0, room);
        self.recent.truncate(RECENT_MAX);
    }
}

fn settings_file(folder: &Path) -> PathBuf {
    folder.join("settings.json")
}

fn recent_file(folder: &Path) -> PathBuf {
    folder.join("recent.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: usize) -> RecentRoom {
        RecentRoom {
            link: format!("snug://host/{number}"),
            room: number.to_string(),
            host: "host:7684".to_owned(),
        }
    }

    #[test]
    fn the_latest_rooms_are_kept_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, aside) = Kept::load(folder.path());
        assert_eq!((kept.recent.len(), aside), (0, None));
        for number in (0..RECENT_MAX + 2).chain([5]) {
            kept.remember(room(number));
        }
        kept.save().unwrap();
        let (kept, _) = Kept::load(folder.path());
        assert_eq!(kept.recent.len(), RECENT_MAX);
        assert_eq!(kept.recent[0], room(5));
        assert_eq!(kept.recent.iter().filter(|it| **it == room(5)).count(), 1);
    }

    #[test]
    fn a_damaged_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(recent_file(folder.path()), "{").unwrap();
        let (_, aside) = Kept::load(folder.path());
        assert!(aside.is_some_and(|path| path.exists()));
    }
}
