//! Real TLS over loopback: the right key, a wrong key, a changed key, and things that are no room.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use snug_protocol::Pin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Connection, Connector, KeyStanding};
use crate::Error;

const PATIENCE: Duration = Duration::from_secs(5);

struct Identity {
    certificate: CertificateDer<'static>,
    key: rcgen::KeyPair,
}

impl Identity {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["snug".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, key }
    }

    fn pin(&self) -> Pin {
        let info = rcgen::PublicKeyData::subject_public_key_info(&self.key);
        let hash = ring::digest::digest(&ring::digest::SHA256, &info);
        Pin::new(hash.as_ref().try_into().unwrap())
    }

    /// A server that shows `certificate` and signs with this key.
    fn config_showing(&self, certificate: &CertificateDer<'static>) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signer = provider.key_provider.load_private_key(key).unwrap();
        let certified = rustls::sign::CertifiedKey::new(vec![certificate.clone()], signer);
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        Arc::new(config)
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.config_showing(&self.certificate)
    }
}

/// Serves WebSockets on a port of its own until dropped.
struct Host {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn host(config: Arc<ServerConfig>) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, config)
}

fn serve(listener: TcpListener, config: Arc<ServerConfig>) -> Host {
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut visitors = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            visitors.spawn(async move {
                let Ok(tls) = TlsAcceptor::from(config).accept(stream).await else {
                    return;
                };
                if let Ok(mut socket) = tokio_tungstenite::accept_async(tls).await {
                    while let Some(Ok(_)) = socket.next().await {}
                }
            });
        }
    });
    Host { port, task }
}

/// Answers every connection with `bytes`, then holds it open.
async fn speaker(bytes: &'static [u8]) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut sink = [0; 4096];
            while let Ok(1..) = stream.read(&mut sink).await {
                if bytes.is_empty() {
                    continue;
                }
                drop(stream.write_all(bytes).await);
                break;
            }
        }
    });
    Host { port, task }
}

async fn connect(
    port: u16,
    pin: Option<Pin>,
    known_hosts: &Path,
    patience: Duration,
) -> Result<(Connector, Connection), Error> {
    let key = pin.map(|pin| format!("#k={pin}")).unwrap_or_default();
    let link = format!("snug://127.0.0.1:{port}/room{key}")
        .parse()
        .unwrap();
    let connector = Connector::new(link, known_hosts.to_owned());
    let connection = connector.connect(patience).await?;
    Ok((connector, connection))
}

fn code(result: Result<(Connector, Connection), Error>) -> &'static str {
    result.err().expect("an error").code()
}

#[tokio::test]
async fn the_pinned_key_is_accepted_and_another_refused() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let identity = Identity::new();
    let host = host(identity.config()).await;
    let (_, good) = connect(host.port, Some(identity.pin()), &known, PATIENCE)
        .await
        .unwrap();
    assert_eq!(good.standing, KeyStanding::Pinned);
    assert!(good.local.ip().is_loopback());
    let bad = connect(host.port, Some(Pin::new([7; 32])), &known, PATIENCE).await;
    assert_eq!(code(bad), "wrong_key");
    assert!(!known.exists(), "a pinned link needs no memory");
}

#[tokio::test]
async fn the_real_certificate_with_another_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (real, thief) = (Identity::new(), Identity::new());
    let host = host(thief.config_showing(&real.certificate)).await;
    let known = folder.path().join("known_hosts");
    let result = connect(host.port, Some(real.pin()), &known, PATIENCE).await;
    assert_eq!(code(result), "wrong_key");
}

#[tokio::test]
async fn a_new_key_is_remembered_and_a_changed_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let first = Identity::new();
    let host_of_first = host(first.config()).await;
    let port = host_of_first.port;
    let (mut connector, connection) = connect(port, None, &known, PATIENCE).await.unwrap();
    assert_eq!(connection.standing, KeyStanding::New);
    connector.remember(connection.standing, connection.pin);
    let (_, again) = connect(port, None, &known, PATIENCE).await.unwrap();
    assert_eq!(again.standing, KeyStanding::Remembered);
    drop(host_of_first);

    let listener_address = format!("127.0.0.1:{port}");
    let text = std::fs::read_to_string(&known).unwrap();
    assert_eq!(text, format!("{listener_address} {}\n", first.pin()));
    let second = host(Identity::new().config()).await;
    std::fs::write(
        &known,
        text.replace(&port.to_string(), &second.port.to_string()),
    )
    .unwrap();
    let changed = connect(second.port, None, &known, PATIENCE).await;
    assert_eq!(code(changed), "changed_key");
}

