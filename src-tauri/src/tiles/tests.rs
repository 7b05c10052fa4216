//! The socket as programs on this computer meet it; no window needed.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use snug_media::I420Frame;
use snug_protocol::TrackId;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

const ORIGIN: &str = "tauri://localhost";
const PATIENCE: Duration = Duration::from_secs(10);

type Client = WebSocketStream<TcpStream>;

fn start() -> (Tiles, Running) {
    Tiles::start(Port::take().unwrap(), ORIGIN).unwrap()
}

async fn connect(port: u16, path: &str, host: &str, origin: Option<&str>) -> Result<Client, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
    if let Some(origin) = origin {
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
    }
    client_async(request, stream)
        .await
        .map(|(client, _)| client)
}

async fn page(port: u16, first: &str) -> Client {
    let host = format!("127.0.0.1:{port}");
    let mut client = connect(port, "/", &host, Some(ORIGIN)).await.unwrap();
    client.send(Message::text(first)).await.unwrap();
    client
}

/// Opens a page that is let in, and waits until it is.
async fn watching_page(tiles: &Tiles, running: &mut Running, watching: &str) -> Client {
    let access = tiles.open();
    let mut client = page(access.port, &access.token).await;
    client.send(Message::text(watching)).await.unwrap();
    let wanted: Watching = serde_json::from_str(watching).unwrap();
    let heard = running.watching.wait_for(|it| *it == wanted);
    drop(timeout(PATIENCE, heard).await.unwrap().unwrap());
    client
}

async fn next(client: &mut Client) -> Option<Message> {
    let message = timeout(PATIENCE, client.next()).await.expect("an answer");
    message.and_then(Result::ok)
}

async fn is_shut_out(client: &mut Client) -> bool {
    loop {
        match next(client).await {
            None | Some(Message::Close(_)) => return true,
            Some(Message::Binary(_)) => return false,
            Some(_) => {}
        }
    }
}

fn refused(result: Result<Client, Error>) -> bool {
    matches!(result, Err(Error::Http(response)) if response.status() == 403)
}

#[tokio::test]
async fn a_page_with_the_token_gets_what_it_watches() {
    let (tiles, mut running) = start();
    let track: TrackId = "peer:track".parse().unwrap();
    tiles.assign(HashMap::from([(track.clone(), 5)]));
    let watched = r#"{"tiles":[{"tile":5,"height":360,"raw":false}],"levels":false}"#;
    let mut client = watching_page(&tiles, &mut running, watched).await;
    tiles.send_own(Duration::ZERO, &I420Frame::black(16, 16), 360);
    tiles.send_encoded(&"peer:other".parse().unwrap(), true, 1, b"other");
    tiles.send_encoded(&track, true, 7, b"frame");
    let frame = next(&mut client).await.unwrap().into_data();
    assert_eq!((frame[0], frame[4], &frame[24..]), (1, 5, &b"frame"[..]));
}

#[tokio::test]
async fn ones_own_picture_comes_no_taller_than_asked_for() {
    let (tiles, mut running) = start();
    let watched = r#"{"tiles":[{"tile":0,"height":90,"raw":true}],"levels":false}"#;
    let mut client = watching_page(&tiles, &mut running, watched).await;
    assert!(tiles.is_own_watched());
    tiles.send_own(Duration::from_millis(2), &I420Frame::black(640, 360), 360);
    let frame = next(&mut client).await.unwrap().into_data();
    let size = [frame[16], frame[17], frame[18], frame[19]];
    assert_eq!((frame[0], frame[4], size), (2, 0, [160, 0, 90, 0]));
    assert_eq!(frame.len(), 24 + 160 * 90 * 3 / 2);
}

