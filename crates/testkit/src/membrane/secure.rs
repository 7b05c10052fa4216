//! A peer's DTLS and SRTP, as server. Only the protection profile that the engine knows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ring::digest;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::Config;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// The address by which the library knows its one connection, whatever path it takes.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const FLIGHT_INTERVAL: Duration = Duration::from_millis(100);
const REPLAY_WINDOW: usize = 64;

/// The certificate of the whole server.
pub(super) struct Identity {
    certificate: Certificate,
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    /// Its SHA-256 as `a=fingerprint` has it.
    pub(super) fingerprint: String,
}

impl Identity {
    pub(super) fn generate(crypto: Arc<dyn RTCCryptoProvider>) -> anyhow::Result<Self> {
        let names = vec!["membrane".to_owned()];
        let certificate = Certificate::generate_self_signed(names, crypto.crypto())?;
        let leaf = certificate.certificate.first();
        let leaf = leaf.ok_or_else(|| anyhow::anyhow!("an empty certificate"))?;
        let digest = digest::digest(&digest::SHA256, leaf.as_ref());
        let hex: Vec<String> = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        Ok(Self {
            certificate,
            crypto,
            fingerprint: hex.join(":"),
        })
    }
}

/// One peer's keys, once there are some.
pub(super) struct Secure {
    identity: Arc<Identity>,
    endpoint: Endpoint,
    keys: Option<Keys>,
}

struct Keys {
    receive: Context,
    send: Context,
}

impl Secure {
    pub(super) fn new(identity: Arc<Identity>) -> anyhow::Result<Self> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.crypto))
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(false, None)?;
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, Some(Arc::new(config)));
        Ok(Self {
            identity,
            endpoint,
            keys: None,
        })
    }

    /// Takes a datagram of the handshake; true when that completed it.
    pub(super) fn handle(&mut self, data: &[u8], now: Instant) -> anyhow::Result<bool> {
        let events = self.endpoint.read(now, PEER, None, BytesMut::from(data))?;
        let done = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
        let completed = events.iter().any(done);
        if completed {
            self.keys = Some(self.export()?);
        }
        Ok(completed)
    }

    /// Repeats what was not answered.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        match self.endpoint.poll_timeout(&PEER) {
            Some(at) if at <= now => Ok(self.endpoint.handle_timeout(PEER, now)?),
            _ => Ok(()),
        }
    }

    /// Returns the next datagram of the handshake.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        Some(self.endpoint.poll_transmit()?.message.to_vec())
    }

    fn export(&self) -> anyhow::Result<Keys> {
        let profile = ProtectionProfile::Aes128CmHmacSha1_80;
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let state = self.endpoint.get_connection_state(PEER);
        let state = state.ok_or_else(|| anyhow::anyhow!("no connection"))?;
        let length = config.keying_material_len();
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], length)?;
        config.set_session_keys_from_keying_material(material.as_ref(), false)?;
        let crypto = self.identity.crypto.crypto();
        let keys = config.keys;
        Ok(Keys {
            receive: Context::new(
                &keys.remote_master_key,
                &keys.remote_master_salt,
                profile,
                Some(srtp_replay_protection(REPLAY_WINDOW)),
                Some(srtcp_replay_protection(REPLAY_WINDOW)),
                crypto,
            )?,
            send: Context::new(
                &keys.local_master_key,
                &keys.local_master_salt,
                profile,
                None,
                None,
                crypto,
            )?,
        })
    }

    /// Opens a packet of the peer's.
    pub(super) fn open(&mut self, data: &[u8], is_control: bool) -> Option<Vec<u8>> {
        let receive = &mut self.keys.as_mut()?.receive;
        let opened = match is_control {
            true => receive.decrypt_rtcp(data),
            false => receive.decrypt_rtp(data),
        };
        Some(opened.ok()?.to_vec())
    }

    /// Seals a packet for the peer.
    pub(super) fn seal(&mut self, data: &[u8], is_control: bool) -> Option<Vec<u8>> {
        let send = &mut self.keys.as_mut()?.send;
        let sealed = match is_control {
            true => send.encrypt_rtcp(data),
            false => send.encrypt_rtp(data),
        };
        Some(sealed.ok()?.to_vec())
    }
}
