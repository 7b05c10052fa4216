//! One room's people: who sits in it, who is seen, who is missed, who is gone.
//!
//! Rules, each with its why:
//! - A peer is one seat. A seat outlives its socket when its holder has a token, so that a short
//!   break costs neither id nor tracks; without a token nobody could claim it, so it goes at once.
//! - Silence is judged by everything heard of a peer: media, consent checks and socket. One of
//!   them flowing proves that the program lives.
//! - A peer whose socket is lost stays "reconnecting" even while its media flows, because it
//!   cannot be told anything; after the hold it is gone, because nobody may linger unreachable.
//! - A peer that joined but never connected is not seen: clients rejoin on their own without
//!   connecting again, and must not haunt the room.
//! - Whoever waits to be let in sits here unseen and may connect once somebody lets them in: so a
//!   client that knows nothing of waiting needs nothing but patience.
//! - Each socket of a peer gets its own epoch, so that a late word from a former socket cannot
//!   hurt the seat.

mod seat;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use snug_protocol::{
    Ask, HostToken, PeerId, PresenceState, ReasonCode, ResumeToken, RoomState, Silence,
};

use crate::moderation::{Credentials, HostRule, Moderation, Verdict as Ruling};
use seat::{Occupant, Verdict};

/// How many peers one room seats unless its owner says otherwise, held ones included: what a meeting
/// needs at most, well below the hundred that the forwarder is measured with.
pub const PEERS_MAX: usize = 64;

/// How long silence is borne.
///
/// Signs of life are reported at most twice a second, so what is known may be half a second
/// older than the peer's last packet. The defaults are chosen so that the promises hold anyway:
/// "reconnecting" within 3 s of the last packet, gone 5 to 6 s or 10 to 11 s after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the last sign of life until others are told "reconnecting".
    pub until_missed: Duration,
    /// From the last sign of life until a peer without a token is gone.
    pub without_token: Duration,
    /// From the last sign of life, or the loss of the socket, until a peer with a token is gone.
    pub with_token: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            until_missed: Duration::from_millis(2750),
            without_token: Duration::from_millis(5500),
            with_token: Duration::from_millis(10_500),
        }
    }
}

/// Somebody who asks for a seat, with what chance has provided for them.
#[derive(Debug)]
pub struct Joiner {
    /// The id of the seat if it is a new one.
    pub fresh_id: PeerId,
    /// The token of the seat if it is a new one; `None` for an unmodified client.
    pub fresh_token: Option<ResumeToken>,
    /// The token of a seat that the joiner had before.
    pub resume: Option<ResumeToken>,
    /// What it shows at the door.
    pub credentials: Credentials,
}

/// One socket's claim on a seat; what comes with an older epoch than the seat's is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Whose seat.
    pub peer: PeerId,
    /// Which of the peer's sockets, counted over all sockets of the room.
    pub epoch: u64,
}

/// A joiner was let in.
#[derive(Debug)]
pub struct Admission {
    /// Where it sits.
    pub seat: Seat,
    /// What brings it back after a break; `None` for an unmodified client.
    pub token: Option<ResumeToken>,
    /// Whether it sits where it sat before. A former socket of the seat is to be closed.
    pub resumed: bool,
    /// What makes it the host again later; told to the host alone.
    pub host: Option<HostToken>,
}

/// What came of a `connect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connected {
    /// The peer is seen from now on ([`Output::Arrived`] follows).
    First,
    /// It was seen before: it may not have heard the answer.
    Again,
    /// It has to wait until somebody lets it in.
    Waiting,
    /// The word came from a former socket, or nobody sits there.
    Stale,
}

/// What is to be told or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A peer is seen from now on: let it in, tell the others.
    Arrived {
        /// Who.
        peer: PeerId,
    },
    /// A peer that is seen fell silent or is back: tell the others.
    Presence {
        /// Who.
        peer: PeerId,
        /// Which of the two.
        state: PresenceState,
    },
    /// A peer is gone: end its session, and tell the others if it was seen.
    Gone {
        /// Who.
        peer: PeerId,
        /// Whether the others knew of it.
        seen: bool,
        /// Why.
        why: Departure,
    },
    /// Which of somebody's media are forwarded has changed; see [`Room::silence_of`].
    Silenced {
        /// Whose.
        peer: PeerId,
    },
    /// The room ends for everybody: nobody may come in any more.
    Closed {
        /// Why.
        why: ReasonCode,
    },
}

/// Why a peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said so.
    Left,
    /// Its socket closed, and it has no token to come back with.
    SocketClosed,
    /// It was silent for too long, or stayed away from its socket for too long.
    Vanished,
    /// Somebody who may wanted it out.
    Kicked,
    /// The server failed over it.
    Crashed,
    /// The server ended it.
    Removed(ReasonCode),
}

/// The people of one room. See the module for its rules.
#[derive(Debug)]
pub struct Room {
    patience: Patience,
    peers_max: usize,
    occupants: BTreeMap<PeerId, Occupant>,
    moderation: Moderation,
    next_epoch: u64,
    outputs: VecDeque<Output>,
}

