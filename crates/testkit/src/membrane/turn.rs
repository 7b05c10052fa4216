//! The relay that is none: it takes allocations, and hands whatever is sent through one to the
//! engine in the same process (protocol.md, section 2).
//!
//! As in the original: a permission is for an address, whatever the port; nothing is relayed
//! anywhere; what comes back goes to the announced candidate's channel, or as an indication while
//! there is none; and only with a permission.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
    ATTR_XORMAPPED_ADDRESS, AttrType,
};
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message, TransactionId,
};
use rtc_stun::textattrs::TextAttribute;

use super::endpoint::readable;
use super::stun::{address, error, message, put_address, sign};
use super::wire::{Wire, WireId};

const REALM: &str = "membrane";
const LIFETIME: Duration = Duration::from_secs(600);
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// The channels that may be bound (RFC 5766 section 11).
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7FFE;
/// IANA's number of UDP.
const UDP: u8 = 17;

/// Names one allocation for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AllocationId(u64);

#[cfg(test)]
impl AllocationId {
    /// Names an allocation that nobody made.
    pub(super) fn made_up(number: u64) -> Self {
        Self(number)
    }
}

/// Somebody who may allocate.
#[derive(Clone)]
pub(super) struct User {
    pub(super) peer: String,
    pub(super) password: String,
    /// What the user is told to talk to.
    pub(super) candidate: SocketAddr,
}

/// What came through an allocation.
pub(super) struct Relayed {
    pub(super) peer: String,
    pub(super) allocation: AllocationId,
    pub(super) payload: Vec<u8>,
}

/// One allocation, which is one path from a client.
struct Allocation {
    id: AllocationId,
    user: User,
    wire: Wire,
    key: Vec<u8>,
    relayed: SocketAddr,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, SocketAddr>,
    until: Instant,
    /// The last request and its answer: a repetition gets the same one.
    last: Option<(TransactionId, Vec<u8>)>,
}

/// All allocations of a server.
pub(super) struct Turn {
    crypto: Arc<dyn RTCCryptoProvider>,
    users: BTreeMap<String, User>,
    nonces: BTreeSet<String>,
    allocations: BTreeMap<WireId, Allocation>,
    /// How many were ever made.
    pub(super) count: u64,
}

