//! The lane from an application to one socket.
//!
//! Bounded in messages and in bytes, for the whole socket. When it is full the reader is too slow
//! to follow a call, so the socket is closed (reason `slow_consumer`) rather than fed old news;
//! the sender never waits, because a room must not wait for its slowest member.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use snug_phoenix::server::{Channel, ChannelId};
use tokio::sync::{Notify, mpsc};

/// Bounds the messages that wait: several seconds of a busy room's signalling.
pub(crate) const MESSAGES_MAX: usize = 256;

/// Bounds the bytes that wait: what one stuck reader may cost, which measured is up to twice as much
/// and has to stay below 2 MiB. A single message of any size may wait in an empty mailbox, because
/// clients may send frames larger than this.
pub(crate) const BYTES_MAX: usize = 896 * 1024;

/// Reaches one join of one socket. Cheap to clone.
#[derive(Debug)]
pub struct Mailbox<Info> {
    id: ChannelId,
    weigh: fn(&Info) -> usize,
    lane: mpsc::Sender<Letter<Info>>,
    shared: Arc<Shared>,
}

/// Is the socket's end of its mailboxes.
#[derive(Debug)]
pub struct Inbox<Info> {
    lane: mpsc::Receiver<Letter<Info>>,
    shared: Arc<Shared>,
}

/// Says why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// The reader is too slow; the socket is being closed.
    #[error("the mailbox of the socket is full")]
    Full,
    /// The socket is gone.
    #[error("the socket is closed")]
    Closed,
}

#[derive(Debug)]
struct Letter<Info> {
    id: ChannelId,
    info: Info,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    bytes: AtomicUsize,
    overflowed: AtomicBool,
    overflow: Notify,
    opened: Instant,
    /// Milliseconds from `opened` to the last sign of life.
    heard_ms: AtomicU64,
}

impl<Info> Mailbox<Info> {
    /// Makes a mailbox without a socket, to test an application with.
    pub fn detached<C: Channel<Info = Info>>(now: Instant) -> (Self, Inbox<Info>) {
        let inbox = Inbox::new::<C>(now);
        (inbox.1, inbox.0)
    }

    /// Sends `info` to the channel, without waiting.
    ///
    /// # Errors
    /// [`MailboxError::Full`] once, when the bound is reached: the socket is then closed.
    /// [`MailboxError::Closed`] ever after, and when the socket is gone.
    pub fn try_send(&self, info: Info) -> Result<(), MailboxError> {
        if self.shared.overflowed.load(Ordering::Relaxed) {
            return Err(MailboxError::Closed);
        }
        let bytes = (self.weigh)(&info);
        let waiting = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = waiting == 0 || waiting + bytes <= BYTES_MAX;
        let letter = Letter {
            id: self.id,
            info,
            bytes,
        };
        let sent = match fits {
            true => self.lane.try_send(letter),
            false => Err(mpsc::error::TrySendError::Full(letter)),
        };
        sent.map_err(|error| {
            self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Closed(_) => MailboxError::Closed,
                mpsc::error::TrySendError::Full(_) => {
                    self.shared.overflowed.store(true, Ordering::Relaxed);
                    self.shared.overflow.notify_one();
                    MailboxError::Full
                }
            }
        })
    }

    /// Returns when the socket last heard anything of its client: a frame, a ping or a pong.
    pub fn last_heard(&self) -> Instant {
        let heard = self.shared.heard_ms.load(Ordering::Relaxed);
        self.shared.opened + Duration::from_millis(heard)
    }

    /// Tells whether the socket is gone or going.
    pub fn is_closed(&self) -> bool {
        self.lane.is_closed() || self.shared.overflowed.load(Ordering::Relaxed)
    }

    /// Tells whether both reach the same join.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.lane.same_channel(&other.lane)
    }

    /// Waits until a message did not fit.
    pub(crate) async fn overflowed(&self) {
        self.shared.overflow.notified().await;
    }

    /// Returns a mailbox of the same socket for another join.
    pub(crate) fn for_join(&self, id: ChannelId) -> Self {
        Mailbox { id, ..self.clone() }
    }
}

