//! Measures the window on this machine and prints a table: `cargo xtask bench window`.
//!
//! The real app on a virtual screen without a graphics processor, driven by WebKitWebDriver. All
//! figures come from the page's and the kernel's own clocks; [`joins`] says how the link is made.

mod joins;
mod paint;
mod rest;
mod stage;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use snug_testkit::netns;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app, parts @ ..] = arguments.as_slice() else {
        anyhow::bail!("give the app, and perhaps the parts to measure: paint joins rest stage");
    };
    let app: &Path = app.as_ref();
    ensure!(
        netns::has_rights(),
        "the link of known delay needs network namespaces: run this as root"
    );
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|it| it == part);
    println!("The window under Xvfb, drawn by the processor\n");
    row("", &["median", "worst"]);
    if wants("paint") {
        paint::measure(app)?;
    }
    if wants("joins") {
        joins::measure(app)?;
    }
    if wants("rest") {
        println!();
        row("", &["processor", "memory"]);
        rest::measure(app)?;
    }
    if wants("stage") {
        println!();
        row("tiles of 640x360", &["slowest", "processor"]);
        stage::measure(app)?;
    }
    Ok(())
}

fn row(what: &str, figures: &[&str]) {
    print!("{what:<52}");
    for figure in figures {
        print!(" {figure:>12}");
    }
    println!();
}

/// Takes a value so high that this share of them (0 to 1) is not above it.
fn quantile(values: &[f64], share: f64) -> Result<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.max(1) - 1)
        .copied()
        .context("no values at all")
}
