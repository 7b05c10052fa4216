//! TCP connections to the TURN server: frames that cross between their tasks and the shard.
//!
//! Rules: each lane is bounded. What comes in waits for the shard, and TCP pushes back on its
//! client; what goes out and finds no place is dropped and counted, because media that waits is
//! of no use. A connection whose task has ended is noticed by its lane; one that the shard has
//! dropped sees its lane end.

use super::handle::Wake;
use super::io::{DATAGRAM_LEN_MAX, Path, StreamKey, Via};
use super::keyed::KeyMap;
use super::turn::CHANNEL_HEAD_LEN;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Frames of all connections that wait for the shard, which drains them each time it wakes.
const INPUT_MAX: usize = 256;
/// Frames that wait for one connection: half a second of a good picture, some 400 kB.
const OUTPUT_MAX: usize = 256;
/// The longest frame taken in: what a datagram could be.
const FRAME_LEN_MAX: usize = DATAGRAM_LEN_MAX;
/// The length of the head of a STUN message.
const STUN_HEAD_LEN: usize = 20;

/// What connections tell the shard.
pub(crate) enum StreamInput {
    /// A connection is there.
    Opened {
        key: StreamKey,
        remote: SocketAddr,
        frames: mpsc::Sender<StreamOutput>,
    },
    /// Its client says this: one STUN message, or channel data with its padding.
    Frame { key: StreamKey, data: Bytes },
}

/// What the shard tells a connection.
#[derive(Debug)]
pub(crate) enum StreamOutput {
    /// Its client has an allocation: it is no stranger.
    Settled,
    /// Send this.
    Frame(Bytes),
}

/// Hands TCP connections to the shard; cheap to clone.
#[derive(Clone)]
pub(crate) struct StreamHandle {
    input: mpsc::Sender<StreamInput>,
    wake: Arc<dyn Wake>,
    next: Arc<AtomicU32>,
}

/// A connection that the shard knows.
pub(crate) struct OpenStream {
    key: StreamKey,
    handle: StreamHandle,
}

impl StreamHandle {
    pub(super) fn new(wake: Arc<dyn Wake>) -> (Self, mpsc::Receiver<StreamInput>) {
        let (input, inputs) = mpsc::channel(INPUT_MAX);
        let next = Arc::default();
        (Self { input, wake, next }, inputs)
    }

    /// Opens lanes that a test reads itself.
    #[cfg(test)]
    pub(crate) fn detached() -> (Self, mpsc::Receiver<StreamInput>) {
        struct Nobody;
        impl Wake for Nobody {
            fn wake(&self) {}
        }
        Self::new(Arc::new(Nobody))
    }

    /// Makes a connection from `remote` known to the shard; what it says comes on the receiver,
    /// which ends when the shard wants no more of it. None when the transport has stopped.
    pub(crate) async fn open(
        &self,
        remote: SocketAddr,
    ) -> Option<(OpenStream, mpsc::Receiver<StreamOutput>)> {
        let key = StreamKey(self.next.fetch_add(1, Ordering::Relaxed));
        let (frames, output) = mpsc::channel(OUTPUT_MAX);
        let opened = StreamInput::Opened {
            key,
            remote,
            frames,
        };
        self.input.send(opened).await.ok()?;
        let handle = self.clone();
        Some((OpenStream { key, handle }, output))
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StreamHandle")
    }
}

impl OpenStream {
    /// Passes on what the client says, waiting while the shard is busy. Returns false when the
    /// transport has stopped.
    pub(crate) async fn say(&self, data: Bytes) -> bool {
        let key = self.key;
        let input = &self.handle.input;
        let is_taken = input.send(StreamInput::Frame { key, data }).await.is_ok();
        self.handle.wake.wake();
        is_taken
    }
}

/// Says that a client sends something that is neither STUN nor channel data, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoFrame;

/// Takes the next whole frame out of what was read; none until there is one. Channel data keeps
/// its padding (RFC 8656 section 12.5).
///
/// # Errors
/// [`NoFrame`] when there can never be one: the stream is of no more use.
pub(crate) fn next_frame(read: &mut BytesMut) -> Result<Option<Bytes>, NoFrame> {
    let Some(head) = read.first_chunk::<CHANNEL_HEAD_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let whole = match head[0] {
        0..=63 => STUN_HEAD_LEN + len,
        64..=127 => (CHANNEL_HEAD_LEN + len).next_multiple_of(4),
        _ => return Err(NoFrame),
    };
    if !whole.is_multiple_of(4) || whole > FRAME_LEN_MAX {
        return Err(NoFrame);
    }
    Ok((read.len() >= whole).then(|| read.split_to(whole).freeze()))
}