impl Room {
    /// Makes a room with nobody in it.
    pub fn new(patience: Patience, peers_max: usize, host: HostRule) -> Self {
        Self {
            patience,
            peers_max,
            occupants: BTreeMap::new(),
            moderation: Moderation::new(host),
            next_epoch: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Seats a joiner: where it sat before, if it shows that seat's token, else afresh.
    ///
    /// # Errors
    /// [`ReasonCode::RoomFull`] when as many sit here as may,
    /// [`ReasonCode::FailedToStartRoom`] when chance gave an id that is taken, and what the
    /// hosts decided: [`ReasonCode::RoomLocked`], [`ReasonCode::Barred`],
    /// [`ReasonCode::LobbyFull`].
    pub fn handle_join(&mut self, joiner: Joiner, now: Instant) -> Result<Admission, ReasonCode> {
        let epoch = self.next_epoch;
        let held = joiner.resume.as_ref().and_then(|token| self.find(token));
        let (peer, token, resumed, host) = match held {
            Some(peer) => {
                let occupant = self
                    .occupants
                    .get_mut(&peer)
                    .expect("it was found just now");
                occupant.resume(epoch, now);
                let token = occupant.token.clone();
                self.note_presence(&peer, now);
                let host = self.moderation.token_of(&peer);
                (peer, token, true, host)
            }
            None => {
                self.moderation.judge(&joiner.credentials)?;
                if self.occupants.len() >= self.peers_max {
                    return Err(ReasonCode::RoomFull);
                }
                if self.occupants.contains_key(&joiner.fresh_id) {
                    return Err(ReasonCode::FailedToStartRoom);
                }
                let occupant = Occupant::new(joiner.fresh_token.clone(), epoch, now);
                self.occupants.insert(joiner.fresh_id.clone(), occupant);
                let host = self.moderation.seat(&joiner.fresh_id, joiner.credentials);
                (joiner.fresh_id, joiner.fresh_token, false, host)
            }
        };
        self.next_epoch += 1;
        Ok(Admission {
            seat: Seat { peer, epoch },
            token,
            resumed,
            host,
        })
    }

    /// Makes a peer seen by the others.
    pub fn handle_connect(&mut self, seat: &Seat) -> Connected {
        let Some(occupant) = self.occupants.get_mut(&seat.peer) else {
            return Connected::Stale;
        };
        if occupant.epoch != seat.epoch {
            return Connected::Stale;
        }
        if occupant.seen {
            return Connected::Again;
        }
        if !self.moderation.connect(&seat.peer) {
            return Connected::Waiting;
        }
        self.show(&seat.peer);
        Connected::First
    }

    /// Notes what a peer calls itself, for those who decide about it.
    pub fn handle_name(&mut self, peer: &PeerId, name: &str) {
        self.moderation.name(peer, name);
    }

    /// Takes what somebody in the room asks about its rules and people.
    ///
    /// # Errors
    /// [`ReasonCode::NotAllowed`] when their role does not carry it.
    pub fn handle_ask(&mut self, by: &PeerId, ask: &Ask) -> Result<(), ReasonCode> {
        if !self.is_seen(by) {
            return Err(ReasonCode::NotAllowed);
        }
        match self.moderation.ask(by, ask)? {
            Ruling::Noted => {}
            Ruling::Silenced(peer) => self.outputs.push_back(Output::Silenced { peer }),
            Ruling::LetIn(peers) => peers.iter().for_each(|peer| self.show(peer)),
            Ruling::TurnedAway(peer) => self.handle_removal(&peer, ReasonCode::TurnedAway),
            Ruling::Removed(peer) => self.remove(&peer, Departure::Kicked),
            Ruling::Ended => {
                let why = ReasonCode::HostEnded;
                self.outputs.push_back(Output::Closed { why });
                self.handle_close(why);
            }
        }
        Ok(())
    }

    /// Tells how roles and rules stand for one peer; nothing of one that is not here.
    pub fn state_for(&self, peer: &PeerId) -> Option<RoomState> {
        self.moderation.state(peer)
    }

    /// Whether anything that [`Room::state_for`] tells may have changed since the last call.
    pub fn take_state_changed(&mut self) -> bool {
        self.moderation.take_changed()
    }

    /// Which of a peer's media are to be forwarded to nobody.
    pub fn silence_of(&self, peer: &PeerId) -> Silence {
        self.moderation.silence_of(peer)
    }

    /// Whether one peer decides about another: the host about everybody else, a co-host about
    /// members, and nobody about themselves.
    pub fn outranks(&self, by: &PeerId, other: &PeerId) -> bool {
        self.moderation.outranks(by, other)
    }

    /// Whether newcomers are refused.
    pub fn is_locked(&self) -> bool {
        self.moderation.is_locked()
    }

    /// Frees the seat of a peer that says goodbye.
    pub fn handle_leave(&mut self, seat: &Seat) {
        if self.is_current(seat) {
            self.remove(&seat.peer, Departure::Left);
        }
    }

    /// Notes that a peer's socket is gone: its seat is held for a while if it has a token.
    pub fn handle_socket_lost(&mut self, seat: &Seat, now: Instant) {
        if !self.is_current(seat) {
            return;
        }
        let occupant = self.occupants.get_mut(&seat.peer).expect("it is current");
        if occupant.token.is_none() {
            return self.remove(&seat.peer, Departure::SocketClosed);
        }
        occupant.socket_lost_at.get_or_insert(now);
        self.note_presence(&seat.peer, now);
    }

    /// Notes a sign of life that was seen at `at`, by whatever way.
    pub fn handle_heard(&mut self, peer: &PeerId, at: Instant, now: Instant) {
        if let Some(occupant) = self.occupants.get_mut(peer) {
            occupant.heard_at = occupant.heard_at.max(at);
            self.note_presence(peer, now);
        }
    }

    /// Removes a peer on the server's own account.
    pub fn handle_removal(&mut self, peer: &PeerId, why: ReasonCode) {
        self.remove(peer, Departure::Removed(why));
    }

    /// Removes a peer that somebody wants out. Returns whether it sat here.
    pub fn handle_kick(&mut self, peer: &PeerId) -> bool {
        let is_here = self.occupants.contains_key(peer);
        self.remove(peer, Departure::Kicked);
        is_here
    }

    /// Removes a peer over which the server failed.
    pub fn handle_crash(&mut self, peer: &PeerId) {
        self.remove(peer, Departure::Crashed);
    }

    /// Removes everybody at once. Whoever is told of one departure is gone as well, so nobody
    /// needs to hear of the others'.
    pub fn handle_close(&mut self, why: ReasonCode) {
        let peers: Vec<PeerId> = self.occupants.keys().cloned().collect();
        for peer in peers {
            self.remove(&peer, Departure::Removed(why));
        }
    }

    /// Looks after everybody whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let peers: Vec<PeerId> = self.occupants.keys().cloned().collect();
        for peer in peers {
            self.note_presence(&peer, now);
        }
    }

    /// Returns when [`Room::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.occupants
            .values()
            .map(|occupant| occupant.deadline(&self.patience))
            .min()
    }

