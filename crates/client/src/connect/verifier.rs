//! Deciding whether a TLS server is the one that was meant.
//!
//! Rules, each with its why:
//! - TLS 1.3 only between Snug programs: nothing older is ever needed, and less can go wrong.
//! - A self-signed certificate says nothing by its names or dates; its public key is everything.
//!   So only the SHA-256 of the SubjectPublicKeyInfo (the pin, RFC 7469 section 2.4) is compared.
//! - The handshake signature is still verified, by rustls' own function: without it anybody could
//!   replay the right certificate.

use std::sync::{Arc, OnceLock};

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use snug_protocol::Pin;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Accepts one key, or any key, and keeps the pin it saw either way.
#[derive(Debug)]
pub(super) struct PinVerifier {
    provider: Arc<CryptoProvider>,
    expected: Option<Pin>,
    seen: Arc<OnceLock<Pin>>,
}

impl PinVerifier {
    /// Makes a verifier that accepts `expected` only, or any key when there is none; the pin that
    /// the server showed is left in `seen`.
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        expected: Option<Pin>,
        seen: Arc<OnceLock<Pin>>,
    ) -> Self {
        Self {
            provider,
            expected,
            seen,
        }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pin = pin_of(end_entity)?;
        // A handshake verifies one certificate; a second value could only be the same one.
        let seen = *self.seen.get_or_init(|| pin);
        if seen == pin && self.expected.is_none_or(|expected| expected == pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(
            rustls::PeerIncompatible::Tls12NotOfferedOrEnabled,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Returns the SHA-256 of a certificate's SubjectPublicKeyInfo.
fn pin_of(certificate: &CertificateDer<'_>) -> Result<Pin, rustls::Error> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let hash = digest::digest(&digest::SHA256, parsed.public_key().raw);
    let bytes = hash.as_ref().try_into().expect("SHA-256 is 32 bytes");
    Ok(Pin::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pin_is_the_digest_of_the_public_key_info() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["snug.local".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let info = rcgen::PublicKeyData::subject_public_key_info(&key);
        let expected = digest::digest(&digest::SHA256, &info);
        assert_eq!(
            pin_of(certificate.der()).unwrap().as_bytes(),
            expected.as_ref()
        );
    }

    #[test]
    fn junk_is_no_certificate() {
        assert!(pin_of(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])).is_err());
    }
}
