//! The web page inside the window: installed and built by npm, checked by svelte-check and vitest.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::npm;
use crate::process::{cargo, repository, run, tee};
use crate::tally::Tally;

/// Builds `ui/dist`, which the app's build embeds, and `ui/dist-guest`, the page for browsers that
/// every server embeds.
pub fn build() -> Result<()> {
    npm::install(&folder())?;
    run(&mut npm(&["run", "--silent", "build"]))
}

/// Writes `ui/src/ipc/types.ts` again from the program's types: the test that compares the two
/// writes it when asked to.
pub fn renew_types() -> Result<()> {
    let test = "typescript_has_the_present_types";
    run(cargo()
        .args(["test", "-p", "snug", "--lib", test])
        .env("SNUG_RENEW_TYPES", "1"))
}

/// Checks the page's types and markup, and fails on warnings.
pub fn check() -> Result<()> {
    run(&mut npm(&["run", "--silent", "check"]))
}

/// Runs the page's tests and counts them.
pub fn test(tally: &mut Tally) -> Result<()> {
    let passed = tee(&mut npm(&["test", "--silent"]), |line| {
        tally.read_vitest(line)
    })?;
    if !passed {
        bail!("a test of the page failed");
    }
    Ok(())
}

/// Names a program that the page's packages bring along.
pub fn program_of(name: &str) -> PathBuf {
    folder().join("node_modules/.bin").join(name)
}

fn folder() -> PathBuf {
    repository().join("ui")
}

fn npm(arguments: &[&str]) -> Command {
    npm::command(&folder(), arguments)
}
