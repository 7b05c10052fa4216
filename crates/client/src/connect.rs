//! From a link to an open, trusted WebSocket.
//!
//! TCP to the host, TLS whose key is judged by the link, then the WebSocket upgrade on
//! `/socket/websocket?vsn=2.0.0`. Always encrypted, also over loopback.

mod known_hosts;
mod reach;
mod secrets;
mod verifier;

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use snug_protocol::{Host, Link, Pin, Trust};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};

use crate::{Error, JoinStep};
pub(crate) use secrets::Secrets;
use verifier::PinVerifier;

/// The largest frame or message accepted from a server. An answer of 100 media sections is about
/// 200 kB; a server cannot make this client hold more.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// Where a Phoenix server keeps its socket, and the serializer we speak.
const SOCKET_PATH: &str = "/socket/websocket?vsn=2.0.0";

/// An encrypted WebSocket to a room server.
pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// How the key of the connected host was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStanding {
    /// The link said which key, and it is this one.
    Pinned,
    /// It is a key that was verified before: a link had carried it, or its words were compared.
    Verified,
    /// It is the key that the network told of, which may be anybody's: "not verified".
    Told,
    /// It is the key remembered from an earlier call; never compared: "not verified".
    Remembered,
    /// Seen for the first time, and remembered from now on: "not verified".
    New,
    /// A certificate authority of this computer vouches for it.
    Authority,
}

impl KeyStanding {
    /// Whether somebody vouched for the key: a link, a comparison, an authority.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Pinned | Self::Verified | Self::Authority)
    }
}

/// Remembers in the file `known_hosts` that the words of this key were compared with its host, so
/// that rooms with this key count as verified from now on, wherever they are.
///
/// # Errors
/// What the system says of the file.
pub fn remember_verified(known_hosts: &Path, pin: Pin) -> io::Result<()> {
    known_hosts::verify(known_hosts, pin)
}

/// Returns the keys that the file `known_hosts` remembers as verified; at most as many as fit into
/// 4 MiB.
///
/// # Errors
/// What the system says of the file, except that a missing one is empty.
pub fn verified_keys(known_hosts: &Path) -> io::Result<HashSet<Pin>> {
    known_hosts::verified(known_hosts)
}

/// An open connection, before anything was said on it.
pub(crate) struct Connection {
    /// The socket.
    pub(crate) socket: Socket,
    /// Our end: media is bound to the same address.
    pub(crate) local: SocketAddr,
    /// How the key was judged.
    pub(crate) standing: KeyStanding,
    /// The key itself, where it is known.
    pub(crate) pin: Option<Pin>,
}

/// Connects to one host again and again, by the same rules.
#[derive(Clone)]
pub(crate) struct Connector {
    link: Link,
    known_hosts: PathBuf,
    /// The key in the link is what the network told: it must match, and proves nothing.
    is_told: bool,
    /// The key that let us in before, where the link names none: the only one from then on, also
    /// when it cannot be remembered on disk.
    met: Option<Pin>,
    /// Who follows the way in for the first time.
    steps: Option<watch::Sender<JoinStep>>,
}

impl Connector {
    /// Prepares to connect to the host of `link`; `known_hosts` is the file of remembered keys.
    pub(crate) fn new(link: Link, known_hosts: PathBuf) -> Self {
        Self {
            link,
            known_hosts,
            is_told: false,
            met: None,
            steps: None,
        }
    }

    /// Says whether the key in the link came from the network itself instead of from a person, and
    /// reports the way in to `steps`, until [`Self::remember`] says that we are in.
    pub(crate) fn with(mut self, is_told: bool, steps: Option<watch::Sender<JoinStep>>) -> Self {
        (self.is_told, self.steps) = (is_told, steps);
        self
    }

    fn step(&self, step: JoinStep) {
        if let Some(steps) = &self.steps {
            steps.send_replace(step);
        }
    }

    /// Names the host as a person knows it: `host:port`.
    pub(crate) fn target(&self) -> String {
        self.link.authority()
    }

    /// Connects; each of the three steps has to come back within `patience`.
    ///
    /// # Errors
    /// Those of reaching, trusting and recognising a host; see [`Error`].
    pub(crate) async fn connect(&self, patience: Duration) -> Result<Connection, Error> {
        let target = self.link.authority();
        let (expected, mut standing) = self.expectation()?;
        self.step(JoinStep::ReachingHost);
        let stream = reach::reach(&self.link, Instant::now() + patience).await?;
        let local = stream
            .local_addr()
            .map_err(|error| Error::Internal(error.to_string()))?;
        self.step(JoinStep::AgreeingKeys);
        let (tls, pin) = self
            .secure(stream, expected, standing, Instant::now() + patience)
            .await?;
        if expected.is_none() && standing == KeyStanding::Remembered {
            standing = KeyStanding::New;
        }
        let standing = self.recall(standing, pin);
        self.step(JoinStep::Entering);
        let socket = upgrade(&self.link, tls, Instant::now() + patience).await?;
        tracing::debug!(%target, ?standing, "connected");
        Ok(Connection {
            socket,
            local,
            standing,
            pin,
        })
    }

    /// We are in: remembers the key of a host that proved to be a room server, when the link names
    /// none.
    pub(crate) fn remember(&mut self, connection: KeyStanding, pin: Option<Pin>) {
        self.steps = None;
        let Some(pin) = pin else { return };
        // Resuming asks for the same key, not for the file.
        if self.met.replace(pin) == Some(pin) {
            return;
        }
        let authority = self.link.authority();
        let remembered = match (connection, self.link.trust()) {
            // A host with a verified key may be met at a new address.
            (KeyStanding::New | KeyStanding::Verified, Trust::FirstUse) => {
                known_hosts::remember(&self.known_hosts, &authority, pin)
            }
            (KeyStanding::Pinned, _) => known_hosts::verify(&self.known_hosts, pin),
            _ => Ok(()),
        };
        // Not being able to remember costs a question next time, never the call.
        if let Err(error) = remembered {
            tracing::warn!(%error, "the host's key cannot be remembered");
        }
    }

