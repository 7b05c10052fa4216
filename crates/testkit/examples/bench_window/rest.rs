//! What a window costs that nobody talks in: processor time and memory of the app and everything
//! that the web view starts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use snug_testkit::process::PATIENCE;
use snug_testkit::usage;
use snug_testkit::window::{Opening, Window};

use crate::row;

const MEASURED: Duration = Duration::from_secs(10);
/// What a start still does after its first paint.
const CALM: Duration = Duration::from_secs(3);

/// Prints a row for each kind of rest.
pub fn measure(app: &Path) -> Result<()> {
    let off = Opening::new(app)
        .setting("camera_on", json!(false))
        .setting("microphone_on", json!(false))
        .open()?;
    off.sees("home")?;
    tell("home, camera and microphone off", &off)?;
    drop(off);

    let preview = Opening::new(app)
        .setting("microphone_on", json!(false))
        .open()?;
    preview.until(
        "preview",
        PATIENCE,
        "document.querySelector('[data-testid=\"preview\"]')?.width > 0",
    )?;
    tell("home with preview", &preview)?;
    preview.hide()?;
    tell("home, hidden, camera on", &preview)
}

fn tell(what: &str, window: &Window) -> Result<()> {
    std::thread::sleep(CALM);
    let share = processor_share(window, MEASURED)?;
    let memory_mib = usage::proportional_kib(&window.processes())? as f64 / 1024.0;
    row(
        what,
        &[
            &format!("{:.1} %", share * 100.0),
            &format!("{memory_mib:.0} MiB"),
        ],
    );
    Ok(())
}

/// Says how much of one core the window's processes use.
pub fn processor_share(window: &Window, during: Duration) -> Result<f64> {
    let used = || -> Result<Duration> {
        let processes = window.processes();
        processes.into_iter().map(usage::processor_time).sum()
    };
    let (started, before) = (Instant::now(), used()?);
    std::thread::sleep(during);
    let spent = used()?.saturating_sub(before);
    Ok(spent.as_secs_f64() / started.elapsed().as_secs_f64())
}
