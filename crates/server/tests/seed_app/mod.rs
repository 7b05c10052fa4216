//! What the programs of the seed's time rely on beside calls: other dialects, being put out.

use serde_json::json;
use snug_server::RoomPolicy;

use crate::scripted::{Peer, Socket};
use crate::server;

/// Written from the wire format of generation A, of which no program is published any more.
#[tokio::test]
async fn generation_a_hears_of_peers_in_one_room_with_generation_b() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "mixed", "ann").await;
    ann.say(json!({"type": "custom", "data": {"type": "renegotiateTracks"}}))
        .await;
    ann.expect("offerData").await;
    ann.publish(&[("audio", "sendonly")]).await;
    ann.expect("sdpAnswer").await;
    ann.expect("candidate").await;

    let mut old = Peer::enter_generation_a(&server, "mixed", "old").await;
    let metadata = json!({ann.track(0): {"active": true}});
    let ann_there = json!({
        "id": ann.id(), "metadata": {"displayName": "ann"}, "trackIdToMetadata": metadata,
    });
    let accepted = json!({"id": old.id(), "peersInRoom": [ann_there]});
    assert_eq!(old.connected, accepted);
    let added = json!({"peerId": ann.id(), "trackIdToMetadata": metadata});
    assert_eq!(old.expect("tracksAdded").await, added);
    let data = old.expect("offerData").await;
    assert_eq!(data["tracksTypes"], json!({"audio": 1, "video": 0}));
    let there = ann.expect("endpointAdded").await;
    assert_eq!(
        (&there["id"], &there["type"]),
        (&json!(old.id()), &json!("webrtc"))
    );

    old.publish(&[("audio", "sendonly"), ("audio", "recvonly")])
        .await;
    let answer = old.expect("sdpAnswer").await;
    let mids = json!({"0": old.track(0), "1": ann.track(0)});
    assert_eq!(answer["midToTrackId"], mids);
    old.expect("candidate").await;
    let added = ann.expect("tracksAdded").await;
    assert_eq!(added["endpointId"], old.id());
    assert!(added["tracks"][old.track(0)]["simulcastConfig"].is_object());
    ann.expect("offerData").await;

    each_hears_of_changes_in_its_own_words(&mut ann, &mut old).await;
    let other = Peer::enter_generation_a(&server, "mixed", "other").await;
    let joined = json!({"peer": {"id": other.id(), "metadata": {"displayName": "other"}}});
    assert_eq!(old.expect("peerJoined").await, joined);
    ann.expect("endpointAdded").await;
    ann.leave().await;
    let removed = json!({"peerId": ann.id(), "trackIds": [ann.track(0)]});
    assert_eq!(old.expect("tracksRemoved").await, removed);
    assert_eq!(old.expect("peerLeft").await, json!({"peerId": ann.id()}));
}

async fn each_hears_of_changes_in_its_own_words(ann: &mut Peer, old: &mut Peer) {
    let metadata = json!({"displayName": "Ann"});
    let update = json!({"type": "updateEndpointMetadata", "data": {"metadata": metadata}});
    ann.say(update).await;
    let updated = json!({"peerId": ann.id(), "metadata": metadata});
    assert_eq!(old.expect("peerUpdated").await, updated);
    let track = ann.track(0);
    let update = json!({"trackId": track, "trackMetadata": 7});
    ann.say(json!({"type": "updateTrackMetadata", "data": update}))
        .await;
    let updated = json!({"peerId": ann.id(), "trackId": track, "metadata": 7});
    assert_eq!(old.expect("trackUpdated").await, updated);
    // What it may wish for is taken.
    let wish = json!({"peerId": ann.id(), "trackId": track, "encoding": "l"});
    old.say(json!({"type": "selectEncoding", "data": wish}))
        .await;
    let update = json!({"type": "updatePeerMetadata", "data": {"metadata": 8}});
    old.say(update).await;
    let updated = json!({"id": old.id(), "metadata": 8});
    assert_eq!(ann.expect("endpointUpdated").await, updated);
}