    /// Tells whether a key that nobody vouched for this time was verified before.
    fn recall(&self, standing: KeyStanding, pin: Option<Pin>) -> KeyStanding {
        let Some(pin) = pin.filter(|_| !standing.is_verified()) else {
            return standing;
        };
        match known_hosts::verified(&self.known_hosts) {
            Ok(verified) if verified.contains(&pin) => KeyStanding::Verified,
            Ok(_) => standing,
            Err(error) => {
                tracing::warn!(%error, "the verified keys cannot be read");
                standing
            }
        }
    }

    /// Returns the only key to accept, if there is one, and what accepting it will mean.
    fn expectation(&self) -> Result<(Option<Pin>, KeyStanding), Error> {
        match self.link.trust() {
            Trust::Pinned(pin) if self.is_told => Ok((Some(pin), KeyStanding::Told)),
            Trust::Pinned(pin) => Ok((Some(pin), KeyStanding::Pinned)),
            Trust::Authorities => Ok((None, KeyStanding::Authority)),
            Trust::FirstUse if self.met.is_some() => Ok((self.met, KeyStanding::Remembered)),
            Trust::FirstUse => {
                let known = known_hosts::look_up(&self.known_hosts, &self.link.authority());
                // An unreadable list must not silently turn a known host into a new one.
                let known = known.map_err(|error| {
                    Error::Internal(format!("the known hosts cannot be read: {error}"))
                })?;
                Ok((known, KeyStanding::Remembered))
            }
        }
    }

    async fn secure(
        &self,
        stream: TcpStream,
        expected: Option<Pin>,
        standing: KeyStanding,
        deadline: Instant,
    ) -> Result<(TlsStream<TcpStream>, Option<Pin>), Error> {
        let seen = Arc::new(OnceLock::new());
        let config = match standing {
            KeyStanding::Authority => authority_config()?,
            _ => pin_config(expected, Arc::clone(&seen))?,
        };
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(server_name(&self.link.host), stream);
        match timeout_at(deadline, handshake).await {
            Err(_) => Err(Error::NoAnswer {
                target: self.link.authority(),
            }),
            Ok(Ok(tls)) => Ok((tls, seen.get().copied())),
            Ok(Err(error)) => Err(self.name_tls_error(error, standing, expected.is_some())),
        }
    }

    fn name_tls_error(&self, error: io::Error, standing: KeyStanding, known: bool) -> Error {
        let target = self.link.authority();
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (tls, standing) {
            (
                Some(rustls::Error::InvalidCertificate(_)),
                KeyStanding::Pinned | KeyStanding::Told,
            ) => Error::WrongKey { target },
            (Some(rustls::Error::InvalidCertificate(_)), KeyStanding::Authority) => {
                Error::UntrustedCertificate { target }
            }
            (Some(rustls::Error::InvalidCertificate(_)), KeyStanding::Remembered) if known => {
                Error::ChangedKey {
                    target,
                    known_hosts: self.known_hosts.clone(),
                }
            }
            _ => Error::NotSnug {
                target,
                detail: error.to_string(),
            },
        }
    }
}

fn pin_config(expected: Option<Pin>, seen: Arc<OnceLock<Pin>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PinVerifier::new(Arc::clone(&provider), expected, seen);
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::Internal(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// Accepts whom the certificate authorities of this computer vouch for.
pub(crate) fn authority_config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "certificate authorities");
    }
    // Broken certificates in a system's store are common; the others still count.
    let (kept, ignored) = roots.add_parsable_certificates(native.certs);
    tracing::debug!(kept, ignored, "certificate authorities");
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The name for the TLS handshake. An address sends none; a zone is nobody else's business.
fn server_name(host: &Host) -> ServerName<'static> {
    match host {
        Host::V4(address) => ServerName::IpAddress(std::net::IpAddr::V4(*address).into()),
        Host::V6 { address, .. } => ServerName::IpAddress(std::net::IpAddr::V6(*address).into()),
        // A host name with characters that DNS does not allow can still be in a hosts file.
        Host::Name(name) => ServerName::try_from(name.clone())
            .unwrap_or_else(|_| ServerName::try_from("snug.invalid").expect("a valid DNS name")),
    }
}

async fn upgrade(
    link: &Link,
    tls: TlsStream<TcpStream>,
    deadline: Instant,
) -> Result<Socket, Error> {
    let target = link.authority();
    let host = match &link.host {
        // A zone has no place in a Host header (RFC 6874 section 4).
        Host::V6 { address, .. } => format!("[{address}]:{}", link.port),
        _ => target.clone(),
    };
    let request = format!("wss://{host}{SOCKET_PATH}")
        .into_client_request()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let handshake = tokio_tungstenite::client_async_with_config(request, tls, Some(config));
    match timeout_at(deadline, handshake).await {
        Err(_) => Err(Error::NoAnswer { target }),
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response)))
            if response.status() == http::StatusCode::FORBIDDEN =>
        {
            Err(Error::Refused {
                code: "forbidden".to_owned(),
                reason: format!("{target} does not let this program in. Check the link."),
            })
        }
        Ok(Err(error)) => Err(Error::NotSnug {
            target,
            detail: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