impl<Info> Clone for Mailbox<Info> {
    fn clone(&self) -> Self {
        Mailbox {
            id: self.id,
            weigh: self.weigh,
            lane: self.lane.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<Info> Inbox<Info> {
    /// Makes the lane of a socket that was accepted at `now`.
    pub(crate) fn new<C: Channel<Info = Info>>(now: Instant) -> (Self, Mailbox<Info>) {
        let (sender, lane) = mpsc::channel(MESSAGES_MAX);
        let shared = Arc::new(Shared {
            bytes: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            overflow: Notify::new(),
            opened: now,
            heard_ms: AtomicU64::new(0),
        });
        let mailbox = Mailbox {
            id: ChannelId::DETACHED,
            weigh: C::weight,
            lane: sender,
            shared: Arc::clone(&shared),
        };
        (Inbox { lane, shared }, mailbox)
    }

    /// Waits for the next message and the join it is for. `None` when no mailbox is left.
    pub async fn recv(&mut self) -> Option<(ChannelId, Info)> {
        let letter = self.lane.recv().await?;
        Some(self.open(letter))
    }

    /// Returns the next message if one waits.
    pub fn try_recv(&mut self) -> Option<(ChannelId, Info)> {
        let letter = self.lane.try_recv().ok()?;
        Some(self.open(letter))
    }

    /// Notes a sign of life of the client.
    pub(crate) fn note_heard(&self, now: Instant) {
        let since = now
            .saturating_duration_since(self.shared.opened)
            .as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.shared.heard_ms.store(since, Ordering::Relaxed);
    }

    fn open(&self, letter: Letter<Info>) -> (ChannelId, Info) {
        self.shared.bytes.fetch_sub(letter.bytes, Ordering::Relaxed);
        (letter.id, letter.info)
    }
}

#[cfg(test)]
mod tests {
    use snug_phoenix::Payload;
    use snug_phoenix::server::{Flow, Outbox, Terminate};

    use super::*;

    struct Sized;

    impl Channel for Sized {
        type Command = ();
        type Info = usize;
        fn handle_in(&mut self, _: &str, _: Payload, _: &mut Outbox<()>) -> Flow {
            Flow::Continue
        }
        fn handle_info(&mut self, _: usize, _: &mut Outbox<()>) -> Flow {
            Flow::Continue
        }
        fn terminate(&mut self, _: Terminate, _: &mut Outbox<()>) {}
        fn weight(info: &usize) -> usize {
            *info
        }
    }

    fn mailbox() -> (Mailbox<usize>, Inbox<usize>) {
        Mailbox::detached::<Sized>(Instant::now())
    }

    #[test]
    fn the_number_of_messages_is_bounded() {
        let (mailbox, mut inbox) = mailbox();
        for _ in 0..MESSAGES_MAX {
            mailbox.try_send(1).unwrap();
        }
        assert_eq!(mailbox.try_send(1), Err(MailboxError::Full));
        assert_eq!(mailbox.try_send(1), Err(MailboxError::Closed));
        assert!(
            inbox.try_recv().is_some(),
            "what was taken is still delivered"
        );
    }

    #[test]
    fn the_bytes_are_bounded_but_one_large_message_passes() {
        let (mailbox, mut inbox) = mailbox();
        mailbox.try_send(8 * BYTES_MAX).unwrap();
        assert_eq!(inbox.try_recv(), Some((ChannelId::DETACHED, 8 * BYTES_MAX)));
        mailbox.try_send(BYTES_MAX - 1).unwrap();
        mailbox.try_send(1).unwrap();
        assert_eq!(mailbox.try_send(1), Err(MailboxError::Full));
    }

    #[test]
    fn a_dropped_inbox_is_a_closed_socket() {
        let (mailbox, inbox) = mailbox();
        drop(inbox);
        assert!(mailbox.is_closed());
        assert_eq!(mailbox.try_send(1), Err(MailboxError::Closed));
    }

    #[test]
    fn signs_of_life_are_seen_by_the_sender() {
        let now = Instant::now();
        let (mailbox, inbox) = Mailbox::detached::<Sized>(now);
        assert_eq!(mailbox.last_heard(), now);
        let later = now + Duration::from_millis(1500);
        inbox.note_heard(later);
        assert_eq!(mailbox.last_heard(), later);
    }
}
