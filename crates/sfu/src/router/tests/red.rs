//! Sound that is said twice (RFC 2198), and those who understand that and those who do not.

use super::*;
use snug_rtp::red::{Earlier, Red, write_red};

const RED: u8 = 63;

/// A packet of the speaker's that repeats the one before.
fn twice(sequence: u16, own: &[u8], payload_type: u8) -> Sent {
    let earlier = Earlier {
        payload_type: 111,
        age: 960,
        payload: b"before",
    };
    let mut bytes = [0; 64];
    let len = write_red(&mut bytes, Some(&earlier), payload_type, own).unwrap();
    let timestamp = u32::from(sequence) * 960;
    Sent::new(RED, 6, sequence, timestamp, &[(1, &[0x55])], &bytes[..len])
}

fn spoken_twice() -> Bench {
    let voice = Publish {
        red_payload_type: Some(RED),
        ..voice(6)
    };
    Bench::new(vec![voice])
}

/// Lets another listener in who understands it, under other numbers than the speaker's.
fn join_who_understands(bench: &mut Bench) {
    let subscribe = Subscribe {
        red_payload_type: Some(102),
        ..subscribe(VOICE, 603, 101)
    };
    bench
        .router
        .set_media(OTHER, vec![], vec![subscribe], bench.now);
    bench.router.handle_connected(OTHER, bench.now);
}

fn received_by(bench: &Bench, peer: PeerKey) -> Packet<'_> {
    let found = bench.received.iter().rfind(|(to, _)| *to == peer);
    Packet::parse(&found.unwrap().1).unwrap()
}

#[test]
fn it_reaches_who_understands_it_whole_and_others_without_the_copy() {
    let mut bench = spoken_twice();
    join_who_understands(&mut bench);
    assert!(bench.send(&twice(7, b"now", 111)));
    let plain = received_by(&bench, LISTENER);
    assert_eq!(
        (plain.header().payload_type, plain.payload()),
        (101, &b"now"[..])
    );
    assert_eq!(
        plain.extension(2),
        Some(&[0x55][..]),
        "the level came along"
    );

    let whole = received_by(&bench, OTHER);
    assert_eq!(whole.header().payload_type, 102);
    let red = Red::parse(whole.payload()).unwrap();
    assert_eq!((red.payload_type(), red.payload()), (101, &b"now"[..]));
    let earlier: Vec<_> = red.earlier().collect();
    let expected = Earlier {
        payload_type: 101,
        age: 960,
        payload: b"before",
    };
    assert_eq!(earlier, [expected]);

    // What is said once stays so, in the same stream.
    assert!(bench.send(&Sent::audio(6, 8, 8 * 960)));
    let next = received_by(&bench, OTHER);
    assert_eq!(
        (next.header().payload_type, next.payload()),
        (101, &b"opus"[..])
    );
    assert_eq!(next.header().sequence.0, whole_sequence(&bench, OTHER) + 1);
}

/// The number of the packet before the last.
fn whole_sequence(bench: &Bench, peer: PeerKey) -> u16 {
    let mut of = bench.received.iter().rev().filter(|(to, _)| *to == peer);
    let (_, bytes) = of.nth(1).unwrap();
    Packet::parse(bytes).unwrap().header().sequence.0
}

#[test]
fn a_thin_way_is_spared_the_copy() {
    let mut bench = spoken_twice();
    join_who_understands(&mut bench);
    bench.rtcp(OTHER, |writer| writer.remb(0, 603, 100_000).unwrap());
    bench.now += Duration::from_secs(1);
    bench.router.handle_timeout(bench.now);
    bench.send(&twice(7, b"now", 111));
    let packet = received_by(&bench, OTHER);
    assert_eq!(
        (packet.header().payload_type, packet.payload()),
        (101, &b"now"[..])
    );
    bench.rtcp(OTHER, |writer| writer.remb(0, 603, 2_000_000).unwrap());
    bench.now += Duration::from_secs(1);
    bench.router.handle_timeout(bench.now);
    bench.send(&twice(8, b"now", 111));
    assert_eq!(received_by(&bench, OTHER).header().payload_type, 102);
}

#[test]
fn what_is_no_sound_that_all_can_read_is_not_passed_on() {
    let mut bench = spoken_twice();
    let cut = Sent::new(RED, 6, 7, 0, &[], &[0x80 | 111, 0, 0, 9]);
    assert!(!bench.send(&cut));
    // Its own sound is of a kind that nobody was told of.
    assert!(!bench.send(&twice(8, b"now", 13)));
    assert_eq!(bench.router.counters().malformed, 2);
    assert!(bench.received.is_empty());
    // Without an agreement it is of no track at all.
    let mut bench = Bench::new(vec![voice(6)]);
    assert!(!bench.send(&twice(7, b"now", 111)));
}
