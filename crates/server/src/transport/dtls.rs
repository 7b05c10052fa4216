//! One peer's DTLS, as server (RFC 6347, RFC 5764, RFC 8842).
//!
//! Rules, each found the hard way: the library knows its connection by an address, so it is
//! given a constant one, and changes of path never touch it. The client's order decides among
//! protection profiles, so the first attempt knows AES-128-GCM alone, the cheapest; when the
//! client does not, its datagrams so far are replayed into a second attempt that knows the
//! others, which costs no round trip. The certificate must have the digest that the offer
//! announced before any key is exported. The library parses what strangers send: a panic in it
//! ends this peer's session and nothing else.

use super::RejectReason;
use super::srtp::{Profile, Session};
use bytes::BytesMut;
use ring::digest;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::config::{
    ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, VerifyPeerCertificateFn,
};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as DtlsError;
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The address by which the library knows the one connection of an endpoint.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// How long to wait before the first two repetitions of a flight; a LAN answers in a few.
/// Afterwards the wait doubles, so that the library's seven repetitions last 6 s.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(100);
/// Datagrams kept for the second attempt. A client's first flight is one or two fragments, and
/// is decided upon before the second flight comes.
const KEPT_MAX: usize = 8;
/// Bytes that a client may spend on handshaking: five times what one takes, for repetitions and
/// large certificates. The library keeps whatever may belong to a handshake, and each fragment
/// makes it go through all that came before: without a bound anybody in a room could fill the
/// server's memory, or stop the media thread: 130 kB of one-byte fragments took it a minute.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// The length of a record's head, and the content type of handshake records (RFC 6347 section
/// 4.1).
const RECORD_HEAD_LEN: usize = 13;
const HANDSHAKE: u8 = 22;
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The profiles of the first attempt, then of the second.
const ATTEMPTS: [&[SrtpProtectionProfile]; 2] = [
    &[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm],
    &[
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    ],
];

/// The server's DTLS certificate, new at each start.
pub(super) struct Identity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: [u8; 32],
}

impl Identity {
    /// Makes a self-signed certificate; it names nobody.
    pub(super) fn generate() -> Result<Self, String> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let names = vec!["snug".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| error.to_string())?;
        let leaf = certificate
            .certificate
            .first()
            .ok_or("the certificate is empty")?;
        let fingerprint = sha256(leaf.as_ref());
        Ok(Self {
            certificate,
            provider,
            fingerprint,
        })
    }

    /// Returns the SHA-256 of the certificate, for `a=fingerprint`.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// What a datagram or a timer led to.
pub(super) enum Outcome {
    /// The handshake is done; these keys protect the media.
    Connected(Box<Session>),
    /// The peer ended the session.
    Closed,
    /// The peer cannot be let in.
    Rejected(RejectReason),
    /// The datagram is no use, and harmless.
    Failed,
    /// Application data came, which nobody waits for yet.
    Data,
}

/// The DTLS state of one peer.
pub(super) struct Dtls {
    identity: Arc<Identity>,
    expected: [u8; 32],
    endpoint: Endpoint,
    attempt: usize,
    kept: Vec<BytesMut>,
    is_mismatch: Arc<AtomicBool>,
    is_connected: bool,
    handshake_bytes: usize,
    repetitions: u32,
    /// The library panicked: it is not called again.
    is_broken: Cell<bool>,
}

impl Dtls {
    /// Waits for a client whose certificate has the digest `expected`.
    pub(super) fn new(identity: Arc<Identity>, expected: [u8; 32]) -> Result<Self, RejectReason> {
        let is_mismatch = Arc::new(AtomicBool::new(false));
        let endpoint = open(&identity, expected, &is_mismatch, ATTEMPTS[0])?;
        Ok(Self {
            identity,
            expected,
            endpoint,
            attempt: 0,
            kept: Vec::new(),
            is_mismatch,
            is_connected: false,
            handshake_bytes: 0,
            repetitions: 0,
            is_broken: Cell::new(false),
        })
    }