#[tokio::test]
async fn a_key_that_cannot_be_remembered_on_disk_still_holds_for_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let identity = Identity::new();
    let host = host(identity.config()).await;
    let (mut connector, connection) = connect(host.port, None, &known, PATIENCE).await.unwrap();
    // Nothing can be written where a folder is.
    std::fs::create_dir(&known).unwrap();
    connector.remember(connection.standing, connection.pin);
    std::fs::remove_dir(&known).unwrap();
    assert_eq!(
        connector.expectation().unwrap(),
        (Some(identity.pin()), KeyStanding::Remembered)
    );
}

#[tokio::test]
async fn what_does_not_speak_tls_or_websocket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let web = speaker(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        code(connect(web.port, None, &known, PATIENCE).await),
        "not_snug"
    );

    let identity = Identity::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = identity.config();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut tls = TlsAcceptor::from(config).accept(stream).await.unwrap();
        let mut sink = [0; 4096];
        drop(tls.read(&mut sink).await);
        drop(
            tls.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .await,
        );
    });
    assert_eq!(
        code(connect(port, None, &known, PATIENCE).await),
        "not_snug"
    );
    assert!(
        !known.exists(),
        "only a room server's key is worth remembering"
    );
    task.await.unwrap();
}

#[tokio::test]
async fn a_silent_port_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let silent = speaker(b"").await;
    let patience = Duration::from_millis(200);
    assert_eq!(
        code(connect(silent.port, None, &known, patience).await),
        "no_answer"
    );
}

#[tokio::test]
async fn what_the_network_told_is_verified_by_nothing_but_a_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let identity = Identity::new();
    let host = host(identity.config()).await;
    let told = async |pin| {
        let link = format!("snug://127.0.0.1:{}/room#k={pin}", host.port);
        let mut connector = Connector::new(link.parse().unwrap(), known.clone()).with(true, None);
        let connection = connector.connect(PATIENCE).await?;
        connector.remember(connection.standing, connection.pin);
        Ok::<_, Error>(connection.standing)
    };
    for _ in 0..2 {
        assert_eq!(told(identity.pin()).await.unwrap(), KeyStanding::Told);
    }
    let refused = told(Pin::new([7; 32])).await.unwrap_err();
    assert_eq!(refused.code(), "wrong_key");
    crate::remember_verified(&known, Identity::new().pin()).unwrap();
    assert_eq!(told(identity.pin()).await.unwrap(), KeyStanding::Told);
    crate::remember_verified(&known, identity.pin()).unwrap();
    assert_eq!(told(identity.pin()).await.unwrap(), KeyStanding::Verified);
}

#[tokio::test]
async fn a_pinned_link_verifies_the_key_and_not_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let identity = Identity::new();
    let first = host(identity.config()).await;
    let join = async |port, pin| {
        let (mut connector, connection) = connect(port, pin, &known, PATIENCE).await?;
        connector.remember(connection.standing, connection.pin);
        Ok::<_, Error>(connection.standing)
    };
    assert_eq!(join(first.port, None).await.unwrap(), KeyStanding::New);
    assert_eq!(
        join(first.port, None).await.unwrap(),
        KeyStanding::Remembered
    );
    let pinned = join(first.port, Some(identity.pin())).await.unwrap();
    assert_eq!(pinned, KeyStanding::Pinned);
    assert_eq!(join(first.port, None).await.unwrap(), KeyStanding::Verified);
    // The same key at another address is the same host; another key there is not.
    let moved = host(identity.config()).await;
    assert_eq!(join(moved.port, None).await.unwrap(), KeyStanding::Verified);
    let port = moved.port;
    drop(moved);
    let listener = loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let other = Identity::new();
    let _other = serve(listener, other.config());
    assert_eq!(join(port, None).await.unwrap_err().code(), "changed_key");
}
