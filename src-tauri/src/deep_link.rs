//! `snug://` links that the system hands over, and the second start of a program that runs.

use std::ffi::OsString;
use std::path::Path;

use ring::digest;
use tauri::plugin::TauriPlugin;
use tauri::{App, AppHandle, Manager as _, Wry};

use crate::bridge::{Bridge, Request};
use crate::cli::{self, Start};
use crate::window::raise;

/// Makes a second start on the same data folder hand over its link and end. Windows on different
/// folders live side by side. Where there is no session bus, nobody can know of the other.
pub(crate) fn one_window(data: &Path) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(instance_name(data))
        .callback(|app, arguments, _| {
            let arguments = arguments.into_iter().map(OsString::from).collect();
            if let Start::Window(window) = cli::parse(arguments)
                && let Some(link) = window.link
            {
                open(app, link);
            }
            raise(app);
        })
        .build()
}

/// Follows links that come without a second start, as on macOS.
pub(crate) fn listen(app: &App) {
    // Elsewhere every link is a second start, which is heard above.
    if cfg!(target_os = "macos") {
        use tauri_plugin_deep_link::DeepLinkExt as _;
        let handle = app.handle().clone();
        app.deep_link().on_open_url(move |event| {
            for url in event.urls() {
                open(&handle, url.to_string());
            }
            raise(&handle);
        });
    }
}

fn open(app: &AppHandle, link: String) {
    let bridge = app.try_state::<Bridge>();
    if !bridge.is_some_and(|bridge| bridge.tell(Request::OpenLink(link))) {
        tracing::warn!("a link that was handed over is not followed");
    }
}

/// Names the window of a data folder on the session bus.
fn instance_name(data: &Path) -> String {
    let folder = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let folder = folder.canonicalize().unwrap_or(folder);
    let hash = digest::digest(&digest::SHA256, folder.as_os_str().as_encoded_bytes());
    // 64 bits tell the folders of one person apart. A part of a bus name starts with a letter.
    let hash: String = hash.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("app.snug.desktop.d{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_name_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let name = instance_name(folder.path());
        std::fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(name, instance_name(&folder.path().join("a/..")));
        assert_ne!(name, instance_name(&folder.path().join("a")));
        assert_eq!(name.len(), "app.snug.desktop.d".len() + 16);
    }
}
