//! The ways to the relay: a UDP port for each peer, one TCP and one TLS port for all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::Transport;
use super::engine::Input;

/// Messages for one client that its connection has not taken yet; more are lost, as by a relay.
const LANE: usize = 256;
/// Longer than any datagram.
const DATAGRAM_MAX: usize = 65_536;
const STUN_HEAD: usize = 20;
const CHANNEL_HEAD: usize = 4;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Names the five-tuple that an allocation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WireId {
    Datagrams(u64, SocketAddr),
    Stream(u64),
}

/// The way back to a client.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) id: WireId,
    pub(super) from: SocketAddr,
    pub(super) transport: Transport,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Datagrams(Arc<UdpSocket>),
    Stream(mpsc::Sender<Vec<u8>>),
}

impl Wire {
    /// Sends one message; lost when there is no room, as in a network.
    pub(super) fn send(&self, mut message: Vec<u8>) {
        match &self.way {
            Way::Datagrams(socket) => drop(socket.try_send_to(&message, self.from)),
            Way::Stream(lane) => {
                message.resize(message.len().next_multiple_of(4), 0);
                drop(lane.try_send(message));
            }
        }
    }
}

/// An open port; closed on drop.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a UDP port. What a `mute` one hears is lost, as behind a firewall.
pub(super) fn datagrams(at: SocketAddr, mute: bool, lane: mpsc::Sender<Input>) -> Result<Port> {
    let socket = std::net::UdpSocket::bind(at)?;
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let address = socket.local_addr()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            // A refusal by somebody who is gone is no reason to stop.
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
                continue;
            };
            let wire = Wire {
                id: WireId::Datagrams(number, from),
                from,
                transport: Transport::Udp,
                way: Way::Datagrams(Arc::clone(&socket)),
            };
            let input = Input::Relay(wire, buffer[..length].to_vec());
            if !mute && lane.send(input).await.is_err() {
                return;
            }
        }
    });
    let task = task.abort_handle();
    Ok(Port { address, task })
}

/// Opens a port for streams, inside TLS when there is an acceptor.
pub(super) async fn streams(
    at: SocketAddr,
    tls: Option<TlsAcceptor>,
    lane: mpsc::Sender<Input>,
) -> Result<Port> {
    let listener = TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut visits = JoinSet::new();
        while let Ok((stream, from)) = listener.accept().await {
            let (tls, lane) = (tls.clone(), lane.clone());
            visits.spawn(async move {
                let Some(tls) = tls else {
                    return visit(stream, from, Transport::Tcp, lane).await;
                };
                if let Ok(stream) = tls.accept(stream).await {
                    visit(stream, from, Transport::Tls, lane).await;
                }
            });
        }
    });
    let task = task.abort_handle();
    Ok(Port { address, task })
}

async fn visit(
    stream: impl AsyncRead + AsyncWrite,
    from: SocketAddr,
    transport: Transport,
    engine: mpsc::Sender<Input>,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (out, mut messages) = mpsc::channel::<Vec<u8>>(LANE);
    let id = WireId::Stream(COUNT.fetch_add(1, Ordering::Relaxed));
    let wire = Wire {
        id,
        from,
        transport,
        way: Way::Stream(out),
    };
    let reading = async {
        while let Some(message) = read_message(&mut reader).await {
            if engine
                .send(Input::Relay(wire.clone(), message))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let writing = async {
        while let Some(message) = messages.recv().await {
            if writer.write_all(&message).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
    // Without an engine nobody cares.
    drop(engine.send(Input::HungUp(id)).await);
}

/// Reads one message (RFC 8656 section 12.5): channel data is padded to four bytes, STUN always
/// is.
async fn read_message(reader: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut message = vec![0; CHANNEL_HEAD];
    reader.read_exact(&mut message).await.ok()?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    let (whole, padded) = match message[0] {
        0..=3 => (STUN_HEAD + length, STUN_HEAD + length),
        0x40..=0x7F => (
            CHANNEL_HEAD + length,
            (CHANNEL_HEAD + length).next_multiple_of(4),
        ),
        _ => return None,
    };
    message.resize(padded, 0);
    reader.read_exact(&mut message[CHANNEL_HEAD..]).await.ok()?;
    message.truncate(whole);
    Some(message)
}
