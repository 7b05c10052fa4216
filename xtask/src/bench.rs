//! `cargo xtask bench`: release builds measured on this machine.

use anyhow::Result;

use crate::build::built;
use crate::process::{cargo, program, run};
use crate::{apt, build, fixtures, npm, ui};

/// Runs the call benchmark; `options` are handed to it as they are.
pub fn call(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA])?;
    fixtures::ensure()?;
    measure("bench_call", options)
}

/// Measures what forwarding costs, beside Janus; `options` say how many passes.
pub fn sfu(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::BENCH])?;
    measure("bench_sfu", options)
}

/// Measures what signalling costs; `options` say how many passes.
pub fn signalling(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD])?;
    measure("bench_signalling", options)
}

/// Measures what sending pictures costs, beside x264 and a browser; `options` say how many passes.
pub fn media(options: &[&str]) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA, apt::TEST])?;
    fixtures::ensure()?;
    npm::install_clients()?;
    measure("bench_media", options)
}

/// Builds the server as it ships and an example that measures it, and runs that.
fn measure(example: &str, options: &[&str]) -> Result<()> {
    // Not `--workspace`: the measured programs are the ones that ship, without the window. One
    // build, so that they share what they are made of.
    run(cargo().args(["build", "--release", "--locked"]).args([
        "--package",
        "snug-cli",
        "--package",
        "snug-testkit",
        "--bin",
        "snug-server",
        "--example",
        example,
    ]))?;
    let released = build::target_folder()?.join("release");
    run(program(released.join("examples").join(example))
        .args(options)
        .env("SNUG_SERVER", released.join("snug-server")))
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
