//! Takes plain TCP on loopback and passes it on inside TLS, checking the server's certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// A way into TLS for clients that speak plain TCP. Ends on drop.
#[derive(Debug)]
pub struct TlsBridge {
    /// Where to connect to.
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl TlsBridge {
    /// Starts a bridge to `server`, which must show a certificate for `name` of the authority
    /// `root`; connections to any other are closed.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read or no port is free.
    pub fn start(server: SocketAddr, name: &str, root: &CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(name.to_owned())?;
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (connector, name) = (connector.clone(), name.clone());
                tokio::spawn(async move {
                    if let Err(error) = carry(near, server, &connector, name).await {
                        eprintln!("a TLS bridge ends: {error:#}");
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

async fn carry(
    mut near: TcpStream,
    server: SocketAddr,
    connector: &TlsConnector,
    name: ServerName<'static>,
) -> Result<()> {
    near.set_nodelay(true)?;
    let far = TcpStream::connect(server).await?;
    far.set_nodelay(true)?;
    let mut far = connector.connect(name, far).await.context("shake hands")?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
