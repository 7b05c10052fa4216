//! On a message bus of the test's own, with a desktop that notes what it is asked.

use std::collections::HashMap;

use snug_testkit::window::Bus;
use tokio::sync::mpsc;
use zbus::zvariant::OwnedValue;

use super::*;
use crate::ipc::Room;

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq)]
enum Asked {
    Inhibit(String),
    UnInhibit(u32),
    Notify(u32, String, String),
}

struct Screen(mpsc::Sender<Asked>);

#[zbus::interface(name = "org.freedesktop.ScreenSaver")]
impl Screen {
    async fn inhibit(&self, program: String, _reason: String) -> u32 {
        self.0.send(Asked::Inhibit(program)).await.unwrap();
        41
    }

    async fn un_inhibit(&self, cookie: u32) {
        self.0.send(Asked::UnInhibit(cookie)).await.unwrap();
    }
}

struct News(mpsc::Sender<Asked>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl News {
    #[expect(clippy::too_many_arguments, reason = "the specification has so many")]
    async fn notify(
        &self,
        _program: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let asked = Asked::Notify(replaces, title, body);
        self.0.send(asked).await.unwrap();
        7
    }
}

/// A bus with a desktop on it.
struct Session {
    desktop: Desktop,
    asked: mpsc::Receiver<Asked>,
    _service: Connection,
    _bus: Bus,
    _folder: tempfile::TempDir,
}

impl Session {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::start(folder.path()).unwrap();
        let address = bus.address().to_owned();
        let (told, asked) = mpsc::channel(16);
        let service = connection::Builder::address(address.as_str())
            .unwrap()
            .serve_at(SCREEN.1, Screen(told.clone()))
            .unwrap()
            .serve_at(NEWS.1, News(told))
            .unwrap()
            .name(SCREEN.0)
            .unwrap()
            .name(NEWS.0)
            .unwrap()
            .build()
            .await
            .unwrap();
        let desktop = Desktop {
            address: Some(address),
            ..Desktop::default()
        };
        Self {
            desktop,
            asked,
            _service: service,
            _bus: bus,
            _folder: folder,
        }
    }
}

async fn next(asked: &mut mpsc::Receiver<Asked>) -> Asked {
    timeout(PATIENCE, asked.recv()).await.unwrap().unwrap()
}

fn in_room() -> Snapshot {
    Snapshot {
        stage: Stage::Room(Room::default()),
        ..Snapshot::default()
    }
}

#[tokio::test]
async fn the_screen_is_kept_on_during_a_call_and_let_go_after_it() {
    let session = &mut Session::start().await;
    let (desktop, asked) = (&session.desktop, &mut session.asked);
    let (snapshots, followed) = watch::channel(Snapshot::default());
    let kept = desktop.keep_awake(followed);
    let told = async {
        tokio::task::yield_now().await;
        assert!(asked.try_recv().is_err(), "nothing is asked at home");
        snapshots.send_replace(in_room());
        assert_eq!(next(asked).await, Asked::Inhibit("Snug".to_owned()));
        // More news of the same call ask for nothing more: the next thing asked is to let go.
        snapshots.send_replace(in_room());
        tokio::time::sleep(Duration::from_millis(50)).await;
        snapshots.send_replace(Snapshot::default());
        assert_eq!(next(asked).await, Asked::UnInhibit(41));
        snapshots.send_replace(in_room());
        assert_eq!(next(asked).await, Asked::Inhibit("Snug".to_owned()));
        // The program ends in the middle of a call.
        drop(snapshots);
        assert_eq!(next(asked).await, Asked::UnInhibit(41));
    };
    timeout(PATIENCE, async { tokio::join!(kept, told) })
        .await
        .unwrap();
}

#[tokio::test]
async fn news_take_each_others_place_and_hold_no_markup() {
    let session = &mut Session::start().await;
    let (desktop, asked) = (&session.desktop, &mut session.asked);
    desktop.show("Mara came in.", "<b>Harbour</b> & co").await;
    let first = Asked::Notify(
        0,
        "Mara came in.".to_owned(),
        "&lt;b&gt;Harbour&lt;/b&gt; &amp; co".to_owned(),
    );
    assert_eq!(next(asked).await, first);
    desktop.show(&"ß".repeat(5000), "").await;
    let second = Asked::Notify(7, "ß".repeat(LETTERS_MAX), String::new());
    assert_eq!(next(asked).await, second);
}

#[tokio::test]
async fn without_a_desktop_nothing_happens() {
    let desktop = Desktop {
        address: Some("unix:path=/nowhere/bus".to_owned()),
        ..Desktop::default()
    };
    desktop.show("Mara came in.", "").await;
    let (snapshots, followed) = watch::channel(in_room());
    let told = async {
        tokio::task::yield_now().await;
        drop(snapshots);
    };
    let both = async { tokio::join!(desktop.keep_awake(followed), told) };
    timeout(PATIENCE, both).await.unwrap();
}
