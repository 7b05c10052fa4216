//! A walk through every screen of the window, each seen light and dark, in three sizes and two
//! languages: for photographs, for axe, for the keyboard.
//!
//! It happens on a computer of its own (a network namespace), so that a host that does not answer
//! can be had, with real guests in the room. Run it inside [`with_rights`](crate::netns::with_rights).

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::fixtures;
use crate::netns::{Host, Lan};
use crate::process::{Join, PATIENCE, Server, Signal};
use crate::window::{Key, Opening, Window};

mod guests;

use guests::Guests;

/// An address on the tour's network where packets go and nothing comes back.
const SILENT: &str = "10.77.0.9";
/// Longer than the app tries to reach somebody, or tries to come back.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(45);

/// How a screen is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// `light` or `dark`.
    pub theme: &'static str,
    /// Width and height of the page.
    pub size: (u32, u32),
    /// As in the settings: `en` or `de`, whose words are the longest.
    pub language: &'static str,
}

/// The window as it opens, one that shares a screen with another, and the smallest it can be.
const SIZES: [(u32, u32); 3] = [(1120, 720), (760, 560), (480, 360)];
const THEMES: [&str; 2] = ["dark", "light"];
const LANGUAGES: [&str; 2] = ["en", "de"];

impl Look {
    /// Says whether the window is at its smallest.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.size == SIZES[2]
    }
}

/// What a walk does at every screen, for each look: the window, the screen's name, the look.
pub type Visit<'a> = &'a mut dyn FnMut(&Window, &str, Look) -> Result<()>;

/// Walks through every screen.
///
/// # Errors
/// When a screen cannot be reached, or a visit fails.
pub fn walk(app: &Path, visit: Visit<'_>) -> Result<()> {
    let mut lan = Lan::new()?;
    let host = lan.host(&["10.77.0.1/24"])?;
    let neighbour = [SILENT, "lladdr", "02:00:00:00:00:09", "dev", "lan0"];
    host.namespace
        .ip(&[&["neigh", "add"], &neighbour[..]].concat())?;
    let window = Opening::new(app)
        .name("")
        .namespace(&host.namespace)
        .open()?;
    let mut tour = Tour {
        window: &window,
        host: &host,
        visit,
    };
    tour.home()?;
    tour.joining()?;
    tour.hosting()?;
    tour.losing()?;
    tour.settings()
}

struct Tour<'a> {
    window: &'a Window,
    host: &'a Host,
    visit: Visit<'a>,
}

