//! What goes wrong on purpose: words that make no sense, and a server that dies. Whoever has no
//! part in it is not disturbed, or finds back by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::PATIENCE;

use crate::rig::{Guest, OwnServer, RELAY_ENDED, Release, scenario};

/// The longest that others may be missing while somebody misbehaves.
const GAP_MAX: Duration = Duration::from_secs(1);

/// How long clients need to find a server that is there again: they try once in five seconds.
const BACK_MAX: Duration = Duration::from_secs(20);

/// Words of one guest that a room must not fall for; `OTHER` is somebody else, `TRACK` theirs.
const NONSENSE: [&str; 9] = [
    "say('][')",
    "say('{\"type\":7}')",
    "say(JSON.stringify({type: 'nonsense', data: {OTHER}}))",
    "say(JSON.stringify({type: 'updateTrackMetadata', data: {trackId: TRACK, trackMetadata: 'stolen'}}))",
    "say(JSON.stringify({type: 'disableTrackEncoding', data: {trackId: TRACK, encoding: 'h'}}))",
    "custom('setTargetTrackVariant', {trackId: 'nobody:nothing', variant: 'h'})",
    "custom('candidate', {candidate: 'candidate:nonsense', sdpMLineIndex: 99})",
    "custom('trackVariantBitrates', {trackId: TRACK, variantBitrates: -1})",
    "for (let i = 0; i < 200; i += 1) custom('renegotiateTracks')",
];

/// What a client says that is put out in the middle of a negotiation: it has no connection left to
/// go on with.
const CUT_SHORT: &str = "(reading 'setLocalDescription')";

/// The close code of a message that is too big (RFC 6455 section 7.4.1).
const TOO_BIG: u16 = 1009;

const BAD_OFFER: &str = "custom('sdpOffer', {
    sdpOffer: {type: 'offer', sdp: 'nonsense'}, trackIdToTrackMetadata: {}, midToTrackId: {},
})";

fn join<'a>(browser: &'a Browser, name: &str) -> Result<Guest<'a>> {
    let guest = Guest::join(browser, name, Release::MAIN, "faults")?;
    guest.camera()?;
    guest.tone(500)?;
    Ok(guest)
}

/// Fails when a guest was told anything of somebody else's tracks that they did not say themselves.
fn are_her_own(guest: &Guest<'_>, whose: &Guest<'_>) -> Result<()> {
    let kinds = format!(
        "snug.of('{}').map((view) => view.context.metadata.type).sort()",
        whose.id
    );
    let kinds = guest.page.run(&kinds)?;
    ensure!(kinds == json!(["camera", "microphone"]), "{kinds}");
    for event in ["trackUpdated", "trackEncodingDisabled"] {
        let heard = guest
            .page
            .run(&format!("snug.count('received', '{event}')"))?;
        ensure!(heard == 0, "{heard} times {event}");
    }
    Ok(())
}

/// Runs a script of a guest who misbehaves, with what it needs at hand.
fn misbehave(mal: &Guest<'_>, victim: &Guest<'_>, script: &str) -> Result<()> {
    let id = &victim.id;
    let script = format!(
        "(() => {{
            const say = (data) => snug.channel.push('mediaEvent', {{data}});
            const custom = (type, data) =>
                say(JSON.stringify({{type: 'custom', data: {{type, data}}}}));
            const OTHER = '{id}';
            const TRACK = snug.of('{id}', 'video')[0].trackId;
            {script};
        }})()"
    );
    mal.page.run(&script).map(drop)
}

