//! The room server: listener, sockets, rooms, media transport.
