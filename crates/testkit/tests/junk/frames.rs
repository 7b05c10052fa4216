//! Frames and media events that were damaged on purpose.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use snug_testkit::lane;
use snug_testkit::scripted::{Peer, Socket};
use tokio_tungstenite::tungstenite::Message;

use crate::damage::bend;
use crate::house::{House, frames};

/// So many go before, until everything is as large as it gets.
const FRAMES_BEFORE: u32 = 20_000;
const SEED: u64 = 20_260_101;
/// So many go out before the answers are read away, so that neither side waits for the other.
const BATCH: u32 = 64;

#[test]
fn a_hundred_thousand_damaged_frames_disturb_nobody() -> Result<()> {
    let _turn = lane::turn();
    let mut house = House::open()?;
    let mut random = StdRng::seed_from_u64(SEED);
    let address = house.address();
    pour(address, FRAMES_BEFORE, &mut random)?;
    house.is_undisturbed_by("frames", || pour(address, frames(), &mut random).map(drop))?;
    house.close()
}

/// Sends all damaged frames, on a new socket whenever the server has had enough of one. Returns
/// how many sockets that took.
fn pour(server: SocketAddr, frames: u32, random: &mut StdRng) -> Result<u32> {
    let (mut sent, mut sockets) = (0, 0);
    while sent < frames {
        let mut socket = Socket::connect(server)?;
        if random.random_bool(0.8) {
            // In a room and connected, where media events are understood.
            let mut peer = Peer::join_on(socket, "junk", &json!({}))?;
            peer.connect("junk")?;
            socket = peer.socket;
        }
        sockets += 1;
        while sent < frames && pour_batch(&mut socket, random, &mut sent, frames).is_ok() {}
    }
    Ok(sockets)
}

fn pour_batch(socket: &mut Socket, random: &mut StdRng, sent: &mut u32, frames: u32) -> Result<()> {
    for _ in 0..BATCH.min(frames - *sent) {
        *sent += 1;
        socket.send(damaged(random))?;
    }
    // Read until a heartbeat comes back: the server has then seen everything before it.
    let beat = socket.push(None, "phoenix", "heartbeat", &json!({}))?;
    socket.reply(&beat, Duration::from_secs(5))?;
    socket.forget_unread();
    Ok(())
}

/// Makes a frame that a client might send, and damages its content, its form or both.
fn damaged(random: &mut StdRng) -> Message {
    let event = EVENTS.choose(random).expect("there are events");
    let mut value: Value = serde_json::from_str(event).expect("the seeds are JSON");
    if random.random_bool(0.8) {
        twist(&mut value, random);
    }
    let mut data = value.to_string().into_bytes();
    if random.random_bool(0.4) {
        bend(&mut data, random);
    }
    let data = String::from_utf8_lossy(&data).into_owned();
    let name = *["mediaEvent", "mediaEvent", "mediaEvent", "snug", "phx_join"]
        .choose(random)
        .expect("there are names");
    let frame = json!(["1", "77", "room:junk", name, { "data": data }]);
    let mut bytes = frame.to_string().into_bytes();
    // Rarely, for a frame that is no frame ends its socket.
    if random.random_bool(0.02) {
        bend(&mut bytes, random);
    }
    match random.random_range(0..200) {
        0 => Message::binary(bytes),
        _ => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Changes one random place of a JSON value: another type, another size, gone, doubled.
fn twist(value: &mut Value, random: &mut StdRng) {
    let deeper = random.random_bool(0.75);
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = map
                .keys()
                .nth(random.random_range(0..map.len()))
                .expect("in range")
                .clone();
            if random.random_bool(0.1) {
                map.remove(&key);
            } else if let Some(inner) = map.get_mut(&key) {
                twist(inner, random);
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let at = random.random_range(0..list.len());
            twist(&mut list[at], random);
        }
        Value::String(text) if deeper => {
            let mut bytes = std::mem::take(text).into_bytes();
            bend(&mut bytes, random);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        other => *other = strange(random),
    }
}

fn strange(random: &mut StdRng) -> Value {
    match random.random_range(0..9) {
        0 => Value::Null,
        1 => json!(random.random::<i64>()),
        2 => json!(random.random::<f64>() * 1e300),
        3 => json!("x".repeat(random.random_range(0..5000))),
        4 => json!({}),
        5 => json!([[], {}, null]),
        6 => json!("\u{0}\u{202e}\u{1f408}"),
        7 => json!(vec![0; random.random_range(0..300)]),
        _ => json!(true),
    }
}

/// One of everything a client says, complete enough to be understood when left whole.
const EVENTS: &[&str] = &[
    r#"{"type":"connect","data":{"metadata":{"displayName":"junk"}}}"#,
    r#"{"type":"disconnect"}"#,
    r#"{"type":"updateEndpointMetadata","data":{"metadata":{"displayName":"other"}}}"#,
    r#"{"type":"updateTrackMetadata","data":{"trackId":"a:b","trackMetadata":{"active":true}}}"#,
    r#"{"type":"disableTrackEncoding","data":{"trackId":"a:b","encoding":"h"}}"#,
    r#"{"type":"custom","data":{"type":"renegotiateTracks"}}"#,
    r#"{"type":"custom","data":{"type":"candidate","data":{"candidate":"candidate:1 1 UDP 1 127.0.0.1 9 typ host","sdpMLineIndex":0}}}"#,
    r#"{"type":"custom","data":{"type":"setTargetTrackVariant","data":{"trackId":"a:b","variant":"m"}}}"#,
    r#"{"type":"custom","data":{"type":"trackVariantBitrates","data":{"trackId":"a:b","variantBitrates":{"l":1,"m":2,"h":3}}}}"#,
    r#"{"type":"custom","data":{"type":"sdpOffer","data":{"sdpOffer":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=fingerprint:sha-256 AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:1111 cname:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc-group:FID 2222 3333\r\na=ssrc:2222 cname:x\r\na=ssrc:3333 cname:x\r\n"},"trackIdToTrackMetadata":{"a:b":{"type":"camera"}},"trackIdToTrackBitrates":{"a:b":1500000},"midToTrackId":{"0":"a:a","1":"a:b"}}}}"#,
];

#[test]
fn damage_is_repeatable_and_real() {
    let make = |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        (0..500).map(|_| damaged(&mut random)).collect::<Vec<_>>()
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    let distinct: std::collections::HashSet<_> = make(1)
        .iter()
        .map(|message| message.clone().into_data())
        .collect();
    assert!(
        distinct.len() > 400,
        "only {} distinct frames",
        distinct.len()
    );
}
