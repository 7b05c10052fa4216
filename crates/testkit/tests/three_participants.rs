//! Three people in a room: everybody sees and hears everybody, one comes late, cameras and
//! microphones come and go while the call goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use snug_testkit::lane;
use snug_testkit::process::{Join, PATIENCE, Participant, Server, now_ms, track_sum};

/// A late joiner sees and hears everything this long after the click.
const LATE_JOINER_MAX: Duration = Duration::from_secs(3);

fn join(server: &Server, name: &str) -> Result<Participant> {
    Join::new(&server.link("trio"), name)
        .test_media()
        .with("--size")
        .with("320x240")
        .start()
}

fn sees_and_hears(who: &Participant, whom: &str, within: Duration) -> Result<()> {
    who.first_frame(whom, "video", within)?;
    who.first_frame(whom, "audio", within).map(drop)
}

#[test]
fn late_joiner_and_tracks_that_come_and_go() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let mut ann = join(&server, "Ann")?;
    let bob = join(&server, "Bob")?;
    let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
    sees_and_hears(&ann, &bob_id, PATIENCE)?;
    sees_and_hears(&bob, &ann_id, PATIENCE)?;

    let clicked = Instant::now();
    let cid = join(&server, "Cid")?;
    let left = || LATE_JOINER_MAX.saturating_sub(clicked.elapsed());
    sees_and_hears(&cid, &ann_id, left())?;
    sees_and_hears(&cid, &bob_id, left())?;
    println!(
        "the late joiner had everything after {:?}",
        clicked.elapsed()
    );
    let cid_id = cid.joined()?;
    sees_and_hears(&ann, &cid_id, PATIENCE)?;
    sees_and_hears(&bob, &cid_id, PATIENCE)?;

    camera_off_and_on(&mut ann, &ann_id, &[&bob, &cid])?;
    microphone_off_and_on(&mut ann, &ann_id, &[&bob, &cid])?;
    still_flows(&cid, &bob_id)?;
    still_flows(&bob, &cid_id)?;
    for (who, others) in [(&bob, [&ann_id, &cid_id]), (&cid, [&ann_id, &bob_id])] {
        for event in who.program.events() {
            let lost = ["peer_reconnecting", "peer_left", "reconnecting"];
            ensure!(
                !lost.contains(&event.kind.as_str()),
                "{others:?} were lost: {event:?}"
            );
        }
    }
    for (name, least) in [
        ("snug_joins_total", 3),
        ("snug_rooms", 1),
        ("snug_packets_received_total", 100),
        ("snug_packets_forwarded_total", 200),
    ] {
        let counted = server.metric(name)?;
        ensure!(
            counted >= least,
            "{name} is {counted} after a call of three"
        );
    }
    cid.leave()?;
    ann.hears("peer_left", &cid_id, PATIENCE)?;
    ann.leave()?;
    bob.leave().map(drop)
}

fn camera_off_and_on(ann: &mut Participant, id: &str, others: &[&Participant]) -> Result<()> {
    off_and_on(ann, id, others, "camera", "video")
}

fn microphone_off_and_on(ann: &mut Participant, id: &str, others: &[&Participant]) -> Result<()> {
    off_and_on(ann, id, others, "microphone", "audio")
}

/// Switches a device off and on; everybody must be told of both and get the same track again, and
/// nobody negotiates for it.
fn off_and_on(
    ann: &mut Participant,
    id: &str,
    others: &[&Participant],
    device: &str,
    kind: &str,
) -> Result<()> {
    let told = |who: &Participant, active: bool, after: u64| {
        let what = format!("{device} of {id}, active: {active}");
        who.program
            .wait_for(&what, Duration::from_secs(3), |event| {
                event.kind == "track_changed"
                    && event.at_ms >= after
                    && event.text("peer_id") == id
                    && event.text("kind") == kind
                    && event.body.get("active").and_then(Value::as_bool) == Some(active)
            })
    };
    let negotiations = |who: &Participant| (who.negotiations(), frames(who, id, kind));
    let mut before = Vec::new();
    let off_ms = now_ms();
    ann.control(&format!("{device} off"))?;
    for who in others {
        before.push((told(who, false, off_ms)?, negotiations(who)));
    }
    let on_ms = now_ms();
    ann.control(&format!("{device} on"))?;
    for (who, (off, (count, seen))) in others.iter().zip(before) {
        let on = told(who, true, on_ms)?;
        ensure!(
            on.text("track_id") == off.text("track_id"),
            "{on:?} is another track than {off:?}"
        );
        who.program.wait_for("frames again", PATIENCE, |event| {
            event.kind == "stats" && track_sum(event, id, kind, "frames_decoded") > seen + 5
        })?;
        ensure!(
            who.negotiations() == count,
            "{device} off and on was negotiated"
        );
    }
    Ok(())
}

/// Frames of this kind that were decoded by the latest statistics.
fn frames(who: &Participant, from: &str, kind: &str) -> u64 {
    who.statistics()
        .map_or(0, |stats| track_sum(&stats, from, kind, "frames_decoded"))
}

/// Says that both kinds of media from this peer still arrive and decode.
fn still_flows(who: &Participant, from: &str) -> Result<()> {
    let before = who.statistics_after(now_ms())?;
    let after = who.statistics_after(before.at_ms + 500)?;
    for kind in ["video", "audio"] {
        let count = |stats| track_sum(stats, from, kind, "frames_decoded");
        ensure!(
            count(&after) > count(&before),
            "{kind} of {from} stands still\n{who:?}"
        );
    }
    Ok(())
}
