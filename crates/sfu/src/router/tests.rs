//! A room seen from outside: packets in, packets and requests out.

mod layers;
mod one_stream;
mod red;

use super::*;
use crate::{Encoding, ExtensionIds, Publish, Subscribe, View};
use proptest::prelude::*;
use snug_rtp::rtcp::{ReportBlock, SenderReport, Writer};
use snug_rtp::{Fields, NtpTime, RtpTime, SequenceNumber, write_packet};
use std::time::Duration;

const SPEAKER: PeerKey = PeerKey(1);
const LISTENER: PeerKey = PeerKey(2);
const OTHER: PeerKey = PeerKey(3);
const CAMERA: TrackKey = TrackKey(10);
const VOICE: TrackKey = TrackKey(11);
const MS: Duration = Duration::from_millis(1);
const SENDER_IDS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    rid: Some(10),
    repaired_rid: Some(11),
    audio_level: Some(1),
    transport_cc: None,
};
const RECEIVER_IDS: ExtensionIds = ExtensionIds {
    mid: Some(9),
    rid: None,
    repaired_rid: None,
    audio_level: Some(2),
    ..SENDER_IDS
};

fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn encoding(rid: Option<&str>, ssrc: Option<u32>) -> Encoding {
    Encoding {
        rid: rid.map(|rid| rid.parse().unwrap()),
        ssrc,
        rtx_ssrc: None,
        is_disabled: false,
    }
}

fn camera(encodings: Vec<Encoding>) -> Publish {
    Publish {
        track: CAMERA,
        kind: Kind::Video,
        mid: "1".into(),
        encodings,
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: SENDER_IDS,
        bitrate_max: None,
    }
}

fn voice(ssrc: u32) -> Publish {
    Publish {
        track: VOICE,
        kind: Kind::Audio,
        mid: "0".into(),
        encodings: vec![encoding(None, Some(ssrc))],
        payload_type: 111,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions: SENDER_IDS,
        bitrate_max: None,
    }
}

fn subscribe(track: TrackKey, ssrc: u32, payload_type: u8) -> Subscribe {
    Subscribe {
        track,
        mid: "7".into(),
        ssrc,
        rtx_ssrc: None,
        payload_type,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions: RECEIVER_IDS,
        target: None,
        view: View::default(),
    }
}

/// A packet to be sent by a scripted publisher.
#[derive(Clone)]
struct Sent {
    bytes: Vec<u8>,
}

impl Sent {
    fn video(ssrc: u32, sequence: u16, timestamp: u32, is_keyframe: bool, picture: u16) -> Self {
        let [high, low] = (picture | 0x8000).to_be_bytes();
        let tag = if is_keyframe { 0x10 } else { 0x11 };
        let payload = [
            0x90,
            0xC0,
            high,
            low,
            picture as u8,
            tag,
            0,
            0,
            0x9D,
            1,
            0x2A,
            0,
            1,
            0,
            1,
        ];
        Self::new(96, ssrc, sequence, timestamp, &[], &payload)
    }

    fn audio(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self::new(111, ssrc, sequence, timestamp, &[(1, &[0x55])], b"opus")
    }

    fn new(
        payload_type: u8,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        extensions: &[(u8, &[u8])],
        payload: &[u8],
    ) -> Self {
        let fields = Fields {
            marker: true,
            payload_type,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(timestamp),
            ssrc,
        };
        let mut bytes = vec![0; 256];
        let len = write_packet(&mut bytes, &fields, extensions, payload)
            .unwrap()
            .len;
        bytes.truncate(len);
        Self { bytes }
    }
}

/// A router with a clock, and what came out of it.
struct Bench {
    router: Router,
    now: Instant,
    received: Vec<(PeerKey, Vec<u8>)>,
}

impl Bench {
    /// Connects a speaker with these tracks, and a listener of its camera and voice.
    fn new(publish: Vec<Publish>) -> Self {
        let mut bench = Self {
            router: Router::default(),
            now: start(),
            received: Vec::new(),
        };
        let now = bench.now;
        bench.router.set_media(SPEAKER, publish, vec![], now);
        bench.router.handle_connected(SPEAKER, now);
        bench.join(LISTENER);
        bench
    }

