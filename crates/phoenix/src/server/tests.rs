use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::{
    CHANNELS_MAX, Channel, ChannelId, Flow, JoinOutcome, Outbox, Output, Socket, Terminate,
};
use crate::{Frame, Payload, Version};

/// Reports its end as a command and obeys the event's name.
#[derive(Debug)]
struct Scripted(&'static str);

impl Channel for Scripted {
    type Command = (&'static str, Terminate);
    type Info = Flow;

    fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        out: &mut Outbox<Self::Command>,
    ) -> Flow {
        match event {
            "echo" => out.reply("ok", payload),
            "push" => out.push("pushed", payload),
            "stop" => return Flow::Stop,
            "panic" => panic!("as the test asked"),
            "huge" => out.push(&*"e".repeat(300), Payload::Binary(bytes::Bytes::new())),
            _ => return Flow::Crash,
        }
        Flow::Continue
    }

    fn handle_info(&mut self, flow: Flow, out: &mut Outbox<Self::Command>) -> Flow {
        out.push("info", Payload::empty());
        out.reply("ok", Payload::empty()); // Answers nothing, so nothing must come of it.
        flow
    }

    fn terminate(&mut self, why: Terminate, out: &mut Outbox<Self::Command>) {
        out.command((self.0, why));
    }
}

struct Fixture {
    socket: Socket<Scripted>,
    start: Instant,
}

/// An output in a form that tests can spell.
#[derive(Debug, PartialEq)]
enum Did {
    Sent(String),
    Asked(String),
    Ended(&'static str, Terminate),
    Closed(u16),
}

fn sent(text: &str) -> Did {
    Did::Sent(text.to_owned())
}

impl Fixture {
    #[allow(
        clippy::disallowed_methods,
        reason = "an instant to count from; no time is measured"
    )]
    fn new() -> Self {
        let start = Instant::now();
        Fixture {
            socket: Socket::new(Version::V2, Duration::from_secs(60), start),
            start,
        }
    }

    fn say(&mut self, text: &str) -> Vec<Did> {
        self.socket
            .handle_frame(Frame::Text(text.to_owned()), self.start);
        self.drain().0
    }

    fn drain(&mut self) -> (Vec<Did>, Vec<ChannelId>) {
        let mut ids = Vec::new();
        let mut did = Vec::new();
        while let Some(output) = self.socket.poll_output() {
            did.push(match output {
                Output::Send(Frame::Text(text)) => Did::Sent(text),
                Output::Send(frame) => panic!("text was expected: {frame:?}"),
                Output::Join { id, topic, .. } => {
                    ids.push(id);
                    Did::Asked(topic)
                }
                Output::Command((name, why)) => Did::Ended(name, why),
                Output::Close { code } => Did::Closed(code),
            });
        }
        (did, ids)
    }

    fn ask(&mut self, join_ref: &str, topic: &str) -> (Vec<Did>, ChannelId) {
        let frame = format!(r#"["{join_ref}","{join_ref}","{topic}","phx_join",{{}}]"#);
        self.socket.handle_frame(Frame::Text(frame), self.start);
        let (did, ids) = self.drain();
        (did, *ids.last().expect("the application is asked"))
    }

    fn join(&mut self, join_ref: &str, topic: &str, name: &'static str) -> ChannelId {
        let (_, id) = self.ask(join_ref, topic);
        self.socket.handle_joined(id, joined(name));
        self.drain();
        id
    }
}

fn joined(name: &'static str) -> JoinOutcome<Scripted> {
    JoinOutcome::Joined {
        channel: Scripted(name),
        response: json!({}),
    }
}

#[test]
fn a_heartbeat_needs_no_join_and_keeps_the_socket_alive() {
    let mut it = Fixture::new();
    let deadline = it.socket.deadline().unwrap();
    let later = it.start + Duration::from_secs(30);
    it.socket.handle_frame(
        Frame::Text(r#"[null,"9","phoenix","heartbeat",{}]"#.into()),
        later,
    );
    assert_eq!(
        it.drain().0,
        [sent(
            r#"[null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]"#
        )]
    );
    it.socket.handle_timeout(deadline);
    assert_eq!(it.drain().0, []);
    it.socket.handle_timeout(deadline + Duration::from_secs(30));
    assert_eq!(it.drain().0, [Did::Closed(1000)]);
    assert_eq!(it.socket.deadline(), None);
}

#[test]
fn each_join_outcome_has_its_reply() {
    let outcomes = [
        (
            joined("a"),
            r#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#,
        ),
        (
            JoinOutcome::Refused {
                response: json!({"reason": "no"}),
            },
            r#"["1","1","t","phx_reply",{"status":"error","response":{"reason":"no"}}]"#,
        ),
        (
            JoinOutcome::Crashed,
            r#"["1","1","t","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#,
        ),
        (
            JoinOutcome::Unmatched,
            r#"[null,"1","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#,
        ),
    ];
    for (outcome, reply) in outcomes {
        let mut it = Fixture::new();
        let (did, id) = it.ask("1", "t");
        assert_eq!(did, [Did::Asked("t".into())]);
        let is_joined = matches!(outcome, JoinOutcome::Joined { .. });
        it.socket.handle_joined(id, outcome);
        assert_eq!(it.drain().0, [sent(reply)]);
        assert_eq!(it.socket.channels(), usize::from(is_joined));
    }
}

#[test]
fn a_repeated_join_replies_first_and_then_closes_the_old_one() {
    let mut it = Fixture::new();
    it.join("1", "t", "old");
    let (did, id) = it.ask("5", "t");
    assert_eq!(
        did,
        [
            Did::Ended("old", Terminate::Replaced),
            Did::Asked("t".into())
        ]
    );
    it.socket.handle_joined(id, joined("new"));
    assert_eq!(
        it.drain().0,
        [
            sent(r#"["5","5","t","phx_reply",{"status":"ok","response":{}}]"#),
            sent(r#"["1","1","t","phx_close",{}]"#),
        ]
    );
}

#[test]
fn an_event_of_an_older_join_is_ignored_and_a_null_one_is_not() {
    let mut it = Fixture::new();
    it.join("5", "t", "a");
    assert_eq!(it.say(r#"["1","6","t","push",{}]"#), []);
    assert_eq!(
        it.say(r#"["5","7","t","push",{}]"#),
        [sent(r#"["5",null,"t","pushed",{}]"#)]
    );
    assert_eq!(
        it.say(r#"[5,"7","t","push",{}]"#),
        [sent(r#"["5",null,"t","pushed",{}]"#)]
    );
    assert_eq!(
        it.say(r#"[null,"8","t","push",{}]"#),
        [sent(r#"["5",null,"t","pushed",{}]"#)]
    );
}

#[test]
fn a_leave_needs_its_own_join_ref() {
    let mut it = Fixture::new();
    it.join("1", "t", "a");
    assert_eq!(it.say(r#"["9","2","t","phx_leave",{}]"#), []);
    assert_eq!(
        it.say(r#"["1","2","t","phx_leave",{}]"#),
        [
            sent(r#"["1","2","t","phx_reply",{"status":"ok","response":{}}]"#),
            Did::Ended("a", Terminate::Left),
            sent(r#"["1","1","t","phx_close",{}]"#),
        ]
    );
    assert_eq!(
        it.say(r#"["1","3","t","phx_leave",{}]"#),
        [sent(
            r#"["1","3","t","phx_reply",{"status":"ok","response":{}}]"#
        )]
    );
    assert_eq!(
        it.say(r#"["1","4","t","echo",{}]"#),
        [sent(
            r#"[null,"4","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#
        )]
    );
}

#[test]
fn a_crash_ends_one_channel_only() {
    for event in ["nope", "panic", "huge"] {
        let mut it = Fixture::new();
        it.join("1", "a", "a");
        it.join("2", "b", "b");
        assert_eq!(
            it.say(&format!(r#"["1","3","a","{event}",{{}}]"#)),
            [
                Did::Ended("a", Terminate::Crashed),
                sent(r#"["1","1","a","phx_error",{}]"#)
            ]
        );
        assert_eq!(
            it.say(r#"["2","4","b","echo",7]"#),
            [sent(
                r#"["2","4","b","phx_reply",{"status":"ok","response":7}]"#
            )]
        );
    }
}

#[test]
fn a_stop_closes_normally() {
    let mut it = Fixture::new();
    let id = it.join("1", "a", "a");
    it.socket.handle_info(id, Flow::Stop);
    assert_eq!(
        it.drain().0,
        [
            sent(r#"["1",null,"a","info",{}]"#),
            Did::Ended("a", Terminate::Stopped),
            sent(r#"["1","1","a","phx_close",{}]"#),
        ]
    );
    it.socket.handle_info(id, Flow::Continue);
    assert_eq!(it.drain().0, [], "info for a join that ended goes nowhere");
}

#[test]
fn a_malformed_frame_ends_everything_once() {
    let mut it = Fixture::new();
    it.join("1", "a", "a");
    assert_eq!(
        it.say("garbage"),
        [Did::Ended("a", Terminate::SocketClosed), Did::Closed(1011)]
    );
    assert_eq!(it.say(r#"[null,"9","phoenix","heartbeat",{}]"#), []);
    it.socket.handle_closed();
    assert_eq!(it.drain().0, []);
}

#[test]
fn a_join_answered_too_late_is_undone() {
    let mut it = Fixture::new();
    let (_, first) = it.ask("1", "t");
    let (_, second) = it.ask("2", "t");
    it.socket.handle_joined(first, joined("first"));
    assert_eq!(it.drain().0, [Did::Ended("first", Terminate::Replaced)]);
    it.socket.handle_closed();
    it.socket.handle_joined(second, joined("second"));
    assert_eq!(
        it.drain().0,
        [Did::Ended("second", Terminate::SocketClosed)]
    );
}

#[test]
fn a_leave_during_the_join_undoes_it() {
    let mut it = Fixture::new();
    let (_, id) = it.ask("1", "t");
    assert_eq!(
        it.say(r#"["1","2","t","phx_leave",{}]"#),
        [
            sent(r#"["1","2","t","phx_reply",{"status":"ok","response":{}}]"#),
            sent(r#"["1","1","t","phx_close",{}]"#),
        ]
    );
    it.socket.handle_joined(id, joined("late"));
    assert_eq!(it.drain().0, [Did::Ended("late", Terminate::Replaced)]);
}

#[test]
fn the_number_of_channels_is_bounded() {
    let mut it = Fixture::new();
    for number in 0..CHANNELS_MAX {
        it.join("1", &format!("t{number}"), "a");
    }
    assert_eq!(
        it.say(r#"["2","2","more","phx_join",{}]"#),
        [sent(concat!(
            r#"["2","2","more","phx_reply","#,
            r#"{"status":"error","response":{"reason":"too many channels joined"}}]"#
        ))]
    );
    let (did, _) = it.ask("3", "t0");
    assert_eq!(did.len(), 2, "a repeated join is not one more");
}

/// One thing that can happen to a socket, in any order.
#[derive(Clone, Debug)]
enum Step {
    Say {
        join_ref: u8,
        topic: u8,
        event: &'static str,
    },
    Noise(String),
    /// Answers the oldest open join.
    Answer(u8),
    Info(u8),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = prop::sample::select(vec![
        "phx_join",
        "phx_join",
        "phx_leave",
        "echo",
        "push",
        "stop",
        "nope",
        "phx_close",
    ]);
    let say = (0..3_u8, 0..3_u8, event).prop_map(|(join_ref, topic, event)| Step::Say {
        join_ref,
        topic,
        event,
    });
    let step = prop_oneof![
        12 => say,
        6 => (0..4_u8).prop_map(Step::Answer),
        2 => (0..3_u8).prop_map(Step::Info),
        1 => ".{0,12}".prop_map(Step::Noise),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn no_order_of_events_loses_a_channel(steps in steps()) {
        let mut it = Fixture::new();
        let (mut open, mut joined_ids) = (Vec::new(), Vec::new());
        let (mut started, mut ended) = (0, 0);
        for step in steps {
            match step {
                Step::Say { join_ref, topic, event } => {
                    let text = format!(r#"["{join_ref}","join","t{topic}","{event}",{{}}]"#);
                    it.socket.handle_frame(Frame::Text(text), it.start);
                }
                Step::Noise(text) => it.socket.handle_frame(Frame::Text(text), it.start),
                Step::Answer(how) if !open.is_empty() => {
                    let id = open.remove(0);
                    let outcome = match how {
                        0 => JoinOutcome::Refused { response: json!({}) },
                        1 => JoinOutcome::Crashed,
                        2 => JoinOutcome::Unmatched,
                        _ => {
                            started += 1;
                            joined_ids.push(id);
                            joined("a")
                        }
                    };
                    it.socket.handle_joined(id, outcome);
                }
                Step::Info(which) if !joined_ids.is_empty() => {
                    let id = joined_ids[usize::from(which) % joined_ids.len()];
                    it.socket.handle_info(id, Flow::Continue);
                }
                Step::Answer(_) | Step::Info(_) => {}
                Step::Close => it.socket.handle_closed(),
            }
            let (did, ids) = it.drain();
            open.extend(ids);
            ended += did.iter().filter(|did| matches!(did, Did::Ended(..))).count();
            prop_assert!(it.socket.channels() <= 3);
        }
        it.socket.handle_closed();
        for id in open {
            started += 1;
            it.socket.handle_joined(id, joined("late"));
        }
        ended += it.drain().0.len();
        prop_assert_eq!(started, ended, "each channel that began ended, once");
    }
}
