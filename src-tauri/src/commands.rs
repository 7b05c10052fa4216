//! What the page may ask: each command passes one request on to the bridge.
//!
//! A command is callable only when it is listed in `src-tauri/permissions/requests.toml`.
#![expect(
    clippy::let_underscore_must_use,
    reason = "Tauri's macro for commands that wait writes it"
)]

use std::path::PathBuf;

use tauri::{AppHandle, Manager as _, State};
use tauri_plugin_clipboard_manager::ClipboardExt as _;
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use crate::bridge::{Bridge, Request};
use crate::ipc::{Health, HostAction, Problem, Reaction, Snapshot, Social, TileAccess};
use crate::settings::{Appearance, CameraChoice, Graphics, Language, MicrophoneChoice};
use crate::tiles::Tiles;
use crate::web_link;

type Answer = Result<(), Problem>;
type Asked<'a> = State<'a, Bridge>;

#[tauri::command]
pub(crate) fn snapshot(bridge: Asked<'_>) -> Snapshot {
    bridge.snapshot()
}

#[tauri::command]
pub(crate) fn health(bridge: Asked<'_>) -> Option<Health> {
    bridge.health()
}

#[tauri::command]
pub(crate) fn open_tiles(tiles: State<'_, Tiles>) -> TileAccess {
    tiles.open()
}

#[tauri::command]
pub(crate) async fn set_name(bridge: Asked<'_>, name: String) -> Answer {
    bridge.ask(Request::SetName(name)).await
}

#[tauri::command]
pub(crate) async fn host_room(bridge: Asked<'_>, name: String) -> Answer {
    bridge.ask(Request::HostRoom(name)).await
}

#[tauri::command]
pub(crate) async fn join_room(bridge: Asked<'_>, text: String) -> Answer {
    bridge.ask(Request::JoinRoom(text)).await
}

#[tauri::command]
pub(crate) async fn join_found(bridge: Asked<'_>, link: String) -> Answer {
    bridge.ask(Request::JoinFound(link)).await
}

#[tauri::command]
pub(crate) async fn look_again(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::LookAgain).await
}

#[tauri::command]
pub(crate) async fn cancel_joining(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::CancelJoining).await
}

#[tauri::command]
pub(crate) async fn dismiss_problem(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::DismissProblem).await
}

#[tauri::command]
pub(crate) async fn dismiss_notice(bridge: Asked<'_>, number: u32) -> Answer {
    bridge.ask(Request::DismissNotice(number)).await
}

#[tauri::command]
pub(crate) async fn words_match(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::WordsMatch).await
}

#[tauri::command]
pub(crate) async fn leave_room(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::LeaveRoom).await
}

#[tauri::command]
pub(crate) async fn moderate(bridge: Asked<'_>, action: HostAction) -> Answer {
    bridge.ask(Request::Moderate(action)).await
}

#[tauri::command]
pub(crate) fn social(bridge: Asked<'_>) -> Social {
    bridge.social().borrow().clone()
}

#[tauri::command]
pub(crate) async fn say(bridge: Asked<'_>, text: String) -> Answer {
    bridge.ask(Request::Say(text)).await
}

#[tauri::command]
pub(crate) async fn raise_hand(bridge: Asked<'_>, up: bool) -> Answer {
    bridge.ask(Request::RaiseHand(up)).await
}

#[tauri::command]
pub(crate) async fn lower_hand(bridge: Asked<'_>, person: String) -> Answer {
    bridge.ask(Request::LowerHand(person)).await
}

#[tauri::command]
pub(crate) async fn react(bridge: Asked<'_>, reaction: Reaction) -> Answer {
    bridge.ask(Request::React(reaction)).await
}

#[tauri::command]
pub(crate) fn open_web_link(app: AppHandle, link: String) -> Answer {
    web_link::open(&app, &link)
}

#[tauri::command]
pub(crate) async fn set_camera_on(bridge: Asked<'_>, on: bool) -> Answer {
    bridge.ask(Request::SetCameraOn(on)).await
}

#[tauri::command]
pub(crate) async fn set_microphone_on(bridge: Asked<'_>, on: bool) -> Answer {
    bridge.ask(Request::SetMicrophoneOn(on)).await
}

