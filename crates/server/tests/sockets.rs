//! What recordings of another server cannot show of our sockets: pings, panics, counters.
#![allow(clippy::unwrap_used, reason = "the fixtures of a test may fail it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, Flow, JoinOutcome, Outbox, Terminate};
use snug_server::http::{Gate, site, socket_route};
use snug_server::listener::Listener;
use snug_server::socket::{
    Application, Connect, Join, MESSAGE_BYTES_MAX, Mailbox, MailboxError, Refused, SocketOptions,
};
use snug_server::{Config, Counters, Identity, OriginRules, tls};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);
const PING_AFTER: Duration = Duration::from_millis(100);

/// Keeps the mailbox of the last join and what its channels reported.
#[derive(Clone, Default)]
struct Probe {
    mailbox: Arc<Mutex<Option<Mailbox<Payload>>>>,
    ended: Arc<Mutex<Vec<Terminate>>>,
}

struct Member;

impl Application for Probe {
    type Channel = Member;

    fn topic_matches(&self, _: &str) -> bool {
        true
    }

    fn connect(&self, _: &Connect) -> Result<(), Refused> {
        Ok(())
    }

    async fn join(&self, join: Join<Member>) -> JoinOutcome<Member> {
        *self.mailbox.lock().unwrap() = Some(join.mailbox);
        JoinOutcome::Joined {
            channel: Member,
            response: json!({}),
        }
    }

    async fn perform(&self, why: Terminate) {
        self.ended.lock().unwrap().push(why);
    }
}

impl Channel for Member {
    type Command = Terminate;
    type Info = Payload;

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<Terminate>) -> Flow {
        match event {
            "panic" => panic!("as the test asked"),
            _ => out.reply("ok", payload),
        }
        Flow::Continue
    }

    fn handle_info(&mut self, payload: Payload, out: &mut Outbox<Terminate>) -> Flow {
        out.push("news", payload);
        Flow::Continue
    }

    fn terminate(&mut self, why: Terminate, out: &mut Outbox<Terminate>) {
        out.command(why);
    }

    fn weight(payload: &Payload) -> usize {
        payload.len()
    }
}

