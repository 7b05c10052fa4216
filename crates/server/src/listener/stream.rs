//! Looks at the first byte of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::forward::forward_writes;

/// What a connection speaks, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Tls,
    Http,
    /// TURN over TCP.
    Stun,
    Unknown,
}

impl Speaks {
    pub(super) fn of(first: u8) -> Self {
        match first {
            0x16 => Speaks::Tls,
            0x00 | 0x01 => Speaks::Stun,
            b'A'..=b'Z' => Speaks::Http,
            _ => Speaks::Unknown,
        }
    }
}

/// Is a stream whose first bytes were read already and are handed out first.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    first: Bytes,
    inner: S,
}

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// Reads the first bytes of `inner` to tell what it speaks. `None` at its end.
    pub(super) async fn look(mut inner: S) -> io::Result<Option<(Speaks, Self)>> {
        // One read, of what is there: the whole request head of most clients.
        let mut first = bytes::BytesMut::with_capacity(1024);
        if inner.read_buf(&mut first).await? == 0 {
            return Ok(None);
        }
        Ok(Some((
            Speaks::of(first[0]),
            Rewound {
                first: first.freeze(),
                inner,
            },
        )))
    }
}

impl<S> Rewound<S> {
    /// Returns the stream that was looked at.
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..count]);
        self.first.advance(count);
        if self.first.is_empty() {
            self.first = Bytes::new(); // Gives the memory back.
        }
        Poll::Ready(Ok(()))
    }
}

forward_writes!(Rewound);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells() {
        assert_eq!(Speaks::of(0x16), Speaks::Tls);
        assert_eq!(Speaks::of(0x00), Speaks::Stun);
        assert_eq!(Speaks::of(0x01), Speaks::Stun);
        assert_eq!(Speaks::of(b'G'), Speaks::Http);
        for other in [0x02, 0x15, 0x40, b'g', b'@', b'[', 0xff] {
            assert_eq!(Speaks::of(other), Speaks::Unknown);
        }
    }

    #[tokio::test]
    async fn what_was_looked_at_is_still_read() {
        let (mut near, far) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut near, b"GET / HTTP/1.1\r\n")
            .await
            .unwrap();
        drop(near);
        let (speaks, mut stream) = Rewound::look(far).await.unwrap().unwrap();
        assert_eq!(speaks, Speaks::Http);
        let mut small = [0; 3];
        stream.read_exact(&mut small).await.unwrap();
        assert_eq!(&small, b"GET");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " / HTTP/1.1\r\n");
    }

    #[tokio::test]
    async fn a_stream_without_a_byte_says_so() {
        let (near, far) = tokio::io::duplex(64);
        drop(near);
        assert!(Rewound::look(far).await.unwrap().is_none());
    }
}
