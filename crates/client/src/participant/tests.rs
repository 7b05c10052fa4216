//! A participant against a scripted room: real TLS, WebSocket and media on loopback.

mod script;

use std::time::Duration;

use snug_media::source::{TestPattern, Tone};
use snug_media::{AudioSource, BLOCK_SAMPLES};
use snug_protocol::DisplayName;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Participant;
use crate::{
    ConnectionState, ErrorKind, Event, Happening, JoinOptions, JoinStep, Kind, PublishedStats,
    Stats, Timeouts,
};
use script::{Behaviour, Script};

const PATIENCE: Duration = Duration::from_secs(15);

fn options(script: &Script) -> JoinOptions {
    let name = DisplayName::parse("Ada").unwrap();
    let mut options = JoinOptions::new(script.link(), name, script.known_hosts());
    options.video = Some(Box::new(TestPattern::new(160, 96, 30).unwrap()));
    options.audio = Some(Box::new(Tone::new(1000.0, 0.5)));
    options.video_bitrate_bps = 200_000;
    options
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

async fn frames_sent(participant: &Participant, kind: Kind, at_least: u64) {
    let enough = async {
        loop {
            let published = participant.stats().published;
            let sent = published
                .iter()
                .filter(|it| it.kind == kind)
                .map(|it| it.sent.frames_sent);
            if sent.sum::<u64>() >= at_least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, enough).await.expect("frames are sent");
}

#[tokio::test]
async fn a_participant_joins_publishes_and_leaves() {
    let mut script = Script::start(Behaviour::default()).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::Joined { .. })).await;
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    frames_sent(&ada, Kind::Video, 20).await;
    frames_sent(&ada, Kind::Audio, 20).await;
    ada.leave().await.unwrap();
    wait_for(&mut events, |it| matches!(it, Happening::Left)).await;
    assert!(events.recv().await.is_none(), "left is the last event");
    assert!(script.heard_goodbye().await);
}

/// Waits until statistics are as wanted.
async fn stats_until(participant: &Participant, wanted: impl Fn(&Stats) -> bool) -> Stats {
    let mut stats = participant.watch_stats();
    let found = timeout(PATIENCE, stats.wait_for(|stats| wanted(stats))).await;
    found.expect("in time").expect("a participant").clone()
}

fn published(stats: &Stats, kind: Kind) -> &PublishedStats {
    let mut published = stats.published.iter();
    published.find(|it| it.kind == kind).expect("published")
}

#[tokio::test]
async fn a_camera_that_goes_off_keeps_its_place_and_goes_on_with_a_keyframe() {
    let mut script = Script::start(Behaviour::default()).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    frames_sent(&ada, Kind::Video, 5).await;
    let mut before = published(&ada.stats(), Kind::Video).clone();
    for _ in 0..3 {
        ada.set_camera(None).await.unwrap();
        assert!(!script.next_word("camera").await);
        let off = stats_until(&ada, |it| !published(it, Kind::Video).active).await;
        assert_eq!(off.published.len(), 2);
        // Another size: the encoder follows, the track stays the same.
        let camera = TestPattern::new(320, 192, 30).unwrap();
        ada.set_camera(Some(Box::new(camera))).await.unwrap();
        assert!(script.next_word("camera").await);
        let sent = published(&off, Kind::Video).sent.frames_sent;
        frames_sent(&ada, Kind::Video, sent + 5).await;
        let now = published(&ada.stats(), Kind::Video).clone();
        assert!(now.active && now.track_id == before.track_id);
        assert!(now.sent.keyframes > before.sent.keyframes);
        before = now;
    }
    ada.leave().await.unwrap();
    while let Some(event) = events.recv().await {
        let negotiated = matches!(event.what, Happening::Negotiated { count } if count > 1);
        assert!(!negotiated, "a section for each toggle: {event:?}");
    }
}

#[tokio::test]
async fn what_is_off_stays_off_in_a_new_place_and_a_first_source_adds_a_track() {
    let behaviour = Behaviour {
        forgets: true,
        ..Behaviour::default()
    };
    let script = Script::start(behaviour).await;
    let mut options = options(&script);
    options.video = None;
    let mut ada = Participant::join(options).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    frames_sent(&ada, Kind::Audio, 5).await;
    ada.set_microphone(None).await.unwrap();
    let place = ada.stats().peer_id;
    script.hang_up();
    let muted = |it: &Stats| it.connection == ConnectionState::Live && it.peer_id != place;
    let stats = stats_until(&ada, muted).await;
    assert!(stats.published.len() == 1 && !published(&stats, Kind::Audio).active);
    let camera = TestPattern::new(160, 96, 30).unwrap();
    ada.set_camera(Some(Box::new(camera))).await.unwrap();
    frames_sent(&ada, Kind::Video, 5).await;
    let sent = published(&ada.stats(), Kind::Audio).sent.frames_captured;
    ada.set_microphone(Some(Box::new(Tone::new(1000.0, 0.5))))
        .await
        .unwrap();
    frames_sent(&ada, Kind::Audio, 5).await;
    assert!(published(&ada.stats(), Kind::Audio).sent.frames_captured > sent);
    ada.leave().await.unwrap();
}

/// A microphone that breaks after a while.
struct Fragile(u32);

impl AudioSource for Fragile {
    fn read(&mut self, _: &mut [f32; BLOCK_SAMPLES]) -> Result<(), snug_media::Error> {
        self.0 -= 1;
        Ok(())
    }
}

