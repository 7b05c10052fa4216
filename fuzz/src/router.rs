//! A picture's packets and what its subscriber asks for again, as operations of three bytes:
//! what is sent again is what was sent under that number, or what came before it all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use snug_rtp::rtcp::Writer;
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{Encoding, ExtensionIds, Kind, PeerKey, Publish, Router, Subscribe, TrackKey, View};

const SPEAKER: PeerKey = PeerKey(1);
const LISTENER: PeerKey = PeerKey(2);
const MEDIA: u32 = 9;
const RTX: u32 = 10;

/// What the listener was sent.
#[derive(Default)]
struct Sent {
    first: Option<SequenceNumber>,
    payloads: HashMap<SequenceNumber, Vec<u8>>,
}

/// Says the input to it.
pub fn run(data: &[u8]) {
    let mut now = Instant::now();
    let mut router = room(now);
    let mut sent = Sent::default();
    let mut sequence = 1_000u16;
    for operation in data.chunks_exact(3) {
        let &[kind, high, low] = operation else {
            return;
        };
        let number = u16::from_be_bytes([high, low]);
        now += Duration::from_millis(u64::from(kind >> 3));
        match kind % 5 {
            // The next packet, with a gap of up to three.
            0 | 1 => {
                sequence = sequence.wrapping_add(1 + number % 4);
                publish(&mut router, sequence, now, &mut sent);
            }
            // One from before.
            2 => {
                let late = sequence.wrapping_sub(number % 600);
                publish(&mut router, late, now, &mut sent);
            }
            3 => ask(&mut router, sequence.wrapping_sub(number % 1200), low, now),
            _ => router.handle_timeout(now),
        }
        repaired(&mut router, now, &sent);
        while router.poll_output().is_some() {}
        while router.poll_notice().is_some() {}
        // Numbers come again after a turn.
        if sequence > 30_000 {
            return;
        }
    }
}

fn room(now: Instant) -> Router {
    let (track, mid) = (TrackKey(1), "0".to_owned());
    let mut router = Router::default();
    let publish = Publish {
        track,
        kind: Kind::Video,
        mid: mid.clone(),
        encodings: vec![Encoding {
            ssrc: Some(7),
            rtx_ssrc: Some(8),
            ..Encoding::default()
        }],
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        bitrate_max: None,
    };
    let subscribe = Subscribe {
        track,
        mid,
        ssrc: MEDIA,
        rtx_ssrc: Some(RTX),
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        target: None,
        view: View::default(),
    };
    router.set_media(SPEAKER, vec![publish], vec![], now);
    router.set_media(LISTENER, vec![], vec![subscribe], now);
    router.handle_connected(SPEAKER, now);
    router.handle_connected(LISTENER, now);
    router
}

fn publish(router: &mut Router, sequence: u16, now: Instant, sent: &mut Sent) {
    let fields = Fields {
        marker: true,
        payload_type: 96,
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(u32::from(sequence) * 3_000),
        ssrc: 7,
    };
    // A whole keyframe each, told apart by the number.
    let mut payload = vec![0x10, 0];
    payload.extend(sequence.to_be_bytes());
    let mut buffer = [0; 256];
    let written = write_packet(&mut buffer, &fields, &[], &payload).expect("it fits");
    let packet = Packet::parse(&buffer[..written.len]).expect("we write packets");
    let Some(arrival) = router.handle_rtp(SPEAKER, &packet, now) else {
        return;
    };
    for index in 0..router.subscriber_count(&arrival) {
        let mut out = [0; 512];
        let Some(forwarded) = router.forward(&arrival, index, &packet, now, &mut out) else {
            continue;
        };
        let packet = Packet::parse(&out[..forwarded.len]).expect("routers write packets");
        assert_eq!(packet.header().ssrc, MEDIA);
        // What comes again under its number is a repetition for a listener too.
        let number = packet.header().sequence;
        sent.first.get_or_insert(number);
        sent.payloads.insert(number, packet.payload().to_vec());
    }
}

fn ask(router: &mut Router, from: u16, count: u8, now: Instant) {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    let wanted = (0..u16::from(count % 32)).map(|step| SequenceNumber(from.wrapping_add(step)));
    if writer.nack(1, MEDIA, wanted).is_ok() {
        let len = writer.finish();
        router.handle_rtcp(LISTENER, &buffer[..len], now);
    }
}

fn repaired(router: &mut Router, now: Instant, sent: &Sent) {
    let mut out = [0; 512];
    while let Some(repaired) = router.poll_repair(now, &mut out) {
        assert_eq!(repaired.to, LISTENER);
        let packet = Packet::parse(&out[..repaired.len]).expect("routers write packets");
        assert_eq!(packet.header().ssrc, RTX);
        let (number, payload) = packet
            .payload()
            .split_first_chunk::<2>()
            .expect("it says what it repeats");
        let number = SequenceNumber(u16::from_be_bytes(*number));
        match sent.payloads.get(&number) {
            Some(original) => assert_eq!(payload, original, "{number:?} is another packet now"),
            // Who asks for what was before the beginning may have it.
            None => assert!(
                sent.first
                    .is_some_and(|first| number.distance_from(first) < 0)
            ),
        }
    }
}
