//! A call inside one process: a real room server and two participants, over loopback.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::time::{Duration, Instant};

use snug_client::{Event, Happening, JoinOptions, Kind, Participant, Stats};
use snug_media::source::{TestPattern, Tone};
use snug_protocol::{DisplayName, Link};
use snug_server::{Config, Server};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    server: Server,
    folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            port: 0,
            bind: Some("127.0.0.1".parse().unwrap()),
            data_dir: folder.path().join("host"),
            ..Config::default()
        };
        let server = Server::start(config).await.unwrap();
        Self { server, folder }
    }

    fn options(&self, name: &str) -> JoinOptions {
        let address = self.server.addresses()[0];
        let link: Link = format!("snug://{address}/kitchen#k={}", self.server.pin())
            .parse()
            .unwrap();
        let known_hosts = self.folder.path().join("known_hosts");
        JoinOptions::new(link, DisplayName::parse(name).unwrap(), known_hosts)
    }

    fn publishing(&self, name: &str) -> JoinOptions {
        let mut options = self.options(name);
        options.video = Some(Box::new(TestPattern::new(320, 180, 30).unwrap()));
        options.audio = Some(Box::new(Tone::new(1000.0, 0.5)));
        options.video_bitrate_bps = 400_000;
        options
    }
}

/// The camera of somebody was switched on or off.
fn camera_is(wanted: bool) -> impl Fn(&Happening) -> bool {
    move |it| matches!(it, Happening::TrackChanged { kind: Kind::Video, active, .. } if *active == wanted)
}

async fn wait_for(
    events: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&Happening) -> bool,
) -> Happening {
    loop {
        let event = timeout(PATIENCE, events.recv())
            .await
            .expect("in time")
            .expect("more events");
        if wanted(&event.what) {
            return event.what;
        }
    }
}

