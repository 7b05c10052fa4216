//! What a router tells the control side.

use crate::{PeerKey, TrackKey};
use snug_rtp::Rid;

/// Something that people, not packets, have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A subscriber is shown another encoding of a track from now on.
    Layer {
        /// The subscriber.
        to: PeerKey,
        /// The track.
        track: TrackKey,
        /// The encoding.
        rid: Rid,
        /// Why.
        reason: LayerReason,
    },
    /// Somebody began or stopped speaking.
    Voice {
        /// The publisher.
        from: PeerKey,
        /// The track on which it is heard.
        track: TrackKey,
        /// Whether somebody speaks now.
        is_speech: bool,
    },
}

/// Why a subscriber is shown another encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerReason {
    /// It is the best that the subscriber wants, or the first that it is shown.
    Wanted,
    /// The encoding that the subscriber wants is not sent at present.
    Inactive,
}

impl Notice {
    /// Returns the peer whose room should know.
    pub fn peer(&self) -> PeerKey {
        match self {
            Self::Layer { to, .. } => *to,
            Self::Voice { from, .. } => *from,
        }
    }

    /// Tells whether this makes an older notice untrue.
    pub(crate) fn replaces(&self, older: &Self) -> bool {
        match (self, older) {
            (
                Self::Layer { to, track, .. },
                Self::Layer {
                    to: of, track: on, ..
                },
            ) => (to, track) == (of, on),
            (Self::Voice { track, .. }, Self::Voice { track: on, .. }) => track == on,
            _ => false,
        }
    }
}
