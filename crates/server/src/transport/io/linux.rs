//! Batches of datagrams on Linux: recvmmsg, sendmmsg, UDP_SEGMENT, packet information.
//!
//! The only unsafe code of the server. Every pointer handed to the kernel points into a slab or
//! an array that outlives the call it is made for; nothing is kept from one call to the next.

#![allow(
    unsafe_code,
    reason = "batch calls and packet information exist only in libc"
)]

use super::super::counters::Counters;
use super::super::handle::Wake;
use super::{
    DATAGRAM_LEN_MAX, DatagramIo, INBOX_SLOTS, Inbox, LocalAddress, OutMessage, Outbox, Path,
};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Messages handed to the kernel in one call; it takes up to 1024.
const SEND_BATCH: usize = 64;
/// Room for the largest control data: IPv6 packet information and a segment size, with heads.
const CONTROL_LEN: usize = 128;

/// Nothing waits longer to be read while the thread is alive.
const AGE_MAX: Duration = Duration::from_secs(1);

/// Control data, aligned as its heads must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

/// A UDP port of Linux.
pub(super) struct LinuxIo {
    socket: UdpSocket,
    event: Arc<File>,
    is_ipv6: bool,
    can_segment: bool,
    buffers: Box<Buffers>,
}

/// The arrays that the kernel reads and fills, allocated once.
struct Buffers {
    heads: [libc::mmsghdr; INBOX_SLOTS],
    vectors: [libc::iovec; INBOX_SLOTS],
    names: [libc::sockaddr_storage; INBOX_SLOTS],
    controls: [Control; INBOX_SLOTS],
}

// The send batch shares the receive arrays, which are idle then.
const _: () = assert!(SEND_BATCH <= INBOX_SLOTS);

// SAFETY: the raw pointers inside are rewritten before every use and never followed between
// calls, so moving the value to another thread moves no live pointer.
unsafe impl Send for Buffers {}

/// Wakes by an event counter that the shard polls along with its socket.
struct EventWaker(Arc<File>);

impl Wake for EventWaker {
    fn wake(&self) {
        // The only failure is a counter near 2^64, which means awake already.
        if let Err(error) = (&*self.0).write(&1u64.to_ne_bytes()) {
            tracing::debug!(%error, "the media shard was awake");
        }
    }
}