    fn join(&mut self, peer: PeerKey) {
        let subscribes = vec![
            subscribe(CAMERA, 500 + peer.0, 100),
            subscribe(VOICE, 600 + peer.0, 101),
        ];
        self.router.set_media(peer, vec![], subscribes, self.now);
        self.router.handle_connected(peer, self.now);
    }

    /// Lets a peer's sources carry another speaker first, on another timeline.
    fn occupy(&mut self, peer: PeerKey) {
        let guest = PeerKey(9);
        let mut before = [voice(16), camera(vec![encoding(None, Some(15))])];
        (before[0].track, before[1].track) = (TrackKey(20), TrackKey(21));
        self.router
            .set_media(guest, before.to_vec(), vec![], self.now);
        let earlier = vec![
            subscribe(TrackKey(20), 603, 101),
            subscribe(TrackKey(21), 503, 100),
        ];
        self.router.set_media(peer, vec![], earlier, self.now);
        self.router.handle_connected(peer, self.now);
        self.send_from(guest, &Sent::audio(16, 1, 123_456));
        self.send_from(guest, &Sent::video(15, 1, 654_321, true, 1));
    }

    fn send(&mut self, sent: &Sent) -> bool {
        self.send_from(SPEAKER, sent)
    }

    fn send_from(&mut self, from: PeerKey, sent: &Sent) -> bool {
        let packet = Packet::parse(&sent.bytes).unwrap();
        let Some(arrival) = self.router.handle_rtp(from, &packet, self.now) else {
            return false;
        };
        for index in 0..self.router.subscriber_count(&arrival) {
            let mut out = [0; 256];
            let forwarded = self
                .router
                .forward(&arrival, index, &packet, self.now, &mut out);
            if let Some(forwarded) = forwarded {
                self.received
                    .push((forwarded.to, out[..forwarded.len].to_vec()));
            }
        }
        true
    }

    fn rtcp(&mut self, from: PeerKey, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let len = writer.finish();
        self.router.handle_rtcp(from, &buffer[..len], self.now);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.router.poll_output()).collect()
    }

    fn requests(&mut self) -> Vec<u32> {
        let requests = self
            .outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::KeyframeRequest { to, ssrc } => {
                    assert_eq!(to, SPEAKER);
                    Some(ssrc)
                }
                _ => None,
            });
        requests.collect()
    }

    fn last_packet(&self) -> Packet<'_> {
        Packet::parse(&self.received.last().unwrap().1).unwrap()
    }
}

#[test]
fn a_newcomer_starts_with_a_keyframe_that_was_asked_for_at_once() {
    let mut bench = Bench::new(vec![camera(vec![encoding(None, Some(5))])]);
    assert_eq!(bench.requests(), [5], "asked before any packet came");
    assert!(bench.send(&Sent::video(5, 10, 100, false, 1)));
    assert!(bench.received.is_empty());
    bench.send(&Sent::video(5, 11, 200, true, 2));
    bench.send(&Sent::video(5, 12, 300, false, 3));
    assert_eq!(bench.received.len(), 2);
    let packet = bench.last_packet();
    assert_eq!(packet.header().ssrc, 502);
    assert_eq!(packet.header().payload_type, 100);
    assert_eq!(packet.extension(9), Some(&b"7"[..]));
    assert!(packet.header().marker);

    bench.now += 200 * MS;
    bench.join(OTHER);
    assert_eq!(bench.requests(), [5]);
    bench.received.clear();
    bench.send(&Sent::video(5, 13, 400, false, 4));
    assert_eq!(bench.received.len(), 1, "only who has a picture");
    bench.send(&Sent::video(5, 14, 500, true, 5));
    assert_eq!(bench.received.len(), 3);
}