#[tokio::test]
async fn levels_come_only_while_they_are_wanted() {
    let (tiles, mut running) = start();
    tiles.levels().set_people([("a".to_owned(), -3.0)].into());
    let silent = r#"{"tiles":[],"levels":false}"#;
    let mut client = watching_page(&tiles, &mut running, silent).await;
    assert!(
        timeout(Duration::from_millis(200), client.next())
            .await
            .is_err()
    );
    let wanted = r#"{"tiles":[],"levels":true}"#;
    client.send(Message::text(wanted)).await.unwrap();
    let frame = next(&mut client).await.unwrap().into_data();
    assert_eq!(frame[24..], *br#"{"me":null,"people":{"a":-3.0}}"#);
}

#[tokio::test]
async fn a_wrong_token_is_shut_out() {
    let (tiles, running) = start();
    let access = tiles.open();
    let almost = format!("{}0", &access.token[1..]);
    for token in ["", "0", &almost, &access.token[..31]] {
        assert!(is_shut_out(&mut page(access.port, token).await).await);
    }
    assert_eq!(*running.watching.borrow(), Watching::default());
    // It was not used up by those who guessed.
    let mut client = page(access.port, &access.token).await;
    client.send(Message::Ping("a".into())).await.unwrap();
    assert_eq!(next(&mut client).await, Some(Message::Pong("a".into())));
}

#[tokio::test]
async fn a_second_client_is_shut_out_and_the_first_stays() {
    let (tiles, mut running) = start();
    let watched = r#"{"tiles":[{"tile":0,"height":90,"raw":true}],"levels":false}"#;
    let access = tiles.open();
    let mut first = page(access.port, &access.token).await;
    first.send(Message::text(watched)).await.unwrap();
    running
        .watching
        .wait_for(|it| !it.tiles.is_empty())
        .await
        .unwrap();
    assert!(is_shut_out(&mut page(access.port, &access.token).await).await);
    tiles.send_own(Duration::ZERO, &I420Frame::black(16, 16), 360);
    assert!(next(&mut first).await.unwrap().is_binary());
}

#[tokio::test]
async fn a_reloaded_page_replaces_the_one_before() {
    let (tiles, mut running) = start();
    let watched = r#"{"tiles":[{"tile":0,"height":90,"raw":true}],"levels":false}"#;
    let mut first = watching_page(&tiles, &mut running, watched).await;
    let access = tiles.open();
    assert!(is_shut_out(&mut first).await);
    let nothing = |it: &Watching| it.tiles.is_empty();
    running.watching.wait_for(nothing).await.unwrap();
    let mut second = page(access.port, &access.token).await;
    second.send(Message::text(watched)).await.unwrap();
    let something = |it: &Watching| !it.tiles.is_empty();
    running.watching.wait_for(something).await.unwrap();
    tiles.send_own(Duration::ZERO, &I420Frame::black(16, 16), 360);
    assert!(next(&mut second).await.unwrap().is_binary());
}

#[tokio::test]
async fn a_foreign_origin_host_or_address_is_refused() {
    let (tiles, _running) = start();
    let port = tiles.open().port;
    let host = format!("127.0.0.1:{port}");
    for origin in [
        None,
        Some("null"),
        Some("http://127.0.0.1"),
        Some("tauri://localhost.evil.example"),
        Some("https://evil.example"),
    ] {
        assert!(
            refused(connect(port, "/", &host, origin).await),
            "{origin:?}"
        );
    }
    for host in [format!("localhost:{port}"), "evil.example".to_owned()] {
        assert!(
            refused(connect(port, "/", &host, Some(ORIGIN)).await),
            "{host}"
        );
    }
    for path in ["/other", "/?token=1"] {
        assert!(
            refused(connect(port, path, &host, Some(ORIGIN)).await),
            "{path}"
        );
    }
    assert!(connect(port, "/", &host, Some(ORIGIN)).await.is_ok());
}

#[tokio::test]
async fn whoever_shows_no_token_in_time_is_shut_out() {
    let (tiles, _running) = start();
    let access = tiles.open();
    let host = format!("127.0.0.1:{}", access.port);
    let mut idle = connect(access.port, "/", &host, Some(ORIGIN))
        .await
        .unwrap();
    // One that says nothing at all, not even HTTP.
    let mut mute = TcpStream::connect(("127.0.0.1", access.port))
        .await
        .unwrap();
    assert!(is_shut_out(&mut idle).await);
    let mut rest = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut mute, &mut rest);
    timeout(PATIENCE, end).await.unwrap().unwrap();
    // Too late is too late: the same connection cannot catch up.
    drop(idle.send(Message::text(access.token)).await);
    assert!(is_shut_out(&mut idle).await);
}