#[tokio::test]
async fn who_is_put_out_hears_it_and_the_others_hear_that_it_is_gone() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut ann = Peer::enter(&server, "den", "ann").await;
    let mut bob = Peer::enter(&server, "den", "bob").await;
    let mut old = Peer::enter_generation_a(&server, "den", "old").await;
    ann.expect("endpointAdded").await;
    ann.expect("endpointAdded").await;
    bob.expect("endpointAdded").await;
    let (room, other) = ("den".parse().unwrap(), "attic".parse().unwrap());
    let [of_bob, of_old] = [bob.id(), old.id()].map(|id| id.parse().unwrap());
    assert!(!server.kick(&other, &of_bob).await, "there is no such room");
    assert!(server.kick(&room, &of_bob).await);
    assert!(!server.kick(&room, &of_bob).await, "it is gone");
    assert_eq!(bob.expect("endpointRemoved").await, json!({"id": bob.id()}));
    assert_eq!(bob.socket.next_frame().await[3], "phx_close");
    assert_eq!(ann.expect("endpointRemoved").await, json!({"id": bob.id()}));
    assert_eq!(old.expect("peerLeft").await, json!({"peerId": bob.id()}));
    assert!(server.kick(&room, &of_old).await);
    let removed = old.expect("peerRemoved").await;
    assert_eq!(removed["peerId"], old.id());
    assert!(removed["reason"].as_str().unwrap().ends_with('.'));
    assert_eq!(old.socket.next_frame().await[3], "phx_close");
    assert_eq!(ann.expect("endpointRemoved").await["id"], old.id());
    ann.stays_silent().await;
}

#[tokio::test]
async fn the_first_who_asks_decides_about_simulcast_for_the_room() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let mut plain = Socket::open(&server).await;
    plain.join("den", &json!({})).await;
    let mut sockets = Vec::new();
    for asked in [false, true] {
        let mut socket = Socket::open(&server).await;
        socket.join("den", &json!({"isSimulcastOn": asked})).await;
        let [join_ref, _, topic, event, payload] = socket.next_frame().await;
        assert_eq!(join_ref, socket.join_ref("den"));
        assert_eq!(
            (topic, event),
            (json!("room:den"), json!("simulcastConfig"))
        );
        assert_eq!(payload, json!({"data": false}));
        sockets.push(socket);
    }
    let connected = plain.connect("den", "plain").await;
    assert_eq!(
        connected["otherEndpoints"],
        json!([]),
        "it heard of nothing else"
    );
    // In another room another one is the first.
    let mut socket = Socket::open(&server).await;
    socket.join("attic", &json!({"isSimulcastOn": true})).await;
    assert_eq!(socket.next_frame().await[4], json!({"data": true}));
}

#[tokio::test]
async fn statistics_are_told_every_second_to_who_listens() {
    let (server, _data) = server(RoomPolicy::Open).await;
    let _ann = Peer::enter(&server, "den", "ann").await;
    let mut socket = Socket::open(&server).await;
    socket.send("1", "stats", "phx_join", &json!({})).await;
    let reply = socket.next_reply().await;
    assert_eq!(reply, json!({"status": "ok", "response": {}}));
    for _ in 0..2 {
        let [_, reference, topic, event, payload] = socket.next_frame().await;
        assert_eq!((topic, event), (json!("stats"), json!("metrics")));
        assert!(reference.is_null());
        assert_eq!(payload["stats"]["rooms"], 1);
        assert!(payload["stats"]["media"]["packetsForwarded"].is_u64());
        let text = payload.to_string();
        assert!(!text.contains("den") && !text.contains("ann"), "{text}");
    }
    socket.send("1", "stats", "phx_leave", &json!({})).await;
    while socket.next_frame().await[3] != "phx_close" {}
}
