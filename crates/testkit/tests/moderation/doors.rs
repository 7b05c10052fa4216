//! Lock, lobby, removal, roles, and the end for all.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use snug_testkit::lane;
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::{Join, PATIENCE, Server, Signal};
use snug_testkit::scripted::{Peer, Socket};

use crate::people::{Person, about, silence};

/// What the program says with its exit when a room refuses.
const REFUSED: i32 = 5;

/// Tries to join; returns what the program said when it ended, which must be a refusal.
fn turned_away(join: &Join) -> Result<String> {
    let ended = join.start()?.program.ended(PATIENCE)?;
    ensure!(ended.code == Some(REFUSED), "{ended:?}");
    Ok(ended.stderr)
}

/// Where a server of this computer is reached.
fn address_of(server: &Server) -> std::net::SocketAddr {
    ([127, 0, 0, 1], server.port).into()
}

/// Everything that only hosts may ask, about somebody.
fn forbidden(whom: &str) -> Vec<Value> {
    vec![
        silence(whom, "audio", true),
        silence(whom, "video", true),
        about(whom, "remove"),
        about(whom, "admit"),
        about(whom, "deny"),
        json!({"do": "coHost", "endpointId": whom, "isOn": true}),
        json!({"do": "readmit", "bar": 0}),
        json!({"do": "lock", "isOn": true}),
        json!({"do": "lobby", "isOn": true}),
        json!({"do": "endForAll"}),
    ]
}

#[test]
fn whoever_is_no_host_gets_nothing_by_asking() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let ann = Person::join(&Join::new(&server.link("doors"), "Ann"))?;
    ann.told("role of host", |rules| rules["role"] == "host")?;
    let mut bob = Person::join(&Join::new(&server.link("doors"), "Bob"))?;
    let address = address_of(&server);
    let mut guest = Peer::join(address, "doors")?;
    let id = guest.connect("Guest")?["id"]
        .as_str()
        .context("no id")?
        .to_owned();
    ann.program.hears("peer_joined", &id, PATIENCE)?;
    let told = |who: &Person| {
        let events = who.program.program.events();
        events.iter().filter(|it| it.kind == "rules").count()
    };
    let before = told(&ann);
    let asks: Vec<Value> = [&ann.id, &bob.id, &id]
        .into_iter()
        .flat_map(|it| forbidden(it))
        .collect();
    for ask in &asks {
        bob.ask(ask)?;
        let payload = json!({"type": "moderation", "what": {"ask": ask}});
        guest.push("snug", &payload)?;
    }
    bob.refused(asks.len())?;
    // The guest's last word comes after all of its forbidden ones.
    guest.say(&json!({"type": "updateEndpointMetadata",
        "data": {"metadata": {"displayName": "Still here"}}}))?;
    ann.program.hears("peer_renamed", &id, PATIENCE)?;
    ensure!(told(&ann) == before, "something changed");
    let late = Person::join(&Join::new(&server.link("doors"), "Late"))?;
    ann.program.hears("peer_joined", &late.id, PATIENCE)?;
    let heard = guest
        .socket
        .wait_for("anything of ours", Duration::from_secs(1), |frame| {
            frame.event == "snug"
        });
    ensure!(heard.is_err(), "an unmodified client heard {heard:?}");
    for who in [ann, bob, late] {
        who.program.leave()?;
    }
    Ok(())
}

#[test]
fn a_locked_room_refuses_newcomers_until_it_is_unlocked() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let link = server.link("lock");
    let mut ann = Person::join(&Join::new(&link, "Ann"))?;
    let bob = Person::join(&Join::new(&link, "Bob"))?;
    ann.ask(&json!({"do": "lock", "isOn": true}))?;
    bob.told("lock", |rules| rules["isLocked"] == json!(true))?;
    let said = turned_away(&Join::new(&link, "Cid"))?;
    ensure!(said.contains("The room is locked."), "{said}");
    let refused = Peer::join(address_of(&server), "lock").map(|_| ());
    let said = format!("{refused:?}");
    ensure!(said.contains("room_locked"), "{said}");
    ann.ask(&json!({"do": "lock", "isOn": false}))?;
    bob.told("unlocked room", |rules| rules["isLocked"] == json!(false))?;
    let cid = Person::join(&Join::new(&link, "Cid"))?;
    for who in [ann, bob, cid] {
        who.program.leave()?;
    }
    Ok(())
}

