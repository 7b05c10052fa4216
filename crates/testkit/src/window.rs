//! The real app in a real window, driven as a person would: WebKitWebDriver presses its buttons,
//! reads its page and photographs it, on a screen, message bus and home folder of its own.
//!
//! Describe one with [`Opening`] and open it; [`Window`] then finds things by their `data-testid`.
//! Every wait has a deadline, and a failure says what the page showed instead and where its
//! photograph lies. The app, its helpers, its screen and its folders end with the handle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::display::Display;
use crate::lane;
use crate::process::{Ended, PATIENCE, Program};

mod axe;
mod bus;
mod driver;
mod opening;
mod page;
mod state;
mod tiles;

pub use bus::Bus;
use driver::Driver;
pub use opening::Opening;
pub use page::Key;
pub use tiles::{Advance, Sample};

/// How often a wait looks again. Each look costs the page a script.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where photographs of failures go: a folder that git ignores.
const REPORTS: &str = "reports/windows";

/// Says what became of each tile's canvas, and whether the page thinks that anybody sees it.
const TILES: &str = "
    const canvases = document.querySelectorAll('[data-testid=tile] canvas');
    return [document.visibilityState, ...Array.from(canvases, canvas => [
        canvas.closest('[data-testid=tile]').dataset.person ?? '',
        canvas.dataset.painted === undefined ? 'never painted' : 'painted',
        canvas.width, canvas.height].join(' '))];
";

/// WebKit's driver takes its picture at the next repaint, and waits for ever on a page that
/// rests. So one pixel in a corner does not.
const START_REPAINTS: &str = "
    const pixel = document.createElement('div');
    pixel.id = 'snug-repaints';
    pixel.style = 'position:fixed;left:0;top:0;width:1px;height:1px;z-index:2147483647';
    document.body.append(pixel);
    let odd = false;
    const tick = () => {
        odd = !odd;
        pixel.style.backgroundColor = odd ? 'rgba(0,0,0,.01)' : 'rgba(0,0,0,.02)';
    };
    window.snugRepaints = setInterval(tick, 40);
";
const END_REPAINTS: &str = "
    clearInterval(window.snugRepaints);
    document.getElementById('snug-repaints')?.remove();
";

/// An open window. Dropping it ends everything that belongs to it.
#[derive(Debug)]
pub struct Window {
    // Fields end in this order: first who uses, then what is used.
    driver: Driver,
    surroundings: Surroundings,
    display: Display,
    screen: (u32, u32),
    _bus: Bus,
    _home: TempDir,
}

/// What any program that belongs to this window's desktop starts with.
#[derive(Debug)]
struct Surroundings {
    program: PathBuf,
    namespace: Option<String>,
    data: PathBuf,
    variables: Vec<(String, String)>,
}

impl Surroundings {
    /// Makes a command that runs on this desktop.
    fn command(&self, program: &Path) -> Command {
        let mut command = match &self.namespace {
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
            None => Command::new(program),
        };
        for inherited in [
            "WAYLAND_DISPLAY",
            "DBUS_SESSION_BUS_ADDRESS",
            "PULSE_SERVER",
        ] {
            command.env_remove(inherited);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Window {
    /// Says where its settings, identity and logs lie.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.surroundings.data
    }

    /// Lends its screen.
    #[must_use]
    pub fn display(&self) -> &Display {
        &self.display
    }

    /// Lends the process that started the app, which carries what the app says.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.driver.program
    }

    /// Names the process of the app itself.
    ///
    /// # Errors
    /// When it has ended.
    pub fn app(&self) -> Result<u32> {
        let name = self.surroundings.program.file_name();
        let name = name.context("a program without a name")?.to_string_lossy();
        let is_app = |process: &u32| {
            std::fs::read_to_string(format!("/proc/{process}/comm"))
                .is_ok_and(|comm| comm.trim() == name)
        };
        self.processes()
            .into_iter()
            .find(is_app)
            .with_context(|| format!("{name} has ended\n{:?}", self.driver.program))
    }

    /// Lists every process of the app: itself and what the web view starts, without the driver.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.driver.group_members()
    }

    /// Starts the app a second time with the same data, on the same desktop, with these
    /// arguments, and waits for that second process to end.
    ///
    /// # Errors
    /// When it cannot start or does not end in time.
    pub fn start_again(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = self.surroundings.command(&self.surroundings.program);
        command.args(arguments).arg("--data").arg(self.data());
        command.arg("--no-discovery");
        Program::start(command)?.ended(PATIENCE)
    }

