//! TURN messages read and written (RFC 8656 sections 18 and 12.4). Reading allocates nothing.

use crate::transport::io::Path;
use crate::transport::stun::{
    self, FINGERPRINT, HEADER_LEN, INTEGRITY_LEN, MAGIC_COOKIE, MESSAGE_INTEGRITY, Malformed,
    OPTIONAL_FROM, RESPONSE_LEN_MAX, TransactionId, UNKNOWN_MAX, USERNAME, Writer,
    XOR_MAPPED_ADDRESS,
};
use ring::hmac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

/// The length of the head of channel data: its number and its length.
pub(in crate::transport) const CHANNEL_HEAD_LEN: usize = 4;
/// The transport that allocations are asked for: UDP.
pub(super) const UDP: u8 = 17;
/// Peers that one request may name. Clients name one at a time.
const PEERS_MAX: usize = 8;

const SEND_INDICATION: u16 = 0x0016;
const DATA_INDICATION: u16 = 0x0017;
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

const CHANNEL_NUMBER: u16 = 0x000C;
const LIFETIME: u16 = 0x000D;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const DONT_FRAGMENT: u16 = 0x001A;

/// Matches nothing, since a Data indication is never answered.
const DATA_TRANSACTION: TransactionId = *b"snug-forward";

/// What a client says.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one call, and reading must not allocate"
)]
pub(super) enum Message<'a> {
    /// It wants something done.
    Request(Request<'a>),
    /// It sends what `range` of the message holds.
    Send {
        peer: SocketAddr,
        range: Range<usize>,
    },
    /// Nothing that is for a TURN server.
    Other,
}

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Allocate = 0x0003,
    Refresh = 0x0004,
    CreatePermission = 0x0008,
    ChannelBind = 0x0009,
}

/// A family of addresses, as requests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    Unknown,
}

/// A request, not yet authenticated.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) transaction: TransactionId,
    pub(super) transport: Option<u8>,
    /// In seconds.
    pub(super) lifetime: Option<u32>,
    pub(super) family: Option<Family>,
    pub(super) channel: Option<u16>,
    peers: [Option<SocketAddr>; PEERS_MAX],
    peer_count: usize,
    username: Option<&'a str>,
    realm: Option<&'a str>,
    nonce: Option<&'a [u8]>,
    unknown: [u16; UNKNOWN_MAX],
    unknown_count: usize,
    /// Everything before the integrity attribute, and the attribute's value.
    signed: &'a [u8],
    tag: Option<&'a [u8]>,
}

/// Who a request says it is from.
pub(super) struct Credentials<'a> {
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) nonce: &'a [u8],
}

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest,
    Unauthenticated,
    Forbidden,
    UnknownAttribute,
    NoAllocation,
    StaleNonce,
    UnsupportedFamily,
    WrongCredentials,
    UnsupportedTransport,
    FamilyMismatch,
    QuotaReached,
}

/// What became of an authenticated request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Made {
        relayed: SocketAddr,
        lifetime: Duration,
    },
    Refreshed(Duration),
    Done,
    Error(Refusal),
}

impl Refusal {
    /// Returns its number on the wire (RFC 8489 section 14.8, RFC 8656 section 19).
    fn code(self) -> u16 {
        match self {
            Refusal::BadRequest => 400,
            Refusal::Unauthenticated => 401,
            Refusal::Forbidden => 403,
            Refusal::UnknownAttribute => 420,
            Refusal::NoAllocation => 437,
            Refusal::StaleNonce => 438,
            Refusal::UnsupportedFamily => 440,
            Refusal::WrongCredentials => 441,
            Refusal::UnsupportedTransport => 442,
            Refusal::FamilyMismatch => 443,
            Refusal::QuotaReached => 486,
        }
    }
}

impl Method {
    fn of(kind: u16) -> Option<Self> {
        use Method::{Allocate, ChannelBind, CreatePermission, Refresh};
        [Allocate, Refresh, CreatePermission, ChannelBind]
            .into_iter()
            .find(|method| *method as u16 == kind)
    }
}

/// Reads a message whose length [`stun::parse`] has checked.
pub(super) fn parse(data: &[u8]) -> Result<Message<'_>, Malformed> {
    let head = data
        .first_chunk::<HEADER_LEN>()
        .ok_or(Malformed::Structure)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&head[8..]);
    if kind == SEND_INDICATION {
        return parse_send(data, &transaction);
    }
    match Method::of(kind) {
        Some(method) => parse_request(data, method, transaction).map(Message::Request),
        None => Ok(Message::Other),
    }
}

