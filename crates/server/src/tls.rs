//! TLS as Snug speaks it: version 1.3, our one key, HTTP/1.1 inside.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::{Error, Identity};

/// Makes the configuration of every TLS connection of a server.
///
/// HTTP/1.1 only, because WebSockets of every browser work over it and over nothing else.
///
/// # Errors
/// [`Error::Tls`] when rustls refuses the key, which would be a defect of ours.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    // The second is what a TURN client may say (RFC 7443); those of browsers say nothing.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"stun.turn".to_vec()];
    Ok(Arc::new(config))
}
