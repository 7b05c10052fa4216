//! The window: opened with the page that the build embedded.

/// Opens the window and returns when the person closes it.
///
/// # Errors
/// When the system's web view or the display cannot be used.
pub fn open_window() -> tauri::Result<()> {
    tauri::Builder::default().run(tauri::generate_context!())
}
