//! One task a room: owns the call, the ways to its peers' channels and to the media plane.
//!
//! Rules, each with its why:
//! - The task only carries messages in and actions out; every decision is [`Call`]'s.
//! - It never waits for a peer: a full mailbox closes that peer's socket. It never waits for the
//!   media plane either: commands that do not fit are kept in order and tried again.
//! - When it ends for whatever reason its peers' channels do too: nobody sits in a room that is no
//!   longer there. After a panic they end by `phx_error`, on which clients join again.
//! - What one peer says never takes the room with it: a panic over it puts that peer out alone.
//! - When the media plane is lost, it ends for everybody and says so: nobody sits in a room
//!   where nothing can be seen or heard.
//! - It ends when nobody is in it, if the registry agrees; see `snug_room::Registry`.

mod call;
mod letter;
mod site;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use snug_protocol::{PeerId, ReasonCode};
use snug_room::{Admission, HostRule, Lease, RoomId, Seat};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

pub(crate) use call::{HangUp, OfferedTracks, Said, SaidOffer};
pub(crate) use letter::Letter;
pub(crate) use site::{Keys, Newcomer, Site};

use crate::peer_channel::PeerInfo;
use crate::registry::Rooms;
use crate::socket::{Mailbox, MailboxError};
use crate::transport::{RoomKey, SendError, TransportCommand, TransportEvent, TransportHandle};
use call::{Action, Call};

/// Messages that wait for a room: when it is full the readers of its peers' sockets wait, and
/// TCP pushes back on those who speak too much.
const MAILBOX_MAX: usize = 256;

/// Reports that wait for a room: two a second of each of a hundred peers. More are dropped and
/// counted by the media plane.
const REPORTS_MAX: usize = 256;

/// How long the media plane is left alone when its queue is full.
const TRANSPORT_REST: Duration = Duration::from_millis(5);

/// Commands kept for a media plane that does not keep up; beyond this it is broken, and so is
/// the room.
const PENDING_MAX: usize = 8192;

/// How long an empty room waits for somebody who is on the way before it asks again to end.
const EMPTY_REST: Duration = Duration::from_millis(50);

/// How soon a peer that is missed is noticed when its socket is heard again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long a room without deadlines sleeps; any time will do.
const IDLE: Duration = Duration::from_secs(60);

/// What is said to a room.
#[derive(Debug)]
pub(crate) enum RoomMessage {
    /// Somebody wants in.
    Join {
        /// Who.
        newcomer: Box<Newcomer>,
        /// How to reach it.
        mailbox: Mailbox<PeerInfo>,
        /// Keeps the room from ending before this is read.
        lease: Lease,
        /// Where to answer.
        reply: oneshot::Sender<Result<Admission, ReasonCode>>,
    },
    /// A peer says something.
    Said {
        /// Who.
        seat: Seat,
        /// What.
        said: Said,
    },
    /// A peer leaves.
    Leave {
        /// Who.
        seat: Seat,
    },
    /// A peer's socket is gone, or its channel crashed.
    SocketLost {
        /// Whose.
        seat: Seat,
    },
    /// Somebody who may wants a peer out.
    Kick {
        /// Whom.
        peer: PeerId,
        /// Hears whether it was here.
        reply: oneshot::Sender<bool>,
    },
    /// The room ends for everybody.
    Close {
        /// Why.
        reason: ReasonCode,
    },
    /// The room's task panics, as by a defect. Only tests say this.
    Crash,
    /// What the room does for one peer panics, as by a defect. Only tests say this.
    CrashPeer {
        /// For whom.
        peer: PeerId,
    },
}

/// Reaches a room. Cheap to clone; it may be gone by the time something is sent.
#[derive(Debug, Clone)]
pub(crate) struct RoomHandle {
    mailbox: mpsc::Sender<RoomMessage>,
    people: Arc<AtomicUsize>,
    is_locked: Arc<AtomicBool>,
}

impl RoomHandle {
    /// Reaches a room that is dead.
    #[cfg(test)]
    pub fn dead() -> Self {
        let (mailbox, _) = mpsc::channel(1);
        let (people, is_locked) = (Arc::default(), Arc::default());
        Self {
            mailbox,
            people,
            is_locked,
        }
    }

    /// Returns how many people were in it a moment ago, those who are coming back included.
    pub fn people(&self) -> usize {
        self.people.load(Ordering::Relaxed)
    }

