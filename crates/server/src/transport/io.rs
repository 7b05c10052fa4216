//! Datagrams in and out, many at a time.
//!
//! The shard sees one trait, [`DatagramIo`], and two slabs that are allocated once: [`Inbox`]
//! with whole datagrams, [`Outbox`] with messages, each a run of equal datagrams to one address
//! that the kernel can cut apart (UDP_SEGMENT). Linux does batches in single system calls; other
//! systems, and tests, send one datagram at a time through std.

#[cfg(target_os = "linux")]
mod linux;
// Linux has its own; tests run this one there too.
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

use super::counters::Counters;
use super::handle::Wake;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams read at once: two frames of every publisher in a room of ten.
pub(super) const INBOX_SLOTS: usize = 64;
/// Longest datagram taken in. Media keeps below 1500; a longer one is truncated and dropped.
pub(super) const DATAGRAM_LEN_MAX: usize = 2048;
/// Bytes that wait to be sent before a flush: a picture frame for 50 subscribers.
const OUTBOX_LEN: usize = 512 * 1024;
/// Messages that wait to be sent before a flush.
const OUTBOX_MESSAGES: usize = 256;
/// Datagrams of one message. The kernel's limit was 64 until 6.9.
const SEGMENTS_MAX: usize = 60;
/// Bytes of one message: what one IP packet can hold, with room for its headers.
const MESSAGE_LEN_MAX: usize = 60_000;
/// What the kernel is asked to buffer each way: 20 ms at 1.5 Gb/s. It may grant less.
const SOCKET_BUFFER_LEN: usize = 4 * 1024 * 1024;

/// Where a datagram came from and came to; an answer goes back the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    /// The other side, in the socket's own family (IPv4 may be mapped into IPv6); link-local
    /// addresses carry their scope.
    pub(super) remote: SocketAddr,
    /// Our address, when the system tells.
    pub(super) local: Option<LocalAddress>,
    /// What carries it.
    pub(super) via: Via,
}

impl Path {
    /// A path of plain datagrams on the media port.
    pub(super) fn direct(remote: SocketAddr, local: Option<LocalAddress>) -> Self {
        let via = Via::Direct;
        Self { remote, local, via }
    }
}

/// What carries the datagrams of a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Via {
    /// The media port itself.
    Direct,
    /// A TURN allocation of ours; the remote address is the relayed one.
    Relay(RelayKey),
    /// A TCP connection to our TURN server.
    Stream(StreamKey),
}

/// Names a TURN allocation, and which of our addresses its client speaks to through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RelayKey {
    /// Its place in the table of allocations.
    pub(super) slot: u32,
    /// Counts allocations, so that a place that is used again is another.
    pub(super) serial: u32,
    /// Which of our addresses.
    pub(super) leg: u8,
}

/// Names a TCP connection to our TURN server; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey(pub(super) u32);

/// One of our addresses, as packet information names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalAddress {
    pub(super) ip: IpAddr,
    /// The interface, for link-local addresses only: others are reachable by any route, and
    /// naming an interface would forbid it.
    pub(super) interface: u32,
}

impl LocalAddress {
    fn new(ip: IpAddr, interface: u32) -> Self {
        let is_link_local = match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        Self {
            ip,
            interface: if is_link_local { interface } else { 0 },
        }
    }
}

/// A UDP port of a shard.
pub(super) trait DatagramIo: Send {
    /// Waits for datagrams, a wake or the end of `timeout`, whichever is first, and reads what
    /// there is into `inbox`.
    fn receive(&mut self, inbox: &mut Inbox, timeout: Duration) -> io::Result<()>;

    /// Sends everything in `outbox` and empties it. What cannot be sent is counted and dropped:
    /// media that waits is of no use.
    fn send(&mut self, outbox: &mut Outbox, counters: &Counters);

