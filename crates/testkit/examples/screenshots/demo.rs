//! One picture of the demo's room: the person and three others, one of them speaking.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::fixtures;
use snug_testkit::process::{Join, PATIENCE, Server};
use snug_testkit::window::Opening;

/// How well the picture is kept when its name ends in .jpg: ffmpeg's scale, 2 is the best.
const JPEG_QUALITY: &str = "3";
/// Somebody speaks within this: the speech has short pauses only.
const SPEAKS_WITHIN: Duration = Duration::from_secs(20);

/// Opens the demo's room and photographs it into a PNG or JPEG file.
pub fn photograph(app: &Path, file: &Path) -> Result<()> {
    let server = Server::start()?;
    let link = server.link("Fireside");
    let grace = Join::new(&link, "Grace")
        .camera(fixtures::film())
        .microphone(fixtures::speech())
        .start()?;
    let joan = Join::new(&link, "Joan")
        .camera(fixtures::film_close())
        .start()?;
    let alan = Join::new(&link, "Alan")
        .camera("test")
        .microphone("test")
        .start()?;
    let grace_id = grace.joined()?;
    let window = Opening::new(app)
        .setting(
            "camera",
            json!({ "kind": "file", "value": fixtures::film() }),
        )
        .argument(&link)
        .open()?;
    for person in [&grace_id, &joan.joined()?, &alan.joined()?] {
        window.picture(&format!(r#"data-person="{person}""#), PATIENCE)?;
    }
    window.picture(r#"data-me="true""#, PATIENCE)?;
    // The tone of the test would ring all the time; the picture is of one who speaks.
    let mut alan = alan;
    alan.control("microphone off")?;
    window.settles()?;
    let speaks = format!(r#"tile"][data-person="{grace_id}"#);
    window.has(&speaks, "data-speaking", "true", SPEAKS_WITHIN)?;
    if file.extension().is_some_and(|it| it == "png") {
        return window.photograph(file);
    }
    let folder = tempfile::tempdir()?;
    let png = folder.path().join("window.png");
    window.photograph(&png)?;
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(&png)
        .args(["-q:v", JPEG_QUALITY])
        .arg(file)
        .status()
        .context("start ffmpeg")?;
    ensure!(status.success(), "ffmpeg cannot write {}", file.display());
    Ok(())
}
