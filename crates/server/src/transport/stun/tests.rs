//! Against the vectors of RFC 5769, and against `rtc-stun`.

use super::*;
use proptest::prelude::*;
use rtc_crypto::providers::RingProvider;
use rtc_crypto::{RTCCrypto, RTCCryptoProvider as _};
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT as ADD_FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST as THEIR_REQUEST, Getter, Message as Theirs, Setter};
use rtc_stun::xoraddr::XorMappedAddress;

/// RFC 5769 section 2.1.
const SAMPLE: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];
const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn integrity<'a>(password: &str, crypto: &'a dyn RTCCrypto) -> MessageIntegrity<'a> {
    MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto)
}

/// Makes a Binding request as a controlling peer would.
pub(in super::super) fn binding_request(
    (ours, theirs): (&str, &str),
    password: &str,
    is_nominated: bool,
) -> Vec<u8> {
    let mut message = Theirs::new();
    message.set_type(THEIR_REQUEST);
    message.new_transaction_id().unwrap();
    message.write_header();
    message.add(ATTR_USERNAME, format!("{ours}:{theirs}").as_bytes());
    message.add(ATTR_ICE_CONTROLLING, &[1; 8]);
    if is_nominated {
        message.add(ATTR_USE_CANDIDATE, &[]);
    }
    integrity(password, RingProvider::new().crypto())
        .add_to(&mut message)
        .unwrap();
    ADD_FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

fn request(data: &[u8]) -> Request<'_> {
    match parse(data) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_sample_request_is_authentic() {
    let request = request(&SAMPLE);
    assert_eq!(request.username, ("evtj", "h6vY"));
    assert!(request.is_controlled && !request.use_candidate && request.unknown().is_empty());
    assert!(request.is_authentic(&key(SAMPLE_PASSWORD)));
    assert!(!request.is_authentic(&key("another password, longer")));
}

#[test]
fn a_changed_request_is_refused() {
    // The last eight bytes are the fingerprint, which lies behind the integrity tag.
    for at in 0..SAMPLE.len() - 8 {
        let mut changed = SAMPLE;
        changed[at] ^= 0x10;
        if let Ok(Message::Request(request)) = parse(&changed) {
            assert!(!request.is_authentic(&key(SAMPLE_PASSWORD)), "byte {at}");
        }
    }
    for len in 0..SAMPLE.len() {
        assert!(parse(&SAMPLE[..len]).is_err());
    }
}

#[test]
fn what_another_library_says_is_understood() {
    let message = binding_request(("ours", "theirs"), "secret", true);
    let request = request(&message);
    assert_eq!(request.username, ("ours", "theirs"));
    assert!(request.use_candidate && !request.is_controlled);
    assert!(request.is_authentic(&key("secret")));
}

#[test]
fn another_library_understands_what_we_say() {
    let transaction = [7; 12];
    for address in [
        "192.0.2.1:32853",
        "[2001:db8::7]:9",
        "[::ffff:127.0.0.1]:5000",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let mut out = [0xFF; RESPONSE_LEN_MAX];
        let len = write_success(&mut out, &transaction, address, &key("secret"));
        let mut message = Theirs::new();
        message.unmarshal_binary(&out[..len]).unwrap();
        let mut seen = XorMappedAddress::default();
        seen.get_from(&message).unwrap();
        assert_eq!(
            (seen.ip, seen.port),
            (address.ip().to_canonical(), address.port())
        );
        ADD_FINGERPRINT.check(&message).unwrap();
        let provider = RingProvider::new();
        MessageIntegrity::check(&mut message, b"secret", provider.crypto()).unwrap();
    }
    let mut out = [0; RESPONSE_LEN_MAX];
    let len = write_error(
        &mut out,
        &transaction,
        420,
        &[1, 2, 3, 4, 5],
        &key("secret"),
    );
    let mut message = Theirs::new();
    message.unmarshal_binary(&out[..len]).unwrap();
    let mut found = rtc_stun::error_code::ErrorCodeAttribute::default();
    found.get_from(&message).unwrap();
    assert_eq!(found.code.0, 420);
    ADD_FINGERPRINT.check(&message).unwrap();
}

#[test]
fn attributes_that_must_be_understood_are_listed() {
    let mut message = Theirs::new();
    message.set_type(THEIR_REQUEST);
    message.write_header();
    message.add(ATTR_USERNAME, b"a:b");
    message.add(rtc_stun::attributes::AttrType(0x7777), b"?");
    integrity("secret", RingProvider::new().crypto())
        .add_to(&mut message)
        .unwrap();
    assert_eq!(request(&message.raw).unknown(), [0x7777]);
}

proptest! {
    #[test]
    fn any_bytes_are_safe(mut data: Vec<u8>, len: u8) {
        let _parsed = parse(&data);
        // The same again with a head that is believed.
        data.truncate(usize::from(len) & !3);
        let mut message = vec![0, 1, 0, data.len() as u8, 0x21, 0x12, 0xA4, 0x42];
        message.extend([0; 12]);
        message.extend(&data);
        if let Ok(Message::Request(request)) = parse(&message) {
            prop_assert!(!request.is_authentic(&key("secret")));
        }
    }
}
