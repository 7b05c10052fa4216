//! Version 1: a JSON object with `topic`, `event`, `payload` and `ref`, sometimes `join_ref`.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Event, push_reference, push_reply_body, push_string};
use crate::{Error, Frame, Message, Payload, Reference, Reply};

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(default)]
    join_ref: Reference,
    // A function of its own makes serde insist on the key; Phoenix does too.
    #[serde(rename = "ref", deserialize_with = "required")]
    reference: Reference,
    topic: String,
    event: Event,
    #[serde(borrow)]
    payload: &'a RawValue,
}

fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
    Reference::deserialize(deserializer)
}

pub(super) fn decode(text: &str) -> Result<Message, Error> {
    // serde would also fill the fields from an array, in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Error::Json(serde::de::Error::custom(
            "an object was expected",
        )));
    }
    let object: Object<'_> = serde_json::from_str(text)?;
    Ok(Message {
        join_ref: object.join_ref,
        reference: object.reference,
        topic: object.topic,
        event: object.event.0,
        payload: Payload::Json(object.payload.to_owned()),
    })
}

pub(super) fn encode_client(message: &Message, payload: &RawValue) -> Frame {
    let mut out = open(&message.topic, &message.event, payload.get().len());
    out.push_str(payload.get());
    out.push_str(r#","ref":"#);
    push_reference(&mut out, &message.reference);
    out.push_str(r#","join_ref":"#);
    push_reference(&mut out, &message.join_ref);
    out.push('}');
    Frame::Text(out)
}

/// A server of version 1 never names the join.
pub(super) fn encode_server(message: &Message, payload: &RawValue) -> Frame {
    let mut out = open(&message.topic, &message.event, payload.get().len());
    out.push_str(payload.get());
    Frame::Text(close(out, &message.reference))
}

pub(super) fn encode_reply(reply: &Reply, response: &RawValue) -> Frame {
    let mut out = open(&reply.topic, crate::message::REPLY, response.get().len());
    push_reply_body(&mut out, &reply.status, response);
    Frame::Text(close(out, &reply.reference))
}

fn open(topic: &str, event: &str, payload_bytes: usize) -> String {
    let mut out = String::with_capacity(topic.len() + event.len() + payload_bytes + 96);
    out.push_str(r#"{"topic":"#);
    push_string(&mut out, topic);
    out.push_str(r#","event":"#);
    push_string(&mut out, event);
    out.push_str(r#","payload":"#);
    out
}

fn close(mut out: String, reference: &Reference) -> String {
    out.push_str(r#","ref":"#);
    push_reference(&mut out, reference);
    out.push('}');
    out
}
