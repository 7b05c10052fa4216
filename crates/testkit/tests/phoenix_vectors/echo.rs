//! The echo application that the recordings were made with, written for our own shell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::json;
use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, Flow, JoinOutcome, Outbox, Terminate};
use snug_server::socket::{Application, Connect, Join, Mailbox, Refused};

/// Keeps the members of every room.
#[derive(Clone, Default)]
pub struct Echo {
    rooms: Arc<Mutex<HashMap<String, Vec<Mailbox<Info>>>>>,
}

pub struct Member {
    topic: String,
    own: Mailbox<Info>,
}

#[derive(Clone)]
pub enum Info {
    /// Another member said this.
    Said(Payload),
    RoomDied,
}

pub enum Command {
    Relay {
        topic: String,
        from: Mailbox<Info>,
        payload: Payload,
    },
    KillRoom {
        topic: String,
    },
    Leave {
        topic: String,
        own: Mailbox<Info>,
    },
}

#[derive(serde::Deserialize)]
struct MediaEvent {
    data: String,
}

impl Echo {
    fn rooms(&self) -> MutexGuard<'_, HashMap<String, Vec<Mailbox<Info>>>> {
        self.rooms
            .lock()
            .expect("nothing panics while it holds the rooms")
    }
}

impl Application for Echo {
    type Channel = Member;

    fn topic_matches(&self, topic: &str) -> bool {
        topic.starts_with("room:")
    }

    fn connect(&self, request: &Connect) -> Result<(), Refused> {
        if request.param("refuse") == Some("1") {
            Err(Refused)
        } else {
            Ok(())
        }
    }

    async fn join(&self, join: Join<Member>) -> JoinOutcome<Member> {
        let Join {
            topic,
            mailbox: own,
            ..
        } = join;
        match topic.as_str() {
            "room:__fail" => {
                return JoinOutcome::Refused {
                    response: json!({"reason": "failed to start room"}),
                };
            }
            "room:__raise" => panic!("the recorded application crashes here"),
            _ => {}
        }
        self.rooms()
            .entry(topic.clone())
            .or_default()
            .push(own.clone());
        JoinOutcome::Joined {
            channel: Member { topic, own },
            response: json!({}),
        }
    }

    async fn perform(&self, command: Command) {
        let mut rooms = self.rooms();
        match command {
            Command::Relay {
                topic,
                from,
                payload,
            } => {
                let others = rooms.get(&topic).into_iter().flatten();
                for member in others.filter(|member| !member.is_same(&from)) {
                    member.try_send(Info::Said(payload.clone())).ok();
                }
            }
            Command::KillRoom { topic } => {
                for member in rooms.remove(&topic).into_iter().flatten() {
                    member.try_send(Info::RoomDied).ok();
                }
            }
            Command::Leave { topic, own } => {
                if let Some(members) = rooms.get_mut(&topic) {
                    members.retain(|member| !member.is_same(&own));
                }
            }
        }
    }
}

impl Channel for Member {
    type Command = Command;
    type Info = Info;

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<Command>) -> Flow {
        match event {
            "__echo" => out.reply("ok", payload),
            "__stop" => return Flow::Stop,
            "mediaEvent" => {
                let Ok(MediaEvent { data }) = payload.parse() else {
                    return Flow::Crash;
                };
                let topic = self.topic.clone();
                if data == "KILLROOM" {
                    out.command(Command::KillRoom { topic });
                } else if data.starts_with('E') {
                    out.push("mediaEvent", payload);
                } else {
                    out.command(Command::Relay {
                        topic,
                        from: self.own.clone(),
                        payload,
                    });
                }
            }
            _ => return Flow::Crash,
        }
        Flow::Continue
    }

    fn handle_info(&mut self, info: Info, out: &mut Outbox<Command>) -> Flow {
        match info {
            Info::Said(payload) => out.push("mediaEvent", payload),
            Info::RoomDied => return Flow::Stop,
        }
        Flow::Continue
    }

    fn terminate(&mut self, _: Terminate, out: &mut Outbox<Command>) {
        out.command(Command::Leave {
            topic: self.topic.clone(),
            own: self.own.clone(),
        });
    }

    fn weight(info: &Info) -> usize {
        match info {
            Info::Said(payload) => payload.len(),
            Info::RoomDied => 0,
        }
    }
}
