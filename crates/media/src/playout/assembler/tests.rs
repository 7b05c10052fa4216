//! Real VP8 in real packets, over a network made up on the spot.

use proptest::prelude::*;

use super::*;
use crate::source::{TestPattern, read_strip};
use crate::vp8;

struct Packet {
    sequence: SequenceNumber,
    timestamp: RtpTime,
    marker: bool,
    payload: Bytes,
}

/// Encodes `count` pictures, each with a keyframe where asked, and cuts them into small packets.
fn stream(count: u64, keyframes: &[u64]) -> Vec<Packet> {
    let pattern = TestPattern::new(160, 96, 30).unwrap();
    let mut encoder = vp8::Encoder::new(vp8::EncoderConfig::new(160, 96, 30, 400_000)).unwrap();
    let mut sequence = SequenceNumber(65_500);
    let mut packets = Vec::new();
    for n in 0..count {
        if keyframes.contains(&n) {
            encoder.request_keyframe();
        }
        let at = Duration::from_millis(n * 33);
        let data = encoder.encode(&pattern.draw(n), at).unwrap().unwrap().data;
        let chunks: Vec<_> = data.chunks(400).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let mut payload = vec![if i == 0 { 0x10 } else { 0 }];
            payload.extend_from_slice(chunk);
            packets.push(Packet {
                sequence,
                timestamp: RtpTime(u32::MAX - 9_000).wrapping_add(n as u32 * 3_000),
                marker: i + 1 == chunks.len(),
                payload: payload.into(),
            });
            sequence = sequence.next();
        }
    }
    packets
}

/// As [`stream`], but every other picture has none built upon it, and packets say so.
fn layered_stream(count: u64) -> Vec<Packet> {
    let pattern = TestPattern::new(160, 96, 30).unwrap();
    let config = vp8::EncoderConfig {
        temporal_layers: 2,
        ..vp8::EncoderConfig::new(160, 96, 30, 400_000)
    };
    let mut encoder = vp8::Encoder::new(config).unwrap();
    let (mut sequence, mut base_layer) = (SequenceNumber(65_500), 250_u8);
    let mut packets = Vec::new();
    for n in 0..count {
        let at = Duration::from_millis(n * 33);
        let frame = encoder.encode(&pattern.draw(n), at).unwrap().unwrap();
        base_layer = base_layer.wrapping_add(u8::from(frame.temporal_layer == 0));
        let chunks: Vec<_> = frame.data.chunks(400).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let start = if i == 0 { 0x90 } else { 0x80 };
            let mut payload = vec![start, 0x60, base_layer, frame.temporal_layer << 6];
            payload.extend_from_slice(chunk);
            packets.push(Packet {
                sequence,
                timestamp: RtpTime(u32::MAX - 9_000).wrapping_add(n as u32 * 3_000),
                marker: i + 1 == chunks.len(),
                payload: payload.into(),
            });
            sequence = sequence.next();
        }
    }
    packets
}

#[test]
fn what_no_picture_is_built_upon_is_left_out_when_it_is_lost() {
    let packets = layered_stream(120);
    let lost = |n: u32| n % 12 == 5;
    let mut run = Run::new();
    let mut longest = 0;
    let start = packets[0].timestamp;
    let mut last_shown = 0;
    for n in 0..120 {
        let picture = packets
            .iter()
            .filter(|packet| packet.timestamp.distance_from(start) == 3_000 * n);
        for (i, packet) in picture.enumerate() {
            if !lost(n as u32) || i > 0 {
                run.take(packet);
            }
        }
        for _ in 0..3 {
            run.wait(11);
        }
        if run.shown.len() > last_shown {
            (last_shown, longest) = (run.shown.len(), 0);
        } else {
            longest += 33;
            assert!(longest <= 99, "it stood still for {longest} ms at {n}");
        }
    }
    let whole: Vec<u16> = (0..120).filter(|n| !lost((*n).into())).collect();
    assert_eq!(run.shown, whole);
    let counters = run.assembler.counters();
    assert_eq!((run.wanted, counters.breaks, counters.skips), (0, 0, 10));
}

#[test]
fn a_lost_picture_of_the_base_layer_is_not_left_out() {
    let packets = layered_stream(60);
    let start = packets[0].timestamp;
    let mut run = Run::new();
    for packet in &packets {
        if packet.timestamp.distance_from(start) != 3_000 * 20 {
            run.take(packet);
            run.wait(11);
        }
    }
    assert!(run.wanted > 0);
    assert_eq!(run.assembler.counters().skips, 0);
    assert_eq!(run.shown, (0..20).collect::<Vec<_>>());
}

