//! The part of STUN that an ICE-lite server speaks: Binding requests in, Binding responses out
//! (RFC 8489, RFC 8445 section 7). Also what TURN messages are read and written with; see `turn`.

use ring::hmac;
use std::net::{IpAddr, SocketAddr};

pub(super) const HEADER_LEN: usize = 20;
pub(super) const MAGIC_COOKIE: u32 = 0x2112_A442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_INDICATION: u16 = 0x0011;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
pub(super) const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const INTEGRITY_LEN: usize = 20;
/// What the CRC of a fingerprint is mixed with: "STUN" (RFC 8489 section 14.7).
const FINGERPRINT_MIX: u32 = 0x5354_554E;
/// Attributes below this number must be understood (RFC 8489 section 14).
pub(super) const OPTIONAL_FROM: u16 = 0x8000;
/// The most unknown attributes that an answer lists; more in one request is nonsense.
pub(super) const UNKNOWN_MAX: usize = 4;

/// The longest response: header, an IPv6 address or an error with four unknown attributes,
/// integrity and fingerprint.
pub(super) const RESPONSE_LEN_MAX: usize = 128;

/// Identifies a request and its response.
pub(super) type TransactionId = [u8; 12];

/// What a STUN datagram is.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Request(Request<'a>),
    /// A keepalive, which wants no answer.
    Indication,
    /// A method or class that is not ICE's: TURN's, perhaps.
    Other,
}

/// A Binding request, not yet authenticated.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) transaction: TransactionId,
    /// Our user name fragment and the sender's.
    pub(super) username: (&'a str, &'a str),
    /// Whether the sender nominates the path.
    pub(super) use_candidate: bool,
    /// Whether the sender believes to be controlled, which is our part.
    pub(super) is_controlled: bool,
    /// Attributes that had to be understood, but are not.
    unknown: [u16; UNKNOWN_MAX],
    unknown_count: usize,
    /// Everything before the integrity attribute, and the attribute's value.
    signed: &'a [u8],
    tag: &'a [u8],
}

/// Why a STUN datagram is no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It is not STUN, or an attribute does not fit.
    Structure,
    /// It lacks a user name or an integrity tag.
    Unauthenticated,
    /// Its fingerprint is wrong.
    Fingerprint,
}

/// An attribute: its type, its value, where it starts.
type Attribute<'a> = (u16, &'a [u8], usize);

/// Reads a STUN datagram.
///
/// # Errors
/// [`Malformed`] when the datagram is to be dropped without an answer.
pub(super) fn parse(data: &[u8]) -> Result<Message<'_>, Malformed> {
    let head = data
        .first_chunk::<HEADER_LEN>()
        .ok_or(Malformed::Structure)?;
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let cookie = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if cookie != MAGIC_COOKIE || !len.is_multiple_of(4) || data.len() != HEADER_LEN + len {
        return Err(Malformed::Structure);
    }
    match u16::from_be_bytes([head[0], head[1]]) {
        BINDING_REQUEST => {}
        BINDING_INDICATION => return Ok(Message::Indication),
        _ => return Ok(Message::Other),
    }
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&head[8..]);
    parse_request(data, transaction).map(Message::Request)
}

fn parse_request(data: &[u8], transaction: TransactionId) -> Result<Request<'_>, Malformed> {
    let (mut username, mut tag, mut signed) = (None, None, data);
    let (mut use_candidate, mut is_controlled) = (false, false);
    let (mut unknown, mut unknown_count) = ([0; UNKNOWN_MAX], 0);
    for attribute in attributes(data) {
        let (kind, value, at) = attribute?;
        // What follows the integrity tag is not protected by it, so only the fingerprint counts
        // there (RFC 8489 section 14.5).
        if tag.is_some() && kind != FINGERPRINT {
            continue;
        }
        match kind {
            USERNAME => {
                username = std::str::from_utf8(value)
                    .ok()
                    .and_then(|name| name.split_once(':'))
            }
            MESSAGE_INTEGRITY => (tag, signed) = (Some(value), &data[..at]),
            USE_CANDIDATE => use_candidate = true,
            ICE_CONTROLLED => is_controlled = true,
            FINGERPRINT => check_fingerprint(data, value, at)?,
            PRIORITY | OPTIONAL_FROM.. => {}
            _ if unknown_count < UNKNOWN_MAX => {
                unknown[unknown_count] = kind;
                unknown_count += 1;
            }
            _ => return Err(Malformed::Structure),
        }
    }
    let username = username.ok_or(Malformed::Unauthenticated)?;
    let tag = tag
        .filter(|tag| tag.len() == INTEGRITY_LEN)
        .ok_or(Malformed::Unauthenticated)?;
    Ok(Request {
        transaction,
        username,
        use_candidate,
        is_controlled,
        unknown,
        unknown_count,
        signed,
        tag,
    })
}

