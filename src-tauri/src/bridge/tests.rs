//! The bridge as the page meets it: rooms over loopback, test signals as devices, no window.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::ipc::{MicrophoneState, Person, Room, Stage};
use crate::tiles::Port;

const ORIGIN: &str = "tauri://localhost";
/// Long enough for a busy machine; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// A person with a window that nobody sees.
struct Someone {
    bridge: Bridge,
    snapshots: watch::Receiver<Snapshot>,
    tiles: Tiles,
    outward: mpsc::Receiver<Outward>,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Someone {
    fn new(name: &str) -> Self {
        Self::with_link(name, None)
    }

    fn with_link(name: &str, link: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, _) = Kept::load(folder.path());
        kept.settings.name = name.to_owned();
        kept.settings.camera = CameraChoice::TestPattern;
        kept.settings.microphone = MicrophoneChoice::TestTone;
        let (tiles, running) = Tiles::start(Port::take().unwrap(), ORIGIN).unwrap();
        let (outward, asked) = mpsc::channel(8);
        let (bridge, task) = Bridge::start(Setup {
            kept,
            was_damaged: false,
            port: 0,
            discovers: false,
            link,
            tiles: tiles.clone(),
            running,
            // Test signals need no device, and this computer's are left alone.
            devices: watch::channel(Some(DeviceLists::default())).1,
            outward,
        });
        Self {
            snapshots: bridge.snapshots(),
            bridge,
            tiles,
            outward: asked,
            task,
            _folder: folder,
        }
    }

    async fn ask(&self, request: Request) {
        self.bridge.ask(request).await.unwrap();
    }

    /// Waits until the screen is as wanted.
    async fn until(&mut self, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let seen = timeout(PATIENCE, self.snapshots.wait_for(is_so)).await;
        match seen {
            Ok(snapshot) => snapshot.unwrap().clone(),
            Err(_) => panic!("no {what} in {:#?}", self.bridge.snapshot()),
        }
    }

    async fn host(&mut self, room: &str) -> Room {
        self.ask(Request::HostRoom(room.to_owned())).await;
        self.until("room", |it| room_of(it).is_some()).await;
        room_of(&self.bridge.snapshot()).unwrap().clone()
    }

    async fn join(&mut self, link: &str) {
        self.ask(Request::JoinRoom(link.to_owned())).await;
        self.until("room", |it| room_of(it).is_some()).await;
    }

    async fn until_person(&mut self, what: &str, name: &str, is_so: impl Fn(&Person) -> bool) {
        self.until(what, |snapshot| {
            room_of(snapshot)
                .is_some_and(|room| room.people.iter().any(|it| it.name == name && is_so(it)))
        })
        .await;
    }

    async fn page(&self) -> WebSocketStream<TcpStream> {
        let access = self.tiles.open();
        let address = format!("127.0.0.1:{}", access.port);
        let stream = TcpStream::connect(&address).await.unwrap();
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", ORIGIN.parse().unwrap());
        let (mut page, _) = client_async(request, stream).await.unwrap();
        page.send(Message::text(access.token)).await.unwrap();
        page
    }

    /// Closes the window and waits until all is put away.
    async fn quit(mut self) {
        self.ask(Request::Quit).await;
        timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
        assert_eq!(self.outward.recv().await, Some(Outward::Hide));
        assert_eq!(self.outward.recv().await, Some(Outward::Exit));
    }
}

fn room_of(snapshot: &Snapshot) -> Option<&Room> {
    match &snapshot.stage {
        Stage::Room(room) => Some(room),
        _ => None,
    }
}

fn is_home(snapshot: &Snapshot) -> bool {
    snapshot.stage == Stage::Home
}

