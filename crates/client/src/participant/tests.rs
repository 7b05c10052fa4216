//! A participant against a scripted room: real TLS, WebSocket and media on loopback.

mod script;

use std::time::Duration;

use snug_media::source::{TestPattern, Tone};
use snug_protocol::DisplayName;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Participant;
use crate::{ErrorKind, Event, Happening, JoinOptions, Kind, Timeouts};
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
    ada.set_camera(None).await.unwrap();
    let twice = |it: &Happening| matches!(it, Happening::Negotiated { count: 2 });
    wait_for(&mut events, twice).await;
    let only_sound = async {
        while ada
            .stats()
            .published
            .iter()
            .any(|it| it.kind == Kind::Video)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, only_sound)
        .await
        .expect("the picture is gone");
    ada.leave().await.unwrap();
    wait_for(&mut events, |it| matches!(it, Happening::Left)).await;
    assert!(events.recv().await.is_none(), "left is the last event");
    assert!(script.heard_goodbye().await);
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
