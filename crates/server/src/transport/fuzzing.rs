//! Doors for the fuzzer (`cargo xtask fuzz`) into what is private.

use super::RelayAccess;
use super::io::{Path, StreamKey, Via};
use super::stream::next_frame;
use super::stun::{self, RESPONSE_LEN_MAX};
use super::turn::{Handled, Turn};
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

/// The challenge with which every TURN conversation begins.
const CHALLENGE_LEN: usize = 48;

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
