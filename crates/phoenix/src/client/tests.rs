use std::time::{Duration, Instant};

use super::{Backoff, Config, Output, PUSHES_MAX, Socket};
use crate::{Error, Frame, Payload};

struct Fixture {
    socket: Socket,
    now: Instant,
}

impl Fixture {
    #[allow(
        clippy::disallowed_methods,
        reason = "an instant to count from; no time is measured"
    )]
    fn new() -> Self {
        Fixture {
            socket: Socket::new(Config::default()),
            now: Instant::now(),
        }
    }

    fn connected() -> Self {
        let mut it = Self::new();
        it.socket.connect();
        it.socket.handle_connected(it.now);
        it.drain();
        it
    }

    fn joined() -> Self {
        let mut it = Self::connected();
        it.socket.join("room:a", Payload::empty(), it.now).unwrap();
        it.hear(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#);
        it
    }

    fn hear(&mut self, text: &str) -> Vec<Output> {
        self.socket
            .handle_frame(&Frame::Text(text.into()), self.now)
            .unwrap();
        self.drain()
    }

    fn wait(&mut self, duration: Duration) -> Vec<Output> {
        self.now += duration;
        self.socket.handle_timeout(self.now);
        self.drain()
    }

    /// Goes to the next deadline; returns how long that took, in milliseconds, and what came.
    fn next(&mut self) -> (u128, Vec<Output>) {
        let deadline = self.socket.deadline().expect("something is planned");
        let waited = deadline.saturating_duration_since(self.now);
        (waited.as_millis(), self.wait(waited))
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.socket.poll_output()).collect()
    }
}

fn sent(text: &str) -> Output {
    Output::Send(Frame::Text(text.into()))
}

fn topic() -> String {
    "room:a".into()
}

fn json(text: &str) -> Payload {
    Payload::from_json_text(text.into()).unwrap()
}

