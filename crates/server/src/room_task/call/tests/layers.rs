//! Simulcast as the room sees it: wishes reach the media plane, and its choices reach people.

use snug_protocol::{Bitrates, SwitchReason};

use super::*;
use crate::transport::{LayerReason, Publish, Subscribe};

/// A publisher of a simulcast camera, and somebody who receives it.
fn world() -> (World, Client, Client, TrackId) {
    let mut world = World::new();
    let ann = world.enter_with(&["simulcast"]);
    let bob = world.enter_with(&[]);
    let camera = ann.sends[0].1.clone();
    world.take(&ann);
    world.take(&bob);
    (world, ann, bob, camera)
}

impl World {
    fn published(&self, client: &Client) -> Publish {
        let key = self.key(client);
        let published = self.plane.iter().rev().find_map(|command| match command {
            TransportCommand::SetMedia { peer, publish, .. } if *peer == key => publish.first(),
            _ => None,
        });
        published.unwrap().clone()
    }

    fn subscribed(&self, client: &Client) -> Subscribe {
        let key = self.key(client);
        let subscribed = self.plane.iter().rev().find_map(|command| match command {
            TransportCommand::SetMedia {
                peer, subscribe, ..
            } if *peer == key => subscribe.first(),
            _ => None,
        });
        subscribed.unwrap().clone()
    }

    fn report_layer(&mut self, client: &Client, rid: &str, reason: LayerReason) {
        let (peer, track) = (self.key(client), self.subscribed(client).track);
        let rid = rid.parse().unwrap();
        let event = TransportEvent::Layer {
            peer,
            track,
            rid,
            reason,
        };
        self.call.handle_transport(event, self.now);
        self.drain();
    }
}

fn want(track: &TrackId, variant: Variant) -> ClientEvent {
    ClientEvent::SetTargetTrackVariant {
        track_id: track.clone(),
        variant,
    }
}

#[test]
fn a_wanted_layer_reaches_the_media_plane_once() {
    let (mut world, ann, bob, camera) = world();
    assert_eq!(world.subscribed(&bob).target, None);
    world.say(&bob, want(&camera, Variant::Low));
    assert_eq!(world.subscribed(&bob).target, "l".parse().ok());
    let commands = world.plane.len();
    for _ in 0..10 {
        world.say(&bob, want(&camera, Variant::Low));
    }
    assert_eq!(world.plane.len(), commands, "nothing changed");
    let strays = world.call.ignored().strays;
    world.say(&ann, want(&camera, Variant::Low));
    let foreign = "p:1".parse().unwrap();
    world.say(&bob, want(&foreign, Variant::Low));
    assert_eq!(world.call.ignored().strays, strays + 2);
    // Wanted before the track stood in an answer.
    let carol = world.enter(true);
    world.say(&carol, want(&camera, Variant::Medium));
    world.negotiate(&carol);
    assert_eq!(world.subscribed(&carol).target, "m".parse().ok());
}

