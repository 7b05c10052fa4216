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
use std::collections::{BTreeMap, VecDeque};
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
const CAMERAS_MAX: usize = 4;
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
    /// The layer that is shown of each camera; none while it is paused.
    shown: BTreeMap<TrackKey, Option<String>>,
    /// What was told of the first camera: when, which layer, why.
    layers: Vec<(u64, String, LayerReason)>,
    estimates: Vec<(u64, u64)>,
    paused: Vec<(u64, bool)>,
    wanted: Vec<(u64, Vec<String>)>,
    /// What the sender was told it may send, in bits a second.
    told: Vec<u64>,
    /// A receiver that reports no arrivals but says itself what its way carries.
    own_estimate: Option<OwnEstimate>,
    /// What the receiver misses of the pictures, and asks for, where it does.
    missing: Option<Missing>,
}

/// Packets that a receiver misses: asked for as browsers do, every 50 ms, ten times.
#[derive(Default)]
struct Missing {
    /// The highest number, and the holes below: how often each was asked for, when next, and when
    /// it was noticed.
    highest: Option<SequenceNumber>,
    holes: BTreeMap<u16, (u32, u64, u64)>,
    came: u64,
    /// Sent again, and in time for a second of playout.
    repaired: u64,
    late: u64,
}

impl Missing {
    fn take(&mut self, number: SequenceNumber, now: u64) {
        let highest = *self.highest.get_or_insert(number);
        if number.is_newer_than(highest) {
            self.came += 1;
            let mut hole = highest.next();
            while hole != number {
                self.holes.insert(hole.0, (0, now + 5, now));
                hole = hole.next();
            }
            self.highest = Some(number);
        } else if let Some((_, _, since)) = self.holes.remove(&number.0) {
            self.came += 1;
            self.repaired += 1;
            self.late += u64::from(now > since + 1000);
        }
    }

    fn due(&mut self, now: u64) -> Vec<SequenceNumber> {
        let late = self.holes.len();
        self.holes.retain(|_, (_, _, since)| now <= *since + 1000);
        self.late += (late - self.holes.len()) as u64;
        let mut due = Vec::new();
        for (number, (asked, at, _)) in &mut self.holes {
            if *at <= now && *asked < 10 {
                (*asked, *at) = (*asked + 1, now + 50);
                due.push(SequenceNumber(*number));
            }
        }
        due
    }

    /// Returns the share of packets that were not there within a second.
    fn residual(&self) -> f64 {
        self.late as f64 / (self.came + self.late) as f64
    }
}

/// What a receiver believes of its way, as browsers do: a share of what arrives when that is late,
/// else a little more each moment, but never far beyond what arrives.
struct OwnEstimate {
    bitrate: u64,
    /// When each packet of the last half second came, with its bits.
    came: VecDeque<(u64, u64)>,
    is_late: bool,
    told_at: u64,
    lowered_at: u64,
}

impl OwnEstimate {
    fn take(&mut self, now: u64, waited: u64, bytes: usize) {
        self.came.push_back((now, bytes as u64 * 8));
        self.is_late |= waited > 80;
    }

    /// Returns the estimate when it is to be told.
    fn poll(&mut self, now: u64) -> Option<u64> {
        while self.came.front().is_some_and(|(at, _)| at + 500 < now) {
            self.came.pop_front();
        }
        let arrives = self.came.iter().map(|(_, bits)| bits).sum::<u64>() * 2;
        let is_late = std::mem::take(&mut self.is_late) && now > self.lowered_at + 300;
        if is_late {
            (self.bitrate, self.lowered_at) = (arrives * 85 / 100, now);
        } else if now < self.told_at + 500 {
            return None;
        } else {
            let most = arrives * 3 / 2 + 10_000;
            self.bitrate = (self.bitrate * 104 / 100).min(most.max(self.bitrate));
        }
        self.told_at = now;
        Some(self.bitrate)
    }
}

#[derive(Default)]
struct Sender {
    /// Cameras besides the first.
    others: usize,
    numbers: [[u16; 3]; CAMERAS_MAX],
    pictures: u16,
    owed: [[bool; 3]; CAMERAS_MAX],
    requests: VecDeque<(u64, usize, usize)>,
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
    camera_of(0)
}

