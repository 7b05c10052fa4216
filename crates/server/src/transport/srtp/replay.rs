//! The replay window (RFC 3711 section 3.3.2).

/// How many packets below the highest may still come: 128 are 0.8 s of a 1.5 Mb/s picture, far
/// more than a LAN reorders; 64 are required.
const WINDOW: u64 = 128;

/// Remembers the highest index of a source and which of those below it were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit n is set when `highest - n` was seen.
    seen: u128,
}

impl Window {
    /// Returns the highest index accepted so far.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Tells whether an index was not accepted before and is not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        let Some(age) = highest.checked_sub(index) else {
            return true;
        };
        age < WINDOW && self.seen >> age & 1 == 0
    }

    /// Notes an index that is new and authentic.
    pub(super) fn accept(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        if let Some(age) = highest.checked_sub(index) {
            self.seen |= u32::try_from(age)
                .ok()
                .and_then(|age| 1u128.checked_shl(age))
                .unwrap_or(0);
            self.highest = Some(highest);
        } else {
            let step = u32::try_from(index - highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(step).unwrap_or(0) | 1;
            self.highest = Some(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn what_is_too_old_to_tell_is_not_new() {
        let mut window = Window::default();
        window.accept(1_000);
        assert!(window.is_new(873));
        assert!(!window.is_new(872));
        assert!(!window.is_new(1_000));
        assert!(window.is_new(u64::MAX));
        window.accept(5_000);
        assert!(!window.is_new(1_000));
    }

    proptest! {
        #[test]
        fn nothing_is_accepted_twice(steps in prop::collection::vec(0u64..300, 1..400)) {
            let (mut window, mut seen) = (Window::default(), HashSet::new());
            let mut highest = 200u64;
            for step in steps {
                let index = highest.saturating_sub(150) + step;
                let is_young = seen.is_empty() || highest.saturating_sub(index) < WINDOW;
                prop_assert_eq!(window.is_new(index), is_young && !seen.contains(&index));
                if window.is_new(index) {
                    window.accept(index);
                    highest = if seen.is_empty() { index } else { highest.max(index) };
                    seen.insert(index);
                }
            }
        }
    }
}
