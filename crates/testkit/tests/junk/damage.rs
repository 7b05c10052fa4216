//! How bytes are damaged.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Damages bytes: flips, cuts, doubles or fills.
pub fn bend(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..4) {
        let length = bytes.len();
        let at = random.random_range(0..=length);
        match random.random_range(0..4) {
            0 if at < length => bytes[at] = random.random(),
            1 => bytes.truncate(at),
            2 => {
                let piece = bytes[at..(at + 40).min(length)].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.insert(
                at,
                *b"\"[]{},:\\\r\n0-".choose(random).expect("there are bytes"),
            ),
        }
    }
}
