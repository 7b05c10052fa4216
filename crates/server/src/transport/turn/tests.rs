//! A client made of `rtc-stun`, so that a mistake of ours is not made twice.

use super::*;
use crate::transport::io::StreamKey;
use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider as _;
use rtc_crypto::providers::RingProvider;
use rtc_stun::attributes::*;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, Getter as _, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message as Theirs, MessageType, Setter,
};
use rtc_stun::xoraddr::XorMappedAddress;

const PASSWORD: &str = "open sesame";
const OURS: &str = "10.0.0.1:7684";
const OUTSIDE: &str = "203.0.113.9:9000";
const SIXTH: &str = "[2001:db8:5::1]:7684";
const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server that knows the peers "1:ann" in place 0 and "1:bob" in place 1, and a clock.
struct Bench {
    turn: Turn,
    now: Instant,
}

/// What came back: the number of the error, 0 for a success, and the message.
struct Reply {
    code: u16,
    len: usize,
    message: Theirs,
}

impl Reply {
    fn address(&self, kind: AttrType) -> SocketAddr {
        let mut found = XorMappedAddress::default();
        found.get_from_as(&self.message, kind).unwrap();
        SocketAddr::new(found.ip, found.port)
    }

    fn nonce(&self) -> Vec<u8> {
        self.message.get(ATTR_NONCE).unwrap()
    }

    fn lifetime(&self) -> u32 {
        let value = self.message.get(ATTR_LIFETIME).unwrap();
        u32::from_be_bytes(value.try_into().unwrap())
    }
}

fn client(port: u16) -> Path {
    Path::direct(SocketAddr::from(([10, 0, 0, 9], port)), None)
}

/// Starts a message with a transaction of its own.
fn begin(method: rtc_stun::message::Method) -> Theirs {
    let mut message = Theirs::new();
    message.set_type(MessageType::new(method, CLASS_REQUEST));
    message.new_transaction_id().unwrap();
    message.write_header();
    message
}

pub(in crate::transport) fn allocate() -> Theirs {
    let mut message = begin(METHOD_ALLOCATE);
    message.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    message
}

fn refresh(seconds: u32) -> Theirs {
    let mut message = begin(METHOD_REFRESH);
    message.add(ATTR_LIFETIME, &seconds.to_be_bytes());
    message
}

fn permit(peers: &[&str]) -> Theirs {
    let mut message = begin(METHOD_CREATE_PERMISSION);
    peers.iter().for_each(|peer| add_peer(&mut message, peer));
    message
}

pub(in crate::transport) fn bind(number: u16, peer: &str) -> Theirs {
    let mut message = begin(METHOD_CHANNEL_BIND);
    let [high, low] = number.to_be_bytes();
    message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
    add_peer(&mut message, peer);
    message
}

fn add_peer(message: &mut Theirs, peer: &str) {
    let peer = address(peer);
    let (ip, port) = (peer.ip(), peer.port());
    let value = XorMappedAddress { ip, port };
    value.add_to_as(message, ATTR_XOR_PEER_ADDRESS).unwrap();
}

fn send_indication(peer: &str, data: &[u8]) -> Vec<u8> {
    let mut message = begin(METHOD_SEND);
    message.set_type(MessageType::new(METHOD_SEND, CLASS_INDICATION));
    add_peer(&mut message, peer);
    message.add(ATTR_DATA, data);
    message.raw
}

pub(in crate::transport) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    let mut raw = number.to_be_bytes().to_vec();
    raw.extend(len.to_be_bytes());
    raw.extend(data);
    raw
}

