//! The client's half of DTLS-SRTP by library parts, over whatever carries datagrams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

/// The DTLS library's name for the one other side.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Who one is to the other side: a certificate, which several connections may share.
#[derive(Clone)]
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
}

/// What seals and opens media of one connection.
pub struct Contexts {
    /// Seals what is sent.
    pub seal: Context,
    /// Opens what comes.
    pub open: Context,
}

/// What carries the handshake's datagrams.
pub trait Carrier {
    /// Sends one.
    ///
    /// # Errors
    /// When it cannot.
    fn send(&mut self, data: &[u8]) -> Result<()>;

    /// Waits for the next one, or for the end of the time. Whatever is no DTLS is passed over.
    ///
    /// # Errors
    /// When nothing can come any more.
    fn receive(&mut self, within: Duration) -> Result<Option<Vec<u8>>>;
}

impl Identity {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn generate() -> Result<Self> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let names = vec!["guest".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())?;
        Ok(Self {
            provider,
            certificate,
        })
    }

    /// Says the fingerprint as `a=fingerprint:sha-256` has it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.certificate.certificate[0]);
        let pairs: Vec<String> = digest
            .as_ref()
            .iter()
            .map(|it| format!("{it:02X}"))
            .collect();
        pairs.join(":")
    }

    /// Shakes hands as the client, repeating a flight that is not answered in `repeat`.
    ///
    /// # Errors
    /// When it does not come about within `patience`.
    pub fn shake(
        &self,
        carrier: &mut impl Carrier,
        repeat: Duration,
        patience: Duration,
    ) -> Result<Contexts> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(repeat)
            .build(true, None)?;
        let mut endpoint = Endpoint::new(SERVER, TransportProtocol::UDP, None);
        endpoint.connect(Instant::now(), SERVER, Arc::new(config), None)?;
        let deadline = Instant::now() + patience;
        let mut is_done = false;
        while !is_done {
            ensure!(Instant::now() < deadline, "the handshake takes too long");
            while let Some(sent) = endpoint.poll_transmit() {
                carrier.send(&sent.message)?;
            }
            let Some(data) = carrier.receive(repeat)? else {
                endpoint.handle_timeout(SERVER, Instant::now())?;
                continue;
            };
            let data = BytesMut::from(&data[..]);
            let events = endpoint.read(Instant::now(), SERVER, None, data)?;
            is_done = events
                .iter()
                .any(|event| matches!(event, EndpointEvent::HandshakeComplete));
        }
        let state = endpoint.get_connection_state(SERVER).context("no state")?;
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 56)?;
        self.contexts(material.as_ref())
    }

    fn contexts(&self, material: &[u8]) -> Result<Contexts> {
        let context = |key: &[u8], salt: &[u8]| {
            let profile = ProtectionProfile::AeadAes128Gcm;
            Context::new(key, salt, profile, None, None, self.provider.crypto())
        };
        Ok(Contexts {
            seal: context(&material[..16], &material[32..44])?,
            open: context(&material[16..32], &material[44..56])?,
        })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Identity(..)")
    }
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Contexts(..)")
    }
}

/// Tells whether a datagram is DTLS (RFC 7983).
#[must_use]
pub fn is_dtls(data: &[u8]) -> bool {
    matches!(data.first(), Some(20..=63))
}
