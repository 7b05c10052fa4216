//! Whatever arrives that makes no sense: nothing panics, no memory, socket or room is left behind,
//! and a call in another room notices nothing. A hundred thousand of each kind, a million with
//! `SNUG_SLOW` set.

#[path = "junk/damage.rs"]
mod damage;
#[path = "junk/datagrams.rs"]
mod datagrams;
#[path = "junk/frames.rs"]
mod frames;
#[path = "junk/house.rs"]
mod house;