#[test]
fn nobody_is_sent_anything_before_it_is_connected() {
    let mut bench = Bench::new(vec![voice(6), camera(vec![encoding(None, Some(5))])]);
    bench.router.handle_disconnected(LISTENER);
    bench.send(&Sent::audio(6, 1, 0));
    bench.send(&Sent::video(5, 1, 0, true, 1));
    assert!(bench.received.is_empty());
    bench.outputs();
    bench.now += 200 * MS;
    bench.router.handle_connected(LISTENER, bench.now);
    assert_eq!(bench.requests(), [5]);
    bench.send(&Sent::audio(6, 2, 960));
    assert_eq!(bench.received.len(), 1);
    assert_eq!(
        bench.last_packet().extension(2),
        Some(&[0x55][..]),
        "the level came along"
    );
}

#[test]
fn only_the_publisher_is_believed() {
    let mut bench = Bench::new(vec![voice(6)]);
    assert!(!bench.send_from(LISTENER, &Sent::audio(6, 1, 0)));
    assert!(!bench.send_from(PeerKey(77), &Sent::audio(6, 1, 0)));
    assert!(!bench.send(&Sent::new(99, 1234, 1, 0, &[], b"x")));
    // Another peer cannot take the track over.
    bench
        .router
        .set_media(OTHER, vec![voice(6)], vec![], bench.now);
    assert_eq!(bench.router.counters().refused_publications, 1);
    assert!(!bench.send_from(OTHER, &Sent::audio(6, 1, 0)));
    assert!(bench.send(&Sent::audio(6, 1, 0)));
}

#[test]
fn encodings_are_learnt_from_mid_and_rid() {
    let encodings = ["l", "m", "h"]
        .map(|rid| encoding(Some(rid), None))
        .to_vec();
    let mut bench = Bench::new(vec![camera(encodings)]);
    assert_eq!(bench.requests(), [], "no source is known yet");
    let keyframe = Sent::video(70, 1, 0, true, 1);
    let with_rid = |ssrc: u32, rid: &[u8], payload_type| {
        let packet = Packet::parse(&keyframe.bytes).unwrap();
        Sent::new(
            payload_type,
            ssrc,
            1,
            0,
            &[(4, b"1"), (10, rid)],
            packet.payload(),
        )
    };
    assert!(!bench.send(&with_rid(70, b"x", 96)), "no such encoding");
    assert!(!bench.send(&with_rid(71, b"h", 97)), "a retransmission");
    assert!(bench.send(&with_rid(70, b"l", 96)));
    assert_eq!(bench.received.len(), 1, "the only one alive is forwarded");
    assert!(
        bench.send(&Sent::video(70, 2, 3_000, false, 2)),
        "the source is known now"
    );
    // A better one appears; the old one flows until the new one's keyframe.
    let delta = Sent::video(72, 900, 50_000, false, 9);
    let payload = Packet::parse(&delta.bytes).unwrap().payload().to_vec();
    bench.send(&Sent::new(
        96,
        72,
        900,
        50_000,
        &[(4, b"1"), (10, b"h")],
        &payload,
    ));
    assert_eq!(bench.requests(), [72]);
    bench.now += 33 * MS;
    bench.send(&Sent::video(70, 3, 6_000, false, 3));
    let before = *bench.last_packet().header();
    bench.now += 33 * MS;
    bench.send(&Sent::video(72, 901, 53_000, true, 400));
    let packet = bench.last_packet();
    assert_eq!(packet.header().sequence, before.sequence.next());
    assert_eq!(
        packet.header().timestamp.distance_from(before.timestamp),
        2_970
    );
    let descriptor = Descriptor::parse(packet.payload()).unwrap();
    assert_eq!(descriptor.picture_id.unwrap().value, 4, "follows picture 3");
    assert_eq!(descriptor.tl0_picture_index, Some(4));
    let count = bench.received.len();
    bench.send(&Sent::video(70, 4, 9_000, false, 4));
    assert_eq!(
        bench.received.len(),
        count,
        "the lower one is not forwarded any more"
    );
    // The better one falls silent while the other goes on.
    for step in 5..13 {
        bench.now += 100 * MS;
        let at = 200_000 + u32::from(step) * 9_000;
        bench.send(&Sent::video(70, step, at, step == 12, step));
    }
    assert_eq!(bench.received.len(), count + 1);
}

