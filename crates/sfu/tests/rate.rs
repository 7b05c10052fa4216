//! What happens on ways that carry less than everything, in virtual time: a camera in three layers
//! and a voice, a router, and a receiver behind a bad way that reports what arrives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#[path = "rate/world.rs"]
mod world;

use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{Encoding, LayerReason, Publish, Router};
use std::time::Duration;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use world::*;

#[test]
fn an_estimate_is_near_the_bottleneck_after_ten_seconds() {
    for kilobits in [300, 800, 1200, 2000] {
        let mut world = World::new(narrow(kilobits));
        world.run(10);
        let (_, estimate) = *world.estimates.last().unwrap();
        println!("{kilobits} kb/s: {estimate}, {:?}", world.layers);
        let carries = kilobits * 1000;
        assert!(
            (carries * 8 / 10..=carries * 12 / 10).contains(&estimate),
            "{kilobits}: {estimate}"
        );
    }
}

#[test]
fn a_wide_way_is_shown_the_best_at_once_and_for_good() {
    let mut world = World::new(narrow(20_000));
    world.run(60);
    assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
    assert_eq!(world.layer(), "h");
    // What a keyframe takes.
    assert!(world.wait_max_since(0) < 30, "{}", world.wait_max_since(0));
    assert_eq!(world.paused, []);
}

#[test]
fn a_way_that_narrows_shows_less_and_as_much_again_when_it_widens() {
    let mut world = World::new(deep(4000));
    world.run(20);
    assert_eq!(world.layer(), "h");
    world.down.set_config(deep(1000).seed(1));
    world.run(20);
    println!("{:?} {:?}", world.layers, world.estimates);
    let peak = world.wait_max_since(20_000);
    assert!(peak > 300, "{peak} ms: nothing had to be mended");
    assert!(
        world.wait_max_since(22_000) < 300,
        "{}",
        world.wait_max_since(22_000)
    );
    let switches = world.switches_since(20_000);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
    assert_eq!(world.layer(), "m");
    let (_, _, reason) = world.layers.last().unwrap();
    assert_eq!(*reason, LayerReason::LowBandwidth);
    world.down.set_config(deep(4000).seed(1));
    world.run(15);
    println!("{:?} {:?}", world.layers, world.estimates);
    assert_eq!(world.layer(), "h");
    let switches = world.switches_since(20_000);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
}

#[test]
fn all_cameras_are_shown_before_any_is_shown_better() {
    let mut world = World::with_cameras(narrow(4000), 4);
    let height = |shown: &Option<String>| match shown.as_deref() {
        None => 0,
        Some(rid) => 1 + RIDS.iter().position(|it| *it == rid).unwrap(),
    };
    // Kilobits a second, and what each is shown in the end: nothing, or so many of the layers.
    let stages = [
        (4000, 1..=2),
        (1500, 1..=2),
        (480, 0..=1),
        (1500, 1..=2),
        (9000, 3..=3),
    ];
    for (kilobits, heights) in stages {
        world.down.set_config(narrow(kilobits).seed(1));
        let mut shown = Vec::new();
        // What failed to rise some times is not tried for a minute.
        for second in 0..130 {
            world.run(1);
            shown = world.shown.values().map(height).collect::<Vec<_>>();
            let (least, most) = (shown.iter().min().unwrap(), shown.iter().max().unwrap());
            let is_fair = *least > 0 || *most <= 1;
            assert!(
                is_fair || second < 5,
                "{kilobits} kb/s, {second} s: {shown:?}"
            );
        }
        println!("{kilobits} kb/s: {shown:?}");
        assert_eq!(shown.len(), 4, "{kilobits} kb/s");
        let is_right = shown.iter().all(|height| heights.contains(height));
        assert!(is_right && shown[0] > 0, "{kilobits} kb/s: {shown:?}");
    }
}

#[test]
fn a_thread_of_a_way_carries_the_voice_alone() {
    let mut world = World::new(narrow(4000));
    world.run(15);
    world.down.set_config(narrow(90).seed(1));
    world.run(30);
    println!(
        "{:?} {:?} {:?}",
        world.paused, world.layers, world.estimates
    );
    assert!(world.paused.last().unwrap().1);
    let heard = world
        .heard
        .iter()
        .filter(|(sent, _)| (20_000..45_000).contains(sent));
    let share = heard.count() as f64 / 1250.0;
    assert!(share > 0.97, "{share}");
    assert!(
        world.wait_max_since(20_000) < 300,
        "{}",
        world.wait_max_since(20_000)
    );
    world.down.set_config(narrow(4000).seed(1));
    world.run(20);
    println!(
        "{:?} {:?} {:?}",
        world.paused, world.layers, world.estimates
    );
    assert!(!world.paused.last().unwrap().1);
    assert_eq!(world.layer(), "h");
}

