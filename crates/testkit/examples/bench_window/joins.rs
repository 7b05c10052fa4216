//! From the click to the first picture of somebody else, over a link of 1 ms each way.
//!
//! Server and guest are on one computer (namespace), the window on another; nothing but a
//! [`Wire`] connects them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::netns::Namespace;
use snug_testkit::process::{Join, PATIENCE, Server};
use snug_testkit::window::Opening;
use snug_testkit::wire::Wire;

use crate::{quantile, row};

const JOINS: usize = 25;
const ONE_WAY: Duration = Duration::from_millis(1);
/// The film is longer than all joins together take.
const FRAMES: usize = 6000;

/// Clicks, and notes when a tile of somebody else first shows a picture, both by the page's clock.
const CLICK_AND_WATCH: &str = "
    const done = arguments[0];
    const clicked = performance.now();
    document.querySelector('[data-testid=\"join-button\"]').click();
    const look = () => {
        const canvas = document.querySelector('[data-testid=\"tile\"][data-me=\"false\"] canvas');
        if (canvas && canvas.width > 0) {
            const row = canvas.getContext('2d')
                .getImageData(0, canvas.height >> 1, canvas.width, 1).data;
            if (row.some((value, at) => value !== row[at % 4]))
                return done(performance.now() - clicked);
        }
        if (performance.now() - clicked > 15000) return done(null);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
";

/// Prints the row.
pub fn measure(app: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let film = folder.path().join("film.y4m");
    StampedFilm::load()?.write(&film, FRAMES)?;
    let (near, far) = (Namespace::new()?, Namespace::new()?);
    let server = Server::start_with(Some(&far), &[])?;
    let guest = Join::new(&server.link("Den"), "Grace")
        .camera(&film)
        .microphone("test")
        .start_in(Some(&far))?;
    guest.joined()?;
    let _wire = Wire::lay(&near, &far, server.port, ONE_WAY)?;
    let window = Opening::new(app).namespace(&near).open()?;
    let mut times = Vec::new();
    for _ in 0..JOINS {
        window.fill("join-input", &server.link("Den"))?;
        let time = window.script_async(CLICK_AND_WATCH, json!([]))?;
        times.push(time.as_f64().context("no picture in 15 s")?);
        window.click("leave-button")?;
        window.click("leave-confirm")?;
        window.sees_within("home", PATIENCE)?;
    }
    let milliseconds =
        |share| Ok::<_, anyhow::Error>(format!("{:.0} ms", quantile(&times, share)?));
    row(
        &format!("click to first remote picture, {JOINS} joins, 2 ms link"),
        &[&milliseconds(0.5)?, &milliseconds(1.0)?],
    );
    row("  95 of 100 are quicker than", &["", &milliseconds(0.95)?]);
    Ok(())
}
