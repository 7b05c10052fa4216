//! Version 2 in binary: a kind byte, one length byte for each name, the names, then the data.
//!
//! | kind | from | lengths |
//! |---|---|---|
//! | 0 push | client | join_ref, ref, topic, event |
//! | 0 push | server | join_ref, topic, event |
//! | 1 reply | server | join_ref, ref, topic, status |
//! | 2 broadcast | server | topic, event |
//!
//! An empty join_ref or ref stands for null: the format has no other way to say it.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Frame, Message, Payload, Reference, Reply, ServerMessage};

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

pub(super) fn decode_client(bytes: &Bytes) -> Result<Message, Error> {
    let (kind, rest) = split_kind(bytes)?;
    if kind != PUSH {
        return Err(Error::Binary("unknown kind byte from a client"));
    }
    let ([join_ref, reference, topic, event], data) = names(bytes, rest)?;
    Ok(Message {
        join_ref: reference_of(join_ref),
        reference: reference_of(reference),
        topic: topic.to_owned(),
        event: event.to_owned(),
        payload: Payload::Binary(data),
    })
}

pub(super) fn decode_server(bytes: &Bytes) -> Result<ServerMessage, Error> {
    let (kind, rest) = split_kind(bytes)?;
    match kind {
        PUSH => {
            let ([join_ref, topic, event], data) = names(bytes, rest)?;
            Ok(event_of(reference_of(join_ref), topic, event, data))
        }
        REPLY => {
            let ([join_ref, reference, topic, status], data) = names(bytes, rest)?;
            Ok(ServerMessage::Reply(Reply {
                join_ref: reference_of(join_ref),
                reference: reference_of(reference),
                topic: topic.to_owned(),
                status: status.to_owned(),
                response: Payload::Binary(data),
            }))
        }
        BROADCAST => {
            let ([topic, event], data) = names(bytes, rest)?;
            Ok(event_of(Reference::Null, topic, event, data))
        }
        _ => Err(Error::Binary("unknown kind byte from a server")),
    }
}

pub(super) fn encode_client(message: &Message, data: &Bytes) -> Result<Frame, Error> {
    encode(
        PUSH,
        [
            ("join_ref", message.join_ref.as_text().unwrap_or_default()),
            ("ref", message.reference.as_text().unwrap_or_default()),
            ("topic", &message.topic),
            ("event", &message.event),
        ],
        data,
    )
}

pub(super) fn encode_event(message: &Message, data: &Bytes) -> Result<Frame, Error> {
    let (topic, event) = (
        ("topic", message.topic.as_str()),
        ("event", message.event.as_str()),
    );
    match message.join_ref.as_text() {
        Some(join_ref) => encode(PUSH, [("join_ref", join_ref), topic, event], data),
        None => encode(BROADCAST, [topic, event], data),
    }
}

pub(super) fn encode_reply(reply: &Reply, data: &Bytes) -> Result<Frame, Error> {
    encode(
        REPLY,
        [
            ("join_ref", reply.join_ref.as_text().unwrap_or_default()),
            ("ref", reply.reference.as_text().unwrap_or_default()),
            ("topic", &reply.topic),
            ("status", &reply.status),
        ],
        data,
    )
}

fn encode<const N: usize>(
    kind: u8,
    names: [(&'static str, &str); N],
    data: &Bytes,
) -> Result<Frame, Error> {
    let head: usize = names.iter().map(|(_, name)| 1 + name.len()).sum();
    let mut out = BytesMut::with_capacity(1 + head + data.len());
    out.put_u8(kind);
    for (field, name) in names {
        let bytes = name.len();
        out.put_u8(u8::try_from(bytes).map_err(|_| Error::TooLong { field, bytes })?);
    }
    for (_, name) in names {
        out.put_slice(name.as_bytes());
    }
    out.put_slice(data);
    Ok(Frame::Binary(out.freeze()))
}

fn split_kind(bytes: &Bytes) -> Result<(u8, &[u8]), Error> {
    let (kind, rest) = bytes.split_first().ok_or(Error::Binary("empty"))?;
    Ok((*kind, rest))
}

/// Reads N length bytes and the N names after them; what is left of `whole` is the data.
fn names<'a, const N: usize>(
    whole: &'a Bytes,
    rest: &'a [u8],
) -> Result<([&'a str; N], Bytes), Error> {
    let (lengths, mut rest) = rest
        .split_first_chunk::<N>()
        .ok_or(Error::Binary("ends in its lengths"))?;
    let mut names = [""; N];
    for (name, length) in names.iter_mut().zip(lengths) {
        let (head, tail) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(Error::Binary("ends in its names"))?;
        *name = std::str::from_utf8(head).map_err(|_| Error::Binary("a name is not UTF-8"))?;
        rest = tail;
    }
    Ok((names, whole.slice(whole.len() - rest.len()..)))
}

fn reference_of(text: &str) -> Reference {
    if text.is_empty() {
        Reference::Null
    } else {
        Reference::from(text)
    }
}

fn event_of(join_ref: Reference, topic: &str, event: &str, data: Bytes) -> ServerMessage {
    ServerMessage::Event(Message {
        join_ref,
        reference: Reference::Null,
        topic: topic.to_owned(),
        event: event.to_owned(),
        payload: Payload::Binary(data),
    })
}