/// The connections that the shard knows.
pub(super) struct Streams {
    open: KeyMap<StreamKey, Stream>,
}

struct Stream {
    path: Path,
    frames: mpsc::Sender<StreamOutput>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Queued,
    /// The connection does not keep up.
    Full,
    /// The connection is gone.
    Gone,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            open: KeyMap::default(),
        }
    }

    /// Notes a new connection.
    pub(super) fn open(
        &mut self,
        key: StreamKey,
        remote: SocketAddr,
        frames: mpsc::Sender<StreamOutput>,
    ) {
        let path = Path {
            remote,
            local: None,
            via: Via::Stream(key),
        };
        self.open.insert(key, Stream { path, frames });
    }

    /// Returns the path of a connection.
    pub(super) fn path(&self, key: StreamKey) -> Option<Path> {
        self.open.get(&key).map(|stream| stream.path)
    }

    /// Sends a copy of a message with the padding that streams want.
    pub(super) fn send(&self, key: StreamKey, message: &[u8]) -> Sent {
        let mut frame = BytesMut::with_capacity(message.len().next_multiple_of(4));
        frame.extend_from_slice(message);
        frame.resize(message.len().next_multiple_of(4), 0);
        self.tell(key, StreamOutput::Frame(frame.freeze()))
    }

    /// Tells a connection that its client is no stranger.
    pub(super) fn settle(&self, key: StreamKey) -> Sent {
        self.tell(key, StreamOutput::Settled)
    }

    fn tell(&self, key: StreamKey, output: StreamOutput) -> Sent {
        let Some(stream) = self.open.get(&key) else {
            return Sent::Gone;
        };
        match stream.frames.try_send(output) {
            Ok(()) => Sent::Queued,
            Err(mpsc::error::TrySendError::Full(_)) => Sent::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => Sent::Gone,
        }
    }

    /// Lets a connection end once it has sent what waits.
    pub(super) fn close(&mut self, key: StreamKey) {
        self.open.remove(&key);
    }

    /// Forgets the connections whose tasks have ended; returns their paths.
    pub(super) fn take_gone(&mut self) -> Vec<Path> {
        let gone = self.open.extract_if(|_, stream| stream.frames.is_closed());
        gone.map(|(_, stream)| stream.path).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_whole_and_padded() {
        let mut read = BytesMut::new();
        let stun = [&[0, 1, 0, 4][..], &[7; 20]].concat();
        let data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        read.extend_from_slice(&stun);
        read.extend_from_slice(&data[..10]);
        assert_eq!(next_frame(&mut read).unwrap().unwrap(), stun);
        assert_eq!(next_frame(&mut read), Ok(None), "the padding is missing");
        read.extend_from_slice(&data[10..]);
        assert_eq!(next_frame(&mut read).unwrap().unwrap(), data[..]);
        assert_eq!(next_frame(&mut read), Ok(None));
    }

    #[test]
    fn what_can_never_be_a_frame_is_refused_at_its_head() {
        let long = u16::try_from(FRAME_LEN_MAX).unwrap().to_be_bytes();
        for head in [
            [0x80, 0, 0, 0],
            [0xFF; 4],
            [0, 1, 0, 3],
            [0, 1, long[0], long[1]],
            [0x40, 0, long[0], long[1]],
        ] {
            assert_eq!(next_frame(&mut BytesMut::from(&head[..])), Err(NoFrame));
        }
        let fits = u16::try_from(FRAME_LEN_MAX - CHANNEL_HEAD_LEN).unwrap();
        let [high, low] = fits.to_be_bytes();
        let mut read = BytesMut::from(&[0x40, 0, high, low][..]);
        assert_eq!(next_frame(&mut read), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(pieces: Vec<Vec<u8>>) {
            let mut read = BytesMut::new();
            for piece in pieces {
                read.extend_from_slice(&piece);
                while let Ok(Some(frame)) = next_frame(&mut read) {
                    prop_assert!(!frame.is_empty() && frame.len() <= FRAME_LEN_MAX);
                }
            }
        }
    }
}
