use bytes::Bytes;
use proptest::prelude::*;

use super::Version;
use crate::{Error, Frame, Message, Payload, Reference, Reply, ServerMessage};

fn text(text: &str) -> Frame {
    Frame::Text(text.to_owned())
}

fn client(version: Version, frame: &str) -> Result<Message, Error> {
    version.decode_client(&text(frame))
}

#[test]
fn only_the_recorded_versions_are_accepted() {
    assert_eq!(Version::from_vsn(None), Some(Version::V1));
    assert_eq!(Version::from_vsn(Some("1.0.0")), Some(Version::V1));
    assert_eq!(Version::from_vsn(Some("1.0.9")), Some(Version::V1));
    assert_eq!(Version::from_vsn(Some("2.0.0")), Some(Version::V2));
    for refused in [
        "", "2", "2.0", "2.1.0", "3.0.0", "abc", "2.0.x", "2.0.", "2.0.0.0", "+2.0.0",
    ] {
        assert_eq!(Version::from_vsn(Some(refused)), None, "{refused}");
    }
}

#[test]
fn references_are_echoed_as_given() {
    for reference in ["null", "\"7\"", "77", "-1", "1.50", "\"\\u017c\""] {
        let message = client(
            Version::V2,
            &format!("[{reference},{reference},\"t\",\"e\",{{}}]"),
        );
        let message = message.expect(reference);
        let Frame::Text(again) = Version::V2.encode_client(&message).unwrap() else {
            panic!("text was expected");
        };
        let wanted = reference.replace("\\u017c", "ż");
        assert_eq!(again, format!("[{wanted},{wanted},\"t\",\"e\",{{}}]"));
    }
}

#[test]
fn malformed_text_is_refused() {
    for frame in [
        "",
        "42",
        "{not json",
        "[\"1\",\"2\",\"t\"]",
        "[null,\"5\",\"phoenix\",\"heartbeat\",{}]x",
        r#"[null,"\ud800","phoenix","heartbeat",{}]"#,
        "[null,1e400,\"phoenix\",\"heartbeat\",{}]",
        "[null,true,\"phoenix\",\"heartbeat\",{}]",
        "[null,null,5,\"heartbeat\",{}]",
        r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#,
    ] {
        assert!(client(Version::V2, frame).is_err(), "{frame}");
    }
    for frame in [
        r#"{"topic":"phoenix","event":"heartbeat"}"#,
        r#"{"topic":"phoenix","event":"heartbeat","payload":{}}"#,
        r#"[null,"1","phoenix","heartbeat",{}]"#,
    ] {
        assert!(client(Version::V1, frame).is_err(), "{frame}");
    }
}

