//! The doors to the repository: one command for each thing a person does with it.
//!
//! Every door first installs what it needs and is missing, so that a fresh machine with only
//! rustup, Node and git gets to the same place. [`test`] is what CI runs; [`window`] is the
//! main job; the other modules are the parts they are made of.

mod apt;
mod bench;
mod build;
mod call;
mod camera_machine;
mod deb;
mod deny;
mod fixtures;
mod fuzz;
mod npm;
mod participant;
mod process;
mod received;
mod recording;
mod room_server;
mod steps;
mod tally;
mod test;
mod tool;
mod ui;
mod window;

use std::process::ExitCode;

const HELP: &str = "\
The doors to Snug's repository.

Usage: cargo xtask COMMAND

  run            Install what is missing, build, and open the window. Arguments are the app's.
  demo           Open the window in a room with three lively participants.
                 --screenshot FILE photographs it on a virtual screen instead.
  call           Hold a call without a window: a room, one participant playing a film clip and
                 speech, one recording it. Ends with what was received. --trio: three, each seeing
                 and hearing the other two.
  screenshots    Photograph every screen of the window, light and dark, large and small, into
                 [FOLDER].
  test           Everything that CI runs. --list names the steps, --only STEP[,STEP] runs some,
                 --slow adds the slow suites.
  check          The quick part of test: format, lints, architecture, unit tests of the cores, UI.
  bench call     Measure a call on this machine (release build). Figures: docs/benchmarks.md.
  bench sfu      What forwarding costs, beside Janus and the least it can cost; [PASSES].
  bench signalling  What joining, words and waiting sockets cost; [PASSES].
  bench media    What sending pictures costs, beside x264; [PASSES].
  deb            Build the package for Debian (release build). --check also installs it on a clean
                 system in a folder and starts it there (as root); --check FILE checks that one.
  bench window   Measure the window: first paint, joining, idle costs, how many tiles.
  types          Write the page's view of the program's types again, after they changed.
  fuzz           Fuzz every parser of network bytes for a minute each; [TARGET] [--seconds N].
  setup          Only install and make what the other commands need.

On Debian the commands install missing packages with apt-get (as root, or through sudo).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["run", arguments @ ..] => window::run(arguments),
        ["demo", options @ ..] => window::demo(options),
        ["screenshots", options @ ..] => window::screenshots(options),
        ["call"] => call::run(call::Cast::Pair),
        ["call", "--trio"] => call::run(call::Cast::Trio),
        ["test", options @ ..] => test::run(options),
        ["check"] => test::check(),
        ["bench", "call", options @ ..] => bench::call(options),
        ["bench", "sfu", options @ ..] => bench::sfu(options),
        ["bench", "signalling", options @ ..] => bench::signalling(options),
        ["bench", "media", options @ ..] => bench::media(options),
        ["deb", options @ ..] => deb::run(options),
        ["bench", "window", options @ ..] => bench::window(options),
        ["fuzz", options @ ..] => fuzz::run_targets(options),
        ["types"] => ui::renew_types(),
        ["setup"] => test::setup(),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ncargo xtask {}: {error:#}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}
