//! RTP header extensions, one-byte and two-byte form (RFC 8285).

/// The profile word of the one-byte form.
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// The profile word of the two-byte form; its lower four bits are for the application.
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Where a packet's extension block lies, and its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// The 16-bit "defined by profile" word.
    pub profile: u16,
    /// Offset of the first extension byte in the packet.
    pub start: usize,
    /// Length of the extensions in bytes, a multiple of 4.
    pub len: usize,
}

/// Iterates over the (id, data) pairs of an extension block. An element that reaches past the
/// block ends the iteration; a block of an unknown profile is empty.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Extensions<'a> {
    /// Reads the extensions in `data`, the bytes after the block's four-byte head.
    pub fn new(profile: u16, data: &'a [u8]) -> Self {
        if profile == ONE_BYTE_PROFILE {
            Self {
                form: Form::OneByte,
                rest: data,
            }
        } else if profile & 0xFFF0 == TWO_BYTE_PROFILE {
            Self {
                form: Form::TwoByte,
                rest: data,
            }
        } else {
            Self {
                form: Form::OneByte,
                rest: &[],
            }
        }
    }

    fn next_one_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            let (id, len) = (head >> 4, usize::from(head & 0x0F) + 1);
            match id {
                // Padding is one zero byte (section 4.2); id 0 with a length is skipped whole.
                0 if head == 0 => self.rest = rest,
                0 => self.rest = rest.get(len..)?,
                // Id 15 is reserved: stop processing (section 4.2).
                15 => return None,
                _ => {
                    let (data, rest) = rest.split_at_checked(len)?;
                    self.rest = rest;
                    return Some((id, data));
                }
            }
        }
    }

    fn next_two_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&id, rest) = self.rest.split_first()?;
            if id == 0 {
                self.rest = rest;
                continue;
            }
            let (&len, rest) = rest.split_first()?;
            let (data, rest) = rest.split_at_checked(usize::from(len))?;
            self.rest = rest;
            return Some((id, data));
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.form {
            Form::OneByte => self.next_one_byte(),
            Form::TwoByte => self.next_two_byte(),
        };
        if found.is_none() {
            self.rest = &[];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_byte_form_skips_padding_and_stops_at_15() {
        let data = [0x10, 0xAA, 0x00, 0x21, 0xBB, 0xCC, 0xF0, 0x30];
        let found: Vec<_> = Extensions::new(ONE_BYTE_PROFILE, &data).collect();
        assert_eq!(found, [(1, &[0xAA][..]), (2, &[0xBB, 0xCC][..])]);
    }

    #[test]
    fn two_byte_form_allows_empty_data_and_large_ids() {
        let data = [20, 0, 0, 21, 2, 7, 8, 0];
        let found: Vec<_> = Extensions::new(0x1003, &data).collect();
        assert_eq!(found, [(20, &[][..]), (21, &[7, 8][..])]);
    }

    #[test]
    fn an_element_past_the_end_ends_the_iteration() {
        assert_eq!(
            Extensions::new(ONE_BYTE_PROFILE, &[0x1F, 1, 2, 3]).count(),
            0
        );
        assert_eq!(
            Extensions::new(TWO_BYTE_PROFILE, &[1, 200, 2, 3]).count(),
            0
        );
        assert_eq!(Extensions::new(0xABCD, &[0x10, 1, 2, 3]).count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe_and_end(profile: u16, data: Vec<u8>) {
            let total: usize = Extensions::new(profile, &data).map(|(_, data)| data.len() + 1).sum();
            prop_assert!(total <= data.len());
        }
    }
}