struct Run {
    assembler: VideoAssembler,
    decoder: vp8::Decoder,
    now: Instant,
    shown: Vec<u16>,
    wanted: usize,
}

impl Run {
    fn new() -> Self {
        Self {
            assembler: VideoAssembler::new(AssemblerConfig::default()),
            decoder: vp8::Decoder::new(1).unwrap(),
            now: Instant::now(),
            shown: Vec::new(),
            wanted: 0,
        }
    }

    fn take(&mut self, packet: &Packet) {
        let Packet {
            sequence,
            timestamp,
            marker,
            ref payload,
        } = *packet;
        self.assembler
            .handle_packet(sequence, timestamp, marker, payload.clone(), self.now);
        self.drain();
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.assembler.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.assembler.poll_output(self.now) {
            match output {
                Output::Frame(frame) => {
                    assert_eq!(frame.keyframe, frame.size == Some((160, 96)));
                    let picture = self
                        .decoder
                        .decode(&frame.data)
                        .expect("only whole pictures");
                    self.shown
                        .push(read_strip(picture).expect("on the right picture"));
                }
                Output::KeyframeWanted => self.wanted += 1,
            }
        }
    }
}

#[test]
fn a_clean_stream_gives_every_picture_across_the_wrap() {
    let mut run = Run::new();
    for packet in stream(60, &[]) {
        run.take(&packet);
    }
    assert_eq!(run.shown, (0..60).collect::<Vec<_>>());
    assert_eq!(run.wanted, 0);
    let counters = run.assembler.counters();
    assert_eq!(
        (counters.frames, counters.keyframes, counters.breaks),
        (60, 1, 0)
    );
}

/// Where the packets of the second picture begin.
fn second_picture(packets: &[Packet]) -> usize {
    let first = packets[0].timestamp;
    packets.iter().position(|p| p.timestamp != first).unwrap()
}

#[test]
fn a_missing_packet_that_comes_in_time_costs_nothing() {
    let packets = stream(10, &[]);
    let late = second_picture(&packets);
    let mut run = Run::new();
    for (n, packet) in packets.iter().enumerate() {
        if n != late {
            run.take(packet);
        }
    }
    assert_eq!(run.shown, [0]);
    assert!(run.assembler.deadline().is_some());
    run.wait(100);
    run.take(&packets[late]);
    assert_eq!(run.shown, (0..10).collect::<Vec<_>>());
    assert_eq!((run.wanted, run.assembler.counters().breaks), (0, 0));
    assert_eq!(run.assembler.deadline(), None);
}

#[test]
fn a_missing_packet_is_waited_for_as_long_as_repairs_take() {
    for (slowest_ms, waits_ms) in [(0, 250), (100, 250), (240, 360), (900, 800)] {
        let packets = stream(10, &[]);
        let late = second_picture(&packets);
        let mut run = Run::new();
        run.assembler
            .expect_repairs_within(Duration::from_millis(slowest_ms));
        for (n, packet) in packets.iter().enumerate() {
            if n != late {
                run.take(packet);
            }
        }
        run.wait(waits_ms - 1);
        assert_eq!(run.assembler.counters().breaks, 0, "{slowest_ms}");
        run.wait(1);
        assert_eq!(run.assembler.counters().breaks, 1, "{slowest_ms}");
    }
}

#[test]
fn a_lost_packet_freezes_until_the_next_keyframe_and_asks_for_it() {
    let packets = stream(30, &[20]);
    let second = second_picture(&packets);
    let mut run = Run::new();
    let mut last = packets[0].timestamp;
    for (n, packet) in packets.iter().enumerate() {
        if packet.timestamp != last {
            last = packet.timestamp;
            run.wait(33);
        }
        if n != second {
            run.take(packet);
        }
    }
    assert_eq!(
        run.shown,
        std::iter::once(0).chain(20..30).collect::<Vec<_>>()
    );
    assert!((1..=3).contains(&run.wanted), "{}", run.wanted);
    assert_eq!(run.assembler.counters().breaks, 1);
}

#[test]
fn requests_become_rarer_and_stop_when_nothing_comes() {
    let packets = stream(200, &[]);
    let mut run = Run::new();
    let skip = second_picture(&packets);
    let mut last = packets[0].timestamp;
    for packet in &packets[skip..] {
        if packet.timestamp != last {
            last = packet.timestamp;
            run.wait(33);
        }
        run.take(packet);
    }
    // 6.6 s: at 0, 0.25, 0.75, 1.75, 3.75, 5.75 s.
    assert_eq!(run.wanted, 6);
    assert!(run.shown.is_empty());
    run.wait(10_000);
    run.wait(10_000);
    assert!(run.wanted <= 7, "nobody is there to answer");
    assert_eq!(run.assembler.deadline(), None);
}

