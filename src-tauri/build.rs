//! Checks that the page is built, and has Tauri generate what the window embeds.

use std::path::Path;
use std::process::ExitCode;

use tauri_build::{AppManifest, Attributes};

/// The built page, which `generate_context!` embeds.
const PAGE: &str = "ui/dist";
/// The capabilities live with the Rust that they are about, not at the top.
const CAPABILITIES: &str = "src-tauri/capabilities/*.json";
/// So do the permissions. That there are any makes Tauri refuse every command without one.
const PERMISSIONS: &str = "src-tauri/permissions/*.toml";

fn main() -> ExitCode {
    // Tauri watches its configuration only: without these lines a changed page or capability
    // would not be embedded again.
    for path in [
        PAGE,
        "src-tauri/capabilities",
        "src-tauri/permissions",
        "icons",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    if !Path::new(PAGE).join("index.html").is_file() {
        eprintln!(
            "The window's page is not built: {PAGE} is missing. \
             Run `cargo xtask setup`, or `npm ci && npm run build` in ui/."
        );
        return ExitCode::FAILURE;
    }
    let attributes = Attributes::new()
        .capabilities_path_pattern(CAPABILITIES)
        .app_manifest(AppManifest::new().permissions_path_pattern(PERMISSIONS));
    match tauri_build::try_build(attributes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