#[test]
fn what_a_receiver_is_shown_is_told_to_it_alone() {
    let (mut world, ann, bob, camera) = world();
    world.report_layer(&bob, "h", LayerReason::Wanted);
    world.report_layer(&bob, "l", LayerReason::Inactive);
    let heard = world.heard(&bob);
    let switched = |event: &ServerEvent| match event {
        ServerEvent::EncodingSwitched(switched) => (
            switched.track_id.clone(),
            switched.encoding,
            switched.reason,
        ),
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = heard.iter().map(switched).collect();
    let expected = [
        (camera.clone(), Variant::High, SwitchReason::Other),
        (camera, Variant::Low, SwitchReason::EncodingInactive),
    ];
    assert_eq!(told, expected);
    assert!(world.heard(&ann).is_empty());
    // A late word about a track that is gone is not told.
    world.take(&bob);
    let (peer, track) = (world.key(&bob), world.subscribed(&bob).track);
    world.call.handle_leave(&ann.seat, world.now);
    world.drain();
    world.take(&bob);
    let rid = "m".parse().unwrap();
    let reason = LayerReason::Wanted;
    let event = TransportEvent::Layer {
        peer,
        track,
        rid,
        reason,
    };
    world.call.handle_transport(event, world.now);
    world.drain();
    assert!(world.heard(&bob).is_empty());
}

#[test]
fn a_disabled_layer_is_known_to_the_media_plane_and_to_newcomers() {
    let (mut world, mut ann, bob, camera) = world();
    let off = ClientEvent::DisableTrackEncoding {
        track_id: camera.clone(),
        encoding: Variant::High,
    };
    let disabled = |world: &World, ann: &Client| {
        let encodings = world.published(ann).encodings.into_iter();
        encodings
            .map(|encoding| encoding.is_disabled)
            .collect::<Vec<_>>()
    };
    assert_eq!(disabled(&world, &ann), [false; 3]);
    // The npm client says it ever more often, and with every answer.
    for _ in 0..300 {
        world.say(&ann, off.clone());
    }
    assert_eq!(world.take(&bob), ["trackEncodingDisabled"]);
    assert_eq!(disabled(&world, &ann), [false, false, true]);
    world.publish(&mut ann, &["audio"]);
    assert_eq!(disabled(&world, &ann), [false, false, true]);
    let carol = world.enter(false);
    let heard = world.heard(&carol);
    let ServerEvent::TracksAdded { tracks, .. } = &heard[1] else {
        panic!("{heard:?}")
    };
    let config = &tracks[&camera].simulcast_config;
    assert_eq!(config.active_encodings, [Variant::Low, Variant::Medium]);
    assert_eq!(config.disabled_encodings, [Variant::High]);
}

#[test]
fn announced_bitrates_are_what_the_sender_may_use() {
    let (mut world, ann, _, camera) = world();
    let quarter_more = |bits: u64| Some(bits + bits / 4);
    let defaults = 2_500_000 + 500_000 + 150_000;
    assert_eq!(world.published(&ann).bitrate_max, quarter_more(defaults));
    let said = [(Variant::High, 1_500_000), (Variant::Low, 100_000)].into();
    for (bitrates, expected) in [
        (Bitrates::PerVariant(said), 2_100_000),
        (Bitrates::Total(800_000), 800_000),
        (Bitrates::Total(u64::MAX), 50_000_000),
        (Bitrates::Total(0), 100_000),
    ] {
        let track_id = camera.clone();
        world.say(
            &ann,
            ClientEvent::TrackVariantBitrates { track_id, bitrates },
        );
        assert_eq!(world.published(&ann).bitrate_max, quarter_more(expected));
    }
}

#[test]
fn bitrates_said_with_an_offer_count_until_other_ones_are_said() {
    let mut world = World::new();
    let mut ann = world.enter_with(&[]);
    let camera = TrackId::from_random(&ann.seat.peer, [0; 16]);
    let quarter_more = |bits: u64| Some(bits + bits / 4);
    ann.bitrates
        .insert(camera.clone(), Bitrates::Total(400_000));
    world.publish(&mut ann, &["simulcast"]);
    assert_eq!(world.published(&ann).bitrate_max, quarter_more(400_000));
    // An offer that says nothing of them leaves them, and one that says others changes them.
    ann.bitrates.clear();
    world.publish(&mut ann, &["audio"]);
    assert_eq!(world.published(&ann).bitrate_max, quarter_more(400_000));
    let said = [(Variant::High, 700_000), (Variant::Medium, 200_000)].into();
    ann.bitrates
        .insert(camera.clone(), Bitrates::PerVariant(said));
    world.publish(&mut ann, &["audio"]);
    let expected = quarter_more(700_000 + 200_000 + 150_000);
    assert_eq!(world.published(&ann).bitrate_max, expected);
    // What is said of somebody else's track changes nothing.
    let mut bob = world.enter_with(&[]);
    bob.bitrates.insert(camera, Bitrates::Total(100_000));
    world.publish(&mut bob, &["audio"]);
    assert_eq!(world.published(&ann).bitrate_max, expected);
}

#[test]
fn generation_a_chooses_layers_in_its_own_words() {
    let mut world = World::new();
    let ann = world.enter_with(&["simulcast"]);
    let camera = ann.sends[0].1.clone();
    let old = world.join(false);
    let metadata = json!({"displayName": "Old"});
    world.say(&old, ClientEvent::Join { metadata });
    world.connect_media(&old);
    world.offer(&old, TracksTypes { audio: 0, video: 1 });
    assert_eq!(world.subscribed(&old).target, None);
    let choice = json!({"type": "selectEncoding", "data": {
        "peerId": ann.seat.peer, "trackId": camera, "encoding": "l",
    }});
    let choice = ClientEvent::parse(&choice.to_string()).unwrap();
    world.say(&old, choice);
    assert_eq!(world.subscribed(&old).target, "l".parse().ok());
    world.take(&old);
    world.report_layer(&old, "l", LayerReason::Wanted);
    let told: Value = match &world.heard(&old)[..] {
        // Its forms are not read back.
        [ServerEvent::Unknown { kind }] => serde_json::from_str(kind).unwrap(),
        other => panic!("{other:?}"),
    };
    let bare = json!({"type": "encodingSwitched", "data": {
        "peerId": ann.seat.peer, "trackId": camera, "encoding": "l",
        "reason": "other",
    }});
    assert_eq!(told, bare);
}
