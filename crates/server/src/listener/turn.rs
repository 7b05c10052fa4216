//! TURN over TCP, and inside TLS: one connection's frames to the media plane and back (RFC 8656
//! section 2.1).
//!
//! Rules: a client that has no allocation after five seconds goes, and until then it is one of
//! the bounded strangers of `admission`. A client that does not read is dropped: what waits for
//! it is bounded by the lane, by the system's buffer, and by time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::admission::Slot;
use super::connection::STEP_MAX;
use crate::Counters;
use crate::socket::ConnectionInfo;
use crate::transport::{OpenStream, StreamHandle, StreamOutput, next_frame};

/// How long a client may take to read what is written at once.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// Bytes that the system is asked to keep for a client at most: 100 ms of 20 Mb/s. More would
/// only be delay.
pub(super) const SEND_BUFFER_LEN: usize = 256 * 1024;
/// Bytes written at once: a few pictures.
const BATCH_LEN: usize = 64 * 1024;
/// Frames taken out of the lane at once.
const BATCH_FRAMES: usize = 32;
/// Bytes read at once.
const READ_LEN: usize = 8 * 1024;

/// Serves a connection until its end, the end of its allocation, or that of the server.
pub(super) async fn serve<S>(
    stream: S,
    info: ConnectionInfo,
    slot: &Slot,
    turn: &StreamHandle,
    counters: &Arc<Counters>,
    stop: &CancellationToken,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some((open, frames)) = turn.open(info.remote).await else {
        return Ok(());
    };
    let (reader, writer) = tokio::io::split(stream);
    let written = tokio::select! {
        read = read_frames(reader, &open) => return read,
        written = write_frames(writer, frames, slot) => written,
        () = stop.cancelled() => return Ok(()),
    };
    if written
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    {
        counters.slow_relays.add();
    }
    written
}

async fn read_frames(mut reader: impl AsyncRead + Unpin, open: &OpenStream) -> io::Result<()> {
    let mut read = BytesMut::with_capacity(READ_LEN);
    loop {
        while let Some(frame) = next_frame(&mut read).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a TURN client said something else",
            )
        })? {
            if !open.say(frame).await {
                return Ok(());
            }
        }
        read.reserve(READ_LEN);
        if reader.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

async fn write_frames(
    mut writer: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<StreamOutput>,
    slot: &Slot,
) -> io::Result<()> {
    let stranger_until = Instant::now() + STEP_MAX;
    let mut is_settled = false;
    let mut taken = Vec::with_capacity(BATCH_FRAMES);
    let mut batch = BytesMut::new();
    loop {
        let next = frames.recv_many(&mut taken, BATCH_FRAMES);
        let count = match is_settled {
            true => next.await,
            // Not a reader that is too slow, but nobody that we know.
            false => timeout_at(stranger_until, next).await.unwrap_or_default(),
        };
        if count == 0 {
            return Ok(());
        }
        for output in taken.drain(..) {
            match output {
                StreamOutput::Settled => {
                    is_settled = true;
                    slot.settle();
                }
                StreamOutput::Frame(frame) => batch.extend_from_slice(&frame),
            }
            if batch.len() >= BATCH_LEN {
                write(&mut writer, &mut batch).await?;
            }
        }
        write(&mut writer, &mut batch).await?;
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), batch: &mut BytesMut) -> io::Result<()> {
    let writing = async {
        writer.write_all(batch).await?;
        writer.flush().await
    };
    timeout(WRITE_MAX, writing).await??;
    batch.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::admission::Admission;
    use super::*;
    use crate::transport::StreamInput;
    use bytes::Bytes;

    /// Lets a client with an allocation be sent more than it reads.
    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_dropped_and_what_waits_is_bounded() {
        let address = "10.0.0.9:5000".parse().unwrap();
        let info = ConnectionInfo {
            local: address,
            remote: address,
            secure: false,
        };
        let slot = Admission::default().admit(address.ip());
        let (turn, mut inputs) = StreamHandle::detached();
        let counters = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let (_near, far) = tokio::io::duplex(1024);
        let serving = serve(far, info, &slot, &turn, &counters, &stop);
        let sending = async {
            let Some(StreamInput::Opened { frames, .. }) = inputs.recv().await else {
                panic!("no connection");
            };
            frames.try_send(StreamOutput::Settled).unwrap();
            let frame = Bytes::from_static(&[0x40; 1200]);
            let mut taken = 0;
            let start = Instant::now();
            while start.elapsed() < WRITE_MAX / 5 {
                if frames.try_send(StreamOutput::Frame(frame.clone())).is_ok() {
                    taken += 1;
                }
                tokio::task::yield_now().await;
            }
            (frames, taken)
        };
        let both = async { tokio::join!(serving, sending) };
        let (served, (frames, taken)) = timeout(WRITE_MAX * 2, both).await.expect("an end");
        assert_eq!(served.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(counters.slow_relays.count(), 1);
        assert!(taken <= 256 + BATCH_FRAMES, "{taken} frames waited");
        assert!(frames.is_closed());
    }
}
