//! A UDP port on this computer that stands for a relay which is reached in another way: over TCP,
//! over TLS, or over the other family of addresses.
//!
//! Each socket that sends to it gets a connection of its own, since that is what an allocation
//! belongs to. Nothing is understood of what passes through, but where a message ends: over TCP,
//! STUN and channel data carry their length, and channel data is padded to four bytes (RFC 8656
//! section 12.5). A connection ends when its socket has been quiet for a while; one that cannot be
//! made is tried again with the next datagram, after a pause.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use snug_protocol::{TurnServer, TurnTransport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::connect::authority_config;

/// Sockets at once: one, and another while ICE restarts; the rest is for quick changes.
const CONNECTIONS_MAX: usize = 4;
/// Datagrams that wait for the connection: a third of a second of pictures. More are lost, which
/// is what they would be on a slow network, and what the encoder's feedback counts on.
const LANE: usize = 128;
/// Longer than any datagram.
const DATAGRAM_MAX: usize = 65_536;
/// How long a connection may take to be made.
const DIAL_MAX: Duration = Duration::from_secs(5);
/// Pause after one that could not be made.
const REDIAL_PAUSE: Duration = Duration::from_secs(1);
/// Silence after which a socket counts as gone: a connection in use sends every second.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// The longest message taken from a relay. Media and handshakes stay below 1.5 kB; what claims to
/// be longer is no relay (an HTTP server's answer would be a message of 21 kB).
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

const STUN_HEAD: usize = 20;
const CHANNEL_HEAD: usize = 4;
/// The type of an indication that carries data (RFC 8656 section 18.1).
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];

/// An open bridge; dropping it ends all its connections.
#[derive(Debug)]
pub(super) struct Bridge {
    address: SocketAddr,
    plan: Arc<Plan>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Plan {
    server: TurnServer,
    /// How long the other relays may try before this one.
    head_start: Duration,
    /// They may not.
    hurry: AtomicBool,
    /// One of them worked.
    connected: Arc<AtomicBool>,
    /// Data of the room came this way.
    carried: AtomicBool,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bridge {
    /// Opens a port at `local` that stands for `server`. It dials for the first time when
    /// something was sent to it and `head_start` is over without `connected` being set.
    ///
    /// # Errors
    /// When no port can be opened.
    pub(super) async fn open(
        local: IpAddr,
        server: &TurnServer,
        head_start: Duration,
        connected: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(local, 0)).await?;
        let address = socket.local_addr()?;
        let plan = Arc::new(Plan {
            server: server.clone(),
            head_start,
            hurry: AtomicBool::new(false),
            connected,
            carried: AtomicBool::new(false),
        });
        let task = tokio::spawn(serve(socket, Arc::clone(&plan))).abort_handle();
        Ok(Self {
            address,
            plan,
            task,
        })
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether data of the room came this way since it was asked last.
    pub(super) fn take_carried(&self) -> bool {
        self.plan.carried.swap(false, Ordering::Relaxed)
    }

    /// Whether to dial without a head start for other relays.
    pub(super) fn hurry(&self, hurry: bool) {
        self.plan.hurry.store(hurry, Ordering::Relaxed);
    }
}

/// Hands each datagram to the connection of its sender.
async fn serve(socket: UdpSocket, plan: Arc<Plan>) {
    let Ok(own) = socket.local_addr() else {
        return;
    };
    let socket = Arc::new(socket);
    let mut connections = JoinSet::new();
    let mut lanes: BTreeMap<SocketAddr, mpsc::Sender<Bytes>> = BTreeMap::new();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        // A sender that closed its socket shows as an error of the next call; it is no reason to
        // stop.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if from.ip() != own.ip() {
            continue;
        }
        while connections.try_join_next().is_some() {}
        lanes.retain(|_, lane| !lane.is_closed());
        let datagram = Bytes::copy_from_slice(&buffer[..length]);
        if let Some(lane) = lanes.get(&from) {
            if lane.try_send(datagram).is_err() {
                tracing::trace!("a relay does not keep up");
            }
        } else if lanes.len() < CONNECTIONS_MAX {
            let (lane, datagrams) = mpsc::channel(LANE);
            // There is room for the first one.
            drop(lane.try_send(datagram));
            lanes.insert(from, lane);
            let back = Way {
                socket: Arc::clone(&socket),
                to: from,
            };
            connections.spawn(carry(Arc::clone(&plan), datagrams, back));
        }
    }
}

