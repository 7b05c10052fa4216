//! Where the program under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::lane;
use crate::netns::Namespace;

/// Names a ready program to test instead of the one built from this repository, such as the one
/// out of a package.
const READY_PROGRAM: &str = "SNUG_SERVER";

/// Builds `snug-server` once per test binary and says where it is; a program that the variable
/// `SNUG_SERVER` names is taken as it is.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn snug_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os(READY_PROGRAM) {
        Some(path) => path.into(),
        None => build().expect("snug-server builds"),
    })
}

fn build() -> Result<PathBuf> {
    // This program lies in <target>/<profile>/deps or <target>/<profile>/examples.
    let own = std::env::current_exe()?;
    let profile = own.ancestors().nth(2).context("no profile folder")?;
    let target = profile.parent().context("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "snug-cli",
        "--bin",
        "snug-server",
    ]);
    command
        .arg("--target-dir")
        .arg(target)
        .current_dir(lane::repository());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("start cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(profile.join("snug-server"))
}

/// Makes a command for `snug-server`, inside a namespace when one is given.
#[must_use]
pub fn command(namespace: Option<&Namespace>) -> Command {
    match namespace {
        Some(namespace) => namespace.command(snug_server().as_os_str()),
        None => Command::new(snug_server()),
    }
}
