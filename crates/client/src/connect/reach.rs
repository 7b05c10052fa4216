//! From a host's name to an open TCP connection, with a plain reason when there is none.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use snug_protocol::{Host, Link};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Error;

/// How long one address may stay silent before the next one is tried beside it (RFC 8305
/// section 5 recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// How many addresses of one name are tried: a computer has a handful, a hostile name server any
/// number.
const ADDRESSES_MAX: usize = 16;

/// Opens a TCP connection to the host of `link` before `deadline`.
///
/// # Errors
/// [`Error::UnknownHost`], [`Error::PortRefused`] when every address refused, [`Error::NoAnswer`]
/// when time ran out, [`Error::Unreachable`] when the system sees no way.
pub(super) async fn reach(link: &Link, deadline: Instant) -> Result<TcpStream, Error> {
    let addresses = resolve(link, deadline).await?;
    race(link, addresses, deadline).await
}

async fn resolve(link: &Link, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    let name = match &link.host {
        Host::V4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), link.port)]),
        Host::V6 {
            address,
            zone: None,
        } => {
            return Ok(vec![SocketAddr::new(IpAddr::V6(*address), link.port)]);
        }
        // The system turns the name of a zone into its number.
        Host::V6 {
            address,
            zone: Some(zone),
        } => format!("{address}%{zone}"),
        Host::Name(name) => name.clone(),
    };
    let unknown = || Error::UnknownHost {
        host: link.host.to_string(),
    };
    match timeout_at(deadline, tokio::net::lookup_host((name, link.port))).await {
        Ok(Ok(found)) => {
            let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
            if addresses.is_empty() {
                Err(unknown())
            } else {
                Ok(addresses)
            }
        }
        // No answer from the name service means as much to a person as "unknown".
        Ok(Err(_)) | Err(_) => Err(unknown()),
    }
}

/// Tries all addresses, each starting a little later than the one before; the first wins.
async fn race(
    link: &Link,
    addresses: Vec<SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, Error> {
    let mut attempts = JoinSet::new();
    for (delay, address) in (0u32..).zip(addresses) {
        attempts.spawn(async move {
            sleep(STAGGER * delay).await;
            TcpStream::connect(address).await
        });
    }
    let mut worst = None;
    loop {
        match timeout_at(deadline, attempts.join_next()).await {
            Err(_) => {
                return Err(Error::NoAnswer {
                    target: link.authority(),
                });
            }
            Ok(None) => break,
            Ok(Some(Ok(Ok(stream)))) => {
                // Small messages must not wait for more (TCP_NODELAY).
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY");
                }
                return Ok(stream);
            }
            Ok(Some(Ok(Err(error)))) => worst = Some(worse(worst, error)),
            Ok(Some(Err(error))) => return Err(Error::Internal(error.to_string())),
        }
    }
    let error = worst.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
    Err(name_error(link, error))
}

/// Keeps the failure that says more: a refusal proves that the computer is there.
fn worse(kept: Option<io::Error>, new: io::Error) -> io::Error {
    match kept {
        Some(kept) if kept.kind() == io::ErrorKind::ConnectionRefused => kept,
        _ => new,
    }
}

fn name_error(link: &Link, error: io::Error) -> Error {
    let target = link.authority();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::PortRefused { target },
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => Error::NoAnswer { target },
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Error::NotSnug {
            target,
            detail: error.to_string(),
        },
        _ => Error::Unreachable {
            target,
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Link {
        text.parse().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = reach(&link(&format!("127.0.0.1:{port}/r")), soon())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "port_refused");
    }

    #[tokio::test]
    async fn a_name_nobody_has_is_unknown() {
        let error = reach(&link("no-such-host.invalid/r"), soon())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "unknown_host");
        assert!(
            error.to_string().contains("no-such-host.invalid"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_open_port_is_reached_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = reach(&link(&format!("localhost:{port}/r")), soon())
            .await
            .unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
