//! cargo-deny: licences, banned crates and sources of the whole tree.
//!
//! Its fourth check, security advisories, needs a database from outside the package registry,
//! which the project's CI cannot reach; run `cargo deny check advisories` where it can be.

use anyhow::Result;

use crate::process::{program, run};
use crate::tool;

/// Checks the tree against deny.toml.
pub fn check() -> Result<()> {
    let deny = tool::install("cargo-deny", "0.20.2")?;
    run(program(deny).args(["--workspace", "check", "licenses", "bans", "sources"]))
}