impl Turn {
    pub(super) fn new(crypto: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            crypto,
            users: BTreeMap::new(),
            nonces: BTreeSet::new(),
            allocations: BTreeMap::new(),
            count: 0,
        }
    }

    /// Lets somebody allocate under this name.
    pub(super) fn admit(&mut self, name: String, user: User) {
        self.users.insert(name, user);
    }

    /// Ends everything of a peer.
    pub(super) fn dismiss(&mut self, peer: &str) {
        self.users.retain(|_, user| user.peer != peer);
        self.allocations
            .retain(|_, allocation| allocation.user.peer != peer);
    }

    /// The connection behind a wire is gone, and its allocation with it.
    pub(super) fn hang_up(&mut self, wire: &WireId) {
        self.allocations.remove(wire);
    }

    /// Takes one message of a client.
    pub(super) fn handle(&mut self, wire: &Wire, data: &[u8], now: Instant) -> Option<Relayed> {
        self.allocations
            .retain(|_, allocation| now < allocation.until);
        match data.first()? {
            0x40..=0x7F => self.channel_data(wire, data),
            0..=3 => {
                let mut message = Message::new();
                message.unmarshal_binary(data).ok()?;
                match message.typ.class {
                    CLASS_REQUEST => {
                        self.request(wire, &mut message, now);
                        None
                    }
                    CLASS_INDICATION => self.indication(wire, &message, now),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Sends to the client of an allocation, as if the candidate had sent it.
    pub(super) fn send(&mut self, id: AllocationId, payload: &[u8], now: Instant) {
        let found = self.allocations.values().find(|it| it.id == id);
        let Some(allocation) = found else {
            return;
        };
        let candidate = allocation.user.candidate;
        if allocation
            .permissions
            .get(&candidate.ip())
            .is_none_or(|until| *until <= now)
        {
            return;
        }
        let bound = allocation
            .channels
            .iter()
            .find(|(_, peer)| **peer == candidate);
        let framed = match bound {
            Some((channel, _)) => {
                // No payload is longer than a datagram.
                let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
                [&channel.to_be_bytes()[..], &length.to_be_bytes(), payload].concat()
            }
            None => {
                let mut message = message(METHOD_DATA, CLASS_INDICATION, TransactionId::new());
                put_address(&mut message, ATTR_XOR_PEER_ADDRESS, candidate);
                message.add(ATTR_DATA, payload);
                message.raw
            }
        };
        allocation.wire.send(framed);
    }

    fn channel_data(&self, wire: &Wire, data: &[u8]) -> Option<Relayed> {
        let channel = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
        let length = u16::from_be_bytes([*data.get(2)?, *data.get(3)?]);
        let payload = data.get(4..4 + usize::from(length))?;
        let allocation = self.allocations.get(&wire.id)?;
        allocation.channels.get(&channel)?;
        Some(allocation.hand_over(payload))
    }

    fn indication(&self, wire: &Wire, message: &Message, now: Instant) -> Option<Relayed> {
        if message.typ.method != METHOD_SEND {
            return None;
        }
        let allocation = self.allocations.get(&wire.id)?;
        let peer = address(message, ATTR_XOR_PEER_ADDRESS)?;
        let permitted = allocation.permissions.get(&peer.ip());
        permitted.filter(|until| now < **until)?;
        Some(allocation.hand_over(&message.get(ATTR_DATA).ok()?))
    }

    fn request(&mut self, wire: &Wire, message: &mut Message, now: Instant) {
        let last = self
            .allocations
            .get(&wire.id)
            .and_then(|it| it.last.as_ref());
        if let Some((id, answer)) = last
            && *id == message.transaction_id
        {
            return wire.send(answer.clone());
        }
        let (user, key) = match self.authenticate(message) {
            Ok(known) => known,
            Err(code) => return self.challenge(wire, message, code),
        };
        if message.typ.method == METHOD_ALLOCATE {
            return self.allocate(wire, message, (user, key), now);
        }
        let Some(allocation) = self.allocations.get_mut(&wire.id) else {
            return refuse(wire, message, 437);
        };
        let answered = match message.typ.method {
            METHOD_REFRESH => allocation.refresh(message, now),
            METHOD_CREATE_PERMISSION => allocation.permit(message, now).map(|()| Vec::new()),
            METHOD_CHANNEL_BIND => allocation.bind(message, now).map(|()| Vec::new()),
            _ => Err(405),
        };
        match answered {
            Err(code) => refuse(wire, message, code),
            Ok(attributes) => {
                let mut answer = success(message);
                for (kind, value) in attributes {
                    answer.add(kind, &value);
                }
                self.answer(wire, answer);
            }
        }
        self.allocations
            .retain(|_, allocation| now < allocation.until);
    }

    /// Checks the long-term credential (RFC 8489 section 9.2); returns the code to refuse with.
    fn authenticate(&self, message: &mut Message) -> Result<(User, Vec<u8>), u16> {
        let text = |kind| TextAttribute::get_from_as(message, kind).map(|it| it.text);
        let name = text(ATTR_USERNAME).map_err(|_| 401_u16)?;
        let nonce = text(ATTR_NONCE).map_err(|_| 401_u16)?;
        if !self.nonces.contains(&nonce) {
            return Err(438);
        }
        let user = self.users.get(&name).cloned().ok_or(401_u16)?;
        let crypto = self.crypto.crypto();
        let (realm, password) = (REALM.to_owned(), user.password.clone());
        let key = MessageIntegrity::long_term_integrity_key(name, realm, password, crypto);
        let key = key.map_err(|_| 500_u16)?;
        MessageIntegrity::check(message, &key, crypto).map_err(|_| 401_u16)?;
        Ok((user, key))
    }

    fn challenge(&mut self, wire: &Wire, message: &Message, code: u16) {
        let nonce = readable(16);
        let mut answer = error(message, code);
        answer.add(ATTR_REALM, REALM.as_bytes());
        answer.add(ATTR_NONCE, nonce.as_bytes());
        self.nonces.insert(nonce);
        wire.send(answer.raw);
    }

    fn allocate(
        &mut self,
        wire: &Wire,
        message: &Message,
        (user, key): (User, Vec<u8>),
        now: Instant,
    ) {
        if self.allocations.contains_key(&wire.id) {
            return refuse(wire, message, 437);
        }
        match message.get(ATTR_REQUESTED_TRANSPORT).as_deref() {
            Ok([UDP, ..]) => {}
            Ok(_) => return refuse(wire, message, 442),
            Err(_) => return refuse(wire, message, 400),
        }
        self.count += 1;
        let id = AllocationId(self.count);
        // Nothing listens there; it only has to be another one each time.
        let port = 50_000 + u16::try_from(self.count % 10_000).unwrap_or_default();
        let relayed = SocketAddr::new(user.candidate.ip(), port);
        let mut answer = success(message);
        put_address(&mut answer, ATTR_XOR_RELAYED_ADDRESS, relayed);
        put_address(&mut answer, ATTR_XORMAPPED_ADDRESS, wire.from);
        let lifetime = u32::try_from(LIFETIME.as_secs()).unwrap_or_default();
        answer.add(ATTR_LIFETIME, &lifetime.to_be_bytes());
        let allocation = Allocation {
            id,
            user,
            wire: wire.clone(),
            key,
            relayed,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            until: now + LIFETIME,
            last: None,
        };
        self.allocations.insert(wire.id, allocation);
        self.answer(wire, answer);
    }

    /// Signs an answer, keeps it for a repetition, and sends it.
    fn answer(&mut self, wire: &Wire, mut answer: Message) {
        let Some(allocation) = self.allocations.get_mut(&wire.id) else {
            return;
        };
        sign(&mut answer, &allocation.key, self.crypto.crypto());
        allocation.last = Some((answer.transaction_id, answer.raw.clone()));
        wire.send(answer.raw);
    }
}

impl Allocation {
    fn hand_over(&self, payload: &[u8]) -> Relayed {
        Relayed {
            peer: self.user.peer.clone(),
            allocation: self.id,
            payload: payload.to_vec(),
        }
    }

    fn refresh(&mut self, message: &Message, now: Instant) -> Result<Attributes, u16> {
        let asked = message.get(ATTR_LIFETIME).ok();
        let asked = asked.and_then(|it| Some(u32::from_be_bytes(it.try_into().ok()?)));
        let lifetime = asked.map_or(LIFETIME, |it| Duration::from_secs(it.into()).min(LIFETIME));
        self.until = now + lifetime;
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or_default();
        Ok(vec![(ATTR_LIFETIME, seconds.to_be_bytes().to_vec())])
    }

    fn permit(&mut self, message: &Message, now: Instant) -> Result<(), u16> {
        let peer = address(message, ATTR_XOR_PEER_ADDRESS).ok_or(400_u16)?;
        if peer.is_ipv4() != self.relayed.is_ipv4() {
            return Err(443);
        }
        self.permissions
            .insert(peer.ip(), now + PERMISSION_LIFETIME);
        Ok(())
    }

    fn bind(&mut self, message: &Message, now: Instant) -> Result<(), u16> {
        let peer = address(message, ATTR_XOR_PEER_ADDRESS).ok_or(400_u16)?;
        let number = message.get(ATTR_CHANNEL_NUMBER).map_err(|_| 400_u16)?;
        let channel = match number[..] {
            [a, b, ..] => u16::from_be_bytes([a, b]),
            _ => return Err(400),
        };
        let other_peer = self.channels.get(&channel).is_some_and(|it| *it != peer);
        let other_channel = self
            .channels
            .iter()
            .any(|(no, it)| *it == peer && *no != channel);
        if !CHANNELS.contains(&channel) || other_peer || other_channel {
            return Err(400);
        }
        self.permit(message, now)?;
        self.channels.insert(channel, peer);
        Ok(())
    }
}

type Attributes = Vec<(AttrType, Vec<u8>)>;

fn success(request: &Message) -> Message {
    message(
        request.typ.method,
        CLASS_SUCCESS_RESPONSE,
        request.transaction_id,
    )
}

fn refuse(wire: &Wire, request: &Message, code: u16) {
    wire.send(error(request, code).raw);
}
