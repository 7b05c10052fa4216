//! The runtime that a peer connection runs on: tokio, except that nothing outlives its owner.
//!
//! `webrtc` detaches its driver when a connection is dropped without `close()`. Here every task is
//! kept, and dropping the [`Tasks`] ends them: drop means gone.
//!
//! And `webrtc` lets a packet for a relay lie until something else wakes its driver: what one turn
//! of the driver's loop hands to the relay's client, only the next one sends. A quiet connection
//! waited for 200 ms at each step of its handshake, and the end of a picture for the next sound. So
//! the sockets of a relayed connection wake the driver themselves, every few milliseconds.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// Longest time that a packet for a relay lies in the driver.
const NUDGE_INTERVAL: Duration = Duration::from_millis(4);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks of one peer connection; ends them when dropped.
#[derive(Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl Tasks {
    /// Returns a runtime whose tasks end with this owner, and whose sockets keep the driver awake
    /// while it is `relayed`.
    pub(super) fn runtime(&self, relayed: Arc<AtomicBool>) -> Arc<dyn Runtime> {
        Arc::new(OwnedRuntime {
            tasks: Arc::clone(&self.0),
            relayed,
        })
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            task.abort();
        }
    }
}

#[derive(Debug)]
struct OwnedRuntime {
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
    relayed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Handle(AbortHandle);

impl JoinHandle for Handle {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Runtime for OwnedRuntime {
    fn spawn(&self, future: Job) -> Box<dyn JoinHandle> {
        let task = tokio::spawn(future).abort_handle();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.clone());
        Box::new(Handle(task))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(NudgingSocket {
            socket: TokioRuntime.wrap_udp_socket(socket)?,
            relayed: Arc::clone(&self.relayed),
            nudge: Mutex::new(Box::pin(tokio::time::sleep(NUDGE_INTERVAL))),
        }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.connect_tcp(remote).await })
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.resolve_host(host).await })
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn name(&self) -> &'static str {
        "snug"
    }
}

/// A socket that reports nothing every now and then while its connection is relayed, so that the
/// driver goes through its loop.
struct NudgingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    relayed: Arc<AtomicBool>,
    nudge: Mutex<Pin<Box<Sleep>>>,
}

impl fmt::Debug for NudgingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl AsyncUdpSocket for NudgingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(received) = self.socket.poll_recv(cx, bufs, meta) {
            return Poll::Ready(received);
        }
        if !self.relayed.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut nudge = self.nudge.lock().unwrap_or_else(PoisonError::into_inner);
        if nudge.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        nudge.as_mut().reset(Instant::now() + NUDGE_INTERVAL);
        // The driver takes this as passing, and looks around before it comes back.
        Poll::Ready(Err(io::ErrorKind::WouldBlock.into()))
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}
