//! A client that says exactly what a test tells it to, frame by frame.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use snug_server::Server;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One WebSocket, Phoenix V2.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    next_ref: u64,
    /// The join_ref of each topic joined.
    joined: Vec<(String, String)>,
}

impl Socket {
    pub async fn open(server: &Server) -> Self {
        let address = server.addresses()[0];
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0");
        let (stream, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
        Self {
            stream,
            next_ref: 0,
            joined: Vec::new(),
        }
    }

    pub async fn send(&mut self, join_ref: &str, topic: &str, event: &str, payload: &Value) {
        self.next_ref += 1;
        let reference = self.next_ref.to_string();
        self.send_frame(json!([join_ref, reference, topic, event, payload]))
            .await;
    }

    async fn send_frame(&mut self, frame: Value) {
        self.stream
            .send(Message::text(frame.to_string()))
            .await
            .unwrap();
    }

    /// The next data frame, whatever it is.
    pub async fn next_frame(&mut self) -> [Value; 5] {
        let next = async {
            loop {
                match self.stream.next().await.expect("a frame").unwrap() {
                    Message::Text(text) => break text,
                    Message::Close(frame) => panic!("the server closed: {frame:?}"),
                    _ => {}
                }
            }
        };
        let text = timeout(PATIENCE, next).await.expect("a frame in time");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn close_code(&mut self) -> Option<u16> {
        let closed = async {
            while let Some(Ok(message)) = self.stream.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        };
        timeout(PATIENCE, closed).await.expect("a close in time")
    }

    /// Sends a join without waiting for its answer.
    pub async fn ask_to_join(&mut self, room: &str, params: &Value) {
        self.next_ref += 1;
        let (reference, topic) = (self.next_ref.to_string(), format!("room:{room}"));
        self.send_frame(json!([reference, reference, topic, "phx_join", params]))
            .await;
        self.joined.retain(|(known, _)| *known != topic);
        self.joined.push((topic, reference));
    }

    pub async fn next_reply(&mut self) -> Value {
        let [.., event, payload] = self.next_frame().await;
        assert_eq!(event, "phx_reply", "{payload}");
        payload
    }

    pub async fn join(&mut self, room: &str, params: &Value) -> Value {
        self.ask_to_join(room, params).await;
        self.next_reply().await
    }

    pub fn join_ref(&self, room: &str) -> String {
        let topic = format!("room:{room}");
        let found = self.joined.iter().find(|(known, _)| *known == topic);
        found
            .map(|(_, reference)| reference.clone())
            .expect("it was joined")
    }

    /// Sends a leave without waiting for its answer, which is two frames.
    pub async fn ask_to_leave(&mut self, room: &str) {
        let join_ref = self.join_ref(room);
        self.send(&join_ref, &format!("room:{room}"), "phx_leave", &json!({}))
            .await;
    }

    pub async fn leave(&mut self, room: &str) {
        self.ask_to_leave(room).await;
        // What others do meanwhile may come first.
        while self.next_frame().await[3] != "phx_close" {}
    }

    pub async fn skip(&mut self, frames: usize) {
        for _ in 0..frames {
            self.next_frame().await;
        }
    }

    /// Says `connect` and returns what `connected` says.
    pub async fn connect(&mut self, room: &str, name: &str) -> Value {
        let event = json!({"type": "connect", "data": {"metadata": {"displayName": name}}});
        let (join_ref, topic) = (self.join_ref(room), format!("room:{room}"));
        self.send(
            &join_ref,
            &topic,
            "mediaEvent",
            &json!({"data": event.to_string()}),
        )
        .await;
        let [.., payload] = self.next_frame().await;
        let event: Value = serde_json::from_str(payload["data"].as_str().unwrap()).unwrap();
        assert_eq!(event["type"], "connected");
        event["data"].clone()
    }
}

/// One peer in one room.
pub struct Peer {
    pub socket: Socket,
    pub topic: String,
    pub join_ref: String,
    pub connected: Value,
    pub token: Option<String>,
    /// Ids of others who came without Snug, as the room told.
    pub in_browser: Vec<Value>,
    waiting: VecDeque<(String, Value)>,
}

impl Peer {
    /// Enters as an unmodified client.
    pub async fn enter(server: &Server, room: &str, name: &str) -> Self {
        Self::enter_with(server, room, name, json!({})).await
    }

    /// Enters as a Snug program.
    pub async fn enter_snug(server: &Server, room: &str, name: &str) -> Self {
        let params = json!({"snug": {"version": 1, "features": []}});
        Self::enter_with(server, room, name, params).await
    }

    async fn enter_with(server: &Server, room: &str, name: &str, params: Value) -> Self {
        let mut socket = Socket::open(server).await;
        let reply = socket.join(room, &params).await;
        assert_eq!(reply["status"], "ok", "{reply}");
        let snug = &reply["response"]["snug"];
        let token = snug["resume"].as_str().map(str::to_owned);
        let connected = socket.connect(room, name).await;
        if token.is_some() {
            assert_eq!(snug["peerId"], connected["id"]);
        } else {
            assert_eq!(reply["response"], json!({}));
        }
        let (join_ref, topic) = (socket.join_ref(room), format!("room:{room}"));
        Self {
            socket,
            topic,
            join_ref,
            connected,
            token,
            in_browser: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Enters as a client of generation A: it says `join` and hears of peers.
    pub async fn enter_generation_a(server: &Server, room: &str, name: &str) -> Self {
        let mut socket = Socket::open(server).await;
        let reply = socket.join(room, &json!({})).await;
        assert_eq!(reply, json!({"status": "ok", "response": {}}));
        let (join_ref, topic) = (socket.join_ref(room), format!("room:{room}"));
        let mut peer = Self {
            socket,
            topic,
            join_ref,
            connected: Value::Null,
            token: None,
            in_browser: Vec::new(),
            waiting: VecDeque::new(),
        };
        let metadata = json!({"displayName": name});
        peer.say(json!({"type": "join", "data": {"metadata": metadata}}))
            .await;
        peer.connected = peer.expect("peerAccepted").await;
        peer
    }

    pub fn id(&self) -> String {
        self.connected["id"].as_str().unwrap().to_owned()
    }

    /// The name of this peer's track in section `mid`.
    pub fn track(&self, mid: usize) -> String {
        format!("{}:00000000-0000-4000-8000-00000000000{mid}", self.id())
    }

    pub async fn say(&mut self, event: Value) {
        self.say_text(&event.to_string()).await;
    }

    /// Sends a frame of exactly so many bytes that asks for nothing.
    pub async fn say_bytes(&mut self, bytes: usize) {
        let frame = |data: &str| {
            let payload = json!({"data": data});
            json!([self.join_ref, "9", self.topic, "mediaEvent", payload]).to_string()
        };
        let filling = "x".repeat(bytes - frame("").len());
        let message = Message::text(frame(&filling));
        self.socket.stream.send(message).await.unwrap();
    }

    pub async fn say_text(&mut self, data: &str) {
        let payload = json!({"data": data});
        self.socket
            .send(&self.join_ref, &self.topic, "mediaEvent", &payload)
            .await;
    }

    /// Offers sections of the given kinds and directions; sent ones get a track of ours.
    pub async fn publish(&mut self, sections: &[(&str, &str)]) {
        let sending = sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.1 == "sendonly");
        let mids: serde_json::Map<String, Value> = sending
            .map(|(mid, _)| (mid.to_string(), json!(self.track(mid))))
            .collect();
        let metadata: serde_json::Map<String, Value> = mids
            .values()
            .map(|id| (id.as_str().unwrap().to_owned(), json!({"active": true})))
            .collect();
        let data = json!({
            "sdpOffer": {"type": "offer", "sdp": offer(sections)},
            "trackIdToTrackMetadata": metadata,
            "trackIdToTrackBitrates": {},
            "midToTrackId": mids,
        });
        self.say(json!({"type": "custom", "data": {"type": "sdpOffer", "data": data}}))
            .await;
    }

    /// The next event: a media event's type and data, or "snug" and its payload. Who came without
    /// Snug is only kept, and roles and rules are passed over: they have tests of their own.
    pub async fn next_event(&mut self) -> (String, Value) {
        if let Some(event) = self.waiting.pop_front() {
            return event;
        }
        let [.., mut event, mut payload] = self.socket.next_frame().await;
        let is_aside =
            |payload: &Value| payload["type"] == "inBrowser" || payload["type"] == "moderation";
        while event == "snug" && is_aside(&payload) {
            let ids = payload["endpointIds"].as_array().into_iter().flatten();
            self.in_browser.extend(ids.cloned());
            [.., event, payload] = self.socket.next_frame().await;
        }
        if event == "snug" {
            return ("snug".to_owned(), payload);
        }
        assert_eq!(event, "mediaEvent", "{payload}");
        let event: Value = serde_json::from_str(payload["data"].as_str().unwrap()).unwrap();
        let event = if event["type"] == "custom" {
            event["data"].clone()
        } else {
            event
        };
        (
            event["type"].as_str().unwrap().to_owned(),
            event["data"].clone(),
        )
    }

    /// The next event must be a media event of this type; returns its data.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let (event, data) = self.next_event().await;
        assert_eq!(event, kind, "{data}");
        data
    }

    pub async fn expect_snug(&mut self) -> Value {
        self.expect("snug").await
    }

    /// Nothing more may come within a short while.
    pub async fn stays_silent(&mut self) {
        let next = timeout(Duration::from_millis(300), self.next_event()).await;
        assert!(next.is_err(), "{next:?}");
    }

    pub async fn leave(&mut self) {
        self.socket
            .send(&self.join_ref, &self.topic, "phx_leave", &json!({}))
            .await;
    }
}

/// Writes an offer with one section for each kind and direction.
pub fn offer(sections: &[(&str, &str)]) -> String {
    let digest = vec!["AB"; 32].join(":");
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned();
    for (mid, (kind, direction)) in sections.iter().enumerate() {
        let (format, name) = match *kind {
            "audio" => (111, "opus/48000/2"),
            _ => (96, "VP8/90000"),
        };
        write!(
            sdp,
            "m={kind} 9 UDP/TLS/RTP/SAVPF {format}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
             a=ice-pwd:abcdabcdabcdabcdabcdabcd\r\na=fingerprint:sha-256 {digest}\r\n\
             a=setup:actpass\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
             a=rtpmap:{format} {name}\r\n"
        )
        .unwrap();
    }
    sdp
}
