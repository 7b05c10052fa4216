//! The window: opened with the page that the build embedded, tied to the bridge.

mod graphics;

use std::io;
use std::time::Duration;

use snug_media::device::{DeviceLists, DeviceWatch};
use tauri::utils::config::{Csp, CspDirectiveSources};
use tauri::{App, AppHandle, Emitter as _, Manager as _, RunEvent, WebviewWindowBuilder};
use tauri::{WindowEvent, Wry};
use tauri_plugin_window_state::StateFlags;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::bridge::{Bridge, Kept, Outward, Request, Setup};
use crate::cli::WindowArguments;
use crate::tiles::{Port, Tiles};
use crate::{commands, deep_link, logging};

/// The window's label in capabilities and events.
const LABEL: &str = "main";

/// Least time between two snapshots on their way to the page: 20 a second.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(50);

/// Words to the window that may wait: it is told to hide and to exit, once each.
const OUTWARD_LANE: usize = 8;

/// Who the page is to the tile socket.
#[cfg(not(windows))]
const ORIGIN: &str = "tauri://localhost";
/// Who the page is to the tile socket.
#[cfg(windows)]
const ORIGIN: &str = "http://tauri.localhost";

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
    /// The system refused a thread or a port.
    #[error("Snug cannot start: {0}. Close some programs, then try again.")]
    System(#[from] io::Error),
}

/// Opens the window and returns when it was closed and all is put away.
///
/// # Errors
/// Each a sentence with the next step.
pub fn open_window(arguments: WindowArguments) -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    if gtk::init().is_err() {
        // Asked here because Tauri's own answer to it is a panic.
        return Err(Error::NoDisplay);
    }
    let _logging = match logging::start(&arguments.data.join("logs")) {
        Ok(guard) => Some(guard),
        Err(error) => {
            eprintln!("Snug keeps no log: {error}");
            None
        }
    };
    let runtime = Runtime::new()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let port = Port::take()?;
    let mut context = tauri::generate_context!();
    let security = &mut context.config_mut().app.security;
    allow_socket(&mut security.csp, port.number());
    let (kept, damaged) = Kept::load(&arguments.data);
    let start = Start {
        arguments: arguments.clone(),
        port,
        kept,
        was_damaged: damaged.is_some(),
    };
    builder(&arguments)
        .setup(move |app| Ok(set_up(app, start)?))
        .build(context)?
        .run_return(on_run_event);
    // Whatever still runs was given its time.
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(())
}

/// What the window is set up with.
struct Start {
    arguments: WindowArguments,
    port: Port,
    kept: Kept,
    was_damaged: bool,
}

fn builder(arguments: &WindowArguments) -> tauri::Builder<Wry> {
    let state_file = arguments.data.join("window.json");
    let state = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
    tauri::Builder::default()
        // First: a second start ends there.
        .plugin(deep_link::one_window(&arguments.data))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_clipboard_manager::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_filename(state_file.to_string_lossy())
                .with_state_flags(state)
                .build(),
        )
        .on_window_event(|window, event| {
            if let WindowEvent::CloseRequested { api, .. } = event {
                api.prevent_close();
                ask_to_close(window.app_handle());
            }
        })
        .invoke_handler(tauri::generate_handler![
            commands::snapshot,
            commands::health,
            commands::social,
            commands::say,
            commands::raise_hand,
            commands::lower_hand,
            commands::react,
            commands::open_web_link,
            commands::open_tiles,
            commands::set_name,
            commands::host_room,
            commands::join_room,
            commands::join_found,
            commands::look_again,
            commands::cancel_joining,
            commands::dismiss_problem,
            commands::dismiss_notice,
            commands::words_match,
            commands::leave_room,
            commands::moderate,
            commands::set_camera_on,
            commands::set_microphone_on,
            commands::choose_camera,
            commands::choose_microphone,
            commands::choose_speaker,
            commands::pick_camera_file,
            commands::pick_microphone_file,
            commands::set_listening,
            commands::test_speaker,
            commands::set_mirror,
            commands::set_appearance,
            commands::set_language,
            commands::set_graphics,
            commands::copy_link,
            commands::forget_recent,
            commands::notify,
            commands::quit_confirmed,
        ])
}

