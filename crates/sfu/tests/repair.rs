//! Loss on both legs, in virtual time: publisher, router and subscriber, with a lossy way of 20 ms
//! between each two, and the same loss for every request and every packet that is sent again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use snug_rtp::rtcp::{self, Writer};
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{Encoding, ExtensionIds, Kind, PeerKey, Publish, Router, Subscribe, TrackKey, View};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const SENDER: PeerKey = PeerKey(1);
const VIEWER: PeerKey = PeerKey(2);
const TRACK: TrackKey = TrackKey(1);
/// Sources: of the publisher, of its retransmissions, and the same as the subscriber sees them.
const SOURCES: [u32; 4] = [10, 11, 20, 21];
const WAY_MS: u64 = 20;
/// 1.2 Mb/s: five packets a picture, thirty pictures a second.
const PICTURE_MS: u64 = 33;
const PACKETS_PER_PICTURE: u64 = 5;
/// The last two seconds are not judged: what is lost there has no time to come.
const END_MS: u64 = 62_000;
/// How long a receiver waits for what it misses.
const PLAYOUT_MS: u64 = 1000;

/// One direction of a leg: bytes on their way, and chance.
struct Way {
    under_way: VecDeque<(u64, Vec<u8>)>,
    loss_percent: u64,
    chance: u64,
}

impl Way {
    fn new(loss_percent: u64, seed: u64) -> Self {
        Self {
            under_way: VecDeque::new(),
            loss_percent,
            chance: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    fn send(&mut self, now: u64, bytes: &[u8]) {
        // Marsaglia's xorshift: enough chance for a test, and the same every time.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        if (self.chance >> 32) % 100 >= self.loss_percent {
            self.carry(now, bytes);
        }
    }

    /// Sends what chance does not touch: a call has to begin somehow.
    fn carry(&mut self, now: u64, bytes: &[u8]) {
        self.under_way.push_back((now + WAY_MS, bytes.to_vec()));
    }

    fn arrived(&mut self, now: u64) -> Option<Vec<u8>> {
        let is_here = self.under_way.front().is_some_and(|(at, _)| *at <= now);
        is_here.then(|| self.under_way.pop_front().unwrap().1)
    }
}

/// What the publisher has sent, and when.
#[derive(Default)]
struct Sender {
    sent: Vec<(u64, Vec<u8>)>,
    sent_again: u16,
}

impl Sender {
    fn take_picture(&mut self, now: u64, up: &mut Way) {
        for _ in 0..PACKETS_PER_PICTURE {
            let number = self.sent.len() as u64;
            let bytes = packet(number, now);
            match number < PACKETS_PER_PICTURE {
                true => up.carry(now, &bytes),
                false => up.send(now, &bytes),
            }
            self.sent.push((now, bytes));
        }
    }

    /// Finds out what the way carries, as Chromium does: the newest packet once more.
    fn probe(&mut self, now: u64, up: &mut Way) {
        if let Some((_, newest)) = self.sent.last() {
            up.send(now, &again(newest, self.sent_again));
            self.sent_again += 1;
        }
    }

    fn handle_rtcp(&mut self, bytes: &[u8], now: u64, up: &mut Way) {
        for packet in rtcp::packets(bytes) {
            let rtcp::Packet::Nack(nack) = packet.unwrap() else {
                continue;
            };
            assert_eq!(nack.media_ssrc, SOURCES[0]);
            for sequence in nack.sequences() {
                let (_, original) = &self.sent[usize::from(sequence.0)];
                up.send(now, &again(original, self.sent_again));
                self.sent_again += 1;
            }
        }
    }
}

/// What a receiver has, and asks for.
#[derive(Default)]
struct Viewer {
    /// When each packet came.
    came: BTreeMap<u64, u64>,
    holes: BTreeMap<u64, (u32, u64)>,
    highest: Option<u64>,
}

impl Viewer {
    fn take(&mut self, bytes: &[u8], now: u64) {
        let packet = Packet::parse(bytes).unwrap();
        let header = packet.header();
        let (sequence, payload) = if header.ssrc == SOURCES[3] {
            let (number, payload) = packet.payload().split_first_chunk::<2>().unwrap();
            (u16::from_be_bytes(*number), payload)
        } else {
            (header.sequence.0, packet.payload())
        };
        let number = u64::from(sequence);
        assert_eq!(payload.last(), Some(&(number as u8)), "another packet");
        self.came.entry(number).or_insert(now);
        self.holes.remove(&number);
        if let Some(highest) = self.highest.filter(|highest| number > *highest) {
            let holes = (highest + 1..number).filter(|it| !self.came.contains_key(it));
            self.holes.extend(holes.map(|it| (it, (0, now + 5))));
        }
        self.highest = self.highest.max(Some(number));
    }

