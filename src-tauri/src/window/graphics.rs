//! Whether the web view draws with the graphics processor.
//!
//! Without one, WebKit's accelerated path runs in software: it draws at half the rate and five
//! times the cost of its plain path, and the first paint comes a quarter of a second later.

use tauri::WebviewWindow;

use crate::settings::Graphics;

/// Does as `graphics` says.
#[cfg(target_os = "linux")]
pub(super) fn apply(window: &WebviewWindow, graphics: Graphics) -> tauri::Result<()> {
    use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt as _, WebViewExt};

    let policy = match graphics {
        Graphics::Off => HardwareAccelerationPolicy::Never,
        Graphics::On => HardwareAccelerationPolicy::Always,
        Graphics::Auto if has_processor() => return Ok(()),
        Graphics::Auto => HardwareAccelerationPolicy::Never,
    };
    tracing::info!(?policy, "graphics");
    window.with_webview(move |view| {
        if let Some(settings) = WebViewExt::settings(&view.inner()) {
            settings.set_hardware_acceleration_policy(policy);
        }
    })
}

/// Other systems' web views choose well by themselves.
#[cfg(not(target_os = "linux"))]
pub(super) fn apply(_: &WebviewWindow, _: Graphics) -> tauri::Result<()> {
    Ok(())
}

/// Whether there is a graphics processor, rather than a program that pretends to be one.
#[cfg(target_os = "linux")]
fn has_processor() -> bool {
    /// Devices without anything that draws, and those of machines that live inside others.
    const PRETENDERS: [&str; 4] = ["vgem", "vkms", "simpledrm", "bochs-drm"];
    let is_software = std::env::var_os("LIBGL_ALWAYS_SOFTWARE")
        .is_some_and(|value| value == "1" || value == "true");
    let Ok(nodes) = std::fs::read_dir("/dev/dri") else {
        return false;
    };
    let mut nodes = nodes.flatten().map(|node| node.file_name());
    let draws = |name: std::ffi::OsString| {
        let Some(name) = name.to_str().filter(|name| name.starts_with("renderD")) else {
            return false;
        };
        let driver = std::fs::read_link(format!("/sys/class/drm/{name}/device/driver"));
        let driver = driver
            .ok()
            .and_then(|path| Some(path.file_name()?.to_owned()));
        !driver.is_some_and(|driver| PRETENDERS.iter().any(|it| driver == *it))
    };
    !is_software && nodes.any(draws)
}