fn first_frame(wanted: Kind) -> impl Fn(&Happening) -> bool {
    move |it| matches!(it, Happening::FirstFrame { kind, .. } if *kind == wanted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picture_and_sound_cross_a_room() {
    let house = House::open().await;
    let ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let mut options = house.options("Bo");
    options.decode = true;
    let mut bo = Participant::join(options).await.unwrap();
    let mut events = bo.events();
    wait_for(
        &mut events,
        |it| matches!(it, Happening::PeerJoined { name, .. } if name == "Ada"),
    )
    .await;
    let (mut sound, mut picture) = (false, false);
    while !(sound && picture) {
        let what = wait_for(&mut events, |it| matches!(it, Happening::FirstFrame { .. })).await;
        sound |= first_frame(Kind::Audio)(&what);
        picture |= first_frame(Kind::Video)(&what);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stats = bo.stats();
    let tracks = &stats.peers[0].tracks;
    for track in tracks {
        assert!(track.received.packets_received > 50, "{track:?}");
        assert!(track.received.packets_lost <= 1, "{track:?}");
        assert!(track.received.frames_decoded > 40, "{track:?}");
    }
    ada.leave().await.unwrap();
    wait_for(&mut events, |it| matches!(it, Happening::PeerLeft { .. })).await;
    bo.leave().await.unwrap();
    house.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_sent_in_three_encodings_and_the_best_is_shown() {
    let house = House::open().await;
    let mut options = house.publishing("Ada");
    options.video = Some(Box::new(TestPattern::new(640, 360, 15).unwrap()));
    let ada = Participant::join(options).await.unwrap();
    let mut options = house.options("Bo");
    options.decode = true;
    let bo = Participant::join(options).await.unwrap();
    let mut stats = bo.watch_stats();
    let shows = |stats: &Stats| {
        let mut tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
        tracks.any(|track| track.received.height == 360 && track.received.frames_decoded > 15)
    };
    let seen = timeout(PATIENCE, stats.wait_for(shows)).await;
    drop(seen.expect("in time").expect("still in the room"));
    let published = ada.stats().published;
    let camera = published.iter().find(|it| it.kind == Kind::Video).unwrap();
    let rids: Vec<_> = camera.encodings.iter().map(|it| it.rid).collect();
    assert_eq!(rids, ["l", "m", "h"]);
    // The others may rest: nobody is shown them.
    let best = camera.encodings[2];
    assert!(best.frames_sent > 15 && !camera.held_back, "{camera:?}");
    only_the_best_is_sent(&ada).await;
    for participant in [ada, bo] {
        participant.leave().await.unwrap();
    }
    house.server.shutdown().await;
}

/// Waits until the encodings that nobody is shown stand still for two seconds while the best goes on.
async fn only_the_best_is_sent(publisher: &Participant) {
    let sent = || -> Vec<u64> {
        let published = publisher.stats().published;
        let camera = published.iter().find(|it| it.kind == Kind::Video).unwrap();
        camera.encodings.iter().map(|it| it.frames_sent).collect()
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = sent();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = sent();
        if after[..2] == before[..2] && after[2] > before[2] + 10 {
            return;
        }
        assert!(Instant::now() < deadline, "{before:?}, later {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracks_come_and_go_and_a_late_joiner_sees_them() {
    let house = House::open().await;
    let mut bo = Participant::join(house.options("Bo")).await.unwrap();
    let mut events = bo.events();
    let ada = Participant::join(house.publishing("Ada")).await.unwrap();
    wait_for(&mut events, first_frame(Kind::Video)).await;
    for height in [96, 180] {
        ada.set_camera(None).await.unwrap();
        wait_for(&mut events, camera_is(false)).await;
        let camera = TestPattern::new(320 * height / 180 / 2 * 2, height, 15).unwrap();
        ada.set_camera(Some(Box::new(camera))).await.unwrap();
        wait_for(&mut events, camera_is(true)).await;
        // The same track, with pictures of the new camera.
        let shows = |stats: &Stats| {
            let mut tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
            tracks.any(|track| track.kind == Kind::Video && track.received.height == height)
        };
        let mut stats = bo.watch_stats();
        let seen = timeout(PATIENCE, stats.wait_for(shows)).await;
        seen.expect("in time").expect("still in the room");
    }
    let mut cy = Participant::join(house.publishing("Cy")).await.unwrap();
    let mut late = cy.events();
    wait_for(&mut late, first_frame(Kind::Video)).await;
    wait_for(&mut events, first_frame(Kind::Video)).await;
    for participant in [ada, bo, cy] {
        participant.leave().await.unwrap();
    }
    house.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_recorded() {
    let house = House::open().await;
    let ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let path = house.folder.path().join("call.webm");
    let mut options = house.options("Bo");
    options.record = Some(path.clone());
    let mut bo = Participant::join(options).await.unwrap();
    let mut events = bo.events();
    wait_for(&mut events, first_frame(Kind::Video)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bo.stats().dropped.recording_frames, 0);
    bo.leave().await.unwrap();
    ada.leave().await.unwrap();
    while let Some(event) = events.recv().await {
        let failed = matches!(
            event.what,
            Happening::RecordingStopped { .. } | Happening::Failed { .. }
        );
        assert!(!failed, "{event:?}");
    }
    assert!(std::fs::metadata(&path).unwrap().len() > 50_000);
    house.server.shutdown().await;
}

#[tokio::test]
async fn a_recording_that_cannot_be_written_is_refused_before_joining() {
    let house = House::open().await;
    let mut options = house.options("Bo");
    options.record = Some(
        house
            .folder
            .path()
            .join("no")
            .join("such")
            .join("call.webm"),
    );
    let error = Participant::join(options).await.err().expect("refused");
    assert_eq!(error.kind(), snug_client::ErrorKind::Recording);
    assert_eq!(house.server.room_count().await, 0);
    house.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_join_in_the_same_instant_see_each_other() {
    let house = House::open().await;
    for round in 0..10 {
        let (ada, bo) = tokio::join!(
            Participant::join(house.publishing("Ada")),
            Participant::join(house.publishing("Bo")),
        );
        let mut both = [ada.unwrap(), bo.unwrap()];
        for participant in &mut both {
            let mut events = participant.events();
            let (mut sound, mut picture) = (false, false);
            while !(sound && picture) {
                let Ok(Some(event)) = timeout(Duration::from_secs(5), events.recv()).await else {
                    let stats = participant.stats();
                    panic!(
                        "round {round}: {}",
                        serde_json::to_string_pretty(&stats).unwrap()
                    );
                };
                sound |= first_frame(Kind::Audio)(&event.what);
                picture |= first_frame(Kind::Video)(&event.what);
            }
        }
        for participant in both {
            participant.leave().await.unwrap();
        }
    }
    house.server.shutdown().await;
}
