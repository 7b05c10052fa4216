//! One compound of RTCP, read to its end: every list in it ends too.

use snug_rtp::rtcp::{Packet, ReportBlock, packets};

/// Says the input to it.
pub fn run(data: &[u8]) {
    let mut count = 0;
    for packet in packets(data) {
        count += 1;
        match packet {
            Ok(Packet::SenderReport(_, blocks) | Packet::ReceiverReport(_, blocks)) => {
                assert!(blocks.count() <= ReportBlock::COUNT_MAX);
            }
            Ok(Packet::SourceDescription(it)) => assert!(it.cnames().count() <= data.len()),
            Ok(Packet::Bye(it)) => assert!(it.ssrcs().count() <= 31),
            Ok(Packet::FullIntraRequest(it)) => assert!(it.entries().count() <= data.len()),
            // Each of its words names at most 17 packets.
            Ok(Packet::Nack(it)) => assert!(it.sequences().count() <= 17 * data.len()),
            Ok(_) | Err(_) => {}
        }
    }
    assert!(count <= data.len(), "a packet has at least four bytes");
}
