//! The web page inside the window: installed and built by npm, checked by svelte-check and vitest.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, is_installed, output, program, repository, run, tee};
use crate::tally::Tally;

/// The oldest Node that Vite runs on.
const NODE_MIN: (u32, u32) = (20, 19);

/// Installs the page's packages when the lockfile changed since the last time.
pub fn install() -> Result<()> {
    check_node()?;
    let installed = folder().join("node_modules/.package-lock.json");
    let lockfile = folder().join("package-lock.json");
    if is_newer(&installed, &lockfile) {
        return Ok(());
    }
    run(&mut npm(&[
        "ci",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))
}

/// Builds `ui/dist`, which the app's build embeds.
pub fn build() -> Result<()> {
    install()?;
    run(&mut npm(&[
        "run",
        "--silent",
        "build",
        "--",
        "--logLevel=warn",
    ]))
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
    let mut command = program("npm");
    command
        .args(arguments)
        .current_dir(folder())
        .env("NO_COLOR", "1");
    command
}

fn check_node() -> Result<()> {
    let wanted = format!("Node {}.{} or newer", NODE_MIN.0, NODE_MIN.1);
    if !is_installed("node") || !is_installed("npm") {
        bail!("{wanted} with npm is needed to build the window's page. Install it and run again.");
    }
    let version = output(program("node").arg("--version"))?;
    let found = parse_version(&version).with_context(|| format!("node said `{version}`"))?;
    if found < NODE_MIN {
        bail!(
            "{wanted} is needed, and this is {}. Install it and run again.",
            version.trim()
        );
    }
    Ok(())
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().trim_start_matches('v').split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn is_newer(made: &std::path::Path, source: &std::path::Path) -> bool {
    let time = |path| std::fs::metadata(path).and_then(|it| it.modified());
    matches!((time(made), time(source)), (Ok(made), Ok(source)) if made >= source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_compared_by_number() {
        assert_eq!(parse_version("v20.19.1\n"), Some((20, 19)));
        assert!(parse_version("v20.9.0") < Some(NODE_MIN));
        assert!(parse_version("v24.0.0") > Some(NODE_MIN));
        assert_eq!(parse_version("nonsense"), None);
    }
}