fn parse_send<'a>(data: &'a [u8], transaction: &TransactionId) -> Result<Message<'a>, Malformed> {
    let (mut peer, mut range) = (None, None);
    for attribute in stun::attributes(data) {
        let (kind, value, at) = attribute?;
        match kind {
            XOR_PEER_ADDRESS => peer = Some(read_address(value, transaction)?),
            DATA => range = Some(at + 4..at + 4 + value.len()),
            DONT_FRAGMENT | OPTIONAL_FROM.. => {}
            _ => return Err(Malformed::Structure),
        }
    }
    let (peer, range) = peer.zip(range).ok_or(Malformed::Structure)?;
    Ok(Message::Send { peer, range })
}

fn parse_request(
    data: &[u8],
    method: Method,
    transaction: TransactionId,
) -> Result<Request<'_>, Malformed> {
    let mut request = Request {
        method,
        transaction,
        transport: None,
        lifetime: None,
        family: None,
        channel: None,
        peers: [None; PEERS_MAX],
        peer_count: 0,
        username: None,
        realm: None,
        nonce: None,
        unknown: [0; UNKNOWN_MAX],
        unknown_count: 0,
        signed: data,
        tag: None,
    };
    for attribute in stun::attributes(data) {
        let (kind, value, at) = attribute?;
        if kind == FINGERPRINT {
            stun::check_fingerprint(data, value, at)?;
        } else if request.tag.is_none() {
            // What follows the integrity tag is not protected by it.
            request.take(kind, value, data, at)?;
        }
    }
    Ok(request)
}

impl<'a> Request<'a> {
    fn take(
        &mut self,
        kind: u16,
        value: &'a [u8],
        data: &'a [u8],
        at: usize,
    ) -> Result<(), Malformed> {
        let text = || std::str::from_utf8(value).map_err(|_| Malformed::Structure);
        match kind {
            USERNAME => self.username = Some(text()?),
            REALM => self.realm = Some(text()?),
            NONCE => self.nonce = Some(value),
            MESSAGE_INTEGRITY if value.len() == INTEGRITY_LEN => {
                (self.tag, self.signed) = (Some(value), &data[..at]);
            }
            MESSAGE_INTEGRITY => return Err(Malformed::Structure),
            LIFETIME => self.lifetime = Some(u32::from_be_bytes(word(value)?)),
            REQUESTED_TRANSPORT => self.transport = Some(word(value)?[0]),
            CHANNEL_NUMBER => {
                let [high, low, ..] = word(value)?;
                self.channel = Some(u16::from_be_bytes([high, low]));
            }
            REQUESTED_ADDRESS_FAMILY => {
                self.family = Some(match word(value)?[0] {
                    1 => Family::V4,
                    2 => Family::V6,
                    _ => Family::Unknown,
                });
            }
            XOR_PEER_ADDRESS => {
                let peer = read_address(value, &self.transaction)?;
                let place = self.peers.get_mut(self.peer_count);
                *place.ok_or(Malformed::Structure)? = Some(peer);
                self.peer_count += 1;
            }
            DONT_FRAGMENT | OPTIONAL_FROM.. => {}
            _ if self.unknown_count < UNKNOWN_MAX => {
                self.unknown[self.unknown_count] = kind;
                self.unknown_count += 1;
            }
            _ => return Err(Malformed::Structure),
        }
        Ok(())
    }

    /// Returns the integrity tag, which only those who know the password can make.
    pub(super) fn tag(&self) -> Option<&[u8]> {
        self.tag
    }

    /// Returns who it says it is from, if it says all of that.
    pub(super) fn credentials(&self) -> Option<Credentials<'a>> {
        Some(Credentials {
            username: self.username?,
            realm: self.realm?,
            nonce: self.nonce?,
        })
    }

    /// Tells whether the sender knows the password of this key.
    pub(super) fn is_authentic(&self, key: &hmac::Key) -> bool {
        self.tag
            .is_some_and(|tag| stun::is_authentic(self.signed, tag, key))
    }

    /// Returns the attributes that had to be understood, but are not.
    pub(super) fn unknown(&self) -> &[u16] {
        &self.unknown[..self.unknown_count]
    }

    /// Iterates over the peers that it names.
    pub(super) fn peers(&self) -> impl Iterator<Item = SocketAddr> + Clone {
        self.peers[..self.peer_count].iter().flatten().copied()
    }
}

fn word(value: &[u8]) -> Result<[u8; 4], Malformed> {
    value.try_into().map_err(|_| Malformed::Structure)
}