#[test]
fn a_decode_error_waits_for_a_keyframe() {
    let packets = stream(20, &[10]);
    let mut run = Run::new();
    let half = packets
        .iter()
        .position(|p| p.timestamp == RtpTime(6_000 - 1))
        .unwrap_or(1);
    for (n, packet) in packets.iter().enumerate() {
        run.take(packet);
        if n == half {
            run.assembler.handle_decode_error(run.now);
            run.drain();
        }
    }
    assert_eq!(run.wanted, 1);
    assert_eq!(run.shown.last(), Some(&19));
    assert!(run.shown.contains(&10) && !run.shown.contains(&8));
}

#[test]
fn a_forgotten_marker_and_padding_are_survived() {
    let mut packets = stream(10, &[]);
    packets.iter_mut().for_each(|p| p.marker = false);
    let last = packets.last().unwrap();
    let padding = Packet {
        sequence: last.sequence.next(),
        timestamp: last.timestamp,
        marker: false,
        payload: Bytes::new(),
    };
    let mut run = Run::new();
    packets.iter().for_each(|packet| run.take(packet));
    run.take(&padding);
    assert_eq!(run.shown, (0..9).collect::<Vec<_>>());
}

#[test]
fn a_sender_that_starts_over_is_followed() {
    let packets = stream(10, &[]);
    let mut run = Run::new();
    packets.iter().for_each(|packet| run.take(packet));
    for mut packet in stream(10, &[]) {
        packet.sequence = packet.sequence.wrapping_add(20_000);
        run.take(&packet);
    }
    // The first packet of the new sequence is taken for a stray, so its keyframe is never whole.
    assert_eq!(run.shown, (0..10).collect::<Vec<_>>());
    assert_eq!(run.wanted, 1);
    for mut packet in stream(10, &[]) {
        packet.sequence = packet.sequence.wrapping_add(20_000 + packets.len() as u16);
        run.take(&packet);
    }
    assert_eq!(run.shown.len(), 20);
}

#[test]
fn a_burst_without_end_stays_bounded() {
    let mut run = Run::new();
    for n in 0..5_000u16 {
        run.take(&Packet {
            sequence: SequenceNumber(n),
            timestamp: RtpTime(0),
            marker: false,
            payload: Bytes::from_static(&[0x10, 1, 2, 3]),
        });
        run.now += Duration::from_millis(1);
    }
    assert!(run.shown.is_empty());
    assert!(run.assembler.slots.iter().flatten().count() <= SLOTS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Loss, doubling and reordering in any mix: only whole pictures come out, in order, each on the
    /// picture it was made from; and after a clean keyframe everything flows again.
    #[test]
    fn any_network_gives_only_whole_pictures_in_order(
        fates in prop::collection::vec((0u8..30, 0usize..12), 400),
    ) {
        let packets = stream(90, &[30, 60]);
        let clean_from = packets.iter().position(|p| {
            p.timestamp == RtpTime(u32::MAX - 9_000).wrapping_add(60 * 3_000)
        }).unwrap();
        let mut order = Vec::new();
        for n in 0..packets.len() {
            let (fate, shift) = fates[n % fates.len()];
            if n >= clean_from {
                order.push((n * 10, n));
            } else if fate > 1 {
                order.push((n * 10 + shift * 4, n));
                if fate == 2 {
                    order.push((n * 10 + 37, n));
                }
            }
        }
        order.sort_unstable();
        let mut run = Run::new();
        for (_, n) in order {
            run.now += Duration::from_millis(5);
            run.take(&packets[n]);
        }
        run.wait(200);
        prop_assert!(run.shown.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", run.shown);
        prop_assert!(run.shown.ends_with(&(60..90).collect::<Vec<_>>()), "{:?}", run.shown);
    }

    /// Whatever comes, nothing panics and memory stays bounded.
    #[test]
    fn hostile_packets_are_survived(
        inputs in prop::collection::vec(
            (any::<u16>(), 0u32..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..30)), 1..300),
    ) {
        let mut assembler = VideoAssembler::new(AssemblerConfig::default());
        let now = Instant::now();
        for (sequence, timestamp, marker, payload) in inputs {
            let (sequence, timestamp) = (SequenceNumber(sequence % 700), RtpTime(timestamp));
            assembler.handle_packet(sequence, timestamp, marker, payload.into(), now);
            while assembler.poll_output(now).is_some() {}
        }
    }
}
