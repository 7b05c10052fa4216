//! A stranger speaks to the TURN server: frames of a TCP connection, each also taken for a
//! datagram. Nothing panics, nobody gets an allocation, and nobody is told more than they said but
//! for the challenge.

use snug_server::transport::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::turn(data);
}