    /// Whether it refused newcomers a moment ago.
    pub fn is_locked(&self) -> bool {
        self.is_locked.load(Ordering::Relaxed)
    }

    /// Sends a message, waiting while the room is busy. Returns false when the room is gone.
    pub async fn send(&self, message: RoomMessage) -> bool {
        self.mailbox.send(message).await.is_ok()
    }

    /// Sends a message at once, or returns what sends it when the room is less busy. A room that
    /// is gone hears nothing: it has closed its channels already, or is about to.
    pub fn tell(&self, message: RoomMessage) -> Option<BoxFuture<'static, ()>> {
        match self.mailbox.try_send(message) {
            Ok(()) | Err(TrySendError::Closed(_)) => None,
            Err(TrySendError::Full(message)) => {
                let room = self.clone();
                Some(Box::pin(async move {
                    if !room.send(message).await {
                        tracing::trace!("a word to a room that is gone");
                    }
                }))
            }
        }
    }
}

/// What a room needs from the rest of the server.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// What all calls share.
    pub site: Arc<Site>,
    /// The media plane.
    pub transport: TransportHandle,
}

/// A room at work. See the module for its rules.
pub(crate) struct RoomTask {
    id: RoomId,
    key: RoomKey,
    call: Call,
    links: Links,
    rooms: Rooms,
    mailbox: mpsc::Receiver<RoomMessage>,
    /// What the handle tells of.
    people: Arc<AtomicUsize>,
    is_locked: Arc<AtomicBool>,
    transport: TransportHandle,
    media_lost: CancellationToken,
    pending: VecDeque<TransportCommand>,
    reports: mpsc::Receiver<TransportEvent>,
    /// Kept so that each peer of the media plane gets a clone.
    report_to: mpsc::Sender<TransportEvent>,
    /// When the sockets were last looked at.
    looked_at: Instant,
}

/// What woke the room.
enum Woken {
    Message(Option<RoomMessage>),
    Report(TransportEvent),
    MediaLost,
    Time,
}

impl RoomTask {
    /// Makes a room with nobody in it, and what reaches it.
    pub fn new(
        id: RoomId,
        rooms: Rooms,
        around: &Surroundings,
        host: HostRule,
    ) -> (Self, RoomHandle) {
        let (sender, mailbox) = mpsc::channel(MAILBOX_MAX);
        let (report_to, reports) = mpsc::channel(REPORTS_MAX);
        let people = Arc::new(AtomicUsize::new(0));
        let is_locked = Arc::new(AtomicBool::new(false));
        let handle = RoomHandle {
            mailbox: sender,
            people: Arc::clone(&people),
            is_locked: Arc::clone(&is_locked),
        };
        let task = Self {
            id,
            key: RoomKey(around.site.keys.next()),
            call: Call::new(Arc::clone(&around.site), host),
            links: Links::default(),
            rooms,
            mailbox,
            people,
            is_locked,
            transport: around.transport.clone(),
            media_lost: around.transport.failure(),
            pending: VecDeque::new(),
            reports,
            report_to,
            looked_at: Instant::now(),
        };
        (task, handle)
    }

    /// Serves the room until nobody needs it.
    pub async fn run(mut self) {
        tracing::info!(room_key = self.key.0, "a room started");
        self.serve().await;
        let ignored = self.call.ignored();
        tracing::info!(room_key = self.key.0, ?ignored, "a room ended");
    }

