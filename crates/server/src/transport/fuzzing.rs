//! Doors for the fuzzer (`cargo xtask fuzz`), and for the test that says its seeds again, into what is
//! private. No program calls them.

use super::RelayAccess;
use super::demux::{self, Kind};
use super::dtls::{Dtls, Identity, Outcome};
use super::io::{Path, StreamKey, Via};
use super::stream::next_frame;
use super::stun::{self, RESPONSE_LEN_MAX};
use super::turn::{Handled, Turn};
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use crate::negotiation::fuzzing::offer;

/// The challenge with which every TURN conversation begins.
const CHALLENGE_LEN: usize = 48;

/// More datagrams than a flight of a handshake has, said again a few times.
const ANSWERS_MAX: usize = 64;

/// Says `data` to a TURN server that knows one peer, as a stranger: in a stream and, frame by
/// frame, in datagrams.
///
/// # Panics
/// When the stranger gets an allocation, or an answer longer than what it said.
pub fn turn(data: &[u8]) {
    let now = Instant::now();
    let mut turn = Turn::new(now);
    let ours = SocketAddr::from((Ipv4Addr::LOCALHOST, 7684));
    turn.add_user(0, RelayAccess::new("1:peer".to_owned(), "secret", &[ours]));
    let datagrams = Path::direct(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), None);
    let stream = Path {
        via: Via::Stream(StreamKey(1)),
        ..datagrams
    };
    let mut read = BytesMut::from(data);
    while let Ok(Some(frame)) = next_frame(&mut read) {
        for client in [datagrams, stream] {
            let mut out = [0; RESPONSE_LEN_MAX];
            let handled = match frame.first() {
                Some(64..) => turn.handle_channel_data(&frame, client),
                _ if stun::parse(&frame).is_err() => continue,
                _ => turn.handle_message(&frame, client, now, &mut out),
            };
            match handled {
                Handled::Answer(len) => {
                    let may_be = client == stream || len <= frame.len() || len == CHALLENGE_LEN;
                    assert!(may_be, "{len} bytes for {}", frame.len());
                }
                Handled::Inner(..) => panic!("a stranger got through"),
                Handled::Malformed | Handled::Refused => {}
            }
            assert!(!turn.has_allocation(client), "a stranger has an allocation");
        }
    }
}

/// Reads `data` as a STUN message.
///
/// # Panics
/// When a stranger's message proves authentic.
pub fn stun(data: &[u8]) {
    if demux::classify(data) != Kind::Stun {
        return;
    }
    for attribute in stun::attributes(data) {
        if attribute.is_err() {
            break;
        }
    }
    if let Ok(stun::Message::Request(request)) = stun::parse(data) {
        let key = stun::key("a password that nobody was told");
        assert!(!request.is_authentic(&key), "a stranger knows the password");
    }
}

/// Says `data` to a DTLS server in datagrams, each led by its length in two bytes; time passes
/// between them.
///
/// # Panics
/// When a stranger is let in, or more is sent than a handshake may take.
pub fn dtls(data: &[u8]) {
    static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| {
        let identity = Identity::generate();
        Arc::new(identity.expect("a certificate can be made"))
    });
    let Ok(mut dtls) = Dtls::new(Arc::clone(identity), [7; 32]) else {
        return;
    };
    let (mut rest, mut now) = (data, Instant::now());
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*head)).min(tail.len());
        let (datagram, others) = tail.split_at(len);
        rest = others;
        if demux::classify(datagram) != Kind::Dtls {
            continue;
        }
        let outcome = dtls.handle_datagram(datagram, now);
        assert!(
            !matches!(outcome, Some(Outcome::Connected(_))),
            "a stranger is let in"
        );
        for _ in 0..ANSWERS_MAX {
            if dtls.poll_transmit().is_none() {
                break;
            }
        }
        assert!(
            dtls.poll_transmit().is_none(),
            "a datagram asks for too much"
        );
        now += Duration::from_millis(150);
        // What it leads to, other than an end, shows in the next answer.
        if dtls.handle_timeout(now).is_some() {
            return;
        }
    }
}
