//! Snug's client as a stranger in a room of Snug's own server: something in between takes out what
//! they tell each other of Snug, so the client does what it does on a Membrane server, and the
//! server what it does for an unmodified client. Everything goes through the server's relay.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use snug_client::{Event, Happening, JoinOptions, Kind, Participant, Stats};
use snug_media::source::{TestPattern, Tone};
use snug_protocol::DisplayName;
use snug_server::{Config, Server};
use snug_testkit::membrane::Certificate;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(20);

/// A door to a server that makes strangers of those who come through it.
struct Door {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    /// Opens a door to `server` that leaves only relays of this transport.
    async fn open(server: SocketAddr, transport: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Certificate::self_signed().unwrap().acceptor().unwrap();
        let task = tokio::spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let tls = tls.clone();
                visits.spawn(async move {
                    let stream = tls.accept(stream).await.unwrap();
                    let visitor = tokio_tungstenite::accept_async(stream).await.unwrap();
                    let url = format!("ws://{server}/socket/websocket?vsn=2.0.0");
                    let stream = TcpStream::connect(server).await.unwrap();
                    let (home, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
                    let (mut to_home, mut from_home) = home.split();
                    let (mut to_visitor, mut from_visitor) = visitor.split();
                    loop {
                        let sent = tokio::select! {
                            message = from_visitor.next() => match message {
                                Some(Ok(message)) => to_home.send(outward(message)).await,
                                _ => return,
                            },
                            message = from_home.next() => match message {
                                Some(Ok(message)) => {
                                    to_visitor.send(inward(message, transport)).await
                                }
                                _ => return,
                            },
                        };
                        if sent.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let task = task.abort_handle();
        Self { address, task }
    }
}

/// Takes out what the visitor says of Snug when it joins.
fn outward(message: Message) -> Message {
    rewrite(message, |frame| {
        if frame[3] == "phx_join" {
            frame[4] = json!({});
        }
    })
}

/// Leaves only the relays of one transport.
fn inward(message: Message, transport: &str) -> Message {
    rewrite(message, |frame| {
        let data = frame[4]["data"].as_str().unwrap_or_default();
        let Ok(mut event) = serde_json::from_str::<Value>(data) else {
            return;
        };
        let servers = &mut event["data"]["data"]["integratedTurnServers"];
        if let Some(servers) = servers.as_array_mut() {
            servers.retain(|server| server["transport"] == transport);
            frame[4]["data"] = json!(event.to_string());
        }
    })
}

fn rewrite(message: Message, change: impl FnOnce(&mut Value)) -> Message {
    let Message::Text(text) = &message else {
        return message;
    };
    let mut frame: Value = serde_json::from_str(text).unwrap();
    change(&mut frame);
    Message::text(frame.to_string())
}

async fn sees_and_hears(events: &mut mpsc::Receiver<Event>) {
    let mut seen = Vec::new();
    let mut missing = 2;
    while missing > 0 {
        let Ok(Some(event)) = timeout(PATIENCE, events.recv()).await else {
            panic!("no picture or sound; this happened: {seen:#?}");
        };
        missing -= usize::from(matches!(event.what, Happening::FirstFrame { .. }));
        seen.push(event.what);
    }
}

fn pictures(stats: &Stats) -> u64 {
    let tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
    let pictures = tracks.filter(|track| track.kind == Kind::Video);
    pictures.map(|track| track.received.frames_decoded).sum()
}

async fn a_stranger_is_at_home(transport: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        port: 0,
        bind: Some("127.0.0.1".parse().unwrap()),
        data_dir: folder.path().join("host"),
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let home = server.addresses()[0];
    let door = Door::open(home, transport).await;
    let join = |at: SocketAddr, name: &str| {
        let link = format!("snug://{at}/kitchen").parse().unwrap();
        let name = DisplayName::parse(name).unwrap();
        let mut options = JoinOptions::new(link, name, folder.path().join("known_hosts"));
        options.decode = true;
        options.video = Some(Box::new(TestPattern::new(320, 180, 30).unwrap()));
        options.audio = Some(Box::new(Tone::new(1000.0, 0.5)));
        options.video_bitrate_bps = 400_000;
        Participant::join(options)
    };
    let mut stranger = join(door.address, "Stranger").await.unwrap();
    let mut stranger_hears = stranger.events();
    let mut ada = join(home, "Ada").await.unwrap();
    sees_and_hears(&mut stranger_hears).await;
    sees_and_hears(&mut ada.events()).await;
    // Others come and go: with each, the stranger negotiates, and allocates anew.
    for name in ["Bo", "Cy", "Di"] {
        let mut visitor = join(home, name).await.unwrap();
        sees_and_hears(&mut stranger_hears).await;
        sees_and_hears(&mut visitor.events()).await;
        visitor.leave().await.unwrap();
    }
    for participant in [&stranger, &ada] {
        let before = pictures(&participant.stats());
        let mut stats = participant.watch_stats();
        let more = stats.wait_for(|stats| pictures(stats) > before + 30);
        timeout(PATIENCE, more)
            .await
            .expect("more pictures")
            .unwrap();
    }
    stranger.leave().await.unwrap();
    ada.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_relay_over_udp() {
    a_stranger_is_at_home("udp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_relay_over_tcp() {
    a_stranger_is_at_home("tcp").await;
}
