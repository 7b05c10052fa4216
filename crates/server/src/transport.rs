//! The media transport: one UDP port, one plain thread, everything between the socket and the
//! forwarding decisions of `snug_sfu`.
//!
//! The control side (room tasks, on tokio) speaks to it through [`TransportHandle`] and hears
//! from it through the event sender that each [`TransportCommand::AddPeer`] carries. It knows
//! peers, rooms and tracks only by dense keys.

mod command;
mod handle;

pub use command::{IceCredentials, RejectReason, TransportCommand, TransportEvent};
pub use handle::{SendError, TransportHandle};
pub use snug_sfu::{Encoding, ExtensionIds, Kind, PeerKey, Publish, RoomKey, Subscribe, TrackKey};
