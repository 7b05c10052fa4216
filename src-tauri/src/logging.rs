//! The log: a file a day in the data folder, a few of them kept, without what is private.
//!
//! Two nets hold back what is private, because libraries write into the same log: fields whose
//! name says that they hold a name, a link or a secret are not written at all, and whatever looks
//! like an address or a link anywhere in a line is blotted out (`snug_cli::redaction`).

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use snug_cli::redaction::{BLOT, blotted, is_private_field};
use tracing::field::Field;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged unless `SNUG_LOG` says otherwise. The WebRTC libraries warn of what belongs to
/// every call; a person could do nothing about it.
const LOGGED: &str =
    "warn,snug_app=info,rtc=error,rtc_dtls=error,rtc_ice=error,webrtc=error,zbus=error";

/// What is never logged, whatever is asked for: it prints the packets of a call.
const NEVER_LOGGED: &str = "webrtc::peer_connection::driver=off";

/// How many days are kept: long enough to report what happened last week.
const FILES_MAX: usize = 7;

/// Starts logging into `folder`. Logging ends, all written, when the returned guard is dropped.
///
/// # Errors
/// When the folder cannot be made or written to; the program works without a log.
pub fn start(folder: &Path) -> Result<WorkerGuard, InitError> {
    // The appender complains of a folder that is not there before it makes it. Where it cannot be
    // made, the appender says why.
    drop(std::fs::create_dir_all(folder));
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("snug")
        .filename_suffix("log")
        .max_log_files(FILES_MAX)
        .build(folder)?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let filter = EnvFilter::try_from_env("SNUG_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let filter = filter.add_directive(NEVER_LOGGED.parse().expect("it is a valid directive"));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(debug_fn(write_field))
        .with_writer(Blotting(writer));
    let started = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
    if started.is_err() {
        // A test of the same process was first; its log is as good.
        tracing::debug!("logging was already set up");
    }
    Ok(guard)
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?} "),
        name if is_private_field(name) => write!(writer, "{name}={BLOT} "),
        name => write!(writer, "{name}={value:?} "),
    }
}

/// Makes writers that blot out what is private.
struct Blotting(NonBlocking);

impl<'a> MakeWriter<'a> for Blotting {
    type Writer = BlottingWriter;

    fn make_writer(&'a self) -> BlottingWriter {
        BlottingWriter(self.0.clone())
    }
}

/// Writes a line at a time, as the formatter hands them over.
struct BlottingWriter(NonBlocking);

impl Write for BlottingWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(blotted(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_happened_and_nothing_private() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, guard) = tracing_appender::non_blocking(
            RollingFileAppender::builder()
                .filename_prefix("snug")
                .build(folder.path())
                .unwrap(),
        );
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .fmt_fields(debug_fn(write_field))
            .with_writer(Blotting(writer));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = "Ada", count = 3, "lost 10.1.2.3:7684");
        });
        drop(guard);
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(
            text.contains("count=3") && text.contains("lost [private]"),
            "{text}"
        );
        assert!(!text.contains("Ada") && !text.contains("10.1."), "{text}");
    }
}
