//! What a measurement must come to, and the one line that says whether it did.

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context, Result};

/// A figure and its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    name: String,
    measured: f64,
    limit: f64,
    is_floor: bool,
}

impl Bar {
    /// A figure that must not be above its limit.
    #[must_use]
    pub fn at_most(name: &str, measured: f64, limit: f64) -> Self {
        let (name, is_floor) = (name.to_owned(), false);
        Self {
            name,
            measured,
            limit,
            is_floor,
        }
    }

    /// A figure that must not be below its limit.
    #[must_use]
    pub fn at_least(name: &str, measured: f64, limit: f64) -> Self {
        Self {
            is_floor: true,
            ..Self::at_most(name, measured, limit)
        }
    }

    /// Tells whether the figure is as it must be. One that could not be measured is not.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self.is_floor {
            true => self.measured >= self.limit,
            false => self.measured <= self.limit,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passes() { "pass" } else { "fail" };
        write!(
            formatter,
            "{} {:.3} {} {verdict}",
            self.name.replace(' ', "-"),
            self.measured,
            self.limit,
        )
    }
}

/// How many passes a bench takes unless its one argument says otherwise.
const PASSES: usize = 3;

/// Runs a bench of so many passes as its one argument says, and says how the program should end.
#[must_use]
pub fn bench(name: &str, measure: impl FnOnce(usize) -> Result<ExitCode>) -> ExitCode {
    let passes = std::env::args().nth(1).map_or(Ok(PASSES), |number| {
        number
            .parse()
            .context("the one argument is a number of passes")
    });
    passes.and_then(measure).unwrap_or_else(|error| {
        eprintln!("bench {name}: {error:#}");
        ExitCode::FAILURE
    })
}

/// Prints a line for each bar and says how the program should end.
#[must_use]
pub fn verdict(bars: &[Bar]) -> ExitCode {
    for bar in bars {
        println!("{bar}");
    }
    match bars.iter().all(Bar::passes) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Says the middle of some figures; of an even number, the upper one. NaN of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_name_figure_limit_and_verdict() {
        let slow = Bar::at_most("CPU a packet", 4.5, 4.0);
        assert_eq!(slow.to_string(), "CPU-a-packet 4.500 4 fail");
        let many = Bar::at_least("streams", 5.0, 5.0);
        assert_eq!(many.to_string(), "streams 5.000 5 pass");
    }

    #[test]
    fn what_could_not_be_measured_fails() {
        assert!(!Bar::at_most("nothing", median(vec![]), 1.0).passes());
        assert!(!Bar::at_least("nothing", f64::NAN, 1.0).passes());
    }

    #[test]
    fn one_bad_pass_of_three_does_not_count() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
    }
}
