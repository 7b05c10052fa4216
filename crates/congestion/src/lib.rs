//! How many bits a second a way through the network carries, found out from when packets arrive.
//!
//! Every packet of a connection carries a transport-wide number. The receiver keeps [`Arrivals`]
//! and reports them; the sender keeps an [`Estimator`], tells it what goes out and what comes
//! back, and asks it for the target. The crate refuses to know sockets, clocks, encryption and
//! what the packets are: the time is an argument.
//!
//! What is done with the target (fewer layers, another bitrate, no pictures) is the caller's.
//!
//! ```
//! use snug_congestion::{Arrivals, Estimator, Limits};
//! use snug_rtp::SequenceNumber;
//! use snug_rtp::rtcp::{Packet, Writer, packets};
//! use std::time::{Duration, Instant};
//!
//! let start = Instant::now();
//! let mut estimator = Estimator::new(Limits::default());
//! let mut arrivals = Arrivals::default();
//! for number in 0..10 {
//!     let sent_at = start + Duration::from_millis(10) * u32::from(number);
//!     estimator.handle_sent(SequenceNumber(number), 1200, sent_at);
//!     arrivals.handle_packet(SequenceNumber(number), sent_at + Duration::from_millis(20));
//! }
//! let now = start + Duration::from_millis(200);
//! let mut buffer = [0; 1200];
//! let mut writer = Writer::new(&mut buffer);
//! assert!(arrivals.write_feedback(now, 1, 2, &mut writer).unwrap());
//! let len = writer.finish();
//! for packet in packets(&buffer[..len]) {
//!     if let Ok(Packet::TransportFeedback(feedback)) = packet {
//!         estimator.handle_feedback(&feedback, now);
//!     }
//! }
//! assert!(estimator.is_measured());
//! assert_eq!(estimator.loss(), 0.0);
//! ```

mod arrivals;
mod delay;
mod drain;
mod estimator;
mod history;
mod limits;
mod loss;
mod probe;
mod throughput;
mod told;

pub use arrivals::Arrivals;
pub use estimator::Estimator;
pub use limits::Limits;

#[cfg(test)]
mod test {
    use std::time::Instant;

    /// Returns some instant to count from.
    pub fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }
}
