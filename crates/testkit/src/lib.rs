//! What the end-to-end scenarios in `tests/` stand on: fixtures, measurements, network namespaces,
//! process control and scripted peers. Dev only; no other crate may depend on it at run time.
//!
//! The scenarios drive the real `snug-server` program as a black box, so nothing here knows a type
//! of the crates under test. Start from [`process`] for a
//! scenario and from [`strip`] for a measurement:
//!
//! ```
//! use snug_testkit::{strip, y4m::Picture};
//!
//! let mut picture = Picture::grey(640, 360, 90);
//! strip::stamp(&mut picture, 1234);
//! assert_eq!(strip::read(&picture), Some(1234));
//! ```
//!
//! Every measure is proved on made-up bad data by a unit test beside it: a gap detector that has
//! never found a gap measures nothing.

pub mod bars;
pub mod browser;
pub mod cable;
pub mod clients;
pub mod correlate;
pub mod decode;
pub mod display;
pub mod endpoint;
pub mod fft;
pub mod fixtures;
pub mod guest;
pub mod handshake;
pub mod lane;
pub mod membrane;
pub mod netns;
pub mod process;
pub mod profile;
pub mod proxy;
pub mod psnr;
pub mod pulse;
pub mod relayed;
pub mod scripted;
pub mod sniffer;
pub mod stoi;
pub mod strip;
mod threads;
pub mod tone;
pub mod tour;
pub mod turn;
pub mod usage;
pub mod wav;
pub mod window;
pub mod wire;
pub mod y4m;
