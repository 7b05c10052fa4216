//! Forwarding decisions: which packet goes to whom, rewritten how.

mod key;
mod media;

pub use key::{PeerKey, RoomKey, TrackKey};
pub use media::{Encoding, ExtensionIds, Kind, Publish, Subscribe};
