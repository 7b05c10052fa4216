//! Forwarding allocates nothing: opening, deciding, rewriting, sealing and sending, with all that
//! goes on beside it: sound, reports of arrivals, lost packets sent again, timers.

use super::*;
use crate::transport::srtp::Profile;
use rtc_crypto::RTCCryptoProvider as _;
use rtc_crypto::providers::RingProvider;
use snug_rtp::rtcp::{ArrivalTime, Arrived, Writer};
use snug_sfu::{Subscribe, View};

const SUBSCRIBERS: u32 = 20;
const PACKETS_PER_FRAME: u16 = 5;
const SOUND_PER_FRAME: u16 = 2;
/// Until everything that is made once is made: some seconds of pictures.
const FRAMES_BEFORE: u16 = 150;
const FRAMES: u16 = 600;
const INTERVAL: Duration = Duration::from_millis(33);
const SSRC: u32 = 7;
const VOICE_SSRC: u32 = 17;
/// As subscribers see them.
const SEEN_SSRC: u32 = 9;
const SEEN_VOICE_SSRC: u32 = 19;
const NUMBER_ID: u8 = 3;
const LEVEL_ID: u8 = 1;
const EXTENSIONS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    rid: None,
    repaired_rid: None,
    audio_level: Some(LEVEL_ID),
    transport_cc: Some(NUMBER_ID),
};

/// What a subscriber was sent.
#[derive(Clone, Copy, Default)]
struct Seen {
    pictures: u64,
    sound: u64,
    /// Its last picture's number, to be asked for again.
    last: u16,
    /// The transport-wide numbers that it has not reported: the first, and how many.
    numbers: Option<(u16, u16)>,
}

impl Seen {
    /// Reads what is not sealed.
    fn take(&mut self, data: &[u8]) {
        let is_rtp = data.len() > 12 && !(192..224).contains(&data[1]);
        // What says how long the padding is, is sealed.
        let mut head = [0; 64];
        let len = data.len().min(head.len());
        head[..len].copy_from_slice(&data[..len]);
        head[0] &= !0x20;
        let Ok(packet) = Packet::parse(&head[..len]) else {
            return;
        };
        let header = packet.header();
        if !is_rtp {
            return;
        }
        match header.ssrc {
            SEEN_SSRC => (self.pictures, self.last) = (self.pictures + 1, header.sequence.0),
            SEEN_VOICE_SSRC => self.sound += 1,
            _ => {}
        }
        let number = packet
            .extension(NUMBER_ID)
            .and_then(|it| it.try_into().ok());
        let Some(number) = number.map(u16::from_be_bytes) else {
            return;
        };
        let (first, _) = self.numbers.unwrap_or((number, 0));
        self.numbers = Some((first, number.wrapping_sub(first).wrapping_add(1)));
    }

    /// Writes its feedback, and once in a while asks for a packet again.
    fn write(&mut self, asks: bool, clock: Duration, number: u8) -> Option<Vec<u8>> {
        let (first, count) = self.numbers.take()?;
        let mut bytes = vec![0; 1_200];
        let mut writer = Writer::new(&mut bytes);
        writer.receiver_report(1, &[]).unwrap();
        let at = ArrivalTime::after(clock);
        let times = vec![Some(at); usize::from(count.min(100))];
        let arrived = Arrived {
            base: SequenceNumber(first),
            times: &times,
        };
        writer
            .transport_feedback(1, SEEN_SSRC, number, &arrived)
            .unwrap();
        if asks {
            let missing = [SequenceNumber(self.last.wrapping_sub(1))];
            writer.nack(1, SEEN_SSRC, missing).unwrap();
        }
        let len = writer.finish();
        bytes.truncate(len);
        Some(bytes)
    }
}

type AllSeen = Arc<Mutex<Vec<Seen>>>;

/// A port that sends nowhere, but notes what.
struct Nowhere(AllSeen);

impl DatagramIo for Nowhere {
    fn receive(&mut self, _inbox: &mut Inbox, _timeout: Duration) -> std::io::Result<()> {
        Ok(())
    }

    fn send(&mut self, outbox: &mut Outbox, _counters: &Counters) {
        let mut all = self.0.lock().unwrap();
        outbox.drain(|path, data| {
            let place = usize::from(path.remote.port() - 5_000);
            all[place].take(data);
        });
    }

    fn waker(&self) -> Arc<dyn Wake> {
        unreachable!("nobody waits for this port")
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(address(1))
    }
}

pub(super) fn session() -> Session {
    let profile = Profile::Gcm128;
    let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
    Session::new(profile, &material, RingProvider::new().crypto()).unwrap()
}

