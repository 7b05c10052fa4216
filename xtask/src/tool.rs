//! Cargo's own helpers: a pinned version, built once, outside the repository's builds.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, run};

/// Makes sure of a cargo subcommand at exactly this version; returns its program.
pub fn install(name: &str, version: &str) -> Result<PathBuf> {
    let root = cache_folder().join(format!("{name}-{version}"));
    let tool = root.join("bin").join(name);
    if !tool.is_file() {
        println!("Building {name} {version}, once");
        // Unoptimised: they compile in half the time, and are quick enough all the same.
        run(cargo()
            .args([
                "install",
                name,
                "--version",
                version,
                "--locked",
                "--debug",
                "--quiet",
            ])
            .arg("--root")
            .arg(&root)
            // A folder of its own, emptied by cargo: it shares nothing with this workspace.
            .env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(tool)
}

/// Names the folder that outlives builds and clones: `snug-tools` in the user's cache.
pub fn cache_folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("snug-tools")
}