#[test]
fn a_payload_type_tells_a_source_only_when_one_track_uses_it() {
    let mut first = voice(6);
    first.encodings = vec![encoding(None, None)];
    let mut second = first.clone();
    second.track = TrackKey(12);
    second.mid = "2".into();
    let mut bench = Bench::new(vec![first.clone(), second]);
    assert!(!bench.send(&Sent::audio(6, 1, 0)), "it could be either");
    bench
        .router
        .set_media(SPEAKER, vec![first], vec![], bench.now);
    assert!(bench.send(&Sent::audio(6, 1, 0)));
}

#[test]
fn what_is_left_of_a_track_that_ended_is_not_taken_for_another() {
    let mut extra = voice(8);
    (extra.track, extra.mid) = (TrackKey(12), "2".into());
    let mut bench = Bench::new(vec![voice(6), extra]);
    assert!(bench.send(&Sent::audio(6, 100, 0)));
    assert!(bench.send(&Sent::audio(8, 20_000, 0)));
    bench
        .router
        .set_media(SPEAKER, vec![voice(6)], vec![], bench.now);
    // Its last packets come after its end, named by their section and, as browsers do once they
    // were acknowledged, by nothing.
    let named = Sent::new(111, 8, 20_001, 960, &[(4, b"2")], b"opus");
    assert!(!bench.send(&named), "named after a section that is gone");
    assert!(!bench.send(&Sent::audio(8, 20_002, 1_920)));
    assert!(bench.send(&Sent::audio(6, 101, 960)));
    let (_, before) = &bench.received[bench.received.len() - 2];
    let before = Packet::parse(before).unwrap().header().sequence;
    assert_eq!(bench.last_packet().header().sequence, before.next());
    assert_eq!(bench.router.counters().unknown_source, 2);
}

#[test]
fn a_section_whose_source_changes_goes_on_with_continuous_numbers() {
    let mut bench = Bench::new(vec![voice(6)]);
    assert!(bench.send(&Sent::audio(6, 100, 0)));
    let before = *bench.last_packet().header();
    bench.now += 20 * MS;
    let named = Sent::new(111, 8, 20_000, 777_000, &[(4, b"0")], b"opus");
    assert!(bench.send(&named), "its section says whose it is");
    let after = *bench.last_packet().header();
    assert_eq!(after.sequence, before.sequence.next());
    assert_eq!(after.timestamp.distance_from(before.timestamp), 960);
    assert!(bench.send(&Sent::audio(8, 20_001, 777_960)));
    assert!(
        !bench.send(&Sent::audio(6, 101, 960)),
        "what was sent before the change is late"
    );
}

#[test]
fn requests_of_subscribers_are_relayed_and_throttled() {
    let mut bench = Bench::new(vec![camera(vec![encoding(None, Some(5))])]);
    bench.send(&Sent::video(5, 1, 0, true, 1));
    bench.outputs();
    bench.now += 600 * MS;
    bench.rtcp(LISTENER, |writer| writer.pli(1, 502).unwrap());
    bench.rtcp(LISTENER, |writer| writer.fir(1, 502, 3).unwrap());
    bench.rtcp(OTHER, |writer| writer.pli(1, 502).unwrap());
    assert_eq!(
        bench.requests(),
        [5],
        "one request, and only from who receives the source"
    );
    bench.send(&Sent::video(5, 2, 0, true, 2));
    bench.rtcp(LISTENER, |writer| writer.pli(1, 502).unwrap());
    assert_eq!(bench.requests(), []);
    bench.now += 500 * MS;
    bench.send(&Sent::video(5, 3, 0, false, 3));
    assert_eq!(bench.requests(), [5], "made up for");
}

#[test]
fn a_reused_source_stays_continuous_across_tracks() {
    let mut bench = Bench::new(vec![voice(6)]);
    bench.send(&Sent::audio(6, 40_000, 960));
    let before = *bench.last_packet().header();
    bench.router.set_media(LISTENER, vec![], vec![], bench.now);
    let mut next = voice(8);
    next.track = TrackKey(20);
    bench
        .router
        .set_media(SPEAKER, vec![next], vec![], bench.now);
    bench.now += 1_000 * MS;
    bench.router.set_media(
        LISTENER,
        vec![],
        vec![subscribe(TrackKey(20), 602, 101)],
        bench.now,
    );
    bench.send(&Sent::audio(8, 17, 5));
    let after = bench.last_packet();
    assert_eq!(after.header().ssrc, 602);
    assert_eq!(after.header().sequence, before.sequence.next());
    assert_eq!(
        after.header().timestamp.distance_from(before.timestamp),
        48_000
    );
}