/// The next frame of `kind` and `tile`.
async fn frame(page: &mut WebSocketStream<TcpStream>, kind: u8, tile: u8) -> Vec<u8> {
    loop {
        let message = timeout(PATIENCE, page.next()).await.expect("a frame");
        let frame = message.unwrap().unwrap().into_data();
        if frame.first() == Some(&kind) && frame[4] == tile {
            return frame.to_vec();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_was_found_is_not_verified_by_what_it_said() {
    let (mut host, mut guest) = (Someone::new("Ada"), Someone::new("Bert"));
    let room = host.host("kitchen").await;
    let link = room.links[0].clone();
    assert!(link.contains("#k="), "{link}");
    guest.ask(Request::JoinFound(link.clone())).await;
    guest.until("room", |it| room_of(it).is_some()).await;
    host.until_person("guest", "Bert", |_| true).await;
    let snapshot = guest.bridge.snapshot();
    assert!(!room_of(&snapshot).unwrap().is_pinned);
    assert!(!snapshot.looks_for_rooms && snapshot.rooms.is_empty());
    let kept = &snapshot.recent[0].link;
    assert!(link.starts_with(kept) && !kept.contains("#k="), "{kept}");
    // Nor is passed on as proven what nobody proved. The words are there to be compared.
    let found = room_of(&snapshot).unwrap();
    assert!(!found.links[0].contains("#k="), "{:?}", found.links);
    assert_eq!((&found.words, found.words.len()), (&room.words, 8));
    guest.ask(Request::WordsMatch).await;
    let verified = guest
        .until("verified", |it| room_of(it).is_some_and(|it| it.is_pinned))
        .await;
    assert_eq!(verified.recent[0].link, link);
    assert_eq!(
        room_of(&verified).unwrap().links.as_slice(),
        std::slice::from_ref(&link)
    );
    // From then on the key is known, wherever it is found.
    guest.ask(Request::LeaveRoom).await;
    guest.ask(Request::JoinFound(link.clone())).await;
    guest
        .until("known", |it| room_of(it).is_some_and(|it| it.is_pinned))
        .await;
    // Another key than the one that was told is refused all the same.
    guest.ask(Request::LeaveRoom).await;
    let (place, _) = link.split_once("#k=").unwrap();
    let other = format!("{place}#k={}", "A".repeat(43));
    guest.ask(Request::JoinFound(other)).await;
    let snapshot = guest.until("problem", |it| it.problem.is_some()).await;
    assert!(matches!(snapshot.stage, Stage::Home));
    guest.quit().await;
    host.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_and_a_guest_see_each_other() {
    let (mut host, mut guest) = (Someone::new("Ada"), Someone::new("Bert"));
    let room = host.host("kitchen").await;
    assert_eq!(
        (room.name.as_str(), room.host.as_deref()),
        ("kitchen", None)
    );
    assert_eq!(room.people.len(), 1);
    guest.join(&room.links[0]).await;
    host.until_person("guest with camera", "Bert", |it| {
        it.tile.is_some() && it.microphone == MicrophoneState::Live
    })
    .await;
    guest
        .until_person("host with camera", "Ada", |it| it.tile == Some(1))
        .await;
    let snapshot = guest.bridge.snapshot();
    let joined = room_of(&snapshot).unwrap();
    assert!(joined.is_pinned);
    assert_eq!(joined.people[1].id, "me");
    assert_eq!(snapshot.recent[0].room, "kitchen");

    // The guest's page watches the host's tile and its own.
    let mut page = guest.page().await;
    let watching = r#"{"tiles":[{"tile":1,"height":360,"raw":false},
        {"tile":0,"height":90,"raw":true}],"levels":false}"#;
    page.send(Message::text(watching)).await.unwrap();
    let first = frame(&mut page, 1, 1).await;
    assert_eq!(first[1], 1, "the first one is a keyframe");
    let second = frame(&mut page, 1, 1).await;
    assert!(first[8..16] != second[8..16], "time goes on");
    assert_eq!(frame(&mut page, 2, 0).await[16..20], [160, 0, 90, 0]);
    // Loudness is told when it changes, so it is asked for when somebody listens for it.
    let listening = watching.replace(r#""levels":false"#, r#""levels":true"#);
    page.send(Message::text(listening)).await.unwrap();
    frame(&mut page, 3, 0).await;

    host.ask(Request::SetMicrophoneOn(false)).await;
    guest
        .until_person("muted host", "Ada", |it| {
            it.microphone == MicrophoneState::Muted
        })
        .await;
    host.ask(Request::SetCameraOn(false)).await;
    guest
        .until_person("host without camera", "Ada", |it| it.tile.is_none())
        .await;
    host.ask(Request::SetCameraOn(true)).await;
    guest
        .until_person("host with camera again", "Ada", |it| it.tile.is_some())
        .await;

    host.ask(Request::LeaveRoom).await;
    host.until("home", is_home).await;
    let snapshot = guest.until("home", is_home).await;
    let told = snapshot.notice.as_ref().map(|notice| notice.code.as_str());
    assert_eq!(told, Some("room_closed"), "{:?}", snapshot.problem);
    host.quit().await;
    guest.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_muted_is_seen_as_muted() {
    let (mut host, mut guest) = (Someone::new("Ada"), Someone::new("Bert"));
    guest.ask(Request::SetMicrophoneOn(false)).await;
    guest.ask(Request::SetCameraOn(false)).await;
    let room = host.host("kitchen").await;
    guest.join(&room.links[0]).await;
    host.until_person("muted guest", "Bert", |it| {
        it.microphone == MicrophoneState::Muted && it.tile.is_none()
    })
    .await;
    let me = guest.bridge.snapshot().me;
    assert!(!me.microphone.is_running && !me.camera.is_running);
    guest.ask(Request::SetMicrophoneOn(true)).await;
    host.until_person("guest with sound", "Bert", |it| {
        it.microphone == MicrophoneState::Live
    })
    .await;
    guest.quit().await;
    host.until("guest gone", |it| {
        room_of(it).is_some_and(|room| room.people.len() == 1)
    })
    .await;
    host.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_runs_only_while_it_is_looked_at_and_goes_along_into_the_room() {
    let mut host = Someone::new("Ada");
    assert!(!host.bridge.snapshot().me.camera.is_running);
    let mut page = host.page().await;
    let watching = r#"{"tiles":[{"tile":0,"height":180,"raw":true}],"levels":true}"#;
    page.send(Message::text(watching)).await.unwrap();
    assert_eq!(frame(&mut page, 2, 0).await[16..20], [0x40, 1, 180, 0]);
    let runs = |it: &Snapshot| it.me.camera.is_running && it.me.microphone.is_running;
    host.until("preview", runs).await;
    let nothing = r#"{"tiles":[],"levels":false}"#;
    page.send(Message::text(nothing)).await.unwrap();
    let rests = |it: &Snapshot| !it.me.camera.is_running && !it.me.microphone.is_running;
    host.until("end of the preview", rests).await;
    page.send(Message::text(watching)).await.unwrap();
    host.until("preview", runs).await;
    host.host("kitchen").await;
    host.until("camera in the room", runs).await;
    // The page that looked at the preview still sees itself.
    frame(&mut page, 2, 0).await;
    host.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_there_is_a_problem_with_what_to_try_again() {
    let mut guest = Someone::new("Bert");
    // A port that was free a moment ago.
    let port = Port::take().unwrap().number();
    let text = format!("127.0.0.1:{port}/kitchen");
    guest.ask(Request::JoinRoom(text)).await;
    let snapshot = guest
        .until("problem", |it| it.problem.is_some() && is_home(it))
        .await;
    let problem = snapshot.problem.unwrap();
    assert_eq!(problem.code, "port_refused");
    let details = problem.details;
    assert_eq!(details.host.unwrap(), format!("127.0.0.1:{port}"));
    assert!(details.link.is_some());
    guest.ask(Request::DismissProblem).await;
    guest.until("no problem", |it| it.problem.is_none()).await;
    assert!(guest.bridge.snapshot().recent.is_empty());
    guest.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_can_be_cancelled() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut guest = Someone::new("Bert");
    let text = format!("{}/kitchen", silent.local_addr().unwrap());
    guest.ask(Request::JoinRoom(text)).await;
    let joining = |it: &Snapshot| matches!(&it.stage, Stage::Joining(it) if it.room == "kitchen");
    guest.until("joining", joining).await;
    let refused = guest
        .bridge
        .ask(Request::HostRoom("other".to_owned()))
        .await;
    assert_eq!(refused.unwrap_err().code, "in_a_room");
    guest.ask(Request::CancelJoining).await;
    let snapshot = guest.until("home", is_home).await;
    assert_eq!(snapshot.problem, None);
    guest.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_in_sentences() {
    let nobody = Someone::new("");
    let refused = async |request| nobody.bridge.ask(request).await.unwrap_err();
    let join = |text: &str| Request::JoinRoom(text.to_owned());
    let host = |text: &str| Request::HostRoom(text.to_owned());
    assert_eq!(refused(join("nonsense")).await.code, "bad_link");
    assert_eq!(refused(host(" ")).await.code, "bad_room");
    assert_eq!(refused(host("kitchen")).await.code, "name_needed");
    let problem = refused(join("host/kitchen")).await;
    assert_eq!(problem.code, "name_needed");
    assert!(problem.details.link.is_some());
    let name = Request::SetName("x".repeat(65));
    assert_eq!(refused(name).await.code, "bad_name");
    nobody.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_at_the_start_asks_for_a_name_first() {
    let mut guest = Someone::with_link("", Some("127.0.0.1:1/kitchen".to_owned()));
    let snapshot = guest.until("problem", |it| it.problem.is_some()).await;
    let problem = snapshot.problem.unwrap();
    assert_eq!(problem.code, "name_needed");
    guest.ask(Request::SetName("Bert".to_owned())).await;
    guest
        .ask(Request::JoinRoom(problem.details.link.unwrap()))
        .await;
    guest
        .until("another problem", |it| {
            it.problem
                .as_ref()
                .is_some_and(|it| it.code == "port_refused")
        })
        .await;
    guest.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_asks_in_a_room_and_nowhere_else() {
    let mut host = Someone::new("Ada");
    host.host("kitchen").await;
    host.ask(Request::CloseAsked).await;
    assert_eq!(host.outward.recv().await, Some(Outward::AskToClose));
    host.ask(Request::LeaveRoom).await;
    host.until("home", is_home).await;
    host.ask(Request::CloseAsked).await;
    assert_eq!(host.outward.recv().await, Some(Outward::Hide));
    timeout(PATIENCE, &mut host.task).await.unwrap().unwrap();
    let asked = host.bridge.ask(Request::LeaveRoom).await;
    assert_eq!(asked.unwrap_err().code, "ending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choices_are_kept() {
    let mut someone = Someone::new("Ada");
    someone.ask(Request::SetName(" Zoë ".to_owned())).await;
    someone.ask(Request::SetMirror(false)).await;
    someone.ask(Request::SetAppearance(Appearance::Dark)).await;
    someone.ask(Request::SetLanguage(Language::Ja)).await;
    let is_set = |it: &Snapshot| it.settings.name == "Zoë" && !it.settings.mirror;
    someone.until("settings", is_set).await;
    let folder = someone._folder.path().to_owned();
    someone.ask(Request::Quit).await;
    timeout(PATIENCE, &mut someone.task).await.unwrap().unwrap();
    let (kept, aside) = Kept::load(&folder);
    assert_eq!(aside, None);
    assert_eq!(kept.settings.name, "Zoë");
    assert_eq!(kept.settings.appearance, Appearance::Dark);
    assert_eq!(kept.settings.language, Language::Ja);
}
