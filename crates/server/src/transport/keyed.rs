//! A map for small integer keys that no attacker chooses freely: peer keys and authenticated
//! sources. A multiplication instead of SipHash is a fifth of a packet's bookkeeping.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hash map whose keys hash as one integer.
pub(super) type KeyMap<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// Fibonacci hashing of the integers that a key writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        // 2^64 divided by the golden ratio spreads neighbours over the upper bits, which the
        // rotation brings to where the table looks as well.
        self.0 = (self.0 ^ u64::from(value))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}