#[test]
fn a_negotiation_that_changes_nothing_disturbs_nothing() {
    let mut bench = Bench::new(vec![voice(6), camera(vec![encoding(None, Some(5))])]);
    bench.send(&Sent::video(5, 1, 0, true, 1));
    bench.outputs();
    bench.now += 1_000 * MS;
    let publish = vec![voice(6), camera(vec![encoding(None, Some(5))])];
    bench.router.set_media(SPEAKER, publish, vec![], bench.now);
    let subscribes = vec![subscribe(CAMERA, 502, 102), subscribe(VOICE, 602, 101)];
    bench
        .router
        .set_media(LISTENER, vec![], subscribes, bench.now);
    bench.send(&Sent::video(5, 2, 0, false, 2));
    assert_eq!(bench.received.len(), 2);
    assert_eq!(bench.last_packet().header().payload_type, 102);
    assert_eq!(bench.requests(), []);
}

#[test]
fn everything_is_forgotten() {
    let mut bench = Bench::new(vec![voice(6)]);
    bench.send(&Sent::audio(6, 1, 0));
    bench.router.remove_peer(SPEAKER);
    bench.router.remove_peer(LISTENER);
    assert!(bench.router.is_empty());
    assert!(bench.router.tracks.iter().all(Option::is_none));
    assert!(bench.router.track_index.is_empty());
    bench.router.handle_timeout(bench.now + 1_000 * MS);
    bench.router.handle_timeout(bench.now + 2_000 * MS);
    assert_eq!(bench.router.deadline(), None);
}

/// Sound and pictures captured at the same instant must map to the same wall clock instant at
/// the receiver, whatever was rewritten on the way.
#[test]
fn sound_and_pictures_stay_in_step() {
    let mut bench = Bench::new(vec![voice(6), camera(vec![encoding(None, Some(5))])]);
    // The speaker's clocks: an arbitrary NTP time and RTP times at the report.
    let ntp = NtpTime(0x1234_5678_0000_0000);
    let (audio_base, video_base) = (u32::MAX - 100, 77_000);
    bench.send(&Sent::audio(6, 65_000, audio_base));
    bench.send(&Sent::video(5, 9, video_base, true, 1));
    assert!(
        bench
            .outputs()
            .iter()
            .all(|output| !matches!(output, Output::SenderReport { .. }))
    );
    for (ssrc, rtp) in [(6, audio_base), (5, video_base)] {
        let report = SenderReport {
            ssrc,
            ntp,
            rtp: RtpTime(rtp),
            ..Default::default()
        };
        bench.rtcp(SPEAKER, |writer| {
            writer.sender_report(&report, &[]).unwrap()
        });
    }
    bench.occupy(OTHER);
    // One who joins later is told at once, by extrapolation, 730 ms after the reports.
    bench.outputs();
    bench.now += 730 * MS;
    bench.join(OTHER);
    bench.received.clear();
    bench.send(&Sent::audio(6, 65_030, audio_base.wrapping_add(730 * 48)));
    bench.send(&Sent::video(5, 10, video_base + 730 * 90, true, 2));
    let mut instants = Vec::new();
    for output in bench.outputs() {
        let Output::SenderReport {
            to,
            publisher,
            report,
        } = output
        else {
            continue;
        };
        assert_eq!((to, publisher), (OTHER, SPEAKER));
        let clock_rate = if report.ssrc == 603 {
            48_000.0
        } else {
            90_000.0
        };
        let sent = bench
            .received
            .iter()
            .map(|(_, bytes)| Packet::parse(bytes).unwrap());
        let packet = sent
            .into_iter()
            .find(|packet| packet.header().ssrc == report.ssrc)
            .unwrap();
        let ahead = f64::from(packet.header().timestamp.distance_from(report.rtp)) / clock_rate;
        instants.push(report.ntp.saturating_since(ntp).as_secs_f64() + ahead);
    }
    assert_eq!(instants.len(), 2);
    assert!((instants[0] - instants[1]).abs() < 0.000_1, "{instants:?}");
    assert!((instants[0] - 0.730).abs() < 0.000_1, "{instants:?}");
}