impl Tour<'_> {
    fn home(&mut self) -> Result<()> {
        self.window.sees("home")?;
        self.stop("home-first-run")?;
        self.window.fill("name-input", "Ada")?;
        let preview = "document.querySelector('[data-testid=\"preview\"]')?.width > 0";
        self.window.until("preview", PATIENCE, preview)?;
        self.stop("home")?;
        self.each("home-error", |window, look| {
            if look.is_small() && window.count("join-input")? == 0 {
                window.click("open-join")?;
            }
            window.fill("join-input", "zoom://meet/Den")?;
            window.click("join-button")?;
            window.until(
                "an error",
                PATIENCE,
                "document.querySelector('[aria-invalid=true]')",
            )
        })
    }

    fn joining(&mut self) -> Result<()> {
        let window = self.window;
        window.fill("join-input", &format!("{SILENT}/Den"))?;
        window.click("join-button")?;
        window.sees("joining")?;
        self.each("joining", |window, _| {
            // It is given up after five seconds, however long the looking takes.
            if window.count("try-again")? > 0 {
                window.click("try-again")?;
            }
            window.sees("cancel")
        })?;
        window.sees_within("try-again", GIVEN_UP_WITHIN)?;
        self.stop("joining-no-answer")?;
        window.click("home-button")?;
        window.sees("home")
    }

    fn hosting(&mut self) -> Result<()> {
        let window = self.window;
        window.resize(SIZES[0].0, SIZES[0].1)?;
        window.click("host-button")?;
        window.strip(r#"data-me="true""#, PATIENCE)?;
        self.stop("room-alone")?;
        window.click("camera-button")?;
        window.click("mic-button")?;
        window.has("mic-button", "aria-pressed", "false", PATIENCE)?;
        self.stop("room-alone-off")?;
        window.click("camera-button")?;
        window.click("mic-button")?;
        self.over("invite-button", "invite")?;

        let snapshot = window.snapshot()?;
        let link = snapshot["stage"]["links"][0].as_str().unwrap_or_default();
        let mut guests = Guests::new(link, &self.host.namespace);
        for count in [1, 3, 5] {
            guests.invite_up_to(count)?;
            guests.are_seen_in(window)?;
            self.stop(&format!("room-{}", count + 1))?;
        }
        self.over("people-button", "people")?;
        self.over("chat-button", "chat")?;
        self.over("leave-button", "leave-host")?;
        window.type_text("?")?;
        let sheet = "document.querySelector('[role=dialog], dialog[open]')";
        window.until("list of keys", PATIENCE, sheet)?;
        self.stop("shortcuts")?;
        window.press(Key::Escape)?;
        window.click("leave-button")?;
        window.click("leave-confirm")?;
        window.sees("home")
    }

    fn losing(&mut self) -> Result<()> {
        let window = self.window;
        let namespace = &self.host.namespace;
        window.resize(SIZES[0].0, SIZES[0].1)?;
        let server = Server::start_with(Some(namespace), &[])?;
        let _guest = Join::new(&server.link("Fireside"), "Grace")
            .camera(fixtures::film())
            .microphone("test")
            .start_in(Some(namespace))?;
        window.fill("join-input", &server.link("Fireside"))?;
        window.click("join-button")?;
        window.picture(r#"data-me="false""#, PATIENCE)?;
        self.over("leave-button", "leave-guest")?;
        server.program.signal(Signal::STOP)?;
        window.has("room", "data-connection", "reconnecting", PATIENCE)?;
        self.stop("room-reconnecting")?;
        window.has(
            "room",
            "data-connection",
            "capture_stopped",
            GIVEN_UP_WITHIN,
        )?;
        self.stop("room-capture-stopped")?;
        // Whoever has waited enough can go, without the host's help.
        window.click("leave-button")?;
        window.click("leave-confirm")?;
        window.sees("recent-room")?;
        self.stop("home-recent")
    }

    fn settings(&mut self) -> Result<()> {
        let window = self.window;
        window.click("settings-button")?;
        window.sees("settings")?;
        for page in [
            "settings-devices",
            "settings-appearance",
            "settings-language",
            "settings-about",
        ] {
            window.click(page)?;
            self.stop(page)?;
        }
        window.click("back")?;
        window.sees("home")
    }

    /// Opens something over the room, stops there, and closes it with Escape.
    fn over(&mut self, button: &str, name: &str) -> Result<()> {
        self.window.click(button)?;
        self.stop(name)?;
        self.window.press(Key::Escape)
    }

    fn stop(&mut self, name: &str) -> Result<()> {
        self.each(name, |_, _| Ok(()))
    }

    /// Visits a screen with every look; `before` makes it ready for each.
    fn each(&mut self, name: &str, before: impl Fn(&Window, Look) -> Result<()>) -> Result<()> {
        let window = self.window;
        for size in SIZES {
            window.resize(size.0, size.1)?;
            let mut is_ready = false;
            for (theme, language) in THEMES
                .into_iter()
                .flat_map(|theme| LANGUAGES.map(move |language| (theme, language)))
            {
                let look = Look {
                    theme,
                    size,
                    language,
                };
                window.ask("set_appearance", json!({ "appearance": theme }))?;
                let themed = format!("document.documentElement.dataset.theme === '{theme}'");
                window.until(&format!("{theme} theme"), PATIENCE, &themed)?;
                window.ask("set_language", json!({ "language": language }))?;
                let spoken = format!("document.documentElement.lang === '{language}'");
                window.until(&format!("words in {language}"), PATIENCE, &spoken)?;
                if !is_ready || name == "joining" {
                    before(window, look)?;
                    is_ready = true;
                }
                window.settles()?;
                (self.visit)(window, name, look)?;
            }
        }
        window.resize(SIZES[0].0, SIZES[0].1)?;
        window
            .ask("set_language", json!({ "language": LANGUAGES[0] }))
            .map(drop)
    }
}
