//! The desktop app: the window.
//!
//! Knows: Tauri, and which part of Snug answers what the page asks. Refuses to know: how rooms,
//! packets and pictures work; the library crates do. Nothing below this crate knows of Tauri.
//!
//! Start from [`run`], the whole program, and [`open_window`].

use std::process::ExitCode;

mod window;

pub use window::{Error, open_window};

/// Runs the program.
pub fn run() -> ExitCode {
    match open_window() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
