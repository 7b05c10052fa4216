//! Our shell against recordings of a real Phoenix 1.7 server.
//!
//! The echo application that was recorded runs on the real listener over TCP, and every recording
//! on which both of Phoenix's adapters agree is replayed: status lines, bodies, frames in order
//! (JSON compared by value), close codes, the end of the connection. After each replay a heartbeat
//! shows that nothing else was said. docs/decisions/0002-phoenix-deviations.md lists where we
//! differ on purpose; [`DEVIATIONS`] is the same list, and what we do instead is asserted.

#[path = "phoenix_vectors/echo.rs"]
mod echo;
#[path = "phoenix_vectors/recording.rs"]
mod recording;
#[path = "phoenix_vectors/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use snug_server::http::{Gate, site, socket_route};
use snug_server::listener::Listener;
use snug_server::socket::SocketOptions;
use snug_server::{Config, Identity, OriginRules, tls};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use echo::Echo;
use recording::{Recording, Step, unhex};
use wire::{Answer, Form, Heard, Wire};

/// A recorded answer that we do not give.
struct Deviation {
    case: &'static str,
    /// The index of the step that is left out of the replay.
    step: usize,
    /// What that step says, so that the list cannot go stale.
    says: &'static str,
    #[allow(dead_code, reason = "for the reader")]
    why: &'static str,
}

const DEVIATIONS: [Deviation; 2] = [
    Deviation {
        case: "duplicate_join",
        step: 8,
        says: r#"["5",null,"room:golden","mediaEvent",{"data":"Estale"}]"#,
        why: "an event of an older join is ignored, as Phoenix 1.8 does",
    },
    Deviation {
        case: "media_event_stale_join_ref",
        step: 5,
        says: r#"["1",null,"room:golden","mediaEvent",{"data":"Ehello"}]"#,
        why: "an event of an older join is ignored, as Phoenix 1.8 does",
    },
];

/// Where a close frame of ours says why, and Phoenix's says nothing: the case, and our reason.
const REASONS: [(&str, &str); 2] = [
    ("oversize_64k_limit", "message_too_big"),
    ("oversize_64k_fragmented", "message_too_big"),
];

/// How many recordings have adapters that agree: 73 cases of two adapters.
const AGREED: usize = 146;

/// The long idle case, 60 s, is replayed with its timeout scaled to this.
const SCALED_IDLE: Duration = Duration::from_secs(2);

const TEXT: Form = Form {
    opcode: 1,
    fin: true,
    rsv: 0,
    mask: true,
};
const PING: u8 = 9;
const PONG: u8 = 10;
const CLOSE: u8 = 8;

/// A server with the recorded application at `/socket` and `/small`.
struct Fixture {
    address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Fixture {
    async fn start(idle_timeout: Duration) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = Config {
            allow_origins: vec!["tauri://localhost".into()],
            ..Config::default()
        };
        let origins = Arc::new(OriginRules::new(&config, "").expect("readable settings"));
        let tls = tls::server_config(&Identity::load_or_create(data.path()).expect("an identity"));
        let socket = SocketOptions {
            ping_after: None,
            idle_timeout,
            // As the recorded one took.
            message_bytes_max: 8 * 1024 * 1024 + 64 * 1024,
            ..SocketOptions::default()
        };
        let small = SocketOptions {
            message_bytes_max: 64 * 1024,
            message_bytes_max_asked: 64 * 1024,
            idle_timeout: Duration::from_secs(4),
            ..socket
        };
        let echo = Echo::default();
        let routes = socket_route("/socket", echo.clone(), socket, &origins)
            .merge(socket_route("/small", echo, small, &origins));
        let site = site(
            Gate {
                origins,
                allow_plain: false,
            },
            routes,
        );
        let listener = Listener::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).expect("a port");
        let address = listener.address();
        let stop = CancellationToken::new();
        let running = tokio::spawn(listener.run(site, tls.expect("TLS"), stop.clone()));
        Fixture {
            address,
            stop,
            running,
            _data: data,
        }
    }

    async fn default() -> Self {
        Self::start(SocketOptions::default().idle_timeout).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("the listener ends by itself");
    }
}

/// Replays one recording; panics where we differ.
async fn replay(recording: Recording, fixture: &Fixture) {
    let name = recording.name();
    let mut wire = Wire::open(fixture.address).await;
    let mut dialect = Dialect::None;
    for (index, step) in recording.steps.iter().enumerate() {
        let place = format!("{name}, step {index}");
        if step.is_from_server() {
            if step.code == Some(1012) {
                fixture.stop.cancel(); // The recorded server got SIGTERM here.
            }
            dialect = expect(step, &mut wire, &place).await.unwrap_or(dialect);
        } else {
            if recording.case == "idle_timeout_4s_ping_keeps" && step.kind == "ping" {
                tokio::time::sleep(Duration::from_secs(2)).await; // As the recorded client did.
            }
            dialect = say(step, &mut wire, &recording.case, fixture)
                .await
                .unwrap_or(dialect);
        }
    }
    expect_nothing_else(&mut wire, dialect, &name).await;
}

