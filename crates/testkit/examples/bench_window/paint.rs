//! From the start of the process to the first painted words.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;
use snug_testkit::window::Opening;

use crate::{quantile, row};

/// Starts that count, after one that only warms the caches.
const STARTS: usize = 9;
/// The kernel's unit of process times, the same on every Linux that people run.
const TICKS_PER_SECOND: f64 = 100.0;

/// Prints the row.
pub fn measure(app: &Path) -> Result<()> {
    let mut times = Vec::new();
    for start in 0..=STARTS {
        let window = Opening::new(app).open()?;
        window.sees("home")?;
        let painted = window.script(
            "return performance.timeOrigin
                + performance.getEntriesByName('first-contentful-paint')[0].startTime",
            json!([]),
        )?;
        let painted_s = painted.as_f64().context("a time")? / 1000.0;
        if start > 0 {
            times.push((painted_s - started_s(window.app()?)?) * 1000.0);
        }
    }
    row(
        "start of the process to first contentful paint",
        &[
            &format!("{:.0} ms", quantile(&times, 0.5)?),
            &format!("{:.0} ms", quantile(&times, 1.0)?),
        ],
    );
    Ok(())
}

/// Says when a process was started, in seconds since 1970, to a hundredth.
fn started_s(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').context("a name")?.1;
    // The 22nd field of the line, of which two are before the parenthesis.
    let ticks: f64 = after_name
        .split_whitespace()
        .nth(19)
        .context("a start")?
        .parse()?;
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let up_s: f64 = uptime.split(' ').next().context("a time")?.parse()?;
    let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(now.as_secs_f64() - up_s + ticks / TICKS_PER_SECOND)
}