/// The way back to a socket of the media connection.
struct Way {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

/// Dials for one socket and carries its messages both ways, until either end has enough.
async fn carry(plan: Arc<Plan>, datagrams: mpsc::Receiver<Bytes>, back: Way) {
    if !plan.hurry.load(Ordering::Relaxed) {
        sleep(plan.head_start).await;
        if plan.connected.load(Ordering::Relaxed) {
            return;
        }
    }
    let server = &plan.server;
    let dialled = match server.transport {
        TurnTransport::Udp => timeout(DIAL_MAX, datagram_socket(server))
            .await
            .map(|socket| socket.map(Dialled::Datagrams)),
        TurnTransport::Tcp => timeout(DIAL_MAX, stream(server))
            .await
            .map(|stream| stream.map(|stream| Dialled::Stream(Box::new(stream)))),
        TurnTransport::Tls => timeout(DIAL_MAX, tls_stream(server))
            .await
            .map(|stream| stream.map(|stream| Dialled::Stream(Box::new(stream)))),
    };
    match dialled {
        Ok(Ok(Dialled::Datagrams(socket))) => pass_datagrams(&plan, socket, datagrams, back).await,
        Ok(Ok(Dialled::Stream(stream))) => pass_messages(&plan, stream, datagrams, back).await,
        Ok(Err(error)) => {
            tracing::warn!(%error, ?server, "a relay cannot be reached");
            sleep(REDIAL_PAUSE).await;
        }
        Err(_) => tracing::warn!(?server, "a relay does not answer"),
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

enum Dialled {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

async fn datagram_socket(server: &TurnServer) -> io::Result<UdpSocket> {
    let addresses = tokio::net::lookup_host((server.server_addr.as_str(), server.server_port));
    let to = addresses.await?.next().ok_or(io::ErrorKind::NotFound)?;
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    Ok(socket)
}

async fn stream(server: &TurnServer) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((server.server_addr.as_str(), server.server_port)).await?;
    // Media must not wait for more media (TCP_NODELAY).
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn tls_stream(server: &TurnServer) -> io::Result<impl Stream + use<>> {
    let name = ServerName::try_from(server.server_addr.clone()).map_err(io::Error::other)?;
    let config = authority_config().map_err(io::Error::other)?;
    let stream = stream(server).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn pass_datagrams(
    plan: &Plan,
    socket: UdpSocket,
    mut datagrams: mpsc::Receiver<Bytes>,
    back: Way,
) {
    let sending = async {
        while let Ok(Some(datagram)) = timeout(QUIET_MAX, datagrams.recv()).await {
            // What a network loses, others repeat.
            drop(socket.send(&datagram).await);
        }
    };
    let receiving = async {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            if let Ok(length) = socket.recv(&mut buffer).await {
                plan.hand_back(&back, &buffer[..length]).await;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
}

async fn pass_messages(
    plan: &Plan,
    stream: Box<dyn Stream>,
    mut datagrams: mpsc::Receiver<Bytes>,
    back: Way,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        while let Ok(Some(datagram)) = timeout(QUIET_MAX, datagrams.recv()).await {
            let mut message = Vec::from(datagram);
            message.resize(message.len().next_multiple_of(4), 0);
            writer.write_all(&message).await?;
            writer.flush().await?;
        }
        io::Result::Ok(())
    };
    let receiving = async {
        loop {
            let message = read_message(&mut reader).await?;
            plan.hand_back(&back, &message).await;
        }
    };
    let ended: io::Result<()> = tokio::select! {
        ended = sending => ended,
        ended = receiving => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a relay ended");
    }
}

impl Plan {
    async fn hand_back(&self, back: &Way, message: &[u8]) {
        let is_data = message
            .first()
            .is_some_and(|first| (0x40..=0x7F).contains(first))
            || message.starts_with(&DATA_INDICATION);
        if is_data {
            self.carried.store(true, Ordering::Relaxed);
        }
        // A socket that is gone wants nothing.
        drop(back.socket.send_to(message, back.to).await);
    }
}

/// Reads one message and takes its padding off.
///
/// # Errors
/// When the connection ends, or what comes is neither STUN nor channel data, or too long.
async fn read_message(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; CHANNEL_HEAD];
    reader.read_exact(&mut message).await?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    let whole = match message[0] {
        0..=3 => STUN_HEAD + length,
        0x40..=0x7F => CHANNEL_HEAD + length,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    if whole > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    message.resize(whole.next_multiple_of(4), 0);
    reader.read_exact(&mut message[CHANNEL_HEAD..]).await?;
    message.truncate(whole);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn server(port: u16) -> TurnServer {
        TurnServer {
            server_addr: "127.0.0.1".to_owned(),
            server_port: port,
            transport: TurnTransport::Tcp,
            password: String::new(),
            username: String::new(),
        }
    }

    async fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    async fn bridge(port: u16, head_start: Duration) -> Bridge {
        let local = "127.0.0.1".parse().unwrap();
        Bridge::open(local, &server(port), head_start, Arc::default())
            .await
            .unwrap()
    }

    async fn receive(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let length = timeout(PATIENCE, socket.recv(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        buffer[..length].to_vec()
    }

    #[tokio::test]
    async fn messages_are_padded_on_their_way_out_and_stripped_on_their_way_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = bridge(listener.local_addr().unwrap().port(), Duration::ZERO).await;
        let media = socket().await;
        let stun = [&[0, 1, 0, 0][..], &[7; 16]].concat();
        media.send_to(&stun, bridge.address()).await.unwrap();
        media
            .send_to(&[0x40, 0, 0, 1, 9], bridge.address())
            .await
            .unwrap();
        let (mut relay, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let mut heard = [0; 28];
        timeout(PATIENCE, relay.read_exact(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard[..20], stun[..]);
        assert_eq!(heard[20..], [0x40, 0, 0, 1, 9, 0, 0, 0]);

        assert!(!bridge.take_carried());
        // In pieces, as TCP may cut it, and one after the other.
        relay.write_all(&[0x40, 0, 0]).await.unwrap();
        relay.flush().await.unwrap();
        relay
            .write_all(&[3, 1, 2, 3, 0, 0x40, 1, 0, 0])
            .await
            .unwrap();
        assert_eq!(receive(&media).await, [0x40, 0, 0, 3, 1, 2, 3]);
        assert_eq!(receive(&media).await, [0x40, 1, 0, 0]);
        assert!(bridge.take_carried());
    }

    #[tokio::test]
    async fn each_socket_has_a_connection_and_there_are_only_so_many() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = bridge(listener.local_addr().unwrap().port(), Duration::ZERO).await;
        let mut sockets = Vec::new();
        let mut relays = Vec::new();
        for number in 0..=CONNECTIONS_MAX {
            let media = socket().await;
            media
                .send_to(&[0x40, 0, 0, 0], bridge.address())
                .await
                .unwrap();
            if number < CONNECTIONS_MAX {
                relays.push(timeout(PATIENCE, listener.accept()).await.unwrap().unwrap());
            }
            sockets.push(media);
        }
        let another = timeout(Duration::from_millis(100), listener.accept()).await;
        assert!(another.is_err(), "one too many");
        relays[1].0.write_all(&[0x41, 0, 0, 0]).await.unwrap();
        assert_eq!(
            receive(&sockets[1]).await,
            [0x41, 0, 0, 0],
            "to its own socket"
        );
    }

    #[tokio::test]
    async fn it_stands_back_while_another_relay_works() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = bridge(listener.local_addr().unwrap().port(), HEAD_START).await;
        const HEAD_START: Duration = Duration::from_millis(100);
        bridge.plan.connected.store(true, Ordering::Relaxed);
        let media = socket().await;
        media
            .send_to(&[0x40, 0, 0, 0], bridge.address())
            .await
            .unwrap();
        assert!(timeout(3 * HEAD_START, listener.accept()).await.is_err());
        bridge.hurry(true);
        media
            .send_to(&[0x40, 0, 0, 0], bridge.address())
            .await
            .unwrap();
        timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn junk_ends_a_connection_and_the_next_datagram_makes_another() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = bridge(listener.local_addr().unwrap().port(), Duration::ZERO).await;
        let media = socket().await;
        for junk in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            &[0x80; 40],
            &[0xFF; 4],
        ] {
            // Repeated, as requests are: one may still meet the end of the connection before.
            let repeated = async {
                loop {
                    media
                        .send_to(&[0x40, 0, 0, 0], bridge.address())
                        .await
                        .unwrap();
                    sleep(Duration::from_millis(50)).await;
                }
            };
            let (mut relay, _) = tokio::select! {
                accepted = timeout(PATIENCE, listener.accept()) => accepted.unwrap().unwrap(),
                () = repeated => unreachable!("it never ends"),
            };
            relay.write_all(junk).await.unwrap();
            let mut rest = Vec::new();
            timeout(PATIENCE, relay.read_to_end(&mut rest))
                .await
                .unwrap()
                .ok();
        }
    }
}
