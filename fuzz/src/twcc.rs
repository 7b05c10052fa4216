//! Transport-wide feedback of a liar: the estimate stays within its limits, and feedback that we
//! write ourselves about the same packets is understood.

use std::time::{Duration, Instant};

use snug_congestion::{Arrivals, Estimator, Limits};
use snug_rtp::SequenceNumber;
use snug_rtp::rtcp::{Packet, Writer, packets};

/// Packets sent before each piece of feedback.
const SENT: u16 = 64;

/// Says the input to it.
pub fn run(data: &[u8]) {
    let mut now = Instant::now();
    let limits = Limits::default();
    let (mut estimator, mut arrivals) = (Estimator::new(limits), Arrivals::default());
    let mut number = 0u16;
    for packet in packets(data) {
        for _ in 0..SENT {
            now += Duration::from_millis(1);
            estimator.handle_sent(SequenceNumber(number), 1200, now);
            arrivals.handle_packet(SequenceNumber(number), now);
            number = number.wrapping_add(1);
        }
        if let Ok(Packet::TransportFeedback(feedback)) = packet {
            estimator.handle_feedback(&feedback, now);
        }
        now += Duration::from_millis(50);
        estimator.handle_timeout(now);
        let range = limits.least..=limits.most;
        assert!(
            range.contains(&estimator.target()),
            "{}",
            estimator.target()
        );
        tell(&mut arrivals, &mut estimator, now);
    }
}

/// Writes what is due, and reads it again.
fn tell(arrivals: &mut Arrivals, estimator: &mut Estimator, now: Instant) {
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer);
    let is_due = arrivals
        .write_feedback(now, 1, 2, &mut writer)
        .expect("a whole buffer is enough");
    let len = writer.finish();
    let mut is_read = false;
    for packet in packets(&buffer[..len]) {
        if let Packet::TransportFeedback(feedback) = packet.expect("we write what can be read") {
            estimator.handle_feedback(&feedback, now);
            is_read = true;
        }
    }
    assert_eq!(is_due, is_read);
}
