//! What every scenario stands on: a server on one computer, a browser on another, and the page
//! used as a person uses it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use snug_testkit::browser::{Browser, Kind, Page};
use snug_testkit::clients;
use snug_testkit::lane;
use snug_testkit::netns::{Host, Lan, with_rights};
use snug_testkit::process::{Join, PATIENCE, Participant, Program, Server};

/// The server's computer and port, as the address of a page names them.
pub const HOST: &str = "10.77.0.1:7684";

/// A window as Snug's own opens.
pub const DESK: (u32, u32) = (1120, 720);

/// An upright phone.
pub const PHONE: (u32, u32) = (390, 844);

/// Where axe-core lies, with the page's other packages.
const AXE: &str = "ui/node_modules/axe-core/axe.min.js";

/// The server and the two computers.
pub struct Rig {
    // Fields end in this order: who uses, then what is used.
    pub server: Server,
    pub guests: Host,
    host: Host,
    _lan: Lan,
}

impl Rig {
    fn new(arguments: &[&str]) -> Result<Self> {
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guests = lan.host(&["10.77.0.2/24"])?;
        // Nothing lies behind it, but Firefox takes its own address from the way to the world.
        guests
            .namespace
            .ip(&["route", "add", "default", "via", "10.77.0.1"])?;
        let all = [&["--port", "7684"], arguments].concat();
        let server = Server::start_with(Some(&host.namespace), &all)?;
        Ok(Self {
            server,
            guests,
            host,
            _lan: lan,
        })
    }

    /// Starts a browser on the guests' computer.
    pub fn browser(&self, kind: Kind) -> Result<Browser> {
        Browser::start(kind, &self.guests.namespace)
    }

    /// Starts an unmodified client on the server's computer: a program of `clients/node`.
    pub fn unmodified(&self, program: &str, room: &str) -> Result<Program> {
        let mut command = clients::node(program, Some(&self.host.namespace));
        command.args(["ws://127.0.0.1:7684/socket", room]);
        Program::start(command)
    }

    /// Starts somebody with Snug on the server's computer, who is seen and heard.
    pub fn participant(&self, room: &str, name: &str) -> Result<Participant> {
        let link = self.server.link_by("10.77.0.1", room);
        let join = Join::new(&link, name).test_media();
        let participant = join.start_in(Some(&self.host.namespace))?;
        participant.joined()?;
        Ok(participant)
    }
}

/// Runs a scenario on a rig, alone on the machine, and shows the server's words when it fails.
pub fn scenario(arguments: &[&str], run: impl FnOnce(&Rig) -> Result<()>) -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let rig = Rig::new(arguments)?;
        run(&rig).with_context(|| format!("{:?}", rig.server))?;
        let said = rig.server.program.complaints();
        ensure!(!said.contains("panicked"), "the server panicked: {said}");
        Ok(())
    })
}

/// Waits until an expression holds in the page; returns its value.
pub fn until(page: &Page<'_>, what: &str, expression: &str) -> Result<Value> {
    until_within(page, what, PATIENCE, expression)
}

/// The same, with a limit of its own.
pub fn until_within(
    page: &Page<'_>,
    what: &str,
    within: Duration,
    expression: &str,
) -> Result<Value> {
    let deadline = Instant::now() + within;
    loop {
        let value = page.run(expression)?;
        if !matches!(value, Value::Null | Value::Bool(false)) {
            return Ok(value);
        }
        if Instant::now() > deadline {
            let shown = page.run("document.body.innerText")?;
            anyhow::bail!("no {what} within {within:?}: {expression}\n  the page says: {shown}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Goes in as a person does: a name, and Join.
pub fn join(page: &Page<'_>, name: &str) -> Result<()> {
    page.type_into("[data-testid=name-input]", name)?;
    page.click("[data-testid=join-button]")
}

/// The tile of somebody else, as an expression.
pub const OTHER: &str = "document.querySelector('[data-testid=tile][data-me=false]')";

/// Waits until the picture of somebody else moves: two looks at it differ, and neither is blank.
pub fn sees_moving(page: &Page<'_>) -> Result<()> {
    let look = format!(
        "(() => {{
            const video = {OTHER}?.querySelector('video');
            if (!video || video.videoWidth === 0) return null;
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [64, 36];
            const context = canvas.getContext('2d');
            context.drawImage(video, 0, 0, 64, 36);
            return [...context.getImageData(0, 0, 64, 36).data];
        }})()"
    );
    let pixels = |value: &Value| -> Vec<i64> {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(Value::as_i64).collect()
    };
    let first = pixels(&until(page, "picture of somebody else", &look)?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = pixels(&page.run(&look)?);
        let change: i64 = first.iter().zip(&now).map(|(a, b)| (a - b).abs()).sum();
        // The alpha of every pixel is 255: a picture of one colour has two values at the most.
        let colours: std::collections::BTreeSet<_> = now.iter().collect();
        if now.len() == first.len() && change > 20_000 && colours.len() > 8 {
            return Ok(());
        }
        let what = format!("changed by {change}, {} values", colours.len());
        ensure!(Instant::now() < deadline, "no picture that moves: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until nothing is on its way from one place to the next, as after another size.
pub fn rests(page: &Page<'_>) -> Result<()> {
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 0)")?;
    let rests = "document.getAnimations().every((it) =>
        it.effect.getTiming().iterations === Infinity)";
    until(page, "rest", rests).map(drop)
}

/// Lists what axe-core finds wrong with what the page shows now, each with the elements.
pub fn axe(page: &Page<'_>) -> Result<Vec<String>> {
    let file = lane::repository().join(AXE);
    let source = std::fs::read_to_string(&file).with_context(|| {
        let file = file.display();
        format!("{file} is missing; cargo xtask setup installs it")
    })?;
    page.run(&format!("{source}; null"))?;
    let found = page.run(
        "axe.run(document, { resultTypes: ['violations'] }).then((found) => ({
            passes: found.passes.length,
            violations: found.violations.map((rule) => `${rule.id}: ` +
                rule.nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')),
        }))",
    )?;
    // A run that checked nothing finds nothing.
    ensure!(found["passes"].as_u64() > Some(0), "axe said {found}");
    let violations = found["violations"].as_array().context("no list")?;
    Ok(violations.iter().map(ToString::to_string).collect())
}

/// Draws the page into a folder that a person may look at, when one is named.
pub fn draw(page: &Page<'_>, name: &str) -> Result<()> {
    match std::env::var_os("SNUG_DRAWINGS") {
        Some(folder) => page.draw(&Path::new(&folder).join(format!("{name}.png"))),
        None => Ok(()),
    }
}
