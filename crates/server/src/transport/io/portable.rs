//! Datagrams one at a time through std, on systems without batch calls. Answers leave by
//! whatever address the routing table says.

use super::super::counters::Counters;
use super::super::handle::Wake;
use super::{DatagramIo, Inbox, Outbox, Path};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// A UDP port of any system.
pub(super) struct PortableIo {
    socket: UdpSocket,
    waker: Arc<LoopbackWaker>,
}

/// Wakes by an empty datagram from a socket of its own, which the shard drops as junk.
struct LoopbackWaker {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Wake for LoopbackWaker {
    fn wake(&self) {
        if let Err(error) = self.socket.send_to(&[], self.to) {
            // The shard wakes by its timer then, at most a quarter of a second later.
            tracing::debug!(%error, "the media shard was not woken");
        }
    }
}

impl PortableIo {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let mut to = socket.local_addr()?;
        match to.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => to.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => to.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let waker = LoopbackWaker {
            socket: UdpSocket::bind((to.ip(), 0))?,
            to,
        };
        waker.socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            waker: Arc::new(waker),
        })
    }
}

impl DatagramIo for PortableIo {
    fn receive(&mut self, inbox: &mut Inbox, timeout: Duration) -> io::Result<()> {
        inbox.clear();
        // Zero would mean forever.
        self.socket
            .set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
        let Some(slot) = inbox.slot() else {
            return Ok(());
        };
        match self.socket.recv_from(slot) {
            Ok((len, remote)) => {
                // std does not say what it cut off; a full slot is suspect.
                let is_truncated = len == slot.len();
                inbox.push(Path::direct(remote, None), len, is_truncated);
                Ok(())
            }
            Err(error) => match error.kind() {
                // An earlier datagram's address was unreachable; reading goes on.
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn send(&mut self, outbox: &mut Outbox, counters: &Counters) {
        for message in &outbox.messages {
            for datagram in outbox.datagrams(message) {
                counters.send_calls.add(1);
                match self.socket.send_to(datagram, message.path.remote) {
                    Ok(_) => counters.datagrams_sent.add(1),
                    Err(_) => counters.send_failed.add(1),
                }
            }
        }
        outbox.clear();
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
