//! Frames to messages and back, in the versions that real clients speak.
//!
//! Rules, each with its why:
//! - `vsn` must be `1.0.x` or `2.0.x`; a missing one means 1.0.0. Anything else refuses the
//!   connection, as Phoenix does, because a client of another generation would misread us.
//! - Extra items of a version 2 array and extra keys of a version 1 map are ignored: that is how
//!   Phoenix lets clients grow.
//! - A payload is never parsed here, so its size and depth cost nothing but its bytes.

mod binary;
mod v1;
mod v2;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::message::Number;
use crate::{Error, Frame, Message, Payload, Reference, ServerMessage};

/// Names the serializer of a connection, agreed on by its `vsn` query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// JSON objects, text only (clients up to 1.2).
    V1,
    /// JSON arrays, and binary frames (clients from 1.3).
    V2,
}

impl Version {
    /// Reads the `vsn` query parameter; `None` refuses the connection (HTTP 403).
    pub fn from_vsn(vsn: Option<&str>) -> Option<Self> {
        let Some(vsn) = vsn else {
            return Some(Version::V1);
        };
        let mut parts = vsn.split('.');
        let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
        let patch_is_number = !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit());
        match (major, minor, patch_is_number, parts.next()) {
            ("1", "0", true, None) => Some(Version::V1),
            ("2", "0", true, None) => Some(Version::V2),
            _ => None,
        }
    }

    /// Returns the value for the `vsn` query parameter of a client.
    pub fn as_vsn(self) -> &'static str {
        match self {
            Version::V1 => "1.0.0",
            Version::V2 => "2.0.0",
        }
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::Binary`] or [`Error::BinaryOnVersion1`]: the frame is malformed
    /// and the socket should close with code 1011.
    pub fn decode_client(self, frame: &Frame) -> Result<Message, Error> {
        match (self, frame) {
            (Version::V1, Frame::Text(text)) => v1::decode(text),
            (Version::V2, Frame::Text(text)) => v2::decode(text),
            (Version::V1, Frame::Binary(_)) => Err(Error::BinaryOnVersion1),
            (Version::V2, Frame::Binary(bytes)) => binary::decode_client(bytes),
        }
    }

    /// Writes what a client sends.
    ///
    /// # Errors
    /// [`Error::BinaryOnVersion1`] or [`Error::TooLong`] for a payload of bytes.
    pub fn encode_client(self, message: &Message) -> Result<Frame, Error> {
        match (self, &message.payload) {
            (Version::V1, Payload::Json(raw)) => Ok(v1::encode_client(message, raw)),
            (Version::V2, Payload::Json(raw)) => Ok(v2::encode(message, raw)),
            (Version::V1, Payload::Binary(_)) => Err(Error::BinaryOnVersion1),
            (Version::V2, Payload::Binary(data)) => binary::encode_client(message, data),
        }
    }

    /// Reads what a server sent.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::Binary`] or [`Error::BinaryOnVersion1`]: the frame is malformed.
    pub fn decode_server(self, frame: &Frame) -> Result<ServerMessage, Error> {
        let message = match (self, frame) {
            (Version::V1, Frame::Text(text)) => v1::decode(text)?,
            (Version::V2, Frame::Text(text)) => v2::decode(text)?,
            (Version::V1, Frame::Binary(_)) => return Err(Error::BinaryOnVersion1),
            (Version::V2, Frame::Binary(bytes)) => return binary::decode_server(bytes),
        };
        reply_or_event(message)
    }

    /// Writes what a server sends.
    ///
    /// # Errors
    /// [`Error::BinaryOnVersion1`] or [`Error::TooLong`] for a payload of bytes.
    pub fn encode_server(self, message: &ServerMessage) -> Result<Frame, Error> {
        match message {
            ServerMessage::Event(event) => match (self, &event.payload) {
                (Version::V1, Payload::Json(raw)) => Ok(v1::encode_server(event, raw)),
                (Version::V2, Payload::Json(raw)) => Ok(v2::encode(event, raw)),
                (Version::V1, Payload::Binary(_)) => Err(Error::BinaryOnVersion1),
                (Version::V2, Payload::Binary(data)) => binary::encode_event(event, data),
            },
            ServerMessage::Reply(reply) => match (self, &reply.response) {
                (Version::V1, Payload::Json(raw)) => Ok(v1::encode_reply(reply, raw)),
                (Version::V2, Payload::Json(raw)) => Ok(v2::encode_reply(reply, raw)),
                (Version::V1, Payload::Binary(_)) => Err(Error::BinaryOnVersion1),
                (Version::V2, Payload::Binary(data)) => binary::encode_reply(reply, data),
            },
        }
    }
}

/// Tells a reply, which has a status and a response, from every other text message.
fn reply_or_event(message: Message) -> Result<ServerMessage, Error> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        status: String,
        #[serde(borrow)]
        response: &'a RawValue,
    }
    if message.event != crate::message::REPLY {
        return Ok(ServerMessage::Event(message));
    }
    let text = message
        .payload
        .as_json()
        .ok_or(Error::Binary("a reply in text was expected"))?;
    let body: Body<'_> = serde_json::from_str(text)?;
    Ok(ServerMessage::Reply(crate::Reply {
        status: body.status,
        response: Payload::Json(body.response.to_owned()),
        join_ref: message.join_ref,
        reference: message.reference,
        topic: message.topic,
    }))
}

/// Appends `text` as a JSON string.
fn push_string(out: &mut String, text: &str) {
    let quoted = serde_json::to_string(text).expect("a string has a JSON form");
    out.push_str(&quoted);
}

/// Appends `reference` as it was given.
fn push_reference(out: &mut String, reference: &Reference) {
    match reference {
        Reference::Null => out.push_str("null"),
        Reference::String(text) => push_string(out, text),
        Reference::Number(number) => out.push_str(number.as_str()),
    }
}

/// Appends the payload of a reply in text.
fn push_reply_body(out: &mut String, status: &str, response: &RawValue) {
    out.push_str(r#"{"status":"#);
    push_string(out, status);
    out.push_str(r#","response":"#);
    out.push_str(response.get());
    out.push('}');
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'n') => Ok(Reference::Null),
            Some(b'"') => serde_json::from_str(raw)
                .map(Reference::String)
                .map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Number::parse(raw)
                .map(Reference::Number)
                .ok_or_else(|| D::Error::custom("a reference is out of range")),
            _ => Err(D::Error::custom(
                "a reference is null, a string or a number",
            )),
        }
    }
}

/// The event of a text frame: a string, or the JSON text of anything else.
struct Event(String);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            return serde_json::from_str(raw)
                .map(Event)
                .map_err(D::Error::custom);
        }
        Ok(Event(raw.to_owned()))
    }
}

#[cfg(test)]
mod tests;
