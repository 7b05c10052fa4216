//! Rooms on this network.
