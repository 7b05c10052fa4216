//! A peer that checks, nominates, restarts and moves, by made-up instants.

use super::*;
use std::net::Ipv4Addr;

const MS: Duration = Duration::from_millis(1);

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: name.to_owned(),
        pwd: format!("the password of {name}"),
    }
}

fn path(port: u16) -> Path {
    Path::direct(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None)
}

/// An agent whose peer has offered, and the instant at which it did.
fn agent() -> (Ice, Instant) {
    let now = Instant::now();
    let mut ice = Ice::new(credentials("ours"));
    assert!(
        ice.set_remote(credentials("ours"), &credentials("theirs"), now)
            .is_empty()
    );
    (ice, now)
}

/// Sends a check of a generation as the peer would.
fn check(
    ice: &mut Ice,
    names: (&str, &str),
    password: &str,
    path: Path,
    is_nominated: bool,
    now: Instant,
) -> Result<(), NotBelieved> {
    let message = stun::tests::binding_request(names, password, is_nominated);
    let Ok(stun::Message::Request(request)) = stun::parse(&message) else {
        panic!()
    };
    let believed = ice.authenticate(&request, now)?;
    ice.accept(&believed, path, request.use_candidate, now);
    Ok(())
}

fn good(ice: &mut Ice, port: u16, is_nominated: bool, now: Instant) {
    let password = "the password of ours";
    check(
        ice,
        ("ours", "theirs"),
        password,
        path(port),
        is_nominated,
        now,
    )
    .unwrap();
}

#[test]
fn the_latest_checked_path_is_used_until_one_is_nominated() {
    let (mut ice, now) = agent();
    assert_eq!(ice.path(now), None);
    good(&mut ice, 1, false, now);
    assert_eq!(ice.path(now), Some(path(1)));
    good(&mut ice, 2, false, now);
    assert_eq!(ice.path(now), Some(path(2)));
    good(&mut ice, 1, true, now);
    good(&mut ice, 2, false, now);
    assert_eq!(ice.path(now), Some(path(1)));
    good(&mut ice, 2, true, now);
    assert_eq!(ice.path(now), Some(path(2)), "a later nomination moves");
}

#[test]
fn only_the_right_names_and_password_are_believed() {
    let (mut ice, now) = agent();
    let password = "the password of ours";
    let mut try_with =
        |names, password| check(&mut ice, names, password, path(1), false, now).unwrap_err();
    assert_eq!(
        try_with(("ours", "theirs"), "guess"),
        NotBelieved::WrongCredentials
    );
    assert_eq!(
        try_with(("ours", "foreign"), password),
        NotBelieved::WrongCredentials
    );
    assert_eq!(
        try_with(("other", "theirs"), password),
        NotBelieved::UnknownCredentials
    );
    assert_eq!(ice.path(now), None);
    let mut early = Ice::new(credentials("ours"));
    let result = check(
        &mut early,
        ("ours", "theirs"),
        password,
        path(1),
        false,
        now,
    );
    assert_eq!(
        result,
        Err(NotBelieved::WrongCredentials),
        "the offer has not come"
    );
}

#[test]
fn a_restart_keeps_the_old_path_and_credentials_for_a_while() {
    let (mut ice, now) = agent();
    good(&mut ice, 1, true, now);
    ice.set_remote(credentials("second"), &credentials("theirs2"), now);
    let second = ("second", "theirs2");
    let password = "the password of second";
    check(&mut ice, second, password, path(2), false, now).unwrap();
    assert_eq!(ice.path(now), Some(path(1)), "make before break");
    good(&mut ice, 1, true, now + 29_000 * MS);
    check(&mut ice, second, password, path(2), true, now + 29_100 * MS).unwrap();
    good(&mut ice, 1, true, now + 29_200 * MS);
    assert_eq!(
        ice.path(now + 29_200 * MS),
        Some(path(2)),
        "an old nomination does not move back"
    );
    let late = now + 30_000 * MS;
    let result = check(
        &mut ice,
        ("ours", "theirs"),
        "the password of ours",
        path(1),
        false,
        late,
    );
    assert_eq!(result, Err(NotBelieved::UnknownCredentials));
    assert_eq!(ice.deadline(), Some(late));
    assert_eq!(ice.handle_timeout(late), ["ours"]);
    assert_eq!(ice.ufrags().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn a_restart_of_one_side_keeps_the_old_names_of_the_other() {
    let (mut ice, now) = agent();
    let password = "the password of ours";
    assert!(
        ice.set_remote(credentials("ours"), &credentials("theirs2"), now)
            .is_empty()
    );
    for theirs in ["theirs", "theirs2"] {
        check(&mut ice, ("ours", theirs), password, path(1), false, now).unwrap();
    }
    let late = now + 30_000 * MS;
    assert!(
        ice.handle_timeout(late).is_empty(),
        "the name is still in use"
    );
    let old = check(&mut ice, ("ours", "theirs"), password, path(1), false, late);
    assert_eq!(old, Err(NotBelieved::WrongCredentials));
    check(
        &mut ice,
        ("ours", "theirs2"),
        password,
        path(1),
        false,
        late,
    )
    .unwrap();
    assert!(
        ice.set_remote(credentials("ours"), &credentials("theirs2"), late)
            .is_empty()
    );
    assert_eq!(ice.deadline(), None, "the same again is no restart");
}

#[test]
fn a_silent_path_gives_way_and_consent_runs_out() {
    let (mut ice, now) = agent();
    good(&mut ice, 1, true, now);
    ice.note_heard(path(1), now + 900 * MS);
    good(&mut ice, 2, false, now + 1_500 * MS);
    assert_eq!(
        ice.path(now + 1_500 * MS),
        Some(path(1)),
        "heard 600 ms ago"
    );
    good(&mut ice, 2, false, now + 2_000 * MS);
    assert_eq!(ice.path(now + 2_000 * MS), Some(path(2)));
    assert_eq!(ice.path(now + 31_999 * MS), Some(path(2)));
    assert_eq!(ice.path(now + 32_000 * MS), None);
}

#[test]
fn paths_and_generations_are_bounded() {
    let (mut ice, now) = agent();
    for port in 1..=100 {
        good(&mut ice, port, port == 1, now + u32::from(port) * MS);
    }
    assert_eq!(ice.remotes().count(), PATHS_MAX);
    assert!(
        ice.remotes().any(|remote| remote.port() == 1),
        "the selected path stays"
    );
    let mut gone = Vec::new();
    for number in 0..20 {
        gone.extend(ice.set_remote(credentials(&number.to_string()), &credentials("x"), now));
    }
    assert_eq!(ice.ufrags().count() + gone.len(), 21);
    assert_eq!(ice.ufrags().count(), GENERATIONS_MAX);
    ice.forget(path(1).remote);
    assert_eq!(ice.path(now), None);
}