    async fn serve(&mut self) {
        // Set again only for something earlier: a look before its time does no harm, and a timer
        // set for every message costs as much as some messages.
        let mut alarm = pin!(sleep_until(self.wake_at().into()));
        loop {
            let wake_at = self.wake_at().into();
            if alarm.is_elapsed() || wake_at < alarm.deadline() {
                alarm.as_mut().reset(wake_at);
            }
            let woken = tokio::select! {
                message = self.mailbox.recv() => Woken::Message(message),
                Some(report) = self.reports.recv() => Woken::Report(report),
                () = self.media_lost.cancelled() => Woken::MediaLost,
                () = alarm.as_mut() => Woken::Time,
            };
            let now = Instant::now();
            match woken {
                Woken::Message(Some(message)) => self.handle_message(message, now),
                Woken::Message(None) => break,
                Woken::Report(report) => {
                    let peer = self.call.peer_of(&report).cloned();
                    self.isolate(peer, now, |call| call.handle_transport(report, now));
                }
                Woken::MediaLost => {
                    self.lose_media(now);
                    break;
                }
                Woken::Time => self.look(now),
            }
            // A busy room never sleeps long enough to be woken for this.
            if self.call.is_anyone_missed() && now >= self.looked_at + LOOK_AGAIN {
                self.look(now);
            }
            self.act(now);
            self.people.store(self.call.people(), Ordering::Relaxed);
            self.is_locked
                .store(self.call.is_locked(), Ordering::Relaxed);
            if !self.flush() {
                self.lose_media(now);
                break;
            }
            if self.call.is_empty() && self.rooms.may_end(self.id).await {
                break;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let rest = self.call.is_empty().then(|| now + EMPTY_REST);
        let retry = (!self.pending.is_empty()).then(|| now + TRANSPORT_REST);
        let due = self.call.deadline();
        // Sockets are looked at, they do not report.
        let look = self
            .call
            .is_anyone_missed()
            .then(|| self.looked_at + LOOK_AGAIN);
        [rest, retry, look, due]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE)
    }

    fn handle_message(&mut self, message: RoomMessage, now: Instant) {
        match message {
            RoomMessage::Join {
                newcomer,
                mailbox,
                lease,
                reply,
            } => {
                self.note_sockets(now);
                let admitted = self.call.handle_join(*newcomer, now);
                let seat = admitted
                    .as_ref()
                    .ok()
                    .map(|admission| admission.seat.clone());
                if let Some(seat) = seat.clone() {
                    self.links.open(seat, mailbox);
                }
                drop(lease);
                if let (Err(_), Some(seat)) = (reply.send(admitted), seat) {
                    // The joiner gave up while it was let in.
                    self.call.handle_leave(&seat, now);
                }
            }
            RoomMessage::Said { seat, said } => {
                let peer = seat.peer.clone();
                self.isolate(Some(peer), now, |call| call.handle_said(&seat, said, now));
            }
            RoomMessage::Leave { seat } => self.call.handle_leave(&seat, now),
            RoomMessage::Kick { peer, reply } => {
                let is_gone = self.call.handle_kick(&peer, now);
                if reply.send(is_gone).is_err() {
                    tracing::trace!("who wanted a peer out did not wait");
                }
            }
            RoomMessage::Close { reason } => self.call.handle_close(reason, now),
            RoomMessage::Crash => panic!("as a defect would"),
            RoomMessage::CrashPeer { peer } => {
                self.isolate(Some(peer), now, |_| panic!("as a defect would"));
            }
            RoomMessage::SocketLost { seat } => {
                self.note_sockets(now);
                self.links.close(&seat);
                self.call.handle_socket_lost(&seat, now);
            }
        }
    }

    /// Handles what one peer says or does. Should that panic, the peer is out, and the room goes
    /// on: what the panic left half done is mostly about that peer, and goes with it. If more is
    /// broken, the next panic finds it, and the room ends as it always did.
    fn isolate(&mut self, peer: Option<PeerId>, now: Instant, handle: impl FnOnce(&mut Call)) {
        let call = &mut self.call;
        if catch_unwind(AssertUnwindSafe(|| handle(call))).is_err() {
            tracing::error!("what a peer said made its room panic; the peer is out");
            if let Some(peer) = peer {
                self.call.handle_crash(&peer, now);
            }
        }
    }

    /// Tells everybody that the room cannot go on.
    fn lose_media(&mut self, now: Instant) {
        self.call.handle_close(ReasonCode::MediaLost, now);
        self.act(now);
    }

    /// Looks after whatever is due.
    fn look(&mut self, now: Instant) {
        self.note_sockets(now);
        self.call.handle_timeout(now);
    }

    /// Looks when each socket was last heard, and which are gone without a word.
    fn note_sockets(&mut self, now: Instant) {
        self.looked_at = now;
        for (peer, link) in &self.links.open {
            self.call
                .handle_socket_heard(peer, link.mailbox.last_heard(), now);
        }
        for seat in self.links.take_closed() {
            self.call.handle_socket_lost(&seat, now);
        }
    }

    /// Does what the call decided.
    fn act(&mut self, now: Instant) {
        while let Some(action) = self.call.poll_action() {
            match action {
                Action::Tell { peer, letter } => match self.links.tell(&peer, letter) {
                    Told::Sent => {}
                    Told::Choked(seat) => self.call.handle_socket_choked(&seat, now),
                    Told::Gone(seat) => self.call.handle_socket_lost(&seat, now),
                },
                Action::AddPeer { peer, ice, relay } => {
                    let (room, events) = (self.key, self.report_to.clone());
                    tracing::info!(room_key = room.0, peer_key = peer.0, "a peer came in");
                    self.pending.push_back(TransportCommand::AddPeer {
                        peer,
                        room,
                        ice,
                        relay,
                        events,
                    });
                }
                Action::Transport(command) => {
                    if let TransportCommand::RemovePeer { peer } = &command {
                        tracing::info!(room_key = self.key.0, peer_key = peer.0, "a peer went");
                    }
                    self.pending.push_back(command);
                }
                Action::End { peer, hang_up } => self.links.end(&peer, hang_up),
            }
        }
    }

    /// Hands the media plane what it can take. Returns false when there is no media plane.
    fn flush(&mut self) -> bool {
        while let Some(command) = self.pending.front() {
            match self.transport.send(command.clone()) {
                Ok(()) => drop(self.pending.pop_front()),
                Err(SendError::Full) if self.pending.len() < PENDING_MAX => return true,
                Err(error) => {
                    tracing::error!(%error, "a room ends");
                    return false;
                }
            }
        }
        true
    }
}

/// The ways to the peers' present channels. Dropping it closes them all.
#[derive(Default)]
struct Links {
    open: BTreeMap<PeerId, Link>,
}

/// What became of a letter.
enum Told {
    Sent,
    /// The socket took nothing more and is being closed.
    Choked(Seat),
    /// The socket is gone.
    Gone(Seat),
}

struct Link {
    seat: Seat,
    mailbox: Mailbox<PeerInfo>,
}

impl Links {
    /// Opens the way to a seat's new channel; the former one is closed.
    fn open(&mut self, seat: Seat, mailbox: Mailbox<PeerInfo>) {
        let former = self.open.insert(seat.peer.clone(), Link { seat, mailbox });
        if let Some(former) = former {
            former.hang_up(HangUp::Close);
        }
    }

