//! The room server: listener, sockets, rooms, media transport.
//!
//! It refuses to know what a client looks like: whoever speaks Phoenix Channels and media events
//! may join. Start from [`Server`] and [`Config`]; inside, from `room_task` (what happens in a
//! room) and [`transport`] (what happens to a packet).
//!
//! ```no_run
//! # async fn example() -> Result<(), snug_server::Error> {
//! use snug_server::{Config, Server};
//!
//! let server = Server::start(Config { data_dir: "snug-data".into(), ..Config::default() }).await?;
//! println!("{:?} with key {}", server.addresses(), server.pin());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod advertising;
mod application;
mod config;
mod counters;
mod error;
mod forward;
pub mod http;
mod identity;
mod joins;
pub mod listener;
mod metrics;
mod negotiation;
mod open_files;
mod origin;
mod pages;
mod peer_channel;
mod registry;
mod room_task;
mod server;
pub mod socket;
mod stats;
pub mod tls;
pub mod transport;
mod turn_servers;

pub use config::{Config, PORT, TlsFiles};
pub use counters::{Counter, Counters};
pub use error::Error;
pub use identity::{Identity, pin_of};
pub use open_files::raise_open_files_limit;
pub use origin::{OriginRules, machine_name};
pub use pages::PageFile;
pub use server::Server;
pub use snug_room::RoomPolicy;
