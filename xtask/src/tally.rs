//! Counting tests over several runners, for the one closing line.

use std::fmt;

/// Tests counted so far.
#[derive(Default, Debug, PartialEq, Eq, Clone)]
pub struct Tally {
    /// How many passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
    /// The names of those of `cargo test` that failed.
    pub failures: Vec<String>,
    /// Programs of tests that have begun and not told their result: more than none at the end
    /// have crashed.
    pub open: u32,
}

impl Tally {
    /// Reads one line of `cargo test`: `test result: ok. 5 passed; 0 failed; ...`, or
    /// `test a_name ... FAILED`.
    pub fn read_cargo(&mut self, line: &str) {
        let named = line.strip_prefix("test ");
        if let Some(name) = named.and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
        if line.starts_with("running ") && line.contains(" test") {
            self.open += 1;
        }
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        self.open = self.open.saturating_sub(1);
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

    /// Takes in the second turn of the tests that had failed: what passed now has not failed.
    /// Returns whether all of them passed.
    pub fn second_turn(&mut self, second: &Self) -> bool {
        let mended = second.passed.min(self.failed);
        self.failed -= mended;
        self.passed += mended;
        self.failures.clone_from(&second.failures);
        self.failed == 0 && self.open == 0 && second.open == 0
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
                failed: 1,
                ..Tally::default()
            }
        );
    }

    #[test]
    fn a_second_turn_mends_only_what_passes_in_it() {
        let mut tally = Tally::default();
        tally.read_cargo("test a_call ... FAILED");
        tally.read_cargo("test another ... FAILED");
        tally.read_cargo("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        assert_eq!(tally.failures, ["a_call", "another"]);
        let mut second = Tally::default();
        second.read_cargo("test another ... FAILED");
        second.read_cargo("test result: FAILED. 1 passed; 1 failed; 0 ignored");
        assert!(!tally.second_turn(&second));
        assert_eq!(tally.to_string(), "4 passed, 1 failed");
        assert_eq!(tally.failures, ["another"]);
    }

    #[test]
    fn a_crash_is_not_mended() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "running 1 test",
            "test result: FAILED. 0 passed; 1 failed",
        ] {
            tally.read_cargo(line);
        }
        let mut second = Tally::default();
        second.read_cargo("running 1 test");
        second.read_cargo("test result: ok. 1 passed; 0 failed");
        assert!(!tally.second_turn(&second));
    }
}
