//! cargo-deny: licences, banned crates and sources of the whole tree.
//!
//! Its fourth check, security advisories, needs a database from outside the package registry,
//! which the project's CI cannot reach; run `cargo deny check advisories` where it can be.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, program, run};

const VERSION: &str = "0.20.2";

/// Checks the tree against deny.toml.
pub fn check() -> Result<()> {
    let tool = install()?;
    run(program(tool).args(["--workspace", "check", "licenses", "bans", "sources"]))
}

/// Builds the pinned cargo-deny once, outside the repository's own build.
fn install() -> Result<PathBuf> {
    let root = cache_folder().join(format!("cargo-deny-{VERSION}"));
    let tool = root.join("bin/cargo-deny");
    if !tool.is_file() {
        // Unoptimised: it compiles in half the time and checks this tree in seconds all the same.
        run(cargo()
            .args([
                "install",
                "cargo-deny",
                "--version",
                VERSION,
                "--locked",
                "--debug",
                "--quiet",
            ])
            .arg("--root")
            .arg(&root)
            // Its own, emptied afterwards by cargo: it shares nothing with this workspace.
            .env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(tool)
}

fn cache_folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("snug-tools")
}
