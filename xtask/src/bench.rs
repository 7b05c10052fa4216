//! `cargo xtask bench call`: the release build measuring a call on this machine.

use anyhow::Result;

use crate::process::{cargo, run};
use crate::{apt, fixtures};

/// Runs the call benchmark; `options` are handed to it as they are.
pub fn call(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA])?;
    fixtures::ensure()?;
    // Not `--workspace`: the measured programs are the ones that ship, without the window.
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "snug-cli",
        "--bin",
        "snug-server",
    ]))?;
    run(cargo()
        .args([
            "run",
            "--release",
            "--package",
            "snug-testkit",
            "--example",
            "bench_call",
            "--",
        ])
        .args(options))
}
