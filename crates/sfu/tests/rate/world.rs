//! The room, the way to one in it, and the time of both.

use snug_congestion::Arrivals;
use snug_rtp::rtcp::Writer;
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{
    Encoding, ExtensionIds, Kind, LayerReason, Notice, Output, PeerKey, Publish, Router, Subscribe,
    TrackKey, View,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use str0m_netem::{Bitrate, DataSize, Input, Netem, NetemConfig};

pub const SENDER: PeerKey = PeerKey(1);
pub const VIEWER: PeerKey = PeerKey(2);
pub const CAMERA: TrackKey = TrackKey(1);
pub const VOICE: TrackKey = TrackKey(2);
pub const RIDS: [&str; 3] = ["l", "m", "h"];
pub const LAYERS: [u32; 3] = [11, 12, 13];
/// Kilobits a second of each layer.
pub const RATES: [u64; 3] = [150, 500, 1500];
pub const CAMERAS_MAX: usize = 4;
pub const NUMBER_ID: u8 = 3;
pub const PICTURE_MS: u64 = 33;
/// A keyframe is so many times a picture.
pub const KEYFRAME: u64 = 6;
/// From sender to server and back.
pub const UPLINK_MS: u64 = 10;
/// The receiver sees the camera, what is sent of it again, and the voice as these.
pub const SEEN: [u32; 3] = [21, 22, 23];

/// A room of two, and the way to one of them.
pub struct World {
    pub router: Router,
    pub start: Instant,
    pub now: u64,
    pub sender: Sender,
    pub down: Netem<Vec<u8>>,
    pub up: Netem<Vec<u8>>,
    pub is_cut: bool,
    pub arrivals: Arrivals,
    /// Parts in a million by which the receiver's clock is fast.
    pub skew_ppm: i64,
    /// When each packet of the voice was sent and came, by its number.
    pub heard: Vec<(u64, u64)>,
    /// When pictures came.
    pub seen: Vec<u64>,
    /// The layer that is shown of each camera; none while it is paused.
    pub shown: BTreeMap<TrackKey, Option<String>>,
    /// What was told of the first camera: when, which layer, why.
    pub layers: Vec<(u64, String, LayerReason)>,
    pub estimates: Vec<(u64, u64)>,
    pub paused: Vec<(u64, bool)>,
    pub wanted: Vec<(u64, Vec<String>)>,
    /// What the sender was told it may send, in bits a second.
    pub told: Vec<u64>,
    /// A receiver that reports no arrivals but says itself what its way carries.
    pub own_estimate: Option<OwnEstimate>,
    /// What the receiver misses of the pictures, and asks for, where it does.
    pub missing: Option<Missing>,
}

/// Packets that a receiver misses: asked for as browsers do, every 50 ms, ten times.
#[derive(Default)]
pub struct Missing {
    /// The highest number, and the holes below: how often each was asked for, when next, and when
    /// it was noticed.
    pub highest: Option<SequenceNumber>,
    pub holes: BTreeMap<u16, (u32, u64, u64)>,
    pub came: u64,
    /// Sent again, and in time for a second of playout.
    pub repaired: u64,
    pub late: u64,
}

impl Missing {
    pub fn take(&mut self, number: SequenceNumber, now: u64) {
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

    pub fn due(&mut self, now: u64) -> Vec<SequenceNumber> {
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
    pub fn residual(&self) -> f64 {
        self.late as f64 / (self.came + self.late) as f64
    }
}

/// What a receiver believes of its way, as browsers do: a share of what arrives when that is late,
/// else a little more each moment, but never far beyond what arrives.
pub struct OwnEstimate {
    pub bitrate: u64,
    /// When each packet of the last half second came, with its bits.
    pub came: VecDeque<(u64, u64)>,
    pub is_late: bool,
    pub told_at: u64,
    pub lowered_at: u64,
}

impl OwnEstimate {
    pub fn take(&mut self, now: u64, waited: u64, bytes: usize) {
        self.came.push_back((now, bytes as u64 * 8));
        self.is_late |= waited > 80;
    }

    /// Returns the estimate when it is to be told.
    pub fn poll(&mut self, now: u64) -> Option<u64> {
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
pub struct Sender {
    /// Cameras besides the first.
    pub others: usize,
    pub numbers: [[u16; 3]; CAMERAS_MAX],
    pub pictures: u16,
    pub owed: [[bool; 3]; CAMERAS_MAX],
    pub requests: VecDeque<(u64, usize, usize)>,
    /// Layers that it sends.
    pub is_on: [bool; 3],
    pub under_way: VecDeque<(u64, Vec<u8>)>,
    pub voice: u16,
}

pub fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

pub fn camera() -> Publish {
    camera_of(0)
}

pub fn track_of(index: usize) -> TrackKey {
    TrackKey(CAMERA.0 + 10 * index as u32)
}

/// The sources of each camera, and as what they are seen, are so far from those of the next.
pub fn source_of(index: usize, first: u32) -> u32 {
    first + 100 * index as u32
}

pub fn camera_of(index: usize) -> Publish {
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

pub fn voice() -> Publish {
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

pub fn subscriptions(rows: Option<u16>) -> Vec<Subscribe> {
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
pub fn narrow(kilobits: u64) -> NetemConfig {
    holding(kilobits, 300)
}

/// The same that holds two seconds, as home routers and base stations do.
pub fn deep(kilobits: u64) -> NetemConfig {
    holding(kilobits, 2000)
}

pub fn holding(kilobits: u64, ms: u64) -> NetemConfig {
    let held = (kilobits * ms / 8).max(6_000);
    NetemConfig::new()
        .latency(Duration::from_millis(20))
        .link(Bitrate::kbps(kilobits), DataSize::bytes(held as i64))
}

impl World {
    pub fn new(way: NetemConfig) -> Self {
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
    pub fn with_cameras(way: NetemConfig, count: usize) -> Self {
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
    pub fn with_own_estimate(way: NetemConfig) -> Self {
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

    pub fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    pub fn run(&mut self, seconds: u64) {
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

    pub fn forward(&mut self) {
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

    pub fn send_paced(&mut self) {
        let mut out = [0; 1500];
        while let Some(sent) = self.router.poll_paced(self.instant(), &mut out) {
            assert_eq!(sent.to, VIEWER);
            self.send_down(&out[..sent.len]);
        }
    }

    pub fn send_repairs(&mut self) {
        let mut out = [0; 1500];
        while let Some(sent) = self.router.poll_repair(self.instant(), &mut out) {
            self.send_down(&out[..sent.len]);
        }
    }

    pub fn send_down(&mut self, bytes: &[u8]) {
        let mut datagram = self.now.to_be_bytes().to_vec();
        datagram.extend_from_slice(bytes);
        // As long as it is on the wire, sealed and with its headers.
        datagram.resize(datagram.len() + 44 - 8, 0);
        if !self.is_cut {
            self.down
                .handle_input(Input::Packet(self.instant(), datagram));
        }
    }

    pub fn read_router(&mut self) {
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

    pub fn receive(&mut self) {
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

    pub fn report(&mut self, clock: Instant) {
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

    pub fn send_up(&mut self, bytes: &[u8]) {
        if !self.is_cut {
            self.up
                .handle_input(Input::Packet(self.instant(), bytes.to_vec()));
        }
    }

    pub fn take(&mut self, datagram: &[u8], clock: Instant) {
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
    pub fn layer(&self) -> &str {
        self.layers.last().map_or("", |(_, rid, _)| rid)
    }

    /// Returns how many changes of the layer were told since.
    pub fn switches_since(&self, at: u64) -> Vec<u64> {
        let times = self.layers.iter().map(|(at, _, _)| *at);
        times.filter(|told| *told >= at).collect()
    }

    /// Returns the longest that the voice waited on the way, of what was sent since.
    pub fn wait_max_since(&self, at: u64) -> u64 {
        let since = self.heard.iter().filter(|(sent, _)| *sent >= at);
        since
            .map(|(sent, came)| came - sent - 20)
            .max()
            .unwrap_or(0)
    }
}

impl Sender {
    pub fn send(&mut self, now: u64) {
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

    pub fn send_picture(&mut self, now: u64, camera: usize, layer: usize) {
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
    pub fn post(
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