/// Iterates over the attributes of a message whose length was checked; ends after an error.
pub(super) fn attributes(data: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    let mut at = HEADER_LEN;
    std::iter::from_fn(move || {
        let head = data.get(at..)?.first_chunk::<4>()?;
        let start = at + 4;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let Some(value) = data.get(start..start + len) else {
            at = data.len();
            return Some(Err(Malformed::Structure));
        };
        let found = (u16::from_be_bytes([head[0], head[1]]), value, at);
        at = start + len.next_multiple_of(4);
        Some(Ok(found))
    })
}

/// Checks the fingerprint attribute of a message, which starts at `at`.
pub(super) fn check_fingerprint(data: &[u8], value: &[u8], at: usize) -> Result<(), Malformed> {
    let expected = crc32(&data[..at]) ^ FINGERPRINT_MIX;
    let is_right = value == expected.to_be_bytes() && at + 8 == data.len();
    is_right.then_some(()).ok_or(Malformed::Fingerprint)
}

/// Tells whether `tag`, of [`INTEGRITY_LEN`] bytes, was made with this key for a message that
/// begins with `signed`.
pub(super) fn is_authentic(signed: &[u8], tag: &[u8], key: &hmac::Key) -> bool {
    // The tag covers the message as if it ended with the tag (RFC 8489 section 14.5).
    let Some((head, rest)) = signed.split_first_chunk::<HEADER_LEN>() else {
        return false;
    };
    let mut context = hmac::Context::with_key(key);
    context.update(&with_len(*head, rest.len() + 4 + INTEGRITY_LEN));
    context.update(rest);
    let difference = context
        .sign()
        .as_ref()
        .iter()
        .zip(tag)
        .fold(0, |sum, (one, two)| sum | (one ^ two));
    difference == 0
}

impl Request<'_> {
    /// Tells whether the sender knows our password.
    pub(super) fn is_authentic(&self, password: &hmac::Key) -> bool {
        is_authentic(self.signed, self.tag, password)
    }

    /// Returns the attributes that had to be understood, but are not.
    pub(super) fn unknown(&self) -> &[u16] {
        &self.unknown[..self.unknown_count]
    }
}

/// Makes the key that signs with an ICE password (short-term credentials, RFC 8489 section 9.1).
pub(super) fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// Writes the response that tells the sender which address it has; returns its length.
pub(super) fn write_success(
    out: &mut [u8; RESPONSE_LEN_MAX],
    transaction: &TransactionId,
    seen: SocketAddr,
    password: &hmac::Key,
) -> usize {
    let mut writer = Writer::new(out, BINDING_SUCCESS, transaction);
    writer.address(XOR_MAPPED_ADDRESS, seen, transaction);
    writer.finish(password)
}

/// Writes an error response; returns its length. `unknown` goes with code 420.
pub(super) fn write_error(
    out: &mut [u8; RESPONSE_LEN_MAX],
    transaction: &TransactionId,
    code: u16,
    unknown: &[u16],
    password: &hmac::Key,
) -> usize {
    let mut writer = Writer::new(out, BINDING_ERROR, transaction);
    writer.error(code);
    if !unknown.is_empty() {
        writer.unknown_attributes(unknown);
    }
    writer.finish(password)
}

