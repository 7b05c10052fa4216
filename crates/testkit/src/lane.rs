//! Where tests run: the repository, and one lane at a time for those that need the whole machine.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

/// Says where the repository's root is.
#[must_use]
pub fn repository() -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .expect("testkit lies two folders deep")
        .to_path_buf()
}

/// Says whether the long forms of tests are wanted: `cargo xtask test --slow`, or `SNUG_SLOW` set.
#[must_use]
pub fn is_slow() -> bool {
    std::env::var_os("SNUG_SLOW").is_some()
}

/// Lists the seeds of a test that meets chance: one, and three in the long form.
#[must_use]
pub fn seeds(first: u64) -> Range<u64> {
    first..first + if is_slow() { 3 } else { 1 }
}

/// Keeps the machine to one real-time test, across threads and processes, until dropped.
///
/// Encoding, decoding and measuring in real time cannot share two cores with another such case:
/// the neighbour's load would be measured, not the call.
#[derive(Debug)]
pub struct Turn {
    _held: File,
}

/// Waits for the lane to be free and takes it.
///
/// # Panics
/// When the temporary folder cannot hold a lock file.
#[must_use]
pub fn turn() -> Turn {
    let path = std::env::temp_dir().join("snug-testkit.lane");
    // Reading is enough to lock, and is all that another user's file allows.
    let file = File::open(&path).or_else(|_| File::create(&path));
    let file = file.expect("the temporary folder is writable");
    file.lock().expect("a lock file can be locked");
    Turn { _held: file }
}