#[test]
fn extra_items_and_keys_are_ignored() {
    let message = client(Version::V2, r#"[null,"1","t","e",{},["more"],7]"#).unwrap();
    assert_eq!(message.event, "e");
    let text = r#"{"ref":null,"more":[1],"topic":"t","payload":7,"event":"e"}"#;
    let message = client(Version::V1, text).unwrap();
    assert_eq!(message.payload.as_json(), Some("7"));
    assert_eq!(message.reference, Reference::Null);
}

#[test]
fn an_event_that_is_no_string_is_kept_as_json_text() {
    assert_eq!(
        client(Version::V2, r#"["1","1","t",5,{}]"#).unwrap().event,
        "5"
    );
}

#[test]
fn deep_nesting_is_only_bytes() {
    let depth = 20_000;
    let payload = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let frame = format!("[null,\"5\",\"phoenix\",\"heartbeat\",{payload}]");
    let message = client(Version::V2, &frame).unwrap();
    assert_eq!(message.payload.as_json(), Some(payload.as_str()));
    assert!(
        message.payload.parse::<serde_json::Value>().is_err(),
        "refused, not a stack overflow"
    );
}

#[test]
fn version_1_replies_name_no_join() {
    let reply = ServerMessage::Reply(Reply {
        join_ref: Reference::from("1"),
        reference: Reference::from("2"),
        topic: "t".into(),
        status: "ok".into(),
        response: Payload::empty(),
    });
    assert_eq!(
        Version::V1.encode_server(&reply).unwrap(),
        text(
            r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#
        )
    );
    assert_eq!(
        Version::V2.encode_server(&reply).unwrap(),
        text(r#"["1","2","t","phx_reply",{"status":"ok","response":{}}]"#)
    );
}

#[test]
fn binary_frames_have_the_recorded_bytes() {
    let push = Bytes::from_static(b"\x00\x01\x01\x0b\x0612room:golden__echo\x00\x01\x02\xff");
    let message = Version::V2
        .decode_client(&Frame::Binary(push.clone()))
        .unwrap();
    assert_eq!(message.join_ref, Reference::from("1"));
    assert_eq!(message.reference, Reference::from("2"));
    assert_eq!(
        (message.topic.as_str(), message.event.as_str()),
        ("room:golden", "__echo")
    );
    assert_eq!(
        message.payload,
        Payload::Binary(Bytes::from_static(b"\x00\x01\x02\xff"))
    );
    assert_eq!(
        Version::V2.encode_client(&message).unwrap(),
        Frame::Binary(push)
    );

    let reply = ServerMessage::Reply(Reply {
        join_ref: message.join_ref,
        reference: message.reference,
        topic: message.topic,
        status: "ok".into(),
        response: message.payload,
    });
    let frame = Version::V2.encode_server(&reply).unwrap();
    let wanted = Bytes::from_static(b"\x01\x01\x01\x0b\x0212room:goldenok\x00\x01\x02\xff");
    assert_eq!(frame, Frame::Binary(wanted));
    assert_eq!(Version::V2.decode_server(&frame).unwrap(), reply);
}

#[test]
fn a_name_over_255_bytes_does_not_fit_a_binary_frame() {
    let message = Message {
        join_ref: Reference::Null,
        reference: Reference::Null,
        topic: "a".repeat(256),
        event: "e".into(),
        payload: Payload::Binary(Bytes::new()),
    };
    assert!(matches!(
        Version::V2.encode_client(&message),
        Err(Error::TooLong {
            field: "topic",
            bytes: 256
        })
    ));
    assert!(matches!(
        Version::V1.encode_client(&message),
        Err(Error::BinaryOnVersion1)
    ));
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        Just(Reference::Null),
        ".{1,20}".prop_map(Reference::String),
        any::<u32>().prop_map(|n| {
            let array = format!("[{n},null,\"\",\"\",0]");
            Version::V2
                .decode_client(&Frame::Text(array))
                .unwrap()
                .join_ref
        }),
    ]
}

fn json() -> impl Strategy<Value = Payload> {
    prop_oneof![
        ".*".prop_map(|text| Payload::json(&text).unwrap()),
        any::<i64>().prop_map(|number| Payload::json(&number).unwrap()),
        proptest::collection::vec(".*", 0..4).prop_map(|list| Payload::json(&list).unwrap()),
    ]
}

fn message(payload: impl Strategy<Value = Payload>) -> impl Strategy<Value = Message> {
    (reference(), reference(), ".{0,40}", ".{0,40}", payload).prop_map(
        |(join_ref, reference, topic, event, payload)| Message {
            join_ref,
            reference,
            topic,
            event,
            payload,
        },
    )
}

/// Binary frames carry every reference as a string.
fn as_strings(mut message: Message) -> Message {
    for reference in [&mut message.join_ref, &mut message.reference] {
        *reference = reference.as_text().map_or(Reference::Null, Reference::from);
    }
    message
}

proptest! {
    #[test]
    fn text_of_a_client_comes_back(message in message(json())) {
        for version in [Version::V1, Version::V2] {
            let frame = version.encode_client(&message).unwrap();
            prop_assert_eq!(&version.decode_client(&frame).unwrap(), &message);
        }
    }

    #[test]
    fn events_and_replies_of_a_server_come_back(event in message(json()), status in ".{0,20}") {
        let reply = ServerMessage::Reply(Reply {
            join_ref: event.join_ref.clone(),
            reference: event.reference.clone(),
            topic: event.topic.clone(),
            status,
            response: event.payload.clone(),
        });
        for message in [ServerMessage::Event(event), reply] {
            let frame = Version::V2.encode_server(&message).unwrap();
            prop_assert_eq!(&Version::V2.decode_server(&frame).unwrap(), &message);
        }
    }

    #[test]
    fn binary_of_a_client_comes_back(
        message in message(proptest::collection::vec(any::<u8>(), 0..200).prop_map(|data| {
            Payload::Binary(Bytes::from(data))
        })),
    ) {
        let frame = Version::V2.encode_client(&message).unwrap();
        prop_assert_eq!(Version::V2.decode_client(&frame).unwrap(), as_strings(message));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        text in r#"[\[\]{}",:0-9a-z\\.\-]{0,64}|.*"#,
    ) {
        let frames = [Frame::Binary(Bytes::from(bytes)), Frame::Text(text)];
        for frame in &frames {
            for version in [Version::V1, Version::V2] {
                drop(version.decode_client(frame));
                drop(version.decode_server(frame));
            }
        }
    }

    #[test]
    fn no_mutation_of_a_real_frame_makes_a_decoder_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let real = br#"["1","2","room:golden","mediaEvent",{"data":"{\"type\":\"connect\"}"}]"#;
        let mut bytes = real.to_vec();
        *at.get_mut(&mut bytes) = byte;
        bytes.truncate(cut.index(real.len()) + 1);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for frame in [Frame::Text(text), Frame::Binary(Bytes::from(bytes))] {
            for version in [Version::V1, Version::V2] {
                drop(version.decode_client(&frame));
                drop(version.decode_server(&frame));
            }
        }
    }
}