/// Writes attributes that all fit [`RESPONSE_LEN_MAX`].
pub(super) struct Writer<'a> {
    out: &'a mut [u8; RESPONSE_LEN_MAX],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        out: &'a mut [u8; RESPONSE_LEN_MAX],
        kind: u16,
        transaction: &TransactionId,
    ) -> Self {
        out[..2].copy_from_slice(&kind.to_be_bytes());
        out[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        out[8..HEADER_LEN].copy_from_slice(transaction);
        Self {
            out,
            len: HEADER_LEN,
        }
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.len + 4;
        let end = start + value.len();
        let padded = end.next_multiple_of(4);
        self.out[self.len..self.len + 2].copy_from_slice(&kind.to_be_bytes());
        self.out[self.len + 2..start].copy_from_slice(&(value.len() as u16).to_be_bytes());
        self.out[start..end].copy_from_slice(value);
        self.out[end..padded].fill(0);
        self.len = padded;
    }

    /// Writes an address mixed with the cookie and the transaction (RFC 8489 section 14.2).
    pub(super) fn address(&mut self, kind: u16, address: SocketAddr, transaction: &TransactionId) {
        let mut value = [0; 20];
        let mask = MAGIC_COOKIE.to_be_bytes().into_iter().chain(*transaction);
        value[2..4].copy_from_slice(&(address.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes());
        let end = match address.ip().to_canonical() {
            IpAddr::V4(address) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&address.octets());
                8
            }
            IpAddr::V6(address) => {
                value[1] = 2;
                value[4..].copy_from_slice(&address.octets());
                20
            }
        };
        value[4..end]
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        self.attribute(kind, &value[..end]);
    }

    /// Writes an error by its number.
    pub(super) fn error(&mut self, code: u16) {
        // Class and number; the reason phrase is for people and stays empty.
        self.attribute(ERROR_CODE, &[0, 0, (code / 100) as u8, (code % 100) as u8]);
    }

    /// Writes the first few of these attributes as not understood.
    pub(super) fn unknown_attributes(&mut self, unknown: &[u16]) {
        let mut list = [0; 2 * UNKNOWN_MAX];
        let (pairs, _) = list.as_chunks_mut::<2>();
        pairs
            .iter_mut()
            .zip(unknown)
            .for_each(|(pair, kind)| *pair = kind.to_be_bytes());
        self.attribute(
            UNKNOWN_ATTRIBUTES,
            &list[..2 * unknown.len().min(UNKNOWN_MAX)],
        );
    }

    /// Ends the message without a signature; returns its length.
    pub(super) fn finish_unsigned(mut self) -> usize {
        self.set_len(0);
        self.len
    }

    /// Ends the message with the head of an attribute whose `len` bytes follow elsewhere. Returns
    /// the length so far; none when it is longer than a message can be.
    pub(super) fn finish_with_room(mut self, kind: u16, len: usize) -> Option<usize> {
        let size = u16::try_from(len).ok()?;
        let head = self.len;
        self.attribute(kind, &[]);
        self.out[head + 2..head + 4].copy_from_slice(&size.to_be_bytes());
        u16::try_from(self.len + len.next_multiple_of(4)).ok()?;
        self.set_len(len.next_multiple_of(4));
        Some(self.len)
    }

    /// Writes the message's length as if `more` bytes followed.
    fn set_len(&mut self, more: usize) {
        let len = (self.len - HEADER_LEN + more) as u16;
        self.out[2..4].copy_from_slice(&len.to_be_bytes());
    }

    /// Signs and fingerprints the message; returns its length.
    pub(super) fn finish(mut self, password: &hmac::Key) -> usize {
        self.set_len(4 + INTEGRITY_LEN);
        let tag = hmac::sign(password, &self.out[..self.len]);
        self.attribute(MESSAGE_INTEGRITY, tag.as_ref());
        self.set_len(8);
        let check = crc32(&self.out[..self.len]) ^ FINGERPRINT_MIX;
        self.attribute(FINGERPRINT, &check.to_be_bytes());
        self.len
    }
}

fn with_len(mut head: [u8; HEADER_LEN], len: usize) -> [u8; HEADER_LEN] {
    // A datagram's length fits 16 bits.
    head[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    head
}

/// The CRC-32 of ITU V.42 (RFC 8489 section 14.7). A check is a hundred bytes and comes a few
/// times a second, so a small table does.
fn crc32(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 {
                    value >> 1 ^ 0xEDB8_8320
                } else {
                    value >> 1
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    let step = |crc: u32, byte: &u8| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)];
    !data.iter().fold(u32::MAX, step)
}

#[cfg(test)]
pub(super) mod tests;
