//! What a window is opened with.

use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{Bus, Driver, Surroundings, Window};
use crate::display::Display;
use crate::lane;
use crate::netns::Namespace;
use crate::pulse::Pulse;

/// The window's own size, as tauri.conf.json has it.
const SCREEN: (u32, u32) = (1280, 800);

/// Complaints of the page, kept where a failure finds them. Runs once the page is loaded: what
/// was thrown before shows in the app not working at all.
const LISTEN: &str = "
    const said = window.snugComplaints = [];
    const keep = text => { if (said.length < 50) said.push(String(text).slice(0, 300)); };
    for (const level of ['error', 'warn']) {
        const original = console[level].bind(console);
        console[level] = (...words) => { keep(`${level}: ${words.join(' ')}`); original(...words); };
    }
    addEventListener('error', event => keep(`thrown: ${event.message}`));
    addEventListener('unhandledrejection', event => keep(`rejected: ${event.reason}`));
    addEventListener('securitypolicyviolation', event =>
        keep(`policy: ${event.violatedDirective} ${event.blockedURI}`));
";

/// How to open a window. What is not asked for is quiet and the same everywhere: a name, the test
/// pattern as camera, the test tone as microphone, dark, no graphics processor, no discovery, any
/// free port, no sound server.
#[derive(Debug)]
pub struct Opening<'a> {
    program: PathBuf,
    arguments: Vec<String>,
    settings: Map<String, Value>,
    screen: (u32, u32),
    namespace: Option<&'a Namespace>,
    sound: Vec<(String, String)>,
    data: Option<&'a Path>,
}

impl<'a> Opening<'a> {
    /// Opens this program: the app.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let settings = json!({
            "name": "Ada",
            "camera": { "kind": "test_pattern" },
            "microphone": { "kind": "test_tone" },
            "appearance": "dark",
            "language": "en",
            "graphics": "off",
        });
        let Value::Object(settings) = settings else {
            unreachable!("written as an object")
        };
        Self {
            program: program.into(),
            arguments: Vec::new(),
            settings,
            screen: SCREEN,
            namespace: None,
            sound: Vec::new(),
            data: None,
        }
    }

    /// Gives the person this name; an empty one is somebody who opens Snug for the first time.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.setting("name", json!(name))
    }

    /// Writes one setting before the start.
    #[must_use]
    pub fn setting(mut self, name: &str, value: Value) -> Self {
        self.settings.insert(name.to_owned(), value);
        self
    }

    /// Adds an argument, such as a link.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Gives the screen another size.
    #[must_use]
    pub fn screen(mut self, width: u32, height: u32) -> Self {
        self.screen = (width, height);
        self
    }

    /// Opens it on a computer of its own.
    #[must_use]
    pub fn namespace(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Gives it this sound server, with whatever devices are plugged in there.
    #[must_use]
    pub fn sound(mut self, server: &Pulse) -> Self {
        let text = |value: &OsStr| value.to_string_lossy().into_owned();
        let variables = server.environment();
        self.sound = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect();
        self
    }

    /// Uses this data folder, as it is, instead of a fresh one with settings written to it.
    #[must_use]
    pub fn data(mut self, folder: &'a Path) -> Self {
        self.data = Some(folder);
        self
    }

    /// Opens the window and waits until its page is there.
    ///
    /// # Errors
    /// When a tool is missing, the app does not start, or its page does not load.
    pub fn open(self) -> Result<Window> {
        let home = tempfile::Builder::new().prefix("snug-window-").tempdir()?;
        let run = home.path().join("run");
        std::fs::DirBuilder::new().mode(0o700).create(&run)?;
        let data = match self.data {
            Some(folder) => folder.to_owned(),
            None => self.write_settings(&home.path().join("data"))?,
        };
        let display = Display::start(self.screen.0, self.screen.1)?;
        let bus = Bus::start(&run)?;
        let surroundings = Surroundings {
            variables: self.variables(home.path(), &display, &bus),
            namespace: self.namespace.map(|it| it.name().to_owned()),
            program: self.program,
            data,
        };
        let mut arguments = self.arguments;
        arguments.extend(["--no-discovery", "--port", "0", "--data"].map(str::to_owned));
        arguments.push(surroundings.data.display().to_string());
        let capabilities = json!({
            "webkitgtk:browserOptions": { "binary": surroundings.program, "args": arguments },
        });
        let driver = Driver::start(&surroundings, self.namespace, &capabilities)?;
        let window = Window {
            driver,
            surroundings,
            display,
            screen: self.screen,
            _bus: bus,
            _home: home,
        };
        window.until(
            "page",
            crate::process::PATIENCE,
            "document.readyState === 'complete' && document.querySelector('main')",
        )?;
        window.script(LISTEN, json!([]))?;
        Ok(window)
    }

    fn write_settings(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        let file = folder.join("settings.json");
        let text = serde_json::to_vec_pretty(&self.settings)?;
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        Ok(folder.to_owned())
    }

    fn variables(&self, home: &Path, display: &Display, bus: &Bus) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        // A server that is not there, rather than none: without the variable the sound library
        // would start a daemon.
        let silence = format!("unix:{}", path(&home.join("no-sound")));
        // What the media library found on this machine: the same for every window, and a second
        // of looking around for the first one.
        let plugins = lane::repository().join("reports/gstreamer-registry.bin");
        let pairs = [
            ("DISPLAY", display.name().to_owned()),
            ("DBUS_SESSION_BUS_ADDRESS", bus.address.clone()),
            ("XDG_RUNTIME_DIR", path(&home.join("run"))),
            ("HOME", path(home)),
            ("XDG_CONFIG_HOME", path(&home.join(".config"))),
            ("XDG_DATA_HOME", path(&home.join(".local/share"))),
            ("XDG_CACHE_HOME", path(&home.join(".cache"))),
            ("GST_REGISTRY_1_0", path(&plugins)),
            ("PULSE_SERVER", silence),
            ("TAURI_WEBVIEW_AUTOMATION", "true".to_owned()),
            ("GDK_BACKEND", "x11".to_owned()),
            ("GSETTINGS_BACKEND", "memory".to_owned()),
            ("NO_AT_BRIDGE", "1".to_owned()),
        ];
        let mut all = pairs.map(|(name, value)| (name.to_owned(), value)).to_vec();
        // Later ones win.
        all.extend(self.sound.iter().cloned());
        all
    }
}