    /// Closes the way to a channel that is gone, unless another took its place.
    fn close(&mut self, seat: &Seat) {
        if self
            .open
            .get(&seat.peer)
            .is_some_and(|link| link.seat == *seat)
        {
            self.open.remove(&seat.peer);
        }
    }

    /// Takes out the channels whose sockets are gone or going.
    fn take_closed(&mut self) -> Vec<Seat> {
        let closed: Vec<Seat> = self
            .open
            .values()
            .filter(|link| link.mailbox.is_closed())
            .map(|link| link.seat.clone())
            .collect();
        for seat in &closed {
            self.open.remove(&seat.peer);
        }
        closed
    }

    /// Sends a letter; a channel that is not there needs none.
    fn tell(&mut self, peer: &PeerId, letter: Letter) -> Told {
        let Some(link) = self.open.get(peer) else {
            return Told::Sent;
        };
        let Err(error) = link.mailbox.try_send(PeerInfo::Letter(letter)) else {
            return Told::Sent;
        };
        let seat = link.seat.clone();
        self.open.remove(peer);
        match error {
            MailboxError::Full => {
                tracing::warn!(
                    reason = ReasonCode::SlowConsumer.code(),
                    "a socket is closed"
                );
                Told::Choked(seat)
            }
            MailboxError::Closed => Told::Gone(seat),
        }
    }

    fn end(&mut self, peer: &PeerId, hang_up: Option<HangUp>) {
        let link = self.open.remove(peer);
        if let (Some(link), Some(how)) = (link, hang_up) {
            link.hang_up(how);
        }
    }
}

impl Link {
    fn hang_up(&self, how: HangUp) {
        if let Err(error) = self.mailbox.try_send(PeerInfo::HangUp(how)) {
            tracing::debug!(%error, "a channel was ended with its socket");
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        // After a panic clients shall join again by themselves; they find a clean room.
        let how = match std::thread::panicking() {
            true => HangUp::Crash,
            false => HangUp::Close,
        };
        for link in self.open.values() {
            link.hang_up(how);
        }
    }
}