struct Fixture {
    probe: Probe,
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(data.path()).unwrap();
        let origins = Arc::new(OriginRules::new(&Config::default(), "").unwrap());
        let options = SocketOptions {
            ping_after: Some(PING_AFTER),
            ..SocketOptions::default()
        };
        let probe = Probe::default();
        let routes = socket_route("/socket", probe.clone(), options, &origins);
        let site = site(
            Gate {
                origins,
                allow_plain: false,
            },
            routes,
        );
        let listener = Listener::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).unwrap();
        let (address, counters) = (listener.address(), listener.counters());
        let stop = CancellationToken::new();
        let tls = tls::server_config(&identity).unwrap();
        let running = tokio::spawn(listener.run(site, tls, stop.clone()));
        Fixture {
            probe,
            address,
            counters,
            stop,
            running,
            _data: data,
        }
    }

    /// Opens a socket and joins; returns it with the application's mailbox to it.
    async fn join(&self) -> (WebSocketStream<TcpStream>, Mailbox<Payload>) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/socket/websocket?vsn=2.0.0", self.address);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        socket
            .send(Message::text(r#"["1","1","t","phx_join",{}]"#))
            .await
            .unwrap();
        assert_eq!(
            text(&mut socket).await,
            r#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#
        );
        let mailbox = self.probe.mailbox.lock().unwrap().clone().unwrap();
        (socket, mailbox)
    }

    /// Waits until a channel ended.
    async fn ended(&self) -> Terminate {
        let started = Instant::now();
        loop {
            if let Some(why) = self.probe.ended.lock().unwrap().pop() {
                return why;
            }
            assert!(started.elapsed() < PATIENCE, "no channel ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    timeout(PATIENCE, socket.next())
        .await
        .expect("something in time")
        .unwrap()
        .unwrap()
}

/// Returns the next text; pings on the way are answered by the WebSocket itself.
async fn text(socket: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        if let Message::Text(text) = next(socket).await {
            return text.as_str().to_owned();
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_its_pong_is_a_sign_of_life() {
    let fixture = Fixture::start().await;
    let (mut socket, mailbox) = fixture.join().await;
    let joined = mailbox.last_heard();
    assert!(matches!(next(&mut socket).await, Message::Ping(_)));
    // Reading on sends the pong; the second ping comes after it was heard.
    assert!(matches!(next(&mut socket).await, Message::Ping(_)));
    assert!(
        mailbox.last_heard() >= joined + PING_AFTER,
        "the pong was heard"
    );
    let heard = mailbox.last_heard();
    tokio::time::sleep(3 * PING_AFTER).await; // Not reading: no pongs.
    assert_eq!(mailbox.last_heard(), heard, "silence stays silence");
    fixture.end().await;
}

#[tokio::test]
async fn a_panic_in_a_channel_is_an_error_of_that_channel_only() {
    let fixture = Fixture::start().await;
    let (mut socket, mailbox) = fixture.join().await;
    socket
        .send(Message::text(r#"["1","2","t","panic",{}]"#))
        .await
        .unwrap();
    assert_eq!(text(&mut socket).await, r#"["1","1","t","phx_error",{}]"#);
    assert_eq!(fixture.ended().await, Terminate::Crashed);
    assert!(!mailbox.is_closed(), "the socket lives on");
    let heartbeat = r#"[null,"3","phoenix","heartbeat",{}]"#;
    socket.send(Message::text(heartbeat)).await.unwrap();
    assert!(text(&mut socket).await.contains(r#""status":"ok""#));
    fixture.end().await;
}

#[tokio::test]
async fn only_who_has_joined_may_send_large_messages() {
    let fixture = Fixture::start().await;
    let large = |event: &str| {
        let word = "w".repeat(200 * 1024);
        Message::text(format!(r#"["1","2","t","{event}","{word}"]"#))
    };
    let (mut socket, _mailbox) = fixture.join().await;
    socket.send(large("say")).await.unwrap();
    assert!(
        text(&mut socket).await.len() > 200 * 1024,
        "the answer repeats it"
    );
    socket
        .send(Message::text(r#"["1","3","t","phx_leave",{}]"#))
        .await
        .unwrap();
    assert!(text(&mut socket).await.contains("phx_reply"));
    assert!(text(&mut socket).await.contains("phx_close"));
    // Sending may fail half-way, because nobody reads the rest for long.
    drop(socket.send(large("phx_join")).await);
    loop {
        if let Message::Close(frame) = next(&mut socket).await {
            assert_eq!(u16::from(frame.unwrap().code), 1009);
            break;
        }
    }
    let stream = TcpStream::connect(fixture.address).await.unwrap();
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", fixture.address);
    let (mut stranger, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    // Many small ones are no large one.
    let word = "w".repeat(60 * 1024);
    for reference in 0..4 {
        let refused = format!(r#"[null,"{reference}","t","say","{word}"]"#);
        stranger.send(Message::text(refused)).await.unwrap();
        assert!(text(&mut stranger).await.contains("unmatched topic"));
    }
    fixture.end().await;
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_channels_at_once() {
    let fixture = Fixture::start().await;
    let (socket, mailbox) = fixture.join().await;
    drop(socket);
    assert_eq!(fixture.ended().await, Terminate::SocketClosed);
    let news = || Payload::json("late").unwrap();
    while mailbox.try_send(news()).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(mailbox.try_send(news()), Err(MailboxError::Closed));
    fixture.end().await;
}

#[tokio::test]
async fn news_arrive_in_order() {
    let fixture = Fixture::start().await;
    let (mut socket, mailbox) = fixture.join().await;
    for number in 0..200 {
        mailbox.try_send(Payload::json(&number).unwrap()).unwrap();
    }
    for number in 0..200 {
        assert_eq!(
            text(&mut socket).await,
            format!(r#"["1",null,"t","news",{number}]"#)
        );
    }
    fixture.end().await;
}

/// Sends news to somebody who does not read until the kernel's buffers are full, then the mailbox.
async fn choke(fixture: &Fixture, mailbox: &Mailbox<Payload>) {
    let news = Payload::json(&"n".repeat(64 * 1024)).unwrap();
    let started = Instant::now();
    while mailbox.try_send(news.clone()).is_ok() {
        assert!(started.elapsed() < PATIENCE, "the bound is never reached");
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.ended().await, Terminate::SocketClosed);
    assert_eq!(fixture.counters.slow_consumers.count(), 1);
}

/// Reads to the close frame; returns its code and reason.
async fn close_frame(socket: &mut WebSocketStream<TcpStream>) -> (u16, String) {
    loop {
        if let Message::Close(frame) = next(socket).await {
            let frame = frame.expect("a close frame has a code");
            return (frame.code.into(), frame.reason.as_str().to_owned());
        }
    }
}

#[tokio::test]
async fn a_slow_reader_that_reads_on_at_once_is_told_why_it_was_closed() {
    let fixture = Fixture::start().await;
    let (mut socket, mailbox) = fixture.join().await;
    choke(&fixture, &mailbox).await;
    let told = close_frame(&mut socket).await;
    assert_eq!(told, (1008, "slow_consumer".to_owned()));
    fixture.end().await;
}

#[tokio::test]
async fn a_slow_reader_that_reads_on_after_seconds_is_told_as_well() {
    let fixture = Fixture::start().await;
    let (mut socket, mailbox) = fixture.join().await;
    choke(&fixture, &mailbox).await;
    tokio::time::sleep(Duration::from_secs(3)).await; // Longer than anybody else is waited for.
    let told = close_frame(&mut socket).await;
    assert_eq!(told, (1008, "slow_consumer".to_owned()));
    fixture.end().await;
}

#[tokio::test]
async fn a_server_that_stops_waits_for_no_slow_reader() {
    let fixture = Fixture::start().await;
    let (_socket, mailbox) = fixture.join().await;
    choke(&fixture, &mailbox).await;
    let started = Instant::now();
    fixture.end().await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(1900), "{took:?}");
}

/// A message in the topic `t` of exactly so many bytes.
fn message_of(bytes: usize) -> String {
    let (head, tail) = (r#"["1","2","t","say",""#, r#""]"#);
    format!(
        "{head}{}{tail}",
        "w".repeat(bytes - head.len() - tail.len())
    )
}

/// Sends the message in fragments of 10,000 bytes, the last of them with the end.
async fn send_fragments(socket: &mut WebSocketStream<TcpStream>, message: &str) {
    let chunks: Vec<&[u8]> = message.as_bytes().chunks(10_000).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        let code = match number {
            0 => Data::Text,
            _ => Data::Continue,
        };
        let is_last = number + 1 == chunks.len();
        let frame = Frame::message(chunk.to_vec(), OpCode::Data(code), is_last);
        // Sending may fail half-way, because nobody reads the rest for long.
        drop(socket.send(Message::Frame(frame)).await);
    }
}

#[tokio::test]
async fn a_message_may_have_256_kib_and_not_a_byte_more_whole_or_in_fragments() {
    let too_big = (1009, "message_too_big".to_owned());
    let fixture = Fixture::start().await;
    for is_whole in [true, false] {
        let (mut socket, _mailbox) = fixture.join().await;
        let message = message_of(MESSAGE_BYTES_MAX);
        match is_whole {
            true => socket.send(Message::text(message)).await.unwrap(),
            false => send_fragments(&mut socket, &message).await,
        }
        let echo = text(&mut socket).await;
        assert!(echo.contains(r#""status":"ok""#) && echo.len() > MESSAGE_BYTES_MAX);
        for bytes in [MESSAGE_BYTES_MAX + 1, 1024 * 1024] {
            let (mut socket, _mailbox) = fixture.join().await;
            let message = message_of(bytes);
            match is_whole {
                true => drop(socket.send(Message::text(message)).await),
                false => send_fragments(&mut socket, &message).await,
            }
            let told = close_frame(&mut socket).await;
            assert_eq!(told, too_big, "{bytes} bytes, whole: {is_whole}");
        }
    }
    let (mut other, _mailbox) = fixture.join().await;
    other.send(Message::text(message_of(100))).await.unwrap();
    assert!(text(&mut other).await.contains(r#""status":"ok""#));
    fixture.end().await;
}
