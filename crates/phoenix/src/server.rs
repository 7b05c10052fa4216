//! The server side of one socket: several channels, told apart by topic.
//!
//! Rules, each with its why (recorded from Phoenix 1.7 unless said otherwise):
//! - A malformed frame closes the socket with 1011; its channels are told, other sockets are not.
//! - A second join of a topic ends the first one. The new reply goes out first, then `phx_close`
//!   with the *old* join_ref, so that a client can tell which of its two channels closed.
//! - An event whose join_ref is another one than the topic's current join is ignored (Phoenix 1.8;
//!   1.7 still delivered it): it was meant for a channel that is gone. Null is always accepted.
//! - A leave must carry the join's own join_ref, otherwise it raced a close and gets no answer.
//! - `phx_error` carries `{}`.
//! - After [`Output::Close`] nothing is handled any more except late joins, which are ended.

mod channel;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::json;

use channel::Item;
pub use channel::{Channel, ChannelId, Flow, JoinOutcome, Outbox, Terminate};

use crate::message::{CLOSE, ERROR, HEARTBEAT, JOIN, LEAVE, SOCKET_TOPIC};
use crate::{Frame, Message, Payload, Reference, Reply, ServerMessage, Version};

/// Bounds the channels of one socket. Clients use one or two; Phoenix 1.8 refuses what is beyond
/// a hundred by the same reason.
pub const CHANNELS_MAX: usize = 8;

/// Ends a socket that said nothing for so long; clients send a heartbeat every 30 s.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Close code of a socket that said nothing for too long.
pub const CLOSE_NORMAL: u16 = 1000;
/// Close code after a malformed frame.
pub const CLOSE_MALFORMED: u16 = 1011;

/// What the shell of a socket is to do next.
#[derive(Debug)]
pub enum Output<C: Channel> {
    /// Send a frame to the client.
    Send(Frame),
    /// Ask the application, then call [`Socket::handle_joined`] before the next frame is handled.
    Join {
        /// Names the join in the answer.
        id: ChannelId,
        /// What the client wants to join.
        topic: String,
        /// What it says about it.
        payload: Payload,
    },
    /// Do what a channel asked for.
    Command(C::Command),
    /// Close the WebSocket with this code, then call [`Socket::handle_closed`].
    Close {
        /// The WebSocket close code.
        code: u16,
    },
}

/// Is the state of one socket.
pub struct Socket<C: Channel> {
    version: Version,
    idle_timeout: Duration,
    heard: Instant,
    entries: Vec<Entry<C>>,
    next_id: u64,
    out: VecDeque<Output<C>>,
    closed: bool,
}

struct Entry<C> {
    id: ChannelId,
    topic: String,
    join_ref: Reference,
    state: State<C>,
}

enum State<C> {
    /// The application has not answered; `replaced` is the join_ref that this join ended.
    Joining {
        reference: Reference,
        replaced: Option<Reference>,
    },
    Joined(C),
}

impl<C: Channel> Socket<C> {
    /// Starts a socket that was accepted at `now`. `idle_timeout` is how long it may say nothing;
    /// [`IDLE_TIMEOUT`] is what clients expect.
    pub fn new(version: Version, idle_timeout: Duration, now: Instant) -> Self {
        Socket {
            version,
            idle_timeout,
            heard: now,
            entries: Vec::new(),
            next_id: 0,
            out: VecDeque::new(),
            closed: false,
        }
    }

