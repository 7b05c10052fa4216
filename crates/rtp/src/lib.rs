//! RTP, RTCP and VP8 payload views, and the number types that wrap.
//!
//! Everything here borrows the caller's bytes or writes into the caller's buffer. The crate
//! refuses to know sockets, clocks, encryption and who is talking to whom, and no input makes it
//! panic: what does not parse is an [`Error`] naming the rule it broke.
//!
//! Start from [`Packet`] for media and [`rtcp::packets`] for control.
//!
//! ```
//! use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
//!
//! let fields = Fields {
//!     marker: true,
//!     payload_type: 96,
//!     sequence: SequenceNumber(7),
//!     timestamp: RtpTime(9000),
//!     ssrc: 0x1234,
//! };
//! let mut buffer = [0; 64];
//! let written = write_packet(&mut buffer, &fields, &[(4, b"0")], b"payload").unwrap();
//! let packet = Packet::parse(&buffer[..written.len]).unwrap();
//! assert_eq!(packet.extension(4), Some(&b"0"[..]));
//! assert_eq!(packet.payload(), b"payload");
//! ```

mod error;
mod extension;
mod missing;
mod number;
mod packet;
pub mod red;
pub mod rtcp;
mod token;
pub mod vp8;
mod write;

pub use error::Error;
pub use extension::{ExtensionBlock, Extensions};
pub use missing::{Missing, Sequences};
pub use number::{NtpTime, RtpTime, SequenceNumber, SequenceUnwrapper};
pub use packet::{Header, Packet, PacketMut};
pub use token::{Mid, Rid, Token};
pub use write::{Fields, Written, write_packet};

/// Bytes of the fixed RTP header (RFC 3550 section 5.1).
pub const FIXED_HEADER_LEN: usize = 12;