pub(in crate::transport) fn sign(message: &mut Theirs, name: &str, password: &str, nonce: &[u8]) {
    message.add(ATTR_USERNAME, name.as_bytes());
    message.add(ATTR_REALM, b"snug");
    message.add(ATTR_NONCE, nonce);
    let provider = RingProvider::new();
    let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
        name.to_owned(),
        "snug".to_owned(),
        password.to_owned(),
        provider.crypto(),
    );
    integrity.unwrap().add_to(message).unwrap();
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut turn = Turn::new(now);
        let addresses = [OURS, OUTSIDE, SIXTH].map(address);
        for (owner, name) in ["1:ann", "1:bob"].into_iter().enumerate() {
            let access = RelayAccess::new(name.to_owned(), PASSWORD, &addresses);
            turn.add_user(owner, access);
        }
        Self { turn, now }
    }

    fn raw(&mut self, from: Path, data: &[u8]) -> (Handled, [u8; RESPONSE_LEN_MAX]) {
        let mut out = [0; RESPONSE_LEN_MAX];
        (
            self.turn.handle_message(data, from, self.now, &mut out),
            out,
        )
    }

    fn ask(&mut self, from: Path, message: &Theirs) -> Reply {
        let (handled, out) = self.raw(from, &message.raw);
        let Handled::Answer(len) = handled else {
            panic!("{handled:?}");
        };
        let mut reply = Theirs::new();
        reply.unmarshal_binary(&out[..len]).unwrap();
        assert_eq!(reply.transaction_id, message.transaction_id);
        let mut error = rtc_stun::error_code::ErrorCodeAttribute::default();
        let code = error.get_from(&reply).map_or(0, |()| error.code.0);
        Reply {
            code,
            len,
            message: reply,
        }
    }

    fn nonce(&mut self) -> Vec<u8> {
        self.ask(client(1), &allocate()).nonce()
    }

    /// Asks as Ann, with a fresh nonce; the answer must be signed.
    fn as_ann(&mut self, from: Path, message: Theirs) -> Reply {
        self.as_somebody("1:ann", from, message)
    }

    fn as_somebody(&mut self, name: &str, from: Path, mut message: Theirs) -> Reply {
        let nonce = self.nonce();
        sign(&mut message, name, PASSWORD, &nonce);
        let mut reply = self.ask(from, &message);
        let provider = RingProvider::new();
        let key = MessageIntegrity::long_term_integrity_key(
            name.to_owned(),
            "snug".to_owned(),
            PASSWORD.to_owned(),
            provider.crypto(),
        );
        MessageIntegrity::check(&mut reply.message, &key.unwrap(), provider.crypto()).unwrap();
        reply
    }

    fn allocated(&mut self, port: u16) -> SocketAddr {
        let reply = self.as_ann(client(port), allocate());
        assert_eq!(reply.code, 0);
        reply.address(ATTR_XOR_RELAYED_ADDRESS)
    }

    /// Lets Ann's client send data; returns the path that it would have come on.
    fn sends(&mut self, from: Path, data: &[u8]) -> Option<Path> {
        let handled = match data[0] {
            0 => self.raw(from, data).0,
            _ => self.turn.handle_channel_data(data, from),
        };
        match handled {
            Handled::Inner(range, path) => {
                assert_eq!(data[range], *b"hello");
                Some(path)
            }
            _ => None,
        }
    }
}

