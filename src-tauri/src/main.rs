//! The desktop app.

// On Windows a program with a window opens no console beside it.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    snug_app::run(std::env::args_os().collect())
}
