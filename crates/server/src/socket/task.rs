//! The task of one socket: moves bytes, time and messages between the WebSocket, the channels'
//! core and the application.
//!
//! Order: collect one thing that happened, let the core decide, do what it says, repeat. What the
//! application is asked for (a join, a command) is awaited right there: a slow room slows down
//! the peer that loads it, by TCP, and nobody else.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use snug_phoenix::server::{CLOSE_MALFORMED, Channel, ChannelId, JoinOutcome, Output, Socket};
use snug_phoenix::{Frame, Payload, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::allowance::{Allowance, Metered};
use super::outgoing::Outgoing;
use super::pace::Pace;
use super::{Application, ConnectionInfo, Inbox, Join, Mailbox, SocketOptions};
use crate::Counters;

/// Read at a time. Signalling messages are a few hundred bytes, a session description comes in some
/// pieces, and each of thousands of sockets holds this much.
const READ_BUFFER_BYTES: usize = 512;

/// Small frames are collected up to this much before they are written: one system call for a
/// burst.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;

/// What a frame's head and what is read ahead of it may add to a message.
const FRAMING_BYTES_MAX: usize = READ_BUFFER_BYTES + 256;

/// Bounds the messages that are handled before they are written: a burst, not a flood.
const MAIL_BATCH_MAX: usize = 32;

/// The same in bytes: what is taken out of the mailbox is not counted there any more, and a stuck
/// reader must not keep much of it.
const MAIL_BATCH_BYTES_MAX: usize = 32 * 1024;

/// Bounds the wait for the other side after we closed: then a lost or stuck one is let go.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// The same for a client that reads too slowly: one that was busy reads again within that, and then
/// learns why it was closed. Until then it costs a piece of one frame.
const LINGER_SLOW_MAX: Duration = Duration::from_secs(10);

/// Close code when the server stops; clients come back at once.
const CLOSE_RESTART: u16 = 1012;
/// Close code for a message that is longer than allowed.
const CLOSE_TOO_BIG: u16 = 1009;
const TOO_BIG: &str = "message_too_big";
/// Close code for a client that reads too slowly.
const CLOSE_POLICY: u16 = 1008;
const SLOW_CONSUMER: &str = "slow_consumer";

/// What a socket starts with.
pub(super) struct Setup<A> {
    pub(super) application: A,
    pub(super) options: Arc<SocketOptions>,
    pub(super) version: Version,
    pub(super) info: ConnectionInfo,
    pub(super) stop: CancellationToken,
    pub(super) counters: Arc<Counters>,
}

type Info<A> = <<A as Application>::Channel as Channel>::Info;

/// Why a socket ends.
enum End {
    /// The client closed it, or the connection is gone.
    Gone,
    /// We close it.
    Close { code: u16, reason: &'static str },
}

impl End {
    fn is_of_slow_consumer(&self) -> bool {
        matches!(self, End::Close { reason, .. } if *reason == SLOW_CONSUMER)
    }
}

/// One thing that happened.
enum Event<I> {
    Message(Option<Result<Message, Error>>),
    Mail(Option<(ChannelId, I)>),
    Written(Result<(), Error>),
    Overflow,
    Stop,
    Tick,
}

/// Runs the socket until it ends; its channels are told, whatever the reason.
pub(super) async fn run<A, S>(setup: Setup<A>, stream: S)
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let most = setup.options.message_bytes_max_asked;
    let limit = Some(most.max(setup.options.message_bytes_max));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_frame_size(limit)
        .max_message_size(limit);
    let mut task = Task::new(setup);
    let stream = Metered::new(stream, task.allowance.clone());
    let websocket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = websocket.split();
    let end = task.serve(&mut sink, &mut stream).await;
    // First the room, which must not wait for a slow goodbye.
    task.finish().await;
    // What comes now is thrown away, and so is the mail that waits.
    task.allowance.renew(None);
    let (outgoing, stop) = task.into_goodbye();
    let mut websocket = stream.reunite(sink).expect("both halves are of one socket");
    let is_slow = end.is_of_slow_consumer();
    let closing = close(&mut websocket, outgoing, end);
    let patience = async {
        if is_slow {
            // A server that stops waits for nobody so long.
            drop(timeout(LINGER_SLOW_MAX - LINGER_MAX, stop.cancelled()).await);
        }
        tokio::time::sleep(LINGER_MAX).await;
    };
    tokio::select! {
        () = closing => {}
        () = patience => tracing::debug!("a socket did not close in time"),
    }
}

struct Task<A: Application> {
    application: A,
    options: Arc<SocketOptions>,
    info: ConnectionInfo,
    stop: CancellationToken,
    counters: Arc<Counters>,
    core: Socket<A::Channel>,
    inbox: Inbox<Info<A>>,
    mailbox: Mailbox<Info<A>>,
    outgoing: Outgoing,
    /// What may be read before the next message is whole.
    allowance: Allowance,
    /// What of it is because a channel asked for much.
    allowed_extra: usize,
    /// When a ping is due if nothing is heard until then.
    next_ping: Option<Instant>,
    pace: Pace,
    /// Until when nothing is read, because too much was.
    resting_until: Option<Instant>,
}

impl<A: Application> Task<A> {
    fn new(setup: Setup<A>) -> Self {
        let Setup {
            application,
            options,
            version,
            info,
            stop,
            counters,
        } = setup;
        let now = Instant::now();
        let (inbox, mailbox) = Inbox::new::<A::Channel>(now);
        let allowance = Allowance::new(options.message_bytes_max_before_join + FRAMING_BYTES_MAX);
        Task {
            allowance,
            allowed_extra: 0,
            core: Socket::new(version, options.idle_timeout, now),
            next_ping: options.ping_after.map(|after| now + after),
            pace: Pace::default(),
            resting_until: None,
            outgoing: Outgoing::default(),
            application,
            options,
            info,
            stop,
            counters,
            inbox,
            mailbox,
        }
    }

    async fn serve<S>(
        &mut self,
        sink: &mut SplitSink<WebSocketStream<S>, Message>,
        stream: &mut SplitStream<WebSocketStream<S>>,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // All are registered once, not once a message. The timer may be late to know that its
        // deadline moved: but for a rest's, deadlines only ever move away, and a tick before time
        // does nothing.
        let stop = self.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let lane = self.mailbox.clone();
        let mut overflowed = pin!(lane.overflowed());
        let mut tick = pin!(sleep_until(self.deadline().into()));
        loop {
            let may_read = self.outgoing.has_room() && self.resting_until.is_none();
            let event = tokio::select! {
                () = stopped.as_mut() => Event::Stop,
                () = overflowed.as_mut() => Event::Overflow,
                message = stream.next(), if may_read => Event::Message(message),
                written = self.outgoing.write(sink), if !self.outgoing.is_empty() => {
                    Event::Written(written)
                }
                mail = self.inbox.recv(), if self.outgoing.is_empty() => Event::Mail(mail),
                () = tick.as_mut() => Event::Tick,
            };
            let ticked = matches!(event, Event::Tick);
            let is_message = matches!(event, Event::Message(_));
            let end = match self.handle(event) {
                Some(end) => Some(end),
                None => self.drain().await,
            };
            if let Some(end) = end {
                return end;
            }
            if is_message || self.core.message_bytes_extra() > self.allowed_extra {
                self.renew_allowance();
            }
            if ticked || (is_message && self.resting_until.is_some()) {
                tick.as_mut().reset(self.deadline().into());
            }
        }
    }

    fn handle(&mut self, event: Event<Info<A>>) -> Option<End> {
        let now = Instant::now();
        match event {
            Event::Message(Some(Ok(message))) => return self.handle_message(message, now),
            Event::Message(Some(Err(error))) | Event::Written(Err(error)) => {
                return Some(end_of(&error));
            }
            Event::Message(None) => return Some(End::Gone),
            Event::Mail(Some((id, info))) => {
                // What came together is written together.
                let mut taken_bytes = A::Channel::weight(&info);
                self.core.handle_info(id, info);
                for _ in 0..MAIL_BATCH_MAX {
                    if taken_bytes > MAIL_BATCH_BYTES_MAX {
                        break;
                    }
                    let Some((id, info)) = self.inbox.try_recv() else {
                        break;
                    };
                    taken_bytes += A::Channel::weight(&info);
                    self.core.handle_info(id, info);
                }
            }
            // We hold a mailbox ourselves, so the lane never ends.
            Event::Mail(None) | Event::Written(Ok(())) => {}
            Event::Overflow => {
                self.counters.slow_consumers.add();
                // Old news to a client that has to start again; the reason must not wait for it.
                self.outgoing.clear();
                tracing::debug!("a socket reads too slowly and is closed");
                return Some(End::Close {
                    code: CLOSE_POLICY,
                    reason: SLOW_CONSUMER,
                });
            }
            Event::Stop => {
                return Some(End::Close {
                    code: CLOSE_RESTART,
                    reason: "",
                });
            }
            Event::Tick => {
                self.resting_until = self.resting_until.filter(|until| *until > now);
                self.core.handle_timeout(now);
                self.ping(now);
            }
        }
        None
    }

    fn handle_message(&mut self, message: Message, now: Instant) -> Option<End> {
        self.inbox.note_heard(now);
        self.next_ping = self.options.ping_after.map(|after| now + after);
        self.resting_until = self.pace.handle_frame(message.len(), now);
        if message.len() > self.message_bytes_max() {
            return Some(End::Close {
                code: CLOSE_TOO_BIG,
                reason: TOO_BIG,
            });
        }
        match message {
            Message::Text(text) => {
                self.core
                    .handle_frame(Frame::Text(text.as_str().to_owned()), now);
            }
            Message::Binary(bytes) => self.core.handle_frame(Frame::Binary(bytes), now),
            Message::Ping(_) => {
                self.core.handle_heard(now);
                // The WebSocket has queued the pong; writing sends it.
                self.outgoing.wake();
            }
            Message::Pong(_) | Message::Frame(_) => self.core.handle_heard(now),
            Message::Close(_) => return Some(End::Gone),
        }
        None
    }

    /// Does what the core says, in order. Returns the end if it says so.
    async fn drain(&mut self) -> Option<End> {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send(frame) => self.outgoing.push(frame),
                Output::Join { id, topic, payload } => {
                    let outcome = self.ask(id, topic, payload).await;
                    self.core.handle_joined(id, outcome);
                }
                Output::Command(command) => {
                    if !self.perform(command).await {
                        return Some(End::Close {
                            code: CLOSE_MALFORMED,
                            reason: "",
                        });
                    }
                }
                Output::Close { code } => return Some(End::Close { code, reason: "" }),
            }
        }
        None
    }

    async fn ask(
        &mut self,
        id: ChannelId,
        topic: String,
        payload: Payload,
    ) -> JoinOutcome<A::Channel> {
        if !self.application.topic_matches(&topic) {
            return JoinOutcome::Unmatched;
        }
        let mailbox = self.mailbox.for_join(id);
        let join = Join {
            topic,
            payload,
            connection: self.info,
            mailbox,
        };
        // A panic leaves nothing half-done here: the future is dropped whole. Boxed: it is as large
        // as all the rest of a socket, which lives for longer than a join takes.
        let joining = async { Box::pin(self.application.join(join)).await };
        AssertUnwindSafe(joining)
            .catch_unwind()
            .await
            .unwrap_or(JoinOutcome::Crashed)
    }

    /// Returns false if performing panicked: what the channel wanted is lost, so the client must
    /// start again.
    async fn perform(&mut self, command: <A::Channel as Channel>::Command) -> bool {
        let performing = async { self.application.perform(command).await };
        AssertUnwindSafe(performing).catch_unwind().await.is_ok()
    }

    /// Lets the channels end and the application know.
    async fn finish(&mut self) {
        self.core.handle_closed();
        while let Some(output) = self.core.poll_output() {
            if let Output::Command(command) = output {
                self.perform(command).await;
            }
        }
    }

    /// Drops everything but what a goodbye needs.
    fn into_goodbye(self) -> (Outgoing, CancellationToken) {
        (self.outgoing, self.stop)
    }

    /// Allows the next message; only who is in a channel may send large ones.
    fn renew_allowance(&mut self) {
        self.allowed_extra = self.core.message_bytes_extra();
        let bytes = self.message_bytes_max() + FRAMING_BYTES_MAX;
        self.allowance.renew(Some(bytes));
    }

    fn message_bytes_max(&self) -> usize {
        let options = &self.options;
        match self.core.channels() {
            0 => options.message_bytes_max_before_join,
            _ => options.message_bytes_max.saturating_add(self.allowed_extra),
        }
    }

    fn ping(&mut self, now: Instant) {
        if self.next_ping.is_some_and(|due| due <= now) {
            self.next_ping = self.options.ping_after.map(|after| now + after);
            // Behind frames that wait it would tell nothing.
            if self.outgoing.is_empty() {
                self.outgoing
                    .push_message(Message::Ping(Default::default()));
            }
        }
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + self.options.idle_timeout;
        let all = [self.core.deadline(), self.next_ping, self.resting_until];
        all.into_iter().flatten().min().unwrap_or(far)
    }
}

