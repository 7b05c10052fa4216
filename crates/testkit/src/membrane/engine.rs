//! The one task that owns everything: sockets with their channels, rooms, and the relay.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rtc_crypto::providers::RingProvider;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::room::Peer;
use super::secure::Identity;
use super::turn::Turn;
use super::wire::{self, Port, Wire, WireId};
use super::{App, Order, Record, Settings, Transport};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(20);

/// What happened.
pub(super) enum Input {
    /// Somebody opened a WebSocket; frames for them go into the lane.
    Opened(u64, mpsc::Sender<String>),
    /// They said something.
    Frame(u64, String),
    /// They are gone.
    Closed(u64),
    /// A message reached the relay.
    Relay(Wire, Vec<u8>),
    /// A stream to the relay ended.
    HungUp(WireId),
    /// The test wants something.
    Order(Order),
}

struct Socket {
    lane: mpsc::Sender<String>,
    channels: BTreeMap<String, Channel>,
}

#[derive(Clone)]
struct Channel {
    join_ref: Value,
    peer: String,
}

/// A room's peers, by id.
pub(super) type Room = BTreeMap<String, Peer>;

/// The state of the whole server.
pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) identity: Arc<Identity>,
    pub(super) lane: mpsc::Sender<Input>,
    pub(super) turn: Turn,
    /// By topic.
    pub(super) rooms: BTreeMap<String, Room>,
    inputs: mpsc::Receiver<Input>,
    sockets: BTreeMap<u64, Socket>,
    record: Arc<Mutex<Record>>,
    failing_joins: u32,
    streams: Vec<(Transport, Port)>,
}

impl Engine {
    pub(super) async fn new(
        settings: Settings,
        tls: TlsAcceptor,
        (lane, inputs): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
        record: Arc<Mutex<Record>>,
    ) -> Result<Self> {
        let crypto = Arc::new(RingProvider::new());
        let identity = Arc::new(Identity::generate(crypto)?);
        let mut streams = Vec::new();
        for transport in settings.relays.iter().filter(|it| **it != Transport::Udp) {
            let tls = (*transport == Transport::Tls).then(|| tls.clone());
            let at = SocketAddr::new(settings.address, 0);
            let port = wire::streams(at, tls, lane.clone()).await?;
            streams.push((*transport, port));
        }
        Ok(Self {
            failing_joins: settings.failing_joins,
            turn: Turn::new(Arc::clone(&identity.crypto)),
            settings,
            identity,
            lane,
            rooms: BTreeMap::new(),
            inputs,
            sockets: BTreeMap::new(),
            record,
            streams,
        })
    }