    /// Returns what is to be told or done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether this is the seat's present socket.
    pub fn is_current(&self, seat: &Seat) -> bool {
        self.occupants
            .get(&seat.peer)
            .is_some_and(|occupant| occupant.epoch == seat.epoch)
    }

    /// Returns everybody whom the others see, and whether they are missed.
    pub fn seen(&self) -> impl Iterator<Item = (&PeerId, PresenceState)> {
        self.occupants
            .iter()
            .filter(|(_, occupant)| occupant.seen)
            .map(|(peer, occupant)| (peer, occupant.presence()))
    }

    /// Whether the others see this peer.
    pub fn is_seen(&self, peer: &PeerId) -> bool {
        self.occupants
            .get(peer)
            .is_some_and(|occupant| occupant.seen)
    }

    /// Returns how many seats are taken, held and unseen ones included.
    pub fn len(&self) -> usize {
        self.occupants.len()
    }

    /// Whether nobody sits here and no seat is held: then the room may end.
    pub fn is_empty(&self) -> bool {
        self.occupants.is_empty()
    }

    /// Makes a peer seen by the others.
    fn show(&mut self, peer: &PeerId) {
        let Some(occupant) = self.occupants.get_mut(peer) else {
            return;
        };
        occupant.seen = true;
        let peer = peer.clone();
        self.outputs
            .push_back(Output::Arrived { peer: peer.clone() });
        if occupant.missed {
            let state = PresenceState::Reconnecting;
            self.outputs.push_back(Output::Presence { peer, state });
        }
    }

    fn find(&self, token: &ResumeToken) -> Option<PeerId> {
        let holder = self
            .occupants
            .iter()
            .find(|(_, held)| held.token.as_ref() == Some(token));
        holder.map(|(peer, _)| peer.clone())
    }

    /// Judges one peer anew and tells what changed.
    fn note_presence(&mut self, peer: &PeerId, now: Instant) {
        let Some(occupant) = self.occupants.get_mut(peer) else {
            return;
        };
        let missed = match occupant.judge(&self.patience, now) {
            Verdict::Gone => return self.remove(peer, Departure::Vanished),
            Verdict::Missed => true,
            Verdict::Live => false,
        };
        let changed = occupant.missed != missed;
        occupant.missed = missed;
        if changed && occupant.seen {
            let state = occupant.presence();
            self.outputs.push_back(Output::Presence {
                peer: peer.clone(),
                state,
            });
        }
    }

    fn remove(&mut self, peer: &PeerId, why: Departure) {
        if let Some(occupant) = self.occupants.remove(peer) {
            self.moderation.forget(peer);
            let gone = Output::Gone {
                peer: peer.clone(),
                seen: occupant.seen,
                why,
            };
            self.outputs.push_back(gone);
        }
    }
}
