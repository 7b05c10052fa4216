//! The command line of Snug: `serve` hosts rooms, `join` takes part without a window, `rooms` lists
//! what is hosted on this network.
//!
//! Knows: arguments, what is printed, exit codes. Refuses to know: sockets, packets and pixels;
//! those belong to `snug-server`, `snug-client`, `snug-media` and `snug-discovery`. The desktop app calls [`run`]
//! for its headless commands, so both programs answer alike.
//!
//! Start from [`run`] and [`Exit`].
//!
//! ```no_run
//! let code = snug_cli::run(["snug-server", "serve", "--port", "7684"].map(Into::into));
//! assert_eq!(code, std::process::ExitCode::SUCCESS);
//! ```

use std::ffi::OsString;
use std::process::ExitCode;

mod args;
mod control;
mod exit;
mod join;
mod logging;
mod pages;
pub mod redaction;
mod rooms;
mod serve;
mod source;

pub use exit::{Exit, Failure};
pub use pages::PAGES;
pub use serve::stop_asked;

use args::Command;

/// Runs one command to its end. `arguments` starts with the program's name.
///
/// Results go to standard output, one sentence and a next step about a failure to standard
/// error; the exit codes are those of [`Exit`].
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match args::parse(arguments) {
        Ok(command) => command,
        Err(problem) => return problem,
    };
    logging::start(match &command {
        Command::Serve(arguments) => arguments.log_format,
        Command::Join(_) | Command::Rooms(_) => args::LogFormat::Text,
    });
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("snug-tokio")
        .build()
        .map_err(Failure::unexpected)
        .and_then(|runtime| {
            let result = runtime.block_on(async {
                match command {
                    Command::Serve(arguments) => serve::run(arguments).await,
                    Command::Join(arguments) => join::run(*arguments).await,
                    Command::Rooms(arguments) => rooms::run(arguments).await,
                }
            });
            // A reader of standard input cannot be interrupted; it must not hold the exit up.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}
