//! Snug's client joins a server of the Membrane family, which is stricter than ours: everything
//! through its relay, every negotiation with a new ICE generation, and no offer that its engine
//! would crash at.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::time::Duration;

use serde_json::{Value, json};
use snug_client::{Event, Happening, JoinOptions, Kind, Participant, Stats};
use snug_media::source::{TestPattern, Tone};
use snug_protocol::{DisplayName, Link};
use snug_testkit::membrane::{App, Membrane, Order, Record, Settings, Transport};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Media may pause so long while a path is replaced, on a busy machine and without any distance.
const PAUSE_MAX: Duration = Duration::from_millis(1_000);

struct House {
    server: Membrane,
    folder: tempfile::TempDir,
}

impl House {
    async fn open(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Membrane::start(settings).await.unwrap();
        Self { server, folder }
    }

    fn options(&self, name: &str) -> JoinOptions {
        let link: Link = format!("snug://{}/kitchen", self.server.address())
            .parse()
            .unwrap();
        let known_hosts = self.folder.path().join("known_hosts");
        let mut options = JoinOptions::new(link, DisplayName::parse(name).unwrap(), known_hosts);
        options.decode = true;
        options
    }

    fn publishing(&self, name: &str) -> JoinOptions {
        let mut options = self.options(name);
        options.video = Some(Box::new(TestPattern::new(320, 180, 30).unwrap()));
        options.audio = Some(Box::new(Tone::new(1000.0, 0.5)));
        options.video_bitrate_bps = 400_000;
        options
    }

    /// Checks that nobody said anything that a real server would have crashed at.
    fn nobody_is_refused(&self) {
        let refusals = self.server.record().refusals;
        assert!(refusals.is_empty(), "{refusals:#?}");
    }
}

async fn wait_for(
    events: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&Happening) -> bool,
) -> Happening {
    let mut seen = Vec::new();
    loop {
        let Ok(Some(event)) = timeout(PATIENCE, events.recv()).await else {
            panic!("it did not happen; this did: {seen:#?}");
        };
        if wanted(&event.what) {
            return event.what;
        }
        seen.push(event.what);
    }
}

/// Waits until pictures and sound of so many others were decoded.
async fn sees_and_hears(events: &mut mpsc::Receiver<Event>, others: usize) {
    let mut missing = 2 * others;
    while missing > 0 {
        wait_for(events, |it| matches!(it, Happening::FirstFrame { .. })).await;
        missing -= 1;
    }
}

/// Joins as Ada, publishing, and waits until media flows; says her peer id too.
async fn ada_in(house: &House) -> (Participant, mpsc::Receiver<Event>, String) {
    let mut ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    let id = house.server.record().peer("Ada").unwrap();
    (ada, events, id)
}

/// Waits for the end, and says its code and the sentence.
async fn ending(events: &mut mpsc::Receiver<Event>) -> (String, String) {
    match wait_for(events, |it| matches!(it, Happening::Failed { .. })).await {
        Happening::Failed { code, message, .. } => (code, message),
        other => unreachable!("{other:?}"),
    }
}

/// How many frames of others were decoded so far, sound and pictures.
fn decoded(stats: &Stats) -> [u64; 2] {
    let tracks = || stats.peers.iter().flat_map(|peer| &peer.tracks);
    [Kind::Audio, Kind::Video].map(|kind| {
        let of_kind = tracks().filter(|track| track.kind == kind);
        of_kind.map(|track| track.received.frames_decoded).sum()
    })
}