#[tokio::test]
async fn a_microphone_that_breaks_is_told_and_its_track_stays() {
    let mut script = Script::start(Behaviour::default()).await;
    let mut options = options(&script);
    options.audio = Some(Box::new(Fragile(20)));
    let mut ada = Participant::join(options).await.unwrap();
    let mut events = ada.events();
    let stopped = wait_for(&mut events, |it| {
        matches!(it, Happening::SourceStopped { .. })
    })
    .await;
    let Happening::SourceStopped { kind, code, .. } = stopped else {
        panic!("{stopped:?}");
    };
    assert_eq!((kind, code.as_str()), (Kind::Audio, "internal"));
    assert!(!script.next_word("microphone").await);
    assert!(!published(&ada.stats(), Kind::Audio).active);
    frames_sent(&ada, Kind::Video, 20).await;
    ada.leave().await.unwrap();
}

#[tokio::test]
async fn the_way_in_is_followed() {
    let script = Script::start(Behaviour::default()).await;
    let mut options = options(&script);
    let (steps, mut followed) = watch::channel(JoinStep::ReachingHost);
    options.steps = Some(steps);
    let ada = Participant::join(options).await.unwrap();
    assert_eq!(*followed.borrow_and_update(), JoinStep::Entering);
    assert!(followed.changed().await.is_err(), "it ends once we are in");
    ada.leave().await.unwrap();
}

#[tokio::test]
async fn a_room_that_says_no_twice_may_still_let_us_back_in() {
    for (refuses_returns, comes_back) in [(2, true), (3, false)] {
        let behaviour = Behaviour {
            refuses_returns,
            ..Behaviour::default()
        };
        let script = Script::start(behaviour).await;
        let mut ada = Participant::join(options(&script)).await.unwrap();
        let mut events = ada.events();
        wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
        script.hang_up();
        let end = wait_for(&mut events, |it| {
            matches!(it, Happening::Resumed | Happening::Failed { .. })
        })
        .await;
        assert_eq!(end == Happening::Resumed, comes_back, "{end:?}");
    }
}

#[tokio::test]
async fn a_broken_line_is_resumed_in_the_same_place_without_negotiation() {
    let mut script = Script::start(Behaviour::default()).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    frames_sent(&ada, Kind::Video, 5).await;
    assert_eq!(script.next_join().await, None);
    let before = ada.stats();
    script.hang_up();
    wait_for(&mut events, |it| matches!(it, Happening::Reconnecting)).await;
    wait_for(&mut events, |it| matches!(it, Happening::Resumed)).await;
    assert_eq!(
        script.next_join().await,
        Some("01".repeat(16)),
        "the token of the first join"
    );
    let sent = before.published[1].sent.frames_sent;
    frames_sent(&ada, before.published[1].kind, sent + 10).await;
    assert_eq!(ada.stats().peer_id, before.peer_id);
    ada.leave().await.unwrap();
    while let Some(event) = events.recv().await {
        assert!(!matches!(
            event.what,
            Happening::Negotiated { .. } | Happening::Joined { .. }
        ));
    }
}

#[tokio::test]
async fn a_lost_place_is_joined_anew() {
    let behaviour = Behaviour {
        forgets: true,
        ..Behaviour::default()
    };
    let script = Script::start(behaviour).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    script.hang_up();
    wait_for(&mut events, |it| matches!(it, Happening::Joined { .. })).await;
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    frames_sent(&ada, Kind::Video, 10).await;
    ada.leave().await.unwrap();
}

#[tokio::test]
async fn another_media_certificate_than_announced_ends_it_before_the_first_frame() {
    let behaviour = Behaviour {
        lies: true,
        ..Behaviour::default()
    };
    let script = Script::start(behaviour).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    let failed = wait_for(&mut events, |it| matches!(it, Happening::Failed { .. })).await;
    assert!(matches!(failed, Happening::Failed { code, .. } if code == "media_key"));
    assert!(
        ada.stats()
            .published
            .iter()
            .all(|it| it.sent.packets_sent == 0)
    );
    assert_eq!(ada.leave().await.unwrap_err().kind(), ErrorKind::Trust);
}

#[tokio::test]
async fn a_refusal_keeps_its_reason() {
    let behaviour = Behaviour {
        refuses: Some("no such room"),
        ..Behaviour::default()
    };
    let script = Script::start(behaviour).await;
    let error = Participant::join(options(&script))
        .await
        .err()
        .expect("refused");
    assert_eq!(
        (error.code(), error.kind()),
        ("refused", ErrorKind::Refused)
    );
}

#[tokio::test]
async fn a_server_that_takes_websockets_but_no_joins_is_named() {
    let behaviour = Behaviour {
        mute: true,
        ..Behaviour::default()
    };
    let script = Script::start(behaviour).await;
    let mut options = options(&script);
    options.timeouts = Timeouts {
        answer: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let error = Participant::join(options).await.err().expect("an error");
    assert_eq!(error.code(), "not_snug");
}

#[tokio::test]
async fn dropping_a_participant_ends_it() {
    let mut script = Script::start(Behaviour::default()).await;
    let mut ada = Participant::join(options(&script)).await.unwrap();
    let mut events = ada.events();
    wait_for(&mut events, |it| matches!(it, Happening::MediaConnected)).await;
    drop(ada);
    assert!(
        !script.heard_goodbye().await,
        "no goodbye, but the line is gone"
    );
    while events.recv().await.is_some() {}
}
