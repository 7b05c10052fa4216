//! Version 2 in text: the JSON array `[join_ref, ref, topic, event, payload]`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Event, push_reference, push_reply_body, push_string};
use crate::{Error, Frame, Message, Payload, Reference, Reply};

struct Array(Message);

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor).map(Array)
    }
}

#[derive(Clone, Copy)]
struct ArrayVisitor;

impl ArrayVisitor {
    fn item<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
        self,
        seq: &mut A,
        index: usize,
    ) -> Result<T, A::Error> {
        seq.next_element()?
            .ok_or_else(|| A::Error::invalid_length(index, &self))
    }
}

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[join_ref, ref, topic, event, payload]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Message, A::Error> {
        let join_ref: Reference = self.item(&mut seq, 0)?;
        let reference: Reference = self.item(&mut seq, 1)?;
        let topic: String = self.item(&mut seq, 2)?;
        let event: Event = self.item(&mut seq, 3)?;
        let payload: &RawValue = self.item(&mut seq, 4)?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Message {
            join_ref,
            reference,
            topic,
            event: event.0,
            payload: Payload::Json(payload.to_owned()),
        })
    }
}

pub(super) fn decode(text: &str) -> Result<Message, Error> {
    let Array(message) = serde_json::from_str(text)?;
    Ok(message)
}

pub(super) fn encode(message: &Message, payload: &RawValue) -> Frame {
    let bytes = message.topic.len() + message.event.len() + payload.get().len();
    let mut out = open(&message.join_ref, &message.reference, &message.topic, bytes);
    push_string(&mut out, &message.event);
    out.push(',');
    out.push_str(payload.get());
    out.push(']');
    Frame::Text(out)
}

pub(super) fn encode_reply(reply: &Reply, response: &RawValue) -> Frame {
    let bytes = reply.topic.len() + response.get().len();
    let mut out = open(&reply.join_ref, &reply.reference, &reply.topic, bytes);
    push_string(&mut out, crate::message::REPLY);
    out.push(',');
    push_reply_body(&mut out, &reply.status, response);
    out.push(']');
    Frame::Text(out)
}

fn open(join_ref: &Reference, reference: &Reference, topic: &str, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 96);
    out.push('[');
    push_reference(&mut out, join_ref);
    out.push(',');
    push_reference(&mut out, reference);
    out.push(',');
    push_string(&mut out, topic);
    out.push(',');
    out
}
