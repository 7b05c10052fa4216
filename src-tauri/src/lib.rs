//! The desktop app: the window, and the same headless commands as `snug-server`.
//!
//! Knows: Tauri, and which part of Snug answers what the page asks. Refuses to know: how rooms,
//! packets and pictures work; the library crates do. Nothing below this crate knows of Tauri.
//!
//! Start from [`run`], the whole program: a headless command, or the window ([`open_window`]) that
//! shows what the [`bridge`] decides and sends pictures through the [`tiles`] socket.

use std::ffi::OsString;
use std::process::ExitCode;

pub mod bridge;
pub mod cli;
mod commands;
mod deep_link;
#[cfg(target_os = "linux")]
mod desktop;
pub mod ipc;
mod logging;
pub mod settings;
pub mod tiles;
mod web_link;
mod window;

pub use window::{Error, open_window};

use cli::Start;

/// Runs the program. `arguments` starts with the program's name.
///
/// The headless commands branch off before anything touches Tauri: they work on a machine without
/// a display.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let opened = match cli::parse(arguments) {
        Start::Window(window) => open_window(window),
        Start::Headless(arguments) => {
            if cli::print_help(&arguments).is_err() {
                return ExitCode::FAILURE;
            }
            return snug_cli::run(arguments);
        }
    };
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
