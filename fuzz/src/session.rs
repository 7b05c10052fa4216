//! What a hostile server says to somebody in a room: media events, and answers at any time.

use snug_client::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::session(super::pieces(data).map(super::text));
}
