//! A man in the middle: ends TLS with an identity of its own, passes WebSocket frames on to a
//! real server over loopback, and rewrites what a test tells it to.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{Sink, SinkExt, Stream, StreamExt, stream};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring as provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Makes of each text frame the one that is passed on.
pub type Rewrite = Arc<dyn Fn(Direction, String) -> String + Send + Sync>;

/// A certificate and the key that goes with it, or that should.
#[derive(Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    /// Makes a self-signed identity.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["snug".to_owned()])?.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            key,
        })
    }

    /// Shows somebody else's certificate with a key of our own: what a thief of the certificate,
    /// which is public, can do.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn stolen(certificate: CertificateDer<'static>) -> Result<Self> {
        Ok(Self {
            certificate,
            key: KeyPair::generate()?,
        })
    }

    /// Says the pin of the key, as links carry it: SHA-256 of the SPKI in base64url.
    #[must_use]
    pub fn pin(&self) -> String {
        let spki = self.key.subject_public_key_info();
        URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &spki))
    }

    fn acceptor(&self) -> Result<TlsAcceptor> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let key = provider::sign::any_supported_type(&key)?;
        let resolver = Shows(Arc::new(CertifiedKey::new(
            vec![self.certificate.clone()],
            key,
        )));
        let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Shows one certificate to everybody, whether or not the key fits it.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A running proxy on a loopback port; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl Proxy {
    /// Starts to pass connections on to the server on this loopback port.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn start(identity: &Identity, server_port: u16, rewrite: Rewrite) -> Result<Self> {
        let acceptor = identity.acceptor()?;
        Self::serve(move |stream| {
            let (acceptor, rewrite) = (acceptor.clone(), Arc::clone(&rewrite));
            async move { pass(stream, &acceptor, server_port, &rewrite).await }
        })
    }

    /// Starts a server that ends TLS and gives every connection the same answer.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn answering(identity: &Identity, answer: &'static str) -> Result<Self> {
        let acceptor = identity.acceptor()?;
        Self::serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut tls = acceptor.accept(stream).await?;
                // Wait for the question: an answer before it is no HTTP.
                let mut question = [0; 4096];
                if tls.read(&mut question).await? > 0 {
                    tls.write_all(answer.as_bytes()).await?;
                }
                Ok(tls.shutdown().await?)
            }
        })
    }

    fn serve<F>(connection: impl Fn(TcpStream) -> F + Send + 'static) -> Result<Self>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = connection(stream);
                tokio::spawn(async move {
                    if let Err(error) = served.await {
                        eprintln!("proxy: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }
}

async fn pass(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    server_port: u16,
    rewrite: &Rewrite,
) -> Result<()> {
    let tls = acceptor
        .accept(stream)
        .await
        .context("the client ends TLS")?;
    let mut path = String::new();
    // The shape of tungstenite's callback, which we have no say in.
    #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let remember = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().to_string();
        Ok(response)
    };
    let client = tokio_tungstenite::accept_hdr_async(tls, remember).await?;
    let upstream = TcpStream::connect(("127.0.0.1", server_port)).await?;
    upstream.set_nodelay(true)?;
    let path = path.strip_prefix("wss://").map_or(path.as_str(), |rest| {
        rest.find('/').map_or("/", |at| &rest[at..])
    });
    let url = format!("ws://127.0.0.1:{server_port}{path}");
    let (server, _) = tokio_tungstenite::client_async(url, upstream).await?;
    let (client_out, client_in) = client.split();
    let (server_out, server_in) = server.split();
    tokio::select! {
        done = copy(client_in, server_out, |text| rewrite(Direction::Up, text)) => done,
        done = copy(server_in, client_out, |text| rewrite(Direction::Down, text)) => done,
    }
}

async fn copy(
    from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
    rewrite: impl Fn(String) -> String,
) -> Result<()> {
    let mut frames = from.map(|message| match message? {
        Message::Text(text) => Ok(Message::text(rewrite(text.to_string()))),
        other => Ok(other),
    });
    while let Some(message) = frames.next().await {
        to.send_all(&mut stream::iter([message])).await?;
    }
    Ok(())
}

/// Fetches the certificate that a server shows.
///
/// # Errors
/// When there is no TLS server on this loopback port.
pub fn certificate_of(server_port: u16) -> Result<CertificateDer<'static>> {
    let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsAll))
        .with_no_client_auth();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let stream = TcpStream::connect(("127.0.0.1", server_port)).await?;
            let name = ServerName::try_from("snug")?;
            let tls = TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await?;
            let shown = tls
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|all| all.first().cloned());
            shown.context("the server shows no certificate")
        })
}

/// Checks nothing: only to look at a certificate.
#[derive(Debug)]
struct TrustsAll;

impl ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
