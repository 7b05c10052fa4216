//! What the control side tells the transport, and what it hears back.

use super::RelayAccess;
use snug_rtp::Rid;
use snug_sfu::{LayerReason, PeerKey, Publish, RoomKey, Subscribe, TrackKey, WantedEncodings};
use std::fmt;
use std::time::Instant;
use tokio::sync::mpsc;

/// Tells the transport what should be. Commands take effect in the order in which they were
/// sent; one that names an unknown peer is counted and ignored, since the peer may have gone
/// while the command was on its way.
#[derive(Clone, Debug)]
pub enum TransportCommand {
    /// Expects a peer. Nothing is accepted from it before [`SetRemote`](Self::SetRemote).
    AddPeer {
        /// The peer, new to the transport.
        peer: PeerKey,
        /// The room whose tracks it may send and receive.
        room: RoomKey,
        /// Our side of its first ICE generation.
        ice: IceCredentials,
        /// What it may use the TURN server of the media port with, if at all.
        relay: Option<RelayAccess>,
        /// Where to report; an event that finds no room is dropped and counted. When the
        /// receiver is dropped, the peer is forgotten.
        events: mpsc::Sender<TransportEvent>,
    },
    /// Sets what the peer's offer said, and our side of this ICE generation. The credentials of
    /// the generation before stay valid for 30 s, since browsers go on checking with them.
    SetRemote {
        /// The peer.
        peer: PeerKey,
        /// The peer's side of the generation.
        ice: IceCredentials,
        /// SHA-256 of the certificate that its DTLS must show. Another than before means a new
        /// DTLS session.
        fingerprint: [u8; 32],
        /// Our side of the generation.
        local_ice: IceCredentials,
    },
    /// Sets everything that the peer sends and receives; idempotent. What stays the same keeps
    /// flowing undisturbed.
    SetMedia {
        /// The peer.
        peer: PeerKey,
        /// All tracks it sends.
        publish: Vec<Publish>,
        /// All tracks it receives.
        subscribe: Vec<Subscribe>,
    },
    /// Forgets the peer, telling it so by a DTLS close_notify.
    RemovePeer {
        /// The peer.
        peer: PeerKey,
    },
    /// Makes the media thread panic, as a defect would.
    #[cfg(test)]
    Panic,
}

/// Reports what became of a peer's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Its DTLS handshake is done and media can flow.
    Connected {
        /// The peer.
        peer: PeerKey,
    },
    /// Something authentic came from it: media or a check. At most two a second.
    Heard {
        /// The peer.
        peer: PeerKey,
        /// When the datagram was read.
        at: Instant,
    },
    /// It is refused; no handshake and no media is accepted from it until another
    /// [`SetRemote`](TransportCommand::SetRemote).
    Rejected {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: RejectReason,
    },
    /// It is shown another layer of a track from now on.
    Layer {
        /// The peer.
        peer: PeerKey,
        /// The track.
        track: TrackKey,
        /// The layer.
        rid: Rid,
        /// Why.
        reason: LayerReason,
    },
    /// Somebody began or stopped speaking on one of its tracks.
    Voice {
        /// The peer.
        peer: PeerKey,
        /// The track.
        track: TrackKey,
        /// Whether somebody speaks now.
        is_speech: bool,
    },
    /// What its way carries has changed.
    Estimate {
        /// The peer.
        peer: PeerKey,
        /// Bits a second.
        bitrate: u64,
    },
    /// Its way carries a track's pictures no more, or does again.
    Paused {
        /// The peer.
        peer: PeerKey,
        /// The track.
        track: TrackKey,
        /// Whether nothing of it is sent now.
        is_paused: bool,
    },
    /// Other encodings of one of its tracks are shown to anybody than before.
    Wanted {
        /// The peer.
        peer: PeerKey,
        /// The track.
        track: TrackKey,
        /// Those that are.
        encodings: WantedEncodings,
    },
    /// It ended its DTLS session.
    Closed {
        /// The peer.
        peer: PeerKey,
    },
}

/// Says why a peer's transport was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// The DTLS certificate is not the one whose fingerprint the SDP announced.
    #[error("the media certificate is not the one that was announced")]
    FingerprintMismatch,
    /// No SRTP protection profile is known to both sides.
    #[error("no media encryption is known to both sides")]
    NoCommonProfile,
    /// The handshake broke off or used up its retransmissions.
    #[error("the media handshake failed")]
    HandshakeFailed,
}

/// One side's ICE user name fragment and password (RFC 8445 section 5.3). A secret: it has no
/// readable `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The user name fragment: 4 to 256 ICE characters.
    pub ufrag: String,
    /// The password: 22 to 256 ICE characters.
    pub pwd: String,
}

impl IceCredentials {
    /// Length of our user name fragments. 8 characters are 48 random bits, so that no two of a
    /// server's peers meet.
    const UFRAG_LEN: usize = 8;
    /// Length of our passwords: 24 characters are 144 bits; 128 are required.
    const PWD_LEN: usize = 24;
    /// The ICE characters (RFC 8839 section 5.4).
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Makes a fresh pair from the given source of randomness, which must be cryptographic.
    pub fn random(rng: &mut impl rand::CryptoRng) -> Self {
        let mut text = |len: usize| -> String {
            let mut bytes = vec![0u8; len];
            rng.fill_bytes(&mut bytes);
            bytes
                .iter()
                .map(|byte| char::from(Self::ALPHABET[usize::from(byte % 64)]))
                .collect()
        };
        Self {
            ufrag: text(Self::UFRAG_LEN),
            pwd: text(Self::PWD_LEN),
        }
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IceCredentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_long_enough_distinct_and_never_printed() {
        let (one, two) = (
            IceCredentials::random(&mut rand::rng()),
            IceCredentials::random(&mut rand::rng()),
        );
        assert_ne!(one, two);
        assert!(one.ufrag.len() >= 4 && one.pwd.len() >= 22);
        assert_eq!(format!("{one:?}"), "IceCredentials(..)");
    }
}