impl LinuxIo {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let fd = socket.as_raw_fd();
        let (level, option) = if is_ipv6 {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
        } else {
            (libc::IPPROTO_IP, libc::IP_PKTINFO)
        };
        set_option(fd, level, option, 1)?;
        // Where the kernel does not tell, what is read has just arrived.
        let is_dated = set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1).is_ok();
        tracing::trace!(is_dated, "the media port is open");
        // Setting "no segments" fails where the kernel does not know the option.
        let can_segment = set_option(fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        // SAFETY: no pointers are involved; the result is checked below.
        let event = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: eventfd just returned this descriptor, and nobody else owns it.
        let event = File::from(unsafe { OwnedFd::from_raw_fd(event) });
        // SAFETY: all four arrays hold C structures and bytes for which zero is a valid value.
        let buffers = unsafe { Box::<Buffers>::new_zeroed().assume_init() };
        Ok(Self {
            socket,
            event: Arc::new(event),
            is_ipv6,
            can_segment,
            buffers,
        })
    }

    /// Reads what there is without waiting; returns how many datagrams that was.
    fn receive_now(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.clear();
        let buffers = &mut *self.buffers;
        for index in 0..INBOX_SLOTS {
            buffers.vectors[index] = libc::iovec {
                iov_base: inbox.data[index * DATAGRAM_LEN_MAX..].as_mut_ptr().cast(),
                iov_len: DATAGRAM_LEN_MAX,
            };
            buffers.prepare(index, mem::size_of::<libc::sockaddr_storage>(), CONTROL_LEN);
        }
        // SAFETY: every head was just set to point to a vector, a name and control data of this
        // value and to a slot of the inbox, each of the length given, all alive and borrowed
        // for the call.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                buffers.heads.as_mut_ptr(),
                INBOX_SLOTS as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            return Err(io::Error::last_os_error());
        };
        let now = SystemTime::now();
        for index in 0..count {
            let head = &buffers.heads[index];
            let Some(remote) = read_name(&buffers.names[index]) else {
                // Not an Internet address: leave an empty slot, which is dropped as junk.
                let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                inbox.push(Path::direct(nowhere, None), 0, false);
                continue;
            };
            let local = read_local(&head.msg_hdr);
            let is_truncated = head.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            inbox.push(
                Path::direct(remote, local),
                head.msg_len as usize,
                is_truncated,
            );
            inbox.date(read_age(&head.msg_hdr, now));
        }
        Ok(count)
    }

    /// Waits until the socket can be read, the event is set, or the time is over.
    fn wait(&self, timeout: Duration) -> io::Result<()> {
        let interest = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let mut fds = [
            interest(self.socket.as_raw_fd()),
            interest(self.event.as_raw_fd()),
        ];
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: the array holds as many entries as are passed, the time is a local, and a
        // null mask means none.
        let ready = unsafe {
            libc::ppoll(
                fds.as_mut_ptr(),
                fds.len() as libc::nfds_t,
                &timeout,
                std::ptr::null(),
            )
        };
        if ready < 0 {
            return Err(io::Error::last_os_error());
        }
        if fds[1].revents != 0 {
            // Reading resets the counter; there is nothing to learn from its value.
            let mut count = [0; 8];
            match (&*self.event).read(&mut count) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands up to [`SEND_BATCH`] messages to the kernel; returns how many it took.
    fn send_batch(&mut self, outbox: &Outbox, messages: &[OutMessage]) -> io::Result<usize> {
        let buffers = &mut *self.buffers;
        let count = messages.len().min(SEND_BATCH);
        for (index, message) in messages.iter().take(count).enumerate() {
            let bytes = outbox.bytes(message);
            let segment_len = (message.segments > 1).then_some(message.segment_len);
            buffers.address(index, bytes, message.path, segment_len, self.is_ipv6);
        }
        // SAFETY: every head up to `count` was just set to point to a vector, a name and control
        // data of this value and to bytes of the outbox, each of the length given. The kernel
        // only reads them, during the call.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                buffers.heads.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Sends the datagrams of a message one by one, where they cannot go as one.
    fn send_singly(&mut self, outbox: &Outbox, message: &OutMessage, counters: &Counters) {
        let mut start = message.start;
        for datagram in outbox.datagrams(message) {
            let len = datagram.len();
            let single = OutMessage {
                start,
                len,
                segment_len: len,
                segments: 1,
                ..*message
            };
            start += len;
            counters.send_calls.add(1);
            match self.send_batch(outbox, &[single]) {
                Ok(_) => counters.datagrams_sent.add(1),
                Err(_) => counters.send_failed.add(1),
            }
        }
    }
}

impl DatagramIo for LinuxIo {
    fn receive(&mut self, inbox: &mut Inbox, timeout: Duration) -> io::Result<()> {
        for is_second in [false, true] {
            match self.receive_now(inbox) {
                Ok(_) => return Ok(()),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock if is_second => return Ok(()),
                    io::ErrorKind::WouldBlock => {}
                    // An earlier datagram's address was unreachable; reading goes on.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable => return Ok(()),
                    _ => return Err(error),
                },
            }
            match self.wait(timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, outbox: &mut Outbox, counters: &Counters) {
        let mut next = 0;
        while let Some(message) = outbox.messages.get(next).copied() {
            if message.segments > 1 && !self.can_segment {
                self.send_singly(outbox, &message, counters);
                next += 1;
                continue;
            }
            counters.send_calls.add(1);
            let mut batch = &outbox.messages[next..];
            if !self.can_segment {
                let plain = batch
                    .iter()
                    .take_while(|message| message.segments == 1)
                    .count();
                batch = &batch[..plain];
            }
            match self.send_batch(outbox, batch) {
                Ok(sent) => {
                    let sent = &batch[..sent.min(batch.len())];
                    let datagrams: usize = sent.iter().map(|message| message.segments).sum();
                    counters.datagrams_sent.add(datagrams as u64);
                    // Zero cannot be, but must not spin.
                    next += sent.len().max(1);
                }
                Err(error) => {
                    self.handle_send_error(&error, outbox, &message, counters);
                    next += 1;
                }
            }
        }
        outbox.clear();
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(EventWaker(Arc::clone(&self.event)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl LinuxIo {
    /// Deals with a message that the kernel refused.
    fn handle_send_error(
        &mut self,
        error: &io::Error,
        outbox: &Outbox,
        message: &OutMessage,
        counters: &Counters,
    ) {
        let code = error.raw_os_error().unwrap_or_default();
        if message.segments > 1 && matches!(code, libc::EIO | libc::EINVAL | libc::EMSGSIZE) {
            // EIO: the interface cannot checksum segments; the others: segments do not fit its
            // MTU. The first is a property of the machine, so it is not tried again.
            self.can_segment &= code != libc::EIO;
            counters.segment_fallbacks.add(1);
            self.send_singly(outbox, message, counters);
        } else if error.kind() == io::ErrorKind::WouldBlock {
            counters.send_would_block.add(message.segments as u64);
        } else {
            counters.send_failed.add(message.segments as u64);
        }
    }
}

impl Buffers {
    /// Points a head to the vector, the name and the control data of the same index.
    fn prepare(&mut self, index: usize, name_len: usize, control_len: usize) {
        let mut head: libc::msghdr = zeroed_head();
        head.msg_name = (&raw mut self.names[index]).cast();
        head.msg_namelen = name_len as libc::socklen_t;
        head.msg_iov = &raw mut self.vectors[index];
        head.msg_iovlen = 1;
        if control_len > 0 {
            head.msg_control = (&raw mut self.controls[index]).cast();
            head.msg_controllen = control_len as _;
        }
        self.heads[index] = libc::mmsghdr {
            msg_hdr: head,
            msg_len: 0,
        };
    }

    /// Prepares a head for sending `bytes` along a path.
    fn address(
        &mut self,
        index: usize,
        bytes: &[u8],
        path: Path,
        segment_len: Option<usize>,
        is_ipv6: bool,
    ) {
        // The kernel takes a mutable pointer but only reads what is sent.
        self.vectors[index] = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let name_len = write_name(&mut self.names[index], path.remote);
        let mut control = ControlWriter {
            control: &mut self.controls[index],
            len: 0,
        };
        if let Some(local) = path.local {
            control.local_address(local, is_ipv6);
        }
        if let Some(segment_len) = segment_len {
            let value = u16::try_from(segment_len).expect("a datagram is below 64 KiB");
            control.push(libc::SOL_UDP, libc::UDP_SEGMENT, value);
        }
        let control_len = control.len;
        self.prepare(index, name_len, control_len);
    }
}

/// Appends control messages, each a head and a value, to a zeroed buffer.
struct ControlWriter<'a> {
    control: &'a mut Control,
    len: usize,
}

impl ControlWriter<'_> {
    fn local_address(&mut self, local: LocalAddress, is_ipv6: bool) {
        match (local.ip, is_ipv6) {
            (IpAddr::V6(ip), true) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: ip.octets(),
                    },
                    ipi6_ifindex: local.interface,
                };
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            (IpAddr::V4(ip), false) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: local.interface.cast_signed(),
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(ip.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            // Packet information comes in the socket's family; the other one is not ours.
            _ => {}
        }
    }

    /// Appends one control message. `T` is a plain C value.
    fn push<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        let size = mem::size_of::<T>() as libc::c_uint;
        // SAFETY: these only compute lengths.
        let (space, len) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
        let end = self.len + space as usize;
        assert!(
            end <= CONTROL_LEN,
            "control data has room for what this module writes"
        );
        let place = self.control.0[self.len..end].as_mut_ptr();
        // SAFETY: `place` points to `space` bytes, which hold a head and a value behind it. The
        // buffer is aligned to 8, and CMSG_SPACE keeps `self.len` a multiple of that, so the head
        // is aligned; the value is written unaligned.
        unsafe {
            let head = place.cast::<libc::cmsghdr>();
            (*head).cmsg_level = level;
            (*head).cmsg_type = kind;
            (*head).cmsg_len = len as _;
            libc::CMSG_DATA(head).cast::<T>().write_unaligned(value);
        }
        self.len = end;
    }
}

/// Finds our address in the control data of a datagram that was read.
fn read_local(head: &libc::msghdr) -> Option<LocalAddress> {
    // SAFETY: the kernel filled `head` and its control data, and set the length to what it
    // wrote; CMSG_FIRSTHDR and CMSG_NXTHDR stay within that length.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(head) };
    while !control.is_null() {
        // SAFETY: `control` is not null, so it points to a whole head within the control data.
        let (level, kind) = unsafe { ((*control).cmsg_level, (*control).cmsg_type) };
        match (level, kind) {
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: the kernel puts a whole in6_pktinfo behind a head of this kind.
                let info: libc::in6_pktinfo = unsafe {
                    libc::CMSG_DATA(control)
                        .cast::<libc::in6_pktinfo>()
                        .read_unaligned()
                };
                let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                return Some(LocalAddress::new(ip.into(), info.ipi6_ifindex));
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: the kernel puts a whole in_pktinfo behind a head of this kind.
                let info: libc::in_pktinfo = unsafe {
                    libc::CMSG_DATA(control)
                        .cast::<libc::in_pktinfo>()
                        .read_unaligned()
                };
                let ip = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                return Some(LocalAddress::new(
                    ip.into(),
                    info.ipi_ifindex.cast_unsigned(),
                ));
            }
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR; `control` came from it or from here.
        control = unsafe { libc::CMSG_NXTHDR(head, control) };
    }
    None
}

/// Returns how long before `now` a datagram had arrived.
fn read_age(head: &libc::msghdr, now: SystemTime) -> Duration {
    // SAFETY: as in `read_local`.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(head) };
    while !control.is_null() {
        // SAFETY: `control` is not null, so it points to a whole head within the control data.
        let (level, kind) = unsafe { ((*control).cmsg_level, (*control).cmsg_type) };
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            // SAFETY: the kernel puts a whole timespec behind a head of this kind.
            let at: libc::timespec = unsafe {
                libc::CMSG_DATA(control)
                    .cast::<libc::timespec>()
                    .read_unaligned()
            };
            let since_epoch = u64::try_from(at.tv_sec)
                .ok()
                .zip(u32::try_from(at.tv_nsec).ok());
            let Some((seconds, nanos)) = since_epoch else {
                return Duration::ZERO;
            };
            let at = UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds) + Duration::from_nanos(nanos.into()));
            let age = at.and_then(|at| now.duration_since(at).ok());
            // A clock that was set meanwhile says nothing.
            return age.filter(|age| *age < AGE_MAX).unwrap_or_default();
        }
        // SAFETY: as in `read_local`.
        control = unsafe { libc::CMSG_NXTHDR(head, control) };
    }
    Duration::ZERO
}

fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure the storage, large and aligned enough for
            // any, holds.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Writes an address; returns the length of its structure.
fn write_name(storage: &mut libc::sockaddr_storage, address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: the storage is large and aligned enough for any address structure, and
            // zero is valid for all its bytes.
            let name = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let name = unsafe { &mut *(&raw mut *storage).cast::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_flowinfo = 0;
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_scope_id = address.scope_id();
            mem::size_of::<libc::sockaddr_in6>()
        }
    }
}

fn zeroed_head() -> libc::msghdr {
    // SAFETY: a msghdr of zeros is valid: null pointers with zero lengths.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn set_option(
    fd: RawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is a local of the size that is passed.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            option,
            (&raw const value).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_cannot_segment_is_sent_single_datagrams() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut io = LinuxIo::new(socket).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let path = Path::direct(client.local_addr().unwrap(), None);
        let fill = |outbox: &mut Outbox| {
            for len in [9, 9, 4, 8] {
                outbox.slot()[..len].fill(len as u8);
                outbox.commit(len, path);
            }
        };
        let (mut outbox, counters) = (Outbox::new(), Counters::default());
        fill(&mut outbox);
        let run = outbox.messages[0];
        assert_eq!(run.segments, 3);
        let error = io::Error::from_raw_os_error(libc::EIO);
        io.handle_send_error(&error, &outbox, &run, &counters);
        assert!(!io.can_segment);
        assert_eq!(
            (
                counters.segment_fallbacks.get(),
                counters.datagrams_sent.get()
            ),
            (1, 3)
        );
        outbox.clear();
        fill(&mut outbox);
        io.send(&mut outbox, &counters);
        assert_eq!(counters.datagrams_sent.get(), 7);
        let lens = [9, 9, 4, 9, 9, 4, 8];
        assert_eq!(lens.map(|_| client.recv(&mut [0; 64]).unwrap()), lens);
    }
}
