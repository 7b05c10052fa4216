//! A TURN client of our own (RFC 8656): over UDP, over TCP, and over TLS by way of a [`TlsBridge`].
//!
//! Written from the RFC and sharing nothing with the server's, so that a mistake is not made on
//! both sides. It says what a test tells it to, sensible or not.

mod bridge;
mod message;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub use bridge::TlsBridge;
pub use message::{
    ALLOCATE, CHANNEL_BIND, CHANNEL_NUMBER, CREATE_PERMISSION, DATA, LIFETIME, Message, NONCE,
    REALM, REFRESH, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, SEND, USE_CANDIDATE, USERNAME,
    XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Messages that wait to be looked at: what two seconds of media are.
const LANE: usize = 4096;
/// The first channel that clients bind.
pub const CHANNEL: u16 = 0x4000;

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A datagram a message.
    Udp,
    /// Messages one after the other, channel data padded to four bytes.
    Tcp,
}

/// A TURN server as `offerData` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The name or address, as it stands in a URL.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl Announced {
    /// Reads all servers of an `offerData`.
    ///
    /// # Errors
    /// When something is missing.
    pub fn all(offer_data: &Value) -> Result<Vec<Self>> {
        let servers = offer_data["integratedTurnServers"].as_array();
        let text = |server: &Value, key: &str| -> Result<String> {
            let value = server[key].as_str().with_context(|| format!("no {key}"))?;
            Ok(value.to_owned())
        };
        servers
            .context("no TURN servers")?
            .iter()
            .map(|server| {
                Ok(Self {
                    transport: text(server, "transport")?,
                    host: text(server, "serverAddr")?,
                    port: u16::try_from(server["serverPort"].as_u64().context("no port")?)?,
                    username: text(server, "username")?,
                    password: text(server, "password")?,
                })
            })
            .collect()
    }

    /// Returns its address, when it is named by one.
    ///
    /// # Errors
    /// When it is named by a name.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(format!("{}:{}", self.host, self.port).parse()?)
    }
}

impl Announced {
    /// Opens a connection to it over UDP or TCP, with its credentials.
    ///
    /// # Errors
    /// When it cannot be reached, or is named by a name.
    pub fn open(&self) -> Result<Turn> {
        let via = if self.transport == "udp" {
            Via::Udp
        } else {
            Via::Tcp
        };
        Ok(Turn::open(via, self.address()?)?.known_as(&self.username, &self.password))
    }
}

/// A connection to a TURN server.
#[derive(Debug)]
pub struct Turn {
    link: Link,
    is_closed: Arc<AtomicBool>,
    incoming: Receiver<(Instant, Vec<u8>)>,
    waiting: VecDeque<(Instant, Vec<u8>)>,
    /// Data that was taken and given back.
    returned: VecDeque<(Instant, Vec<u8>)>,
    username: String,
    password: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    bound: Option<(u16, SocketAddr)>,
}

#[derive(Debug)]
enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// What an answer says.
#[derive(Debug)]
pub struct Reply {
    /// The number of the error; 0 for a success.
    pub code: u16,
    /// The length on the wire, in bytes.
    pub len: usize,
    /// All of it.
    pub message: Message,
}

