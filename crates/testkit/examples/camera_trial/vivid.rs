//! The kernel's test camera, and pulling it out.

use std::process::Command;
use std::time::{Duration, Instant};

use snug_media::device::camera::list;

use crate::Outcome;

/// The machine is an emulated one that shares a busy processor: far beyond any real wait.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Plugs in so many of them.
pub fn load(cameras: u32) -> Outcome {
    let count = format!("n_devs={cameras}");
    // Of each a video capture node only, with one input: a webcam.
    let types: Vec<String> = ["node_types", "num_inputs", "input_types"]
        .into_iter()
        .zip(["0x1", "1", "0"])
        .map(|(name, value)| format!("{name}={}", vec![value; cameras as usize].join(",")))
        .collect();
    busybox(&[
        "insmod",
        "/modules/vivid.ko",
        &count,
        &types[0],
        &types[1],
        &types[2],
    ])?;
    wait_for("the camera to appear", || {
        list().is_ok_and(|found| found.len() == cameras as usize)
    })
}

/// Takes all out for good; fails while anybody holds one.
pub fn unload() -> Outcome {
    busybox(&["rmmod", "vivid"])
}

/// Pulls the device out of its driver, or puts it back, as the bus does it for a real one.
pub fn plug(verb: &str) -> Outcome {
    std::fs::write(format!("/sys/bus/platform/drivers/vivid/{verb}"), "vivid.0")?;
    let there = verb == "bind";
    wait_for("the list to follow", || {
        list().is_ok_and(|cameras| cameras.is_empty() != there)
    })
}

fn busybox(arguments: &[&str]) -> Outcome {
    let output = Command::new("/bin/busybox").args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || {
        format!("{arguments:?}: {}", said.trim())
    })
}

pub fn wait_for(what: &str, holds: impl Fn() -> bool) -> Outcome {
    let started = Instant::now();
    while !holds() {
        ensure(started.elapsed() < PATIENCE, || {
            format!("waited in vain for {what}")
        })?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Fails with what `otherwise` says unless it holds.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}
