//! The browser suite: the programs written for a Membrane server, unmodified from npm, in real
//! browsers, in rooms of ours. Server and browser are on two computers of a network of their own.

#[path = "browsers/calls.rs"]
mod calls;
#[path = "browsers/complaints.rs"]
mod complaints;
#[path = "browsers/endings.rs"]
mod endings;
#[path = "browsers/faults.rs"]
mod faults;
#[path = "browsers/layers.rs"]
mod layers;
#[path = "browsers/loss.rs"]
mod loss;
#[path = "browsers/rate.rs"]
mod rate;
#[path = "browsers/rig.rs"]
mod rig;
#[path = "browsers/versions.rs"]
mod versions;
#[path = "browsers/wishes.rs"]
mod wishes;