#[test]
fn an_outage_of_two_seconds_is_forgotten_in_five() {
    let mut world = World::new(narrow(4000));
    world.run(20);
    world.is_cut = true;
    world.run(2);
    world.is_cut = false;
    world.run(5);
    assert_eq!(world.layer(), "h", "{:?}", world.layers);
    assert!(
        world.layers.len() == 1 || world.layers.len() == 3,
        "{:?}",
        world.layers
    );
    let last = world.seen.iter().filter(|at| **at > 26_000).count();
    assert!(last >= 28, "{last} pictures in the last second");
}

#[test]
fn a_radio_that_loses_some_is_shown_the_best() {
    for percent in [5, 10, 20] {
        let loss = RandomLoss::new(Probability::new(percent as f32 / 100.0));
        let mut world = World::new(narrow(20_000).loss(loss));
        world.run(60);
        println!(
            "{percent} %: {:?} {:?}",
            world.layers,
            world.estimates.last()
        );
        assert_eq!(world.layer(), "h", "{percent} %");
        assert!(world.layers.len() <= 5, "{percent} %: {:?}", world.layers);
    }
}

#[test]
fn what_a_radio_loses_is_sent_again_beside_estimates_and_pacing() {
    // Room for everything; and a way where pictures wait for their turn.
    for (kilobits, percent) in [(20_000, 10), (20_000, 20), (1200, 10)] {
        for seed in [1, 2, 3] {
            let loss = RandomLoss::new(Probability::new(percent as f32 / 100.0));
            let mut world = World::new(narrow(kilobits));
            world
                .down
                .set_config(narrow(kilobits).loss(loss).seed(seed));
            // A thin way pays with its first seconds: everything is tried at once.
            world.run(5);
            world.missing = Some(Missing::default());
            world.run(62);
            let missing = world.missing.as_ref().unwrap();
            let (residual, counters) = (missing.residual(), world.router.counters());
            println!("{kilobits} kb/s, {percent} %, {seed}: {residual:.5}, {counters:?}");
            assert!(
                missing.repaired * 100 > missing.came * (percent - 4),
                "nothing was lost"
            );
            assert!(
                residual < 0.005,
                "{kilobits} kb/s, {percent} %, {seed}: {residual}"
            );
            assert!(kilobits > 2000 || counters.paced > 0, "{counters:?}");
        }
    }
}

#[test]
fn wifi_by_turns_good_lossy_and_crowded_does_not_make_layers_flap() {
    let kinds = [
        NetemConfig::wifi,
        NetemConfig::wifi_lossy,
        NetemConfig::wifi_congested,
    ];
    let mut world = World::new(kinds[0]());
    for turn in 0..60 {
        world.down.set_config(kinds[turn % 3]().seed(turn as u64));
        world.run(10);
    }
    println!("{:?}", world.layers);
    let switches = world.switches_since(0);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
    assert!(switches.len() <= 20, "{} in ten minutes", switches.len());
    assert_eq!(world.paused, []);
}

#[test]
fn clocks_that_drift_apart_change_nothing_in_ten_minutes() {
    for skew_ppm in [-100, 100] {
        let mut world = World::new(narrow(4000));
        world.skew_ppm = skew_ppm;
        world.run(600);
        assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
        assert!(world.wait_max_since(0) < 100, "{}", world.wait_max_since(0));
    }
}

#[test]
fn publishers_hear_which_layers_nobody_is_shown() {
    let mut world = World::new(narrow(20_000));
    world.run(2);
    let told = |world: &World| world.wanted.last().map(|(_, rids)| rids.join(""));
    assert_eq!(told(&world), None);
    let show = |world: &mut World, rows| {
        let now = world.instant();
        world
            .router
            .set_media(VIEWER, vec![], subscriptions(rows), now);
    };
    show(&mut world, Some(180));
    world.run(5);
    assert_eq!(told(&world).unwrap(), "l");
    assert_eq!(world.layer(), "l");
    world.sender.is_on = [true, false, false];
    world.run(5);
    show(&mut world, Some(720));
    world.run(1);
    assert_eq!(told(&world).unwrap(), "lh");
    world.sender.is_on = [true, false, true];
    world.run(5);
    assert_eq!(world.layer(), "h");
    assert_eq!(told(&world).unwrap(), "h");
    show(&mut world, Some(0));
    world.run(4);
    assert_eq!(told(&world).unwrap(), "", "it is hidden");
    let at = world.now;
    world.run(2);
    assert!(world.seen.iter().all(|seen| *seen < at));
    assert_eq!(world.paused, [], "that is no thin way");
    show(&mut world, Some(720));
    world.run(2);
    let again = world.seen.iter().filter(|seen| **seen > at + 3000).count();
    assert!(again > 25, "{again} pictures in a second");
}