#[test]
fn a_client_is_challenged_allocates_and_speaks_both_ways() {
    let mut bench = Bench::new();
    let first = allocate();
    let challenge = bench.ask(client(5000), &first);
    assert_eq!((challenge.code, challenge.len), (401, 48));
    assert_eq!(challenge.message.get(ATTR_REALM).unwrap(), b"snug");
    let reply = bench.as_ann(client(5000), allocate());
    assert_eq!((reply.code, reply.lifetime()), (0, 600));
    assert_eq!(reply.address(ATTR_XORMAPPED_ADDRESS), client(5000).remote);
    let relayed = reply.address(ATTR_XOR_RELAYED_ADDRESS);
    // By indications first.
    let wrapped = send_indication(OURS, b"hello");
    assert_eq!(
        bench.sends(client(5000), &wrapped),
        None,
        "not permitted yet"
    );
    assert_eq!(bench.as_ann(client(5000), permit(&[OURS])).code, 0);
    let path = bench.sends(client(5000), &wrapped).unwrap();
    assert_eq!(path.remote, relayed);
    let Via::Relay(key) = path.via else {
        panic!("{path:?}");
    };
    assert_eq!(bench.turn.owner(key), Some(0));
    let mut slot = [0xAA; 200];
    slot[..5].copy_from_slice(b"world");
    let (len, to) = bench.turn.wrap(key, &mut slot, 5).unwrap();
    assert_eq!(to, client(5000));
    let mut data = Theirs::new();
    data.unmarshal_binary(&slot[..len]).unwrap();
    assert_eq!(data.typ.value(), 0x0017);
    assert_eq!(data.get(ATTR_DATA).unwrap(), b"world");
    // Then by a channel.
    assert_eq!(bench.as_ann(client(5000), bind(0x7ABC, OURS)).code, 0);
    let wrapped = channel_data(0x7ABC, b"hello");
    assert_eq!(bench.sends(client(5000), &wrapped), Some(path));
    slot[..5].copy_from_slice(b"world");
    let (len, to) = bench.turn.wrap(key, &mut slot, 5).unwrap();
    assert_eq!(
        (&slot[..len], to),
        (&channel_data(0x7ABC, b"world")[..], client(5000))
    );
    assert_eq!(bench.turn.wrap(key, &mut [0; 8], 5), None, "no room");
}

#[test]
fn nothing_but_what_was_announced_may_be_reached() {
    let mut bench = Bench::new();
    let other = bench.allocated(5001).to_string();
    bench.allocated(5000);
    let forbidden = [
        "127.0.0.1:7684",
        "10.0.0.254:7684",
        "10.0.0.9:5000",
        "0.0.0.0:7684",
        "255.255.255.255:7684",
        &other,
    ];
    for peer in forbidden {
        assert_eq!(
            bench.as_ann(client(5000), permit(&[peer])).code,
            403,
            "{peer}"
        );
        assert_eq!(bench.as_ann(client(5000), permit(&[OURS, peer])).code, 403);
        assert_eq!(
            bench.as_ann(client(5000), bind(0x4000, peer)).code,
            403,
            "{peer}"
        );
        assert_eq!(
            bench.sends(client(5000), &send_indication(peer, b"hello")),
            None
        );
    }
    assert_eq!(
        bench.sends(client(5000), &send_indication(OURS, b"hello")),
        None,
        "permissions are given all or none"
    );
    for peer in ["10.0.0.1:22", "10.0.0.1:7685"] {
        assert_eq!(
            bench.as_ann(client(5000), bind(0x4000, peer)).code,
            403,
            "{peer}"
        );
        // A permission knows no port, but nothing passes.
        assert_eq!(bench.as_ann(client(5000), permit(&[peer])).code, 0);
        assert_eq!(
            bench.sends(client(5000), &send_indication(peer, b"hello")),
            None
        );
    }
    for peer in ["[::1]:7684", SIXTH] {
        assert_eq!(
            bench.as_ann(client(5000), permit(&[peer])).code,
            443,
            "{peer}"
        );
        assert_eq!(
            bench.as_ann(client(5000), bind(0x4000, peer)).code,
            443,
            "{peer}"
        );
    }
    assert_eq!(
        bench
            .as_ann(client(5000), permit(&["[::ffff:127.0.0.1]:1"]))
            .code,
        403
    );
    assert_eq!(bench.as_ann(client(5000), permit(&[])).code, 400);
    assert_eq!(bench.as_ann(client(5000), permit(&[OUTSIDE])).code, 0);
}

