//! Whatever happens to the layers of a camera, a receiver sees one stream.

use super::*;

const RIDS: [&str; 3] = ["l", "m", "h"];
/// The sources of l, m and h.
const SSRCS: [u32; 3] = [70, 71, 72];
const FRAME: Duration = Duration::from_millis(33);
/// Ticks of the clock of pictures in a frame's time.
const FRAME_TICKS: u32 = 2_970;
/// A packet is this many frames late at most.
const LATENESS_MAX: usize = 5;

/// Where the numbers of one layer begin.
#[derive(Clone, Copy, Debug)]
struct Start {
    sequence: u16,
    timestamp: u32,
    picture: u16,
    tl0: u8,
}

fn start() -> impl Strategy<Value = Start> {
    // Half of them wrap soon, so that they do so around a change of layer.
    let sequence = prop_oneof![any::<u16>(), u16::MAX - 300..=u16::MAX];
    let timestamp = prop_oneof![any::<u32>(), u32::MAX - 100 * FRAME_TICKS..=u32::MAX];
    let picture = prop_oneof![0..0x8000u16, 0x7FFF - 100..=0x7FFFu16];
    (sequence, timestamp, picture, any::<u8>()).prop_map(|(sequence, timestamp, picture, tl0)| {
        Start {
            sequence,
            timestamp,
            picture,
            tl0,
        }
    })
}

/// What becomes of a packet on its way to the server.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Late(usize),
    Lost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        16 => Just(Fate::Arrives),
        2 => (1..=LATENESS_MAX).prop_map(Fate::Late),
        2 => Just(Fate::Lost),
    ]
}

/// What one step of a random session does.
#[derive(Clone, Debug)]
enum Step {
    /// Sends a frame of each layer, of two or three packets.
    Frame([Vec<Fate>; 3]),
    Want(&'static str),
    /// Switches a layer off or on, said or unsaid.
    Switch(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let packets = || prop::collection::vec(fate(), 2..=3);
    prop_oneof![
        20 => (packets(), packets(), packets()).prop_map(|(l, m, h)| Step::Frame([l, m, h])),
        1 => prop::sample::select(RIDS.to_vec()).prop_map(Step::Want),
        1 => (0usize..3, any::<bool>()).prop_map(|(index, said)| Step::Switch(index, said)),
    ]
}

/// What a packet really is, written behind its picture's bytes where nobody rewrites it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    layer: usize,
    /// Counts the frames of its layer.
    frame: u16,
    /// Counts the packets of its layer.
    packet: u16,
    /// Counts the moments at which frames were taken.
    moment: u16,
}

impl Mark {
    const LEN: usize = 7;

    fn bytes(self) -> [u8; Self::LEN] {
        let [frame, packet, moment] = [self.frame, self.packet, self.moment].map(u16::to_be_bytes);
        let letter = RIDS[self.layer].as_bytes()[0];
        [
            letter, frame[0], frame[1], packet[0], packet[1], moment[0], moment[1],
        ]
    }

    fn read(payload: &[u8]) -> Self {
        let bytes = payload.last_chunk::<{ Self::LEN }>().unwrap();
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let letter = |rid: &&str| rid.as_bytes()[0] == bytes[0];
        Self {
            layer: RIDS.iter().position(letter).unwrap(),
            frame: number(1),
            packet: number(3),
            moment: number(5),
        }
    }
}

/// One layer's counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: u16,
    packets: u16,
}

/// A camera of three layers that makes keyframes when it is asked to, and one who looks at it.
struct Session {
    bench: Bench,
    starts: [Start; 3],
    counts: [Counts; 3],
    /// Layers that owe a keyframe.
    owed: [bool; 3],
    /// Layers that are off; whether that was said.
    silenced: [Option<bool>; 3],
    moment: u16,
    /// Packets under way, and how many frames more they take.
    late: Vec<(usize, Sent)>,
    /// At which moment each packet was received.
    received_at: Vec<u16>,
}

impl Session {
    fn new(starts: [Start; 3]) -> Self {
        let mut session = Self {
            bench: Bench::new(vec![]),
            starts,
            counts: [Counts::default(); 3],
            owed: [true; 3],
            silenced: [None; 3],
            moment: 0,
            late: Vec::new(),
            received_at: Vec::new(),
        };
        session.publish();
        session
    }

