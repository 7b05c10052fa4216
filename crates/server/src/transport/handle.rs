//! The control side's end of the command queue.

use super::TransportCommand;
use super::stream::{StreamHandle, StreamInput};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio_util::sync::CancellationToken;

/// Commands that may wait for the shard. It drains the queue each time it wakes, within
/// milliseconds; a room of 100 joining at once sends some 300.
const QUEUE_CAPACITY: usize = 1024;

/// Ends the shard's wait for datagrams.
pub(super) trait Wake: Send + Sync {
    /// Makes the shard look at its queue soon. Never blocks.
    fn wake(&self);
}

/// Sends commands to the transport; cheap to clone.
#[derive(Clone)]
pub struct TransportHandle {
    queue: SyncSender<TransportCommand>,
    wake: Arc<dyn Wake>,
    streams: StreamHandle,
    /// Says that the media thread ended by a defect.
    failed: CancellationToken,
}

/// What the shard reads.
pub(super) struct Lanes {
    pub(super) commands: Receiver<TransportCommand>,
    pub(super) streams: tokio::sync::mpsc::Receiver<StreamInput>,
}

/// Says why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is full: the shard is overloaded. The command can be sent again later.
    #[error("the media transport is overloaded")]
    Full,
    /// The transport has stopped.
    #[error("the media transport has stopped")]
    Closed,
}

impl TransportHandle {
    /// Opens queues whose reader is woken by `wake`.
    pub(super) fn open(wake: Arc<dyn Wake>) -> (Self, Lanes) {
        let (queue, commands) = sync_channel(QUEUE_CAPACITY);
        let (streams, inputs) = StreamHandle::new(Arc::clone(&wake));
        let failed = CancellationToken::new();
        let handle = Self {
            queue,
            wake,
            streams,
            failed,
        };
        let streams = inputs;
        (handle, Lanes { commands, streams })
    }

    /// Returns where TCP connections to the TURN server are handed over.
    pub(crate) fn streams(&self) -> StreamHandle {
        self.streams.clone()
    }

    /// Returns a token that is cancelled when the media thread ends by a defect. Every call gives
    /// a token of its own, so that rooms do not queue for the lock of one.
    pub fn failure(&self) -> CancellationToken {
        self.failed.child_token()
    }

    /// Tells whether the media thread has ended by a defect: nothing will flow any more.
    pub fn has_failed(&self) -> bool {
        self.failed.is_cancelled()
    }

    /// Notes that the media thread has ended by a defect.
    pub(crate) fn fail(&self) {
        self.failed.cancel();
    }

    /// Hands a command to the shard and wakes it. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`] when 1024 commands wait already, [`SendError::Closed`] after shutdown.
    pub fn send(&self, command: TransportCommand) -> Result<(), SendError> {
        self.queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Full,
            TrySendError::Disconnected(_) => SendError::Closed,
        })?;
        self.wake.wake();
        Ok(())
    }

    /// Wakes the shard without a command.
    pub(super) fn wake(&self) {
        self.wake.wake();
    }

    /// Opens a queue that nobody is woken for, so that a test of the control side can read what
    /// would have been done.
    #[cfg(test)]
    pub(crate) fn detached() -> (Self, Receiver<TransportCommand>) {
        struct Nobody;
        impl Wake for Nobody {
            fn wake(&self) {}
        }
        let (handle, lanes) = Self::open(Arc::new(Nobody));
        (handle, lanes.commands)
    }
}

impl fmt::Debug for TransportHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TransportHandle")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snug_sfu::PeerKey;

    #[test]
    fn a_full_and_a_closed_queue_are_told_apart() {
        let (handle, commands) = TransportHandle::detached();
        let remove = || TransportCommand::RemovePeer { peer: PeerKey(1) };
        for _ in 0..QUEUE_CAPACITY {
            handle.send(remove()).unwrap();
        }
        assert_eq!(handle.send(remove()), Err(SendError::Full));
        drop(commands);
        assert_eq!(handle.send(remove()), Err(SendError::Closed));
    }
}
