//! Agreeing with one peer on what flows between it and the room.
//!
//! The server always asks (`offerData`) and the client always offers; see [`Negotiation`] for the
//! rules. [`Offer`] reads a session description, [`Answer`] writes one. Everything here is plain
//! data: no tokio, no sockets, no clock.

mod agreed;
mod answer;
mod attributes;
pub(crate) mod fuzzing;
mod offer;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use agreed::{Agreed, OwnTrack, Wanted};
pub(crate) use answer::{Answer, Candidates};
#[cfg(test)]
use offer::SDP_BYTES_MAX;
pub(crate) use offer::{Direction, Offer, OfferError, Section};
pub(crate) use state::Negotiation;

/// How many media sections one session description may hold: every track of a full room, and the
/// peer's own. Each costs a few hundred bytes in every answer.
pub(crate) const SECTIONS_MAX: usize = 1024;

/// The longest identifier that a stream or a track may have in `a=msid`, in bytes (RFC 8830
/// section 2).
pub(crate) const MSID_BYTES_MAX: usize = 64;

/// How many tracks one peer may publish: camera, microphone, screen with sound, and as many again.
pub(crate) const TRACKS_PER_PEER_MAX: usize = 8;
