//! Rooms over the real server: scripted peers on plain WebSockets check what they hear, in which
//! order and when. The peers speak frames themselves, so that nothing of our client can hide a
//! mistake of our server.

#![allow(clippy::unwrap_used, reason = "the fixtures of a test may fail it")]

mod scripted;
mod seed_app;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snug_server::{Config, RoomPolicy, Server};

use scripted::{Peer, Socket, offer};

async fn server(rooms: RoomPolicy) -> (Server, tempfile::TempDir) {
    server_of(Config {
        rooms,
        ..Config::default()
    })
    .await
}

async fn server_of(wanted: Config) -> (Server, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let config = Config {
        port: 0,
        bind: Some("127.0.0.1".parse().unwrap()),
        data_dir: data.path().to_owned(),
        ..wanted
    };
    (Server::start(config).await.unwrap(), data)
}

/// Waits until the server holds no room; a leak never gets there.
async fn no_room_is_left(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.room_count().await > 0 {
        assert!(Instant::now() < deadline, "a room leaked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn three_peers_hear_each_other_come_publish_and_go() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "trio", "ann").await;
    ann.say(json!({"type": "custom", "data": {"type": "renegotiateTracks"}}))
        .await;
    let data = ann.expect("offerData").await;
    assert_eq!(data["tracksTypes"], json!({"audio": 0, "video": 0}));
    let turn = &data["integratedTurnServers"][0];
    assert_eq!(turn["serverAddr"], "127.0.0.1");
    assert_eq!(turn["serverPort"], server.addresses()[0].port());
    assert_eq!(turn["transport"], "udp");
    let username = turn["username"].as_str().unwrap();
    assert!(username.ends_with(&format!(":{}", ann.id())), "{username}");
    ann.publish(&[("audio", "sendonly")]).await;
    let answer = ann.expect("sdpAnswer").await;
    assert_eq!(answer["midToTrackId"]["0"], ann.track(0));
    assert!(answer["sdp"].as_str().unwrap().contains("a=ice-lite\r\n"));
    let candidate = ann.expect("candidate").await;
    let port = server.addresses()[0].port();
    let line = candidate["candidate"].as_str().unwrap();
    assert!(
        line.ends_with(&format!(" 127.0.0.1 {port} typ host")),
        "{line}"
    );

    let mut bob = Peer::enter(&server, "trio", "bob").await;
    let ann_in_connected = &bob.connected["otherEndpoints"][0];
    assert_eq!(ann_in_connected["id"], ann.id());
    assert_eq!(ann_in_connected["type"], "webrtc");
    assert_eq!(ann_in_connected["metadata"], json!({"displayName": "ann"}));
    assert!(ann_in_connected["tracks"][ann.track(0)]["simulcastConfig"].is_object());
    let added = bob.expect("tracksAdded").await;
    assert_eq!(added["endpointId"], ann.id());
    let data = bob.expect("offerData").await;
    assert_eq!(data["tracksTypes"], json!({"audio": 1, "video": 0}));
    bob.publish(&[("audio", "recvonly")]).await;
    let answer = bob.expect("sdpAnswer").await;
    assert_eq!(answer["midToTrackId"]["0"], ann.track(0));
    let sdp = answer["sdp"].as_str().unwrap();
    assert!(sdp.contains("a=sendonly\r\n") && sdp.contains(&format!("a=msid:{} ", ann.id())));
    bob.expect("candidate").await;
    assert_eq!(ann.expect("endpointAdded").await["id"], bob.id());

    let mut carol = Peer::enter(&server, "trio", "carol").await;
    carol.expect("tracksAdded").await;
    carol.expect("offerData").await;
    ann.expect("endpointAdded").await;
    bob.expect("endpointAdded").await;
    let update = json!({"trackId": ann.track(0), "trackMetadata": {"active": false}});
    ann.say(json!({"type": "updateTrackMetadata", "data": update}))
        .await;
    for peer in [&mut bob, &mut carol] {
        assert_eq!(
            peer.expect("trackUpdated").await["metadata"],
            json!({"active": false})
        );
    }
    ann.leave().await;
    bob.expect("tracksRemoved").await;
    assert_eq!(bob.expect("endpointRemoved").await["id"], ann.id());
    carol.expect("endpointRemoved").await;

    bob.leave().await;
    carol.leave().await;
    no_room_is_left(&server).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_room_seats_as_many_as_it_may_and_tells_the_next_why_not() {
    for (people_max, config) in [
        (64, Config::default()),
        (
            2,
            Config {
                people_max: 2,
                ..Config::default()
            },
        ),
    ] {
        let (server, _data) = server_of(config).await;
        let mut socket = Socket::open(&server).await;
        let mut seated = Vec::new();
        for _ in 0..people_max {
            let mut other = Socket::open(&server).await;
            assert_eq!(other.join("full", &json!({})).await["status"], "ok");
            seated.push(other);
        }
        let refused = socket.join("full", &json!({})).await;
        assert_eq!(
            (&refused["status"], &refused["response"]["reason"]),
            (&json!("error"), &json!("room_full"))
        );
        assert_eq!(socket.join("other", &json!({})).await["status"], "ok");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_channel_that_crashes_disturbs_nobody() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    bob.say(json!({"type": "later", "data": {"x": 1}})).await;
    bob.say_text("no JSON at all").await;
    bob.say(json!({"type": "updateEndpointMetadata", "data": {"metadata": 7}}))
        .await;
    assert_eq!(
        ann.expect("endpointUpdated").await["metadata"],
        7,
        "the rest was ignored"
    );
    bob.socket
        .send(
            &bob.join_ref,
            &bob.topic,
            "mediaEvent",
            &json!({"no": "data"}),
        )
        .await;
    let [.., event, payload] = bob.socket.next_frame().await;
    assert_eq!((event, payload), (json!("phx_error"), json!({})));
    assert_eq!(ann.expect("endpointRemoved").await["id"], bob.id());
    let again = bob.socket.join("a", &json!({})).await;
    assert_eq!(
        again,
        json!({"status": "ok", "response": {}}),
        "the socket survived"
    );
    ann.say(json!({"type": "custom", "data": {"type": "renegotiateTracks"}}))
        .await;
    ann.expect("offerData").await;
}

#[tokio::test]
async fn who_floods_waits_and_the_others_do_not() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    let mut carol = Peer::enter(&server, "a", "carol").await;
    let (bob_id, carol_id) = (bob.id(), carol.id());
    ann.expect("endpointAdded").await;
    ann.expect("endpointAdded").await;
    // As the npm client 0.7 does, and then what must not wait behind it.
    let switch = json!({"trackId": bob.track(0), "encoding": "l"});
    for _ in 0..1000 {
        bob.say(json!({"type": "disableTrackEncoding", "data": switch}))
            .await;
    }
    let said = Instant::now();
    bob.say(json!({"type": "updateEndpointMetadata", "data": {"metadata": "after"}}))
        .await;
    let heard = ann.expect("endpointUpdated").await;
    assert_eq!(
        (&heard["id"], &heard["metadata"]),
        (&json!(bob_id), &json!("after"))
    );
    assert!(
        said.elapsed() < Duration::from_secs(2),
        "it cost nobody anything"
    );

    // 3000 words take two minutes at the pace of a room.
    let flood = tokio::spawn(async move {
        for number in 0..3000 {
            let data = json!({"metadata": number});
            bob.say(json!({"type": "updateEndpointMetadata", "data": data}))
                .await;
        }
        bob
    });
    let started = Instant::now();
    let mut floods = 0;
    while started.elapsed() < Duration::from_secs(2) {
        floods += u32::from(ann.expect("endpointUpdated").await["id"] == json!(bob_id));
    }
    assert!((50..200).contains(&floods), "{floods} in two seconds");
    let said = Instant::now();
    carol
        .say(json!({"type": "updateEndpointMetadata", "data": {"metadata": "calm"}}))
        .await;
    while ann.expect("endpointUpdated").await["id"] != json!(carol_id) {}
    assert!(said.elapsed() < Duration::from_millis(500));
    flood.abort();
}

#[tokio::test]
async fn a_bad_offer_is_named_and_ends_its_peer_alone() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let offer = json!({"sdpOffer": {"type": "offer", "sdp": "v=0\r\n"}, "midToTrackId": {}});
    bob.say(json!({"type": "custom", "data": {"type": "sdpOffer", "data": offer}}))
        .await;
    let error = bob.expect("error").await;
    assert_eq!(error["code"], "bad_offer");
    let [.., event, _] = bob.socket.next_frame().await;
    assert_eq!(event, "phx_close");
    assert_eq!(ann.expect("endpointRemoved").await["id"], bob.id());
}

#[tokio::test]
async fn only_listed_rooms_open_on_a_server_of_listed_rooms() {
    let (server, _data) = server(RoomPolicy::Listed).await;
    let mut socket = Socket::open(&server).await;
    let refused = json!({"status": "error", "response": {"reason": "no such room"}});
    assert_eq!(socket.join("a", &json!({})).await, refused);
    server.list_room("a".parse().unwrap()).await.unwrap();
    assert_eq!(socket.join("a", &json!({})).await["status"], "ok");
    assert_eq!(socket.join("b", &json!({})).await, refused);
}

#[tokio::test]
async fn a_room_that_its_host_closes_says_so_and_lets_nobody_in() {
    let (server, _data) = server(RoomPolicy::Listed).await;
    let name = "a".parse().unwrap();
    server.unlist_room(&name).await;
    server.list_room(name.clone()).await.unwrap();
    let mut ann = Peer::enter_snug(&server, "a", "ann").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let token = ann.token.clone().unwrap();
    server.unlist_room(&name).await;
    for peer in [&mut ann, &mut bob] {
        assert_eq!(peer.expect("error").await["code"], "room_closed");
        let [.., event, _] = peer.socket.next_frame().await;
        assert_eq!(event, "phx_close");
    }
    assert_eq!(server.room_count().await, 0);
    let refused = json!({"status": "error", "response": {"reason": "no such room"}});
    let resume = json!({"snug": {"version": 1, "features": [], "resume": token}});
    assert_eq!(ann.socket.join("a", &resume).await, refused);
    assert_eq!(bob.socket.join("a", &json!({})).await, refused);
    server.list_room(name).await.unwrap();
    let carol = Peer::enter(&server, "a", "carol").await;
    assert_eq!(carol.connected["otherEndpoints"], json!([]), "a new room");
    server.shutdown().await;
}

#[tokio::test]
async fn a_broken_socket_with_a_token_is_missed_and_resumed() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter_snug(&server, "a", "ann").await;
    let bob = Peer::enter_snug(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let (bob_id, token) = (bob.id(), bob.token.clone().unwrap());
    drop(bob);
    let missed = ann.expect_snug().await;
    let presence = |state| json!({"type": "presence", "endpointId": bob_id, "state": state});
    assert_eq!(missed, presence("reconnecting"));
    let carol = Peer::enter(&server, "a", "carol").await;
    assert_eq!(ann.expect("endpointAdded").await["id"], carol.id());

    let mut socket = Socket::open(&server).await;
    let params = json!({"snug": {"version": 1, "features": [], "resume": token}});
    let reply = socket.join("a", &params).await;
    let expected = json!({"snug": {"peerId": bob_id, "resume": token, "resumed": true}});
    assert_eq!(reply["response"], expected);
    assert_eq!(ann.expect_snug().await, presence("live"));
    assert_eq!(ann.in_browser, [json!(carol.id())]);
    let [.., mut payload] = socket.next_frame().await;
    while payload["type"] == "moderation" {
        [.., payload] = socket.next_frame().await;
    }
    let event: Value = serde_json::from_str(payload["data"].as_str().unwrap()).unwrap();
    assert_eq!(event["type"], "endpointAdded", "what happened meanwhile");
    assert_eq!(event["data"]["id"], carol.id());
    ann.stays_silent().await;

    let wrong = json!({"snug": {"version": 1, "resume": "00".repeat(16)}});
    let mut stranger = Socket::open(&server).await;
    let reply = stranger.join("a", &wrong).await;
    assert_eq!(reply["response"]["snug"]["resumed"], false);
    assert_ne!(reply["response"]["snug"]["peerId"], json!(bob_id));
}

#[tokio::test]
async fn a_broken_socket_without_a_token_is_gone_at_once() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter_snug(&server, "a", "ann").await;
    let bob = Peer::enter(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let (id, left) = (bob.id(), Instant::now());
    drop(bob);
    assert_eq!(ann.expect("endpointRemoved").await["id"], id);
    assert!(left.elapsed() < Duration::from_secs(1));
}

/// Sockets that stay open but say nothing, not even pongs: as behind a pulled plug.
#[tokio::test]
async fn silence_is_missed_within_three_seconds_and_ends_in_time() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter_snug(&server, "a", "ann").await;
    let with_token = Peer::enter_snug(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let without = Peer::enter(&server, "a", "carol").await;
    ann.expect("endpointAdded").await;
    // Nobody reads their sockets from here on, so nothing answers the server's pings.
    let silent = Instant::now();
    let mut missed = Vec::new();
    let mut gone = Vec::new();
    while gone.len() < 2 {
        let (event, payload) = ann.next_event().await;
        let at = silent.elapsed().as_secs_f64();
        match event.as_str() {
            "snug" => missed.push((payload["endpointId"].clone(), at)),
            "endpointRemoved" => gone.push((payload["id"].clone(), at)),
            other => panic!("{other}: {payload}"),
        }
    }
    assert_eq!(missed.len(), 2);
    assert!(
        missed.iter().all(|(_, at)| (2.0..3.1).contains(at)),
        "{missed:?}"
    );
    assert_eq!(gone[0].0, json!(without.id()));
    assert!((4.9..6.0).contains(&gone[0].1), "{gone:?}");
    assert_eq!(gone[1].0, json!(with_token.id()));
    assert!((9.9..11.0).contains(&gone[1].1), "{gone:?}");
}

/// As behind a cable that is plugged in again: the same socket speaks after four seconds.
#[tokio::test]
async fn who_is_heard_again_is_live_at_once() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter_snug(&server, "a", "ann").await;
    let mut bob = Peer::enter_snug(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    assert_eq!(ann.expect_snug().await["state"], "reconnecting");
    let back = Instant::now();
    // Reading answers the server's pings.
    let (event, ()) = tokio::join!(ann.expect_snug(), bob.stays_silent());
    assert_eq!(
        (event["state"].as_str(), event["endpointId"].as_str()),
        (Some("live"), Some(&*bob.id()))
    );
    assert!(back.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_joiners_of_a_fresh_room_are_never_refused() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(Socket::open(&server).await);
    }
    for round in 0..1000 {
        let room = format!("fresh {round}");
        // All ask before any is answered.
        for socket in &mut sockets {
            socket.ask_to_join(&room, &json!({})).await;
        }
        for socket in &mut sockets {
            let reply = socket.next_reply().await;
            assert_eq!(
                reply,
                json!({"status": "ok", "response": {}}),
                "round {round}"
            );
        }
        if round % 100 == 0 {
            all_are_in_one_room(&mut sockets, &room).await;
        }
        for socket in &mut sockets {
            socket.leave(&room).await;
        }
    }
    no_room_is_left(&server).await;
}

/// Connects every peer: the last one must hear of all the others.
async fn all_are_in_one_room(sockets: &mut [Socket], room: &str) {
    let count = sockets.len();
    for (before, socket) in sockets.iter_mut().enumerate() {
        let connected = socket.connect(room, "x").await;
        assert_eq!(
            connected["otherEndpoints"].as_array().unwrap().len(),
            before
        );
    }
    for (before, socket) in sockets.iter_mut().enumerate() {
        socket.skip(count - 1 - before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_leaver_and_a_new_joiner_never_harm_each_other() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut inside = Socket::open(&server).await;
    let mut outside = Socket::open(&server).await;
    assert_eq!(inside.join("door", &json!({})).await["status"], "ok");
    for round in 0..10_000 {
        inside.ask_to_leave("door").await;
        outside.ask_to_join("door", &json!({})).await;
        let reply = outside.next_reply().await;
        assert_eq!(reply["status"], "ok", "round {round}");
        inside.skip(2).await;
        if round % 1000 == 0 {
            let connected = outside.connect("door", "x").await;
            assert_eq!(connected["otherEndpoints"], json!([]));
            assert_eq!(server.room_count().await, 1);
        }
        std::mem::swap(&mut inside, &mut outside);
    }
    inside.leave("door").await;
    no_room_is_left(&server).await;
}

#[tokio::test]
async fn a_stopping_server_closes_its_sockets() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    let asked = std::time::Instant::now();
    let stopped = tokio::spawn(server.shutdown());
    assert_eq!(ann.socket.close_code().await, Some(1012));
    assert!(asked.elapsed() < Duration::from_millis(500), "{asked:?}");
    stopped.await.unwrap();
}

#[test]
fn the_scripted_offer_is_what_it_says() {
    let sdp = offer(&[("audio", "sendonly"), ("video", "recvonly")]);
    assert_eq!(sdp.matches("m=").count(), 2);
}

/// A message may have 256 KiB, and 8 KiB more for each section that its sender was asked for.
#[tokio::test]
async fn a_message_at_the_bound_is_read_and_one_byte_more_ends_its_socket_alone() {
    const BYTES_MAX: usize = 256 * 1024;
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    ann.publish(&[("audio", "sendonly")]).await;
    ann.expect("sdpAnswer").await;
    ann.expect("candidate").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    bob.expect("tracksAdded").await;
    bob.expect("offerData").await;
    ann.expect("endpointAdded").await;
    for (peer, bytes) in [(&mut ann, BYTES_MAX), (&mut bob, BYTES_MAX + 8 * 1024)] {
        peer.say_bytes(bytes).await;
        peer.say(json!({"type": "custom", "data": {"type": "renegotiateTracks"}}))
            .await;
    }
    ann.expect("offerData").await;
    bob.say_bytes(BYTES_MAX + 8 * 1024 + 1).await;
    assert_eq!(bob.socket.close_code().await, Some(1009));
    assert_eq!(ann.expect("endpointRemoved").await["id"], bob.id());
    ann.say_bytes(BYTES_MAX + 1).await;
    assert_eq!(ann.socket.close_code().await, Some(1009));
}

#[tokio::test]
async fn a_server_holds_as_many_rooms_as_it_may_and_tells_who_opens_the_next() {
    let (server, _data) = server_of(Config {
        rooms_max: 2,
        ..Config::default()
    })
    .await;
    let mut socket = Socket::open(&server).await;
    for room in ["one", "two"] {
        assert_eq!(socket.join(room, &json!({})).await["status"], "ok");
    }
    let refused = socket.join("three", &json!({})).await;
    let expected = json!({"status": "error", "response": {"reason": "server_full"}});
    assert_eq!(refused, expected);
    let mut other = Socket::open(&server).await;
    assert_eq!(other.join("two", &json!({})).await["status"], "ok");
    socket.leave("one").await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while socket.join("three", &json!({})).await["status"] != "ok" {
        assert!(Instant::now() < deadline, "no room gets free");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.shutdown().await;
}

#[test]
fn a_server_holds_ten_thousand_rooms() {
    assert_eq!(Config::default().rooms_max, 10_000);
}

#[tokio::test]
async fn a_topic_may_have_4096_bytes_of_name_and_not_one_more() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut socket = Socket::open(&server).await;
    let name = "n".repeat(4096);
    assert_eq!(socket.join(&name, &json!({})).await["status"], "ok");
    let refused = socket.join(&format!("{name}n"), &json!({})).await;
    let expected = json!({"status": "error", "response": {"reason": "unmatched topic"}});
    assert_eq!(refused, expected);
    assert_eq!(socket.join("short", &json!({})).await["status"], "ok");
    server.shutdown().await;
}

/// A media event is two levels deep around its metadata.
#[tokio::test]
async fn a_media_event_may_be_64_deep_and_a_deeper_one_is_ignored() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "a", "ann").await;
    let mut bob = Peer::enter(&server, "a", "bob").await;
    ann.expect("endpointAdded").await;
    let update = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 2), "]".repeat(depth - 2));
        let data = format!(r#"{{"metadata":{open}{close}}}"#);
        format!(r#"{{"type":"updateEndpointMetadata","data":{data}}}"#)
    };
    ann.say_text(&update(65)).await;
    ann.say_text(&update(64)).await;
    let heard = bob.expect("endpointUpdated").await["metadata"].to_string();
    assert_eq!(heard, format!("{}{}", "[".repeat(62), "]".repeat(62)));
    ann.say(json!({"type": "updateEndpointMetadata", "data": {"metadata": "shallow"}}))
        .await;
    assert_eq!(bob.expect("endpointUpdated").await["metadata"], "shallow");
    server.shutdown().await;
}
