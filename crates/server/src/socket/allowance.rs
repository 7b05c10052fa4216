//! How much a socket may send before its next message is read whole.
//!
//! The WebSocket itself knows one bound for all messages. A stranger who has joined nothing has
//! no business with the large one: thousands of them would hold megabytes each.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::forward::forward_writes;

/// What may still be read. Clones share it; one task owns them all.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Allowance(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Allows so much from here on; `None` is no bound.
    pub(super) fn renew(&self, bytes: Option<usize>) {
        self.0.store(bytes.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Is a stream that reads no more than it is allowed, and then fails with
/// [`io::ErrorKind::FileTooLarge`].
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    allowance: Allowance,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, allowance: Allowance) -> Self {
        Metered { inner, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.allowance.left();
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        // Read into a part of the buffer that is no longer than what is left.
        let len = left.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(len));
        let result = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let read = part.filled().len();
        buf.advance(read);
        if left != usize::MAX {
            self.allowance.renew(Some(left - read));
        }
        result
    }
}

forward_writes!(Metered);