#[tauri::command]
pub(crate) async fn choose_camera(bridge: Asked<'_>, choice: CameraChoice) -> Answer {
    bridge.ask(Request::ChooseCamera(choice)).await
}

#[tauri::command]
pub(crate) async fn choose_microphone(bridge: Asked<'_>, choice: MicrophoneChoice) -> Answer {
    bridge.ask(Request::ChooseMicrophone(choice)).await
}

#[tauri::command]
pub(crate) async fn choose_speaker(bridge: Asked<'_>, id: Option<String>) -> Answer {
    bridge.ask(Request::ChooseSpeaker(id)).await
}

#[tauri::command]
pub(crate) async fn pick_camera_file(app: AppHandle, bridge: Asked<'_>) -> Answer {
    match pick_file(&app, "Y4M", "y4m").await {
        Some(path) => {
            let choice = CameraChoice::File(path.to_string_lossy().into_owned());
            bridge.ask(Request::ChooseCamera(choice)).await
        }
        None => Ok(()),
    }
}

#[tauri::command]
pub(crate) async fn pick_microphone_file(app: AppHandle, bridge: Asked<'_>) -> Answer {
    match pick_file(&app, "WAV", "wav").await {
        Some(path) => {
            let choice = MicrophoneChoice::File(path.to_string_lossy().into_owned());
            bridge.ask(Request::ChooseMicrophone(choice)).await
        }
        None => Ok(()),
    }
}

#[tauri::command]
pub(crate) async fn set_listening(bridge: Asked<'_>, on: bool) -> Answer {
    bridge.ask(Request::SetListening(on)).await
}

#[tauri::command]
pub(crate) async fn test_speaker(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::TestSpeaker).await
}

#[tauri::command]
pub(crate) async fn set_mirror(bridge: Asked<'_>, on: bool) -> Answer {
    bridge.ask(Request::SetMirror(on)).await
}

#[tauri::command]
pub(crate) async fn set_appearance(bridge: Asked<'_>, appearance: Appearance) -> Answer {
    bridge.ask(Request::SetAppearance(appearance)).await
}

#[tauri::command]
pub(crate) async fn set_language(bridge: Asked<'_>, language: Language) -> Answer {
    bridge.ask(Request::SetLanguage(language)).await
}

#[tauri::command]
pub(crate) async fn set_graphics(bridge: Asked<'_>, graphics: Graphics) -> Answer {
    bridge.ask(Request::SetGraphics(graphics)).await
}

#[tauri::command]
pub(crate) async fn copy_link(app: AppHandle, bridge: Asked<'_>, link: String) -> Answer {
    let written = app.clipboard().write_text(link);
    written.map_err(|error| Problem {
        code: "clipboard".to_owned(),
        message: "The link is not copied.".to_owned(),
        hint: format!("Select it and copy it by hand. ({error})"),
        details: Default::default(),
    })?;
    bridge.ask(Request::LinkCopied).await
}

/// Shows a piece of news while another program is in front, on Linux: other systems show none yet.
#[tauri::command]
pub(crate) async fn notify(app: AppHandle, title: String, body: String) -> Answer {
    #[cfg(target_os = "linux")]
    {
        let desktop = app.state::<std::sync::Arc<crate::desktop::Desktop>>();
        desktop.show(&title, &body).await;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (app, title, body);
    Ok(())
}

#[tauri::command]
pub(crate) async fn forget_recent(bridge: Asked<'_>, link: String) -> Answer {
    bridge.ask(Request::ForgetRecent(link)).await
}

#[tauri::command]
pub(crate) async fn quit_confirmed(bridge: Asked<'_>) -> Answer {
    bridge.ask(Request::Quit).await
}

/// Lets the person pick a file in the system's own dialog; nothing when they change their mind.
async fn pick_file(app: &AppHandle, kind: &str, extension: &str) -> Option<PathBuf> {
    let (picked, answer) = oneshot::channel();
    app.dialog()
        .file()
        .add_filter(kind, &[extension])
        .pick_file(move |file| {
            // The page was closed meanwhile.
            drop(picked.send(file));
        });
    answer.await.ok().flatten()?.into_path().ok()
}