    /// Returns what ends a wait from another thread.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Returns the bound address.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Opens a UDP port with the best means of the system. Without an address it is bound to all,
/// IPv6 and IPv4, or only IPv4 where IPv6 is off.
pub(super) fn open(bind: Option<IpAddr>, port: u16) -> io::Result<Box<dyn DatagramIo>> {
    let socket = bind_socket(bind, port)?;
    #[cfg(target_os = "linux")]
    return Ok(Box::new(linux::LinuxIo::new(socket)?));
    #[cfg(not(target_os = "linux"))]
    return Ok(Box::new(portable::PortableIo::new(socket)?));
}

fn bind_socket(bind: Option<IpAddr>, port: u16) -> io::Result<UdpSocket> {
    match bind {
        Some(ip) => bind_to(SocketAddr::new(ip, port)),
        None => bind_to(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).or_else(|error| {
            // A port in use is in use; anything else may be IPv6 that is switched off.
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            bind_to(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }),
    }
}

fn bind_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A smaller buffer than asked for costs packets in bursts, not correctness.
    if let Err(error) = socket
        .set_recv_buffer_size(SOCKET_BUFFER_LEN)
        .and_then(|()| socket.set_send_buffer_size(SOCKET_BUFFER_LEN))
    {
        tracing::debug!(%error, "socket buffers stay at their default");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Datagrams that were read, in slots that are used again.
pub(super) struct Inbox {
    data: Vec<u8>,
    received: Vec<Received>,
}

/// One datagram of an [`Inbox`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) path: Path,
    pub(super) len: usize,
    /// The datagram was longer than a slot; its end is lost.
    pub(super) is_truncated: bool,
    /// How long before it was read it had arrived, as far as the system tells.
    pub(super) age: Duration,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            data: vec![0; INBOX_SLOTS * DATAGRAM_LEN_MAX],
            received: Vec::with_capacity(INBOX_SLOTS),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    pub(super) fn clear(&mut self) {
        self.received.clear();
    }

    /// Returns a datagram and where it came from.
    pub(super) fn datagram(&mut self, index: usize) -> (Received, &mut [u8]) {
        let received = self.received[index];
        let start = index * DATAGRAM_LEN_MAX;
        (received, &mut self.data[start..start + received.len])
    }

    /// Returns the first `len` bytes of a datagram.
    pub(super) fn bytes(&self, index: usize, len: usize) -> &[u8] {
        let start = index * DATAGRAM_LEN_MAX;
        &self.data[start..start + len.min(DATAGRAM_LEN_MAX)]
    }

    /// Lets what `range` of a datagram holds stand for the whole, as if it had come on `path`.
    pub(super) fn unwrap(&mut self, index: usize, range: Range<usize>, path: Path) {
        let start = index * DATAGRAM_LEN_MAX;
        let received = &mut self.received[index];
        let end = range.end.min(received.len);
        let begin = range.start.min(end);
        *received = Received {
            path,
            len: end - begin,
            is_truncated: false,
            age: received.age,
        };
        // Moving a packet costs a twentieth of decrypting it.
        self.data.copy_within(start + begin..start + end, start);
    }

    /// Notes how long before it was read the last datagram had arrived.
    #[cfg(target_os = "linux")]
    fn date(&mut self, age: Duration) {
        if let Some(last) = self.received.last_mut() {
            last.age = age;
        }
    }

    /// Takes in what came another way than by the socket; returns whether there was room.
    pub(super) fn put(&mut self, path: Path, data: &[u8]) -> bool {
        let start = self.received.len() * DATAGRAM_LEN_MAX;
        let slot = self.data.get_mut(start..start + DATAGRAM_LEN_MAX);
        let Some(place) = slot.and_then(|slot| slot.get_mut(..data.len())) else {
            return false;
        };
        place.copy_from_slice(data);
        self.push(path, data.len(), false);
        true
    }

    /// Returns the slot that the next datagram goes to, while there is one.
    #[cfg(any(not(target_os = "linux"), test))]
    fn slot(&mut self) -> Option<&mut [u8]> {
        let start = self.received.len() * DATAGRAM_LEN_MAX;
        self.data.get_mut(start..start + DATAGRAM_LEN_MAX)
    }

    /// Holds one datagram, as if it had been read.
    #[cfg(test)]
    pub(super) fn fill(&mut self, path: Path, data: &[u8]) {
        self.clear();
        assert!(self.put(path, data));
    }

    fn push(&mut self, path: Path, len: usize, is_truncated: bool) {
        self.received.push(Received {
            path,
            len: len.min(DATAGRAM_LEN_MAX),
            is_truncated,
            age: Duration::ZERO,
        });
    }
}

/// Datagrams that wait to be sent.
pub(super) struct Outbox {
    data: Vec<u8>,
    len: usize,
    messages: Vec<OutMessage>,
}

/// A run of datagrams to one address, one behind the other in the slab: all as long as the
/// first, the last one perhaps shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutMessage {
    pub(super) path: Path,
    start: usize,
    len: usize,
    segment_len: usize,
    segments: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            data: vec![0; OUTBOX_LEN],
            len: 0,
            messages: Vec::with_capacity(OUTBOX_MESSAGES),
        }
    }

    /// Tells whether the outbox has to be sent before it takes another datagram.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= OUTBOX_MESSAGES || self.len + DATAGRAM_LEN_MAX > self.data.len()
    }

    /// Returns room for one datagram of an outbox that is not full.
    pub(super) fn slot(&mut self) -> &mut [u8] {
        &mut self.data[self.len..self.len + DATAGRAM_LEN_MAX]
    }

    /// Takes the first `len` bytes of the slot as a datagram.
    pub(super) fn commit(&mut self, len: usize, path: Path) {
        let start = self.len;
        self.len += len;
        if let Some(last) = self.messages.last_mut()
            && last.path == path
            && last.takes(len)
        {
            last.len += len;
            last.segments += 1;
            return;
        }
        self.messages.push(OutMessage {
            path,
            start,
            len,
            segment_len: len,
            segments: 1,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Empties the outbox into a function, as if it had been sent.
    #[cfg(test)]
    pub(super) fn drain(&mut self, mut send: impl FnMut(Path, &[u8])) {
        for message in &self.messages {
            self.datagrams(message)
                .for_each(|data| send(message.path, data));
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.len = 0;
        self.messages.clear();
    }

    fn datagrams(&self, message: &OutMessage) -> impl Iterator<Item = &[u8]> {
        self.bytes(message).chunks(message.segment_len.max(1))
    }

    fn bytes(&self, message: &OutMessage) -> &[u8] {
        &self.data[message.start..message.start + message.len]
    }
}

impl OutMessage {
    fn takes(&self, len: usize) -> bool {
        let is_even = self.len == self.segments * self.segment_len;
        is_even
            && len <= self.segment_len
            && self.segments < SEGMENTS_MAX
            && self.len + len <= MESSAGE_LEN_MAX
    }
}

#[cfg(test)]
mod tests;
