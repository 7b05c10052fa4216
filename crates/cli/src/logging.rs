//! What is logged, and in which form: lines for people, or an object of JSON a line for machines.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogFormat;
use crate::redaction::{BLOT, blotted, is_private_field};

/// What is logged unless asked otherwise. The WebRTC libraries warn of what belongs to every call,
/// such as a packet that overtakes the handshake; a person could do nothing about it.
const LOGGED: &str = "warn,rtc=error,rtc_dtls=error,rtc_ice=error,webrtc=error";

/// The same for machines, which also count who comes and goes.
const LOGGED_AS_JSON: &str =
    "warn,snug_server=info,rtc=error,rtc_dtls=error,rtc_ice=error,webrtc=error";

/// What is never logged, whatever is asked for: it prints the packets of a call.
const NEVER_LOGGED: &str = "webrtc::peer_connection::driver=off";

/// Sends logs to standard error, warnings and worse unless `SNUG_LOG` says otherwise.
pub(crate) fn start(format: LogFormat) {
    let logged = match format {
        LogFormat::Text => LOGGED,
        LogFormat::Json => LOGGED_AS_JSON,
    };
    let filter = EnvFilter::try_from_env("SNUG_LOG").unwrap_or_else(|_| EnvFilter::new(logged));
    let filter = filter.add_directive(NEVER_LOGGED.parse().expect("it is a valid directive"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => started.try_init(),
        LogFormat::Json => started.event_format(Objects).try_init(),
    };
    if started.is_err() {
        // The app has already installed its own subscriber; its logs are as good.
        tracing::debug!("logging was already set up");
    }
}

/// Writes an event as an object: `at_ms` (milliseconds since 1970), `level`, `target`, `message`,
/// and the event's own fields, without what is private.
struct Objects;

impl<S, N> FormatEvent<S, N> for Objects
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = at.unwrap_or_default().as_millis();
        let metadata = event.metadata();
        let mut object = Object::default();
        object.put("at_ms", u64::try_from(at_ms).unwrap_or(u64::MAX));
        object.put("level", metadata.level().as_str());
        object.put("target", metadata.target());
        event.record(&mut object);
        writeln!(writer, "{}", Value::Object(object.0))
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    /// Puts a value under a name that is free.
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.entry(name).or_insert_with(|| value.into());
    }

    fn put_field(&mut self, field: &Field, value: impl Into<Value>) {
        match is_private_field(field.name()) {
            true => self.put(field.name(), BLOT),
            false => self.put(field.name(), value),
        }
    }
}

impl Visit for Object {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_field(field, blotted(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_field(field, blotted(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_field(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_field(field, value);
    }
}
