//! The room server: listener, sockets, rooms, media transport.

mod config;
mod counters;
mod error;
pub mod http;
mod identity;
pub mod listener;
mod origin;
pub mod socket;
pub mod tls;
pub mod transport;

pub use config::{Config, PORT};
pub use counters::{Counter, Counters};
pub use error::Error;
pub use identity::{Identity, pin_of};
pub use origin::{OriginRules, machine_name};
