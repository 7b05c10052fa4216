//! The client side of one socket: joins, pushes with their replies, heartbeat, coming back.
//!
//! Rules, each with its why (observed in npm `phoenix` 1.2 to 1.8 unless said otherwise):
//! - A channel is joined again, with a new join_ref, after `phx_error`, after a refused or
//!   unanswered join, and after every reconnect; never after `phx_close`. Whoever does not want
//!   that calls [`Socket::leave`].
//! - A message with another join_ref than the current join's is dropped: it belongs to a channel
//!   that is gone. Null is accepted.
//! - Leaving takes effect at once; the server's answer is not awaited.
//! - What was pushed before the join succeeded is sent when it does, or times out.
//! - The reconnect backoff starts over when the server said something, not when it merely
//!   accepted: a server that accepts and hangs up must not be hammered (stricter than npm).

mod config;
mod output;

use std::collections::VecDeque;
use std::time::Instant;

pub use config::{Backoff, Config};
pub use output::{Output, PushId};

use crate::message::{CLOSE, ERROR, HEARTBEAT, JOIN, LEAVE, SOCKET_TOPIC};
use crate::{Error, Frame, Message, Payload, Reference, Reply, ServerMessage, Version};

/// Bounds the pushes that wait for a join or a reply: a client that is this far behind should
/// hear of it instead of collecting more.
pub const PUSHES_MAX: usize = 256;

/// Is the state of one client socket, over all its connections.
#[derive(Debug)]
pub struct Socket {
    config: Config,
    connection: Connection,
    /// Failed or silent connections since the server last said something.
    attempts: usize,
    /// The last reference given out; joins, pushes and heartbeats share the counter.
    last_ref: u64,
    channels: Vec<Channel>,
    pushes: Vec<Push>,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum Connection {
    /// Not asked for, or closed by [`Socket::close`].
    Off,
    /// Opened again at this time.
    Waiting(Instant),
    /// The shell is at it.
    Connecting,
    On(Pulse),
}

#[derive(Debug)]
struct Pulse {
    next_heartbeat: Instant,
    /// When the first heartbeat went out after the server last said something.
    silent_since: Option<Instant>,
}

#[derive(Debug)]
struct Channel {
    topic: String,
    payload: Payload,
    attempts: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for a connection.
    Offline,
    /// Waits for the answer to the join of this number.
    Joining {
        join_ref: u64,
        until: Instant,
    },
    Joined {
        join_ref: u64,
    },
    /// Is joined again at this time.
    Resting(Instant),
}

impl State {
    fn join_ref(&self) -> Option<u64> {
        match self {
            State::Joining { join_ref, .. } | State::Joined { join_ref } => Some(*join_ref),
            State::Offline | State::Resting(_) => None,
        }
    }
}

#[derive(Debug)]
struct Push {
    id: PushId,
    topic: String,
    /// The event and payload, until they are sent.
    unsent: Option<(String, Payload)>,
    /// Nobody waits for the answer.
    silent: bool,
    until: Instant,
}

impl Socket {
    /// Makes a socket that does nothing until [`Socket::connect`].
    pub fn new(config: Config) -> Self {
        Socket {
            config,
            connection: Connection::Off,
            attempts: 0,
            last_ref: 0,
            channels: Vec::new(),
            pushes: Vec::new(),
            out: VecDeque::new(),
        }
    }

    /// Asks for a connection, and for a new one whenever it is lost.
    pub fn connect(&mut self) {
        if matches!(self.connection, Connection::Off) {
            self.connection = Connection::Connecting;
            self.out.push_back(Output::Connect);
        }
    }

    /// Leaves every channel and asks for the end of the connection.
    pub fn close(&mut self) {
        for topic in self
            .channels
            .iter()
            .map(|c| c.topic.clone())
            .collect::<Vec<_>>()
        {
            self.leave(&topic);
        }
        if matches!(self.connection, Connection::On(_) | Connection::Connecting) {
            self.out.push_back(Output::Disconnect);
        }
        self.connection = Connection::Off;
    }