#[test]
fn who_does_not_know_the_password_gets_nothing() {
    let mut bench = Bench::new();
    let nonce = bench.nonce();
    let attempt = |bench: &mut Bench, name, password, nonce: &[u8]| {
        let mut message = allocate();
        sign(&mut message, name, password, nonce);
        let reply = bench.ask(client(5000), &message);
        assert!(reply.len <= message.raw.len());
        assert!(!reply.message.contains(ATTR_MESSAGE_INTEGRITY));
        reply.code
    };
    assert_eq!(attempt(&mut bench, "1:ann", "wrong", &nonce), 401);
    assert_eq!(attempt(&mut bench, "1:eve", PASSWORD, &nonce), 401);
    assert_eq!(attempt(&mut bench, "1:ann", PASSWORD, b"madeup00"), 438);
    let mut nameless = allocate();
    let integrity = MessageIntegrity::new_long_term_integrity_with_provider;
    let provider = RingProvider::new();
    let [name, realm, password] = ["1:ann", "snug", PASSWORD].map(str::to_owned);
    integrity(name, realm, password, provider.crypto())
        .unwrap()
        .add_to(&mut nameless)
        .unwrap();
    assert_eq!(bench.ask(client(5000), &nameless).code, 400);
    assert_eq!(bench.turn.len(), 0);
    // A nonce that is too old comes with the next one.
    bench.now += 3_700 * SECOND;
    let mut late = allocate();
    sign(&mut late, "1:ann", PASSWORD, &nonce);
    let reply = bench.ask(client(5000), &late);
    assert_eq!(reply.code, 438);
    let mut again = allocate();
    sign(&mut again, "1:ann", PASSWORD, &reply.nonce());
    assert_eq!(bench.ask(client(5000), &again).code, 0);
}

#[test]
fn an_allocation_is_its_makers_alone() {
    let mut bench = Bench::new();
    bench.allocated(5000);
    assert_eq!(
        bench.as_somebody("1:bob", client(5000), refresh(0)).code,
        441
    );
    assert_eq!(
        bench
            .as_somebody("1:bob", client(5000), permit(&[OURS]))
            .code,
        441
    );
    assert_eq!(
        bench.as_somebody("1:bob", client(5000), allocate()).code,
        437
    );
    assert_eq!(bench.as_ann(client(5001), refresh(600)).code, 437);
    assert_eq!(bench.as_ann(client(5000), bind(0x4000, OURS)).code, 0);
    let data = channel_data(0x4000, b"hello");
    assert!(bench.sends(client(5000), &data).is_some());
    let elsewhere = Path {
        via: Via::Stream(StreamKey(0)),
        ..client(5000)
    };
    for from in [client(5001), elsewhere] {
        assert_eq!(bench.sends(from, &data), None);
    }
    assert_eq!(
        bench.sends(client(5000), &channel_data(0x4001, b"hello")),
        None
    );
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut bench = Bench::new();
    let nonce = bench.nonce();
    let mut request = allocate();
    sign(&mut request, "1:ann", PASSWORD, &nonce);
    let [one, two] = [0, 1].map(|_| {
        let reply = bench.ask(client(5000), &request);
        assert_eq!(reply.code, 0);
        reply.address(ATTR_XOR_RELAYED_ADDRESS)
    });
    assert_eq!(one, two);
    assert_eq!(bench.as_ann(client(5000), allocate()).code, 437);
    assert_eq!(bench.turn.len(), 1);
}

