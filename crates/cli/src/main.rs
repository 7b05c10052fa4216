//! `snug-server`: Snug's headless commands in a program that needs no desktop libraries.

fn main() -> std::process::ExitCode {
    snug_cli::run(std::env::args_os())
}