    /// Joins `topic`, now or as soon as there is a connection, and again whenever it is lost.
    ///
    /// # Errors
    /// [`Error::AlreadyJoined`] for a topic that was joined and not left.
    /// [`Error::TooLong`] when `payload` is bytes and `topic` exceeds 255.
    pub fn join(&mut self, topic: &str, payload: Payload, now: Instant) -> Result<(), Error> {
        if self.find(topic).is_some() {
            return Err(Error::AlreadyJoined);
        }
        let message = frame_message(1, 1, topic, JOIN, payload);
        Version::V2.encode_client(&message)?;
        let (topic, payload) = (message.topic, message.payload);
        self.channels.push(Channel {
            topic,
            payload,
            attempts: 0,
            state: State::Offline,
        });
        if matches!(self.connection, Connection::On(_)) {
            self.send_join(self.channels.len() - 1, now);
        }
        Ok(())
    }

    /// Changes what the next join of `topic` says, for example to present a resume token.
    ///
    /// # Errors
    /// [`Error::NotJoined`] for a topic that was never joined or was left; [`Error::TooLong`] as
    /// for [`Socket::join`].
    pub fn set_join_payload(&mut self, topic: &str, payload: Payload) -> Result<(), Error> {
        let index = self.find(topic).ok_or(Error::NotJoined)?;
        let message = frame_message(1, 1, topic, JOIN, payload);
        Version::V2.encode_client(&message)?;
        self.channels[index].payload = message.payload;
        Ok(())
    }

    /// Leaves `topic` at once and forgets it. Does nothing for an unknown topic.
    pub fn leave(&mut self, topic: &str) {
        let Some(index) = self.find(topic) else {
            return;
        };
        let channel = self.channels.swap_remove(index);
        if let Some(join_ref) = channel.state.join_ref() {
            let reference = self.take_ref();
            self.send(&frame_message(
                join_ref,
                reference,
                topic,
                LEAVE,
                Payload::empty(),
            ));
        }
        self.drop_pushes(|push| push.topic == topic);
    }

    /// Pushes an event whose answer matters: [`Output::Reply`], [`Output::TimedOut`] or
    /// [`Output::Dropped`] follows. Before the join succeeded it waits for that.
    ///
    /// # Errors
    /// [`Error::NotJoined`], [`Error::TooManyPushes`], or [`Error::TooLong`] for names that do
    /// not fit a binary frame.
    pub fn push(
        &mut self,
        topic: &str,
        event: &str,
        payload: Payload,
        now: Instant,
    ) -> Result<PushId, Error> {
        self.submit(topic, event, payload, false, now)
    }

    /// Pushes an event that has no answer. Before the join succeeded it waits for that.
    ///
    /// # Errors
    /// As [`Socket::push`].
    pub fn cast(
        &mut self,
        topic: &str,
        event: &str,
        payload: Payload,
        now: Instant,
    ) -> Result<(), Error> {
        self.submit(topic, event, payload, true, now).map(drop)
    }

