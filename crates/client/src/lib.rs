//! Someone in a room, without a window: joins by a link, publishes, receives, comes back after
//! an outage, leaves.
//!
//! Refuses to know windows, devices and the server's inside: it is given sources behind traits,
//! and reaches every room, also one on this computer, over TLS and UDP like any guest.
//!
//! Start from [`Participant`] and [`JoinOptions`]; what goes wrong is an [`Error`] with a sentence
//! and a next step.
//!
//! Inside, `session` and `signalling::liveness` decide without IO; `connect`, `signalling`,
//! `transport`, `publish` and `subscribe` do; `participant` is the one task that joins them.
#![forbid(unsafe_code)]

mod connect;
mod error;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod options;
mod output;
mod participant;
mod publish;
mod session;
mod signalling;
mod social;
mod stats;
mod subscribe;
mod thread;
mod transport;

pub use connect::{KeyStanding, remember_verified, verified_keys};
pub use error::{Error, ErrorKind};
pub use event::{Event, Happening};
pub use options::{JoinOptions, JoinStep, Timeouts};
pub use output::{EncodedPicture, Form, FrameSink, PictureSink, SoundSink, Watched};
pub use participant::Participant;
pub use social::{Reacted, Social, Unsaid};
pub use stats::{
    ConnectionState, DropStats, EncodingStats, PeerState, PeerStats, PublishedStats, ReceivedStats,
    SentStats, Stats, TrackStats,
};
pub use transport::Kind;
