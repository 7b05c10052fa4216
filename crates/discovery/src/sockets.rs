//! The sockets of both sides, and which networks there are.
//!
//! Nothing sent leaves the link: IPv4 goes out with a time to live of 1, multicast of IPv6 with a
//! hop limit of 1 to a group of link scope.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::datagram::DATAGRAM_BYTES_MAX;
use crate::interfaces::{Link, rank};
use crate::{GROUP, PORT};

/// Lists the networks that count, the best first.
pub(crate) fn links() -> Vec<Link> {
    let all = match if_addrs::get_if_addrs() {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the networks of this computer are not known");
            return Vec::new();
        }
    };
    let link = |interface: if_addrs::Interface| Link {
        index: interface.index.unwrap_or(0),
        address: interface.ip(),
        prefix: match &interface.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        },
        is_up: interface.is_oper_up(),
        is_tunnel: interface.is_p2p(),
        name: interface.name,
    };
    rank(all.into_iter().map(link).collect())
}

/// A socket of each kind of address; a computer may have but one kind.
#[derive(Debug)]
pub(crate) struct Pair {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Pair {
    /// Opens sockets on ports of their own, to ask or to answer by.
    pub fn own() -> Self {
        Self::open(0)
    }

    /// Opens sockets on the port at which hosts are asked; others on this computer may share it.
    pub fn shared() -> Self {
        Self::open(PORT)
    }

    fn open(port: u16) -> Self {
        let kept = |socket: io::Result<UdpSocket>| {
            let note = |error| tracing::debug!(%error, port, "no socket of one kind of address");
            socket.map_err(note).ok()
        };
        Self {
            v4: kept(socket_v4(port)),
            v6: kept(socket_v6(port)),
        }
    }

    /// Hears what is asked of all on these networks; joining a group twice does no harm.
    pub fn join_groups(&self, links: &[Link]) {
        let Some(v6) = &self.v6 else { return };
        for index in indexes(links) {
            if let Err(error) = v6.join_multicast_v6(&GROUP, index) {
                tracing::trace!(%error, index, "the group is joined already, or cannot be");
            }
        }
    }

    /// Sends to one address. A network that is down just now loses it, as networks do.
    pub async fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        if let Some(socket) = socket
            && let Err(error) = socket.send_to(bytes, to).await
        {
            tracing::debug!(%error, "a datagram was not sent");
        }
    }

    /// Sends to everybody on these networks.
    pub async fn send_all(&self, links: &[Link], bytes: &[u8]) {
        for broadcast in links.iter().filter_map(Link::broadcast) {
            self.send((broadcast, PORT).into(), bytes).await;
        }
        for index in indexes(links) {
            self.send(SocketAddrV6::new(GROUP, PORT, 0, index).into(), bytes)
                .await;
        }
    }

    /// Waits for a datagram. Safe to cancel. Too long ones come cut, which no reader takes.
    pub async fn receive(&self) -> (SocketAddr, Vec<u8>) {
        tokio::select! {
            heard = receive(&self.v4) => heard,
            heard = receive(&self.v6) => heard,
        }
    }
}

async fn receive(socket: &Option<UdpSocket>) -> (SocketAddr, Vec<u8>) {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                buffer.truncate(length);
                return (from, buffer);
            }
            // A port that was closed answers by an error on the next read; that is no end.
            Err(error) => {
                tracing::trace!(%error, "nothing was read");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

fn indexes(links: &[Link]) -> Vec<u32> {
    let six = links
        .iter()
        .filter(|link| link.address.is_ipv6() && link.index != 0);
    let mut indexes: Vec<u32> = six.map(|link| link.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

fn socket_v4(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    share(&socket, port)?;
    socket.set_broadcast(true)?;
    socket.set_ttl_v4(1)?;
    bind(socket, (Ipv4Addr::UNSPECIFIED, port).into())
}

fn socket_v6(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    share(&socket, port)?;
    socket.set_multicast_hops_v6(1)?;
    socket.set_unicast_hops_v6(1)?;
    bind(socket, (Ipv6Addr::UNSPECIFIED, port).into())
}

/// Lets several hosts of one computer hear the same questions.
fn share(socket: &Socket, port: u16) -> io::Result<()> {
    if port != 0 {
        socket.set_reuse_address(true)?;
        // Linux shares by the option above, between different users too; others need this one.
        #[cfg(all(unix, not(target_os = "linux")))]
        socket.set_reuse_port(true)?;
    }
    Ok(())
}

fn bind(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
