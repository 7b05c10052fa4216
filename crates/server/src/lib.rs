//! The room server: listener, sockets, rooms, media transport.

pub mod transport;
