//! STUN messages as bytes, built and read attribute by attribute (RFC 8489, RFC 8656).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ring::hmac;
use rtc_crypto::providers::RingProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider as _};

/// An Allocate request.
pub const ALLOCATE: u16 = 0x0003;
/// A Refresh request.
pub const REFRESH: u16 = 0x0004;
/// A Send indication.
pub const SEND: u16 = 0x0016;
/// A CreatePermission request.
pub const CREATE_PERMISSION: u16 = 0x0008;
/// A ChannelBind request.
pub const CHANNEL_BIND: u16 = 0x0009;
const BINDING: u16 = 0x0001;

/// Attributes.
pub const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
/// Which channel.
pub const CHANNEL_NUMBER: u16 = 0x000C;
/// How many seconds.
pub const LIFETIME: u16 = 0x000D;
/// Whom.
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// What is sent.
pub const DATA: u16 = 0x0013;
/// Whose credentials.
pub const REALM: u16 = 0x0014;
/// What the server said last.
pub const NONCE: u16 = 0x0015;
/// The address of an allocation.
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// IPv4 (1) or IPv6 (2).
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// UDP (17).
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// Where the server sees the client.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
/// Nominates a pair.
pub const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLING: u16 = 0x802A;
const FINGERPRINT: u16 = 0x8028;

/// Marks a success response.
const SUCCESS: u16 = 0x100;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEAD_LEN: usize = 20;

/// A STUN message.
#[derive(Clone, Debug)]
pub struct Message {
    /// All of it, as on the wire.
    pub bytes: Vec<u8>,
}

impl Message {
    /// Starts a message with a random transaction.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(rand::random::<[u8; 12]>());
        Self { bytes }
    }

    /// Makes an ICE check of the controlling side; `names` are the server's user name fragment
    /// and the client's.
    #[must_use]
    pub fn check(names: (&str, &str), password: &str, is_nominated: bool) -> Self {
        let mut check = Self::new(BINDING);
        check.add(USERNAME, format!("{}:{}", names.0, names.1).as_bytes());
        check.add(PRIORITY, &[0x6E, 0, 0, 0xFF]);
        check.add(ICE_CONTROLLING, &[1; 8]);
        if is_nominated {
            check.add(USE_CANDIDATE, &[]);
        }
        check.finish(password);
        check
    }

    /// Answers the check of somebody at this address, signed with one's own password.
    #[must_use]
    pub fn success(request: &Self, from: SocketAddr, password: &str) -> Self {
        let mut answer = Self::new(BINDING | SUCCESS);
        answer.bytes[8..HEAD_LEN].copy_from_slice(&request.transaction());
        answer.add_address(XOR_MAPPED_ADDRESS, from);
        answer.finish(password);
        answer
    }

    /// Tells whether it is a check, to be answered.
    #[must_use]
    pub fn is_check(&self) -> bool {
        self.bytes[..2] == BINDING.to_be_bytes()
    }

    /// Signs it with an ICE password and ends it with a fingerprint (RFC 8445 section 7.1.1).
    pub fn finish(&mut self, password: &str) {
        self.sign(password.as_bytes());
        self.set_len(8);
        let sum = crc32(&self.bytes) ^ 0x5354_554E;
        self.add(FINGERPRINT, &sum.to_be_bytes());
    }

    /// Reads a message; none when it is not one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let len = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        let is_stun = bytes.len() == HEAD_LEN + len && bytes[0] < 4 && bytes[4..8] == COOKIE;
        is_stun.then(|| Self {
            bytes: bytes.to_vec(),
        })
    }

    /// Returns what names the request and its answer.
    #[must_use]
    pub fn transaction(&self) -> [u8; 12] {
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&self.bytes[8..HEAD_LEN]);
        transaction
    }

    /// Tells whether it is a success response.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.bytes[0] & 1 == 1 && self.bytes[1] & 0x10 == 0
    }

    /// Appends an attribute.
    pub fn add(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(kind.to_be_bytes());
        let len = u16::try_from(value.len()).expect("attributes of tests are short");
        self.bytes.extend(len.to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.set_len(0);
    }

    /// Appends an address mixed with cookie and transaction.
    pub fn add_address(&mut self, kind: u16, address: SocketAddr) {
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend(mix(&address.port().to_be_bytes(), &COOKIE));
        match address.ip() {
            IpAddr::V4(ip) => value.extend(mix(&ip.octets(), &COOKIE)),
            IpAddr::V6(ip) => value.extend(mix(&ip.octets(), &self.bytes[4..HEAD_LEN])),
        }
        self.add(kind, &value);
    }

    /// Signs with a long-term credential.
    pub fn sign_long_term(&mut self, username: &str, realm: &[u8], password: &str) {
        let text = [username.as_bytes(), b":", realm, b":", password.as_bytes()].concat();
        let key = RingProvider::new().crypto().hash(HashAlgorithm::Md5, &text);
        self.sign(&key.expect("the provider knows MD5"));
    }

    fn sign(&mut self, key: &[u8]) {
        self.set_len(24);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let tag = hmac::sign(&key, &self.bytes);
        self.add(MESSAGE_INTEGRITY, tag.as_ref());
    }

    fn set_len(&mut self, more: usize) {
        let len = u16::try_from(self.bytes.len() - HEAD_LEN + more).expect("short messages");
        self.bytes[2..4].copy_from_slice(&len.to_be_bytes());
    }

    /// Returns the value of an attribute.
    #[must_use]
    pub fn get(&self, wanted: u16) -> Option<&[u8]> {
        let mut rest = &self.bytes[HEAD_LEN..];
        while let Some(head) = rest.first_chunk::<4>() {
            let kind = u16::from_be_bytes([head[0], head[1]]);
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            if kind == wanted {
                return rest.get(4..4 + len);
            }
            rest = rest.get(4 + len.next_multiple_of(4)..)?;
        }
        None
    }

    /// Returns the number of the error; 0 when it is none.
    #[must_use]
    pub fn error_code(&self) -> u16 {
        match self.get(ERROR_CODE) {
            Some([_, _, class, number, ..]) => u16::from(*class) * 100 + u16::from(*number),
            _ => 0,
        }
    }

    /// Returns an address that is mixed with cookie and transaction.
    #[must_use]
    pub fn address(&self, kind: u16) -> Option<SocketAddr> {
        let value = self.get(kind)?;
        let port = mix(value.get(2..4)?, &COOKIE);
        let octets = mix(value.get(4..)?, &self.bytes[4..HEAD_LEN]);
        let ip = match octets.len() {
            4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
            _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]])))
    }
}

fn mix(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    bytes.iter().zip(mask).map(|(one, two)| one ^ two).collect()
}

/// The CRC-32 of ITU V.42, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_attributes_come_back() {
        let mut message = Message::new(ALLOCATE);
        let addresses = ["192.0.2.1:9", "[2001:db8::1]:7684"].map(|text| text.parse().unwrap());
        message.add(USERNAME, b"abc");
        message.add_address(XOR_PEER_ADDRESS, addresses[0]);
        message.add_address(XOR_RELAYED_ADDRESS, addresses[1]);
        let read = Message::read(&message.bytes).unwrap();
        assert_eq!(read.get(USERNAME), Some(&b"abc"[..]));
        assert_eq!(read.address(XOR_PEER_ADDRESS), Some(addresses[0]));
        assert_eq!(read.address(XOR_RELAYED_ADDRESS), Some(addresses[1]));
        assert!(Message::read(&message.bytes[1..]).is_none());
    }

    /// RFC 8489 appendix B.1 has no long-term vector for SHA-1; RFC 5769 section 2.4 has.
    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
