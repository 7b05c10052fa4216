//! What can keep a server from starting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Says why a server did not start, grouped by what its user can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another program listens on the port. Choose another port or stop that program.
    #[error("port {} is already in use", .0.port())]
    PortInUse(SocketAddr),
    /// The address is not one of this computer, or the port may not be opened by this user.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The identity key cannot be read or written. Correct the folder's permissions.
    #[error("cannot keep the identity key in {}: {source}", path.display())]
    IdentityFile {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The identity file is damaged. Remove it for a new identity; everyone who knows the old
    /// one will be warned.
    #[error("{} holds no usable identity key: {reason}", path.display())]
    IdentityDamaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate or key of `--tls-cert` and `--tls-key` cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    IssuedCertificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An `--allow-origin` or `--announce` value cannot be read.
    #[error("{value:?} is not {expected}")]
    BadAddress {
        /// What was given.
        value: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// The TLS library refused our own key; this is a defect of Snug.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The media plane did not start.
    #[error("media cannot be set up: {0}")]
    Media(#[from] crate::transport::Error),
    /// The media thread of a running server ended by a defect of Snug. Its rooms have ended.
    #[error("sound and picture have stopped by a defect of Snug")]
    MediaLost,
}

impl Error {
    /// Returns what its user can do about it, as a sentence.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::PortInUse(address) => format!(
                "Is Snug running already? Stop it, or choose another port than {}.",
                address.port()
            ),
            Error::Listen { .. } => {
                "Choose an address of this computer, and a port above 1023.".into()
            }
            Error::IdentityFile { path, .. } => {
                format!(
                    "Make {} readable and writable for you, or choose another folder.",
                    path.display()
                )
            }
            Error::IdentityDamaged { path, .. } => format!(
                "Remove {} for a new identity. Everyone who knows the old one will be warned.",
                path.display()
            ),
            Error::IssuedCertificate { .. } => {
                "Name the certificate with its issuers, and the key that belongs to it, as PEM \
                 files that this user may read."
                    .into()
            }
            Error::BadAddress { expected, .. } => format!("Write {expected}."),
            Error::MediaLost => "Start it again, and report what the log says.".into(),
            Error::Tls(_) | Error::Media(_) => return None,
        })
    }
}