    fn publish(&mut self) {
        let encodings = (0..3).map(|layer| Encoding {
            is_disabled: self.silenced[layer] == Some(true),
            ..encoding(Some(RIDS[layer]), Some(SSRCS[layer]))
        });
        let publish = vec![camera(encodings.collect())];
        let now = self.bench.now;
        self.bench.router.set_media(SPEAKER, publish, vec![], now);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Want(target) => {
                let wanted = Subscribe {
                    target: Some(target.parse().unwrap()),
                    ..subscribe(CAMERA, 502, 100)
                };
                let now = self.bench.now;
                let router = &mut self.bench.router;
                router.set_media(LISTENER, vec![], vec![wanted], now);
            }
            Step::Switch(layer, said) => {
                let silenced = &mut self.silenced[layer];
                *silenced = silenced.is_none().then_some(said);
                self.publish();
            }
            Step::Frame(fates) => self.frame(fates),
        }
        for output in self.bench.outputs() {
            if let Output::KeyframeRequest { ssrc, .. } = output {
                let layer = SSRCS.iter().position(|known| *known == ssrc).unwrap();
                self.owed[layer] = true;
            }
        }
        while self.bench.router.poll_notice().is_some() {}
    }

    fn frame(&mut self, fates: [Vec<Fate>; 3]) {
        self.moment += 1;
        self.bench.now += FRAME;
        let overdue: Vec<Sent> = self
            .late
            .extract_if(.., |(left, _)| {
                *left -= 1;
                *left == 0
            })
            .map(|(_, sent)| sent)
            .collect();
        for (layer, fates) in fates.into_iter().enumerate() {
            if self.silenced[layer].is_some() {
                continue;
            }
            let is_key = std::mem::take(&mut self.owed[layer]);
            let last = fates.len() - 1;
            for (index, fate) in fates.into_iter().enumerate() {
                let sent = self.packet(layer, (index, index == last), is_key);
                self.counts[layer].packets += 1;
                match fate {
                    Fate::Arrives => self.send(&sent),
                    Fate::Late(by) => self.late.push((by, sent)),
                    Fate::Lost => {}
                }
            }
            self.counts[layer].frames += 1;
        }
        for sent in overdue {
            self.send(&sent);
        }
    }

    fn packet(&self, layer: usize, (index, is_last): (usize, bool), is_key: bool) -> Sent {
        let (start, counts) = (self.starts[layer], self.counts[layer]);
        let picture = start.picture.wrapping_add(counts.frames) | 0x8000;
        let [high, low] = picture.to_be_bytes();
        let tl0 = start.tl0.wrapping_add(counts.frames as u8);
        // The descriptor says whether the picture begins; then comes a key's or another's head.
        let begins = if index == 0 { 0x10 } else { 0 };
        let tag = if is_key { 0x10 } else { 0x11 };
        let mark = Mark {
            layer,
            frame: counts.frames,
            packet: counts.packets,
            moment: self.moment,
        };
        let mut payload = vec![0x80 | begins, 0xC0, high, low, tl0];
        payload.extend([tag, 0, 0, 0x9D, 1, 0x2A, 0, 1, 0, 1]);
        payload.extend(mark.bytes());
        let fields = Fields {
            marker: is_last,
            payload_type: 96,
            sequence: SequenceNumber(start.sequence.wrapping_add(counts.packets)),
            timestamp: RtpTime(start.timestamp).wrapping_add(u32::from(self.moment) * FRAME_TICKS),
            ssrc: SSRCS[layer],
        };
        let mut bytes = vec![0; 256];
        let written = write_packet(&mut bytes, &fields, &[], &payload).unwrap();
        bytes.truncate(written.len);
        Sent { bytes }
    }

    fn send(&mut self, sent: &Sent) {
        self.bench.send(sent);
        self.received_at
            .resize(self.bench.received.len(), self.moment);
    }

    /// Reads what was received, in the order of its numbers.
    fn seen(&self) -> Vec<Seen> {
        let received = self.bench.received.iter().zip(&self.received_at);
        let mut seen: Vec<Seen> = Vec::new();
        let mut newest: Option<(SequenceNumber, i32)> = None;
        for ((_, bytes), at) in received {
            let packet = Packet::parse(bytes).unwrap();
            let descriptor = Descriptor::parse(packet.payload()).unwrap();
            let sequence = packet.header().sequence;
            let (near, place) = newest.unwrap_or((sequence, 0));
            let place = place + i32::from(sequence.distance_from(near));
            newest = newest.max_by_place((sequence, place));
            seen.push(Seen {
                place,
                timestamp: packet.header().timestamp,
                picture: descriptor.picture_id.unwrap().value,
                tl0: descriptor.tl0_picture_index.unwrap(),
                starts_key: descriptor.starts_keyframe(packet.payload()),
                mark: Mark::read(packet.payload()),
                at: *at,
            });
        }
        seen.sort_by_key(|one| one.place);
        seen
    }
}

