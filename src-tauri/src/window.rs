//! The window: opened with the page that the build embedded.

/// Why the window did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No display server answers.
    #[error(
        "Snug found no display to open its window on. `snug serve` and `snug join` need none; \
         `snug --help` tells more."
    )]
    NoDisplay,
    /// The system's web view does not work.
    #[error("The window did not open: {0}. Is the system's web view (WebKitGTK, WebView2) whole?")]
    WebView(#[from] tauri::Error),
}

/// Opens the window and returns when the person closes it.
///
/// # Errors
/// [`Error::NoDisplay`] and [`Error::WebView`], each a sentence with the next step.
pub fn open_window() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    if gtk::init().is_err() {
        // Asked here because Tauri's own answer to it is a panic.
        return Err(Error::NoDisplay);
    }
    tauri::Builder::default().run(tauri::generate_context!())?;
    Ok(())
}
