//! Folders of npm packages: the window's page, and the clients that the browser suite drives.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{is_installed, output, program, repository, run};

/// The oldest Node that Vite runs on.
const NODE_MIN: (u32, u32) = (20, 19);

/// Installs a folder's packages when its lockfile changed since the last time.
pub fn install(folder: &Path) -> Result<()> {
    check_node()?;
    let installed = folder.join("node_modules/.package-lock.json");
    let lockfile = folder.join("package-lock.json");
    if is_newer(&installed, &lockfile) {
        return Ok(());
    }
    run(&mut command(
        folder,
        &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    ))
}

/// Installs the clients of the browser suite. They only have to be there: none of their packages
/// gets to run a program of its own.
pub fn install_clients() -> Result<()> {
    install(&clients())
}

/// Makes a command that runs npm in a folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program("npm");
    command
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1");
    command
}

fn clients() -> PathBuf {
    repository().join("crates/testkit/clients")
}

fn check_node() -> Result<()> {
    let wanted = format!("Node {}.{} or newer", NODE_MIN.0, NODE_MIN.1);
    if !is_installed("node") || !is_installed("npm") {
        bail!(
            "{wanted} with npm is needed by the page and the browser suite. Install it and run again."
        );
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

fn is_newer(made: &Path, source: &Path) -> bool {
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
