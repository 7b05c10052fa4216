//! The room server: listener, sockets, rooms, media transport.

pub mod socket;
pub mod transport;
