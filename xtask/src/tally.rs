//! Counting tests over several runners, for the one closing line.

use std::fmt;

/// Tests counted so far.
#[derive(Default, Debug, PartialEq, Eq, Clone, Copy)]
pub struct Tally {
    /// How many passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
}

impl Tally {
    /// Reads one line of `cargo test`: `test result: ok. 5 passed; 0 failed; ...`.
    pub fn read_cargo(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = counts
            .split([' ', ';', '.'])
            .filter(|it| !it.is_empty())
            .collect();
        for pair in words.windows(2) {
            self.add(pair[1], pair[0]);
        }
    }

    /// Reads one line of vitest: `Tests  1 failed | 30 passed (31)`.
    pub fn read_vitest(&mut self, line: &str) {
        let Some(counts) = line.trim_start().strip_prefix("Tests ") else {
            return;
        };
        let words: Vec<&str> = counts.split_whitespace().collect();
        for pair in words.windows(2) {
            self.add(pair[1], pair[0]);
        }
    }

    fn add(&mut self, what: &str, count: &str) {
        let Ok(count) = count.parse::<u32>() else {
            return;
        };
        match what {
            "passed" => self.passed += count,
            "failed" => self.failed += count,
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_lines_add_up() {
        let mut tally = Tally::default();
        tally.read_cargo("running 7 tests");
        tally.read_cargo("test a_test ... ok");
        tally.read_cargo(
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; \
             finished in 0.00s",
        );
        tally.read_cargo("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!(tally.to_string(), "6 passed, 2 failed");
    }

    #[test]
    fn vitest_lines_add_up_and_file_counts_do_not() {
        let mut tally = Tally::default();
        tally.read_vitest(" Test Files  2 passed (2)");
        tally.read_vitest("      Tests  1 failed | 30 passed (31)");
        assert_eq!(
            tally,
            Tally {
                passed: 30,
                failed: 1
            }
        );
    }
}
