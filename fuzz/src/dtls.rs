//! Records of a stranger's handshake, as datagrams: nothing panics, nobody is let in, and no
//! datagram is answered without end.

use snug_server::transport::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::dtls(data);
}
