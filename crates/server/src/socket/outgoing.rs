//! The frames that wait to be written to one WebSocket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::ready;

use futures_util::{Sink, SinkExt};
use snug_phoenix::Frame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::mailbox::{BYTES_MAX, MESSAGES_MAX};

/// Queues frames. While any wait, no mail is opened; when too many wait, nothing is read either,
/// so a client that asks without reading answers is slowed down by its own TCP connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    frames: VecDeque<Message>,
    bytes: usize,
    /// Frames went into the WebSocket that are not on the wire.
    unflushed: bool,
}

impl Outgoing {
    pub(super) fn push(&mut self, frame: Frame) {
        self.push_message(match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
        });
    }

    pub(super) fn push_message(&mut self, message: Message) {
        self.bytes += message.len();
        self.frames.push_back(message);
    }

    /// Asks for a flush: the WebSocket itself has something to say.
    pub(super) fn wake(&mut self) {
        self.unflushed = true;
    }

    /// Forgets the frames that are not in the WebSocket yet.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.unflushed
    }

    /// Tells whether answers to more frames may be queued.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len() < MESSAGES_MAX && self.bytes < BYTES_MAX
    }

    /// Writes everything. May be dropped at any point and called again: nothing is lost.
    pub(super) async fn write<S>(&mut self, sink: &mut S) -> Result<(), Error>
    where
        S: Sink<Message, Error = Error> + Unpin,
    {
        poll_fn(|cx| {
            while !self.frames.is_empty() {
                ready!(sink.poll_ready_unpin(cx))?;
                if let Some(message) = self.frames.pop_front() {
                    self.bytes -= message.len();
                    self.unflushed = true;
                    Pin::new(&mut *sink).start_send(message)?;
                }
            }
            ready!(sink.poll_flush_unpin(cx))?;
            self.unflushed = false;
            std::task::Poll::Ready(Ok(()))
        })
        .await
    }
}