/// Lets a peer in that was checked, as if it had shaken hands.
pub(super) fn let_in(
    bench: &mut Bench,
    key: u32,
    publish: Vec<Publish>,
    subscribe: Vec<Subscribe>,
) {
    let peer = PeerKey(key);
    bench.command(TransportCommand::SetMedia {
        peer,
        publish,
        subscribe,
    });
    let index = bench.shard.by_key[&peer];
    bench.shard.peers[index].as_mut().unwrap().session = Some(Box::new(session()));
    let router = &mut bench.shard.rooms[0].as_mut().unwrap().router;
    router.handle_connected(peer, bench.now);
}

pub(super) fn camera_and_voice() -> Vec<Publish> {
    let encoding = |ssrc, rtx_ssrc| snug_sfu::Encoding {
        ssrc: Some(ssrc),
        rtx_ssrc,
        ..snug_sfu::Encoding::default()
    };
    let camera = Publish {
        track: TrackKey(1),
        kind: Kind::Video,
        mid: "0".to_owned(),
        encodings: vec![encoding(SSRC, Some(SSRC + 1))],
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: EXTENSIONS,
        bitrate_max: None,
    };
    let voice = Publish {
        track: TrackKey(2),
        kind: Kind::Audio,
        mid: "1".to_owned(),
        encodings: vec![encoding(VOICE_SSRC, None)],
        payload_type: 111,
        rtx_payload_type: None,
        ..camera.clone()
    };
    vec![camera, voice]
}

pub(super) fn tile_and_voice() -> Vec<Subscribe> {
    let tile = Subscribe {
        track: TrackKey(1),
        mid: "0".to_owned(),
        ssrc: SEEN_SSRC,
        rtx_ssrc: Some(SEEN_SSRC + 1),
        payload_type: 96,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        extensions: EXTENSIONS,
        target: None,
        view: View::default(),
    };
    let voice = Subscribe {
        track: TrackKey(2),
        mid: "1".to_owned(),
        ssrc: SEEN_VOICE_SSRC,
        rtx_ssrc: None,
        payload_type: 111,
        rtx_payload_type: None,
        ..tile.clone()
    };
    vec![tile, voice]
}

/// The clients: a publisher and its subscribers.
pub(super) struct Clients {
    publisher: Session,
    subscribers: Vec<Session>,
    numbers: [u16; 3],
}

impl Clients {
    pub(super) fn new(subscribers: u32) -> Self {
        Self {
            publisher: session().swapped(),
            subscribers: (0..subscribers).map(|_| session().swapped()).collect(),
            numbers: [0; 3],
        }
    }

    fn media(&mut self, place: usize, fields: Fields, payload: &[u8], level: u8) -> Vec<u8> {
        self.numbers[place] = self.numbers[place].wrapping_add(1);
        self.numbers[2] = self.numbers[2].wrapping_add(1);
        let fields = Fields {
            sequence: SequenceNumber(self.numbers[place]),
            ..fields
        };
        let number = self.numbers[2].to_be_bytes();
        let extensions = [(NUMBER_ID, &number[..]), (LEVEL_ID, &[level][..])];
        let mut bytes = vec![0; 1_400];
        let written = write_packet(&mut bytes, &fields, &extensions, payload).unwrap();
        let len = self.publisher.seal_rtp(&mut bytes, written.len).unwrap();
        bytes.truncate(len);
        bytes
    }

    /// Seals a packet of a picture.
    pub(super) fn picture(&mut self, frame: u16, part: u16) -> Vec<u8> {
        let mut payload = [0x5A; 1_100];
        let head = [if part == 0 { 0x10 } else { 0 }, u8::from(frame > 0)];
        payload[..2].copy_from_slice(&head);
        let fields = Fields {
            marker: part + 1 == PACKETS_PER_FRAME,
            payload_type: 96,
            sequence: SequenceNumber(0),
            timestamp: RtpTime(u32::from(frame) * 3_000),
            ssrc: SSRC,
        };
        self.media(0, fields, &payload, 127)
    }

    /// Seals a packet of a voice that speaks for three seconds and is silent for three.
    pub(super) fn sound(&mut self) -> Vec<u8> {
        let number = self.numbers[1];
        let fields = Fields {
            marker: false,
            payload_type: 111,
            sequence: SequenceNumber(0),
            timestamp: RtpTime(u32::from(number) * 960),
            ssrc: VOICE_SSRC,
        };
        let level = if (number / 180).is_multiple_of(2) {
            25
        } else {
            120
        };
        self.media(1, fields, &[0x33; 80], level)
    }