impl Turn {
    /// Opens a connection without saying anything.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn open(via: Via, server: SocketAddr) -> Result<Self> {
        let (lane, incoming) = sync_channel(LANE);
        let is_closed = Arc::new(AtomicBool::new(false));
        let link = match via {
            Via::Udp => {
                let any = if server.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(server)?;
                let (reader, stop) = (socket.try_clone()?, Arc::clone(&is_closed));
                std::thread::spawn(move || read_datagrams(&reader, &lane, &stop));
                Link::Udp(socket)
            }
            Via::Tcp => {
                let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                let reader = stream.try_clone()?;
                std::thread::spawn(move || read_frames(reader, &lane));
                Link::Tcp(stream)
            }
        };
        Ok(Self {
            link,
            is_closed,
            incoming,
            waiting: VecDeque::new(),
            returned: VecDeque::new(),
            username: String::new(),
            password: String::new(),
            realm: Vec::new(),
            nonce: Vec::new(),
            bound: None,
        })
    }

    /// Sets who the client is from now on.
    #[must_use]
    pub fn known_as(mut self, username: &str, password: &str) -> Self {
        (self.username, self.password) = (username.to_owned(), password.to_owned());
        self
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.link {
            Link::Udp(socket) => drop(socket.send(bytes)?),
            Link::Tcp(stream) => stream.write_all(bytes)?,
        }
        Ok(())
    }

    /// Sends a request as it is and returns its answer.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn ask_raw(&mut self, request: &Message) -> Result<Reply> {
        self.send_raw(&request.bytes)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (at, bytes) = self.incoming.recv_timeout(left).context("no answer")?;
            match Message::read(&bytes) {
                Some(message) if message.transaction() == request.transaction() => {
                    let (code, len) = (message.error_code(), bytes.len());
                    return Ok(Reply { code, len, message });
                }
                _ => self.waiting.push_back((at, bytes)),
            }
        }
    }

    /// Sends a request with credentials and returns its answer. A challenge is answered.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn ask(&mut self, method: u16, fill: impl Fn(&mut Message)) -> Result<Reply> {
        let mut reply = None;
        for _ in 0..3 {
            let mut request = Message::new(method);
            fill(&mut request);
            if !self.nonce.is_empty() {
                request.add(USERNAME, self.username.as_bytes());
                request.add(REALM, &self.realm);
                request.add(NONCE, &self.nonce);
                request.sign_long_term(&self.username, &self.realm, &self.password);
            }
            let answer = self.ask_raw(&request)?;
            let is_first = self.nonce.is_empty();
            if answer.code == 438 || (answer.code == 401 && is_first) {
                self.realm = answer.message.get(REALM).context("no realm")?.to_vec();
                self.nonce = answer.message.get(NONCE).context("no nonce")?.to_vec();
                reply = Some(answer);
                continue;
            }
            return Ok(answer);
        }
        reply.context("unreachable: there was an answer")
    }

    /// Makes an allocation; returns its relayed address.
    ///
    /// # Errors
    /// When it is refused.
    pub fn allocate(&mut self) -> Result<SocketAddr> {
        let reply = self.ask(ALLOCATE, |request| {
            request.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        })?;
        ensure!(
            reply.code == 0,
            "the allocation was refused: {}",
            reply.code
        );
        reply
            .message
            .address(XOR_RELAYED_ADDRESS)
            .context("no relayed address")
    }

    /// Asks for more or less time; returns the number of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn refresh(&mut self, seconds: u32) -> Result<u16> {
        let fill = |request: &mut Message| request.add(LIFETIME, &seconds.to_be_bytes());
        Ok(self.ask(REFRESH, fill)?.code)
    }

    /// Asks to permit an address; returns the number of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn permit(&mut self, peer: SocketAddr) -> Result<u16> {
        let fill = |request: &mut Message| request.add_address(XOR_PEER_ADDRESS, peer);
        Ok(self.ask(CREATE_PERMISSION, fill)?.code)
    }

    /// Asks to bind a channel, which [`Turn::send`] then uses; returns the number of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<u16> {
        let [high, low] = number.to_be_bytes();
        let fill = |request: &mut Message| {
            request.add(CHANNEL_NUMBER, &[high, low, 0, 0]);
            request.add_address(XOR_PEER_ADDRESS, peer);
        };
        let code = self.ask(CHANNEL_BIND, fill)?.code;
        if code == 0 {
            self.bound = Some((number, peer));
        }
        Ok(code)
    }

    /// Sends data to a peer: by the bound channel, else by an indication.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn send(&mut self, peer: SocketAddr, data: &[u8]) -> Result<()> {
        match self.bound.filter(|(_, bound)| *bound == peer) {
            Some((number, _)) => self.send_channel(number, data),
            None => {
                let mut indication = Message::new(SEND);
                indication.add_address(XOR_PEER_ADDRESS, peer);
                indication.add(DATA, data);
                self.send_raw(&indication.bytes)
            }
        }
    }

    /// Sends data on a channel, bound or not.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn send_channel(&mut self, number: u16, data: &[u8]) -> Result<()> {
        let mut frame = number.to_be_bytes().to_vec();
        frame.extend(u16::try_from(data.len())?.to_be_bytes());
        frame.extend(data);
        if matches!(self.link, Link::Tcp(_)) {
            frame.resize(frame.len().next_multiple_of(4), 0);
        }
        self.send_raw(&frame)
    }

    /// Waits for data; returns when it came, and what. None when there is none.
    ///
    /// # Errors
    /// When the server closed the connection, or says something unheard of.
    pub fn receive(&mut self, within: Duration) -> Result<Option<(Instant, Vec<u8>)>> {
        if let Some(returned) = self.returned.pop_front() {
            return Ok(Some(returned));
        }
        let (at, bytes) = match self.waiting.pop_front() {
            Some(waiting) => waiting,
            None => match self.incoming.recv_timeout(within) {
                Ok(incoming) => incoming,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return Ok(None),
                Err(_) => bail!("the server closed the connection"),
            },
        };
        match bytes.first() {
            Some(0x40..=0x7F) => {
                let number = self.bound.map(|(number, _)| number.to_be_bytes());
                ensure!(
                    number.as_ref().map(|it| &it[..]) == bytes.get(..2),
                    "a channel not bound"
                );
                let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                let data = bytes.get(4..4 + len).context("short channel data")?;
                Ok(Some((at, data.to_vec())))
            }
            _ => {
                let message = Message::read(&bytes).context("neither STUN nor channel data")?;
                let data = message.get(DATA).context("no data in it")?;
                Ok(Some((at, data.to_vec())))
            }
        }
    }

    /// Takes data back to be received again, before all other.
    pub fn give_back(&mut self, data: impl IntoIterator<Item = (Instant, Vec<u8>)>) {
        self.returned.extend(data);
    }

    /// Waits until the server closes the connection (TCP).
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_closed(&mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                Err(_) => bail!("the connection is open still"),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
        if let Link::Tcp(stream) = &self.link {
            // Ends the reader; it may have ended already.
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
    }
}

/// Reads until the client is closed.
fn read_datagrams(socket: &UdpSocket, lane: &SyncSender<(Instant, Vec<u8>)>, stop: &AtomicBool) {
    drop(socket.set_read_timeout(Some(Duration::from_millis(200))));
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(len) = socket.recv(&mut buffer) {
            // A lane that is full belongs to a test that does not look; it loses packets.
            drop(lane.try_send((Instant::now(), buffer[..len].to_vec())));
        }
    }
}

/// Reads whole messages until the end of the stream.
fn read_frames(mut stream: TcpStream, lane: &SyncSender<(Instant, Vec<u8>)>) {
    let mut read = |len: usize| -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    while let Some(mut frame) = read(4) {
        let len = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
        let rest = match frame[0] {
            0..=3 => 16 + len,
            _ => len.next_multiple_of(4),
        };
        let Some(rest) = read(rest) else { return };
        frame.extend(rest);
        if lane.send((Instant::now(), frame)).is_err() {
            return;
        }
    }
}
