//! A Phoenix and Membrane server as it behaves towards a client, written from the protocol's
//! description and from the engine's own rules, not from Snug's server.
//!
//! It stands for a real one, which cannot be installed here, and is strict where a real one is: it
//! refuses the offers that the engine raises at, ends the session in the same way, and keeps the
//! reason; it takes media only through its own allocations; it waits for a new ICE generation after
//! each negotiation. Media flows between its visitors, so that a test sees whether a client works,
//! not whether it talks.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use snug_testkit::membrane::{Membrane, Settings};
//! let server = Membrane::start(Settings::default()).await?;
//! println!("https://{}/room/kitchen", server.address());
//! assert!(server.record().refusals.is_empty());
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

mod answer;
mod endpoint;
mod engine;
mod forward;
mod offer;
mod packet;
mod room;
mod secure;
mod socket;
mod stun;
mod turn;
mod wire;

use crate::netns::Namespace;
pub use socket::Certificate;

use engine::{Engine, Input};

/// Inputs that the engine has not looked at yet.
const LANE: usize = 4096;

/// How a client reaches the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A UDP port for each peer.
    Udp,
    /// One TCP port for all.
    Tcp,
    /// One TLS port for all.
    Tls,
}

impl Transport {
    fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// What happens to the others when a peer's endpoint crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Nothing; the peer hears `error` and its channel closes.
    Videoroom,
    /// The room crashes, and with it everybody's channel (`phx_error`).
    Tutorial,
}

/// How a server is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens.
    pub address: IpAddr,
    /// Its port for WebSockets; 0 lets the system choose.
    pub port: u16,
    /// What becomes of crashes.
    pub app: App,
    /// Whether offers may hold simulcast.
    pub simulcast: bool,
    /// The ways to the relay, in the order in which they are announced.
    pub relays: Vec<Transport>,
    /// What is called the relay's address; the same as `address` unless a name is needed.
    pub relay_name: Option<String>,
    /// Whether UDP gets lost on its way, as behind a firewall that lets only TCP through.
    pub loses_udp: bool,
    /// What the server shows; nobody vouches for it unless given.
    pub certificate: Option<Certificate>,
    /// How many joins fail to start a room first.
    pub failing_joins: u32,
    /// Whether a peer's channel crashes as soon as it is let in.
    pub drops_everybody: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            app: App::Videoroom,
            simulcast: false,
            relays: vec![Transport::Udp],
            relay_name: None,
            loses_udp: false,
            certificate: None,
            failing_joins: 0,
            drops_everybody: false,
        }
    }
}

/// What a server saw so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What the engine would have crashed at, with the name of who said it.
    pub refusals: Vec<String>,
    /// Everybody who was ever let in, the latest last: peer id, and what they say about themselves.
    pub peers: Vec<(String, Value)>,
    /// Answered offers, by peer id.
    pub offers: BTreeMap<String, u64>,
    /// Connected ICE generations, by peer id.
    pub generations: BTreeMap<String, u64>,
    /// Allocations made.
    pub allocations: u64,
    /// Bytes of media that came through each kind of relay.
    pub media_bytes: BTreeMap<Transport, u64>,
    /// The longest time without media since each peer's first, by peer id.
    pub pauses: BTreeMap<String, Duration>,
    /// Payloads of the joins.
    pub joins: Vec<Value>,
}

impl Record {
    /// Finds the latest peer of this display name.
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<String> {
        let named = |it: &&(String, Value)| it.1["displayName"] == name;
        let found = self.peers.iter().rev().find(named);
        found.map(|(id, _)| id.clone())
    }
}

/// What a test makes the server do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Removes a peer, as a host does.
    Kick(String),
    /// Crashes a peer's endpoint.
    CrashEndpoint(String),
    /// Crashes a peer's channel process.
    CrashChannel(String),
    /// Ends the room of a peer in good order.
    CloseRoom(String),
    /// Says a media event to everybody who is let in.
    Say(Value),
    /// Pushes an event with its payload to everybody who joined.
    Push(String, Value),
    /// Starts a negotiation with a peer.
    Negotiate(String),
}

/// A server in a network namespace, on a thread of its own; ends when dropped.
pub struct Secluded {
    server: Membrane,
    // Ends the thread when dropped.
    _stay: tokio::sync::oneshot::Sender<()>,
}

impl Secluded {
    /// Starts a server inside a namespace.
    ///
    /// # Errors
    /// When it cannot be started there.
    pub fn start(namespace: &Namespace, settings: Settings) -> Result<Self> {
        let (stay, ended) = tokio::sync::oneshot::channel::<()>();
        let (started, outcome) = std::sync::mpsc::channel();
        namespace.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(async {
                // Whoever started it is gone when nobody takes it.
                drop(started.send(Membrane::start(settings).await));
                drop(ended.await);
            });
        })?;
        let server = outcome.recv()??;
        Ok(Self {
            server,
            _stay: stay,
        })
    }

    /// Copies what the server saw so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.server.record()
    }
}

/// A running server; ends when dropped.
pub struct Membrane {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    lane: mpsc::Sender<Input>,
    task: AbortHandle,
    _door: socket::Door,
}

impl Drop for Membrane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Membrane {
    /// Starts a server.
    ///
    /// # Errors
    /// When a port cannot be opened or a certificate not be used.
    pub async fn start(settings: Settings) -> Result<Self> {
        let certificate = match &settings.certificate {
            Some(certificate) => certificate.clone(),
            None => Certificate::self_signed()?,
        };
        let tls = certificate.acceptor()?;
        let (lane, inputs) = mpsc::channel(LANE);
        let at = SocketAddr::new(settings.address, settings.port);
        let door = socket::open(at, tls.clone(), lane.clone()).await?;
        let record = Arc::new(Mutex::new(Record::default()));
        let engine = Engine::new(settings, tls, (lane.clone(), inputs), Arc::clone(&record));
        let task = tokio::spawn(engine.await?.run()).abort_handle();
        Ok(Self {
            address: door.address,
            record,
            lane,
            task,
            _door: door,
        })
    }

    /// Where it listens for WebSockets.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Copies what it saw so far.
    #[must_use]
    pub fn record(&self) -> Record {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.clone()
    }

    /// Waits until the record is as wanted.
    ///
    /// # Errors
    /// When it is not in time; the error shows the record.
    pub async fn wait(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Record> {
        const PAUSE: Duration = Duration::from_millis(10);
        let until = Instant::now() + within;
        loop {
            let record = self.record();
            if wanted(&record) {
                return Ok(record);
            }
            if Instant::now() >= until {
                bail!("no {what} within {within:?}: {record:#?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes it do something.
    ///
    /// # Errors
    /// When it does not run any more.
    pub async fn order(&self, order: Order) -> Result<()> {
        Ok(self.lane.send(Input::Order(order)).await?)
    }
}
