//! What comes through an allocation is its owner's, or dropped and counted.

use super::*;
use crate::transport::RelayAccess;
use crate::transport::turn::tests::{allocate, bind, channel_data, sign};
use rtc_stun::attributes::{ATTR_NONCE, ATTR_XOR_RELAYED_ADDRESS};
use rtc_stun::message::Message;
use rtc_stun::xoraddr::XorMappedAddress;

const OURS: &str = "10.0.0.1:7684";
const CHANNEL: u16 = 0x4000;

/// Adds a peer that may relay; see [`Bench::add`].
fn add(bench: &mut Bench, key: u32) {
    let (peer, events) = (PeerKey(key), bench.sender.clone());
    let ice = credentials(&format!("ours{key}"));
    let relay = RelayAccess::new(format!("1:{key}"), "secret", &[OURS.parse().unwrap()]);
    bench.command(TransportCommand::AddPeer {
        peer,
        room: RoomKey(1),
        ice: ice.clone(),
        relay: Some(relay),
        events,
    });
    offer(bench, key, ice);
}

fn offer(bench: &mut Bench, key: u32, local_ice: IceCredentials) {
    bench.command(TransportCommand::SetRemote {
        peer: PeerKey(key),
        ice: credentials("theirs"),
        fingerprint: [7; 32],
        local_ice,
    });
}

/// The last datagram that went out.
fn last(bench: &Bench) -> (SocketAddr, Vec<u8>) {
    bench.sent.lock().unwrap().last().unwrap().clone()
}

fn answer(bench: &mut Bench, client: SocketAddr, request: &[u8]) -> Message {
    assert_eq!(bench.receive(client, request), 1);
    let (to, data) = last(bench);
    assert_eq!(to, client);
    let mut answer = Message::new();
    answer.unmarshal_binary(&data).unwrap();
    answer
}

/// Makes an allocation of the peer's with a channel to our address; returns its relayed address.
fn allocated(bench: &mut Bench, key: u32, client: SocketAddr) -> SocketAddr {
    let nonce = answer(bench, client, &allocate().raw)
        .get(ATTR_NONCE)
        .unwrap();
    let mut found = None;
    for mut request in [allocate(), bind(CHANNEL, OURS)] {
        sign(&mut request, &format!("1:{key}"), "secret", &nonce);
        let granted = answer(bench, client, &request.raw);
        assert_eq!(granted.typ.value() & 0x0110, 0x0100, "a success");
        let mut relayed = XorMappedAddress::default();
        if relayed
            .get_from_as(&granted, ATTR_XOR_RELAYED_ADDRESS)
            .is_ok()
        {
            found = Some(SocketAddr::new(relayed.ip, relayed.port));
        }
    }
    found.unwrap()
}

/// Lets a check with the credentials `ours` come through a client's channel.
fn check(bench: &mut Bench, ours: &str, client: SocketAddr) -> usize {
    let password = format!("the password of {ours}");
    let message = stun::tests::binding_request((ours, "theirs"), &password, true);
    bench.receive(client, &channel_data(CHANNEL, &message))
}

#[test]
fn a_check_is_answered_through_the_allocation_that_it_came_by() {
    let mut bench = Bench::new();
    add(&mut bench, 1);
    let relayed = allocated(&mut bench, 1, address(5_000));
    assert_eq!(check(&mut bench, "ours1", address(5_000)), 1);
    let (to, data) = last(&bench);
    assert_eq!(
        (to, &data[..2]),
        (address(5_000), &CHANNEL.to_be_bytes()[..])
    );
    let mut inner = Message::new();
    inner.unmarshal_binary(&data[4..]).unwrap();
    let mut seen = XorMappedAddress::default();
    rtc_stun::message::Getter::get_from(&mut seen, &inner).unwrap();
    assert_eq!(SocketAddr::new(seen.ip, seen.port), relayed);
    let peer = bench.shard.peers[0].as_ref().unwrap();
    assert_eq!(peer.ice.path(bench.now).unwrap().remote, relayed);
    assert!(
        bench.shard.by_remote.is_empty(),
        "nobody can come from there directly"
    );
}

#[test]
fn another_peer_s_check_handshake_and_media_are_dropped_and_counted() {
    let mut bench = Bench::new();
    add(&mut bench, 1);
    add(&mut bench, 2);
    allocated(&mut bench, 1, address(5_000));
    let stolen = allocated(&mut bench, 2, address(6_000));
    assert_eq!(check(&mut bench, "ours1", address(5_000)), 1);
    // All of it is right, but for the way.
    assert_eq!(check(&mut bench, "ours1", address(6_000)), 0);
    assert_eq!(bench.shard.counters.turn_foreign.get(), 1);
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for data in [&hello[..], &[0x80; 40], &[0x80, 200, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(
            bench.receive(address(6_000), &channel_data(CHANNEL, data)),
            0
        );
    }
    assert_eq!(bench.shard.counters.unknown_address.get(), 3, "not checked");
    // Nor can a relayed address be feigned.
    assert_eq!(bench.receive(stolen, &[0x80; 40]), 0);
    assert_eq!(bench.shard.counters.unknown_address.get(), 4);
    // Nor does an allocation wrap another, or carry a request to the server that it is of.
    let nested = channel_data(CHANNEL, &channel_data(CHANNEL, &[0x80; 40]));
    assert_eq!(bench.receive(address(5_000), &nested), 0);
    assert_eq!(
        bench.receive(address(5_000), &channel_data(CHANNEL, &allocate().raw)),
        0
    );
}

#[test]
fn an_old_way_works_until_half_a_minute_after_the_new_one_is_nominated() {
    let mut bench = Bench::new();
    add(&mut bench, 1);
    let old = allocated(&mut bench, 1, address(5_000));
    assert_eq!(check(&mut bench, "ours1", address(5_000)), 1);
    offer(&mut bench, 1, credentials("again"));
    let new = allocated(&mut bench, 1, address(5_001));
    let path = |bench: &Bench| {
        let peer = bench.shard.peers[0].as_ref().unwrap();
        peer.ice.path(bench.now).map(|path| path.remote)
    };
    assert_eq!(path(&bench), Some(old), "before it is checked");
    assert_eq!(check(&mut bench, "again", address(5_001)), 1);
    assert_eq!(path(&bench), Some(new));
    bench.now += 29_000 * MS;
    bench.shard.handle_timers(bench.now);
    assert_eq!(check(&mut bench, "again", address(5_001)), 1);
    assert_eq!(
        check(&mut bench, "ours1", address(5_000)),
        1,
        "answered still"
    );
    bench.now += 1_000 * MS;
    bench.shard.handle_timers(bench.now);
    assert_eq!(check(&mut bench, "ours1", address(5_000)), 0);
    assert_eq!(check(&mut bench, "again", address(5_001)), 1);
    let peer = bench.shard.peers[0].as_ref().unwrap();
    assert!(
        peer.ice.remotes().all(|remote| remote == new),
        "its paths are forgotten"
    );
}

#[test]
fn a_peer_that_leaves_takes_its_allocations_along() {
    let mut bench = Bench::new();
    add(&mut bench, 1);
    allocated(&mut bench, 1, address(5_000));
    let peer = PeerKey(1);
    bench.command(TransportCommand::RemovePeer { peer });
    assert_eq!(check(&mut bench, "ours1", address(5_000)), 0);
    assert_eq!(bench.shard.counters.turn_refused.get(), 1);
    assert_eq!(bench.shard.port.turn.len(), 0);
}