#[test]
fn a_publisher_is_told_once_a_second_how_its_packets_arrive() {
    let mut bench = Bench::new(vec![voice(6)]);
    for number in [1, 2, 4] {
        bench.send(&Sent::audio(6, number, u32::from(number) * 960));
    }
    let mut reports: Vec<ReportBlock> = Vec::new();
    for _ in 0..8 {
        bench.now = bench.router.deadline().unwrap();
        bench.router.handle_timeout(bench.now);
        for output in bench.outputs() {
            let Output::ReceiverReport { to, block } = output else {
                panic!("{output:?}")
            };
            assert_eq!(to, SPEAKER);
            reports.push(block);
        }
    }
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].cumulative_lost, 1);
    assert_eq!(reports[0].fraction_lost, 64);
    assert_eq!(reports[1].fraction_lost, 0);
}

#[test]
fn a_publisher_who_asks_is_told_how_much_it_may_send() {
    let mut second = camera(vec![encoding(None, Some(8))]);
    second.track = TrackKey(12);
    let mut first = camera(vec![encoding(Some("l"), None), encoding(Some("h"), None)]);
    (first.bitrate_max, second.bitrate_max) = (Some(2_000_000), Some(500_000));
    let mut bench = Bench::new(vec![voice(6), first.clone(), second]);
    let estimates = |bench: &mut Bench| {
        bench.now = bench.router.deadline().unwrap();
        bench.router.handle_timeout(bench.now);
        let outputs = bench.outputs().into_iter();
        let estimates = outputs.filter_map(|output| match output {
            Output::Estimate { to, ssrc, bitrate } => Some((to, ssrc, bitrate)),
            _ => None,
        });
        estimates.collect::<Vec<_>>()
    };
    assert_eq!(estimates(&mut bench), [(SPEAKER, 8, 2_500_000)]);
    let now = bench.now;
    bench
        .router
        .set_media(SPEAKER, vec![voice(6), first], vec![], now);
    assert_eq!(estimates(&mut bench), [], "no source is known yet");
}

#[test]
fn a_voice_is_noticed_when_it_begins_and_when_its_packets_end() {
    let mut bench = Bench::new(vec![voice(6)]);
    let notice = |is_speech| crate::Notice::Voice {
        from: SPEAKER,
        track: VOICE,
        is_speech,
    };
    let say = |bench: &mut Bench, number: u16, level: u8| {
        bench.now += 20 * MS;
        let time = u32::from(number) * 960;
        bench.send(&Sent::new(111, 6, number, time, &[(1, &[level])], b"opus"));
    };
    for number in 0..20 {
        say(&mut bench, number, 0x7F);
    }
    assert_eq!(bench.router.poll_notice(), None);
    for number in 20..40 {
        say(&mut bench, number, 0x9E);
    }
    assert_eq!(bench.router.poll_notice(), Some(notice(true)));
    // What is not taken is kept, and what is newer about the same takes its place.
    bench.router.return_notice(notice(true));
    for _ in 0..8 {
        bench.now = bench.router.deadline().unwrap();
        bench.router.handle_timeout(bench.now);
    }
    assert_eq!(bench.router.poll_notice(), Some(notice(false)));
    assert_eq!(bench.router.poll_notice(), None);
}

#[test]
fn junk_is_counted_and_survived() {
    let mut bench = Bench::new(vec![camera(vec![encoding(None, Some(5))])]);
    assert!(!bench.send(&Sent::new(96, 5, 1, 0, &[], &[0x80])));
    assert_eq!(bench.router.counters().malformed, 1);
    bench
        .router
        .handle_rtcp(LISTENER, &[0x81, 200, 0, 1, 0, 0, 0, 0], bench.now);
    assert_eq!(bench.router.counters().malformed_rtcp, 1);
    for ssrc in 1_000..2_000 {
        bench.send(&Sent::new(96, ssrc, 1, 0, &[(4, b"1")], b"\x10\x01"));
        bench.send(&Sent::new(97, ssrc + 9_000, 1, 0, &[(4, b"1")], b"\0\x01"));
    }
    assert_eq!(bench.router.peers[&SPEAKER].routes.len(), 2);
}

