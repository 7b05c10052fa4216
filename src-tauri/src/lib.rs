//! The desktop app: the window, and the same headless commands as `snug-server`.
//!
//! Knows: Tauri, and which part of Snug answers what the page asks. Refuses to know: how rooms,
//! packets and pictures work; the library crates do. Nothing below this crate knows of Tauri.
//!
//! Start from [`run`], the whole program: a headless command when there are arguments, else the
//! window ([`open_window`]).

use std::ffi::OsString;
use std::process::ExitCode;

pub mod ipc;
pub mod settings;
mod window;

pub use window::{Error, open_window};

/// Runs the program. `arguments` starts with the program's name.
///
/// The headless commands branch off before anything touches Tauri: they work on a machine without
/// a display.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() > 1 {
        return snug_cli::run(arguments);
    }
    match open_window() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