    /// Takes a datagram in. [`poll_transmit`](Self::poll_transmit) has to be drained afterwards,
    /// also after a rejection: the alert tells the client.
    pub(super) fn handle_datagram(&mut self, data: &[u8], now: Instant) -> Option<Outcome> {
        if !self.affords(data) {
            // Once connected, it may be somebody else with a forged source.
            return Some(match self.is_connected {
                true => Outcome::Failed,
                false => Outcome::Rejected(RejectReason::HandshakeFailed),
            });
        }
        let data = BytesMut::from(data);
        let can_retry = self.attempt + 1 < ATTEMPTS.len() && !self.is_connected;
        if can_retry && self.kept.len() < KEPT_MAX {
            self.kept.push(data.clone());
        }
        match self.read(data, now) {
            Err(DtlsError::ErrServerNoMatchingSrtpProfile) if can_retry => self.retry(now),
            result => self.conclude(result),
        }
    }

    /// Counts what belongs to the handshake, or may be kept until it is done.
    fn affords(&mut self, data: &[u8]) -> bool {
        if self.is_connected && !has_handshake(data) {
            return true;
        }
        self.handshake_bytes = self.handshake_bytes.saturating_add(data.len());
        self.handshake_bytes <= HANDSHAKE_BYTES_MAX
    }

    /// Starts again with the other profiles, from what came so far.
    fn retry(&mut self, now: Instant) -> Option<Outcome> {
        self.attempt += 1;
        let profiles = ATTEMPTS[self.attempt];
        // The old endpoint goes together with the alert that it has queued.
        match open(&self.identity, self.expected, &self.is_mismatch, profiles) {
            Ok(endpoint) => self.endpoint = endpoint,
            Err(reason) => return Some(Outcome::Rejected(reason)),
        }
        let mut outcome = None;
        for data in std::mem::take(&mut self.kept) {
            let result = self.read(data, now);
            outcome = self.conclude(result).or(outcome);
        }
        outcome
    }

    fn read(&mut self, data: BytesMut, now: Instant) -> Result<Vec<EndpointEvent>, DtlsError> {
        let endpoint = &mut self.endpoint;
        guarded(&self.is_broken, || endpoint.read(now, PEER, None, data))
            .unwrap_or(Err(DtlsError::ErrInvalidFsmTransition))
    }

    fn conclude(&mut self, result: Result<Vec<EndpointEvent>, DtlsError>) -> Option<Outcome> {
        if self.is_mismatch.load(Ordering::Relaxed) {
            return Some(Outcome::Rejected(RejectReason::FingerprintMismatch));
        }
        let events = match result {
            Ok(events) => events,
            Err(DtlsError::ErrServerNoMatchingSrtpProfile) => {
                return Some(Outcome::Rejected(RejectReason::NoCommonProfile));
            }
            Err(DtlsError::ErrInvalidFsmTransition) if !self.is_connected => {
                return Some(Outcome::Rejected(RejectReason::HandshakeFailed));
            }
            Err(error) => {
                tracing::trace!(%error, "a DTLS datagram failed");
                return Some(Outcome::Failed);
            }
        };
        self.repetitions = 0;
        let mut outcome = None;
        for event in events {
            outcome = match event {
                EndpointEvent::HandshakeComplete => Some(self.connect()),
                EndpointEvent::PeerClosed => Some(Outcome::Closed),
                EndpointEvent::ApplicationData(_) => outcome.or(Some(Outcome::Data)),
                _ => outcome,
            };
        }
        outcome
    }

    /// Checks the certificate once more and exports the keys.
    fn connect(&mut self) -> Outcome {
        self.is_connected = true;
        self.kept = Vec::new();
        let exported = guarded(&self.is_broken, || self.export());
        exported.unwrap_or(Outcome::Rejected(RejectReason::HandshakeFailed))
    }

