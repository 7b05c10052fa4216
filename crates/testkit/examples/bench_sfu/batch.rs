//! Many datagrams in one call, each with the time at which the kernel got it.
//!
//! Every pointer handed to the kernel points into the value it is called on, set right before the
//! call; nothing is kept from one call to the next.

#![allow(
    unsafe_code,
    reason = "batches and arrival times exist only in libc, and looking one by one would make \
              the load the slowest part"
)]

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// Datagrams taken at once.
pub const BATCH: usize = 16;
const DATAGRAM_LEN_MAX: usize = 1600;
const CONTROL_LEN: usize = 64;

/// Control data, aligned as its heads must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

/// Memory for one batch.
pub struct Batch {
    heads: [libc::mmsghdr; BATCH],
    vectors: [libc::iovec; BATCH],
    controls: [Control; BATCH],
    data: Vec<[u8; DATAGRAM_LEN_MAX]>,
    count: usize,
}

impl Batch {
    pub fn new() -> Self {
        // SAFETY: heads and vectors of zeros are valid: null pointers with zero lengths.
        let (heads, vectors) = unsafe { (mem::zeroed(), mem::zeroed()) };
        Self {
            heads,
            vectors,
            controls: [Control([0; CONTROL_LEN]); BATCH],
            data: vec![[0; DATAGRAM_LEN_MAX]; BATCH],
            count: 0,
        }
    }

    /// Takes what has come to a socket, up to [`BATCH`], and says how many that is.
    pub fn take(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for index in 0..BATCH {
            self.vectors[index] = libc::iovec {
                iov_base: self.data[index].as_mut_ptr().cast(),
                iov_len: DATAGRAM_LEN_MAX,
            };
            let head = &mut self.heads[index].msg_hdr;
            head.msg_iov = &raw mut self.vectors[index];
            head.msg_iovlen = 1;
            head.msg_control = (&raw mut self.controls[index]).cast();
            head.msg_controllen = CONTROL_LEN;
        }
        // SAFETY: every head was just set to point to a vector and control data of this value,
        // and each vector to a buffer of it, with the lengths they have.
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.heads.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.count = 0;
        let Ok(taken) = usize::try_from(taken) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused => Ok(0),
                _ => Err(error),
            };
        };
        self.count = taken;
        Ok(taken)
    }

    /// Lends a datagram that was taken, and says when it came: nanoseconds since 1970, 0 when the
    /// kernel does not tell.
    pub fn datagram(&self, index: usize) -> (&[u8], u64) {
        assert!(index < self.count, "only what was taken is there");
        let head = &self.heads[index];
        let len = (head.msg_len as usize).min(DATAGRAM_LEN_MAX);
        (&self.data[index][..len], arrived_ns(&head.msg_hdr))
    }
}

/// Asks the kernel to note when datagrams come.
pub fn note_arrivals(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is a local of the size that is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn arrived_ns(head: &libc::msghdr) -> u64 {
    // SAFETY: the kernel filled the control data and set its length; both functions stay within.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(head) };
    while !control.is_null() {
        // SAFETY: not null, so it points to a whole head within the control data.
        let (level, kind) = unsafe { ((*control).cmsg_level, (*control).cmsg_type) };
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            // SAFETY: the kernel puts a whole timespec behind a head of this kind.
            let at: libc::timespec = unsafe {
                libc::CMSG_DATA(control)
                    .cast::<libc::timespec>()
                    .read_unaligned()
            };
            return at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64;
        }
        // SAFETY: as for the first.
        control = unsafe { libc::CMSG_NXTHDR(head, control) };
    }
    0
}