trait MaxByPlace {
    fn max_by_place(self, other: (SequenceNumber, i32)) -> Self;
}

impl MaxByPlace for Option<(SequenceNumber, i32)> {
    fn max_by_place(self, other: (SequenceNumber, i32)) -> Self {
        Some(self.filter(|(_, place)| *place > other.1).unwrap_or(other))
    }
}

/// A packet as the receiver sees it, and what it really is.
#[derive(Debug)]
struct Seen {
    /// Its place in the outgoing sequence, counted from the first one.
    place: i32,
    timestamp: RtpTime,
    picture: u16,
    tl0: u8,
    starts_key: bool,
    mark: Mark,
    /// The moment at which it was received.
    at: u16,
}

/// Checks what was received, and returns the layers in the order in which they were shown.
fn check(seen: &[Seen]) -> Result<Vec<&'static str>, TestCaseError> {
    let mut shown = Vec::new();
    if let Some(first) = seen.first() {
        prop_assert!(first.starts_key, "it begins with {first:?}");
        shown.push(RIDS[first.mark.layer]);
    }
    for pair in seen.windows(2) {
        let [before, after] = pair else {
            unreachable!()
        };
        let places = after.place - before.place;
        prop_assert!(places > 0, "a number was used twice: {pair:?}");
        let ticks = after.timestamp.distance_from(before.timestamp);
        let pictures = after.picture.wrapping_sub(before.picture) & 0x7FFF;
        let tl0s = after.tl0.wrapping_sub(before.tl0);
        if after.mark.layer == before.mark.layer {
            // Order and gaps are what they were, so that loss is seen as loss.
            let packets = i32::from(after.mark.packet) - i32::from(before.mark.packet);
            let frames = after.mark.frame - before.mark.frame;
            let moments = i32::from(after.mark.moment) - i32::from(before.mark.moment);
            prop_assert_eq!(places, packets, "{:?}", pair);
            prop_assert_eq!(ticks, moments * FRAME_TICKS as i32, "{:?}", pair);
            prop_assert_eq!(pictures, frames, "{:?}", pair);
            prop_assert_eq!(tl0s, frames as u8, "{:?}", pair);
        } else {
            // A keyframe right behind what came before, as much later as it came later.
            prop_assert!(after.starts_key, "{pair:?}");
            prop_assert_eq!((places, pictures, tl0s), (1, 1, 1), "{:?}", pair);
            let passed = i32::from(after.at) - i32::from(before.at);
            prop_assert_eq!(ticks, (passed * FRAME_TICKS as i32).max(1), "{:?}", pair);
            shown.push(RIDS[after.mark.layer]);
        }
    }
    Ok(shown)
}

proptest! {
    /// Any start of the numbers, loss, reordering, target and silence: the receiver sees one stream.
    /// Its numbers never meet twice, within a layer they differ as they did, and each change of
    /// layer begins with a keyframe right behind what came before.
    #[test]
    fn a_receiver_sees_one_stream(
        starts in [start(), start(), start()],
        steps in prop::collection::vec(step(), 50..400),
    ) {
        let mut session = Session::new(starts);
        for step in steps {
            session.run(step);
        }
        check(&session.seen())?;
    }

    /// The same where every number of every layer wraps around a change, and nothing else happens.
    #[test]
    fn numbers_that_wrap_around_a_change_go_on(
        sequence in u16::MAX - 60..=u16::MAX,
        picture in 0x7FFF - 30..=0x7FFFu16,
        tl0 in u8::MAX - 30..=u8::MAX,
        early in 0..30u32,
    ) {
        let timestamp = u32::MAX - early * FRAME_TICKS;
        let start = Start { sequence, timestamp, picture, tl0 };
        let mut session = Session::new([start; 3]);
        for target in ["l", "m", "h", "l"] {
            session.run(Step::Want(target));
            for _ in 0..20 {
                let whole = || vec![Fate::Arrives; 2];
                session.run(Step::Frame([whole(), whole(), whole()]));
            }
        }
        let seen = session.seen();
        prop_assert_eq!(check(&seen)?, ["l", "m", "h", "l"]);
        prop_assert!(seen.len() > 150, "{} packets", seen.len());
        let wraps = seen.windows(2).filter(|pair| pair[1].picture < pair[0].picture).count();
        prop_assert_eq!(wraps, 1, "of the numbers of pictures");
    }
}
