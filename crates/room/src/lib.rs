//! Who is in a room, how long an absent one's place is held, and which rooms there are.
//!
//! Two cores as plain data: time, ids and tokens come in as arguments, decisions come out as
//! values. The crate refuses to know sockets, packets, media events and tracks.
//!
//! Start from [`Room`] (one room's people) and [`Registry`] (look up a room or start it).
//!
//! ```
//! use std::time::Instant;
//! use snug_protocol::PeerId;
//! use snug_room::{Joiner, Output, PEERS_MAX, Patience, Room};
//!
//! let now = Instant::now();
//! let mut room = Room::new(Patience::default(), PEERS_MAX);
//! let joiner = Joiner { fresh_id: PeerId::from_random([1; 16]), fresh_token: None, resume: None };
//! let seat = room.handle_join(joiner, now)?.seat;
//! room.handle_connect(&seat);
//! assert_eq!(room.poll_output(), Some(Output::Arrived { peer: seat.peer.clone() }));
//! # Ok::<(), snug_protocol::ReasonCode>(())
//! ```
#![forbid(unsafe_code)]

mod registry;
mod room;

pub use registry::{Found, Lease, ROOMS_MAX, Registry, RoomId, RoomPolicy};
pub use room::{Admission, Connected, Departure, Joiner, Output, PEERS_MAX, Patience, Room, Seat};
