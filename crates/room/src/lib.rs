//! Who is in a room and what they may do, how long an absent one's place is held, which rooms there
//! are, and how often a passcode may be tried.
//!
//! Three cores as plain data: time, ids and tokens come in as arguments, decisions come out as
//! values. The crate refuses to know sockets, packets, media events and tracks.
//!
//! Start from [`Room`] (one room's people) and [`Registry`] (look up a room or start it);
//! [`Tries`] stands by itself.
//!
//! ```
//! use std::time::Instant;
//! use snug_protocol::PeerId;
//! use snug_room::{Credentials, HostRule, Joiner, Output, PEERS_MAX, Patience, Room};
//!
//! let now = Instant::now();
//! let mut room = Room::new(Patience::default(), PEERS_MAX, HostRule::First);
//! let joiner = Joiner { fresh_id: PeerId::from_random([1; 16]), fresh_token: None, resume: None,
//!     credentials: Credentials::default() };
//! let seat = room.handle_join(joiner, now)?.seat;
//! room.handle_connect(&seat);
//! assert_eq!(room.poll_output(), Some(Output::Arrived { peer: seat.peer.clone() }));
//! # Ok::<(), snug_protocol::ReasonCode>(())
//! ```
#![forbid(unsafe_code)]

mod chat;
mod gestures;
mod moderation;
mod registry;
mod room;
mod tries;

pub use chat::{CHAT_BYTES_MAX, CHAT_MESSAGES_MAX, ChatLog, Heard, Saying};
pub use gestures::Gestures;
pub use moderation::{BARS_MAX, Credentials, HostRule, WAITING_MAX};
pub use registry::{Found, Lease, ROOMS_MAX, Registry, RoomId, RoomPolicy};
pub use room::{Admission, Connected, Departure, Joiner, Output, PEERS_MAX, Patience, Room, Seat};
pub use tries::{Tries, TryRefused};
