//! Calls of the main pair, `phoenix` 1.8 with `membrane-webrtc-js` 0.7.1, in Chromium.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use snug_testkit::browser::{Browser, Kind, Page};
use snug_testkit::process::PATIENCE;

use crate::rig::{Guest, RETIRED_RELAY, Release, scenario};

/// A late joiner sees and hears everything this long after the click.
const LATE_JOINER_MAX: Duration = Duration::from_secs(3);

/// The longest that others may be missing while tracks come and go.
const GAP_MAX: Duration = Duration::from_secs(1);

/// What browsers say of the way by UDP when there is none.
const RELAY_UNREACHABLE: &str = r#""type":"icecandidateerror","errorCode":701"#;

/// What each guest's microphone hears, so that nobody is taken for somebody else.
const HERTZ: [u32; 3] = [500, 900, 1500];

/// Joins with camera and microphone.
fn join<'a>(browser: &'a Browser, name: &str, room: &str, hertz: u32) -> Result<Guest<'a>> {
    let guest = Guest::join(browser, name, Release::MAIN, room)?;
    guest.camera()?;
    guest.tone(hertz)?;
    Ok(guest)
}

/// Joins a room in which so many others have a camera and a microphone each, and fails unless all of
/// them are decoded in time: the first picture of each camera, the first moment of each tone.
fn join_late<'a>(page: Page<'a>, room: &str, others: usize) -> Result<Guest<'a>> {
    let late = Guest::join_in(page, Release::MAIN, room)?;
    let tracks = 2 * others;
    let holds =
        format!("snug.views.size === {tracks} && [...snug.views.values()].every((v) => v.firstAt)");
    late.page.until("all that is there", PATIENCE, &holds)?;
    let firsts = "[...snug.views.values()].map((v) => v.firstAt - snug.startedAt)";
    let firsts: Vec<u64> = serde_json::from_value(late.page.run(firsts)?)?;
    println!("late joiner: decoded after {firsts:?} ms");
    let is_in_time = |first: &u64| Duration::from_millis(*first) <= LATE_JOINER_MAX;
    ensure!(
        firsts.len() == tracks && firsts.iter().all(is_in_time),
        "{firsts:?} ms"
    );
    Ok(late)
}

fn all_see_and_hear_all(guests: &[Guest<'_>]) -> Result<()> {
    for guest in guests {
        for (other, hertz) in guests.iter().zip(HERTZ) {
            if other.id != guest.id {
                guest.sees_and_hears(&other.id, PATIENCE)?;
                guest.hears_tone(&other.id, hertz)?;
            }
        }
    }
    Ok(())
}

#[test]
fn two_and_then_three_see_and_hear_each_other() -> Result<()> {
    two_and_then_three(Kind::Chromium, &[])
}

#[test]
fn two_and_then_three_see_and_hear_each_other_in_firefox() -> Result<()> {
    two_and_then_three(Kind::Firefox, &[RETIRED_RELAY])
}

fn two_and_then_three(kind: Kind, expected: &[&str]) -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(kind)?;
        let mut guests = vec![
            join(&browser, "Ann", "trio", HERTZ[0])?,
            join(&browser, "Bob", "trio", HERTZ[1])?,
        ];
        all_see_and_hear_all(&guests)?;

        let late = join_late(browser.open("Cid")?, "trio", guests.len())?;
        late.camera()?;
        late.tone(HERTZ[2])?;
        guests.push(late);
        all_see_and_hear_all(&guests)?;
        for guest in &guests {
            guest.ready_once()?;
            guest.shares_streams()?;
            let path = guest.page.run("snug.path()")?;
            ensure!(path["local"] == "relay" && path["relay"] == "udp", "{path}");
        }
        browser.close(expected)
    })
}

#[test]
fn where_no_datagram_gets_through_everything_goes_over_tcp() -> Result<()> {
    scenario(|rig| {
        rig.drop_datagrams()?;
        let (chromium, firefox) = (rig.browser(Kind::Chromium)?, rig.browser(Kind::Firefox)?);
        let guests = [
            join(&chromium, "Ann", "tcp", HERTZ[0])?,
            join(&firefox, "Bob", "tcp", HERTZ[1])?,
        ];
        all_see_and_hear_all(&guests)?;
        for guest in &guests {
            guest.ready_once()?;
            let path = guest.page.run("snug.path()")?;
            ensure!(path["local"] == "relay" && path["relay"] == "tcp", "{path}");
        }
        chromium.close(&[RELAY_UNREACHABLE])?;
        firefox.close(&[RELAY_UNREACHABLE])
    })
}

