//! The receiving thread's work without the thread: what reaches whoever looks and listens.

use std::sync::Mutex;

use bytes::Bytes;
use snug_media::opus::{Encoder, EncoderConfig, PACKET_BYTES_MAX, PACKET_SAMPLES};
use snug_media::source::Tone;
use snug_media::{AudioSource, BLOCK_DURATION};

use super::*;
use crate::output::{EncodedPicture, FrameSink, Watched};

const NOTHING: [bool; 0] = [];

/// Remembers which pictures came, and whether each was a keyframe.
#[derive(Default)]
struct Seen(Mutex<Vec<bool>>);

impl FrameSink for Seen {
    fn frame(&self, _: &TrackId, frame: &EncodedPicture) {
        self.0.lock().unwrap().push(frame.keyframe);
    }
}

struct World {
    worker: Worker,
    seen: Arc<Seen>,
    reports: mpsc::Receiver<Report>,
    sequence: u16,
}

impl World {
    fn new() -> Self {
        let seen = Arc::new(Seen::default());
        let outputs = Outputs {
            frames: Some(Arc::clone(&seen) as _),
            ..Outputs::default()
        };
        let (lane, reports) = mpsc::channel(16);
        let (snapshots, _) = watch::channel(Snapshot::new());
        let worker = Worker::new(None, (outputs, Arc::default()), lane, snapshots);
        let mut world = Self {
            worker,
            seen,
            reports,
            sequence: 0,
        };
        for (mid, id, kind) in [("0", "p:v", Kind::Video), ("1", "p:a", Kind::Audio)] {
            let track = RemoteTrack {
                peer: "p".parse().unwrap(),
                name: String::new(),
                id: id.parse().unwrap(),
                kind,
            };
            world.worker.handle(Message::Bind(mid.into(), track));
        }
        world
    }

    /// Sends a picture of one packet; returns which pictures were seen by now.
    fn picture(&mut self, keyframe: bool) -> Vec<bool> {
        self.sequence += 1;
        // A descriptor, the frame's tag, the start code and size of a keyframe.
        let tag = u8::from(!keyframe);
        let payload = [0x10, tag, 0, 0, 0x9D, 0x01, 0x2A, 16, 0, 8, 0, 1, 2, 3];
        self.packet("0", &payload, (3_000, Instant::now()));
        self.take_seen()
    }

    fn packet(&mut self, mid: &str, payload: &[u8], (ticks, at): (u32, Instant)) {
        let packet = Packet {
            mid: mid.into(),
            at,
            marker: true,
            sequence: self.sequence,
            timestamp: ticks * u32::from(self.sequence),
            ssrc: 7,
            payload: Bytes::copy_from_slice(payload),
            earlier: None,
        };
        self.worker.handle(Message::Packet(packet));
    }

    fn take_seen(&mut self) -> Vec<bool> {
        self.worker.play();
        std::mem::take(&mut *self.seen.0.lock().unwrap())
    }

    fn look(&mut self, looks: bool) {
        let watched = looks.then(|| Watched {
            track: "p:v".parse().unwrap(),
            form: Form::Encoded,
            rows: 360,
        });
        let watched = watched.into_iter().collect();
        self.worker.handle(Message::Watch(watched));
    }

    fn keyframe_was_asked_for(&mut self) -> bool {
        let mut asked = false;
        while let Ok(report) = self.reports.try_recv() {
            asked |= matches!(report, Report::KeyframeWanted { .. });
        }
        asked
    }
}

#[test]
fn whoever_looks_soon_sees_everything_since_the_keyframe() {
    let mut world = World::new();
    assert_eq!(world.picture(true), NOTHING, "nobody looks");
    assert_eq!(world.picture(false), NOTHING);
    world.look(true);
    assert_eq!(world.take_seen(), [true, false]);
    assert_eq!(world.picture(false), [false]);
    world.look(true);
    assert_eq!(world.picture(false), [false], "looking on changes nothing");
    assert!(!world.keyframe_was_asked_for());
    world.look(false);
    assert_eq!(world.picture(false), NOTHING);
}

#[test]
fn whoever_looks_late_waits_for_a_keyframe() {
    let mut world = World::new();
    for number in 0..100 {
        assert_eq!(world.picture(number == 0), NOTHING);
    }
    world.look(true);
    assert_eq!(world.picture(false), NOTHING);
    assert!(world.keyframe_was_asked_for());
    assert_eq!(world.picture(true), [true]);
    assert_eq!(world.picture(false), [false]);
    world
        .worker
        .handle(Message::WantKeyframe("p:v".parse().unwrap()));
    assert_eq!(world.picture(false), NOTHING, "a fresh start");
    assert_eq!(world.picture(true), [true]);
}

#[test]
fn a_track_is_known_as_loud_as_it_is_played() {
    let mut world = World::new();
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut tone = Tone::new(1000.0, 0.5);
    let level = |world: &mut World| {
        let id: TrackId = "p:a".parse().unwrap();
        world.worker.snapshot()[&id].1
    };
    assert_eq!(level(&mut world), SILENT_DBFS);
    let begin = Instant::now();
    for block in 0..100 {
        let at = begin + BLOCK_DURATION * block;
        if block % 2 == 0 {
            world.sequence += 1;
            let mut packet = [0.0; PACKET_SAMPLES];
            for half in packet.chunks_exact_mut(BLOCK_SAMPLES) {
                let mut samples = [0.0; BLOCK_SAMPLES];
                tone.read(&mut samples).unwrap();
                half.copy_from_slice(&samples);
            }
            let mut bytes = [0; PACKET_BYTES_MAX];
            let len = encoder.encode(&packet, &mut bytes).unwrap();
            world.packet("1", &bytes[..len], (PACKET_SAMPLES as u32, at));
        }
        if block == 50 {
            level(&mut world);
        }
        world.worker.play_block(at);
    }
    let heard = level(&mut world);
    assert!((heard + 9.03).abs() < 1.0, "{heard} dBFS");
}