/// A picture without layers, whose sender asks to be told how much it may send.
fn alone() -> Publish {
    let mut alone = camera();
    alone.encodings = vec![Encoding {
        ssrc: Some(LAYERS[2]),
        ..Encoding::default()
    }];
    alone.bitrate_max = Some(2_500_000);
    alone
}

#[test]
fn a_sender_without_layers_is_told_what_the_way_leaves_for_it() {
    let mut world = World::new(narrow(4000));
    let now = world.instant();
    let publish = vec![alone(), voice()];
    world.router.set_media(SENDER, publish, vec![], now);
    world.sender.is_on = [false, false, true];
    world.run(10);
    assert_eq!(world.told.last(), Some(&2_500_000));
    world.down.set_config(narrow(600).seed(1));
    world.run(2);
    let least = *world.told.last().unwrap();
    assert!((200_000..700_000).contains(&least), "{least}");
    world.run(6);
    // It does not listen: sound alone is left.
    assert_eq!(
        world.paused.last().map(|(_, is_paused)| *is_paused),
        Some(true)
    );
    assert!(world.wait_max_since(14_000) < 300);
    world.down.set_config(narrow(4000).seed(1));
    world.run(30);
    assert_eq!(
        world.paused.last().map(|(_, is_paused)| *is_paused),
        Some(false)
    );
    assert_eq!(world.told.last(), Some(&2_500_000));
}

#[test]
fn a_receiver_that_only_says_what_it_can_take_is_shown_that() {
    let mut world = World::with_own_estimate(narrow(20_000));
    world.run(60);
    println!("{:?}", world.layers);
    assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
    assert_eq!(world.layer(), "h", "its word is no limit on a wide way");

    let mut world = World::with_own_estimate(deep(4000));
    world.run(20);
    world.down.set_config(deep(1000).seed(1));
    world.run(60);
    println!("{:?}", world.layers);
    assert!(world.wait_max_since(20_000) > 300, "nothing to be mended");
    let since = world.heard.iter().filter(|(sent, _)| *sent >= 22_000);
    let waits = since.map(|(sent, came)| came - sent - 20);
    let (late, all) = waits.fold((0, 0), |(late, all), wait| {
        (late + u32::from(wait > 300), all + 1)
    });
    assert!(late * 100 < all * 4, "{late} of {all} were late");
    // It finds out by trying, and tries less and less often.
    let switches = world.switches_since(20_000);
    assert!((1..=8).contains(&switches.len()), "{switches:?}");
    world.down.set_config(deep(4000).seed(1));
    world.run(70);
    println!("{:?}", world.layers);
    assert_eq!(world.layer(), "h", "{:?}", world.layers);
}

#[test]
fn a_publisher_hears_how_its_packets_arrive_whatever_they_are() {
    let (mut router, start) = (Router::default(), start());
    let mut publish = voice();
    publish.extensions.transport_cc = Some(NUMBER_ID);
    router.set_media(SENDER, vec![publish], vec![], start);
    let mut out = [0; 700];
    for number in 0..12u16 {
        // Every third belongs to nothing that the router knows, and one is lost.
        let fields = Fields {
            marker: false,
            payload_type: 111,
            sequence: SequenceNumber(number),
            timestamp: RtpTime(0),
            ssrc: if number % 3 == 0 { 99 } else { 14 },
        };
        let mut bytes = [0; 100];
        let extensions = [(NUMBER_ID, &number.to_be_bytes()[..])];
        let len = write_packet(&mut bytes, &fields, &extensions, b"opus")
            .unwrap()
            .len;
        let packet = Packet::parse(&bytes[..len]).unwrap();
        let at = start + Duration::from_millis(u64::from(number) * 5);
        if number != 7 {
            router.handle_arrival(SENDER, &packet, at);
        }
    }
    let due = start + Duration::from_millis(60);
    assert!(router.deadline().unwrap() <= due);
    let report = router.poll_feedback(due, &mut out).unwrap();
    assert_eq!(report.to, SENDER);
    let told =
        snug_rtp::rtcp::packets(&out[..report.len]).find_map(|packet| match packet.unwrap() {
            snug_rtp::rtcp::Packet::TransportFeedback(feedback) => Some(feedback),
            _ => None,
        });
    let told: Vec<_> = told.unwrap().arrivals().collect();
    assert_eq!(told.len(), 12);
    let first = told[0].1.unwrap();
    for (number, at) in told {
        let expected = (number.0 != 7).then(|| i64::from(number.0) * 5000);
        assert_eq!(at.map(|at| at.micros_since(first)), expected);
    }
    assert!(router.poll_feedback(due, &mut out).is_none());
}
