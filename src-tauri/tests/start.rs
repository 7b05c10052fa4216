//! Starting: with a display the window shows its page, without one the program says so.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snug_testkit::display::Display;
use snug_testkit::process::Program;

use crate::desk::opening;

/// How long a window may take to show its page on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// `--surface` of tokens.css, light and dark: a start without settings follows the system.
const SURFACES: [[u8; 3]; 2] = [[0xff, 0xff, 0xff], [0x16, 0x1e, 0x1b]];

/// Without WebDriver and its variable: nothing that only tests have may be what makes it open.
#[test]
fn the_window_opens_and_shows_its_page() -> Result<()> {
    let display = Display::start(1280, 800)?;
    let home = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_snug"));
    command
        .env("DISPLAY", display.name())
        .env("HOME", home.path())
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let mut app = Program::start(command)?;
    let started = Instant::now();
    loop {
        let picture = display.picture()?;
        let surface = SURFACES.iter().map(|it| picture.count(*it)).max();
        if surface > Some(50_000) {
            return Ok(());
        }
        ensure!(app.is_running()?, "the app ended by itself: {app:?}");
        ensure!(
            started.elapsed() < PATIENCE,
            "after {PATIENCE:?} the screen has {surface:?} pixels of a surface\n{app:?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn without_a_display_it_says_so_in_a_sentence() {
    let output = Command::new(env!("CARGO_BIN_EXE_snug"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .expect("the app starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no display") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn headless_commands_need_no_display() {
    let run = |argument| {
        Command::new(env!("CARGO_BIN_EXE_snug"))
            .arg(argument)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .output()
            .expect("the app starts")
    };
    let help = run("--help");
    assert!(help.status.success());
    assert!(
        String::from_utf8_lossy(&help.stdout).contains("serve"),
        "{help:?}"
    );
    // A slip of the pen is told, and opens no window.
    assert_eq!(run("jion").status.code(), Some(2));
}

/// Nothing of a window outlives it.
#[test]
fn a_closed_window_leaves_no_process_behind() -> Result<()> {
    let window = opening().open()?;
    let processes = window.processes();
    ensure!(processes.contains(&window.app()?), "{processes:?}");
    drop(window);
    for process in processes {
        let comm = std::fs::read_to_string(format!("/proc/{process}/status"));
        let alive = comm.is_ok_and(|status| !status.contains("State:\tZ"));
        ensure!(!alive, "process {process} still runs");
    }
    Ok(())
}