    /// Runs until nobody can reach it any more.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => self.handle(input),
                    None => return,
                },
                _ = ticks.tick() => self.handle_timeout(Instant::now()),
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Opened(id, lane) => {
                let channels = BTreeMap::new();
                self.sockets.insert(id, Socket { lane, channels });
            }
            Input::Frame(id, text) => self.handle_frame(id, &text, now),
            Input::Closed(id) => {
                let channels = self.sockets.remove(&id).map(|it| it.channels);
                for (topic, channel) in channels.into_iter().flatten() {
                    self.remove_peer(&topic, &channel.peer, now);
                }
            }
            Input::Relay(wire, data) => self.handle_relay(&wire, &data, now),
            Input::HungUp(wire) => self.turn.hang_up(&wire),
            Input::Order(order) => self.obey(order, now),
        }
    }

    /// Notes something for the test.
    pub(super) fn note(&self, note: impl FnOnce(&mut Record)) {
        note(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The relays of all peers but the one for UDP, which each has for itself.
    pub(super) fn streams(&self) -> impl Iterator<Item = (Transport, u16)> {
        self.streams
            .iter()
            .map(|(transport, port)| (*transport, port.address.port()))
    }

    fn handle_frame(&mut self, id: u64, text: &str, now: Instant) {
        let frame: Option<(Value, Value, String, String, Value)> = serde_json::from_str(text).ok();
        let Some((join_ref, reference, topic, event, payload)) = frame else {
            // The socket's process crashes.
            self.sockets.remove(&id);
            return;
        };
        let reply = |status: &str, response: Value| {
            let payload = json!({"status": status, "response": response});
            json!([join_ref, reference, topic, "phx_reply", payload])
        };
        let joined = self
            .sockets
            .get(&id)
            .and_then(|it| it.channels.get(&topic))
            .cloned();
        match (event.as_str(), joined) {
            ("heartbeat", _) if topic == "phoenix" => self.send(id, reply("ok", json!({}))),
            ("phx_join", before) => {
                if let Some(before) = before {
                    self.remove_peer(&topic, &before.peer, now);
                }
                let answer = self.join(id, &topic, &join_ref, &payload, now);
                let (status, response) = match answer {
                    Ok(()) => ("ok", json!({})),
                    Err(reason) => ("error", json!({"reason": reason})),
                };
                self.send(id, reply(status, response));
                if status == "ok" && self.settings.app == App::Videoroom {
                    let data = json!({"data": self.settings.simulcast});
                    self.send(id, json!([join_ref, null, topic, "simulcastConfig", data]));
                }
            }
            ("phx_leave", Some(channel)) => {
                self.send(id, reply("ok", json!({})));
                self.close(id, &topic, &channel.peer, "phx_close", now);
            }
            ("phx_leave", None) => self.send(id, reply("ok", json!({}))),
            (_, None) => {
                let response = json!({"reason": "unmatched topic"});
                let payload = json!({"status": "error", "response": response});
                self.send(id, json!([null, reference, topic, "phx_reply", payload]));
            }
            ("mediaEvent", Some(channel)) => match payload["data"].as_str() {
                Some(data) => self.handle_media_event(&topic, &channel.peer, data, now),
                None => self.close(id, &topic, &channel.peer, "phx_error", now),
            },
            (_, Some(channel)) => self.close(id, &topic, &channel.peer, "phx_error", now),
        }
    }

    fn join(
        &mut self,
        id: u64,
        topic: &str,
        join_ref: &Value,
        payload: &Value,
        now: Instant,
    ) -> Result<(), &'static str> {
        if !topic.starts_with("room:") {
            return Err("unmatched topic");
        }
        self.note(|record| record.joins.push(payload.clone()));
        if self.failing_joins > 0 {
            self.failing_joins -= 1;
            return Err("failed to start room");
        }
        let peer = self.new_peer(id, now).map_err(|_| "failed to start room")?;
        let channel = Channel {
            join_ref: join_ref.clone(),
            peer: peer.id.clone(),
        };
        self.rooms
            .entry(topic.to_owned())
            .or_default()
            .insert(peer.id.clone(), peer);
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.channels.insert(topic.to_owned(), channel);
        }
        Ok(())
    }

    /// Ends a channel with `word`, and its peer with it.
    pub(super) fn close(&mut self, id: u64, topic: &str, peer: &str, word: &str, now: Instant) {
        let socket = self.sockets.get_mut(&id);
        if let Some(channel) = socket.and_then(|it| it.channels.remove(topic)) {
            let reference = &channel.join_ref;
            self.send(id, json!([reference, reference, topic, word, {}]));
        }
        self.remove_peer(topic, peer, now);
    }

    /// Ends all channels of a room with `word`; the next one who joins finds another room.
    pub(super) fn close_room(&mut self, topic: &str, word: &str, now: Instant) {
        let Some(room) = self.rooms.remove(topic) else {
            return;
        };
        for (id, peer) in room {
            self.turn.dismiss(&id);
            self.close(peer.socket, topic, &id, word, now);
        }
    }

    /// Pushes an event to one peer.
    pub(super) fn push(&self, topic: &str, peer: &Peer, event: &str, payload: &Value) {
        let socket = self.sockets.get(&peer.socket);
        let channel = socket.and_then(|it| it.channels.get(topic));
        if let Some(channel) = channel {
            self.send(
                peer.socket,
                json!([channel.join_ref, null, topic, event, payload]),
            );
        }
    }

    fn send(&self, id: u64, frame: Value) {
        if let Some(socket) = self.sockets.get(&id) {
            // A visitor that reads nothing shows in the test.
            drop(socket.lane.try_send(frame.to_string()));
        }
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Kick(peer) => self.kick(&peer, now),
            Order::CrashEndpoint(peer) => {
                if let Some(topic) = self.topic_of(&peer) {
                    self.crash(&topic, &peer, "the test wants it", now);
                }
            }
            Order::CrashChannel(peer) => {
                if let Some((topic, socket)) = self.place_of(&peer) {
                    self.close(socket, &topic, &peer, "phx_error", now);
                }
            }
            Order::CloseRoom(peer) => {
                if let Some(topic) = self.topic_of(&peer) {
                    self.close_room(&topic, "phx_close", now);
                }
            }
            Order::Say(event) => {
                let data = json!({"data": event.to_string()});
                self.push_all("mediaEvent", &data, |peer| peer.metadata.is_some());
            }
            Order::Push(event, payload) => self.push_all(&event, &payload, |_| true),
            Order::Negotiate(peer) => self.negotiate(&peer, now),
        }
    }

    fn push_all(&self, event: &str, payload: &Value, which: impl Fn(&Peer) -> bool) {
        for (topic, room) in &self.rooms {
            for peer in room.values().filter(|peer| which(peer)) {
                self.push(topic, peer, event, payload);
            }
        }
    }

    pub(super) fn topic_of(&self, peer: &str) -> Option<String> {
        self.place_of(peer).map(|(topic, _)| topic)
    }

    fn place_of(&self, peer: &str) -> Option<(String, u64)> {
        let mut rooms = self.rooms.iter();
        rooms.find_map(|(topic, room)| Some((topic.clone(), room.get(peer)?.socket)))
    }
}
