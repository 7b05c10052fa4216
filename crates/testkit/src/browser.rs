//! A real browser without a window, whose pages each are one unmodified client in one room.
//!
//! [`Browser`] is one started browser, [`Page`] one of its pages. A page runs scripts; what there
//! is to call stands in `clients/page/main.js` as `snug`. Whatever a page complains of, thrown or
//! on its console, is kept, and [`Browser::close`] fails on all that a scenario did not list. The
//! browser, its helpers and its profile are gone when the handle is.

use std::fmt;
use std::path::Path;
use std::process::ChildStdin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients;
use crate::netns::Namespace;
use crate::process::{PATIENCE, Program, Signal};
use crate::pulse::Pulse;

mod family;

/// How long a browser may take to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a script may take that says nothing else.
const SCRIPT_MAX: Duration = Duration::from_secs(60);

/// How much longer than its own wait an answer may be on its way.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where the pages of the first, second and third browser in a namespace come from; a server must
/// allow them.
pub const ORIGINS: [&str; 3] = [
    "http://localhost:8080",
    "http://localhost:8081",
    "http://localhost:8082",
];

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `chromium`.
    Chromium,
    /// Debian's `firefox-esr`.
    Firefox,
}

impl Kind {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Chromium => ["chromium", "/usr/bin/chromium"],
            Self::Firefox => ["firefox", "/usr/bin/firefox-esr"],
        }
    }

    /// Firefox computes no sound at all where there is no loudspeaker; Chromium makes one up.
    fn sound(self) -> Result<Option<Pulse>> {
        if self == Self::Chromium {
            return Ok(None);
        }
        let pulse = Pulse::start()?;
        pulse.plug_speaker("speaker", "Loudspeaker", 48_000)?;
        Ok(Some(pulse))
    }
}

/// A running browser.
pub struct Browser {
    program: Program,
    input: Mutex<ChildStdin>,
    count: AtomicU64,
    root: u32,
    _profile: TempDir,
    _sound: Option<Pulse>,
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (page, text) in self.complaints() {
            writeln!(f, "  {page} complained: {text}")?;
        }
        let complaints = self.program.complaints();
        writeln!(f, "  its driver complained: {complaints}")
    }
}

impl Browser {
    /// Starts a browser inside a namespace.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(kind: Kind, namespace: &Namespace) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut command = clients::node("browser.mjs", Some(namespace));
        command.args(kind.words());
        command.args(
            ORIGINS
                .iter()
                .filter_map(|origin| origin.rsplit(':').next()),
        );
        // Everything that the browser and its driver write lies there and goes with it.
        command.env("TMPDIR", profile.path());
        command.env("HOME", profile.path());
        let sound = kind.sound()?;
        if let Some(sound) = &sound {
            command.envs(sound.environment());
        }
        let mut program = Program::start(command)?;
        let input = Mutex::new(program.take_input().context("its input")?);
        let ready = program.wait_for("browser", START_MAX, |event| event.kind == "ready")?;
        let root = u32::try_from(ready.number("process"))?;
        Ok(Self {
            program,
            input,
            count: AtomicU64::new(0),
            root,
            _profile: profile,
            _sound: sound,
        })
    }

    /// Opens a page in a window of its own.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn open(&self, name: &str) -> Result<Page<'_>> {
        self.ask(json!({ "do": "open", "page": name }), START_MAX)?;
        Ok(Page {
            browser: self,
            name: name.to_owned(),
        })
    }

    /// Opens a server's own page, in a window of that size, as a person does who goes on after the
    /// browser's warning about a certificate that it does not know.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn visit(&self, name: &str, address: &str, size: (u32, u32)) -> Result<Page<'_>> {
        let (width, height) = size;
        let command = json!({
            "do": "open", "page": name, "address": address, "width": width, "height": height,
        });
        self.ask(command, START_MAX)?;
        Ok(Page {
            browser: self,
            name: name.to_owned(),
        })
    }

    /// Lists the addresses that a page opened by [`Browser::visit`] asked for.
    #[must_use]
    pub fn requests(&self, page: &str) -> Vec<String> {
        let events = self.program.events();
        let own = events.iter().filter(|event| event.kind == "request");
        own.filter(|event| event.text("page") == page)
            .map(|event| event.text("url").to_owned())
            .collect()
    }

    /// Lists the browser's processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        family::of(self.root)
    }

    /// Stops every process of the browser where it stands: no network peer is told.
    pub fn freeze(&self) {
        family::signal(&family::of(self.root), Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        family::signal(&family::of(self.root), Signal::CONT);
    }

    /// Lists what pages complained of: which page, and what.
    #[must_use]
    pub fn complaints(&self) -> Vec<(String, String)> {
        let events = self.program.events();
        let complaints = events.iter().filter(|event| event.kind == "complaint");
        complaints
            .map(|event| (event.text("page").to_owned(), event.text("text").to_owned()))
            .collect()
    }

    /// Ends the browser, and fails on every complaint in which none of `expected` occurs.
    ///
    /// # Errors
    /// When there was one, or the browser does not end.
    pub fn close(self, expected: &[&str]) -> Result<()> {
        let unexpected: Vec<_> = self
            .complaints()
            .into_iter()
            .filter(|(_, text)| !expected.iter().any(|part| text.contains(part)))
            .collect();
        ensure!(unexpected.is_empty(), "pages complained: {unexpected:#?}");
        Ok(())
    }

    fn ask(&self, command: Value, within: Duration) -> Result<Value> {
        let id = self.tell(command)?;
        self.answer(id, within)
    }

    fn tell(&self, mut command: Value) -> Result<u64> {
        use std::io::Write;
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        command["id"] = json!(id);
        let mut input = self.input.lock().expect("nobody panics while writing");
        writeln!(input, "{command}")?;
        input.flush()?;
        Ok(id)
    }

    fn answer(&self, id: u64, within: Duration) -> Result<Value> {
        let answer = self.program.wait_for("answer", within, |event| {
            event.kind == "answer" && event.number("id") == id
        })?;
        match answer.body.get("error") {
            None => Ok(answer.body["value"].clone()),
            Some(error) => Err(anyhow!("{error}")),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser outlives its driver, and a frozen one everything but this.
        family::signal(&family::of(self.root), Signal::KILL);
    }
}

/// A page: one client in one room.
#[derive(Debug)]
pub struct Page<'a> {
    browser: &'a Browser,
    name: String,
}