#[test]
fn tracks_that_come_and_go_disturb_nobody() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let guests = ["Ann", "Bob", "Cid"]
            .into_iter()
            .zip(HERTZ)
            .map(|(name, hertz)| join(&browser, name, "churn", hertz))
            .collect::<Result<Vec<_>>>()?;
        all_see_and_hear_all(&guests)?;
        for guest in &guests {
            guest.measure_gaps()?;
        }
        renegotiate_often(&guests)?;
        nothing_missed(&guests, &["video", "audio"], GAP_MAX)?;

        let started = Instant::now();
        let churns = guests
            .iter()
            .map(|guest| guest.page.start("snug.churn(40, 300)"))
            .collect::<Result<Vec<_>>>()?;
        for churn in churns {
            churn.answer(Duration::from_secs(90))?;
        }
        println!("forty rounds of each of three: {:?}", started.elapsed());
        // Two dozen renegotiations a second leave the browsers' encoders breathless, and nothing
        // is lost on the way; sound shows that every restart kept the path.
        nothing_missed(&guests, &["audio"], GAP_MAX)?;
        for guest in &guests {
            for other in guests.iter().filter(|other| other.id != guest.id) {
                guest.still_receives(&other.id)?;
                let left = format!("snug.of('{}').length === 2", other.id);
                guest.page.until("two tracks each", PATIENCE, &left)?;
            }
        }
        browser.close(&[])
    })
}

/// Adds and removes a track until everybody, who does it and who watches, has negotiated ten times
/// more: what comes at once is negotiated at once, so nobody knows how many rounds that takes.
fn renegotiate_often(guests: &[Guest<'_>]) -> Result<()> {
    const NEGOTIATIONS: u64 = 10;
    const ROUNDS_MAX: u32 = 40;
    let answers = || -> Result<Vec<u64>> {
        let count = |guest: &Guest<'_>| {
            let count = guest.page.run("snug.count('received', 'sdpAnswer')")?;
            count.as_u64().context("no number")
        };
        guests.iter().map(count).collect()
    };
    let before = answers()?;
    for round in 1..=ROUNDS_MAX {
        guests[0].page.run("snug.churn(1, 300)")?;
        let grown: Vec<u64> = answers()?
            .iter()
            .zip(&before)
            .map(|(now, it)| now - it)
            .collect();
        if grown.iter().all(|grown| *grown >= NEGOTIATIONS) {
            println!("{grown:?} negotiations in {round} rounds");
            return Ok(());
        }
    }
    bail!("no {NEGOTIATIONS} negotiations of each in {ROUNDS_MAX} rounds")
}

/// Fails when one of these kinds was missing for long since the last look, or came twice.
fn nothing_missed(guests: &[Guest<'_>], kinds: &[&str], gap_max: Duration) -> Result<()> {
    for guest in guests {
        guest.ready_once()?;
        for other in guests.iter().filter(|other| other.id != guest.id) {
            for kind in kinds {
                let gap = guest.gap(&other.id, kind)?;
                println!(
                    "{}: no {kind} for {gap:?} at the longest",
                    guest.page.name()
                );
                ensure!(gap < gap_max, "no {kind} of {} for {gap:?}", other.id);
            }
        }
        guest.measure_gaps()?;
    }
    Ok(())
}

#[test]
fn what_people_and_tracks_say_of_themselves_reaches_the_others() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let ann = join(&browser, "Ann", "words", HERTZ[0])?;
        let bob = join(&browser, "Bob", "words", HERTZ[1])?;
        bob.sees_and_hears(&ann.id, PATIENCE)?;
        // Whatever is to be negotiated for Bob's tracks is over when they are here.
        ann.sees_and_hears(&bob.id, PATIENCE)?;
        let page = &ann.page;
        page.run("snug.webrtc.updateTrackMetadata(snug.own.get('camera').id, {active: false})")?;
        let told = format!(
            "snug.of('{}', 'video')[0].context.metadata?.active === false",
            ann.id
        );
        bob.page.until("a camera that is off", PATIENCE, &told)?;
        // The same track in another's place: no negotiation, and the others hear of its new words.
        let offers = page.run("snug.count('sent', 'sdpOffer')")?;
        page.run(
            "(async () => snug.webrtc.replaceTrack(snug.own.get('camera').id,
                await snug.sources.camera({width: 320, height: 180}), {active: true, side: 'rear'}))()",
        )?;
        let told = format!(
            "snug.of('{}', 'video').some((v) => v.context.metadata?.side === 'rear' && v.width === 320)",
            ann.id
        );
        bob.page.until("the other camera", PATIENCE, &told)?;
        ensure!(offers == page.run("snug.count('sent', 'sdpOffer')")?);
        bob.ready_once()?;
        // Last, since the client forgets the tracks of whom it hears this of (protocol.md 5.8).
        page.run("snug.webrtc.updateEndpointMetadata({displayName: 'Anna'})")?;
        let told = format!("snug.others.get('{}')?.displayName === 'Anna'", ann.id);
        bob.page.until("a new name", PATIENCE, &told)?;
        bob.still_receives(&ann.id)?;
        browser.close(&[])
    })
}

