//! `cargo xtask test`: everything that CI runs; `check`: its quick part; `setup`: its beginning.

use anyhow::{Context, Result, bail};

use crate::build::snug_server;
use crate::process::{cargo, run as run_command, tee};
use crate::steps::{self, Session, Step};
use crate::tally::Tally;
use crate::{apt, build, camera_machine, deb, deny, fixtures, npm, ui};

/// Tells the scenarios which program to drive: the one of the build step. Without it they would
/// have cargo build it once more, in the middle of a test.
const SERVER: &str = "SNUG_SERVER";

/// Set for the tests when the slow suites are wanted: a test that has a long form looks for it.
const SLOW: &str = "SNUG_SLOW";

const INSTALL: Step = Step {
    name: "install",
    what: "Debian packages",
    run: install,
};
const FORMAT: Step = Step {
    name: "format",
    what: "rustfmt",
    run: format,
};
const UI: Step = Step {
    name: "ui",
    what: "build, types and tests of the page",
    run: page,
};
const FIXTURES: Step = Step {
    name: "fixtures",
    what: "film clip and speech",
    run: |_| fixtures::ensure(),
};
const CLIENTS: Step = Step {
    name: "clients",
    what: "npm clients of the browser suite",
    run: |_| npm::install_clients(),
};
const DENY: Step = Step {
    name: "deny",
    what: "licences, bans, sources",
    run: |_| deny::check(),
};
const CLIPPY: Step = Step {
    name: "clippy",
    what: "lints; warnings fail",
    run: clippy,
};
const DOC: Step = Step {
    name: "doc",
    what: "documentation; warnings fail",
    run: doc,
};
const ARCHITECTURE: Step = Step {
    name: "architecture",
    what: "who may know whom",
    run: architecture,
};
const CORES: Step = Step {
    name: "cores",
    what: "tests of the sans-IO crates",
    run: cores,
};
const BUILD: Step = Step {
    name: "build",
    what: "programs and tests",
    run: |_| build::programs_and_tests(),
};
const TESTS: Step = Step {
    name: "tests",
    what: "every test of the workspace",
    run: tests,
};

const CAMERA: Step = Step {
    name: "camera",
    what: "the kernel's test camera in a machine of its own (slow)",
    run: |session| camera_machine::run(&mut session.tally),
};

const DEB: Step = Step {
    name: "deb",
    what: "the package on a clean Debian (slow)",
    run: |_| deb::run(&["--check"]),
};

/// Everything. What fails fastest comes first, so that a slip is told in seconds.
const ALL: &[Step] = &[
    INSTALL, FORMAT, UI, FIXTURES, CLIENTS, DENY, CLIPPY, DOC, BUILD, TESTS,
];

/// What `--slow` adds.
const SLOW_STEPS: &[Step] = &[CAMERA, DEB];

/// What is worth running before each commit.
const QUICK: &[Step] = &[INSTALL, FORMAT, UI, CLIPPY, ARCHITECTURE, CORES];

/// The crates without IO and clock: their tests take seconds.
const SANS_IO: &[&str] = &[
    "snug-phoenix",
    "snug-protocol",
    "snug-rtp",
    "snug-room",
    "snug-sfu",
];

/// The packages whose tests drive whole programs in real time, on a machine that others may use.
const IN_REAL_TIME: &[&str] = &["snug-testkit", "snug"];

/// When more tests than these failed, something is broken and none gets a second turn.
const SECOND_TURNS_MAX: usize = 4;

/// Runs the steps that CI runs, or those that `options` ask for.
pub fn run(options: &[&str]) -> Result<()> {
    let mut session = Session::default();
    let mut only = None;
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "--list" => return list(),
            "--slow" => session.slow = true,
            "--only" => only = Some(rest.next().context("--only needs the name of a step")?),
            other => bail!("`{other}` is unknown; it takes --list, --only STEP[,STEP] and --slow"),
        }
    }
    let steps = match only {
        Some(names) => named(names)?,
        None if session.slow => ALL.iter().chain(SLOW_STEPS).collect(),
        None => ALL.iter().collect(),
    };
    steps::run(&steps, session)
}

/// Runs the quick part.
pub fn check() -> Result<()> {
    steps::run(&QUICK.iter().collect::<Vec<_>>(), Session::default())
}

