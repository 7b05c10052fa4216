//! What a router tells the control side.

use crate::track::ENCODINGS_MAX;
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
    /// What the way to a subscriber carries has changed.
    Estimate {
        /// The subscriber.
        to: PeerKey,
        /// Bits a second.
        bitrate: u64,
    },
    /// A subscriber's way carries a track's pictures no more, or does again.
    Paused {
        /// The subscriber.
        to: PeerKey,
        /// The track.
        track: TrackKey,
        /// Whether nothing of it is sent now.
        is_paused: bool,
    },
    /// Other encodings of a track are shown to anybody than before.
    Wanted {
        /// The publisher.
        from: PeerKey,
        /// The track.
        track: TrackKey,
        /// Those that are.
        encodings: WantedEncodings,
    },
}

/// The encodings of a track that are shown to anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedEncodings {
    /// Whether any is: of a track without simulcast, the only one.
    pub is_any: bool,
    pub(crate) rids: [Option<Rid>; ENCODINGS_MAX],
}

impl WantedEncodings {
    /// Makes the ones with these identifiers, of which the first four count.
    pub fn of(rids: impl IntoIterator<Item = Rid>) -> Self {
        let mut wanted = Self::default();
        for (place, rid) in wanted.rids.iter_mut().zip(rids) {
            *place = Some(rid);
            wanted.is_any = true;
        }
        wanted
    }

    /// Returns those that have an identifier, the best last.
    pub fn rids(&self) -> impl Iterator<Item = Rid> + '_ {
        self.rids.iter().copied().flatten()
    }
}

/// Why a subscriber is shown another encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerReason {
    /// It is the best that the subscriber wants, or the first that it is shown.
    Wanted,
    /// The encoding that the subscriber wants is not sent at present.
    Inactive,
    /// The way to the subscriber carries no better one.
    LowBandwidth,
}

impl Notice {
    /// Returns the peer whose room should know.
    pub fn peer(&self) -> PeerKey {
        match self {
            Self::Layer { to, .. } | Self::Estimate { to, .. } | Self::Paused { to, .. } => *to,
            Self::Voice { from, .. } | Self::Wanted { from, .. } => *from,
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
            (Self::Voice { track, .. }, Self::Voice { track: on, .. })
            | (Self::Wanted { track, .. }, Self::Wanted { track: on, .. }) => track == on,
            (Self::Estimate { to, .. }, Self::Estimate { to: of, .. }) => to == of,
            (
                Self::Paused { to, track, .. },
                Self::Paused {
                    to: of, track: on, ..
                },
            ) => (to, track) == (of, on),
            _ => false,
        }
    }
}
