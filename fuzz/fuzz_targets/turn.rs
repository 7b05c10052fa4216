//! A stranger speaks to the TURN server: frames of a TCP connection, each also taken for a
//! datagram. Nothing panics, nobody gets an allocation, and nobody is told more than they said but
//! for the challenge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snug_server::transport::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::turn(data));