/// Reads an address that is mixed with the cookie and the transaction (RFC 8489 section 14.2).
fn read_address(value: &[u8], transaction: &TransactionId) -> Result<SocketAddr, Malformed> {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let mut mask = cookie.into_iter().chain(*transaction);
    let mut unmask = |byte: &u8| byte ^ mask.next().unwrap_or_default();
    let (ip, port) = match value {
        [_, 1, p0, p1, rest @ ..] => {
            let octets = <[u8; 4]>::try_from(rest).map_err(|_| Malformed::Structure)?;
            let octets = octets.each_ref().map(&mut unmask);
            (IpAddr::V4(Ipv4Addr::from(octets)), [p0, p1])
        }
        [_, 2, p0, p1, rest @ ..] => {
            let octets = <[u8; 16]>::try_from(rest).map_err(|_| Malformed::Structure)?;
            let octets = octets.each_ref().map(&mut unmask);
            (IpAddr::V6(Ipv6Addr::from(octets)), [p0, p1])
        }
        _ => return Err(Malformed::Structure),
    };
    let port = u16::from_be_bytes([port[0] ^ cookie[0], port[1] ^ cookie[1]]);
    Ok(SocketAddr::new(ip.to_canonical(), port))
}

/// Reads channel data: its number, and where its payload lies. Padding is left out.
pub(super) fn channel_data(data: &[u8]) -> Option<(u16, Range<usize>)> {
    let head = data.first_chunk::<CHANNEL_HEAD_LEN>()?;
    let number = u16::from_be_bytes([head[0], head[1]]);
    let end = CHANNEL_HEAD_LEN + usize::from(u16::from_be_bytes([head[2], head[3]]));
    (end <= data.len()).then_some((number, CHANNEL_HEAD_LEN..end))
}

/// Makes channel data of the first `len` bytes of `slot`; returns the new length.
pub(super) fn write_channel_data(slot: &mut [u8], len: usize, number: u16) -> Option<usize> {
    let size = u16::try_from(len).ok()?;
    let end = CHANNEL_HEAD_LEN + len;
    if end > slot.len() {
        return None;
    }
    slot.copy_within(..len, CHANNEL_HEAD_LEN);
    slot[..2].copy_from_slice(&number.to_be_bytes());
    slot[2..CHANNEL_HEAD_LEN].copy_from_slice(&size.to_be_bytes());
    Some(end)
}

/// Makes a Data indication from `peer` of the first `len` bytes of `slot`; returns the new length.
pub(super) fn write_data(slot: &mut [u8], len: usize, peer: SocketAddr) -> Option<usize> {
    let mut head = [0; RESPONSE_LEN_MAX];
    let mut writer = Writer::new(&mut head, DATA_INDICATION, &DATA_TRANSACTION);
    writer.address(XOR_PEER_ADDRESS, peer, &DATA_TRANSACTION);
    let head_len = writer.finish_with_room(DATA, len)?;
    let end = (head_len + len).next_multiple_of(4);
    if end > slot.len() {
        return None;
    }
    slot.copy_within(..len, head_len);
    slot[..head_len].copy_from_slice(&head[..head_len]);
    slot[head_len + len..end].fill(0);
    Some(end)
}

/// Writes what tells a stranger how to name itself; returns its length.
pub(super) fn write_challenge(
    out: &mut [u8; RESPONSE_LEN_MAX],
    request: &Request<'_>,
    refusal: Refusal,
    realm: &str,
    nonce: &[u8],
) -> usize {
    let kind = request.method as u16 | ERROR;
    let mut writer = Writer::new(out, kind, &request.transaction);
    writer.error(refusal.code());
    writer.attribute(REALM, realm.as_bytes());
    writer.attribute(NONCE, nonce);
    writer.finish_unsigned()
}

/// Writes an error that nothing vouches for; returns its length.
pub(super) fn write_bare_error(
    out: &mut [u8; RESPONSE_LEN_MAX],
    request: &Request<'_>,
    refusal: Refusal,
) -> usize {
    let kind = request.method as u16 | ERROR;
    let mut writer = Writer::new(out, kind, &request.transaction);
    writer.error(refusal.code());
    writer.finish_unsigned()
}

/// Writes the answer to an authenticated request; returns its length.
pub(super) fn write_verdict(
    out: &mut [u8; RESPONSE_LEN_MAX],
    request: &Request<'_>,
    verdict: &Verdict,
    client: Path,
    key: &hmac::Key,
) -> usize {
    let class = if matches!(verdict, Verdict::Error(_)) {
        ERROR
    } else {
        SUCCESS
    };
    let transaction = &request.transaction;
    let mut writer = Writer::new(out, request.method as u16 | class, transaction);
    let seconds = |time: &Duration| {
        u32::try_from(time.as_secs())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
    };
    match verdict {
        Verdict::Made { relayed, lifetime } => {
            writer.address(XOR_RELAYED_ADDRESS, *relayed, transaction);
            writer.attribute(LIFETIME, &seconds(lifetime));
            writer.address(XOR_MAPPED_ADDRESS, client.remote, transaction);
        }
        Verdict::Refreshed(lifetime) => writer.attribute(LIFETIME, &seconds(lifetime)),
        Verdict::Done => {}
        Verdict::Error(refusal) => {
            writer.error(refusal.code());
            if *refusal == Refusal::UnknownAttribute {
                writer.unknown_attributes(request.unknown());
            }
        }
    }
    writer.finish(key)
}