/// A script that runs; [`Asked::answer`] waits for what it returns.
#[derive(Debug)]
#[must_use = "what goes wrong in it is told by its answer"]
pub struct Asked<'a> {
    page: &'a Page<'a>,
    id: u64,
    script: String,
}

impl Asked<'_> {
    /// Waits for the end of the script and returns its value.
    ///
    /// # Errors
    /// When it throws or takes longer than that.
    pub fn answer(&self, within: Duration) -> Result<Value> {
        let answer = self.page.browser.answer(self.id, within);
        answer.with_context(|| format!("in the page of {}: {}", self.page.name, self.script))
    }
}

impl Page<'_> {
    /// Says how the scenario calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a script, an expression that may be a promise, and returns its value.
    ///
    /// # Errors
    /// When it throws or takes more than a minute.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.start(script)?.answer(SCRIPT_MAX)
    }

    /// Starts a script and does not wait for it.
    ///
    /// # Errors
    /// When the driver is gone.
    pub fn start(&self, script: &str) -> Result<Asked<'_>> {
        let command = json!({ "do": "run", "page": self.name, "script": script });
        Ok(Asked {
            page: self,
            id: self.browser.tell(command)?,
            script: script.to_owned(),
        })
    }

    /// Waits until an expression, which may be a promise, holds; returns its value.
    ///
    /// # Errors
    /// When it does not in time; the error tells what the page knows.
    pub fn until(&self, what: &str, within: Duration, expression: &str) -> Result<Value> {
        let script = format!("snug.until(() => ({expression}), {})", within.as_millis());
        let value = self.start(&script)?.answer(within + ANSWER_MAX)?;
        if value.is_null() {
            return Err(self.failure(&format!("no {what} within {within:?}: {expression}")));
        }
        Ok(value)
    }

    /// Clicks on what a selector names, once it can be clicked.
    ///
    /// # Errors
    /// When there is no such thing.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.using(json!({ "do": "click", "at": selector }))
    }

    /// Types into the field that a selector names, in place of what stands there.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        self.using(json!({ "do": "type", "at": selector, "text": text }))
    }

    /// Gives the page's window another size.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn resize(&self, (width, height): (u32, u32)) -> Result<()> {
        self.using(json!({ "do": "size", "width": width, "height": height }))
    }

    /// Draws what the window shows into a PNG file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draw(&self, file: &Path) -> Result<()> {
        self.using(json!({ "do": "draw", "path": file }))
    }

    fn using(&self, mut command: Value) -> Result<()> {
        command["page"] = json!(self.name);
        let used = self.browser.ask(command.clone(), SCRIPT_MAX).map(drop);
        used.with_context(|| format!("in the page of {}: {command}", self.name))
    }

    /// Makes an error that carries what the page knows.
    #[must_use]
    pub fn failure(&self, what: &str) -> anyhow::Error {
        let knows = self.run("snug.summary()");
        let knows = knows.map_or_else(|error| format!("{error:#}"), |it| format!("{it:#}"));
        let (name, browser) = (&self.name, self.browser);
        anyhow!("page of {name}: {what}\n  it knows: {knows}\n{browser:?}")
    }

    /// Closes the page, as a person closes a tab.
    ///
    /// # Errors
    /// When the browser does not.
    pub fn close(self) -> Result<()> {
        let command = json!({ "do": "close", "page": self.name });
        self.browser.ask(command, PATIENCE).map(drop)
    }

    /// Ends the page's process without a word, as the system does that runs out of memory.
    ///
    /// # Errors
    /// When the browser cannot.
    pub fn crash(&self) -> Result<()> {
        let command = json!({ "do": "crash", "page": self.name });
        self.browser.ask(command, PATIENCE).map(drop)
    }
}