    /// Notes that the WebSocket is open; every channel is joined.
    pub fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.connection, Connection::Connecting) {
            return;
        }
        let next_heartbeat = now + self.config.heartbeat_interval;
        self.connection = Connection::On(Pulse {
            next_heartbeat,
            silent_since: None,
        });
        for index in 0..self.channels.len() {
            self.send_join(index, now);
        }
    }

    /// Notes that the WebSocket is gone or could not be opened.
    pub fn handle_disconnected(&mut self, now: Instant) {
        if matches!(self.connection, Connection::On(_) | Connection::Connecting) {
            self.lose(now);
        }
    }

    /// Takes a data frame of the server.
    ///
    /// # Errors
    /// [`Error::Json`] or [`Error::Binary`]: this is no Phoenix server. The shell should drop the
    /// connection.
    pub fn handle_frame(&mut self, frame: &Frame, now: Instant) -> Result<(), Error> {
        let Connection::On(pulse) = &mut self.connection else {
            return Ok(());
        };
        let message = Version::V2.decode_server(frame)?;
        pulse.silent_since = None;
        self.attempts = 0;
        match message {
            ServerMessage::Reply(reply) => self.handle_reply(reply, now),
            ServerMessage::Event(event) => self.handle_event(event, now),
        }
        Ok(())
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.connection {
            Connection::Waiting(at) if *at <= now => {
                self.connection = Connection::Connecting;
                self.out.push_back(Output::Connect);
            }
            Connection::On(_) => self.beat(now),
            _ => {}
        }
        for index in 0..self.channels.len() {
            match self.channels[index].state {
                State::Joining { join_ref, until } if until <= now => {
                    self.handle_join_timeout(index, join_ref, now);
                }
                State::Resting(at) if at <= now => self.send_join(index, now),
                _ => {}
            }
        }
        let (due, rest) = std::mem::take(&mut self.pushes)
            .into_iter()
            .partition(|p| p.until <= now);
        self.pushes = rest;
        let audible = |push: Push| (!push.silent).then_some(Output::TimedOut { push: push.id });
        self.out.extend(Vec::into_iter(due).filter_map(audible));
    }

    /// Returns when [`Socket::handle_timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let connection = match &self.connection {
            Connection::Off | Connection::Connecting => None,
            Connection::Waiting(at) => Some(*at),
            Connection::On(pulse) => {
                let dead = pulse
                    .silent_since
                    .map(|since| since + self.config.heartbeat_timeout);
                Some(dead.map_or(pulse.next_heartbeat, |dead| dead.min(pulse.next_heartbeat)))
            }
        };
        let channels = self
            .channels
            .iter()
            .filter_map(|channel| match channel.state {
                State::Joining { until, .. } => Some(until),
                State::Resting(at) => Some(at),
                State::Offline | State::Joined { .. } => None,
            });
        let pushes = self.pushes.iter().map(|push| push.until);
        channels.chain(pushes).chain(connection).min()
    }

    /// Returns the next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Tells whether the server answered the join of `topic` on this connection.
    pub fn is_joined(&self, topic: &str) -> bool {
        let joined = |index: usize| matches!(self.channels[index].state, State::Joined { .. });
        self.find(topic).is_some_and(joined)
    }

    fn submit(
        &mut self,
        topic: &str,
        event: &str,
        payload: Payload,
        silent: bool,
        now: Instant,
    ) -> Result<PushId, Error> {
        let index = self.find(topic).ok_or(Error::NotJoined)?;
        if self.pushes.len() >= PUSHES_MAX {
            return Err(Error::TooManyPushes);
        }
        let reference = self.take_ref();
        let id = PushId(reference);
        let until = now + self.config.reply_timeout;
        let mut unsent = None;
        if let State::Joined { join_ref } = self.channels[index].state {
            let message = frame_message(join_ref, reference, topic, event, payload);
            let frame = Version::V2.encode_client(&message)?;
            self.out.push_back(Output::Send(frame));
            if silent {
                return Ok(id);
            }
        } else {
            // Checked now, because later nobody could be told.
            let message = frame_message(u64::MAX, reference, topic, event, payload);
            Version::V2.encode_client(&message)?;
            unsent = Some((message.event, message.payload));
        }
        self.pushes.push(Push {
            id,
            topic: topic.to_owned(),
            unsent,
            silent,
            until,
        });
        Ok(id)
    }

    fn handle_reply(&mut self, reply: Reply, now: Instant) {
        let Some(number) = number_of(&reply.reference) else {
            return;
        };
        let joining = self.channels.iter().position(|channel| {
            channel.topic == reply.topic
                && matches!(channel.state, State::Joining { join_ref, .. } if join_ref == number)
        });
        if let Some(index) = joining {
            return self.handle_join_reply(index, number, reply, now);
        }
        let pushed = |push: &Push| push.id.0 == number && push.topic == reply.topic;
        if let Some(index) = self.pushes.iter().position(pushed) {
            let push = self.pushes.swap_remove(index).id;
            let Reply {
                status, response, ..
            } = reply;
            self.out.push_back(Output::Reply {
                push,
                status,
                response,
            });
        }
    }

    fn handle_join_reply(&mut self, index: usize, join_ref: u64, reply: Reply, now: Instant) {
        let Reply {
            topic,
            status,
            response,
            ..
        } = reply;
        if status != "ok" {
            self.rest(index, now);
            return self.out.push_back(Output::JoinRefused { topic, response });
        }
        self.channels[index].state = State::Joined { join_ref };
        self.channels[index].attempts = 0;
        self.out.push_back(Output::Joined {
            topic: topic.clone(),
            response,
        });
        let mut sent = Vec::new();
        for push in self.pushes.iter_mut().filter(|push| push.topic == topic) {
            if let Some((event, payload)) = push.unsent.take() {
                sent.push(frame_message(join_ref, push.id.0, &topic, &event, payload));
            }
        }
        self.pushes
            .retain(|push| push.unsent.is_some() || !push.silent);
        for message in sent {
            self.send(&message);
        }
    }

    fn handle_event(&mut self, message: Message, now: Instant) {
        let Message {
            join_ref,
            topic,
            event,
            payload,
            ..
        } = message;
        let Some(index) = self.find(&topic) else {
            return;
        };
        let current = self.channels[index].state.join_ref();
        if join_ref != Reference::Null && number_of(&join_ref) != current || current.is_none() {
            return;
        }
        match event.as_str() {
            CLOSE => {
                self.channels.swap_remove(index);
                self.drop_pushes(|push| push.topic == topic);
                self.out.push_back(Output::Closed { topic });
            }
            ERROR => {
                self.rest(index, now);
                self.drop_pushes(|push| push.topic == topic && push.unsent.is_none());
                self.out.push_back(Output::Errored { topic });
            }
            _ => self.out.push_back(Output::Event {
                topic,
                event,
                payload,
            }),
        }
    }

    fn handle_join_timeout(&mut self, index: usize, join_ref: u64, now: Instant) {
        let topic = self.channels[index].topic.clone();
        // The server may still be at it: without this it would think us joined.
        let reference = self.take_ref();
        self.send(&frame_message(
            join_ref,
            reference,
            &topic,
            LEAVE,
            Payload::empty(),
        ));
        self.rest(index, now);
        self.out.push_back(Output::JoinTimedOut { topic });
    }

    /// Sends a heartbeat if one is due, or gives the connection up.
    fn beat(&mut self, now: Instant) {
        let Connection::On(pulse) = &mut self.connection else {
            return;
        };
        let dead = pulse
            .silent_since
            .map(|since| since + self.config.heartbeat_timeout);
        if dead.is_some_and(|dead| dead <= now) {
            self.out.push_back(Output::Disconnect);
            return self.lose(now);
        }
        if pulse.next_heartbeat <= now {
            pulse.next_heartbeat = now + self.config.heartbeat_interval;
            pulse.silent_since.get_or_insert(now);
            let reference = Reference::from(self.take_ref());
            self.send(&Message {
                join_ref: Reference::Null,
                reference,
                topic: SOCKET_TOPIC.to_owned(),
                event: HEARTBEAT.to_owned(),
                payload: Payload::empty(),
            });
        }
    }

    /// Forgets the connection and plans the next one.
    fn lose(&mut self, now: Instant) {
        let delay = self.config.reconnect.delay(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        self.connection = Connection::Waiting(now + delay);
        for channel in &mut self.channels {
            channel.state = State::Offline;
        }
        self.drop_pushes(|push| push.unsent.is_none());
    }

    fn send_join(&mut self, index: usize, now: Instant) {
        let join_ref = self.take_ref();
        let until = now + self.config.reply_timeout;
        let channel = &mut self.channels[index];
        channel.state = State::Joining { join_ref, until };
        let (topic, payload) = (channel.topic.clone(), channel.payload.clone());
        self.send(&frame_message(join_ref, join_ref, &topic, JOIN, payload));
    }

    /// Lets a channel wait before it is joined again.
    fn rest(&mut self, index: usize, now: Instant) {
        let channel = &mut self.channels[index];
        channel.state = State::Resting(now + self.config.rejoin.delay(channel.attempts));
        channel.attempts = channel.attempts.saturating_add(1);
    }

    fn drop_pushes(&mut self, which: impl Fn(&Push) -> bool) {
        let (dropped, rest) = std::mem::take(&mut self.pushes)
            .into_iter()
            .partition(|p| which(p));
        self.pushes = rest;
        let audible = |push: Push| (!push.silent).then_some(Output::Dropped { push: push.id });
        self.out.extend(Vec::into_iter(dropped).filter_map(audible));
    }

    fn find(&self, topic: &str) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.topic == topic)
    }

    fn take_ref(&mut self) -> u64 {
        self.last_ref += 1;
        self.last_ref
    }

    fn send(&mut self, message: &Message) {
        let frame = Version::V2
            .encode_client(message)
            .expect("names were checked when they came");
        self.out.push_back(Output::Send(frame));
    }
}

fn frame_message(
    join_ref: u64,
    reference: u64,
    topic: &str,
    event: &str,
    payload: Payload,
) -> Message {
    Message {
        join_ref: Reference::from(join_ref),
        reference: Reference::from(reference),
        topic: topic.to_owned(),
        event: event.to_owned(),
        payload,
    }
}

/// Our own references are decimal numbers; anything else is not ours.
fn number_of(reference: &Reference) -> Option<u64> {
    reference.as_text()?.parse().ok()
}

#[cfg(test)]
mod tests;
