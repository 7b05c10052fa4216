//! Nobody in the middle: a stolen certificate without its key, and a fingerprint that was changed
//! on the way, are refused before the first frame and called by their name.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use snug_testkit::process::{Ended, Join, PATIENCE, Server};
use snug_testkit::proxy::{self, Direction, Identity, Proxy, Rewrite};

/// The exit code for a key that is not the expected one.
const NOT_TRUSTED: i32 = 4;

fn link(proxy: &Proxy, pin: &str) -> String {
    format!("snug://{}/middle#k={pin}", proxy.address)
}

fn unchanged() -> Rewrite {
    Arc::new(|_, text| text)
}

/// Changes the first digit of every fingerprint in the SDP of `kind` frames that go this way.
fn forged(way: Direction, kind: &'static str, changed: Arc<AtomicU32>) -> Rewrite {
    Arc::new(move |direction, text| {
        if direction != way {
            return text;
        }
        forge(&text, kind).map_or(text, |forged| {
            changed.fetch_add(1, Ordering::Relaxed);
            forged
        })
    })
}

fn forge(text: &str, kind: &str) -> Option<String> {
    let mut frame: Value = serde_json::from_str(text).ok()?;
    let payload = frame.get_mut(4)?;
    let mut event: Value = serde_json::from_str(payload["data"].as_str()?).ok()?;
    let custom = event.get_mut("data")?;
    if custom["type"] != kind {
        return None;
    }
    let sdp = match kind {
        "sdpOffer" => custom
            .get_mut("data")?
            .get_mut("sdpOffer")?
            .get_mut("sdp")?,
        _ => custom.get_mut("data")?.get_mut("sdp")?,
    };
    let lines = sdp.as_str()?.split_inclusive('\n').map(|line| {
        let Some(digits) = line.strip_prefix("a=fingerprint:sha-256 ") else {
            return line.to_owned();
        };
        let other = if digits.starts_with('0') { '1' } else { '0' };
        format!("a=fingerprint:sha-256 {other}{}", &digits[1..])
    });
    *sdp = Value::String(lines.collect());
    payload["data"] = Value::String(event.to_string());
    Some(frame.to_string())
}

/// Joins by way of the proxy beside somebody who sends, and expects to be refused without a frame.
fn refused_by_name(server: &Server, link: &str, words: &[&str]) -> Result<Ended> {
    let bystander = Join::new(&server.link("middle"), "bystander")
        .test_media()
        .start()?;
    bystander.joined()?;
    let victim = Join::new(link, "victim")
        .test_media()
        .with("--for")
        .with("10s")
        .start()?;
    let ended = victim.program.ended(Duration::from_secs(20))?;
    ensure!(
        !ended.stdout.contains("first_frame"),
        "saw a frame: {}",
        ended.stdout
    );
    ensure!(
        ended.code == Some(NOT_TRUSTED),
        "ended with {:?}: {}\n{}",
        ended.code,
        ended.stderr,
        ended.stdout
    );
    let lower = ended.stderr.to_lowercase();
    ensure!(
        words.iter().any(|word| lower.contains(word)),
        "not named: {}",
        ended.stderr
    );
    let seen = bystander.program.events();
    let frame = seen.iter().find(|event| event.kind == "first_frame");
    ensure!(frame.is_none(), "the bystander was sent a frame: {frame:?}");
    Ok(ended)
}

#[test]
fn the_real_certificate_with_another_key_is_refused() -> Result<()> {
    let server = Server::start()?;
    let thief = Identity::stolen(proxy::certificate_of(server.port)?)?;
    let proxy = Proxy::start(&thief, server.port, unchanged())?;
    // The link pins the real server: the certificate fits, the signature cannot.
    refused_by_name(
        &server,
        &link(&proxy, &server.fingerprint),
        &["key", "not the computer"],
    )
    .map(drop)
}

#[test]
fn another_servers_key_is_refused() -> Result<()> {
    let server = Server::start()?;
    let proxy = Proxy::start(&Identity::new()?, server.port, unchanged())?;
    refused_by_name(
        &server,
        &link(&proxy, &server.fingerprint),
        &["key", "not the computer"],
    )
    .map(drop)
}

