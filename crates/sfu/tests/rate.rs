//! What happens on ways that carry less than everything, in virtual time: a camera in three layers
//! and a voice, a router, and a receiver behind a bad way that reports what arrives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use snug_congestion::Arrivals;
use snug_rtp::rtcp::Writer;
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{
    Encoding, ExtensionIds, Kind, LayerReason, Notice, Output, PeerKey, Publish, Router, Subscribe,
    TrackKey, View,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use str0m_netem::{Bitrate, DataSize, Input, Netem, NetemConfig, Probability, RandomLoss};

const SENDER: PeerKey = PeerKey(1);
const VIEWER: PeerKey = PeerKey(2);
const CAMERA: TrackKey = TrackKey(1);
const VOICE: TrackKey = TrackKey(2);
const RIDS: [&str; 3] = ["l", "m", "h"];
const LAYERS: [u32; 3] = [11, 12, 13];
/// Kilobits a second of each layer.
const RATES: [u64; 3] = [150, 500, 1500];
const NUMBER_ID: u8 = 3;
const PICTURE_MS: u64 = 33;
/// A keyframe is so many times a picture.
const KEYFRAME: u64 = 6;
/// From sender to server and back.
const UPLINK_MS: u64 = 10;
/// The receiver sees the camera, what is sent of it again, and the voice as these.
const SEEN: [u32; 3] = [21, 22, 23];

/// A room of two, and the way to one of them.
struct World {
    router: Router,
    start: Instant,
    now: u64,
    sender: Sender,
    down: Netem<Vec<u8>>,
    up: Netem<Vec<u8>>,
    is_cut: bool,
    arrivals: Arrivals,
    /// Parts in a million by which the receiver's clock is fast.
    skew_ppm: i64,
    /// When each packet of the voice was sent and came, by its number.
    heard: Vec<(u64, u64)>,
    /// When pictures came.
    seen: Vec<u64>,
    /// What was told: when, which layer, why.
    layers: Vec<(u64, String, LayerReason)>,
    estimates: Vec<(u64, u64)>,
    paused: Vec<(u64, bool)>,
    wanted: Vec<(u64, Vec<String>)>,
    /// What the sender was told it may send, in bits a second.
    told: Vec<u64>,
}

#[derive(Default)]
struct Sender {
    numbers: [u16; 3],
    pictures: u16,
    owed: [bool; 3],
    requests: VecDeque<(u64, usize)>,
    /// Layers that it sends.
    is_on: [bool; 3],
    under_way: VecDeque<(u64, Vec<u8>)>,
    voice: u16,
}

fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn camera() -> Publish {
    let encoding = |(rid, ssrc): (&&str, &u32)| Encoding {
        rid: Some(rid.parse().unwrap()),
        ssrc: Some(*ssrc),
        ..Encoding::default()
    };
    Publish {
        track: CAMERA,
        kind: Kind::Video,
        mid: "0".into(),
        encodings: RIDS.iter().zip(&LAYERS).map(encoding).collect(),
        payload_type: 96,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        bitrate_max: None,
    }
}

fn voice() -> Publish {
    Publish {
        track: VOICE,
        kind: Kind::Audio,
        mid: "1".into(),
        encodings: vec![Encoding {
            ssrc: Some(14),
            ..Encoding::default()
        }],
        payload_type: 111,
        ..camera()
    }
}

fn subscriptions(rows: Option<u16>) -> Vec<Subscribe> {
    let pictures = Subscribe {
        track: CAMERA,
        mid: "2".into(),
        ssrc: SEEN[0],
        rtx_ssrc: Some(SEEN[1]),
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: ExtensionIds {
            transport_cc: Some(NUMBER_ID),
            ..ExtensionIds::default()
        },
        target: None,
        view: View {
            rows,
            is_prioritized: false,
        },
    };
    let sound = Subscribe {
        track: VOICE,
        mid: "3".into(),
        ssrc: SEEN[2],
        rtx_ssrc: None,
        payload_type: 111,
        rtx_payload_type: None,
        red_payload_type: None,
        view: View::default(),
        ..pictures.clone()
    };
    vec![pictures, sound]
}

/// A link of so many kilobits a second, 20 ms long, that holds 300 ms.
fn narrow(kilobits: u64) -> NetemConfig {
    let held = (kilobits * 300 / 8).max(6_000);
    NetemConfig::new()
        .latency(Duration::from_millis(20))
        .link(Bitrate::kbps(kilobits), DataSize::bytes(held as i64))
}

impl World {
    fn new(way: NetemConfig) -> Self {
        let (mut router, start) = (Router::default(), start());
        router.set_media(SENDER, vec![camera(), voice()], vec![], start);
        router.set_media(VIEWER, vec![], subscriptions(None), start);
        router.handle_connected(SENDER, start);
        router.handle_connected(VIEWER, start);
        Self {
            router,
            start,
            now: 0,
            sender: Sender {
                is_on: [true; 3],
                ..Sender::default()
            },
            down: Netem::new(way.seed(1)),
            up: Netem::new(
                NetemConfig::new()
                    .latency(Duration::from_millis(20))
                    .seed(2),
            ),
            is_cut: false,
            arrivals: Arrivals::default(),
            skew_ppm: 0,
            heard: Vec::new(),
            seen: Vec::new(),
            layers: Vec::new(),
            estimates: Vec::new(),
            paused: Vec::new(),
            wanted: Vec::new(),
            told: Vec::new(),
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * 1000;
        while self.now < end {
            self.now += 1;
            self.sender.send(self.now);
            self.forward();
            self.router.handle_timeout(self.instant());
            self.send_paced();
            self.read_router();
            self.receive();
        }
    }

    fn forward(&mut self) {
        let now = self.instant();
        let mut out = [0; 1500];
        while self
            .sender
            .under_way
            .front()
            .is_some_and(|(at, _)| *at <= self.now)
        {
            let (_, bytes) = self.sender.under_way.pop_front().unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            let Some(arrival) = self.router.handle_rtp(SENDER, &packet, now) else {
                continue;
            };
            if let Some(sent) = self.router.forward(&arrival, 0, &packet, now, &mut out) {
                self.send_down(&out[..sent.len]);
            }
        }
    }

    fn send_paced(&mut self) {
        let mut out = [0; 1500];
        while let Some(sent) = self.router.poll_paced(self.instant(), &mut out) {
            assert_eq!(sent.to, VIEWER);
            self.send_down(&out[..sent.len]);
        }
    }

    fn send_down(&mut self, bytes: &[u8]) {
        let mut datagram = self.now.to_be_bytes().to_vec();
        datagram.extend_from_slice(bytes);
        // As long as it is on the wire, sealed and with its headers.
        datagram.resize(datagram.len() + 44 - 8, 0);
        if !self.is_cut {
            self.down
                .handle_input(Input::Packet(self.instant(), datagram));
        }
    }

    fn read_router(&mut self) {
        while let Some(output) = self.router.poll_output() {
            match output {
                Output::KeyframeRequest { ssrc, .. } => {
                    let layer = LAYERS.iter().position(|layer| *layer == ssrc).unwrap();
                    let request = (self.now + UPLINK_MS, layer);
                    self.sender.requests.push_back(request);
                }
                Output::Estimate { bitrate, .. } => self.told.push(bitrate),
                _ => {}
            }
        }
        while let Some(notice) = self.router.poll_notice() {
            let now = self.now;
            match notice {
                Notice::Layer { rid, reason, .. } => {
                    self.layers.push((now, rid.to_string(), reason))
                }
                Notice::Estimate { bitrate, .. } => self.estimates.push((now, bitrate)),
                Notice::Paused { is_paused, .. } => self.paused.push((now, is_paused)),
                Notice::Wanted { encodings, .. } => {
                    let rids: Vec<String> = encodings.rids().map(|rid| rid.to_string()).collect();
                    self.wanted.push((now, rids));
                }
                Notice::Voice { .. } => {}
            }
        }
    }

    fn receive(&mut self) {
        let now = self.instant();
        let skew = self.now as i64 * self.skew_ppm / 1000;
        let clock = self.start + Duration::from_micros((self.now as i64 * 1000 + skew) as u64);
        self.down.handle_input(Input::Timeout(now));
        while let Some(output) = self.down.poll_output() {
            if let str0m_netem::Output::Packet(datagram) = output {
                self.take(&datagram, clock);
            }
        }
        let mut buffer = [0; 700];
        let mut writer = Writer::new(&mut buffer);
        while self
            .arrivals
            .write_feedback(clock, 7, 8, &mut writer)
            .unwrap()
        {
            let len = writer.finish();
            if !self.is_cut {
                self.up
                    .handle_input(Input::Packet(now, buffer[..len].to_vec()));
            }
            writer = Writer::new(&mut buffer);
        }
        self.up.handle_input(Input::Timeout(now));
        while let Some(output) = self.up.poll_output() {
            if let str0m_netem::Output::Packet(bytes) = output {
                self.router.handle_rtcp(VIEWER, &bytes, now);
            }
        }
    }

    fn take(&mut self, datagram: &[u8], clock: Instant) {
        let (sent_at, bytes) = datagram.split_first_chunk::<8>().unwrap();
        let packet = Packet::parse(&bytes[..bytes.len() - 36]).unwrap();
        let number = packet.extension(NUMBER_ID).unwrap();
        let number = u16::from_be_bytes(number.try_into().unwrap());
        self.arrivals.handle_packet(SequenceNumber(number), clock);
        let header = packet.header();
        if header.ssrc == SEEN[2] {
            self.heard.push((u64::from_be_bytes(*sent_at), self.now));
        } else if header.ssrc == SEEN[0] && header.marker {
            self.seen.push(self.now);
        }
    }

    /// Returns the layer that was told last.
    fn layer(&self) -> &str {
        self.layers.last().map_or("", |(_, rid, _)| rid)
    }

    /// Returns how many changes of the layer were told since.
    fn switches_since(&self, at: u64) -> Vec<u64> {
        let times = self.layers.iter().map(|(at, _, _)| *at);
        times.filter(|told| *told >= at).collect()
    }

    /// Returns the longest that the voice waited on the way, of what was sent since.
    fn wait_max_since(&self, at: u64) -> u64 {
        let since = self.heard.iter().filter(|(sent, _)| *sent >= at);
        since
            .map(|(sent, came)| came - sent - 20)
            .max()
            .unwrap_or(0)
    }
}

impl Sender {
    fn send(&mut self, now: u64) {
        while self.requests.front().is_some_and(|(at, _)| *at <= now) {
            let (_, layer) = self.requests.pop_front().unwrap();
            self.owed[layer] = true;
        }
        if now.is_multiple_of(20) {
            self.voice = self.voice.wrapping_add(1);
            let at = RtpTime((now * 48) as u32);
            self.post(now, 111, 14, self.voice, at, true, &[0x55; 80]);
        }
        if now.is_multiple_of(PICTURE_MS) {
            self.pictures = self.pictures.wrapping_add(1);
            for layer in 0..3 {
                if self.is_on[layer] {
                    self.send_picture(now, layer);
                }
            }
        }
    }

    fn send_picture(&mut self, now: u64, layer: usize) {
        let is_key = std::mem::take(&mut self.owed[layer]);
        let mut bytes = RATES[layer] * PICTURE_MS / 8 * if is_key { KEYFRAME } else { 1 };
        let mut is_first = true;
        while bytes > 0 {
            let len = bytes.min(1100);
            bytes -= len;
            let [high, low] = (self.pictures | 0x8000).to_be_bytes();
            let tag = if is_key { 0x10 } else { 0x11 };
            let rows = 180u16 << layer;
            let [rows_low, rows_high] = rows.to_le_bytes();
            let mut payload = vec![
                if is_first { 0x90 } else { 0x80 },
                0x80,
                high,
                low,
                tag,
                0,
                0,
                0x9D,
                1,
                0x2A,
                64,
                1,
                rows_low,
                rows_high,
            ];
            payload.resize(14.max(len as usize), 0);
            is_first = false;
            self.numbers[layer] = self.numbers[layer].wrapping_add(1);
            let (number, at) = (self.numbers[layer], RtpTime((now * 90) as u32));
            self.post(now, 96, LAYERS[layer], number, at, bytes == 0, &payload);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a packet")]
    fn post(
        &mut self,
        now: u64,
        kind: u8,
        ssrc: u32,
        number: u16,
        at: RtpTime,
        marker: bool,
        payload: &[u8],
    ) {
        let fields = Fields {
            marker,
            payload_type: kind,
            sequence: SequenceNumber(number),
            timestamp: at,
            ssrc,
        };
        let mut bytes = vec![0; 1200];
        let len = write_packet(&mut bytes, &fields, &[], payload).unwrap().len;
        bytes.truncate(len);
        self.under_way.push_back((now + UPLINK_MS, bytes));
    }
}

#[test]
fn an_estimate_is_near_the_bottleneck_after_ten_seconds() {
    for kilobits in [300, 800, 1200, 2000] {
        let mut world = World::new(narrow(kilobits));
        world.run(10);
        let (_, estimate) = *world.estimates.last().unwrap();
        println!("{kilobits} kb/s: {estimate}, {:?}", world.layers);
        let carries = kilobits * 1000;
        assert!(
            (carries * 8 / 10..=carries * 12 / 10).contains(&estimate),
            "{kilobits}: {estimate}"
        );
    }
}

#[test]
fn a_wide_way_is_shown_the_best_at_once_and_for_good() {
    let mut world = World::new(narrow(20_000));
    world.run(60);
    assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
    assert_eq!(world.layer(), "h");
    // What a keyframe takes.
    assert!(world.wait_max_since(0) < 30, "{}", world.wait_max_since(0));
    assert_eq!(world.paused, []);
}

#[test]
fn a_way_that_narrows_shows_less_and_as_much_again_when_it_widens() {
    let mut world = World::new(narrow(4000));
    world.run(20);
    assert_eq!(world.layer(), "h");
    world.down.set_config(narrow(1000).seed(1));
    world.run(20);
    println!("{:?} {:?}", world.layers, world.estimates);
    assert!(
        world.wait_max_since(22_000) < 300,
        "{}",
        world.wait_max_since(22_000)
    );
    let switches = world.switches_since(20_000);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
    assert_eq!(world.layer(), "m");
    let (_, _, reason) = world.layers.last().unwrap();
    assert_eq!(*reason, LayerReason::LowBandwidth);
    world.down.set_config(narrow(4000).seed(1));
    world.run(15);
    println!("{:?} {:?}", world.layers, world.estimates);
    assert_eq!(world.layer(), "h");
    let switches = world.switches_since(20_000);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
}

#[test]
fn a_thread_of_a_way_carries_the_voice_alone() {
    let mut world = World::new(narrow(4000));
    world.run(15);
    world.down.set_config(narrow(90).seed(1));
    world.run(30);
    println!(
        "{:?} {:?} {:?}",
        world.paused, world.layers, world.estimates
    );
    assert!(world.paused.last().unwrap().1);
    let heard = world
        .heard
        .iter()
        .filter(|(sent, _)| (20_000..45_000).contains(sent));
    let share = heard.count() as f64 / 1250.0;
    assert!(share > 0.97, "{share}");
    assert!(
        world.wait_max_since(20_000) < 300,
        "{}",
        world.wait_max_since(20_000)
    );
    world.down.set_config(narrow(4000).seed(1));
    world.run(20);
    println!(
        "{:?} {:?} {:?}",
        world.paused, world.layers, world.estimates
    );
    assert!(!world.paused.last().unwrap().1);
    assert_eq!(world.layer(), "h");
}

#[test]
fn an_outage_of_two_seconds_is_forgotten_in_five() {
    let mut world = World::new(narrow(4000));
    world.run(20);
    world.is_cut = true;
    world.run(2);
    world.is_cut = false;
    world.run(5);
    assert_eq!(world.layer(), "h", "{:?}", world.layers);
    assert!(
        world.layers.len() == 1 || world.layers.len() == 3,
        "{:?}",
        world.layers
    );
    let last = world.seen.iter().filter(|at| **at > 26_000).count();
    assert!(last >= 28, "{last} pictures in the last second");
}

#[test]
fn a_radio_that_loses_some_is_shown_the_best() {
    for percent in [5, 10, 20] {
        let loss = RandomLoss::new(Probability::new(percent as f32 / 100.0));
        let mut world = World::new(narrow(20_000).loss(loss));
        world.run(60);
        println!(
            "{percent} %: {:?} {:?}",
            world.layers,
            world.estimates.last()
        );
        assert_eq!(world.layer(), "h", "{percent} %");
        assert!(world.layers.len() <= 5, "{percent} %: {:?}", world.layers);
    }
}

#[test]
fn wifi_by_turns_good_lossy_and_crowded_does_not_make_layers_flap() {
    let kinds = [
        NetemConfig::wifi,
        NetemConfig::wifi_lossy,
        NetemConfig::wifi_congested,
    ];
    let mut world = World::new(kinds[0]());
    for turn in 0..60 {
        world.down.set_config(kinds[turn % 3]().seed(turn as u64));
        world.run(10);
    }
    println!("{:?}", world.layers);
    let switches = world.switches_since(0);
    assert!(
        switches.windows(2).all(|pair| pair[1] - pair[0] >= 5000),
        "{switches:?}"
    );
    assert!(switches.len() <= 20, "{} in ten minutes", switches.len());
    assert_eq!(world.paused, []);
}

#[test]
fn clocks_that_drift_apart_change_nothing_in_ten_minutes() {
    for skew_ppm in [-100, 100] {
        let mut world = World::new(narrow(4000));
        world.skew_ppm = skew_ppm;
        world.run(600);
        assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
        assert!(world.wait_max_since(0) < 100, "{}", world.wait_max_since(0));
    }
}

#[test]
fn publishers_hear_which_layers_nobody_is_shown() {
    let mut world = World::new(narrow(20_000));
    world.run(2);
    let told = |world: &World| world.wanted.last().map(|(_, rids)| rids.join(""));
    assert_eq!(told(&world), None);
    let show = |world: &mut World, rows| {
        let now = world.instant();
        world
            .router
            .set_media(VIEWER, vec![], subscriptions(rows), now);
    };
    show(&mut world, Some(180));
    world.run(5);
    assert_eq!(told(&world).unwrap(), "l");
    assert_eq!(world.layer(), "l");
    world.sender.is_on = [true, false, false];
    world.run(5);
    show(&mut world, Some(720));
    world.run(1);
    assert_eq!(told(&world).unwrap(), "lh");
    world.sender.is_on = [true, false, true];
    world.run(5);
    assert_eq!(world.layer(), "h");
    assert_eq!(told(&world).unwrap(), "h");
    show(&mut world, Some(0));
    world.run(4);
    assert_eq!(told(&world).unwrap(), "", "it is hidden");
    let at = world.now;
    world.run(2);
    assert!(world.seen.iter().all(|seen| *seen < at));
    assert_eq!(world.paused, [], "that is no thin way");
    show(&mut world, Some(720));
    world.run(2);
    let again = world.seen.iter().filter(|seen| **seen > at + 3000).count();
    assert!(again > 25, "{again} pictures in a second");
}

/// A picture without layers, whose sender asks to be told how much it may send.
fn alone() -> Publish {
    let mut alone = camera();
    alone.encodings = vec![Encoding {
        ssrc: Some(LAYERS[2]),
        ..Encoding::default()
    }];
    alone.bitrate_max = Some(2_500_000);
    alone
}

#[test]
fn a_sender_without_layers_is_told_what_the_way_leaves_for_it() {
    let mut world = World::new(narrow(4000));
    let now = world.instant();
    let publish = vec![alone(), voice()];
    world.router.set_media(SENDER, publish, vec![], now);
    world.sender.is_on = [false, false, true];
    world.run(10);
    assert_eq!(world.told.last(), Some(&2_500_000));
    world.down.set_config(narrow(600).seed(1));
    world.run(2);
    let least = *world.told.last().unwrap();
    assert!((200_000..700_000).contains(&least), "{least}");
    world.run(6);
    // It does not listen: sound alone is left.
    assert_eq!(
        world.paused.last().map(|(_, is_paused)| *is_paused),
        Some(true)
    );
    assert!(world.wait_max_since(14_000) < 300);
    world.down.set_config(narrow(4000).seed(1));
    world.run(30);
    assert_eq!(
        world.paused.last().map(|(_, is_paused)| *is_paused),
        Some(false)
    );
    assert_eq!(world.told.last(), Some(&2_500_000));
}

#[test]
fn a_publisher_hears_how_its_packets_arrive_whatever_they_are() {
    let (mut router, start) = (Router::default(), start());
    let mut publish = voice();
    publish.extensions.transport_cc = Some(NUMBER_ID);
    router.set_media(SENDER, vec![publish], vec![], start);
    let mut out = [0; 700];
    for number in 0..12u16 {
        // Every third belongs to nothing that the router knows, and one is lost.
        let fields = Fields {
            marker: false,
            payload_type: 111,
            sequence: SequenceNumber(number),
            timestamp: RtpTime(0),
            ssrc: if number % 3 == 0 { 99 } else { 14 },
        };
        let mut bytes = [0; 100];
        let extensions = [(NUMBER_ID, &number.to_be_bytes()[..])];
        let len = write_packet(&mut bytes, &fields, &extensions, b"opus")
            .unwrap()
            .len;
        let packet = Packet::parse(&bytes[..len]).unwrap();
        let at = start + Duration::from_millis(u64::from(number) * 5);
        if number != 7 {
            router.handle_arrival(SENDER, &packet, at);
        }
    }
    let due = start + Duration::from_millis(60);
    assert!(router.deadline().unwrap() <= due);
    let report = router.poll_feedback(due, &mut out).unwrap();
    assert_eq!(report.to, SENDER);
    let told =
        snug_rtp::rtcp::packets(&out[..report.len]).find_map(|packet| match packet.unwrap() {
            snug_rtp::rtcp::Packet::TransportFeedback(feedback) => Some(feedback),
            _ => None,
        });
    let told: Vec<_> = told.unwrap().arrivals().collect();
    assert_eq!(told.len(), 12);
    let first = told[0].1.unwrap();
    for (number, at) in told {
        let expected = (number.0 != 7).then(|| i64::from(number.0) * 5000);
        assert_eq!(at.map(|at| at.micros_since(first)), expected);
    }
    assert!(router.poll_feedback(due, &mut out).is_none());
}
