//! What lets one peer use the TURN server.

use ring::hmac;
use rtc_crypto::providers::RingProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider as _};
use std::fmt;
use std::net::SocketAddr;

use super::challenge::REALM;

/// Our addresses that one peer may be told, and so may reach through an allocation: the one its
/// WebSocket arrived on and outside ones. The index of one fits a byte.
pub(super) const ADDRESSES_MAX: usize = 16;

/// Credentials for the TURN server of the media port, and what may be reached with them. A
/// secret: it has no readable `Debug`.
#[derive(Clone)]
pub struct RelayAccess {
    pub(super) username: String,
    pub(super) key: hmac::Key,
    pub(super) addresses: Vec<SocketAddr>,
}

impl RelayAccess {
    /// Makes long-term credentials (RFC 8489 section 9.2.2) of a user name and a password in
    /// ASCII, which may reach `addresses`: the candidates that the peer is told. Those beyond the
    /// sixteenth are left out.
    pub fn new(username: String, password: &str, addresses: &[SocketAddr]) -> Self {
        let text = format!("{username}:{REALM}:{password}");
        // MD5 is what every browser's TURN client speaks. Its weakness does not matter here: the
        // password is random, and a new one each time.
        let key = RingProvider::new()
            .crypto()
            .hash(HashAlgorithm::Md5, text.as_bytes())
            .expect("the provider keeps MD5 for exactly this");
        Self {
            username,
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key),
            addresses: addresses
                .iter()
                .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()))
                .take(ADDRESSES_MAX)
                .collect(),
        }
    }
}

impl fmt::Debug for RelayAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RelayAccess(..)")
    }
}
