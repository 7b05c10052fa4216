//! `cargo xtask bench`: release builds measuring a call, or the window, on this machine.

use anyhow::Result;

use crate::build::built;
use crate::process::{cargo, program, run};
use crate::{apt, build, fixtures, ui};

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
    let released = build::released()?;
    build::programs()?;
    run(program(built("examples/bench_window"))
        .arg(released.join("snug"))
        .args(options)
        .env("SNUG_SERVER", released.join("snug-server")))
}
