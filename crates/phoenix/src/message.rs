//! A message and its parts, as both sides of a socket see them.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::Error;

/// Topic of the messages that belong to the socket itself.
pub const SOCKET_TOPIC: &str = "phoenix";
/// Event that keeps a socket alive.
pub const HEARTBEAT: &str = "heartbeat";
/// Event that asks to join a topic.
pub const JOIN: &str = "phx_join";
/// Event that asks to leave a topic.
pub const LEAVE: &str = "phx_leave";
/// Event that answers a join, a leave or a push.
pub const REPLY: &str = "phx_reply";
/// Event that says: the channel ended normally; do not come back by yourself.
pub const CLOSE: &str = "phx_close";
/// Event that says: the channel crashed; join again.
pub const ERROR: &str = "phx_error";

/// Carries one WebSocket data message, without any WebSocket type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// Returns the number of payload bytes.
    pub fn len(&self) -> usize {
        match self {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        }
    }

    /// Tells whether there is not one payload byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names a message or a join. The other side chose it, so it is echoed exactly as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// No reference: nothing answers this message.
    #[default]
    Null,
    /// A string; every real client sends decimal numbers in it.
    String(String),
    /// A JSON number, kept as the text that arrived.
    Number(Number),
}

/// Holds the text of a finite JSON number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// Returns the number as it stood in the frame.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Keeps `text` if it is a JSON number that a 64-bit float can hold.
    ///
    /// The original server refuses `1e400`; so do we.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let value: f64 = text.parse().ok()?;
        value.is_finite().then(|| Number(text.into()))
    }
}

impl Reference {
    /// Returns the text that identifies the reference: binary frames carry `1` and `"1"` alike.
    /// `None` for null.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Reference::Null => None,
            Reference::String(text) => Some(text),
            Reference::Number(number) => Some(number.as_str()),
        }
    }

    /// Tells whether both name the same thing, whatever JSON type carries the name.
    pub fn matches(&self, other: &Reference) -> bool {
        self.as_text() == other.as_text()
    }
}

impl From<&str> for Reference {
    fn from(text: &str) -> Self {
        Reference::String(text.to_owned())
    }
}

impl From<u64> for Reference {
    /// Makes the decimal string that every real client sends.
    fn from(number: u64) -> Self {
        Reference::String(number.to_string())
    }
}

/// Carries what an event says: any JSON, or bytes.
///
/// JSON stays the text that arrived. That keeps a relayed value identical to the byte, costs no
/// tree, and has no recursion to exhaust (a real client may nest 20,000 lists).
#[derive(Clone)]
pub enum Payload {
    /// One JSON value as text.
    Json(Box<RawValue>),
    /// The data of a binary frame.
    Binary(Bytes),
}

impl Payload {
    /// Makes the payload `{}`.
    pub fn empty() -> Self {
        let object = RawValue::from_string("{}".to_owned()).expect("`{}` is JSON");
        Payload::Json(object)
    }

    /// Writes `value` as JSON.
    ///
    /// # Errors
    /// [`Error::Json`] when `value` has no JSON form (a map whose keys are not strings).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Ok(Payload::Json(serde_json::value::to_raw_value(value)?))
    }

    /// Takes `text` as it is.
    ///
    /// # Errors
    /// [`Error::Json`] when it is not one JSON value.
    pub fn from_json_text(text: String) -> Result<Self, Error> {
        Ok(Payload::Json(RawValue::from_string(text)?))
    }

    /// Reads the JSON as a `T`.
    ///
    /// # Errors
    /// [`Error::Json`] when it is not a `T` or nests deeper than `T` may;
    /// [`Error::Binary`] when the payload is bytes.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        match self {
            Payload::Json(raw) => Ok(serde_json::from_str(raw.get())?),
            Payload::Binary(_) => Err(Error::Binary("JSON was expected, bytes came")),
        }
    }

    /// Returns the JSON text, or `None` for bytes.
    pub fn as_json(&self) -> Option<&str> {
        match self {
            Payload::Json(raw) => Some(raw.get()),
            Payload::Binary(_) => None,
        }
    }

    /// Returns the number of bytes held.
    pub fn len(&self) -> usize {
        match self {
            Payload::Json(raw) => raw.get().len(),
            Payload::Binary(bytes) => bytes.len(),
        }
    }

    /// Tells whether not one byte is held, which only a binary payload can say.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&serde_json::Value> for Payload {
    fn from(value: &serde_json::Value) -> Self {
        Payload::json(value).expect("a Value has string keys, so it has a JSON form")
    }
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Payload::from(&value)
    }
}

impl PartialEq for Payload {
    /// Compares the bytes: two spellings of one JSON value are different payloads.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Payload::Json(a), Payload::Json(b)) => a.get() == b.get(),
            (Payload::Binary(a), Payload::Binary(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    /// Shows kind and size only: payloads hold people's names and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Json(raw) => write!(f, "Json({} bytes)", raw.get().len()),
            Payload::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// One message. From a client `reference` names the message; from a server it is null, except
/// on `phx_close` and `phx_error`, which repeat the `join_ref` there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names the join that the message belongs to; null is accepted for every join.
    pub join_ref: Reference,
    /// Names the message, so that a reply can say what it answers.
    pub reference: Reference,
    /// Which channel, for example `room:kitchen`.
    pub topic: String,
    /// What happened. An event that was not a JSON string is kept as its JSON text.
    pub event: String,
    /// What the event says.
    pub payload: Payload,
}

/// Answers one message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The join it belongs to.
    pub join_ref: Reference,
    /// The message that it answers.
    pub reference: Reference,
    /// The topic of that message.
    pub topic: String,
    /// `ok`, `error`, or a word of the application.
    pub status: String,
    /// What the answer says.
    pub response: Payload,
}

/// What a server says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// An event of the server's own; with a null `join_ref` it is a broadcast.
    Event(Message),
    /// An answer.
    Reply(Reply),
}
