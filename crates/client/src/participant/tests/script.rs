//! A room server for one visitor, just clever enough to be joined.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use snug_protocol::{ClientEvent, Link};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::PATIENCE;
use crate::transport::tests::Answerer;

/// How the room behaves.
#[derive(Clone, Copy, Default)]
pub(super) struct Behaviour {
    /// Answers each return with a new place.
    pub(super) forgets: bool,
    /// Announces another certificate than it shows.
    pub(super) lies: bool,
    /// Refuses joins for this reason.
    pub(super) refuses: Option<&'static str>,
    /// Refuses the first so many that return.
    pub(super) refuses_returns: u8,
    /// Answers nothing.
    pub(super) mute: bool,
}

pub(super) struct Script {
    port: u16,
    folder: tempfile::TempDir,
    hang_up: broadcast::Sender<()>,
    joins: mpsc::Receiver<Option<String>>,
    ends: mpsc::Receiver<bool>,
    said: mpsc::Receiver<ClientEvent>,
    task: AbortHandle,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hang_up, _) = broadcast::channel(1);
        let (join_lane, joins) = mpsc::channel(16);
        let (end_lane, ends) = mpsc::channel(16);
        let (said_lane, said) = mpsc::channel(64);
        let acceptor = TlsAcceptor::from(tls());
        let signal = hang_up.clone();
        let task = tokio::spawn(async move {
            let mut visits = JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                let visit = Visit {
                    behaviour,
                    number,
                    joins: join_lane.clone(),
                    ends: end_lane.clone(),
                    said: said_lane.clone(),
                    answerer: None,
                };
                visits.spawn(visit.run(acceptor.clone(), stream, signal.subscribe()));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        Self {
            port,
            folder,
            hang_up,
            joins,
            ends,
            said,
            task: task.abort_handle(),
        }
    }

    pub(super) fn link(&self) -> Link {
        format!("127.0.0.1:{}/kitchen", self.port).parse().unwrap()
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// Breaks all connections.
    pub(super) fn hang_up(&self) {
        self.hang_up.send(()).unwrap();
    }

    /// Waits for a join and returns the token that it presented.
    pub(super) async fn next_join(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.joins.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// Waits until something is said about a track of this sort; returns whether it is active.
    pub(super) async fn next_word(&mut self, source: &str) -> bool {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.said.recv()).await;
            if let ClientEvent::UpdateTrackMetadata { metadata, .. } = event.unwrap().unwrap()
                && metadata["type"] == source
            {
                return metadata["active"].as_bool().unwrap();
            }
        }
    }

    /// Waits for the end of a connection; true when the visitor left in words.
    pub(super) async fn heard_goodbye(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.ends.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

fn tls() -> Arc<ServerConfig> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["snug".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

struct Visit {
    behaviour: Behaviour,
    number: u8,
    joins: mpsc::Sender<Option<String>>,
    ends: mpsc::Sender<bool>,
    said: mpsc::Sender<ClientEvent>,
    answerer: Option<Answerer>,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Visit {
    async fn run(
        mut self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        mut hang_up: broadcast::Receiver<()>,
    ) {
        let tls = acceptor.accept(stream).await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(tls).await.unwrap();
        let mut goodbye = false;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                _ = hang_up.recv() => {
                    // The media stays, as it does when only a TCP connection breaks.
                    std::mem::forget(self.answerer.take());
                    return;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) if !self.behaviour.mute => {
                    goodbye |= text.contains("phx_leave");
                    self.hear(&text, &mut socket).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        self.ends.send(goodbye).await.unwrap();
    }

    async fn hear(&mut self, text: &str, socket: &mut Socket) {
        let frame: Value = serde_json::from_str(text).unwrap();
        let [join_ref, reference, topic, event, payload] = frame.as_array().unwrap().as_slice()
        else {
            panic!("{text}");
        };
        let reply = |status: &str, response: Value| {
            let payload = json!({"status": status, "response": response});
            json!([join_ref, reference, topic, "phx_reply", payload])
        };
        match event.as_str().unwrap() {
            "phx_join" => {
                let token = payload["snug"]["resume"].as_str().map(str::to_owned);
                let answer = self.admit(token.is_some());
                self.joins.send(token).await.unwrap();
                let (status, response) = answer;
                say(socket, reply(status, response)).await;
            }
            "mediaEvent" => {
                let data = payload["data"].as_str().unwrap();
                let event = ClientEvent::parse(data).unwrap();
                self.said.send(event.clone()).await.unwrap();
                for event in self.media_event(event).await {
                    let payload = json!({"data": event.to_string()});
                    say(
                        socket,
                        json!([join_ref, null, topic, "mediaEvent", payload]),
                    )
                    .await;
                }
            }
            _ => say(socket, reply("ok", json!({}))).await,
        }
    }

    fn admit(&self, returns: bool) -> (&'static str, Value) {
        if let Some(reason) = self.behaviour.refuses {
            return ("error", json!({"reason": reason}));
        }
        if returns && self.number <= 1 + self.behaviour.refuses_returns {
            return ("error", json!({"reason": "room full"}));
        }
        let resumed = returns && !self.behaviour.forgets;
        let place = if resumed { 1 } else { self.number };
        let token = format!("{:02x}", self.number).repeat(16);
        let peer = format!("peer-{place}");
        (
            "ok",
            json!({"snug": {"peerId": peer, "resume": token, "resumed": resumed}}),
        )
    }

    async fn media_event(&mut self, event: ClientEvent) -> Vec<Value> {
        let custom = |kind: &str, data: Value| json!({"type": "custom", "data": {"type": kind, "data": data}});
        match event {
            ClientEvent::Connect { .. } => {
                let data = json!({"id": format!("peer-{}", self.number), "otherEndpoints": []});
                vec![json!({"type": "connected", "data": data})]
            }
            ClientEvent::RenegotiateTracks => {
                let types = json!({"audio": 0, "video": 0});
                vec![custom("offerData", json!({"tracksTypes": types}))]
            }
            ClientEvent::SdpOffer(offer) => {
                if self.answerer.is_none() {
                    self.answerer = Some(Answerer::open().await);
                }
                let answerer = self.answerer.as_mut().unwrap();
                let mut sdp = answerer.answer(&offer.sdp).await;
                if self.behaviour.lies {
                    let start = sdp.find("a=fingerprint:sha-256 ").unwrap() + 22;
                    let other = if &sdp[start..=start] == "0" { "1" } else { "0" };
                    sdp.replace_range(start..=start, other);
                }
                let mids = json!(offer.mid_to_track_id);
                let data = json!({"type": "answer", "sdp": sdp, "midToTrackId": mids});
                vec![custom("sdpAnswer", data)]
            }
            _ => vec![],
        }
    }
}

async fn say(socket: &mut Socket, frame: Value) {
    // A visitor that is gone shows at the next read.
    drop(socket.send(Message::text(frame.to_string())).await);
}
