//! Session descriptions that are offered: what can be answered is answered section by section, and
//! the answer can be read.

use snug_server::transport::fuzzing;

/// Says the input to it.
pub fn run(data: &[u8]) {
    fuzzing::offer(super::text(data));
}
