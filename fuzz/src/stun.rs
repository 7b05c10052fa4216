//! Checks and other STUN messages of strangers: nothing panics, and none proves authentic.

use snug_server::transport::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::stun(data);
}