    /// Seals all that is sent in the time of one frame: who sends it, the publisher first.
    fn turn(&mut self, frame: u16, clock: Duration, seen: &mut [Seen]) -> Vec<(usize, Vec<u8>)> {
        let pictures: Vec<_> = (0..PACKETS_PER_FRAME)
            .map(|part| self.picture(frame, part))
            .collect();
        let sound = (0..SOUND_PER_FRAME).map(|_| self.sound());
        let media: Vec<_> = pictures.into_iter().chain(sound).collect();
        let mut sent: Vec<_> = media.into_iter().map(|bytes| (0, bytes)).collect();
        for (place, (session, seen)) in self.subscribers.iter_mut().zip(seen).enumerate() {
            let asks = (usize::from(frame) + place).is_multiple_of(3);
            let Some(mut bytes) = seen.write(asks, clock, frame as u8) else {
                continue;
            };
            let clear = bytes.len();
            bytes.resize(clear + 64, 0);
            let len = session.seal_rtcp(&mut bytes, clear).unwrap();
            bytes.truncate(len);
            sent.push((1 + place, bytes));
        }
        sent
    }
}

/// A turn of the media thread, after reading.
fn turn(bench: &mut Bench) {
    bench.shard.handle_inbox(bench.now);
    bench.shard.forward_pending(bench.now);
    if bench.now >= bench.shard.next_timer {
        bench.shard.handle_timers(bench.now);
    }
    bench.shard.port.flush();
}

/// What must have been measured.
fn judge(bench: &Bench, all: &[Seen], allocations: u64) {
    let router = &bench.shard.rooms[0].as_ref().unwrap().router;
    let counters = *router.counters();
    let sum = |figure: fn(&Seen) -> u64| all.iter().map(figure).sum::<u64>();
    let (pictures, sound) = (sum(|it| it.pictures), sum(|it| it.sound));
    println!("{pictures} of pictures, {sound} of sound, {counters:?}");
    let all_of = |each: u16| u64::from(FRAMES) * u64::from(each) * (all.len() as u64 - 1);
    assert!(
        pictures * 100 >= all_of(PACKETS_PER_FRAME) * 98,
        "{pictures} of pictures"
    );
    assert!(
        sound * 100 >= all_of(SOUND_PER_FRAME) * 98,
        "{sound} of sound"
    );
    let reports = u64::from(FRAMES) * (all.len() as u64 - 1) / 2;
    assert!(counters.feedback_received > reports, "{counters:?}");
    assert!(counters.repaired > reports / 8, "{counters:?}");
    assert!(
        counters.feedback_sent > u64::from(FRAMES) / 16,
        "{counters:?}"
    );
    assert_eq!(counters.malformed_rtcp, 0);
    assert_eq!(bench.shard.counters.srtp_malformed.get(), 0);
    assert_eq!(allocations, 0, "of {pictures} packets");
}

#[test]
fn forwarding_allocates_nothing() {
    let mut bench = Bench::new();
    for key in 0..=SUBSCRIBERS {
        bench.add(key);
        assert!(bench.check(key, address(5_000 + key as u16)) > 0);
        match key {
            0 => let_in(&mut bench, key, camera_and_voice(), vec![]),
            _ => let_in(&mut bench, key, vec![], tile_and_voice()),
        }
    }
    let seen: AllSeen = Arc::new(Mutex::new(vec![Seen::default(); 1 + SUBSCRIBERS as usize]));
    bench.shard.port.io = Box::new(Nowhere(Arc::clone(&seen)));
    let (mut clients, start) = (Clients::new(SUBSCRIBERS), bench.now);
    let mut allocations = 0;
    for frame in 0..FRAMES_BEFORE + FRAMES {
        bench.now += INTERVAL;
        let clock = bench.now - start;
        let datagrams = clients.turn(frame, clock, &mut seen.lock().unwrap()[1..]);
        let info = allocation_counter::measure(|| {
            bench.shard.inbox.clear();
            for (from, bytes) in &datagrams {
                let path = Path::direct(address(5_000 + *from as u16), None);
                assert!(bench.shard.inbox.put(path, bytes));
            }
            turn(&mut bench);
        });
        // What a room is told meanwhile is taken by it.
        while bench.events.try_recv().is_ok() {}
        if frame == FRAMES_BEFORE {
            for seen in seen.lock().unwrap().iter_mut() {
                (seen.pictures, seen.sound) = (0, 0);
            }
        }
        if frame >= FRAMES_BEFORE {
            allocations += info.count_total;
        }
        // Consent is renewed, as clients do.
        if frame.is_multiple_of(150) {
            for key in 0..=SUBSCRIBERS {
                bench.check(key, address(5_000 + key as u16));
            }
        }
    }
    let seen = seen.lock().unwrap().clone();
    judge(&bench, &seen, allocations);
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1; 100])));
    assert_eq!(counted.count_total, 1);
}
