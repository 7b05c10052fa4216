use proptest::prelude::*;
use snug_protocol::AdvertRoom;

use super::*;
use crate::datagram;

fn advert(key: u8, rooms: &[&str]) -> Advert {
    let room = |name: &&str| AdvertRoom {
        name: RoomName::parse(name).unwrap(),
        people: 2,
        is_locked: true,
    };
    Advert {
        host: DisplayName::parse("desk").unwrap(),
        port: 7684,
        pin: Pin::new([key; 32]),
        addresses: vec!["fd00::9".parse().unwrap()],
        rooms: rooms.iter().map(room).collect(),
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listing(now: Instant) -> Listing {
    let link = |address: &str, prefix| Link {
        name: "eth0".into(),
        index: 2,
        address: address.parse().unwrap(),
        prefix,
        is_up: true,
        is_tunnel: false,
    };
    let mut listing = Listing::new(9, now);
    listing.handle_links(vec![link("10.0.0.1", 24), link("fd00::1", 64)]);
    listing
}

fn hear(listing: &mut Listing, from: &str, told: &Advert, now: Instant) {
    for part in datagram::tell(Nonce(9), told) {
        listing.handle_datagram(at(from), &part, now);
    }
}

fn outputs(listing: &mut Listing) -> Vec<Output> {
    std::iter::from_fn(|| listing.poll_output()).collect()
}

fn names(listing: &Listing) -> Vec<String> {
    listing
        .rooms()
        .iter()
        .map(|room| room.name.to_string())
        .collect()
}

/// Lets time pass to `until`, doing what is due when it is due.
fn pass(listing: &mut Listing, until: Instant) -> Vec<(Instant, Output)> {
    let mut done = Vec::new();
    while let Some(due) = listing.deadline().filter(|due| *due <= until) {
        listing.handle_timeout(due);
        done.extend(outputs(listing).into_iter().map(|output| (due, output)));
    }
    done
}

#[test]
fn everybody_is_asked_at_once_and_every_two_seconds() {
    let start = Instant::now();
    let mut listing = listing(start);
    let done = pass(&mut listing, start + Duration::from_secs(5));
    let asked: Vec<u128> = done
        .iter()
        .filter(|(_, output)| matches!(output, Output::AskAll(_)))
        .map(|(when, _)| when.duration_since(start).as_millis())
        .collect();
    assert_eq!(asked, [0, 500, 2500, 4500]);
    let swept: Vec<_> = done
        .iter()
        .filter(|(_, output)| *output == Output::Sweep)
        .collect();
    assert_eq!(
        swept,
        [&(start + SWEEP_AFTER, Output::Sweep)],
        "once, as nothing was heard"
    );
}

#[test]
fn a_room_is_listed_when_heard_and_gone_by_farewell_or_silence() {
    let start = Instant::now();
    let mut listing = listing(start);
    hear(
        &mut listing,
        "10.0.0.9:4000",
        &advert(1, &["a", "b"]),
        start,
    );
    assert_eq!(names(&listing), ["a", "b"]);
    let room = &listing.rooms()[0];
    assert_eq!(
        room.link().to_string(),
        format!("snug://10.0.0.9/a#k={}", room.pin)
    );
    let over = Gone {
        pin: Pin::new([1; 32]),
        port: 7684,
        rooms: vec!["a".parse().unwrap()],
    };
    let farewell = datagram::gone(Nonce(9), &over).remove(0);
    listing.handle_datagram(at("10.0.0.66:4000"), &farewell, start);
    assert_eq!(
        names(&listing),
        ["a", "b"],
        "another computer says no farewell"
    );
    listing.handle_datagram(at("10.0.0.9:4000"), &farewell, start);
    assert_eq!(names(&listing), ["b"]);
    let done = pass(&mut listing, start + Duration::from_millis(4499));
    assert_eq!(names(&listing), ["b"]);
    let asks = |(_, output): &&(Instant, Output)| matches!(output, Output::Ask(to, _) if *to == at("10.0.0.9:4000"));
    assert_eq!(
        done.iter().filter(asks).count(),
        3,
        "it is asked alone, too"
    );
    assert!(
        done.iter().all(|(_, output)| *output != Output::Sweep),
        "none is needed"
    );
    pass(&mut listing, start + Duration::from_millis(4500));
    assert_eq!(names(&listing), [""; 0]);
}

#[test]
fn two_hosts_of_one_room_name_are_two_and_one_host_of_two_ways_is_one() {
    let start = Instant::now();
    let mut listing = listing(start);
    hear(&mut listing, "10.0.0.9:4000", &advert(1, &["a"]), start);
    hear(&mut listing, "10.0.0.8:4000", &advert(2, &["a"]), start);
    assert_eq!(names(&listing), ["a", "a"]);
    hear(&mut listing, "[fd00::9]:4000", &advert(1, &["a"]), start);
    assert_eq!(names(&listing), ["a", "a"]);
    let later = start + Duration::from_secs(3);
    // Somebody who claims the key of another does not take its place while that one answers.
    hear(&mut listing, "10.0.0.66:4000", &advert(1, &["a"]), later);
    let addresses: Vec<_> = listing.rooms().iter().map(|room| room.address).collect();
    assert_eq!(addresses, [at("10.0.0.8:7684"), at("10.0.0.9:7684")]);
    pass(&mut listing, start + SILENCE_MAX);
    assert_eq!(names(&listing), [""; 0], "nor does it keep it alive");
}

#[test]
fn strangers_and_answers_to_others_do_not_count() {
    let now = Instant::now();
    let mut listing = listing(now);
    hear(&mut listing, "10.0.1.9:4000", &advert(1, &["a"]), now);
    let other = datagram::tell(Nonce(8), &advert(1, &["a"])).remove(0);
    listing.handle_datagram(at("10.0.0.9:4000"), &other, now);
    listing.handle_pointer(at("203.0.113.1:7684"));
    listing.handle_check(at("203.0.113.1:7684"), Some(advert(1, &["a"])), now);
    assert_eq!(names(&listing), [""; 0]);
    assert_eq!(outputs(&mut listing), []);
}

#[test]
fn a_host_heard_without_a_zone_is_dialled_at_its_better_address() {
    let now = Instant::now();
    let mut listing = listing(now);
    hear(&mut listing, "[fe80::9%2]:4000", &advert(1, &["a"]), now);
    assert_eq!(listing.rooms()[0].address, at("[fd00::9]:7684"));
    let mut poor = advert(2, &["b"]);
    poor.addresses = vec!["2001:db8::9".parse().unwrap(), "10.0.0.7".parse().unwrap()];
    hear(&mut listing, "[fe80::8%2]:4000", &poor, now);
    let link = listing.rooms()[1].link().to_string();
    assert!(link.starts_with("snug://[fe80::8%252]/b#k="), "{link}");
}

#[test]
fn an_address_that_needs_a_zone_gives_way() {
    let now = Instant::now();
    let mut listing = listing(now);
    let mut plain = advert(1, &["a"]);
    plain.addresses.clear();
    hear(&mut listing, "[fe80::9%2]:4000", &plain, now);
    assert_eq!(listing.rooms()[0].address, at("[fe80::9%2]:7684"));
    hear(&mut listing, "10.0.0.9:4000", &plain, now);
    hear(&mut listing, "[fe80::9%2]:4000", &plain, now);
    assert_eq!(listing.rooms()[0].address, at("10.0.0.9:7684"));
}

#[test]
fn a_pointed_host_is_checked_until_it_answers_by_udp() {
    let start = Instant::now();
    let mut listing = listing(start);
    let host = at("10.0.0.9:7684");
    listing.handle_pointer(host);
    let said = outputs(&mut listing);
    assert!(
        matches!(&said[..], [Output::Ask(to, _), Output::Check(checked)]
        if *to == at("10.0.0.9:7685") && *checked == host),
        "{said:?}"
    );
    listing.handle_check(host, Some(advert(1, &["a", "b"])), start);
    listing.handle_check(host, Some(advert(1, &["a"])), start);
    assert_eq!(names(&listing), ["a"]);
    let done = pass(&mut listing, start + Duration::from_secs(2));
    let checks = |done: &[(Instant, Output)]| {
        done.iter()
            .filter(|(_, output)| *output == Output::Check(host))
            .count()
    };
    assert_eq!(checks(&done), 1, "the next waits for the answer");
    let later = start + Duration::from_secs(2);
    hear(&mut listing, "10.0.0.9:4000", &advert(1, &["a"]), later);
    listing.handle_check(host, None, later);
    assert_eq!(names(&listing), ["a"], "what answers by UDP is there");
    let done = pass(&mut listing, later + Duration::from_secs(4));
    assert_eq!(checks(&done), 0);
}

#[test]
fn a_host_that_answers_by_https_only_is_gone_when_it_does_not() {
    let now = Instant::now();
    let mut listing = listing(now);
    let host = at("10.0.0.9:7684");
    listing.handle_check(host, Some(advert(1, &["a"])), now);
    assert_eq!(names(&listing), ["a"]);
    listing.handle_check(host, None, now);
    assert_eq!(names(&listing), [""; 0]);
    listing.handle_look_again(now);
    assert!(outputs(&mut listing).contains(&Output::Sweep));
}

proptest! {
    /// Whatever the network says, in whatever order: no panic, and every bound holds.
    #[test]
    fn nothing_breaks_the_list(
        says in proptest::collection::vec((any::<u8>(), any::<u8>(), "[a-z]{1,3}", 0u64..3000), 0..400),
    ) {
        let mut now = Instant::now();
        let mut listing = listing(now);
        for (kind, host, name, rest_ms) in says {
            now += Duration::from_millis(rest_ms);
            let from = SocketAddr::from(([10, 0, 0, host], 4000));
            let told = advert(host, &[&name]);
            match kind % 5 {
                0 => listing.handle_check(from, Some(told), now),
                1 => listing.handle_check(from, None, now),
                2 => listing.handle_pointer(from),
                3 => listing.handle_timeout(now),
                _ => hear(&mut listing, &from.to_string(), &told, now),
            }
            if listing.deadline().is_some_and(|due| due <= now) {
                listing.handle_timeout(now);
            }
            prop_assert!(listing.rooms().len() <= ROOMS_MAX);
            prop_assert!(listing.pointed.len() <= POINTED_MAX);
            prop_assert!(outputs(&mut listing).len() <= 2 + ROOMS_MAX + 2 * POINTED_MAX + 2);
        }
        pass(&mut listing, now + SILENCE_MAX);
        prop_assert_eq!(listing.rooms(), vec![]);
    }
}
