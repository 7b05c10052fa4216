//! Session descriptions that are offered: what can be answered is answered section by section, and
//! the answer can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snug_server::transport::fuzzing;

fuzz_target!(|sdp: &str| fuzzing::offer(sdp));
