//! Rooms on this network: told by those who host them, found by those who look, gone when over.
//!
//! It refuses to know what happens in a room, and it trusts nobody: what is found proves nothing,
//! and whoever joins checks the host's key. Nothing leaves the link.
//!
//! Cores: [`announcing::Announcing`] answers who asks, [`listing::Listing`] keeps the list,
//! [`interfaces`] says which networks count. Shells: start from [`Announcer`] and [`Looker`].
//!
//! ```no_run
//! # async fn example() {
//! let mut looker = snug_discovery::Looker::start();
//! let mut rooms = looker.rooms();
//! while rooms.changed().await.is_ok() {
//!     for room in rooms.borrow_and_update().iter() {
//!         println!("{}", room.link());
//!     }
//! }
//! # }
//! ```
#![forbid(unsafe_code)]

mod announcer;
pub mod announcing;
mod check;
pub mod datagram;
pub mod interfaces;
pub mod listing;
mod looker;
mod mdns;
mod sockets;

pub use announcer::Announcer;
pub use listing::FoundRoom;
pub use looker::Looker;

/// The UDP port on which hosts hear who looks for rooms: the one after Snug's own, whose UDP side
/// belongs to sound and picture.
pub const PORT: u16 = 7685;

/// The group of IPv6 that hosts join on each link: `ff02` stays on the link (RFC 4291 section
/// 2.7), the rest says "snug".
pub const GROUP: std::net::Ipv6Addr =
    std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x736e, 0x7567);