#[test]
fn nonsense_foreign_ids_and_huge_words_disturb_nobody() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let (ann, bob) = (join(&browser, "Ann")?, join(&browser, "Bob")?);
        let mal = join(&browser, "Mal")?;
        ann.sees_and_hears(&bob.id, PATIENCE)?;
        mal.sees_and_hears(&ann.id, PATIENCE)?;
        bob.sees_and_hears(&mal.id, PATIENCE)?;
        let undisturbed = || {
            for (guest, other) in [(&ann, &bob), (&bob, &ann)] {
                guest.still_receives(&other.id)?;
                for kind in ["video", "audio"] {
                    let gap = guest.gap(&other.id, kind)?;
                    ensure!(gap < GAP_MAX, "no {kind} for {gap:?}");
                }
            }
            Ok(())
        };
        for guest in [&ann, &bob] {
            guest.measure_gaps()?;
        }
        for nonsense in NONSENSE {
            misbehave(&mal, &ann, nonsense)?;
        }
        undisturbed()?;
        bob.still_receives(&mal.id)?;
        are_her_own(&bob, &ann)?;

        // A word of a mebibyte ends the socket; its client joins anew by itself.
        misbehave(&mal, &ann, "say('x'.repeat(1 << 20))")?;
        bob.sees_gone(&mal.id, PATIENCE)?;
        mal.page
            .until("second join", PATIENCE, "snug.joins === 2")?;
        let codes = mal.page.run("snug.socketCloses")?;
        ensure!(codes == json!([TOO_BIG]), "closed with {codes}");
        // Bytes that are no frame at all end their socket alone.
        let junk = "new Promise((resolve) => {
                const socket = new WebSocket('ws://10.77.0.1:7684/socket/websocket?vsn=2.0.0');
                socket.onopen = () => socket.send('][');
                socket.onclose = ({code}) => resolve(code);
            })";
        let code = mal.page.run(junk)?;
        ensure!(code == 1011 || code == 1008, "closed with {code}");

        // An offer that cannot be answered: out with a reason, since nothing else ends the wait.
        let id = mal.page.run("snug.enter()")?;
        let id = id.as_str().context("no id")?;
        let there = format!("snug.others.has('{id}')");
        bob.page.until("Mal again", PATIENCE, &there)?;
        mal.sees_and_hears(&ann.id, PATIENCE)?;
        misbehave(&mal, &ann, BAD_OFFER)?;
        bob.sees_gone(id, PATIENCE)?;
        mal.page
            .until("a reason", PATIENCE, "snug.errors.length > 0")?;
        undisturbed()?;
        browser.close(&[CUT_SHORT, RELAY_ENDED])
    })
}

/// Waits until a guest's client has joined again by itself, and goes on as an application does.
fn comes_back(guest: &mut Guest<'_>) -> Result<()> {
    let page = &guest.page;
    page.until("second join", BACK_MAX, "snug.joins === 2")?;
    let id = page.run("snug.enter()")?;
    let id = id.as_str().context("no id")?.to_owned();
    ensure!(id != guest.id, "somebody new comes back");
    guest.id = id;
    guest.camera()?;
    guest.tone(500)
}

/// Fails unless two guests see and hear each other and nobody else.
fn are_alone(guests: &[Guest<'_>]) -> Result<()> {
    for (guest, other) in [(&guests[0], &guests[1]), (&guests[1], &guests[0])] {
        guest.sees_and_hears(&other.id, PATIENCE)?;
        let others = guest.page.run("snug.others.size")?;
        ensure!(others == 1, "{others} others in a clean room");
        guest.ready_once()?;
    }
    Ok(())
}

#[test]
fn after_a_crash_everyone_is_back_in_a_clean_room() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let mut guests = vec![join(&browser, "Ann")?, join(&browser, "Bob")?];
        guests[0].sees_and_hears(&guests[1].id, PATIENCE)?;
        let _again = rig.crash_and_serve_again()?;
        for guest in &mut guests {
            comes_back(guest)?;
        }
        are_alone(&guests)?;
        // Trying the door of a server that is not there is told on the console.
        browser.close(&["ERR_CONNECTION_REFUSED"])
    })
}