    /// Takes a data frame of the client.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        if self.closed {
            return;
        }
        self.heard = now;
        match self.version.decode_client(&frame) {
            Ok(message) => self.handle_message(message),
            Err(_) => self.close(CLOSE_MALFORMED),
        }
    }

    /// Notes a sign of life that carries nothing, such as a WebSocket ping or pong.
    pub fn handle_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Takes the application's answer to [`Output::Join`].
    pub fn handle_joined(&mut self, id: ChannelId, outcome: JoinOutcome<C>) {
        let Some(index) = self.entries.iter().position(|entry| entry.id == id) else {
            return self.end_late_join(outcome);
        };
        let State::Joining {
            reference,
            replaced,
        } = &mut self.entries[index].state
        else {
            return; // Answered twice; the first answer counts.
        };
        let (reference, replaced) = (std::mem::take(reference), replaced.take());
        let join_ref = self.entries[index].join_ref.clone();
        let topic = self.entries[index].topic.clone();
        match outcome {
            JoinOutcome::Joined { channel, response } => {
                self.entries[index].state = State::Joined(channel);
                self.reply(join_ref, reference, &topic, "ok", Payload::from(response));
            }
            JoinOutcome::Refused { response } => {
                self.entries.swap_remove(index);
                self.reply(
                    join_ref,
                    reference,
                    &topic,
                    "error",
                    Payload::from(response),
                );
            }
            JoinOutcome::Crashed => {
                self.entries.swap_remove(index);
                self.refuse(join_ref, reference, &topic, "join crashed");
            }
            JoinOutcome::Unmatched => {
                self.entries.swap_remove(index);
                self.refuse(Reference::Null, reference, &topic, "unmatched topic");
            }
        }
        if let Some(old) = replaced {
            self.send_end(CLOSE, old, &topic);
        }
    }

    /// Delivers `info` to one join; one that ended meanwhile gets nothing.
    pub fn handle_info(&mut self, id: ChannelId, info: C::Info) {
        let Some(index) = self.entries.iter().position(|entry| entry.id == id) else {
            return;
        };
        self.run(index, None, |channel, out| channel.handle_info(info, out));
    }

    /// Ends every channel because the WebSocket is gone. Commands may still come out.
    pub fn handle_closed(&mut self) {
        self.closed = true;
        self.out
            .retain(|output| matches!(output, Output::Command(_)));
        self.end_all();
    }

    /// Returns the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output<C>> {
        self.out.pop_front()
    }

    /// Returns when [`Socket::handle_timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.closed).then(|| self.heard + self.idle_timeout)
    }

    /// Closes the socket if it was silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.close(CLOSE_NORMAL);
        }
    }

    /// Returns how many topics are joined or being joined.
    pub fn channels(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many bytes more than usual a message of the client may need, as its channels
    /// say.
    pub fn message_bytes_extra(&self) -> usize {
        let joined = self.entries.iter().filter_map(|entry| match &entry.state {
            State::Joined(channel) => Some(channel.message_bytes_extra()),
            State::Joining { .. } => None,
        });
        joined.fold(0, usize::saturating_add)
    }

    fn handle_message(&mut self, message: Message) {
        let Message {
            join_ref,
            reference,
            topic,
            event,
            payload,
        } = message;
        if topic == SOCKET_TOPIC && event == HEARTBEAT {
            return self.reply(Reference::Null, reference, &topic, "ok", Payload::empty());
        }
        let joined = self.entries.iter().position(|entry| entry.topic == topic);
        match (joined, event.as_str()) {
            (_, JOIN) => self.join(joined, join_ref, reference, topic, payload),
            (None, LEAVE) => self.reply(join_ref, reference, &topic, "ok", Payload::empty()),
            (None, _) => self.refuse(Reference::Null, reference, &topic, "unmatched topic"),
            (Some(index), LEAVE) => self.leave(index, &join_ref, reference),
            (Some(index), _) => {
                let entry = &self.entries[index];
                if matches!(entry.state, State::Joining { .. }) {
                    return self.refuse(Reference::Null, reference, &topic, "unmatched topic");
                }
                if join_ref == Reference::Null || join_ref.matches(&entry.join_ref) {
                    self.run(index, Some(&reference), |channel, out| {
                        channel.handle_in(&event, payload, out)
                    });
                }
            }
        }
    }

    fn join(
        &mut self,
        current: Option<usize>,
        join_ref: Reference,
        reference: Reference,
        topic: String,
        payload: Payload,
    ) {
        let replaced = current.map(|index| self.replace(index));
        if self.entries.len() >= CHANNELS_MAX {
            return self.refuse(join_ref, reference, &topic, "too many channels joined");
        }
        let id = ChannelId(self.next_id);
        self.next_id += 1;
        let state = State::Joining {
            reference,
            replaced: replaced.flatten(),
        };
        self.entries.push(Entry {
            id,
            topic: topic.clone(),
            join_ref,
            state,
        });
        self.out.push_back(Output::Join { id, topic, payload });
    }

    /// Ends a join that the client repeats. Returns the join_ref that is to be closed after the
    /// new join's reply.
    fn replace(&mut self, index: usize) -> Option<Reference> {
        let entry = self.entries.swap_remove(index);
        match entry.state {
            State::Joining { replaced, .. } => replaced,
            State::Joined(channel) => {
                self.end(channel, Terminate::Replaced, &entry.topic, &entry.join_ref);
                Some(entry.join_ref)
            }
        }
    }

    fn leave(&mut self, index: usize, join_ref: &Reference, reference: Reference) {
        if !self.entries[index].join_ref.matches(join_ref) {
            return;
        }
        let entry = self.entries.swap_remove(index);
        let join_ref = entry.join_ref;
        self.reply(
            join_ref.clone(),
            reference,
            &entry.topic,
            "ok",
            Payload::empty(),
        );
        if let State::Joined(channel) = entry.state {
            self.end(channel, Terminate::Left, &entry.topic, &join_ref);
        }
        self.send_end(CLOSE, join_ref, &entry.topic);
    }

    /// Lets the channel at `index` handle something, then does what it asked for.
    fn run(
        &mut self,
        index: usize,
        reference: Option<&Reference>,
        handle: impl FnOnce(&mut C, &mut Outbox<C::Command>) -> Flow,
    ) {
        let entry = &mut self.entries[index];
        let State::Joined(channel) = &mut entry.state else {
            return;
        };
        let mut outbox = Outbox::new();
        // The channel is dropped after a panic and never looked at again, except by its own
        // `terminate`; no state of ours is touched inside.
        let flow =
            catch_unwind(AssertUnwindSafe(|| handle(channel, &mut outbox))).unwrap_or(Flow::Crash);
        let (topic, join_ref) = (entry.topic.clone(), entry.join_ref.clone());
        let flow = match self.deliver(outbox, &topic, &join_ref, reference) {
            Ok(()) => flow,
            Err(_) => Flow::Crash,
        };
        let (why, event) = match flow {
            Flow::Continue => return,
            Flow::Stop => (Terminate::Stopped, CLOSE),
            Flow::Crash => (Terminate::Crashed, ERROR),
        };
        if let State::Joined(channel) = self.entries.swap_remove(index).state {
            self.end(channel, why, &topic, &join_ref);
        }
        self.send_end(event, join_ref, &topic);
    }

    /// Lets a channel say its last words.
    fn end(&mut self, mut channel: C, why: Terminate, topic: &str, join_ref: &Reference) {
        let mut outbox = Outbox::new();
        // A second panic changes nothing: the channel is dropped right after.
        drop(catch_unwind(AssertUnwindSafe(|| {
            channel.terminate(why, &mut outbox)
        })));
        drop(self.deliver(outbox, topic, join_ref, None));
    }

    /// Turns the items of `outbox` into outputs.
    ///
    /// # Errors
    /// The first message that this serializer cannot carry; what follows it is still delivered.
    fn deliver(
        &mut self,
        outbox: Outbox<C::Command>,
        topic: &str,
        join_ref: &Reference,
        reference: Option<&Reference>,
    ) -> Result<(), crate::Error> {
        let mut result = Ok(());
        for item in outbox.items {
            let message = match item {
                Item::Command(command) => {
                    self.out.push_back(Output::Command(command));
                    continue;
                }
                Item::Push { event, payload } => ServerMessage::Event(Message {
                    join_ref: join_ref.clone(),
                    reference: Reference::Null,
                    topic: topic.to_owned(),
                    event,
                    payload,
                }),
                Item::Reply { status, response } => {
                    let Some(reference) = reference else {
                        continue; // Nothing is being answered.
                    };
                    ServerMessage::Reply(Reply {
                        join_ref: join_ref.clone(),
                        reference: reference.clone(),
                        topic: topic.to_owned(),
                        status,
                        response,
                    })
                }
            };
            result = result.and(self.send(&message));
        }
        result
    }

    fn reply(
        &mut self,
        join_ref: Reference,
        reference: Reference,
        topic: &str,
        status: &str,
        response: Payload,
    ) {
        let (topic, status) = (topic.to_owned(), status.to_owned());
        let reply = Reply {
            join_ref,
            reference,
            topic,
            status,
            response,
        };
        self.send_own(&ServerMessage::Reply(reply));
    }

    fn refuse(&mut self, join_ref: Reference, reference: Reference, topic: &str, reason: &str) {
        let response = Payload::from(json!({ "reason": reason }));
        self.reply(join_ref, reference, topic, "error", response);
    }

    /// Tells the client that a join ended; the join_ref stands in both places.
    fn send_end(&mut self, event: &str, join_ref: Reference, topic: &str) {
        self.send_own(&ServerMessage::Event(Message {
            reference: join_ref.clone(),
            join_ref,
            topic: topic.to_owned(),
            event: event.to_owned(),
            payload: Payload::empty(),
        }));
    }

    fn send_own(&mut self, message: &ServerMessage) {
        self.send(message)
            .expect("a JSON payload fits every version");
    }

    fn send(&mut self, message: &ServerMessage) -> Result<(), crate::Error> {
        if !self.closed {
            self.out
                .push_back(Output::Send(self.version.encode_server(message)?));
        }
        Ok(())
    }

    /// Ends the socket by our own will.
    fn close(&mut self, code: u16) {
        self.closed = true;
        self.end_all();
        self.out.push_back(Output::Close { code });
    }

    fn end_all(&mut self) {
        for entry in std::mem::take(&mut self.entries) {
            if let State::Joined(channel) = entry.state {
                self.end(
                    channel,
                    Terminate::SocketClosed,
                    &entry.topic,
                    &entry.join_ref,
                );
            }
        }
    }

    /// Ends a channel whose join was left, repeated or closed before the application answered.
    fn end_late_join(&mut self, outcome: JoinOutcome<C>) {
        if let JoinOutcome::Joined { mut channel, .. } = outcome {
            let why = if self.closed {
                Terminate::SocketClosed
            } else {
                Terminate::Replaced
            };
            let mut outbox = Outbox::new();
            drop(catch_unwind(AssertUnwindSafe(|| {
                channel.terminate(why, &mut outbox)
            })));
            // Nobody listens under this join any more: only what must be undone is done.
            let commands = outbox.items.into_iter().filter_map(|item| match item {
                Item::Command(command) => Some(Output::Command(command)),
                Item::Push { .. } | Item::Reply { .. } => None,
            });
            self.out.extend(commands);
        }
    }
}

#[cfg(test)]
mod tests;