/// Names the tile socket in the page's security policy, which allows no other connection.
fn allow_socket(policy: &mut Option<Csp>, port: u16) {
    let mut directives: std::collections::HashMap<String, CspDirectiveSources> =
        policy.take().map(Into::into).unwrap_or_default();
    let connections = directives.entry("connect-src".to_owned()).or_default();
    connections.push(format!("ws://127.0.0.1:{port}"));
    *policy = Some(Csp::DirectiveMap(directives));
}

/// Starts what answers the page, then the page.
fn set_up(app: &App, start: Start) -> Result<(), Error> {
    let _entered = tauri::async_runtime::handle().inner().enter();
    let (tiles, running) = Tiles::start(start.port, ORIGIN)?;
    let (outward, asked) = mpsc::channel(OUTWARD_LANE);
    let graphics = start.kept.settings.graphics;
    let devices = watch_devices();
    let (bridge, _) = Bridge::start(Setup {
        kept: start.kept,
        was_damaged: start.was_damaged,
        port: start.arguments.port,
        discovers: !start.arguments.no_discovery,
        link: start.arguments.link,
        tiles: tiles.clone(),
        running,
        devices,
        outward,
    });
    #[cfg(target_os = "linux")]
    {
        let desktop = std::sync::Arc::new(crate::desktop::Desktop::default());
        app.manage(desktop.clone());
        let snapshots = bridge.snapshots();
        tokio::spawn(async move { desktop.keep_awake(snapshots).await });
    }
    tokio::spawn(follow_snapshots(app.handle().clone(), bridge.clone()));
    tokio::spawn(follow_social(app.handle().clone(), bridge.clone()));
    tokio::spawn(obey(app.handle().clone(), asked));
    tokio::spawn(end_on_signal(bridge.clone()));
    app.manage(tiles);
    app.manage(bridge);
    deep_link::listen(app);
    let config = &app.config().app.windows;
    let config = config
        .first()
        .expect("tauri.conf.json describes the window");
    let window = WebviewWindowBuilder::from_config(app, config)?
        .data_directory(start.arguments.data.join("page"))
        // The page is what was embedded, and nothing else is ever shown here.
        .on_navigation(is_own)
        .build()?;
    graphics::apply(&window, graphics)?;
    Ok(())
}

/// Follows which devices this computer has, for as long as anybody wants to know.
fn watch_devices() -> watch::Receiver<Option<DeviceLists>> {
    let (lists, devices) = watch::channel(None);
    let told = lists.clone();
    match DeviceWatch::start(move |devices| drop(told.send_replace(Some(devices)))) {
        Ok(watch) => {
            tokio::spawn(async move {
                lists.closed().await;
                // Waits for its thread.
                tokio::task::spawn_blocking(move || drop(watch));
            });
        }
        Err(error) => {
            tracing::warn!(%error, "devices are not watched");
            lists.send_replace(Some(DeviceLists::default()));
        }
    }
    devices
}

fn is_own(url: &tauri::Url) -> bool {
    // Whole parts are compared: an address may begin like ours and lead elsewhere.
    let origin = url
        .host_str()
        .map(|host| format!("{}://{host}", url.scheme()));
    let is_page = origin.as_deref() == Some(ORIGIN) && url.port().is_none();
    is_page || url.as_str() == "about:blank"
}

/// Shows the window, in front.
pub(crate) fn raise(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else {
        return;
    };
    let raised = window
        .unminimize()
        .and_then(|()| window.show())
        .and_then(|()| window.set_focus());
    if let Err(error) = raised {
        tracing::warn!(%error, "the window does not come to the front");
    }
}

fn ask_to_close(app: &AppHandle) {
    let bridge = app.try_state::<Bridge>();
    if !bridge.is_some_and(|bridge| bridge.tell(Request::CloseAsked)) {
        // Nobody is left who could ask the person.
        app.exit(0);
    }
}

