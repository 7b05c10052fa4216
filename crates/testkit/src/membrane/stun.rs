//! Small pieces of STUN (RFC 8489) that the relay and ICE share.

use std::net::SocketAddr;

use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, ATTR_XORMAPPED_ADDRESS, AttrType};
use rtc_stun::error_code::{ErrorCode, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_BINDING,
    Message, MessageClass, MessageType, Method, Setter as _, TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

/// Begins a message.
pub(super) fn message(method: Method, class: MessageClass, id: TransactionId) -> Message {
    let mut message = Message::new();
    message.write_header();
    message.set_type(MessageType::new(method, class));
    message.transaction_id = id;
    message.write_transaction_id();
    message
}

/// Begins the refusal of a request.
pub(super) fn error(request: &Message, code: u16) -> Message {
    let mut answer = message(
        request.typ.method,
        CLASS_ERROR_RESPONSE,
        request.transaction_id,
    );
    let attribute = ErrorCodeAttribute {
        code: ErrorCode(code),
        reason: Vec::new(),
    };
    attribute.add_to(&mut answer).expect("an empty reason fits");
    answer
}

/// Adds an address as `kind` writes them.
pub(super) fn put_address(message: &mut Message, kind: AttrType, address: SocketAddr) {
    let (ip, port) = (address.ip(), address.port());
    let attribute = XorMappedAddress { ip, port };
    attribute
        .add_to_as(message, kind)
        .expect("an address always fits");
}

/// Reads the address that stands as `kind`.
pub(super) fn address(message: &Message, kind: AttrType) -> Option<SocketAddr> {
    let mut found = XorMappedAddress::default();
    found.get_from_as(message, kind).ok()?;
    Some(SocketAddr::new(found.ip, found.port))
}

/// Signs a message with a key.
pub(super) fn sign(message: &mut Message, key: &[u8], crypto: &dyn RTCCrypto) {
    let integrity = MessageIntegrity::new_raw_integrity_with_provider(key, crypto);
    integrity.add_to(message).expect("HMAC-SHA1 is there");
}

/// A connectivity check (RFC 8445 section 7).
pub(super) struct Check {
    request: Message,
    /// Whether it nominates its pair.
    pub(super) nominates: bool,
}

impl Check {
    /// Reads a binding request; anything else is none.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut request = Message::new();
        request.unmarshal_binary(data).ok()?;
        let wanted = MessageType::new(METHOD_BINDING, CLASS_REQUEST);
        (request.typ == wanted).then(|| Self {
            nominates: request.get(ATTR_USE_CANDIDATE).is_ok(),
            request,
        })
    }

    /// Answers it. The engine answers every check, and never compares a password: it only signs
    /// with its own.
    pub(super) fn success(&self, from: SocketAddr, pwd: &str, crypto: &dyn RTCCrypto) -> Vec<u8> {
        let id = self.request.transaction_id;
        let mut answer = message(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, id);
        if let Ok(name) = self.request.get(ATTR_USERNAME) {
            answer.add(ATTR_USERNAME, &name);
        }
        put_address(&mut answer, ATTR_XORMAPPED_ADDRESS, from);
        finish(answer, pwd, crypto)
    }
}

/// Makes the indication that keeps a path open, signed with the peer's own password.
pub(super) fn keepalive(password: &str, crypto: &dyn RTCCrypto) -> Vec<u8> {
    let indication = message(METHOD_BINDING, CLASS_INDICATION, TransactionId::new());
    finish(indication, password, crypto)
}

fn finish(mut message: Message, password: &str, crypto: &dyn RTCCrypto) -> Vec<u8> {
    sign(&mut message, password.as_bytes(), crypto);
    FINGERPRINT
        .add_to(&mut message)
        .expect("a fingerprint always fits");
    message.raw
}
