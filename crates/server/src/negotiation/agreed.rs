//! What the talks with a peer are about, and what comes of them.

use snug_protocol::{PeerId, SdpAnswer, TrackId, Variant};
use snug_sfu::{Encoding, ExtensionIds, Kind, TrackKey};

use crate::transport::IceCredentials;

/// A track that the peer shall receive.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The track on the media plane.
    pub key: TrackKey,
    /// Whose.
    pub owner: PeerId,
    /// Sound or pictures.
    pub kind: Kind,
    /// The stream it belongs to.
    pub stream: String,
    /// The track within the stream.
    pub label: String,
}

/// A track of the peer's own, as an offer describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnTrack {
    /// Which.
    pub id: TrackId,
    /// Sound or pictures.
    pub kind: Kind,
    /// The section that sends it.
    pub mid: String,
    /// The client's own name of the stream that it is in; none where it says that it is in none.
    pub stream: Option<String>,
    /// What is sent.
    pub encodings: Vec<Encoding>,
    /// The layers among it; empty without simulcast.
    pub variants: Vec<Variant>,
    /// The payload type of its media.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound.
    pub red_payload_type: Option<u8>,
    /// The ids of its header extensions.
    pub extensions: ExtensionIds,
    /// Whether the peer asks to be told how much it may send.
    pub wants_estimate: bool,
}

/// What an offer and its answer agreed upon.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The answer to send.
    pub answer: SdpAnswer,
    /// Our side of this ICE generation.
    pub local_ice: IceCredentials,
    /// All tracks that the peer sends now.
    pub own: Vec<OwnTrack>,
    /// Tracks whose removal was held back: tell the peer now, after the answer.
    pub released: Vec<(TrackId, PeerId)>,
    /// How many tracks were refused because their ids are not the peer's own, or they are too
    /// many.
    pub refused: usize,
}
