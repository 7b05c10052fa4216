//! The one port over TLS: version, pin, and the decision that is made again inside.

#![allow(clippy::unwrap_used, reason = "the fixtures of a test may fail it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use snug_protocol::Pin;
use snug_server::http::{Gate, site};
use snug_server::listener::Listener;
use snug_server::{Config, Identity, OriginRules, pin_of, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

struct Fixture {
    address: SocketAddr,
    pin: Pin,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(data.path()).unwrap();
        let origins = Arc::new(OriginRules::new(&Config::default(), "").unwrap());
        let site = site(
            Gate {
                origins,
                allow_plain: false,
            },
            axum::Router::new().route("/healthz", axum::routing::get(async || "ok\n")),
        );
        let listener = Listener::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).unwrap();
        let address = listener.address();
        let stop = CancellationToken::new();
        let tls = tls::server_config(&identity).unwrap();
        let running = tokio::spawn(listener.run(site, tls, stop.clone()));
        Fixture {
            address,
            pin: identity.pin(),
            stop,
            running,
            _data: data,
        }
    }

    async fn plain(&self, said: &[u8]) -> String {
        exchange(TcpStream::connect(self.address).await.unwrap(), said).await
    }

    /// Opens TLS of one version; returns the pin that the server showed and proved.
    async fn secure(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<(Pin, TlsStream<TcpStream>)> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Arc::new(Seen {
            algorithms: provider.signature_verification_algorithms,
            pin: Mutex::default(),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(seen.clone())
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let pin = seen.pin.lock().unwrap().expect("a certificate was shown");
        Ok((pin, stream))
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn exchange(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    said: &[u8],
) -> String {
    stream.write_all(said).await.unwrap();
    let mut heard = Vec::new();
    // A reset counts as an end: only what was said before it matters.
    timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .expect("an end in time")
        .ok();
    String::from_utf8_lossy(&heard).into_owned()
}

fn get(host: &str) -> Vec<u8> {
    format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn tls_1_3_proves_the_pinned_key_and_serves_http() {
    let fixture = Fixture::start().await;
    let (pin, stream) = fixture.secure(&rustls::version::TLS13).await.unwrap();
    assert_eq!(pin, fixture.pin);
    let answer = exchange(stream, &get(&fixture.address.to_string())).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"),
        "{answer}"
    );
    let answer = fixture.plain(&get(&fixture.address.to_string())).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n"),
        "loopback may speak plainly: {answer}"
    );
    fixture.end().await;
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let fixture = Fixture::start().await;
    assert!(fixture.secure(&rustls::version::TLS12).await.is_err());
    fixture.end().await;
}

#[tokio::test]
async fn other_first_bytes_are_closed_outside_and_inside_tls() {
    let fixture = Fixture::start().await;
    for first in [
        &b"\x00\x01\x00\x00"[..],
        b"\x01\x01",
        b"get / HTTP/1.1\r\n\r\n",
        b"\xff",
    ] {
        assert_eq!(fixture.plain(first).await, "");
        let (_, stream) = fixture.secure(&rustls::version::TLS13).await.unwrap();
        assert_eq!(exchange(stream, first).await, "");
    }
    let (_, stream) = fixture.secure(&rustls::version::TLS13).await.unwrap();
    assert_eq!(
        exchange(stream, b"\x16\x03\x01\x00\x05hello").await,
        "",
        "TLS inside TLS"
    );
    fixture.end().await;
}

#[tokio::test]
async fn a_rebound_name_is_refused() {
    let fixture = Fixture::start().await;
    let answer = fixture.plain(&get("evil.example")).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    fixture.end().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let fixture = Fixture::start().await;
    let again = Listener::bind(Some(fixture.address.ip()), fixture.address.port());
    assert!(matches!(again, Err(snug_server::Error::PortInUse(taken)) if taken == fixture.address));
    fixture.end().await;
}

#[tokio::test]
async fn every_address_means_ipv4_too() {
    let listener = Listener::bind(None, 0).unwrap();
    let port = listener.address().port();
    assert!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_ok()
    );
}

/// Remembers the key of any certificate whose handshake signature is right.
#[derive(Debug)]
struct Seen {
    algorithms: WebPkiSupportedAlgorithms,
    pin: Mutex<Option<Pin>>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.pin.lock().unwrap() = pin_of(certificate);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Waits for the end of a connection that says no more; returns how long that took.
async fn silence(mut stream: impl tokio::io::AsyncRead + Unpin) -> Duration {
    let started = Instant::now();
    let mut heard = Vec::new();
    // A reset counts as an end.
    timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .expect("an end in time")
        .ok();
    started.elapsed()
}

#[tokio::test]
async fn every_step_before_the_first_request_has_five_seconds() {
    let fixture = Fixture::start().await;
    let plain = async |said: &[u8]| {
        let mut stream = TcpStream::connect(fixture.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        silence(stream).await
    };
    let secure = async |said: &[u8]| {
        let (_, mut stream) = fixture.secure(&rustls::version::TLS13).await.unwrap();
        stream.write_all(said).await.unwrap();
        silence(stream).await
    };
    let half_a_head = b"GET /healthz HTTP/1.1\r\nHost: ";
    // The head of a record of 512 bytes, and half a hello.
    let half_a_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let took = tokio::join!(
        plain(b""),
        plain(half_a_hello),
        plain(half_a_head),
        secure(b""),
        secure(half_a_head),
    );
    let steps = [
        ("silence", took.0),
        ("TLS stalled", took.1),
        ("half a head", took.2),
        ("silence inside TLS", took.3),
        ("half a head inside TLS", took.4),
    ];
    for (step, took) in steps {
        let bounds = Duration::from_millis(4900)..Duration::from_secs(6);
        assert!(bounds.contains(&took), "{step}: {took:?}");
    }
    fixture.end().await;
}