#[test]
fn what_cannot_be_had_is_refused_by_number() {
    let mut bench = Bench::new();
    assert_eq!(bench.as_ann(client(1), begin(METHOD_ALLOCATE)).code, 400);
    let ask = |bench: &mut Bench, kind, value: &[u8]| {
        let mut message = allocate();
        message.add(kind, value);
        bench.as_ann(client(1), message)
    };
    let mut tcp = begin(METHOD_ALLOCATE);
    tcp.add(ATTR_REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    assert_eq!(bench.as_ann(client(1), tcp).code, 442);
    assert_eq!(
        ask(&mut bench, ATTR_REQUESTED_ADDRESS_FAMILY, &[9, 0, 0, 0]).code,
        440
    );
    let reply = ask(&mut bench, ATTR_EVEN_PORT, &[0x80]);
    assert_eq!(reply.code, 420);
    assert_eq!(
        reply.message.get(ATTR_UNKNOWN_ATTRIBUTES).unwrap(),
        [0, 0x18]
    );
    assert_eq!(ask(&mut bench, ATTR_DONT_FRAGMENT, &[]).code, 0);
    for number in [0x3FFF, 0x8000] {
        assert_eq!(
            bench.as_ann(client(1), bind(number, OURS)).code,
            400,
            "{number:x}"
        );
    }
    assert_eq!(bench.as_ann(client(1), bind(0x4000, OURS)).code, 0);
    assert_eq!(
        bench.as_ann(client(1), bind(0x4000, OURS)).code,
        0,
        "renewed"
    );
    assert_eq!(
        bench.as_ann(client(1), bind(0x4001, OURS)).code,
        400,
        "bound otherwise"
    );
    assert_eq!(
        bench.as_ann(client(1), bind(0x4000, OUTSIDE)).code,
        400,
        "in use"
    );
}

#[test]
fn the_family_is_the_one_asked_for_or_that_of_the_connection() {
    let mut bench = Bench::new();
    let mut asked = allocate();
    asked.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    let reply = bench.as_ann(client(1), asked);
    assert!(reply.address(ATTR_XOR_RELAYED_ADDRESS).is_ipv6());
    assert_eq!(bench.as_ann(client(1), permit(&[SIXTH])).code, 0);
    let sixth = Path::direct(address("[2001:db8:5::9]:5000"), None);
    let reply = bench.as_ann(sixth, allocate());
    assert!(reply.address(ATTR_XOR_RELAYED_ADDRESS).is_ipv6());
    let mapped = Path::direct(address("[::ffff:10.0.0.9]:5000"), None);
    let reply = bench.as_ann(mapped, allocate());
    assert!(reply.address(ATTR_XOR_RELAYED_ADDRESS).is_ipv4());
    let mut other = refresh(600);
    other.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    assert_eq!(bench.as_ann(mapped, other).code, 443);
}

#[test]
fn one_more_than_eight_takes_the_place_of_the_oldest_that_carries_nothing() {
    let mut bench = Bench::new();
    let relayed: Vec<SocketAddr> = (0..8).map(|port| bench.allocated(port)).collect();
    assert_eq!(bench.turn.len(), ALLOCATIONS_MAX);
    let selected = Path::direct(relayed[0], None);
    bench
        .turn
        .note_paths(0, Some(selected), |_| false, bench.now);
    let ninth = bench.allocated(8);
    assert!(!relayed.contains(&ninth), "relayed addresses are unique");
    assert_eq!(bench.turn.len(), ALLOCATIONS_MAX);
    let ended = bench.turn.poll_ended().unwrap();
    assert_eq!((ended.owner, ended.relayed), (0, relayed[1]));
    assert_eq!(bench.as_ann(client(1), refresh(600)).code, 437);
    assert_eq!(
        bench.as_ann(client(0), refresh(600)).code,
        0,
        "it carries media"
    );
    let reply = bench.as_somebody("1:bob", client(100), allocate());
    assert_eq!(reply.code, 0, "another peer has its own eight");
}

#[test]
fn what_is_not_renewed_expires() {
    let mut bench = Bench::new();
    bench.allocated(5000);
    assert_eq!(bench.as_ann(client(5000), permit(&[OURS])).code, 0);
    let wrapped = send_indication(OURS, b"hello");
    let path = bench.sends(client(5000), &wrapped).unwrap();
    bench.now += 300 * SECOND;
    bench.turn.handle_timeout(bench.now);
    assert_eq!(bench.sends(client(5000), &wrapped), None, "a permission");
    let Via::Relay(key) = path.via else {
        panic!("{path:?}");
    };
    assert_eq!(bench.turn.wrap(key, &mut [0; 200], 5), None);
    assert_eq!(bench.as_ann(client(5000), refresh(1)).lifetime(), 1);
    assert_eq!(bench.as_ann(client(5000), refresh(9_999)).lifetime(), 3_600);
    assert_eq!(bench.as_ann(client(5000), bind(0x4000, OURS)).code, 0);
    bench.now += 600 * SECOND;
    bench.turn.handle_timeout(bench.now);
    assert_eq!(
        bench.sends(client(5000), &channel_data(0x4000, b"hello")),
        None
    );
    bench.now += 3_000 * SECOND;
    bench.turn.handle_timeout(bench.now);
    assert_eq!(bench.turn.len(), 0, "an allocation");
    // And one that its client gives back, or whose owner is gone.
    bench.allocated(5000);
    assert_eq!(bench.as_ann(client(5000), refresh(0)).code, 0);
    assert_eq!(bench.turn.len(), 0);
    bench.allocated(5000);
    bench.turn.remove_owner(0);
    assert_eq!(bench.turn.len(), 0);
    let nonce = bench.nonce();
    let mut message = allocate();
    sign(&mut message, "1:ann", PASSWORD, &nonce);
    assert_eq!(bench.ask(client(5000), &message).code, 401);
    assert!(bench.turn.clients.is_empty());
}

#[test]
fn an_allocation_whose_generation_is_over_ends_half_a_minute_later() {
    let mut bench = Bench::new();
    let (old, new) = (bench.allocated(1), bench.allocated(2));
    let selected = Some(Path::direct(new, None));
    let nominate = |bench: &mut Bench| {
        bench
            .turn
            .note_paths(0, selected, |relayed| relayed == old, bench.now);
    };
    nominate(&mut bench);
    bench.now += 29 * SECOND;
    nominate(&mut bench);
    bench.turn.handle_timeout(bench.now);
    assert_eq!(bench.turn.len(), 2);
    bench.now += SECOND;
    bench.turn.handle_timeout(bench.now);
    assert_eq!(
        bench.turn.poll_ended().map(|ended| ended.relayed),
        Some(old)
    );
    assert_eq!(bench.turn.len(), 1);
}

#[test]
fn a_place_that_is_used_again_is_another() {
    let mut bench = Bench::new();
    bench.allocated(5000);
    assert_eq!(bench.as_ann(client(5000), bind(0x4000, OURS)).code, 0);
    let data = channel_data(0x4000, b"hello");
    let Via::Relay(old) = bench.sends(client(5000), &data).unwrap().via else {
        panic!("not relayed");
    };
    assert_eq!(bench.as_ann(client(5000), refresh(0)).code, 0);
    assert_eq!(bench.as_somebody("1:bob", client(6000), allocate()).code, 0);
    assert_eq!(bench.turn.owner(old), None);
    assert_eq!(bench.turn.wrap(old, &mut [0; 200], 5), None);
}

#[test]
fn strangers_are_answered_so_often_and_no_more() {
    let mut bench = Bench::new();
    let answered = (0..1_000)
        .filter(|_| matches!(bench.raw(client(1), &allocate().raw).0, Handled::Answer(48)))
        .count();
    assert_eq!(answered, 128);
    let stream = Path {
        via: Via::Stream(StreamKey(0)),
        ..client(1)
    };
    assert!(matches!(
        bench.raw(stream, &allocate().raw).0,
        Handled::Answer(48)
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_safe(mut data: Vec<u8>, kind in 0u16..10, number: u16) {
        let mut bench = Bench::new();
        bench.allocated(5000);
        let _ = bench.raw(client(5000), &data);
        let _ = bench.turn.handle_channel_data(&data, client(5000));
        let mut wrapped = channel_data(number, &data);
        wrapped.truncate(data.len());
        let _ = bench.turn.handle_channel_data(&wrapped, client(5000));
        data.truncate(data.len() & !3);
        let mut message = kind.to_be_bytes().to_vec();
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(0x2112_A442u32.to_be_bytes());
        message.extend([7; 12]);
        message.extend(&data);
        let (handled, _) = bench.raw(client(5000), &message);
        if let Handled::Answer(len) = handled {
            prop_assert!(len <= message.len() || len == 48);
        }
        prop_assert_eq!(bench.turn.len(), 1);
    }
}
