//! `cargo xtask run` and `demo`: the window, as a person gets it by a double-click.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::build::{built, snug_server};
use crate::process::{program, relative, repository, run as run_command, show};
use crate::room_server::RoomServer;
use crate::{apt, build, fixtures, ui};

/// Somebody in the demo's room.
struct Guest {
    name: &'static str,
    camera: &'static str,
    microphone: &'static str,
}

/// Who waits in the demo's room. The two who speak take turns.
const GUESTS: [Guest; 3] = [
    Guest {
        name: "Grace",
        camera: "film.y4m",
        microphone: "speech-first.wav",
    },
    Guest {
        name: "Alan",
        camera: "test",
        microphone: "none",
    },
    Guest {
        name: "Joan",
        camera: "film-close.y4m",
        microphone: "speech-then.wav",
    },
];

/// What the person in the demo's window is called, and shows where there is no camera.
const OWN_SETTINGS: &str = r#"{ "name": "Ada", "camera": { "kind": "test_pattern" } }"#;

/// Installs what is missing, builds, and opens the window; `arguments` are the app's.
pub fn run(arguments: &[&str]) -> Result<()> {
    prepare()?;
    // Cargo's own `run` wants `--` before them; here it is neither needed nor in the way.
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    let mut app = program(built("snug"));
    app.args(arguments);
    println!("Opening the window: {}", show(&app));
    run_command(&mut app)
}

/// Opens the window in a room with three others; ends them when it is closed.
pub fn demo(options: &[&str]) -> Result<()> {
    match options {
        [] => open_demo(),
        ["--screenshot", file] => photograph(&["--demo", file]),
        _ => bail!("`demo` takes nothing, or --screenshot FILE"),
    }
}

/// Photographs every screen into a folder.
pub fn screenshots(options: &[&str]) -> Result<()> {
    match options {
        [] => photograph(&["reports/screenshots"]),
        [folder] => photograph(&[folder]),
        _ => bail!("`screenshots` takes a folder, or nothing"),
    }
}

fn prepare() -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA, apt::WINDOW])?;
    ui::build()?;
    fixtures::ensure()?;
    build::programs()
}

fn open_demo() -> Result<()> {
    prepare()?;
    let folder = repository().join("reports/demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot empty the last demo's folder")?;
    }
    let own = folder.join("own");
    std::fs::create_dir_all(&own)?;
    std::fs::write(own.join("settings.json"), OWN_SETTINGS)?;
    let server = RoomServer::start(&folder.join("server"))?;
    let guests: Result<Vec<Running>> = GUESTS.iter().map(|it| it.join(&server, &folder)).collect();
    let _guests = guests?;
    let mut app = program(built("snug"));
    app.args([&server.link(), "--no-discovery", "--data"])
        .arg(&own);
    println!("Opening the window in a room with three others; closing it ends the demo");
    run_command(&mut app)
}

/// Runs the photographer: WebDriver needs the tests' own parts, which only its crate knows.
fn photograph(arguments: &[&str]) -> Result<()> {
    prepare()?;
    apt::ensure(&[apt::TEST])?;
    let arguments = arguments.iter().map(|it| absolute(it));
    run_command(
        program(built("examples/screenshots"))
            .arg(built("snug"))
            .args(arguments)
            .env("SNUG_SERVER", snug_server()),
    )?;
    Ok(())
}

/// Names a file as seen from the repository, where every command runs; options stay as they are.
fn absolute(argument: &str) -> PathBuf {
    match argument.starts_with("--") {
        true => argument.into(),
        false => repository().join(argument),
    }
}

impl Guest {
    fn join(&self, server: &RoomServer, folder: &Path) -> Result<Running> {
        let source = |name: &str| match name {
            "test" | "none" => name.into(),
            file => fixtures::folder().join(file),
        };
        let mut command = program(snug_server());
        command.args(["join", &server.link(), "--name", self.name, "--data"]);
        command.arg(folder.join(self.name));
        command.arg("--camera").arg(source(self.camera));
        command.arg("--microphone").arg(source(self.microphone));
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", relative(&snug_server()).display()))?;
        Ok(Running(child))
    }
}

/// A program that ends with the demo.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after the wait.
        if self.0.kill().is_ok() {
            self.0.wait().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_from_the_repository_and_an_option_as_it_is() {
        assert_eq!(absolute("docs/x.jpg"), repository().join("docs/x.jpg"));
        assert_eq!(absolute("/tmp/x.jpg"), PathBuf::from("/tmp/x.jpg"));
        assert_eq!(absolute("--demo"), PathBuf::from("--demo"));
    }
}
