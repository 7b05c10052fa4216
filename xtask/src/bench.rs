//! `cargo xtask bench`: release builds measuring a call, or the window, on this machine.

use anyhow::{Context, Result};

use crate::process::{cargo, run};
use crate::room_server::{built, snug_server};
use crate::{apt, fixtures, ui};

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

/// Runs the window's benchmark; `options` name the parts to run, none means all.
pub fn window(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA, apt::WINDOW, apt::TEST])?;
    ui::build()?;
    fixtures::ensure()?;
    run(cargo().args(["build", "--release", "--locked"]))?;
    let released = |debug: std::path::PathBuf| -> Result<std::path::PathBuf> {
        let name = debug.file_name().context("a program without a name")?;
        let target = debug.ancestors().nth(2).context("no target folder")?;
        Ok(target.join("release").join(name))
    };
    run(cargo()
        .args(["run", "--locked", "--package", "snug-testkit"])
        .args(["--example", "bench_window", "--"])
        .arg(released(built("snug"))?)
        .args(options)
        .env("SNUG_SERVER", released(snug_server())?))
}
