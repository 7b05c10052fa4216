//! A key in words: what two people compare by voice to know that nobody sits between them.

use bip39::Language;

use crate::Pin;

/// How many words stand for a key.
pub const FINGERPRINT_WORDS: usize = 8;

/// Bits that a word stands for: the list has 2048.
const BITS_PER_WORD: usize = 11;

impl Pin {
    /// Says the first 88 bits of the pin in eight words, the most significant bit first, from the
    /// English list of BIP-39: 2048 words that differ in their first four letters. They are to be
    /// compared whole: a key that shares seven of them takes 2^77 tries.
    pub fn words(&self) -> [&'static str; FINGERPRINT_WORDS] {
        let list = Language::English.word_list();
        std::array::from_fn(|at| list[self.bits(at * BITS_PER_WORD)])
    }

    /// Reads eleven bits from the bit `first` on.
    fn bits(&self, first: usize) -> usize {
        let bytes = self.as_bytes();
        (first..first + BITS_PER_WORD).fold(0, |value, bit| {
            let is_set = bytes[bit / 8] >> (7 - bit % 8) & 1;
            value << 1 | usize::from(is_set)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn said(bytes: &[u8]) -> String {
        let mut digest = [0xaa; 32];
        digest[..bytes.len()].copy_from_slice(bytes);
        Pin::new(digest).words().join(" ")
    }

    #[test]
    fn the_words_of_known_keys_never_change() {
        // The published vectors of BIP-39 begin with these bits.
        let abandon = "abandon abandon abandon abandon abandon abandon abandon abandon";
        assert_eq!(said(&[0; 11]), abandon);
        assert_eq!(said(&[0xff; 11]), "zoo ".repeat(8).trim_end());
        let legal = "legal winner thank year wave sausage worth useful";
        assert_eq!(said(&[0x7f; 11]), legal);
        let letter = "letter advice cage absurd amount doctor acoustic avoid";
        assert_eq!(said(&[0x80; 11]), letter);
    }

    #[test]
    fn each_of_the_first_88_bits_changes_one_word_and_no_other_does() {
        let plain = Pin::new([0; 32]).words();
        for bit in 0..256 {
            let mut digest = [0; 32];
            digest[bit / 8] = 0x80 >> (bit % 8);
            let other = Pin::new(digest).words();
            let changed: Vec<usize> = (0..8).filter(|at| plain[*at] != other[*at]).collect();
            let expected: &[usize] = if bit < 88 { &[bit / 11] } else { &[] };
            assert_eq!(changed, expected, "bit {bit}");
        }
    }

    #[test]
    fn the_list_is_2048_plain_words_that_four_letters_tell_apart() {
        let list = Language::English.word_list();
        let beginnings: BTreeSet<&str> =
            list.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(beginnings.len(), 2048);
        let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(list.iter().all(is_plain));
    }
}
