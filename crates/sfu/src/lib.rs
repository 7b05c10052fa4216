//! Forwarding decisions: which packet goes to whom, rewritten how.

mod key;

pub use key::{PeerKey, RoomKey, TrackKey};