/// Joins as the owner of this data folder, and tells how the key was judged.
fn judged(link: &str, data: &Path) -> Result<String> {
    let ann = Join::new(link, "Ann").data(data).start()?;
    let program = &ann.program;
    let joined = program.wait_for("joined", PATIENCE, |event| event.kind == "joined")?;
    ann.leave()?;
    Ok(joined.text("key").to_owned())
}

#[test]
fn a_key_is_unverified_until_a_link_carried_it_and_another_is_a_hard_stop() -> Result<()> {
    let (server, data) = (Server::start()?, tempfile::tempdir()?);
    let bare = server.link("kitchen");
    let bare = bare.split('#').next().context("a link")?;
    ensure!(judged(bare, data.path())? == "new");
    ensure!(judged(bare, data.path())? == "remembered");
    let pinned = format!("{bare}#k={}", server.fingerprint);
    ensure!(judged(&pinned, data.path())? == "pinned");
    ensure!(judged(bare, data.path())? == "verified");
    // Another computer at the same address: what is known of the old one does not help it.
    let port = server.port.to_string();
    drop(server);
    let other = Server::start_with(None, &["--port", &port])?;
    let bystander = Join::new(&other.link("kitchen"), "Bert").start()?;
    bystander.joined()?;
    let ann = Join::new(bare, "Ann").data(data.path()).start()?;
    let ended = ann.program.ended(PATIENCE)?;
    ensure!(ended.code == Some(NOT_TRUSTED), "{ended:?}");
    let said = &ended.stderr;
    ensure!(
        said.contains("not the computer you joined last time"),
        "{said}"
    );
    ensure!(
        said.contains("link that carries it"),
        "no next step: {said}"
    );
    let met = bystander.program.events();
    ensure!(
        !met.iter().any(|event| event.kind == "peer_joined"),
        "{met:?}"
    );
    Ok(())
}

/// Through a proxy that changes nothing the call works, so the refusals below have their cause.
#[test]
fn an_honest_proxy_is_no_obstacle() -> Result<()> {
    let server = Server::start()?;
    let identity = Identity::new()?;
    let proxy = Proxy::start(&identity, server.port, unchanged())?;
    let ann = Join::new(&link(&proxy, &identity.pin()), "Ann")
        .test_media()
        .start()?;
    let bob = Join::new(&server.link("middle"), "Bob")
        .test_media()
        .start()?;
    let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
    ann.first_frame(&bob_id, "video", PATIENCE)?;
    bob.first_frame(&ann_id, "video", PATIENCE)?;
    ann.leave()?;
    bob.leave().map(drop)
}

#[test]
fn a_changed_fingerprint_in_the_answer_is_refused_by_the_client() -> Result<()> {
    changed_fingerprint(Direction::Down, "sdpAnswer")
}

#[test]
fn a_changed_fingerprint_in_the_offer_is_refused_by_the_server() -> Result<()> {
    changed_fingerprint(Direction::Up, "sdpOffer")
}

fn changed_fingerprint(way: Direction, kind: &'static str) -> Result<()> {
    let server = Server::start()?;
    let identity = Identity::new()?;
    let changed = Arc::new(AtomicU32::new(0));
    let proxy = Proxy::start(
        &identity,
        server.port,
        forged(way, kind, Arc::clone(&changed)),
    )?;
    refused_by_name(
        &server,
        &link(&proxy, &identity.pin()),
        &["fingerprint", "key"],
    )?;
    ensure!(
        changed.load(Ordering::Relaxed) > 0,
        "nothing was changed on the way"
    );
    Ok(())
}

#[test]
fn forging_changes_the_fingerprint_only() {
    let answer = json!({ "type": "custom", "data": { "type": "sdpAnswer", "data": {
        "type": "answer", "sdp": "v=0\r\na=fingerprint:sha-256 AB:CD\r\n", "midToTrackId": {} } } });
    let frame = json!(["1", null, "room:a", "mediaEvent", { "data": answer.to_string() }]);
    let forged = forge(&frame.to_string(), "sdpAnswer").expect("an answer");
    assert!(forged.contains("sha-256 0B:CD"));
    assert_eq!(forge(&frame.to_string(), "sdpOffer"), None);
    assert_eq!(forge("junk", "sdpAnswer"), None);
}
