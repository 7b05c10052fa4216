//! Media events of generation B: the JSON string inside a `mediaEvent` frame.
//!
//! The forms follow the Membrane RTC Engine 0.22 and the npm client 0.5.3 to 0.7.1 to the
//! letter: some events stand bare, `{"type": T, "data": D}`, others are nested in one of type
//! "custom". The engine takes a client's events in exactly their own form, and so do we; the
//! npm client takes a server's events in either form, and so do we.
//!
//! Generation A, which came before, says the same in other words: a room server reads its
//! events as those of generation B and answers by `generation_a`.

mod client_event;
mod generation_a;
mod parts;
mod server_event;
mod server_wire;

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Error;

pub use client_event::{ClientEvent, PreferredVideoSizes, SdpOffer};
pub use parts::{Bitrates, Candidate, SimulcastConfig, Track, TracksTypes, Variant};
pub use server_event::{
    EncodingSwitched, Endpoint, OfferData, SdpAnswer, ServerEvent, SwitchReason, TurnServer,
    TurnTransport, VadStatus,
};

/// The type of the event that nests another one.
const CUSTOM: &str = "custom";

/// How deep the JSON of a client's event may nest, counted in brackets: real ones need six, and
/// what is in it is read and repeated by every program in the room.
const DEPTH_MAX: usize = 64;

/// Tells whether a text nests deeper than a client's event may. Broken JSON is left to its reader.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'[' | b'{' if !is_quoted => depth += 1,
            b']' | b'}' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

/// What every event is outside: its type, and its data still unread.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|cause| unreadable("", &cause))
    }

    /// Opens the event inside this one, when there is one.
    fn inner(&self) -> Result<Option<Envelope<'a>>, Error> {
        match (self.kind.as_ref(), self.data) {
            (CUSTOM, Some(data)) => Envelope::parse(data.get()).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads the data; absent data reads like an empty object.
    fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.data.map_or("{}", RawValue::get);
        serde_json::from_str(text).map_err(|cause| unreadable(&self.kind, &cause))
    }
}

/// Writes `{"type": ..., "data": ...}`.
#[derive(Serialize)]
struct Written<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

fn write_bare(kind: &str, data: impl Serialize) -> String {
    to_text(&Written {
        kind,
        data: Some(data),
    })
}

fn write_custom(kind: &str, data: impl Serialize) -> String {
    to_text(&Written {
        kind: CUSTOM,
        data: Some(Written {
            kind,
            data: Some(data),
        }),
    })
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text keys and plain values always serialise")
}

fn unreadable(kind: &str, cause: &serde_json::Error) -> Error {
    Error::MediaEvent {
        kind: kind.to_owned(),
        cause: cause.to_string(),
    }
}