fn track_of(index: usize) -> TrackKey {
    TrackKey(CAMERA.0 + 10 * index as u32)
}

/// The sources of each camera, and as what they are seen, are so far from those of the next.
fn source_of(index: usize, first: u32) -> u32 {
    first + 100 * index as u32
}

fn camera_of(index: usize) -> Publish {
    let encoding = |(rid, ssrc): (&&str, &u32)| Encoding {
        rid: Some(rid.parse().unwrap()),
        ssrc: Some(source_of(index, *ssrc)),
        ..Encoding::default()
    };
    Publish {
        track: track_of(index),
        kind: Kind::Video,
        mid: format!("{}", 10 * index),
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
    holding(kilobits, 300)
}

/// The same that holds two seconds, as home routers and base stations do.
fn deep(kilobits: u64) -> NetemConfig {
    holding(kilobits, 2000)
}

fn holding(kilobits: u64, ms: u64) -> NetemConfig {
    let held = (kilobits * ms / 8).max(6_000);
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
            shown: BTreeMap::new(),
            layers: Vec::new(),
            estimates: Vec::new(),
            paused: Vec::new(),
            wanted: Vec::new(),
            told: Vec::new(),
            own_estimate: None,
            missing: None,
        }
    }

    /// The same with several cameras, which the receiver sees at sizes that fall.
    fn with_cameras(way: NetemConfig, count: usize) -> Self {
        assert!(count <= CAMERAS_MAX);
        let mut world = Self::new(way);
        world.sender.others = count - 1;
        let mut publish = vec![voice()];
        let mut receive = subscriptions(None);
        receive[0].view.rows = Some(720);
        for index in 0..count {
            publish.push(camera_of(index));
            if index > 0 {
                receive.push(Subscribe {
                    track: track_of(index),
                    mid: format!("{}", 10 * index + 2),
                    ssrc: source_of(index, SEEN[0]),
                    rtx_ssrc: Some(source_of(index, SEEN[1])),
                    view: View {
                        rows: Some(720 - 10 * index as u16),
                        is_prioritized: false,
                    },
                    ..receive[0].clone()
                });
            }
        }
        let now = world.instant();
        world.router.set_media(SENDER, publish, vec![], now);
        world.router.set_media(VIEWER, vec![], receive, now);
        world
    }

    /// The same with a receiver that knows REMB only.
    fn with_own_estimate(way: NetemConfig) -> Self {
        let mut world = Self::new(way);
        let mut subscriptions = subscriptions(None);
        for subscription in &mut subscriptions {
            subscription.extensions = ExtensionIds::default();
        }
        let now = world.instant();
        world.router.set_media(VIEWER, vec![], subscriptions, now);
        world.own_estimate = Some(OwnEstimate {
            bitrate: 300_000,
            came: VecDeque::new(),
            is_late: false,
            told_at: 0,
            lowered_at: 0,
        });
        world
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

    fn send_repairs(&mut self) {
        let mut out = [0; 1500];
        while let Some(sent) = self.router.poll_repair(self.instant(), &mut out) {
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
                    let camera = (ssrc / 100) as usize;
                    let layer = LAYERS.iter().position(|layer| *layer == ssrc % 100);
                    let request = (self.now + UPLINK_MS, camera, layer.unwrap());
                    self.sender.requests.push_back(request);
                }
                Output::Estimate { bitrate, .. } => self.told.push(bitrate),
                _ => {}
            }
        }
        while let Some(notice) = self.router.poll_notice() {
            let now = self.now;
            match notice {
                Notice::Layer {
                    track, rid, reason, ..
                } => {
                    self.shown.insert(track, Some(rid.to_string()));
                    if track == CAMERA {
                        self.layers.push((now, rid.to_string(), reason));
                    }
                }
                Notice::Estimate { bitrate, .. } => self.estimates.push((now, bitrate)),
                Notice::Paused {
                    track, is_paused, ..
                } => {
                    // Its layer is told with its first picture.
                    let lowest = (!is_paused).then(|| RIDS[0].to_owned());
                    self.shown.insert(track, lowest);
                    if track == CAMERA {
                        self.paused.push((now, is_paused));
                    }
                }
                Notice::Wanted {
                    track, encodings, ..
                } if track == CAMERA => {
                    let rids: Vec<String> = encodings.rids().map(|rid| rid.to_string()).collect();
                    self.wanted.push((now, rids));
                }
                Notice::Voice { .. } | Notice::Wanted { .. } => {}
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
        self.report(clock);
        self.up.handle_input(Input::Timeout(now));
        while let Some(output) = self.up.poll_output() {
            if let str0m_netem::Output::Packet(bytes) = output {
                self.router.handle_rtcp(VIEWER, &bytes, now);
                self.send_repairs();
            }
        }
    }

    fn report(&mut self, clock: Instant) {
        let mut buffer = [0; 700];
        let mut writer = Writer::new(&mut buffer);
        let own = self.own_estimate.as_mut();
        if let Some(bitrate) = own.and_then(|own| own.poll(self.now)) {
            writer.remb(7, SEEN[0], bitrate).unwrap();
            let len = writer.finish();
            self.send_up(&buffer[..len]);
            writer = Writer::new(&mut buffer);
        }
        let due = self.missing.as_mut().map(|missing| missing.due(self.now));
        writer.nack(7, SEEN[0], due.unwrap_or_default()).unwrap();
        if !writer.is_empty() {
            let len = writer.finish();
            self.send_up(&buffer[..len]);
            writer = Writer::new(&mut buffer);
        }
        while self
            .arrivals
            .write_feedback(clock, 7, 8, &mut writer)
            .unwrap()
        {
            let len = writer.finish();
            self.send_up(&buffer[..len]);
            writer = Writer::new(&mut buffer);
        }
    }

    fn send_up(&mut self, bytes: &[u8]) {
        if !self.is_cut {
            self.up
                .handle_input(Input::Packet(self.instant(), bytes.to_vec()));
        }
    }

    fn take(&mut self, datagram: &[u8], clock: Instant) {
        let (sent_at, bytes) = datagram.split_first_chunk::<8>().unwrap();
        let packet = Packet::parse(&bytes[..bytes.len() - 36]).unwrap();
        if let Some(own) = &mut self.own_estimate {
            let waited = self.now - u64::from_be_bytes(*sent_at) - 20;
            own.take(self.now, waited, bytes.len());
        } else {
            let number = packet.extension(NUMBER_ID).unwrap();
            let number = u16::from_be_bytes(number.try_into().unwrap());
            self.arrivals.handle_packet(SequenceNumber(number), clock);
        }
        let header = packet.header();
        if let Some(missing) = &mut self.missing {
            let again = packet.payload().first_chunk::<2>();
            match (header.ssrc, again) {
                (ssrc, _) if ssrc == SEEN[0] => missing.take(header.sequence, self.now),
                // Padding holds no packet.
                (ssrc, Some(number)) if ssrc == SEEN[1] => {
                    missing.take(SequenceNumber(u16::from_be_bytes(*number)), self.now);
                }
                _ => {}
            }
        }
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
        while self.requests.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, camera, layer) = self.requests.pop_front().unwrap();
            self.owed[camera][layer] = true;
        }
        if now.is_multiple_of(20) {
            self.voice = self.voice.wrapping_add(1);
            let at = RtpTime((now * 48) as u32);
            self.post(now, 111, 14, self.voice, at, true, &[0x55; 80]);
        }
        if now.is_multiple_of(PICTURE_MS) {
            self.pictures = self.pictures.wrapping_add(1);
            for camera in 0..=self.others {
                for layer in (0..3)
                    .filter(|layer| self.is_on[*layer])
                    .collect::<Vec<_>>()
                {
                    self.send_picture(now, camera, layer);
                }
            }
        }
    }

    fn send_picture(&mut self, now: u64, camera: usize, layer: usize) {
        let is_key = std::mem::take(&mut self.owed[camera][layer]);
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
            let number = &mut self.numbers[camera][layer];
            *number = number.wrapping_add(1);
            let (number, at) = (*number, RtpTime((now * 90) as u32));
            let ssrc = source_of(camera, LAYERS[layer]);
            self.post(now, 96, ssrc, number, at, bytes == 0, &payload);
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
    let mut world = World::new(deep(4000));
    world.run(20);
    assert_eq!(world.layer(), "h");
    world.down.set_config(deep(1000).seed(1));
    world.run(20);
    println!("{:?} {:?}", world.layers, world.estimates);
    let peak = world.wait_max_since(20_000);
    assert!(peak > 300, "{peak} ms: nothing had to be mended");
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
    world.down.set_config(deep(4000).seed(1));
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
fn all_cameras_are_shown_before_any_is_shown_better() {
    let mut world = World::with_cameras(narrow(4000), 4);
    let height = |shown: &Option<String>| match shown.as_deref() {
        None => 0,
        Some(rid) => 1 + RIDS.iter().position(|it| *it == rid).unwrap(),
    };
    // Kilobits a second, and what each is shown in the end: nothing, or so many of the layers.
    let stages = [
        (4000, 1..=2),
        (1500, 1..=2),
        (480, 0..=1),
        (1500, 1..=2),
        (9000, 3..=3),
    ];
    for (kilobits, heights) in stages {
        world.down.set_config(narrow(kilobits).seed(1));
        let mut shown = Vec::new();
        // What failed to rise some times is not tried for a minute.
        for second in 0..130 {
            world.run(1);
            shown = world.shown.values().map(height).collect::<Vec<_>>();
            let (least, most) = (shown.iter().min().unwrap(), shown.iter().max().unwrap());
            let is_fair = *least > 0 || *most <= 1;
            assert!(
                is_fair || second < 5,
                "{kilobits} kb/s, {second} s: {shown:?}"
            );
        }
        println!("{kilobits} kb/s: {shown:?}");
        assert_eq!(shown.len(), 4, "{kilobits} kb/s");
        let is_right = shown.iter().all(|height| heights.contains(height));
        assert!(is_right && shown[0] > 0, "{kilobits} kb/s: {shown:?}");
    }
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
fn what_a_radio_loses_is_sent_again_beside_estimates_and_pacing() {
    // Room for everything; and a way where pictures wait for their turn.
    for (kilobits, percent) in [(20_000, 10), (20_000, 20), (1200, 10)] {
        for seed in [1, 2, 3] {
            let loss = RandomLoss::new(Probability::new(percent as f32 / 100.0));
            let mut world = World::new(narrow(kilobits));
            world
                .down
                .set_config(narrow(kilobits).loss(loss).seed(seed));
            // A thin way pays with its first seconds: everything is tried at once.
            world.run(5);
            world.missing = Some(Missing::default());
            world.run(62);
            let missing = world.missing.as_ref().unwrap();
            let (residual, counters) = (missing.residual(), world.router.counters());
            println!("{kilobits} kb/s, {percent} %, {seed}: {residual:.5}, {counters:?}");
            assert!(
                missing.repaired * 100 > missing.came * (percent - 4),
                "nothing was lost"
            );
            assert!(
                residual < 0.005,
                "{kilobits} kb/s, {percent} %, {seed}: {residual}"
            );
            assert!(kilobits > 2000 || counters.paced > 0, "{counters:?}");
        }
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
fn a_receiver_that_only_says_what_it_can_take_is_shown_that() {
    let mut world = World::with_own_estimate(narrow(20_000));
    world.run(60);
    println!("{:?}", world.layers);
    assert_eq!(world.layers.len(), 1, "{:?}", world.layers);
    assert_eq!(world.layer(), "h", "its word is no limit on a wide way");

    let mut world = World::with_own_estimate(deep(4000));
    world.run(20);
    world.down.set_config(deep(1000).seed(1));
    world.run(60);
    println!("{:?}", world.layers);
    assert!(world.wait_max_since(20_000) > 300, "nothing to be mended");
    let since = world.heard.iter().filter(|(sent, _)| *sent >= 22_000);
    let waits = since.map(|(sent, came)| came - sent - 20);
    let (late, all) = waits.fold((0, 0), |(late, all), wait| {
        (late + u32::from(wait > 300), all + 1)
    });
    assert!(late * 100 < all * 4, "{late} of {all} were late");
    // It finds out by trying, and tries less and less often.
    let switches = world.switches_since(20_000);
    assert!((1..=8).contains(&switches.len()), "{switches:?}");
    world.down.set_config(deep(4000).seed(1));
    world.run(70);
    println!("{:?}", world.layers);
    assert_eq!(world.layer(), "h", "{:?}", world.layers);
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