/// Waits until everything that is received goes on.
async fn goes_on(participant: &Participant) {
    const FRAMES: u64 = 15;
    let before = decoded(&participant.stats());
    let mut stats = participant.watch_stats();
    let more = stats.wait_for(|stats| {
        let now = decoded(stats);
        before
            .iter()
            .zip(now)
            .all(|(before, now)| now >= before + FRAMES)
    });
    timeout(PATIENCE, more).await.expect("more frames").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_see_and_hear_each_other_through_the_relay() {
    let house = House::open(Settings::default()).await;
    let mut ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let mut ada_hears = ada.events();
    wait_for(&mut ada_hears, |it| matches!(it, Happening::MediaConnected)).await;
    let mut bo = Participant::join(house.publishing("Bo")).await.unwrap();
    let mut bo_hears = bo.events();
    sees_and_hears(&mut bo_hears, 1).await;
    sees_and_hears(&mut ada_hears, 1).await;
    let mut cy = Participant::join(house.publishing("Cy")).await.unwrap();
    sees_and_hears(&mut cy.events(), 2).await;
    sees_and_hears(&mut ada_hears, 1).await;
    sees_and_hears(&mut bo_hears, 1).await;
    for participant in [&ada, &bo, &cy] {
        goes_on(participant).await;
    }
    house.nobody_is_refused();
    for participant in [ada, bo, cy] {
        participant.leave().await.unwrap();
    }
}

/// Two join, publish and keep seeing each other over several negotiations; nothing is refused.
async fn two_meet(settings: Settings) -> Record {
    let house = House::open(settings).await;
    let mut ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let mut ada_hears = ada.events();
    let mut bo = Participant::join(house.publishing("Bo")).await.unwrap();
    sees_and_hears(&mut bo.events(), 1).await;
    sees_and_hears(&mut ada_hears, 1).await;
    goes_on(&ada).await;
    goes_on(&bo).await;
    house.nobody_is_refused();
    let record = house.server.record();
    for participant in [ada, bo] {
        participant.leave().await.unwrap();
    }
    record
}

/// The same, all through `relays`.
async fn two_meet_through(relays: Vec<Transport>, loses_udp: bool) -> Record {
    let settings = Settings {
        relays,
        loses_udp,
        ..Settings::default()
    };
    two_meet(settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_over_tcp_carries_everything() {
    let record = two_meet_through(vec![Transport::Tcp], false).await;
    let ways: Vec<_> = record.media_bytes.keys().copied().collect();
    assert_eq!(ways, [Transport::Tcp]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_is_taken_where_udp_gets_lost_and_only_there() {
    let both = vec![Transport::Udp, Transport::Tcp];
    let record = two_meet_through(both.clone(), true).await;
    let ways: Vec<_> = record.media_bytes.keys().copied().collect();
    assert_eq!(ways, [Transport::Tcp]);
    let record = two_meet_through(both, false).await;
    let ways: Vec<_> = record.media_bytes.keys().copied().collect();
    assert_eq!(ways, [Transport::Udp]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_with_simulcast_is_joined_without_a_refusal() {
    let settings = Settings {
        simulcast: true,
        ..Settings::default()
    };
    let record = two_meet(settings).await;
    assert!(
        record.offers.values().all(|offers| *offers > 0),
        "{record:#?}"
    );
    assert_eq!(record.offers.len(), 2, "{record:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_negotiation_has_a_new_generation_on_a_new_allocation() {
    const NEGOTIATIONS: u64 = 5;
    let house = House::open(Settings::default()).await;
    let (ada, mut ada_hears, id) = ada_in(&house).await;
    let bo = Participant::join(house.publishing("Bo")).await.unwrap();
    sees_and_hears(&mut ada_hears, 1).await;
    let generations = |record: &Record| record.generations.get(&id).copied().unwrap_or_default();
    let before = house.server.record();
    for number in 1..=NEGOTIATIONS {
        house
            .server
            .order(Order::Negotiate(id.clone()))
            .await
            .unwrap();
        let wanted = |record: &Record| generations(record) >= generations(&before) + number;
        house
            .server
            .wait("next generation", PATIENCE, wanted)
            .await
            .unwrap();
        goes_on(&ada).await;
    }
    let after = house.server.record();
    assert!(
        after.allocations >= before.allocations + NEGOTIATIONS,
        "{after:#?}"
    );
    println!("longest pause of media: {:?}", after.pauses[&id]);
    assert!(after.pauses[&id] < PAUSE_MAX, "{after:#?}");
    house.nobody_is_refused();
    drop((ada, bo));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_may_say_besides_is_borne() {
    let house = House::open(Settings::default()).await;
    let (ada, mut ada_hears, id) = ada_in(&house).await;
    let _bo = Participant::join(house.publishing("Bo")).await.unwrap();
    sees_and_hears(&mut ada_hears, 1).await;
    let bo = house.server.record().peer("Bo").unwrap();
    let custom =
        |kind: &str, data: Value| json!({"type": "custom", "data": {"type": kind, "data": data}});
    let switched = json!({"endpointId": bo, "trackId": "x", "encoding": "h",
        "reason": "low_bandwidth"});
    for event in [
        json!({"type": "tracksPriority", "data": {"tracks": ["a", "b"]}}),
        json!({"type": "somethingNew", "data": {"deep": [1, {"er": null}]}}),
        json!({"type": "endpointAdded",
            "data": {"id": "hls", "type": "hls", "metadata": null}}),
        json!({"type": "endpointUpdated", "data": {"id": bo, "metadata": {"displayName": "Bobo"}}}),
        json!({"type": "trackEncodingDisabled",
            "data": {"endpointId": bo, "trackId": "x", "encoding": "h"}}),
        json!({"type": "trackUpdated", "data": {"endpointId": "no", "trackId": "x"}}),
        json!({"type": "custom", "data": {"type": "somethingNewToo"}}),
        json!({"type": "endpointRemoved", "data": {"id": "hls"}}),
        custom(
            "vadNotification",
            json!({"trackId": "x", "status": "speech"}),
        ),
        custom("bandwidthEstimation", json!({"estimation": 1_234_567.8})),
        custom("encodingSwitched", switched),
        custom(
            "candidate",
            json!({"candidate": "a=candidate:junk", "sdpMLineIndex": 0}),
        ),
        json!({"no": "type"}),
        json!(null),
    ] {
        house.server.order(Order::Say(event)).await.unwrap();
    }
    for (event, payload) in [
        ("simulcastConfig", json!({"data": true})),
        ("metrics", json!({"stats": {}})),
        ("mediaEvent", json!({"nodata": 1})),
        ("presence_state", json!({})),
    ] {
        house
            .server
            .order(Order::Push(event.to_owned(), payload))
            .await
            .unwrap();
    }
    wait_for(
        &mut ada_hears,
        |it| matches!(it, Happening::PeerRenamed { name, .. } if name == "Bobo"),
    )
    .await;
    house.server.order(Order::Negotiate(id)).await.unwrap();
    goes_on(&ada).await;
    house.nobody_is_refused();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_a_crash_and_the_end_of_the_room_are_told_apart() {
    for (order, code, sentence) in [
        (
            Order::Kick as fn(String) -> Order,
            "removed",
            "The host removed you",
        ),
        (Order::CrashEndpoint, "refused", "The endpoint crashed."),
        (Order::CloseRoom, "room_closed", "was closed"),
    ] {
        let house = House::open(Settings::default()).await;
        let (_ada, mut hears, id) = ada_in(&house).await;
        house.server.order(order(id)).await.unwrap();
        let (seen, message) = ending(&mut hears).await;
        assert_eq!(seen, code);
        assert!(message.contains(sentence), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_crashes_is_joined_again_under_a_new_id() {
    for app in [App::Videoroom, App::Tutorial] {
        let settings = Settings {
            app,
            ..Settings::default()
        };
        let house = House::open(settings).await;
        let (ada, mut ada_hears, id) = ada_in(&house).await;
        let mut bo = Participant::join(house.publishing("Bo")).await.unwrap();
        let mut bo_hears = bo.events();
        sees_and_hears(&mut bo_hears, 1).await;
        sees_and_hears(&mut ada_hears, 1).await;
        // The tutorial's room dies of it, and with it everybody's channel.
        let order = match app {
            App::Videoroom => Order::CrashChannel(id.clone()),
            App::Tutorial => Order::CrashEndpoint(id.clone()),
        };
        house.server.order(order).await.unwrap();
        wait_for(&mut ada_hears, |it| matches!(it, Happening::Reconnecting)).await;
        wait_for(&mut ada_hears, |it| matches!(it, Happening::MediaConnected)).await;
        assert_ne!(house.server.record().peer("Ada").unwrap(), id);
        sees_and_hears(&mut bo_hears, 1).await;
        goes_on(&ada).await;
        goes_on(&bo).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_cannot_start_says_so_and_may_start_next_time() {
    let settings = Settings {
        failing_joins: 1,
        ..Settings::default()
    };
    let house = House::open(settings).await;
    let error = Participant::join(house.options("Ada")).await.err().unwrap();
    assert_eq!(error.to_string(), "The room could not be opened.");
    let ada = Participant::join(house.options("Ada")).await.unwrap();
    let joins = house.server.record().joins;
    assert_eq!(joins.len(), 2);
    ada.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_drops_everybody_is_not_joined_for_ever() {
    let settings = Settings {
        drops_everybody: true,
        ..Settings::default()
    };
    let house = House::open(settings).await;
    let mut ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let (code, message) = ending(&mut ada.events()).await;
    assert_eq!(code, "refused");
    assert!(message.contains("drops us"), "{message}");
    let joins = house.server.record().joins.len();
    assert!((2..=5).contains(&joins), "{joins} joins");
}