/// How the connection can be asked for a last sign of life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dialect {
    None,
    V1,
    V2,
    Ended,
}

async fn say(step: &Step, wire: &mut Wire, case: &str, fixture: &Fixture) -> Option<Dialect> {
    if step.kind == "http" {
        wire.write(&step.request_bytes(fixture.address.port()))
            .await;
        let is_v2 = step.request[0].contains("vsn=2.0.0");
        return Some(if is_v2 { Dialect::V2 } else { Dialect::V1 });
    }
    wire.send(step.form(), &step.payload(case)).await;
    None
}

async fn expect(step: &Step, wire: &mut Wire, place: &str) -> Option<Dialect> {
    match step.kind.as_str() {
        "http" => {
            let answer = wire.answer().await;
            expect_answer(step, &answer, place);
            return (!answer.status_line.contains(" 101 ")).then_some(Dialect::None);
        }
        "tcp_eof" | "tcp_reset" => {
            assert_eq!(wire.hear().await, Heard::End, "{place}");
            return Some(Dialect::Ended);
        }
        _ => {}
    }
    let Heard::Frame { opcode, payload } = wire.hear().await else {
        panic!("{place}: the connection ended instead of {step:?}");
    };
    match (step.kind.as_str(), opcode) {
        ("text", 1) => {
            let heard = String::from_utf8(payload).expect("UTF-8");
            assert_eq!(
                json(&heard),
                json(step.text.as_deref().expect("a text")),
                "{place}"
            );
        }
        ("binary", 2) | ("pong", PONG) => {
            assert_eq!(
                payload,
                unhex(step.hex.as_deref().expect("bytes")),
                "{place}"
            );
        }
        ("close", CLOSE) => {
            let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            assert_eq!(code, step.code, "{place}: close code");
            let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
            let ours = REASONS.iter().find(|(case, _)| place.starts_with(case));
            assert!(
                ours.is_none() || step.reason.as_deref() == Some(""),
                "the list of reasons is stale"
            );
            assert_eq!(
                Some(&*reason),
                ours.map(|(_, ours)| *ours).or(step.reason.as_deref()),
                "{place}: close reason"
            );
        }
        (kind, opcode) => panic!("{place}: {kind} was recorded, opcode {opcode} {payload:?} came"),
    }
    None
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Compares what both adapters agree on: status, body, and the headers of the WebSocket.
fn expect_answer(step: &Step, answer: &Answer, place: &str) {
    let status = |line: &str| line.split_once(' ').map(|(_, status)| status.to_owned());
    let recorded = step.status_line.as_deref().expect("a status line");
    assert_eq!(status(&answer.status_line), status(recorded), "{place}");
    if let Some(body) = &step.body {
        assert_eq!(&answer.body, body, "{place}: body");
    }
    if recorded.contains(" 101 ") {
        let recorded = step.headers.iter().filter_map(|line| line.split_once(": "));
        let recorded = recorded.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            handshake(&answer.headers),
            handshake(&recorded.collect::<Vec<_>>()),
            "{place}"
        );
    }
}

fn handshake(headers: &[(String, String)]) -> BTreeMap<&str, &str> {
    let counts = |name: &str| {
        matches!(name, "connection" | "upgrade" | "cache-control") || name.starts_with("sec-")
    };
    headers
        .iter()
        .filter(|(name, _)| counts(name))
        .map(|(n, v)| (&**n, &**v))
        .collect()
}

/// Shows that the server has said all that was recorded and no more.
async fn expect_nothing_else(wire: &mut Wire, dialect: Dialect, name: &str) {
    let (question, answer) = match dialect {
        Dialect::None | Dialect::Ended => return,
        Dialect::V1 => (
            r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"last"}"#,
            r#"{"topic":"phoenix","event":"phx_reply","ref":"last",
                "payload":{"status":"ok","response":{}}}"#,
        ),
        Dialect::V2 => (
            r#"[null,"last","phoenix","heartbeat",{}]"#,
            r#"[null,"last","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
        ),
    };
    wire.send(TEXT, question.as_bytes()).await;
    let Heard::Frame { opcode: 1, payload } = wire.hear().await else {
        panic!("{name}: a last heartbeat was not answered");
    };
    let heard = String::from_utf8(payload).expect("UTF-8");
    assert_eq!(
        json(&heard),
        json(answer),
        "{name}: more was said than recorded"
    );
    let more = wire.hear_nothing(Duration::from_millis(100)).await;
    assert_eq!(more, None, "{name}: more was said than recorded");
}