/// Encodings of one camera count time from different zeros; their reports say how they relate,
/// and a switch follows that rather than the jitter of arrivals.
#[test]
fn a_switch_of_encodings_follows_their_clocks() {
    let encodings = vec![encoding(Some("l"), Some(70)), encoding(Some("h"), Some(72))];
    let mut bench = Bench::new(vec![camera(encodings)]);
    let ntp = NtpTime(0x1234_5678_0000_0000);
    bench.send(&Sent::video(70, 1, 1_000, true, 1));
    bench.send(&Sent::video(72, 1, 900_000, false, 1));
    for (ssrc, ntp, rtp) in [(70, ntp, 1_000), (72, ntp.after(10 * MS), 900_900)] {
        let report = SenderReport {
            ssrc,
            ntp,
            rtp: RtpTime(rtp),
            ..Default::default()
        };
        bench.rtcp(SPEAKER, |writer| {
            writer.sender_report(&report, &[]).unwrap()
        });
    }
    let before = *bench.last_packet().header();
    // Captured 33 ms after the lower one's frame, arriving 60 ms after it.
    bench.now += 60 * MS;
    bench.send(&Sent::video(72, 2, 900_000 + 33 * 90, true, 2));
    let after = *bench.last_packet().header();
    assert_eq!(after.sequence, before.sequence.next());
    assert_eq!(after.timestamp.distance_from(before.timestamp), 33 * 90);
}

proptest! {
    /// Loss and reordering between publisher and server: what the subscriber gets has the same
    /// gaps and the same order, from a keyframe on, whatever the numbers start from.
    #[test]
    fn loss_and_reordering_survive_unchanged(
        base: u16,
        time: u32,
        picture: u16,
        fates in prop::collection::vec((0u8..100, 0u8..100), 20..200),
    ) {
        let mut bench = Bench::new(vec![camera(vec![encoding(None, Some(5))])]);
        let mut order: Vec<u16> = Vec::new();
        for (step, (loss, swap)) in fates.iter().enumerate() {
            if step > 0 && *loss < 10 {
                continue;
            }
            order.push(step as u16);
            let len = order.len();
            if *swap < 15 && len > 2 {
                order.swap(len - 1, len - 2);
            }
        }
        for step in &order {
            bench.now += 5 * MS;
            bench.send(&Sent::video(
                5,
                base.wrapping_add(*step),
                time.wrapping_add(u32::from(*step) * 3_000),
                *step == 0,
                picture.wrapping_add(*step) & 0x7FFF,
            ));
        }
        prop_assert_eq!(bench.received.len(), order.len());
        let parsed = |index: usize| Packet::parse(&bench.received[index].1).unwrap();
        let first = *parsed(0).header();
        prop_assert!(first.sequence.0 < 0x8000);
        for (index, step) in order.iter().enumerate() {
            let packet = parsed(index);
            prop_assert_eq!(packet.header().sequence, first.sequence.wrapping_add(*step));
            prop_assert_eq!(packet.header().timestamp.distance_from(first.timestamp), i32::from(*step) * 3_000);
            let descriptor = Descriptor::parse(packet.payload()).unwrap();
            prop_assert_eq!(descriptor.picture_id.unwrap().value, picture.wrapping_add(*step) & 0x7FFF);
        }
    }

    /// Arbitrary bytes as media and as RTCP never panic.
    #[test]
    fn any_bytes_are_safe(packets in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..64)), 1..20)) {
        let mut bench = Bench::new(vec![voice(6), camera(vec![encoding(None, None)])]);
        for (is_rtcp, mut bytes) in packets {
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3F);
            }
            if is_rtcp {
                bench.router.handle_rtcp(SPEAKER, &bytes, bench.now);
            } else if Packet::parse(&bytes).is_ok() {
                bench.send(&Sent { bytes });
            }
        }
    }
}
