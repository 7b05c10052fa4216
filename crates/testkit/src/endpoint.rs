//! One end of a media connection: a socket that was checked and has keys. The same for every
//! server, so that only the servers differ.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use socket2::SockRef;

use crate::handshake::{Carrier, Contexts, Identity, is_dtls};
use crate::turn::{Message, USE_CANDIDATE};

/// How long a step of joining may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How soon an unanswered check is sent again.
const CHECK_REPEAT: Duration = Duration::from_millis(5);
/// How soon an unanswered flight is. The library gives up when the answer comes later than this.
const FLIGHT_REPEAT: Duration = Duration::from_secs(2);
/// What the system may keep for a socket until it is looked at: far more than the pause between.
const RECEIVE_BUFFER_BYTES: usize = 512 * 1024;

/// Header extension ids that both sides of every connection use.
pub const MID: u8 = 4;
/// The same of the transport-wide number.
pub const TWCC: u8 = 3;
/// The payload type of pictures.
pub const VP8: u8 = 96;
/// The payload type of pictures that are sent again.
pub const RTX: u8 = 97;

/// A socket and what it is to be connected by.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    ufrag: String,
    pwd: String,
    remote: Option<SocketAddr>,
    /// Checks of the other side that were answered.
    answered: usize,
    /// Whether one of them nominated the pair.
    is_nominated: bool,
}

/// How the other side takes part in checking the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ice {
    /// It only answers.
    Lite,
    /// It checks as well, and leaves the choice to us: we offered.
    Controlled,
    /// It checks and chooses.
    Controlling,
}

/// What the other side's session description says.
#[derive(Debug)]
pub struct Remote {
    ufrag: String,
    pwd: String,
    address: SocketAddr,
}

/// A connection that is ready for media.
#[derive(Debug)]
pub struct Connected {
    /// Bound and connected; blocking.
    pub socket: UdpSocket,
    /// Its keys.
    pub contexts: Contexts,
    /// A check of the way, which the other side answers.
    pub check: Message,
    /// The other side's ICE password.
    pub password: String,
}

/// What a guest does with its one line of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It sends from this source, and what it sends again from the next.
    Sends(u32),
    /// It receives.
    Receives,
}

impl Endpoint {
    /// Opens a socket on an address of this computer.
    ///
    /// # Errors
    /// When it cannot be bound there.
    pub fn open(ip: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        // The system may grant less, which would show as loss.
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let random = || format!("{:016x}", rand::rng().random::<u64>());
        Ok(Self {
            socket,
            ufrag: random(),
            pwd: random() + &random(),
            remote: None,
            answered: 0,
            is_nominated: false,
        })
    }

    /// Writes the session description of one line of VP8. `setup` is `active` in an answer, and
    /// in an offer to a server that would rather be the client.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn describe(
        &self,
        identity: &Identity,
        part: Part,
        setup: &str,
        mid: &str,
    ) -> Result<String> {
        let address = self.socket.local_addr()?;
        let (ip, port) = (address.ip(), address.port());
        let (direction, sources) = match part {
            Part::Receives => ("recvonly", String::new()),
            Part::Sends(ssrc) => {
                let rtx = ssrc + 1;
                let sources = format!(
                    "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:load\r\n\
                     a=ssrc:{rtx} cname:load\r\n"
                );
                ("sendonly", sources)
            }
        };
        Ok(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}\r\nc=IN IP4 127.0.0.1\r\n\
             a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n\
             a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{TWCC} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\n\
             a=rtcp-fb:{VP8} ccm fir\r\na=rtcp-fb:{VP8} transport-cc\r\n\
             a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n{sources}",
            self.ufrag,
            self.pwd,
            identity.fingerprint(),
        ))
    }

    /// Checks the one pair, nominates it, and shakes hands as the client.
    ///
    /// # Errors
    /// When the other side does not answer in [`PATIENCE`].
    pub fn connect(mut self, identity: &Identity, remote: &Remote, ice: Ice) -> Result<Connected> {
        self.socket.connect(remote.address)?;
        self.remote = Some(remote.address);
        let check = self.check(remote, ice)?;
        let contexts = identity.shake(&mut self, FLIGHT_REPEAT, PATIENCE)?;
        Ok(Connected {
            socket: self.socket,
            contexts,
            check,
            password: remote.pwd.clone(),
        })
    }

    fn check(&mut self, remote: &Remote, ice: Ice) -> Result<Message> {
        let names = (remote.ufrag.as_str(), self.ufrag.as_str());
        let check = Message::check(names, &remote.pwd, true);
        let deadline = Instant::now() + PATIENCE;
        let mut is_answered = false;
        while Instant::now() < deadline {
            if !is_answered && ice != Ice::Controlling {
                self.socket.send(&check.bytes)?;
            }
            let until = Instant::now() + CHECK_REPEAT;
            while let Some(data) = self.take(until.saturating_duration_since(Instant::now()))? {
                is_answered |= Message::read(&data).is_some_and(|answer| answer.is_success());
                if is_answered && ice == Ice::Lite {
                    return Ok(check);
                }
            }
            let is_done = match ice {
                Ice::Lite => is_answered,
                Ice::Controlled => is_answered && self.answered > 0,
                Ice::Controlling => self.is_nominated,
            };
            if is_done {
                return Ok(check);
            }
        }
        anyhow::bail!("no check was answered by {}", remote.address)
    }

    /// Waits for a datagram that is no check; checks are answered.
    fn take(&mut self, within: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Zero would mean for ever.
            let left = left.max(Duration::from_millis(1));
            let Some(data) = receive(&self.socket, left)? else {
                return Ok(None);
            };
            let check = Message::read(&data).filter(Message::is_check);
            let (Some(check), Some(remote)) = (check, self.remote) else {
                return Ok(Some(data));
            };
            let answer = Message::success(&check, remote, &self.pwd);
            self.socket.send(&answer.bytes)?;
            self.answered += 1;
            self.is_nominated |= check.get(USE_CANDIDATE).is_some();
        }
    }
}

impl Remote {
    /// Reads a description; `candidate` stands in it or came apart from it.
    ///
    /// # Errors
    /// When a part is missing.
    pub fn read(sdp: &str, candidate: Option<&str>) -> Result<Self> {
        let value = |name: &str| -> Result<String> {
            let line = sdp.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("no {name}"))?.to_owned())
        };
        let line = match candidate {
            Some(line) => line.to_owned(),
            None => value("a=candidate:")?,
        };
        let words: Vec<&str> = line.split(' ').collect();
        ensure!(words.len() > 5, "a short candidate: {line}");
        Ok(Self {
            ufrag: value("a=ice-ufrag:")?,
            pwd: value("a=ice-pwd:")?,
            address: SocketAddr::new(words[4].parse()?, words[5].parse()?),
        })
    }
}

impl Carrier for Endpoint {
    fn send(&mut self, data: &[u8]) -> Result<()> {
        self.socket.send(data)?;
        Ok(())
    }

    fn receive(&mut self, within: Duration) -> Result<Option<Vec<u8>>> {
        Ok(self.take(within)?.filter(|data| is_dtls(data)))
    }
}

fn receive(socket: &UdpSocket, within: Duration) -> Result<Option<Vec<u8>>> {
    socket.set_read_timeout(Some(within))?;
    let mut buffer = vec![0; 2048];
    match socket.recv(&mut buffer) {
        Ok(len) => {
            buffer.truncate(len);
            Ok(Some(buffer))
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}