    fn export(&self) -> Outcome {
        let Some(state) = self.endpoint.get_connection_state(PEER) else {
            return Outcome::Rejected(RejectReason::HandshakeFailed);
        };
        let leaf = state.peer_certificates.first();
        if leaf.is_none_or(|leaf| sha256(leaf) != self.expected) {
            return Outcome::Rejected(RejectReason::FingerprintMismatch);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::Gcm128,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Profile::Gcm256,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Cm128Sha1,
            _ => return Outcome::Rejected(RejectReason::NoCommonProfile),
        };
        let len = profile.keying_material_len();
        let session = state
            .export_keying_material(EXPORTER_LABEL, &[], len)
            .ok()
            .and_then(|material| {
                let crypto = self.identity.provider.crypto();
                Session::new(profile, material.as_ref(), crypto).ok()
            });
        session.map_or(
            Outcome::Rejected(RejectReason::HandshakeFailed),
            |session| {
                tracing::debug!(?profile, "media keys are agreed");
                Outcome::Connected(Box::new(session))
            },
        )
    }

    /// Returns the next datagram to send.
    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        let endpoint = &mut self.endpoint;
        let transmit = guarded(&self.is_broken, || endpoint.poll_transmit()).flatten();
        transmit.map(|transmit| transmit.message)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is next due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.is_connected {
            return None;
        }
        let due = guarded(&self.is_broken, || self.endpoint.poll_timeout(&PEER)).flatten()?;
        // The library repeats evenly; what it is given later doubles the wait from the third on.
        let factor = (1u32 << self.repetitions.min(8)) / 2;
        Some(due + FLIGHT_INTERVAL * factor.saturating_sub(1))
    }

    /// Repeats a flight that was not answered, when it is time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        if self.deadline().is_none_or(|due| now < due) {
            return None;
        }
        self.repetitions += 1;
        let endpoint = &mut self.endpoint;
        let repeated = guarded(&self.is_broken, || endpoint.handle_timeout(PEER, now));
        let is_alive = matches!(repeated, Some(Ok(())));
        (!is_alive).then_some(Outcome::Rejected(RejectReason::HandshakeFailed))
    }

    /// Ends the session, leaving a close_notify to transmit.
    pub(super) fn close(&mut self, now: Instant) {
        let endpoint = &mut self.endpoint;
        let stopped = guarded(&self.is_broken, || endpoint.stop(now, PEER));
        if stopped.is_none() {
            tracing::debug!("a DTLS session did not end in order");
        }
    }
}

/// Calls into the library. After a panic in it nothing calls it again: what it left half-done
/// would most likely panic at every turn of the thread.
fn guarded<T>(is_broken: &Cell<bool>, call: impl FnOnce() -> T) -> Option<T> {
    if is_broken.get() {
        return None;
    }
    let result = catch_unwind(AssertUnwindSafe(call)).ok();
    if result.is_none() {
        tracing::warn!("a DTLS session broke");
        is_broken.set(true);
    }
    result
}

fn open(
    identity: &Identity,
    expected: [u8; 32],
    is_mismatch: &Arc<AtomicBool>,
    profiles: &[SrtpProtectionProfile],
) -> Result<Endpoint, RejectReason> {
    let is_mismatch = Arc::clone(is_mismatch);
    let verify: VerifyPeerCertificateFn = Arc::new(move |certificates, _| {
        if certificates
            .first()
            .is_some_and(|leaf| sha256(leaf) == expected)
        {
            return Ok(());
        }
        is_mismatch.store(true, Ordering::Relaxed);
        Err(DtlsError::Other(
            "the certificate is not the announced one".to_owned(),
        ))
    });
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(&identity.provider))
        .with_certificates(vec![identity.certificate.clone()])
        .with_srtp_protection_profiles(profiles.to_vec())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(verify))
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_flight_interval(FLIGHT_INTERVAL)
        .build(false, None)
        .map_err(|error| {
            tracing::warn!(%error, "no DTLS endpoint for a peer");
            RejectReason::HandshakeFailed
        })?;
    Ok(Endpoint::new(
        PEER,
        TransportProtocol::UDP,
        Some(Arc::new(config)),
    ))
}

/// Tells whether any record of a datagram is of a handshake.
fn has_handshake(mut data: &[u8]) -> bool {
    while let Some(head) = data.first_chunk::<RECORD_HEAD_LEN>() {
        if head[0] == HANDSHAKE {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([head[11], head[12]]));
        data = data.get(RECORD_HEAD_LEN + len..).unwrap_or_default();
    }
    false
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, data);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;
