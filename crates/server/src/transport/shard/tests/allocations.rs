//! Forwarding a packet allocates nothing: decrypting, deciding, rewriting, sealing and sending.

use super::*;
use crate::transport::srtp::Profile;
use rtc_crypto::RTCCryptoProvider as _;
use rtc_crypto::providers::RingProvider;
use snug_sfu::{Subscribe, View};

const SUBSCRIBERS: u32 = 20;
const PACKETS_PER_FRAME: u16 = 5;
/// Until everything that is made once is made: a second of pictures.
const FRAMES_BEFORE: u16 = 30;
const FRAMES: u16 = 300;
const INTERVAL: Duration = Duration::from_millis(33);
const SSRC: u32 = 7;
const EXTENSIONS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    rid: None,
    repaired_rid: None,
    audio_level: None,
    transport_cc: Some(3),
    abs_send_time: None,
};

/// A port that sends nowhere.
struct Nowhere(Arc<AtomicU64>);

impl DatagramIo for Nowhere {
    fn receive(&mut self, _inbox: &mut Inbox, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, outbox: &mut Outbox, _counters: &Counters) {
        outbox.drain(|_, _| {
            self.0.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn waker(&self) -> Arc<dyn Wake> {
        unreachable!("nobody waits for this port")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(1))
    }
}

fn session() -> Session {
    let profile = Profile::Gcm128;
    let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
    Session::new(profile, &material, RingProvider::new().crypto()).unwrap()
}

/// Lets a peer in as if it had shaken hands.
fn connect(bench: &mut Bench, key: u32, publish: Vec<Publish>, subscribe: Vec<Subscribe>) {
    bench.add(key);
    assert!(bench.check(key, address(5_000 + key as u16)) > 0);
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

fn room() -> Bench {
    let mut bench = Bench::new();
    let (mid, rtx_payload_type) = ("0".to_owned(), Some(97));
    let camera = Publish {
        track: TrackKey(1),
        kind: Kind::Video,
        mid: mid.clone(),
        encodings: vec![snug_sfu::Encoding {
            ssrc: Some(SSRC),
            rtx_ssrc: Some(SSRC + 1),
            ..snug_sfu::Encoding::default()
        }],
        payload_type: 96,
        rtx_payload_type,
        red_payload_type: None,
        extensions: EXTENSIONS,
        bitrate_max: None,
    };
    connect(&mut bench, 1, vec![camera], vec![]);
    for key in 2..2 + SUBSCRIBERS {
        let tile = Subscribe {
            track: TrackKey(1),
            mid: mid.clone(),
            ssrc: 9,
            rtx_ssrc: Some(10),
            payload_type: 96,
            rtx_payload_type,
            red_payload_type: None,
            extensions: EXTENSIONS,
            target: None,
            view: View::default(),
        };
        connect(&mut bench, key, vec![], vec![tile]);
    }
    bench
}

/// Seals a frame as the sender's client does.
fn frame(client: &mut Session, number: u16) -> Vec<Vec<u8>> {
    let parts = 0..PACKETS_PER_FRAME;
    let sealed = parts.map(|part| {
        let sequence = number * PACKETS_PER_FRAME + part;
        let fields = Fields {
            marker: part + 1 == PACKETS_PER_FRAME,
            payload_type: 96,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(u32::from(number) * 3_000),
            ssrc: SSRC,
        };
        let mut payload = [0x5A; 1_100];
        payload[..2].copy_from_slice(&[if part == 0 { 0x10 } else { 0 }, 0]);
        let mut bytes = vec![0; 1_400];
        let extensions = [(3, &sequence.to_be_bytes()[..])];
        let written = write_packet(&mut bytes, &fields, &extensions, &payload).unwrap();
        let len = client.seal_rtp(&mut bytes, written.len).unwrap();
        bytes.truncate(len);
        bytes
    });
    sealed.collect()
}

#[test]
fn forwarding_allocates_nothing() {
    let mut bench = room();
    let sent = Arc::new(AtomicU64::new(0));
    bench.shard.port.io = Box::new(Nowhere(Arc::clone(&sent)));
    let mut client = session().swapped();
    let path = Path::direct(address(5_001), None);
    let mut allocations = 0;
    for number in 0..FRAMES_BEFORE + FRAMES {
        let packets = frame(&mut client, number);
        bench.now += INTERVAL;
        let info = allocation_counter::measure(|| {
            bench.shard.inbox.clear();
            for packet in &packets {
                assert!(bench.shard.inbox.put(path, packet));
            }
            bench.shard.handle_inbox(bench.now);
            bench.shard.forward_pending(bench.now);
            bench.shard.port.flush();
        });
        // What a room is told meanwhile is taken by it.
        while bench.events.try_recv().is_ok() {}
        if bench.now >= bench.shard.next_timer {
            bench.shard.handle_timers(bench.now);
        }
        if number == FRAMES_BEFORE {
            sent.store(0, Ordering::Relaxed);
        }
        if number >= FRAMES_BEFORE {
            allocations += info.count_total;
        }
    }
    let forwarded = sent.load(Ordering::Relaxed);
    let least = u64::from(FRAMES - 1) * u64::from(PACKETS_PER_FRAME) * u64::from(SUBSCRIBERS);
    assert!(forwarded >= least, "{forwarded} packets went out");
    assert_eq!(allocations, 0, "of {forwarded} packets");
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1; 100])));
    assert_eq!(counted.count_total, 1);
}
