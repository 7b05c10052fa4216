//! Checks and other STUN messages of strangers: nothing panics, and none proves authentic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snug_server::transport::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::stun(data));