/// Maps what went wrong on the WebSocket to the close code that tells the other side
/// (RFC 6455 section 7.4.1).
fn end_of(error: &Error) -> End {
    let (code, reason) = match error {
        Error::Utf8(_) => (1007, ""),
        Error::Capacity(_) => (CLOSE_TOO_BIG, TOO_BIG),
        Error::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            (CLOSE_TOO_BIG, TOO_BIG)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return End::Gone,
        Error::Protocol(_) | Error::AttackAttempt => (1002, ""),
        _ => return End::Gone,
    };
    End::Close { code, reason }
}

/// Ends the WebSocket so that the other side reads all that was said and our close frame: a
/// connection dropped with unread bytes would be reset, and the reset overtakes the frame.
async fn close<S>(websocket: &mut WebSocketStream<S>, mut outgoing: Outgoing, end: End)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let said = match end {
        End::Close { code, reason } => {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: reason.into(),
            };
            match outgoing.write(websocket).await {
                Ok(()) => websocket.close(Some(frame)).await,
                Err(error) => Err(error),
            }
        }
        // The answer to the client's close frame, if there was one, is already queued.
        End::Gone => websocket.flush().await,
    };
    if let Err(error) = said {
        tracing::trace!(%error, "the last frame was not sent");
    }
    let stream = websocket.get_mut();
    if stream.shutdown().await.is_ok() {
        // On the heap: every socket would hold the space for its goodbye.
        let (mut rest, mut pace) = (vec![0; 1024], Pace::default());
        while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {
            // Who goes on to flood us is pushed back as before.
            if let Some(until) = pace.handle_frame(rest.len(), Instant::now()) {
                sleep_until(until.into()).await;
            }
        }
    }
}
