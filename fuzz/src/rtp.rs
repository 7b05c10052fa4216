//! One datagram read as RTP with a VP8 payload, and as compound RTCP; then rewritten in place, as
//! the server does for each subscriber: what was not rewritten must not change.

use snug_rtp::vp8::Descriptor;
use snug_rtp::{Packet, PacketMut, SequenceNumber, rtcp};

/// Says the input to it.
pub fn run(data: &[u8]) {
    read_rtp(data);
    rewrite_rtp(data);
    for packet in rtcp::packets(data) {
        match packet {
            Ok(rtcp::Packet::SenderReport(_, blocks) | rtcp::Packet::ReceiverReport(_, blocks)) => {
                assert!(blocks.count() <= rtcp::ReportBlock::COUNT_MAX);
            }
            Ok(rtcp::Packet::SourceDescription(it)) => drop(it.cnames().count()),
            Ok(rtcp::Packet::Bye(it)) => drop(it.ssrcs().count()),
            Ok(rtcp::Packet::FullIntraRequest(it)) => drop(it.entries().count()),
            Ok(rtcp::Packet::Nack(it)) => drop(it.sequences().count()),
            Ok(_) | Err(_) => {}
        }
    }
}

fn read_rtp(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else {
        return;
    };
    assert!(packet.payload().len() + packet.padding_len() <= data.len());
    assert!(packet.csrcs().count() <= 15);
    assert!(packet.extensions().count() <= data.len());
    for id in 1..15 {
        packet.extension(id);
    }
    if let Ok(descriptor) = Descriptor::parse(packet.payload()) {
        descriptor.keyframe_size(packet.payload());
        let mut payload = packet.payload().to_vec();
        descriptor.rewrite(&mut payload, 4711, 8);
        let again = Descriptor::parse(&payload).expect("a rewritten descriptor still fits");
        assert_eq!(again.len, descriptor.len);
        assert_eq!(payload[again.len..], packet.payload()[descriptor.len..]);
    }
}

fn rewrite_rtp(data: &[u8]) {
    let mut copy = data.to_vec();
    let Ok(mut packet) = PacketMut::parse(&mut copy) else {
        return;
    };
    packet.set_ssrc(7);
    packet.set_sequence(SequenceNumber(9));
    let (before, after) = (Packet::parse(data), Packet::parse(&copy));
    let (before, after) = (
        before.expect("it was read once"),
        after.expect("still a packet"),
    );
    assert_eq!(after.header().ssrc, 7);
    assert_eq!(after.payload(), before.payload());
    assert_eq!(after.header().timestamp, before.header().timestamp);
}