#[test]
fn a_screen_has_a_stream_of_its_own() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let ann = join(&browser, "Ann", "screens", HERTZ[0])?;
        let bob = join(&browser, "Bob", "screens", HERTZ[1])?;
        bob.sees_and_hears(&ann.id, PATIENCE)?;
        bob.shares_streams()?;
        ann.page
            .run("snug.addCamera({as: 'screensharing', width: 1280, height: 720})")?;
        bob.receives(&ann.id, "video", 2, PATIENCE)?;
        let described = format!(
            "snug.of('{}').map((view) => [view.context.metadata.type, ...view.streamIds])",
            ann.id
        );
        let stream = |streams: &Value, kind: &str| {
            let tracks = streams.as_array().into_iter().flatten();
            let mut ids = tracks.filter(|track| track[0] == kind);
            ids.next().map(|track| track[1].clone())
        };
        let streams = bob.page.run(&described)?;
        let camera = stream(&streams, "camera");
        ensure!(
            camera.is_some() && camera == stream(&streams, "microphone"),
            "{streams}"
        );
        ensure!(camera != stream(&streams, "screensharing"), "{streams}");
        // A second camera in a stream of its own is apart from both; its sound is with it.
        ann.page.run(
            "snug.addCamera({as: 'garden', apart: true, width: 320, height: 180})
                .then(() => snug.addTone(700, 'ear', 'garden'))",
        )?;
        bob.receives(&ann.id, "video", 3, PATIENCE)?;
        bob.receives(&ann.id, "audio", 2, PATIENCE)?;
        let streams = bob.page.run(&described)?;
        let garden = stream(&streams, "garden");
        ensure!(
            garden.is_some() && garden == stream(&streams, "ear"),
            "{streams}"
        );
        ensure!(garden != stream(&streams, "camera"), "{streams}");
        ensure!(garden != stream(&streams, "screensharing"), "{streams}");
        ann.page.run("snug.remove('garden')")?;
        ann.page.run("snug.remove('screensharing')")?;
        let gone = format!("snug.of('{}').length === 3", ann.id);
        bob.page.until("the screen's end", PATIENCE, &gone)?;
        bob.still_receives(&ann.id)?;
        bob.ready_once()?;
        browser.close(&[])
    })
}

#[test]
fn who_speaks_is_told_and_who_falls_silent_too() -> Result<()> {
    who_speaks(Kind::Chromium, &[])
}

#[test]
fn who_speaks_is_told_and_who_falls_silent_too_in_firefox() -> Result<()> {
    who_speaks(Kind::Firefox, &[RETIRED_RELAY])
}

fn who_speaks(kind: Kind, expected: &[&str]) -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(kind)?;
        let ann = join(&browser, "Ann", "voices", HERTZ[0])?;
        let bob = join(&browser, "Bob", "voices", HERTZ[1])?;
        bob.sees_and_hears(&ann.id, PATIENCE)?;
        let voice = |status: &str| {
            let view = format!("snug.of('{}', 'audio')[0]", ann.id);
            let holds = format!("{view}.voices.at(-1)?.status === '{status}'");
            bob.page.until(status, PATIENCE, &holds)
        };
        voice("speech")?;
        ann.page.run("(snug.loudness.value = 0) + 1")?;
        voice("silence")?;
        ann.page.run("snug.loudness.value = 0.4")?;
        voice("speech")?;
        let changes = bob.page.run("snug.count('received', 'vadNotification')")?;
        ensure!(
            changes.as_u64() < Some(12),
            "{changes} changes of two voices"
        );
        browser.close(expected)
    })
}

#[test]
fn the_numbers_of_the_call_come_once_a_second() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let ann = join(&browser, "Ann", "numbers", HERTZ[0])?;
        let numbers = ann.page.run(
            "new Promise((resolve, reject) => {
                const stats = snug.socket.channel('stats', {});
                const heard = [];
                stats.on('metrics', (metrics) => {
                    heard.push({at: Date.now(), metrics});
                    if (heard.length === 3) resolve(heard);
                });
                stats.join().receive('error', (why) => reject(new Error(JSON.stringify(why))));
            })",
        )?;
        ensure!(numbers[2]["metrics"]["stats"].is_object(), "{numbers}");
        let at = |index: usize| numbers[index]["at"].as_u64().unwrap_or_default();
        let apart = Duration::from_millis(at(2) - at(0));
        let expected = Duration::from_millis(1500)..Duration::from_millis(3500);
        ensure!(expected.contains(&apart), "three within {apart:?}");
        browser.close(&[])
    })
}
