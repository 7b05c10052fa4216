//! How loud everybody is, noted by those who hear it and read by those who show it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::lock;
use crate::ipc::Levels;

/// The quietest level that is told apart.
const SILENT_DBFS: f32 = -100.0;

/// Loudness is told in steps of this many dB: a meter shows no finer ones, and silence stays the
/// same from one frame to the next.
const STEP_DB: f32 = 1.0;

/// No block was heard since the last look.
const NOTHING_NEW: i32 = i32::MIN;

/// The latest levels. Noting one's own takes no lock: it happens on the thread of the microphone.
pub struct LevelBoard {
    mine_runs: AtomicBool,
    /// The loudest block since the last look, in hundredths of a dB.
    mine: AtomicI32,
    seen: AtomicI32,
    people: Mutex<BTreeMap<String, f32>>,
}

impl Default for LevelBoard {
    fn default() -> Self {
        Self {
            mine_runs: AtomicBool::new(false),
            mine: AtomicI32::new(NOTHING_NEW),
            seen: AtomicI32::new(NOTHING_NEW),
            people: Mutex::default(),
        }
    }
}

impl LevelBoard {
    /// Notes the level of a block of one's own microphone.
    pub fn note_mine(&self, dbfs: f32) {
        let level = (dbfs.max(SILENT_DBFS) * 100.0) as i32;
        self.mine.fetch_max(level, Ordering::Relaxed);
    }

    /// Notes whether one's own microphone runs.
    pub fn set_mine_runs(&self, runs: bool) {
        self.mine_runs.store(runs, Ordering::Relaxed);
        if !runs {
            self.mine.store(NOTHING_NEW, Ordering::Relaxed);
            self.seen.store(NOTHING_NEW, Ordering::Relaxed);
        }
    }

    /// Notes how loud the others are; who is not named is silent.
    pub fn set_people(&self, people: BTreeMap<String, f32>) {
        *lock(&self.people) = people;
    }

    /// Returns the present levels: of one's own microphone the loudest since the last call.
    pub(super) fn look(&self) -> Levels {
        let mut level = self.mine.swap(NOTHING_NEW, Ordering::Relaxed);
        if level == NOTHING_NEW {
            level = self.seen.load(Ordering::Relaxed);
        }
        self.seen.store(level, Ordering::Relaxed);
        let is_known = self.mine_runs.load(Ordering::Relaxed) && level != NOTHING_NEW;
        let people = lock(&self.people);
        let audible = people.iter().filter(|(_, dbfs)| **dbfs > SILENT_DBFS);
        Levels {
            me: is_known.then(|| stepped(level as f32 / 100.0)),
            people: audible
                .map(|(id, dbfs)| (id.clone(), stepped(*dbfs)))
                .collect(),
        }
    }
}

fn stepped(dbfs: f32) -> f32 {
    (dbfs / STEP_DB).round() * STEP_DB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_block_since_the_last_look_counts() {
        let board = LevelBoard::default();
        board.set_mine_runs(true);
        assert_eq!(board.look().me, None);
        for dbfs in [-40.0, -12.3, -30.0] {
            board.note_mine(dbfs);
        }
        assert_eq!(board.look().me, Some(-12.0));
        assert_eq!(board.look().me, Some(-12.0), "nothing new was heard");
        board.note_mine(f32::NEG_INFINITY);
        assert_eq!(board.look().me, Some(-100.0));
        board.set_mine_runs(false);
        assert_eq!(board.look().me, None);
    }

    #[test]
    fn the_silent_are_left_out() {
        let board = LevelBoard::default();
        board.set_people([("a".to_owned(), -100.0), ("b".to_owned(), -9.6)].into());
        assert_eq!(board.look().people, [("b".to_owned(), -10.0)].into());
    }
}