fn on_run_event(app: &AppHandle, event: RunEvent) {
    // The window went without being asked to close, for example with its display.
    if let RunEvent::ExitRequested {
        code: None, api, ..
    } = event
        && let Some(bridge) = app.try_state::<Bridge>()
        && bridge.tell(Request::Quit)
    {
        api.prevent_exit();
    }
}

/// Sends the page every snapshot, the newest where they come fast.
async fn follow_snapshots(app: AppHandle, bridge: Bridge) {
    let mut snapshots = bridge.snapshots();
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Err(error) = app.emit_to(LABEL, "snapshot", &snapshot) {
            tracing::warn!(%error, "the page does not hear of a change");
        }
        tokio::time::sleep(SNAPSHOT_INTERVAL).await;
    }
}

/// Sends the page chat, hands and reactions, the newest where they come fast.
async fn follow_social(app: AppHandle, bridge: Bridge) {
    let mut social = bridge.social();
    while social.changed().await.is_ok() {
        let now = social.borrow_and_update().clone();
        if let Err(error) = app.emit_to(LABEL, "social", &now) {
            tracing::warn!(%error, "the page does not hear what is said");
        }
        tokio::time::sleep(SNAPSHOT_INTERVAL).await;
    }
}

/// Does what the bridge wants of the window.
async fn obey(app: AppHandle, mut asked: mpsc::Receiver<Outward>) {
    while let Some(outward) = asked.recv().await {
        let window = app.get_webview_window(LABEL);
        let result = match outward {
            Outward::AskToClose => app.emit_to(LABEL, "close_asked", ()),
            Outward::Hide => window.map_or(Ok(()), |window| window.hide()),
            Outward::Exit => {
                app.exit(0);
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::warn!(%error, ?outward, "the window does not obey");
        }
    }
}

/// Ends in good order when the system asks for it.
async fn end_on_signal(bridge: Bridge) {
    match snug_cli::stop_asked().await {
        Ok(()) => drop(bridge.ask(Request::Quit).await),
        Err(error) => tracing::warn!(%error, "signals are not heard"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_socket_and_nothing_else_new() {
        let file = std::fs::read_to_string("tauri.conf.json").unwrap();
        let config: serde_json::Value = serde_json::from_str(&file).unwrap();
        let policy = config["app"]["security"]["csp"].clone();
        let mut csp: Option<Csp> = serde_json::from_value(policy).unwrap();
        allow_socket(&mut csp, 4711);
        let text = csp.unwrap().to_string();
        assert!(text.contains("default-src 'none'"), "{text}");
        let connect = text.split(';').find(|it| it.contains("connect-src"));
        assert_eq!(
            connect.unwrap().trim(),
            "connect-src ipc: http://ipc.localhost ws://127.0.0.1:4711"
        );
        for loose in ["unsafe", "*", "data:", "blob:", "https:"] {
            assert!(!text.contains(loose), "{loose} in {text}");
        }
    }

    #[test]
    fn only_the_embedded_page_is_ever_shown() {
        let is_own = |text: &str| is_own(&text.parse().unwrap());
        assert!(is_own(ORIGIN) && is_own("about:blank"));
        assert!(is_own(&format!("{ORIGIN}/index.html#room")));
        for foreign in [
            &format!("{ORIGIN}.evil.example/"),
            &format!("{ORIGIN}:8080/"),
            &format!("{ORIGIN}@evil.example/"),
            "https://localhost/",
            "about:srcdoc",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_command_is_permitted_and_no_other() {
        let file = std::fs::read_to_string("src-tauri/permissions/requests.toml").unwrap();
        let mut permitted: Vec<&str> = file
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
            .collect();
        let source = include_str!("commands.rs");
        let mut commands: Vec<&str> = source
            .split("#[tauri::command]")
            .skip(1)
            .filter_map(|it| it.split("fn ").nth(1)?.split('(').next())
            .collect();
        permitted.sort_unstable();
        commands.sort_unstable();
        assert_eq!(permitted, commands);
    }
}