    /// Says whether the app still runs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.app().is_ok()
    }

    /// Waits until the app has ended by itself.
    ///
    /// # Errors
    /// When it has not within this time.
    pub fn ended(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        while self.is_open() {
            ensure!(
                Instant::now() < deadline,
                "the app still runs after {within:?}"
            );
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Gives the window's inside this size in pixels and waits until the page has it. It stays
    /// round the middle of the screen: there the pointer rests, and on a screen without a window
    /// manager the window under the pointer is the one with the focus.
    ///
    /// # Errors
    /// When the page does not get that size.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let (left, top) = (
            self.screen.0.saturating_sub(width) / 2,
            self.screen.1.saturating_sub(height) / 2,
        );
        self.driver.run(move |client| async move {
            Ok(client.set_window_rect(left, top, width, height).await?)
        })?;
        let wanted = format!("innerWidth === {width} && innerHeight === {height}");
        self.until(&format!("a page of {width}x{height}"), PATIENCE, &wanted)
    }

    /// Takes the window off the screen, as minimising does.
    ///
    /// # Errors
    /// When the page does not notice.
    pub fn hide(&self) -> Result<()> {
        self.driver
            .run(|client| async move { Ok(client.minimize_window().await?) })?;
        let hidden = "document.visibilityState === 'hidden'";
        self.until("hidden page", PATIENCE, hidden)
    }

    /// Photographs the page into a PNG file.
    ///
    /// # Errors
    /// When the driver takes no picture or the file cannot be written.
    pub fn photograph(&self, file: &Path) -> Result<()> {
        self.script(START_REPAINTS, json!([]))?;
        let png = self
            .driver
            .run(|client| async move { Ok(client.screenshot().await?) });
        self.script(END_REPAINTS, json!([]))?;
        let png = png?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, png).with_context(|| format!("write {}", file.display()))
    }

    /// Runs a script in the page and returns what it returns. `arguments` is an array, inside
    /// which the script finds its inputs.
    ///
    /// # Errors
    /// When the script throws or the page does not answer.
    pub fn script(&self, script: &str, arguments: Value) -> Result<Value> {
        let text = script.to_owned();
        let Value::Array(arguments) = arguments else {
            anyhow::bail!("arguments of a script are an array");
        };
        self.driver
            .run(move |client| async move { Ok(client.execute(&text, arguments).await?) })
            .with_context(|| format!("in the page: {script}"))
    }

    /// Runs a script that ends by calling its last argument with a value, and returns that.
    ///
    /// # Errors
    /// When the script throws or never calls back.
    pub fn script_async(&self, script: &str, arguments: Value) -> Result<Value> {
        let text = script.to_owned();
        let Value::Array(arguments) = arguments else {
            anyhow::bail!("arguments of a script are an array");
        };
        self.driver
            .run(move |client| async move { Ok(client.execute_async(&text, arguments).await?) })
            .with_context(|| format!("in the page: {script}"))
    }

    /// Waits until an expression holds in the page.
    ///
    /// # Errors
    /// When it does not in time; the error tells what the page showed.
    pub fn until(&self, what: &str, within: Duration, expression: &str) -> Result<()> {
        self.until_some(what, within, expression).map(drop)
    }

    /// Waits until an expression has a value other than false, nothing, 0 or empty.
    ///
    /// # Errors
    /// When it does not in time; the error tells what the page showed.
    pub fn until_some(&self, what: &str, within: Duration, expression: &str) -> Result<Value> {
        let deadline = Instant::now() + within;
        let script = format!("const value = ({expression}); return value ? value : null;");
        let mut trouble = None;
        loop {
            match self.script(&script, json!([])) {
                Ok(Value::Null) => {}
                Ok(value) => return Ok(value),
                Err(error) => trouble = Some(error),
            }
            if Instant::now() >= deadline {
                let why = trouble.map_or_else(String::new, |error| format!(" ({error:#})"));
                return Err(self.failure(&format!("no {what} within {within:?}{why}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Makes an error that carries what there is to see: a photograph, the page's words, what it
    /// complained of, and what the app said.
    #[must_use]
    pub fn failure(&self, what: &str) -> anyhow::Error {
        let name = std::thread::current()
            .name()
            .unwrap_or("window")
            .replace("::", "-");
        let file = lane::repository().join(REPORTS).join(format!("{name}.png"));
        let photograph = match self.photograph(&file) {
            Ok(()) => file.display().to_string(),
            Err(error) => format!("none: {error:#}"),
        };
        let words = self.script("return document.body.innerText.slice(0, 800)", json!([]));
        let words = words.map_or_else(|error| format!("{error:#}"), |it| it.to_string());
        let tiles = self.script(TILES, json!([]));
        let tiles = tiles.map_or_else(|error| format!("{error:#}"), |it| it.to_string());
        let complaints = self.complaints().unwrap_or_default().join("\n  ");
        anyhow::anyhow!(
            "{what}\n  photograph: {photograph}\n  the page says: {words}\n  \
             its tiles: {tiles}\n  the page complained: {complaints}\n{:?}",
            self.driver.program
        )
    }

    /// Lists what the page complained of since it was opened: thrown errors, console errors,
    /// broken rules of the content security policy.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let said = self.script("return window.snugComplaints ?? []", json!([]))?;
        Ok(serde_json::from_value(said)?)
    }
}
