//! The server's WebSockets: `/socket/websocket` over TLS, serializer 2.0.0, text frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::engine::Input;

/// Frames for one visitor that its socket has not taken yet.
const LANE: usize = 1024;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// An open port for WebSockets; closed on drop.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the port.
pub(super) async fn open(
    at: SocketAddr,
    tls: TlsAcceptor,
    engine: mpsc::Sender<Input>,
) -> Result<Door> {
    let listener = TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut visits = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, engine) = (tls.clone(), engine.clone());
            visits.spawn(async move {
                stream.set_nodelay(true).ok();
                if let Ok(stream) = tls.accept(stream).await {
                    visit(stream, engine).await;
                }
            });
        }
    });
    let task = task.abort_handle();
    Ok(Door { address, task })
}

async fn visit(stream: impl AsyncRead + AsyncWrite + Unpin, engine: mpsc::Sender<Input>) {
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, judge).await else {
        return;
    };
    let (mut sink, mut stream) = socket.split();
    let (lane, mut frames) = mpsc::channel::<String>(LANE);
    let id = COUNT.fetch_add(1, Ordering::Relaxed);
    if engine.send(Input::Opened(id, lane)).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                if sink.send(Message::text(frame)).await.is_err() {
                    break;
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let input = Input::Frame(id, text.as_str().to_owned());
                    if engine.send(input).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                // A binary frame has no meaning for this channel; the socket's process crashes.
                _ => break,
            },
        }
    }
    // The last words, such as a refusal, still go out.
    while let Ok(frame) = frames.try_recv() {
        if sink.send(Message::text(frame)).await.is_err() {
            break;
        }
    }
    drop(sink.close().await);
    drop(engine.send(Input::Closed(id)).await);
}

/// Answers as Phoenix does: one path, one version of the serializer.
// The trait of the library wants a whole response as the error.
#[allow(clippy::result_large_err, reason = "the signature is the library's")]
fn judge(request: &Request, response: Response) -> std::result::Result<Response, ErrorResponse> {
    let refuse = |status: u16| {
        let mut refused = ErrorResponse::new(None);
        *refused.status_mut() = status.try_into().expect("a status code");
        refused
    };
    let uri = request.uri();
    if uri.path().trim_end_matches('/') != "/socket/websocket" {
        return Err(refuse(404));
    }
    let version = uri.query().unwrap_or_default().split('&');
    match version.filter_map(|pair| pair.strip_prefix("vsn=")).next() {
        Some("2.0.0") => Ok(response),
        _ => Err(refuse(403)),
    }
}

/// A certificate chain and its key, in DER.
#[derive(Clone)]
pub struct Certificate {
    /// The server's certificate, then those that vouch for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key, PKCS #8.
    pub key: Vec<u8>,
}

impl Certificate {
    /// Makes one that nobody vouches for.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn self_signed() -> Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let params = rcgen::CertificateParams::new(vec!["membrane".to_owned()])?;
        let chain = vec![params.self_signed(&key)?.der().clone()];
        let key = key.serialize_der();
        Ok(Self { chain, key })
    }

    /// Makes one for these names and addresses, and an authority that vouches for it; returns the
    /// authority's own certificate too, as PEM.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn vouched_for(names: &[&str]) -> Result<(Self, String)> {
        let authority_key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key)?;
        let issuer = rcgen::Issuer::from_params(&params, &authority_key);
        let key = rcgen::KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let own = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let certificate = Self {
            chain: vec![own.der().clone()],
            key: key.serialize_der(),
        };
        Ok((certificate, authority.pem()))
    }

    /// Lets visitors in who talk TLS.
    ///
    /// # Errors
    /// When the key does not fit the certificate.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
