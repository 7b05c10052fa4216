//! One connection, from its first byte to its last.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::admission::Slot;
use super::stream::{Rewound, Speaks};
use super::turn;
use crate::Counters;
use crate::socket::ConnectionInfo;
use crate::transport::StreamHandle;

/// Bounds each step before the first request: the first byte, the TLS handshake, the first byte
/// inside, the request head. Also how long a connection may idle between requests.
pub(super) const STEP_MAX: Duration = Duration::from_secs(5);

/// Bounds what is read of one request head. Larger than the limits that [`crate::http`] answers
/// politely, so that their answer is not lost in a reset.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The reason code for an address that has too many connections, as the body of HTTP 429.
const TOO_MANY_CONNECTIONS: &str = "too_many_connections\n";

/// What all connections of a listener share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) site: Router,
    pub(super) tls: TlsAcceptor,
    pub(super) stop: CancellationToken,
    pub(super) counters: Arc<Counters>,
    pub(super) turn: Option<StreamHandle>,
}

/// What goes on with a connection after HTTP.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Travels with every request as an extension: who is there, and what may be done with it.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) info: ConnectionInfo,
    /// Says that the server stops.
    pub(crate) stop: CancellationToken,
    pub(crate) counters: Arc<Counters>,
    job: Arc<Mutex<Option<Job>>>,
}

impl Peer {
    fn new(info: ConnectionInfo, stop: CancellationToken, counters: Arc<Counters>) -> Self {
        Peer {
            info,
            stop,
            counters,
            job: Arc::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(info: ConnectionInfo) -> Self {
        Peer::new(info, CancellationToken::new(), Arc::default())
    }

    /// Lets `job` go on with the connection when the upgrade is answered.
    pub(crate) fn upgrade_to(&self, job: Job) {
        *self.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
    }

    fn take_job(&self) -> Option<Job> {
        self.job
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Serves a connection until it ends, is evicted, or the server stops.
pub(super) async fn run(stream: TcpStream, info: ConnectionInfo, slot: Slot, shared: Shared) {
    let slot = Arc::new(slot);
    // Boxed, so that a socket of hours does not hold the memory of its handshake.
    let handshake = Box::pin(tell_and_serve(stream, info, Arc::clone(&slot), shared));
    let job = tokio::select! {
        job = handshake => job,
        () = slot.evicted() => return,
    };
    match job {
        Ok(Some(job)) => job.await,
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a connection failed"),
    }
    // It counts for its address as long as it lasts.
    drop(slot);
}

async fn tell_and_serve(
    stream: TcpStream,
    info: ConnectionInfo,
    slot: Arc<Slot>,
    shared: Shared,
) -> io::Result<Option<Job>> {
    let mut first = [0];
    if timeout(STEP_MAX, stream.peek(&mut first)).await?? == 0 {
        return Ok(None);
    }
    match Speaks::of(first[0]) {
        Speaks::Http => serve_http(stream, info, slot, shared).await,
        Speaks::Tls => {
            let stream = timeout(STEP_MAX, shared.tls.accept(stream)).await??;
            let Some((speaks, stream)) = timeout(STEP_MAX, Rewound::look(stream)).await?? else {
                return Ok(None);
            };
            match speaks {
                Speaks::Http => {
                    let info = ConnectionInfo {
                        secure: true,
                        ..info
                    };
                    serve_http(stream, info, slot, shared).await
                }
                Speaks::Stun => {
                    limit_buffer(stream.inner().get_ref().0)?;
                    serve_turn(stream, info, slot, shared).await
                }
                Speaks::Tls | Speaks::Unknown => Ok(None),
            }
        }
        Speaks::Stun => {
            limit_buffer(&stream)?;
            serve_turn(stream, info, slot, shared).await
        }
        Speaks::Unknown => Ok(None),
    }
}

/// Keeps the system from hoarding media for a client that reads slowly.
fn limit_buffer(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_send_buffer_size(turn::SEND_BUFFER_LEN)
}

async fn serve_turn<S>(
    stream: S,
    info: ConnectionInfo,
    slot: Arc<Slot>,
    shared: Shared,
) -> io::Result<Option<Job>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(handle) = shared.turn.filter(|_| !slot.is_surplus()) else {
        return Ok(None);
    };
    let stop = shared.stop.child_token();
    turn::serve(stream, info, &slot, &handle, &shared.counters, &stop).await?;
    Ok(None)
}

async fn serve_http<S>(
    stream: S,
    info: ConnectionInfo,
    slot: Arc<Slot>,
    shared: Shared,
) -> io::Result<Option<Job>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Shared {
        site,
        stop,
        counters,
        ..
    } = shared;
    // A token of its own: thousands of sockets would queue for the lock of one.
    let peer = Peer::new(info, stop.child_token(), counters);
    let service = {
        let peer = peer.clone();
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            slot.settle();
            let is_surplus = slot.is_surplus();
            request.extensions_mut().insert(peer.clone());
            let answer = TowerToHyperService::new(site.clone());
            async move {
                if is_surplus {
                    return Ok(too_many_connections());
                }
                let response: Response<Body> =
                    hyper::service::Service::call(&answer, request.map(Body::new)).await?;
                Ok::<_, std::convert::Infallible>(response)
            }
        })
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(STEP_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended.map_err(io::Error::other)?,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await.map_err(io::Error::other)?;
        }
    }
    Ok(peer.take_job())
}

/// Answers an address that has too many connections, and ends this one.
fn too_many_connections() -> Response<Body> {
    tracing::debug!("a connection was refused: its address has too many");
    let mut response = Response::new(Body::from(TOO_MANY_CONNECTIONS));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
