//! The programs written for a Membrane server, unmodified from npm, in `clients/`: where they are
//! and how they are started.

use std::path::PathBuf;
use std::process::Command;

use crate::netns::Namespace;

/// Says where the clients are.
///
/// # Panics
/// When `cargo xtask test` has not installed them.
#[must_use]
pub fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    assert!(
        folder.join("node_modules").exists(),
        "the npm packages of {} are missing. `cargo xtask setup` installs them.",
        folder.display()
    );
    folder
}

/// Makes a command that runs one of the folder's programs in Node, inside a namespace when one is
/// given.
#[must_use]
pub fn node(program: &str, namespace: Option<&Namespace>) -> Command {
    let mut command = match namespace {
        Some(namespace) => namespace.command("node".as_ref()),
        None => Command::new("node"),
    };
    command.arg(program).current_dir(folder());
    command
}
