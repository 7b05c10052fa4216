//! Asking one computer by HTTPS what rooms it has, before any trust.
//!
//! Whatever certificate it shows is taken: what it says proves nothing either way, and whoever
//! joins checks the key. All of it has bounds: time, bytes, and how many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use snug_protocol::{ADVERT_BYTES_MAX, ADVERT_PATH, Advert};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a computer may take to accept: on a network of one link it takes milliseconds, and
/// four rounds of the sweep have to end in two seconds.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);

/// How long it may take to answer then.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Asks computers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Checker {
    tls: TlsConnector,
}

impl Checker {
    pub fn new() -> Self {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring knows TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyKey { provider }))
            .with_no_client_auth();
        Self {
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Asks one address; nothing when it does not answer as a server of rooms.
    pub async fn ask(&self, address: SocketAddr) -> Option<Advert> {
        let connecting = TcpStream::connect(address);
        let stream = timeout(CONNECT_WITHIN, connecting).await.ok()?.ok()?;
        let answer = timeout(ANSWER_WITHIN, self.fetch(address, stream)).await;
        let advert = answer.ok()?.ok()??;
        // A server behind this address may be told of under another port only by mistake.
        (advert.port == address.port()).then_some(advert)
    }

    async fn fetch(
        &self,
        address: SocketAddr,
        stream: TcpStream,
    ) -> std::io::Result<Option<Advert>> {
        let name = ServerName::IpAddress(address.ip().into());
        let mut stream = self.tls.connect(name, stream).await?;
        let host = match address {
            SocketAddr::V4(_) => address.to_string(),
            // A zone is nobody's business but ours (RFC 6874 section 4).
            SocketAddr::V6(six) => format!("[{}]:{}", six.ip(), six.port()),
        };
        let question = format!(
            "GET {ADVERT_PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        let bytes_max = HEAD_BYTES_MAX + ADVERT_BYTES_MAX;
        let mut limited = stream.take(bytes_max as u64);
        // A server that ends without a TLS farewell has answered all the same.
        let ended = limited.read_to_end(&mut answer).await;
        if ended.is_err() && answer.is_empty() {
            return Ok(None);
        }
        Ok(read_answer(&answer))
    }
}

/// Reads the answer of a server that closes after it.
fn read_answer(answer: &[u8]) -> Option<Advert> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let is_ok = head.starts_with("HTTP/1.1 200 ");
    is_ok.then(|| Advert::parse(&answer[end + 4..]).ok())?
}

/// Takes every key; the handshake's signature is verified all the same, by rustls.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_good_answer_counts() {
        let pin = snug_protocol::Pin::new([1; 32]);
        let json = format!(r#"{{"snug":1,"host":"desk","port":1,"pin":"{pin}","rooms":[]}}"#);
        let ok = format!("HTTP/1.1 200 OK\r\nserver: x\r\n\r\n{json}");
        assert!(read_answer(ok.as_bytes()).is_some());
        for bad in [
            ok.replace("200 OK", "404 Not Found"),
            ok.replace("\r\n\r\n", "\r\n"),
            ok.replace("snug", "sn"),
            String::new(),
        ] {
            assert!(read_answer(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>) {
            drop(read_answer(&bytes));
            drop(read_answer(&[b"HTTP/1.1 200 OK\r\n\r\n", &bytes[..]].concat()));
        }
    }
}
