//! The command line of Snug: `serve` hosts rooms, `join` takes part without a window.
//!
//! Knows: arguments, what is printed, exit codes. Refuses to know: sockets, packets and pixels;
//! those belong to `snug-server`, `snug-client` and `snug-media`. The desktop app calls [`run`]
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
mod serve;
mod source;

pub use exit::{Exit, Failure};
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
    start_logging();
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

/// What is logged unless asked otherwise. The WebRTC libraries warn of what belongs to every call,
/// such as a packet that overtakes the handshake; a person could do nothing about it.
const LOGGED: &str = "warn,rtc=error,rtc_dtls=error,rtc_ice=error,webrtc=error";

/// What is never logged, whatever is asked for: it prints the packets of a call.
const NEVER_LOGGED: &str = "webrtc::peer_connection::driver=off";

/// Sends logs to standard error, warnings and worse unless `SNUG_LOG` says otherwise.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("SNUG_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let filter = filter.add_directive(NEVER_LOGGED.parse().expect("it is a valid directive"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    if started.is_err() {
        // The app has already installed its own subscriber; its logs are as good.
        tracing::debug!("logging was already set up");
    }
}