/// Waits until somebody of this name waits; returns their id.
fn knocks(host: &Person, name: &str) -> Result<String> {
    let of = |rules: &Value| {
        let mut waiting = rules["waiting"].as_array().into_iter().flatten();
        let found = waiting.rfind(|it| it["name"] == name);
        found.and_then(|it| Some(it["endpointId"].as_str()?.to_owned()))
    };
    let told = host.told(&format!("knock of {name}"), |rules| of(rules).is_some())?;
    of(&told.body["rules"]).context("it was there")
}

#[test]
fn whoever_waits_is_unseen_until_the_host_decides() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let link = server.link("lobby");
    let mut ann = Person::join(&Join::new(&link, "Ann"))?;
    let bob = Person::join(&Join::new(&link, "Bob"))?;
    ann.ask(&json!({"do": "lobby", "isOn": true}))?;
    bob.told("lobby", |rules| rules["hasLobby"] == json!(true))?;

    let cid = Join::new(&link, "Cid").start()?;
    let id = knocks(&ann, "Cid")?;
    let waiting = cid
        .program
        .wait_for("word to wait", PATIENCE, |it| it.kind == "waiting")?;
    ensure!(waiting.text("host_name") == "Ann", "{waiting:?}");
    // Longer than the answer to a join may take: people take their time.
    std::thread::sleep(Duration::from_secs(7));
    ensure!(
        cid.program.events().iter().all(|it| it.kind != "joined"),
        "{cid:?}"
    );
    ann.ask(&about(&id, "admit"))?;
    ensure!(cid.joined()? == id, "somebody else came in");
    bob.program.hears("peer_joined", &id, PATIENCE)?;
    // All that it was told while it waited.
    let waiting = cid
        .program
        .wait_for("rules", PATIENCE, |it| it.kind == "rules")?;
    let expected = json!({"role": "member", "isWaiting": true, "hostName": "Ann", "roles": {},
        "silenced": {}, "isLocked": false, "hasLobby": false, "waiting": [], "removed": []});
    ensure!(waiting.body["rules"] == expected, "{waiting:?}");

    let dan = Join::new(&link, "Dan").start()?;
    ann.ask(&about(&knocks(&ann, "Dan")?, "deny"))?;
    let ended = dan.program.ended(PATIENCE)?;
    ensure!(ended.code == Some(REFUSED), "{ended:?}");
    ensure!(
        ended.stderr.contains("did not let you in this time"),
        "{ended:?}"
    );

    // A client that knows nothing of it is held unconnected, and then let in or told that it is out.
    let mut held = Peer::join(address_of(&server), "lobby")?;
    let connect = json!({"type": "connect", "data": {"metadata": {"displayName": "Eva"}}});
    held.say(&connect)?;
    let eva = knocks(&ann, "Eva")?;
    ensure!(
        held.hears("connected", Duration::from_secs(2)).is_err(),
        "it was not held"
    );
    ann.ask(&about(&eva, "admit"))?;
    let connected = held.hears("connected", PATIENCE)?;
    ensure!(connected["id"] == eva, "{connected}");
    let mut out = Peer::join(address_of(&server), "lobby")?;
    out.say(&json!({"type": "connect", "data": {"metadata": {"displayName": "Fay"}}}))?;
    ann.ask(&about(&knocks(&ann, "Fay")?, "deny"))?;
    let error = out.hears("error", PATIENCE)?;
    ensure!(error["code"] == "turned_away", "{error}");

    let seen: Vec<_> = bob.program.program.events();
    let names = seen
        .iter()
        .filter(|it| it.kind == "peer_joined")
        .map(|it| it.text("name"));
    let names: Vec<&str> = names.collect();
    ensure!(names == ["Ann", "Cid", "Eva"], "{names:?}");
    for who in [ann, bob] {
        who.program.leave()?;
    }
    cid.leave().map(drop)
}

