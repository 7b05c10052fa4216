//! Embeds the window's page and capabilities.
fn main() {
    tauri_build::build();
}