/// Installs and makes what the other doors need.
pub fn setup() -> Result<()> {
    install(&mut Session::default())?;
    ui::build()?;
    npm::install_clients()?;
    fixtures::ensure()
}

fn list() -> Result<()> {
    for step in ALL.iter().chain(SLOW_STEPS) {
        println!("{:<14} {}", step.name, step.what);
    }
    Ok(())
}

fn named(names: &str) -> Result<Vec<&'static Step>> {
    let find = |name: &str| {
        let mut known = ALL.iter().chain(QUICK).chain(SLOW_STEPS);
        known
            .find(|step| step.name == name)
            .with_context(|| format!("no step is called `{name}`; --list names them"))
    };
    names.split(',').map(find).collect()
}

fn install(_: &mut Session) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA, apt::WINDOW, apt::TEST])
}

fn format(_: &mut Session) -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--", "--check"]))
}

fn page(session: &mut Session) -> Result<()> {
    ui::build()?;
    ui::check()?;
    ui::test(&mut session.tally)
}

fn clippy(_: &mut Session) -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run_command(cargo().args(arguments))
}

fn doc(_: &mut Session) -> Result<()> {
    run_command(
        cargo()
            // Libraries only: the program snug-server would overwrite the pages of its library.
            .args([
                "doc",
                "--workspace",
                "--exclude",
                "xtask",
                "--lib",
                "--no-deps",
                "--locked",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn architecture(session: &mut Session) -> Result<()> {
    cargo_test(session, &["--package", "xtask"])
}

fn cores(session: &mut Session) -> Result<()> {
    let packages: Vec<&str> = SANS_IO
        .iter()
        .flat_map(|name| ["--package", *name])
        .collect();
    cargo_test(session, &packages)
}

/// Runs every test. A few that failed among those that drive whole programs in real time get a
/// second turn, when nothing else runs any more (docs/decisions/0023).
fn tests(session: &mut Session) -> Result<()> {
    let mut first = Tally::default();
    let passed = test_run(&mut first, session.slow, &["--workspace"])?;
    let again = first.failures.clone();
    let worth = first.failed > 0 && again.len() <= SECOND_TURNS_MAX;
    let mended = !passed && worth && second_turn(&mut first, session.slow, &again)?;
    session.tally.passed += first.passed;
    session.tally.failed += first.failed;
    if !passed && !mended {
        bail!("a test failed or did not build; its name and output stand above");
    }
    Ok(())
}

/// Runs tests again that had failed; says whether all of them passed now.
fn second_turn(first: &mut Tally, slow: bool, names: &[String]) -> Result<bool> {
    println!("\nA second turn for: {}\n", names.join(", "));
    let mut arguments: Vec<&str> = IN_REAL_TIME
        .iter()
        .flat_map(|name| ["--package", *name])
        .collect();
    arguments.extend(["--tests", "--", "--exact"]);
    arguments.extend(names.iter().map(String::as_str));
    let mut second = Tally::default();
    test_run(&mut second, slow, &arguments)?;
    let mended = first.second_turn(&second);
    if mended {
        println!("\nPassed only in the second turn: {}", names.join(", "));
    }
    Ok(mended)
}

/// Runs and counts tests; all of them, even after one failed.
fn cargo_test(session: &mut Session, packages: &[&str]) -> Result<()> {
    if !test_run(&mut session.tally, session.slow, packages)? {
        bail!("a test failed or did not build; its name and output stand above");
    }
    Ok(())
}

fn test_run(tally: &mut Tally, slow: bool, arguments: &[&str]) -> Result<bool> {
    let mut command = cargo();
    command
        .args(["test", "--locked", "--no-fail-fast"])
        .args(arguments);
    command.env(SERVER, snug_server());
    if slow {
        command.env(SLOW, "1");
    }
    tee(&mut command, |line| tally.read_cargo(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takes_several_names_and_refuses_unknown_ones() {
        let names: Vec<_> = named("format,cores")
            .unwrap()
            .iter()
            .map(|step| step.name)
            .collect();
        assert_eq!(names, ["format", "cores"]);
        let Err(error) = named("formt") else {
            panic!("no such step")
        };
        assert!(error.to_string().contains("formt"));
    }
}