#[test]
fn the_host_comes_back_as_host_appoints_removes_and_ends_it_for_all() -> Result<()> {
    let _turn = lane::turn();
    let server = Server::start()?;
    let link = server.link("roles");
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let as_ann = Join::new(&link, "Ann").data(folders[0].path());
    let as_bob = Join::new(&link, "Bob").data(folders[1].path());
    let ann = Person::join(&as_ann)?;
    ann.told("role of host", |rules| rules["role"] == "host")?;
    let bob = Person::join(&as_bob)?;
    let mut cid = Person::join(&Join::new(&link, "Cid"))?;
    ann.program.program.signal(Signal::KILL)?;
    drop(ann);
    let mut ann = Person::join(&as_ann)?;
    ann.told("role of host again", |rules| rules["role"] == "host")?;

    cid.ask(&about(&bob.id, "remove"))?;
    cid.refused(1)?;
    ann.ask(&json!({"do": "coHost", "endpointId": cid.id, "isOn": true}))?;
    cid.told("role of co-host", |rules| rules["role"] == "coHost")?;
    cid.ask(&json!({"do": "endForAll"}))?;
    cid.refused(2)?;
    cid.ask(&about(&bob.id, "remove"))?;
    let ended = bob.program.program.ended(PATIENCE)?;
    ensure!(ended.stderr.contains("The host removed you"), "{ended:?}");
    ann.program.hears("peer_left", &bob.id, PATIENCE)?;
    // This computer's addresses bar nobody, so it is the key that is known again.
    let said = turned_away(&as_bob)?;
    ensure!(said.contains("removed you from this room"), "{said}");
    let told = ann.told("bar", |rules| rules["removed"][0]["name"] == "Bob")?;
    let bar = told.body["rules"]["removed"][0]["bar"].clone();
    ann.ask(&json!({"do": "readmit", "bar": bar}))?;
    ann.told("no bar", |rules| rules["removed"] == json!([]))?;
    let bob = Person::join(&as_bob)?;

    let mut guest = Peer::join(address_of(&server), "roles")?;
    guest.connect("Guest")?;
    ann.ask(&json!({"do": "endForAll"}))?;
    ensure!(guest.hears("error", PATIENCE)?["code"] == "host_ended");
    for who in [ann, bob, cid] {
        let ended = who.program.program.ended(PATIENCE)?;
        ensure!(
            ended.stderr.contains("ended the call for everybody"),
            "{ended:?}"
        );
    }
    Ok(())
}

#[test]
fn an_address_that_was_removed_stays_out_whatever_program_it_uses() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guests = lan.host(&["10.77.0.2/24"])?;
        let server = Server::start_with(
            Some(&host.namespace),
            &["--port", "7684", "--allow-plain-ws"],
        )?;
        let link = server.link_by("10.77.0.1", "bars");
        let start = |name: &str, at| Join::new(&link, name).start_in(Some(at));
        let person = |program: snug_testkit::process::Participant| -> Result<Person> {
            let id = program.joined()?;
            Ok(Person { program, id })
        };
        let mut ann = person(start("Ann", &host.namespace)?)?;
        let bob = person(start("Bob", &guests.namespace)?)?;
        ann.ask(&about(&bob.id, "remove"))?;
        bob.program.program.ended(PATIENCE)?;
        // Another data folder, so another key, and a client that has none.
        let ended = start("Bea", &guests.namespace)?.program.ended(PATIENCE)?;
        ensure!(ended.code == Some(REFUSED), "{ended:?}");
        let unmodified = || -> Result<std::result::Result<(), String>> {
            let (said, heard) = std::sync::mpsc::channel();
            guests.namespace.spawn(move || {
                let joined = Socket::connect(([10, 77, 0, 1], 7684).into())
                    .and_then(|socket| Peer::join_on(socket, "bars", &json!({})));
                // Whoever asked waits for it, or has failed already.
                drop(said.send(joined.map(|_| ()).map_err(|error| format!("{error:#}"))));
            })?;
            Ok(heard.recv_timeout(PATIENCE)?)
        };
        let refused = unmodified()?;
        let is_barred = refused.as_ref().is_err_and(|said| said.contains("barred"));
        ensure!(is_barred, "{refused:?}");
        let told = ann.told("bar", |rules| rules["removed"][0]["name"] == "Bob")?;
        let bar = told.body["rules"]["removed"][0]["bar"].clone();
        ann.ask(&json!({"do": "readmit", "bar": bar}))?;
        ann.told("no bar", |rules| rules["removed"] == json!([]))?;
        ensure!(unmodified()? == Ok(()), "still barred");
        person(start("Bob", &guests.namespace)?)?.program.leave()?;
        ann.program.leave().map(drop)
    })
}