#[test]
fn a_join_waits_for_the_connection() {
    let mut it = Fixture::new();
    it.socket
        .join("room:a", json(r#"{"x":1}"#), it.now)
        .unwrap();
    assert_eq!(it.drain(), []);
    it.socket.connect();
    assert_eq!(it.drain(), [Output::Connect]);
    it.socket.handle_connected(it.now);
    assert_eq!(
        it.drain(),
        [sent(r#"["1","1","room:a","phx_join",{"x":1}]"#)]
    );
    assert!(!it.socket.is_joined("room:a"));
    assert_eq!(
        it.hear(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"y":2}}]"#),
        [Output::Joined {
            topic: topic(),
            response: json(r#"{"y":2}"#)
        }]
    );
    assert!(it.socket.is_joined("room:a"));
    assert!(matches!(
        it.socket.join("room:a", Payload::empty(), it.now),
        Err(Error::AlreadyJoined)
    ));
}

#[test]
fn a_push_has_a_reply_or_a_timeout() {
    let mut it = Fixture::joined();
    let first = it
        .socket
        .push("room:a", "hello", json("1"), it.now)
        .unwrap();
    let second = it
        .socket
        .push("room:a", "hello", json("2"), it.now)
        .unwrap();
    assert_eq!(
        it.drain(),
        [
            sent(r#"["1","2","room:a","hello",1]"#),
            sent(r#"["1","3","room:a","hello",2]"#)
        ]
    );
    assert_eq!(
        it.hear(r#"["1","3","room:a","phx_reply",{"status":"no","response":[]}]"#),
        [Output::Reply {
            push: second,
            status: "no".into(),
            response: json("[]")
        }]
    );
    assert_eq!(it.next(), (10_000, vec![Output::TimedOut { push: first }]));
    assert_eq!(
        it.hear(r#"["1","2","room:a","phx_reply",{"status":"ok","response":[]}]"#),
        [],
        "too late"
    );
}

#[test]
fn pushes_before_the_join_are_kept_in_order() {
    let mut it = Fixture::connected();
    assert!(matches!(
        it.socket.push("room:a", "hello", json("1"), it.now),
        Err(Error::NotJoined)
    ));
    it.socket.join("room:a", Payload::empty(), it.now).unwrap();
    it.socket.cast("room:a", "a", json("1"), it.now).unwrap();
    it.socket.push("room:a", "b", json("2"), it.now).unwrap();
    it.drain();
    let did = it.hear(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(
        did[1..],
        [
            sent(r#"["1","2","room:a","a",1]"#),
            sent(r#"["1","3","room:a","b",2]"#)
        ]
    );
}

#[test]
fn a_cast_is_never_heard_of_again() {
    let mut it = Fixture::joined();
    it.socket.cast("room:a", "a", json("1"), it.now).unwrap();
    assert_eq!(it.drain(), [sent(r#"["1","2","room:a","a",1]"#)]);
    let (waited, _) = it.next();
    assert_eq!(waited, 30_000, "only the heartbeat is planned");
}

#[test]
fn waiting_pushes_are_bounded() {
    let mut it = Fixture::joined();
    for _ in 0..PUSHES_MAX {
        it.socket.push("room:a", "e", json("1"), it.now).unwrap();
    }
    assert!(matches!(
        it.socket.push("room:a", "e", json("1"), it.now),
        Err(Error::TooManyPushes)
    ));
}

#[test]
fn a_heartbeat_goes_out_and_silence_ends_the_connection() {
    let mut it = Fixture::joined();
    assert_eq!(
        it.next(),
        (30_000, vec![sent(r#"[null,"2","phoenix","heartbeat",{}]"#)])
    );
    it.hear(r#"[null,"2","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(
        it.next(),
        (30_000, vec![sent(r#"[null,"3","phoenix","heartbeat",{}]"#)])
    );
    assert_eq!(it.next(), (30_000, vec![Output::Disconnect]));
    assert_eq!(it.next(), (10, vec![Output::Connect]));
    it.socket.handle_connected(it.now);
    assert_eq!(
        it.drain(),
        [sent(r#"["4","4","room:a","phx_join",{}]"#)],
        "a new join_ref"
    );
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut it = Fixture::joined();
    it.next();
    it.hear(r#"["1",null,"room:a","news",{}]"#);
    assert_eq!(
        it.next(),
        (30_000, vec![sent(r#"[null,"3","phoenix","heartbeat",{}]"#)])
    );
}

#[test]
fn reconnecting_backs_off_until_the_server_speaks() {
    let mut it = Fixture::new();
    it.socket.connect();
    let mut waits = Vec::new();
    for _ in 0..11 {
        it.socket.handle_disconnected(it.now);
        waits.push(it.next().0);
    }
    assert_eq!(
        waits,
        [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000]
    );
    it.socket.handle_connected(it.now);
    it.socket.handle_disconnected(it.now);
    assert_eq!(it.next().0, 5000, "it accepted, but said nothing");
    it.socket.handle_connected(it.now);
    it.hear(r#"[null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    it.socket.handle_disconnected(it.now);
    assert_eq!(it.next().0, 10);
}

#[test]
fn a_lost_connection_drops_what_was_sent_and_keeps_what_was_not() {
    let mut it = Fixture::joined();
    let lost = it.socket.push("room:a", "a", json("1"), it.now).unwrap();
    it.drain();
    it.socket.handle_disconnected(it.now);
    assert_eq!(it.drain(), [Output::Dropped { push: lost }]);
    it.socket.push("room:a", "b", json("2"), it.now).unwrap();
    it.socket
        .set_join_payload("room:a", json(r#"{"resume":"t"}"#))
        .unwrap();
    assert_eq!(it.next().1, [Output::Connect]);
    it.socket.handle_connected(it.now);
    assert_eq!(
        it.drain(),
        [sent(r#"["4","4","room:a","phx_join",{"resume":"t"}]"#)]
    );
    let did = it.hear(r#"["4","4","room:a","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(did[1], sent(r#"["4","3","room:a","b",2]"#));
}

#[test]
fn a_crashed_channel_is_joined_again_and_a_closed_one_is_not() {
    let mut it = Fixture::joined();
    assert_eq!(
        it.hear(r#"["1","1","room:a","phx_error",{}]"#),
        [Output::Errored { topic: topic() }]
    );
    assert_eq!(
        it.next(),
        (1000, vec![sent(r#"["2","2","room:a","phx_join",{}]"#)])
    );
    it.hear(r#"["2","2","room:a","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(
        it.hear(r#"["1","1","room:a","phx_close",{}]"#),
        [],
        "of the older join"
    );
    assert_eq!(
        it.hear(r#"["2","2","room:a","phx_close",{}]"#),
        [Output::Closed { topic: topic() }]
    );
    assert!(matches!(
        it.socket.set_join_payload("room:a", json("1")),
        Err(Error::NotJoined)
    ));
}

#[test]
fn a_refused_join_is_repeated_until_it_is_left() {
    let mut it = Fixture::connected();
    it.socket.join("room:a", Payload::empty(), it.now).unwrap();
    it.drain();
    let mut waits = Vec::new();
    for number in 1..=5 {
        let refused = format!(
            r#"["{number}","{number}","room:a","phx_reply",{{"status":"error","response":{{}}}}]"#
        );
        assert_eq!(
            it.hear(&refused),
            [Output::JoinRefused {
                topic: topic(),
                response: Payload::empty()
            }]
        );
        waits.push(it.next().0);
    }
    assert_eq!(waits, [1000, 2000, 5000, 10_000, 10_000]);
    it.socket.leave("room:a");
    assert_eq!(it.drain(), [sent(r#"["6","7","room:a","phx_leave",{}]"#)]);
}

#[test]
fn an_unanswered_join_is_left_and_repeated() {
    let mut it = Fixture::connected();
    it.socket.join("room:a", Payload::empty(), it.now).unwrap();
    it.drain();
    assert_eq!(
        it.next(),
        (
            10_000,
            vec![
                sent(r#"["1","2","room:a","phx_leave",{}]"#),
                Output::JoinTimedOut { topic: topic() },
            ]
        )
    );
    assert_eq!(
        it.next(),
        (1000, vec![sent(r#"["3","3","room:a","phx_join",{}]"#)])
    );
}

#[test]
fn events_need_the_current_join_ref_or_none() {
    let mut it = Fixture::joined();
    let event = |payload: &str| Output::Event {
        topic: topic(),
        event: "news".into(),
        payload: json(payload),
    };
    assert_eq!(it.hear(r#"["1",null,"room:a","news",1]"#), [event("1")]);
    assert_eq!(it.hear(r#"[null,null,"room:a","news",2]"#), [event("2")]);
    assert_eq!(it.hear(r#"["9",null,"room:a","news",3]"#), []);
    assert_eq!(it.hear(r#"[null,null,"room:b","news",4]"#), []);
}

#[test]
fn closing_leaves_and_stays_closed() {
    let mut it = Fixture::joined();
    let push = it.socket.push("room:a", "a", json("1"), it.now).unwrap();
    it.drain();
    it.socket.close();
    assert_eq!(
        it.drain(),
        [
            sent(r#"["1","3","room:a","phx_leave",{}]"#),
            Output::Dropped { push },
            Output::Disconnect,
        ]
    );
    it.socket.handle_disconnected(it.now);
    assert_eq!(it.socket.deadline(), None);
}

#[test]
fn names_that_fit_no_binary_frame_are_refused_before_they_are_sent() {
    let mut it = Fixture::connected();
    let long = "t".repeat(256);
    let bytes = || Payload::Binary(bytes::Bytes::new());
    assert!(matches!(
        it.socket.join(&long, bytes(), it.now),
        Err(Error::TooLong { .. })
    ));
    it.socket.join(&long, Payload::empty(), it.now).unwrap();
    assert!(matches!(
        it.socket.set_join_payload(&long, bytes()),
        Err(Error::TooLong { .. })
    ));
    let pushed = it.socket.push(&long, "e", bytes(), it.now);
    assert!(matches!(pushed, Err(Error::TooLong { .. })));
}

#[test]
fn garbage_is_an_error_and_not_a_sign_of_life() {
    let mut it = Fixture::joined();
    assert!(
        it.socket
            .handle_frame(&Frame::Text("<html>".into()), it.now)
            .is_err()
    );
    assert_eq!(it.drain(), []);
}

#[test]
fn an_empty_backoff_is_zero() {
    assert_eq!(Backoff::from_millis(&[]).delay(3), Duration::ZERO);
}
