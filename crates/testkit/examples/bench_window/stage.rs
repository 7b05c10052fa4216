//! How many people's pictures a window paints at full rate. Everybody's encoder and the server
//! run on the same machine; the others decode nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::process::{Join, PATIENCE, Participant, Server};
use snug_testkit::usage;
use snug_testkit::window::{Opening, Window};

use crate::rest::processor_share;
use crate::row;

/// The film has 25 frames a second; one less in a second is not yet seen.
const FULL_RATE: f64 = 24.0;
/// With one's own tile they fill a page; whoever comes then is on the next.
const GUESTS_MAX: usize = 8;
const MEASURED: Duration = Duration::from_secs(5);
const FRAMES: usize = 4000;

/// Everybody's canvas but one's own.
const OTHERS: &str = "[data-testid=\"tile\"][data-me=\"false\"] canvas";

/// Counts repaints of every tile: a picture with another digest of its middle row.
const COUNT: &str = "
    const [milliseconds] = arguments;
    const watch = window.snugStage = { counts: {}, done: false };
    const last = {};
    const started = performance.now();
    const look = () => {
        for (const tile of document.querySelectorAll('[data-testid=\"tile\"][data-me=\"false\"]')) {
            const canvas = tile.querySelector('canvas');
            if (!canvas || canvas.width === 0) continue;
            const row = canvas.getContext('2d').getImageData(0, 4, canvas.width, 1).data;
            let digest = 7;
            for (let at = 0; at < row.length; at += 32)
                digest = (digest * 2 + (row[at] > 128 ? 1 : 0)) % 2147483647;
            const id = tile.dataset.person;
            if (last[id] !== digest) watch.counts[id] = (watch.counts[id] ?? 0) + 1;
            last[id] = digest;
        }
        if (performance.now() - started >= milliseconds) watch.done = true;
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
";

/// Prints a row for each number of people until the slowest tile is no longer at full rate.
pub fn measure(app: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let film = folder.path().join("film.y4m");
    StampedFilm::load()?.write(&film, FRAMES)?;
    let server = Server::start()?;
    let link = server.link("Den");
    let window = Opening::new(app)
        .setting("camera_on", json!(false))
        .argument(&link)
        .open()?;
    window.sees("room")?;
    let mut guests: Vec<Participant> = Vec::new();
    for count in 1..=GUESTS_MAX {
        let guest = Join::new(&link, &format!("Guest {count}"))
            .camera(&film)
            .quietly()
            .start()?;
        guests.push(guest);
        window.until(
            "everybody's picture",
            PATIENCE,
            &format!("[...document.querySelectorAll('{OTHERS}')].filter((it) => it.width > 0).length === {count}"),
        )?;
        std::thread::sleep(Duration::from_secs(1));
        let slowest = slowest(&window, count)?;
        let share = processor_share(&window, MEASURED)?;
        row(
            &format!("{count}"),
            &[
                &format!("{slowest:.1} fps"),
                &format!("{:.0} %", share * 100.0),
            ],
        );
        if slowest < FULL_RATE {
            break;
        }
    }
    let memory_mib = usage::proportional_kib(&window.processes())? as f64 / 1024.0;
    row(
        "memory in that room",
        &["", &format!("{memory_mib:.0} MiB")],
    );
    Ok(())
}

fn slowest(window: &Window, people: usize) -> Result<f64> {
    window.script(COUNT, json!([MEASURED.as_secs_f64() * 1000.0]))?;
    std::thread::sleep(MEASURED);
    window.until("end of the count", PATIENCE, "window.snugStage.done")?;
    let counts = window.script("return Object.values(window.snugStage.counts)", json!([]))?;
    let counts: Vec<f64> = counts
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    // A tile that never changed is not in the list.
    let fewest = counts.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(if counts.len() < people {
        0.0
    } else {
        fewest / MEASURED.as_secs_f64()
    })
}