/// Leaves the deviating steps out, after looking at them.
fn without_deviations(mut recording: Recording) -> Recording {
    for deviation in DEVIATIONS
        .iter()
        .filter(|deviation| deviation.case == recording.case)
    {
        let step = recording.steps.remove(deviation.step);
        assert!(step.is_from_server());
        assert_eq!(
            step.text.as_deref(),
            Some(deviation.says),
            "the list of deviations is stale"
        );
    }
    recording
}

/// Replays recordings at the same time, each on a server of its own; the two peers of a pair meet
/// on one. Returns how many were replayed.
async fn replay_all(recordings: Vec<Recording>, idle_timeout: Duration) -> usize {
    let mut groups: BTreeMap<(String, String), Vec<Recording>> = BTreeMap::new();
    for recording in recordings {
        let case = recording.case.trim_end_matches("_a").trim_end_matches("_b");
        let case = if case == "two_peers" {
            case
        } else {
            &recording.case
        };
        let key = (case.to_owned(), recording.adapter.clone());
        groups.entry(key).or_default().push(recording);
    }
    let mut tasks = JoinSet::new();
    for ((case, _), group) in groups {
        tasks.spawn(async move {
            let fixture = Fixture::start(idle_timeout).await;
            let count = group.len();
            match <[Recording; 2]>::try_from(group) {
                Ok([a, b]) => replay_pair(&a, &b, &fixture).await,
                Err(mut group) => {
                    let only = group.pop().expect("not empty");
                    assert!(group.is_empty(), "{case} is no pair");
                    replay(only, &fixture).await;
                }
            }
            fixture.end().await;
            count
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
    count
}

/// Replays two peers of one room: both join, then `a` speaks and `b` hears.
async fn replay_pair(a: &Recording, b: &Recording, fixture: &Fixture) {
    let joining = 4; // Request, answer, join, reply.
    let (mut wire_a, mut wire_b) = (
        Wire::open(fixture.address).await,
        Wire::open(fixture.address).await,
    );
    let parts = [
        (a, &a.steps[..joining], 0),
        (b, &b.steps[..joining], 1),
        (a, &a.steps[joining..], 0),
        (b, &b.steps[joining..], 1),
    ];
    for (recording, steps, side) in parts {
        assert!(!steps.is_empty(), "both sides have something to show");
        let wire = if side == 0 { &mut wire_a } else { &mut wire_b };
        for step in steps {
            if step.is_from_server() {
                expect(step, wire, &recording.name()).await;
            } else {
                say(step, wire, &recording.case, fixture).await;
            }
        }
    }
    expect_nothing_else(&mut wire_a, Dialect::V2, &a.name()).await;
    expect_nothing_else(&mut wire_b, Dialect::V2, &b.name()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recording_on_which_the_adapters_agree_is_what_we_do() {
    let agreed: Vec<Recording> = recording::all()
        .into_iter()
        .filter(|r| r.adapters_agree == Some(true))
        .collect();
    assert_eq!(agreed.len(), AGREED);
    for deviation in &DEVIATIONS {
        let recorded = agreed
            .iter()
            .filter(|recording| recording.case == deviation.case)
            .count();
        assert_eq!(
            recorded, 2,
            "{} is recorded by both adapters",
            deviation.case
        );
    }
    let timing: Vec<&str> = agreed
        .iter()
        .filter(|r| r.order_timing_dependent)
        .map(|r| &*r.case)
        .collect();
    assert_eq!(
        timing, ["duplicate_join"; 2],
        "the order is ours to choose only there"
    );

    let agreed = agreed.into_iter().map(without_deviations).collect();
    let replayed = replay_all(agreed, SocketOptions::default().idle_timeout).await;
    assert_eq!(replayed, AGREED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_adapters_disagree_we_do_as_cowboy() {
    // Not among them: http_partial_request (cowboy says 408 and we hang up without a word), and
    // tcp_connect_silent, which has no request and is a test of its own.
    let cases = [
        "ws_close_empty",
        "ws_unmasked",
        "oversize_64k_limit",
        "oversize_64k_fragmented",
        "idle_timeout_4s",
        "idle_default_60s",
    ];
    let is_wanted = |r: &Recording| r.adapter == "cowboy" && cases.contains(&&*r.case);
    let recordings: Vec<Recording> = recording::all().into_iter().filter(is_wanted).collect();
    assert_eq!(replay_all(recordings, SCALED_IDLE).await, cases.len());
}

#[tokio::test]
async fn pushes_of_the_server_do_not_keep_a_silent_client_alive() {
    let fixture = Fixture::default().await;
    let upgrade = recording::all()
        .into_iter()
        .find(|r| r.case == "idle_timeout_4s_server_push_only" && r.adapter == "cowboy")
        .expect("recorded");
    let mut silent = Wire::open(fixture.address).await;
    for step in &upgrade.steps[..4] {
        match step.is_from_server() {
            true => drop(expect(step, &mut silent, &upgrade.name()).await),
            false => drop(say(step, &mut silent, &upgrade.case, &fixture).await),
        }
    }
    let joined = tokio::time::Instant::now();
    let mut other = Wire::open(fixture.address).await;
    for step in &upgrade.steps[..4] {
        match step.is_from_server() {
            true => drop(expect(step, &mut other, &upgrade.name()).await),
            false => drop(say(step, &mut other, &upgrade.case, &fixture).await),
        }
    }
    let push = r#"["1","2","room:s","mediaEvent",{"data":"from-o"}]"#;
    for step in &upgrade.steps[4..] {
        if step.kind == "text" {
            tokio::time::sleep(Duration::from_millis(900)).await;
            other.send(TEXT, push.as_bytes()).await;
        }
        expect(step, &mut silent, &upgrade.name()).await;
    }
    let lived = joined.elapsed();
    assert!(
        lived >= Duration::from_millis(3900) && lived < Duration::from_secs(8),
        "{lived:?}"
    );
    fixture.end().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_five_seconds() {
    let fixture = Fixture::default().await;
    let started = tokio::time::Instant::now();
    let mut wire = Wire::open(fixture.address).await;
    assert_eq!(wire.hear().await, Heard::End);
    let lived = started.elapsed();
    assert!(
        lived >= Duration::from_millis(4900) && lived < Duration::from_secs(10),
        "{lived:?}"
    );
    fixture.end().await;
}

/// Opens a socket and joins a room.
async fn join(fixture: &Fixture, topic: &str) -> Wire {
    let mut wire = Wire::open(fixture.address).await;
    let request = format!(
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        fixture.address
    );
    wire.write(request.as_bytes()).await;
    assert!(wire.answer().await.status_line.contains(" 101 "));
    wire.send(
        TEXT,
        format!(r#"["1","1","{topic}","phx_join",{{}}]"#).as_bytes(),
    )
    .await;
    assert!(matches!(wire.hear().await, Heard::Frame { opcode: 1, .. }));
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_connections_do_not_keep_a_caller_out() {
    let fixture = Fixture::default().await;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(Wire::open(fixture.address).await);
    }
    let started = tokio::time::Instant::now();
    let mut wire = join(&fixture, "room:x").await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    drop(silent);
    wire.send(
        Form {
            opcode: PING,
            ..TEXT
        },
        b"k",
    )
    .await;
    assert_eq!(
        wire.hear().await,
        Heard::Frame {
            opcode: PONG,
            payload: b"k".to_vec()
        }
    );
    fixture.end().await;
}

#[tokio::test]
async fn what_was_answered_before_garbage_is_still_heard() {
    let fixture = Fixture::default().await;
    let mut wire = join(&fixture, "room:x").await;
    for _ in 0..20 {
        wire.send(TEXT, br#"["1","2","room:x","__echo",{"a":1}]"#)
            .await;
    }
    wire.send(TEXT, b"garbage").await;
    for answer in 0..20 {
        let heard = wire.hear().await;
        assert!(
            matches!(heard, Heard::Frame { opcode: 1, .. }),
            "{answer}: {heard:?}"
        );
    }
    assert_eq!(
        wire.hear().await,
        Heard::Frame {
            opcode: CLOSE,
            payload: vec![0x03, 0xf3]
        }
    );
    assert_eq!(wire.hear().await, Heard::End);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_stuck_is_dropped_and_the_others_go_on() {
    let fixture = Fixture::default().await;
    let mut stuck = join(&fixture, "room:x").await;
    let mut sender = join(&fixture, "room:x").await;
    let mut reader = join(&fixture, "room:x").await;
    let news = format!(
        r#"["1","2","room:x","mediaEvent",{{"data":"{}"}}]"#,
        "n".repeat(64_000)
    );
    let rounds = 400; // 25 MB: more than the kernel buffers of a loopback connection hold.
    for round in 0..rounds {
        sender.send(TEXT, news.as_bytes()).await;
        assert!(
            matches!(reader.hear().await, Heard::Frame { opcode: 1, .. }),
            "round {round}"
        );
    }
    let heard = stuck.read_to_end().await;
    assert!(
        heard < rounds * news.len(),
        "it is dropped, not fed everything: {heard} bytes"
    );
    sender.send(TEXT, news.as_bytes()).await;
    assert!(matches!(
        reader.hear().await,
        Heard::Frame { opcode: 1, .. }
    ));
    fixture.end().await;
}
