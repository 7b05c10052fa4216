//! Records of a stranger's handshake, as datagrams: nothing panics, nobody is let in, and no
//! datagram is answered without end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snug_server::transport::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::dtls(data));
