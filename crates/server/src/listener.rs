//! The one TCP port: accepts, tells TLS from HTTP by the first byte, serves.
//!
//! Rules, each with its why:
//! - 0x16 is TLS, 0x00 and 0x01 are STUN (TURN over TCP, see `turn`), an upper-case letter is
//!   HTTP, everything else is closed. Inside TLS the same decision is made again.
//! - Each step before the first request has five seconds, and connections that have not made one
//!   are bounded; when the bound is reached the oldest makes room (see `admission`), so any
//!   number of silent connections cannot keep a caller out.
//! - All connections of one address are bounded, so that no single one can fill the server; one
//!   too many is told so (HTTP 429) and closed.
//! - One task a connection, all owned by [`Listener::run`]. A WebSocket runs in the task of the
//!   connection that it came from.

mod admission;
mod connection;
mod stream;
mod turn;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::socket::ConnectionInfo;
use crate::transport::StreamHandle;
use crate::{Counters, Error};
use admission::Admission;
pub(crate) use admission::{Group, OPEN_PER_ADDRESS_MAX};
pub(crate) use connection::Peer;

/// Bounds all connections: three times the 5,000 sockets that a server is measured with. More
/// are closed unheard.
pub(crate) const CONNECTIONS_MAX: usize = 16_384;

/// How many connections may wait for [`Listener::run`] to accept them.
const BACKLOG: i32 = 1024;

/// How long sockets may take to say goodbye when the server stops.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// How much the system may keep of what was written to a connection, in bytes; Linux takes twice
/// that. Many seconds of signalling: a client that does not read it is noticed, not fed.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// How long accepting rests after the system refused a connection (no file handles left):
/// connections end all the time, and a busy loop would help nobody.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Is a bound TCP port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    counters: Arc<Counters>,
    turn: Option<StreamHandle>,
}

impl Listener {
    /// Listens on `bind`, or on every address of this computer, IPv4 and IPv6. Port 0 lets the
    /// system choose. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::PortInUse`] or [`Error::Listen`].
    pub fn bind(bind: Option<IpAddr>, port: u16) -> Result<Self, Error> {
        let candidates = match bind {
            Some(ip) => vec![ip],
            // The second is for computers without IPv6.
            None => vec![
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ],
        };
        let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        let mut address = SocketAddr::new(candidates[0], port);
        for ip in candidates {
            address = SocketAddr::new(ip, port);
            result = listen(address);
            let kind = result.as_ref().map_err(io::Error::kind);
            if matches!(kind, Ok(_) | Err(io::ErrorKind::AddrInUse)) {
                break;
            }
        }
        match result.and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((address, socket)) => Ok(Listener {
                socket,
                address,
                counters: Arc::default(),
                turn: None,
            }),
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                Err(Error::PortInUse(address))
            }
            Err(source) => Err(Error::Listen { address, source }),
        }
    }

    /// Hands TURN clients over to the media plane; without it they are closed.
    pub(crate) fn with_turn(mut self, turn: StreamHandle) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Returns the bound address; unspecified (`[::]`, `0.0.0.0`) when it is every address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the counters of what is turned away; they live on while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves `site` until `stop`; then tells every socket (close code 1012), waits up to two
    /// seconds for them, and ends what is left. Dropping the future ends everything at once.
    pub async fn run(self, site: Router, tls: Arc<rustls::ServerConfig>, stop: CancellationToken) {
        let shared = connection::Shared {
            site,
            tls: TlsAcceptor::from(tls),
            stop: stop.clone(),
            counters: Arc::clone(&self.counters),
            turn: self.turn.clone(),
        };
        let admission = Admission::new(Arc::clone(&self.counters));
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(ended) = tasks.join_next() => {
                    note_end(&ended);
                    continue;
                }
                () = stop.cancelled() => break,
            };
            match accepted.and_then(|(stream, remote)| describe(stream, remote)) {
                Ok(_) if tasks.len() >= CONNECTIONS_MAX => {
                    self.counters.refused.add();
                    tracing::debug!("a connection was closed: {CONNECTIONS_MAX} are open");
                }
                Ok((stream, info)) => {
                    let slot = admission.admit(info.remote.ip());
                    tasks.spawn(connection::run(stream, info, slot, shared.clone()));
                }
                Err(error) => {
                    self.counters.not_accepted.add();
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        drop(self.socket);
        let goodbye = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!(left = tasks.len(), "connections did not end in time");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // On Windows this would let two servers share the port; elsewhere it only skips the wait
    // after a restart.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn describe(stream: TcpStream, remote: SocketAddr) -> io::Result<(TcpStream, ConnectionInfo)> {
    // Signalling is small and urgent.
    stream.set_nodelay(true)?;
    socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES)?;
    let local = canonical(stream.local_addr()?);
    let info = ConnectionInfo {
        local,
        remote: canonical(remote),
        secure: false,
    };
    Ok((stream, info))
}

/// Turns an IPv4-mapped IPv6 address into the IPv4 address that it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V4(ip), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn note_end(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked; the others go on");
    }
}