    /// Asks as browsers do: every 50 ms, ten times.
    fn nack(&mut self, now: u64) -> Option<Vec<u8>> {
        self.holes.retain(|_, (asked, _)| *asked < 10);
        let mut due = Vec::new();
        for (number, (asked, at)) in &mut self.holes {
            if *at <= now {
                (*asked, *at) = (*asked + 1, now + 50);
                due.push(SequenceNumber(*number as u16));
            }
        }
        let mut bytes = vec![0; 1200];
        let mut writer = Writer::new(&mut bytes);
        writer.nack(1, SOURCES[2], due).unwrap();
        let len = writer.finish();
        bytes.truncate(len);
        (len > 0).then_some(bytes)
    }
}

fn router() -> Router {
    let mut router = Router::default();
    let publish = Publish {
        track: TRACK,
        kind: Kind::Video,
        mid: "0".into(),
        encodings: vec![Encoding {
            ssrc: Some(SOURCES[0]),
            rtx_ssrc: Some(SOURCES[1]),
            ..Encoding::default()
        }],
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        bitrate_max: None,
    };
    let subscribe = Subscribe {
        track: TRACK,
        mid: "3".into(),
        ssrc: SOURCES[2],
        rtx_ssrc: Some(SOURCES[3]),
        payload_type: 100,
        rtx_payload_type: Some(101),
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        target: None,
        view: View::default(),
    };
    let now = start();
    router.set_media(SENDER, vec![publish], vec![], now);
    router.set_media(VIEWER, vec![], vec![subscribe], now);
    router.handle_connected(VIEWER, now);
    router
}

fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn packet(number: u64, at: u64) -> Vec<u8> {
    let picture = number / PACKETS_PER_PICTURE;
    let place = number % PACKETS_PER_PICTURE;
    let fields = Fields {
        marker: place == PACKETS_PER_PICTURE - 1,
        payload_type: 96,
        sequence: SequenceNumber(number as u16),
        timestamp: RtpTime((at * 90) as u32),
        ssrc: SOURCES[0],
    };
    let [high, low] = ((picture as u16 & 0x7FFF) | 0x8000).to_be_bytes();
    let descriptor = if place == 0 { 0x90 } else { 0x80 };
    let frame = if picture == 0 { 0x10 } else { 0x11 };
    let mut payload = vec![descriptor, 0x80, high, low, frame, 0, 0, 0x9D, 1, 0x2A];
    payload.resize(1000, number as u8);
    written(&fields, &payload)
}

fn again(original: &[u8], sequence: u16) -> Vec<u8> {
    let packet = Packet::parse(original).unwrap();
    let header = packet.header();
    let fields = Fields {
        marker: header.marker,
        payload_type: 97,
        sequence: SequenceNumber(sequence),
        timestamp: header.timestamp,
        ssrc: SOURCES[1],
    };
    let number = header.sequence.0.to_be_bytes();
    written(&fields, &[&number[..], packet.payload()].concat())
}

fn written(fields: &Fields, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1200];
    let len = write_packet(&mut bytes, fields, &[], payload).unwrap().len;
    bytes.truncate(len);
    bytes
}

/// Runs a call with so much loss on every way, with a sender that also probes or does not; returns the share of packets that the subscriber
/// did not have within [`PLAYOUT_MS`] after they were sent.
fn residual(loss_percent: u64, seed: u64, is_probing: bool) -> f64 {
    let (mut router, start) = (router(), start());
    let way = |number| Way::new(loss_percent, seed * 8 + number);
    let (mut up, mut up_back, mut down, mut down_back) = (way(1), way(2), way(3), way(4));
    let (mut sender, mut viewer) = (Sender::default(), Viewer::default());
    let mut out = [0; 1500];
    for now in 0..END_MS {
        let instant = start + Duration::from_millis(now);
        if now.is_multiple_of(PICTURE_MS) {
            sender.take_picture(now, &mut up);
            if is_probing {
                sender.probe(now, &mut up);
            }
        }
        while let Some(bytes) = up_back.arrived(now) {
            sender.handle_rtcp(&bytes, now, &mut up);
        }
        while let Some(bytes) = up.arrived(now) {
            let packet = Packet::parse(&bytes).unwrap();
            let Some(arrival) = router.handle_rtp(SENDER, &packet, instant) else {
                continue;
            };
            let packet = Packet::from_header(arrival.header(), &bytes).unwrap();
            let Some(sent) = router.forward(&arrival, 0, &packet, instant, &mut out) else {
                continue;
            };
            match viewer.highest.is_none() {
                true => down.carry(now, &out[..sent.len]),
                false => down.send(now, &out[..sent.len]),
            }
        }
        while let Some(bytes) = down_back.arrived(now) {
            router.handle_rtcp(VIEWER, &bytes, instant);
            while let Some(repaired) = router.poll_repair(instant, &mut out) {
                assert_eq!(repaired.to, VIEWER);
                down.send(now, &out[..repaired.len]);
            }
        }
        router.handle_timeout(instant);
        while let Some(output) = router.poll_output() {
            let mut bytes = [0; 1200];
            let mut writer = Writer::new(&mut bytes);
            output.write(&mut writer).unwrap();
            let len = writer.finish();
            if output.to() == SENDER {
                up_back.send(now, &bytes[..len]);
            }
        }
        while let Some(bytes) = down.arrived(now) {
            viewer.take(&bytes, now);
        }
        if let Some(bytes) = viewer.nack(now) {
            down_back.send(now, &bytes);
        }
    }
    let judged = sender.sent.iter().zip(0u64..);
    let judged = judged.filter(|((at, _), _)| *at < END_MS - 2 * PLAYOUT_MS);
    let (mut all, mut late) = (0, 0);
    for ((sent_at, _), number) in judged {
        all += 1;
        let came = viewer.came.get(&number);
        late += u32::from(came.is_none_or(|came| *came > sent_at + PLAYOUT_MS));
    }
    f64::from(late) / f64::from(all)
}

#[test]
fn loss_on_both_legs_is_repaired_in_time() {
    for loss_percent in [0, 10, 20] {
        for (seed, is_probing) in [(1, false), (2, false), (3, false), (4, true), (5, true)] {
            let residual = residual(loss_percent, seed, is_probing);
            println!("{loss_percent} % on each way, seed {seed}: {residual:.5} lost for good");
            assert!(
                residual < 0.005,
                "{loss_percent} %, seed {seed}: {residual}"
            );
        }
    }
}
