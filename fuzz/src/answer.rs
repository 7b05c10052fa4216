//! Session descriptions that a hostile server answers with.

use snug_client::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::answer(super::text(data));
}
