//! A list of named steps, run in order, each timed, stopping at the first that fails.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::tally::Tally;

/// One step of a door.
pub struct Step {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub what: &'static str,
    /// Does it; tests count themselves in the session's tally.
    pub run: fn(&mut Session) -> Result<()>,
}

/// What the steps of one run share.
#[derive(Default)]
pub struct Session {
    /// The tests so far.
    pub tally: Tally,
    /// Whether the slow suites run too.
    pub slow: bool,
}

/// Runs the steps; prints a heading for each, then their times and the count of tests.
///
/// Fails with the first failing step's error, which names the command that runs just that step.
pub fn run(steps: &[&Step], mut session: Session) -> Result<()> {
    let mut times = Vec::new();
    let outcome = run_each(steps, &mut session, &mut times);
    println!();
    for (name, time) in &times {
        println!("  {name:<14} {:>7.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("  {:<14} {:>7.1} s", "together", total.as_secs_f64());
    if let Err(error) = &outcome {
        println!("\nStopped early: {error:#}");
    }
    // Alone on the last line: what reads CI's output looks for this.
    println!("\n{}", session.tally);
    outcome
}

fn run_each(
    steps: &[&Step],
    session: &mut Session,
    times: &mut Vec<(&'static str, Duration)>,
) -> Result<()> {
    for (index, step) in steps.iter().enumerate() {
        println!(
            "\n[{}/{}] {}: {}",
            index + 1,
            steps.len(),
            step.name,
            step.what
        );
        let started = Instant::now();
        let outcome = (step.run)(session);
        times.push((step.name, started.elapsed()));
        outcome.with_context(|| {
            format!(
                "step `{0}` failed (just this step: cargo xtask test --only {0})",
                step.name
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stops_the_rest_and_names_the_step() {
        let one = Step {
            name: "one",
            what: "passes",
            run: |_| Ok(()),
        };
        let two = Step {
            name: "two",
            what: "fails",
            run: |_| anyhow::bail!("no"),
        };
        let three = Step {
            name: "three",
            what: "must not run",
            run: |_| panic!("it ran"),
        };
        let error = run(&[&one, &two, &three], Session::default()).unwrap_err();
        assert!(error.to_string().contains("--only two"), "{error}");
    }
}
