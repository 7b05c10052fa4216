//! The media transport: one UDP port, one plain thread, everything between the socket and the
//! forwarding decisions of `snug_sfu`.
//!
//! The control side (room tasks, on tokio) speaks to it through [`TransportHandle`] and hears
//! from it through the event sender that each [`TransportCommand::AddPeer`] carries. It knows
//! peers, rooms and tracks only by dense keys.
//!
//! Inside, from the wire up: `io` (batches of datagrams), `demux` (what is it), `turn` (what came
//! wrapped, and for whom), `stun` and `ice` (who is it, where to answer), `dtls` (keys), `srtp`
//! (sealing and opening), `shard` (the thread that joins them).

mod command;
mod counters;
mod demux;
mod dtls;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod ice;
mod io;
mod keyed;
mod shard;
mod srtp;
mod stream;
mod stun;
mod turn;

pub use command::{IceCredentials, RejectReason, TransportCommand, TransportEvent};
pub use counters::{Counter, Counters};
pub use handle::{SendError, TransportHandle};
pub use snug_sfu::{
    Encoding, ExtensionIds, Kind, LayerReason, PeerKey, Publish, RoomKey, Subscribe, TrackKey,
    View, WantedEncodings,
};
#[cfg(test)]
pub(crate) use stream::StreamInput;
pub(crate) use stream::{OpenStream, StreamHandle, StreamOutput, next_frame};
pub use turn::RelayAccess;

use dtls::Identity;
use shard::Shard;
use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Where the transport listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportConfig {
    /// The one address to bind to; none means all of them, IPv6 and IPv4.
    pub bind: Option<IpAddr>,
    /// The UDP port; 0 lets the system choose.
    pub port: u16,
}

/// Why the transport did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The UDP port cannot be opened; when it is in use, the cause says so.
    #[error("the UDP port {port} cannot be opened")]
    Bind {
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificate for media encryption cannot be made.
    #[error("the certificate for media encryption cannot be made: {0}")]
    Certificate(String),
    /// The thread cannot be started.
    #[error("the media thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The running media transport. Dropping it stops it.
pub struct Transport {
    handle: TransportHandle,
    counters: Arc<Counters>,
    port: u16,
    fingerprint: [u8; 32],
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Transport {
    /// Opens the port and starts the thread.
    ///
    /// # Errors
    /// [`Error::Bind`] when the port cannot be had; the others when the system is out of
    /// resources.
    pub fn start(config: TransportConfig) -> Result<Self, Error> {
        let bind = |source| Error::Bind {
            port: config.port,
            source,
        };
        let io = io::open(config.bind, config.port).map_err(bind)?;
        let port = io.local_addr().map_err(bind)?.port();
        let identity = Arc::new(Identity::generate().map_err(Error::Certificate)?);
        let fingerprint = identity.fingerprint();
        let (handle, lanes) = TransportHandle::open(io.waker());
        let counters = Arc::new(Counters::default());
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&counters), Arc::clone(&is_stopping));
        let shard = Shard::new(io, identity, shared, lanes, stop);
        let watched = handle.clone();
        let thread = std::thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || {
                // The shard is gone with the panic, so nothing half-done is looked at again.
                if catch_unwind(AssertUnwindSafe(|| shard.run())).is_err() {
                    tracing::error!("the media thread ended by a panic");
                    watched.fail();
                }
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            handle,
            counters,
            port,
            fingerprint,
            is_stopping,
            thread: Some(thread),
        })
    }

    /// Returns a sender of commands.
    pub fn handle(&self) -> TransportHandle {
        self.handle.clone()
    }

    /// Returns the UDP port that is bound.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the SHA-256 of the DTLS certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Returns the counts, which go on rising.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the counts for somebody who reads them time and again.
    pub(crate) fn shared_counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Tells every peer that its session ends, and waits for the thread to end, which takes
    /// milliseconds. Handles answer [`SendError::Closed`] from then on.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.is_stopping.store(true, Ordering::Release);
        self.handle.wake();
        thread.join().expect("the thread catches its panics");
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transport")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