#[test]
fn a_room_that_crashes_takes_nobody_elses_with_it_and_is_clean_again() -> Result<()> {
    scenario(|rig| {
        let server = OwnServer::start(rig)?;
        let browser = rig.browser(Kind::Chromium)?;
        let enter = |name: &str, room: &str| -> Result<Guest<'_>> {
            let page = browser.open(name)?;
            let guest = Guest::join_with(page, Release::MAIN, room, OwnServer::OPTIONS)?;
            guest.camera()?;
            guest.tone(500)?;
            Ok(guest)
        };
        let mut guests = vec![enter("Ann", "faulty")?, enter("Bob", "faulty")?];
        let calm = [enter("Cid", "calm")?, enter("Dan", "calm")?];
        are_alone(&guests)?;
        are_alone(&calm)?;
        for guest in &calm {
            guest.measure_gaps()?;
        }
        server.crash_room("faulty")?;
        for guest in &mut guests {
            comes_back(guest)?;
            let told = guest.page.run("snug.channelErrors")?;
            ensure!(told == 1, "{told} errors of the channel");
        }
        are_alone(&guests)?;
        are_alone(&calm)?;
        for (guest, other) in [(&calm[0], &calm[1]), (&calm[1], &calm[0])] {
            guest.still_receives(&other.id)?;
            for kind in ["video", "audio"] {
                let gap = guest.gap(&other.id, kind)?;
                ensure!(gap < GAP_MAX, "no {kind} for {gap:?}");
            }
            let joins = guest.page.run("snug.joins")?;
            ensure!(joins == 1, "{joins} joins of a room that did not crash");
        }
        browser.close(&[RELAY_ENDED])
    })
}

#[test]
fn who_is_kicked_or_crashes_is_told_so_and_disturbs_nobody() -> Result<()> {
    scenario(|rig| {
        let server = OwnServer::start(rig)?;
        let browser = rig.browser(Kind::Chromium)?;
        let enter = |name: &str| -> Result<Guest<'_>> {
            let page = browser.open(name)?;
            let guest = Guest::join_with(page, Release::MAIN, "faulty", OwnServer::OPTIONS)?;
            guest.camera()?;
            guest.tone(500)?;
            Ok(guest)
        };
        let others = [enter("Ann")?, enter("Bob")?];
        let (kicked, broken) = (enter("Kicked")?, enter("Broken")?);
        let out = [&kicked, &broken];
        for guest in &others {
            for whom in out {
                guest.sees_and_hears(&whom.id, PATIENCE)?;
                whom.sees_and_hears(&guest.id, PATIENCE)?;
            }
        }
        for guest in &others {
            guest.measure_gaps()?;
        }
        server.kick("faulty", &kicked.id)?;
        let end = "snug.disconnected === 1 && snug.channelCloses === 1";
        kicked.page.until("the end", PATIENCE, end)?;
        let errors = kicked.page.run("snug.errors")?;
        ensure!(errors == json!([]), "the client was told {errors}");

        server.crash_peer("faulty", &broken.id)?;
        let end = "snug.errors.length === 1 && snug.channelCloses === 1";
        broken.page.until("the end", PATIENCE, end)?;
        let errors = broken.page.run("snug.errors")?;
        let told = errors[0].as_str().context("no text")?;
        ensure!(told.starts_with("channel: The server failed"), "{told}");

        for (guest, other) in [(&others[0], &others[1]), (&others[1], &others[0])] {
            for whom in out {
                guest.sees_gone(&whom.id, PATIENCE)?;
            }
            guest.still_receives(&other.id)?;
            for kind in ["video", "audio"] {
                let gap = guest.gap(&other.id, kind)?;
                ensure!(gap < GAP_MAX, "no {kind} for {gap:?}");
            }
            let untouched =
                "[snug.joins, snug.channelCloses, snug.channelErrors, snug.disconnected]";
            ensure!(guest.page.run(untouched)? == json!([1, 0, 0, 0]));
        }
        // Neither comes back by itself.
        for whom in out {
            ensure!(whom.page.run("snug.joins")? == 1);
        }
        browser.close(&[RELAY_ENDED])
    })
}
