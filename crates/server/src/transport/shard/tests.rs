//! The shard's own rules, driven datagram by datagram without a socket.

mod allocations;
mod order;
mod relay;

use super::*;
use crate::transport::command::IceCredentials;
use crate::transport::handle::{TransportHandle, Wake};
use crate::transport::io::{LocalAddress, Path};
use crate::transport::stun;
use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
use snug_sfu::{ExtensionIds, Kind, Publish, TrackKey};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Mutex;

const MS: Duration = Duration::from_millis(1);

/// What went out, and to where.
type Sent = Arc<Mutex<Vec<(SocketAddr, Vec<u8>)>>>;

/// A port that sends into a list.
struct Memory(Sent);

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

impl DatagramIo for Memory {
    fn receive(&mut self, _inbox: &mut Inbox, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, outbox: &mut Outbox, _counters: &Counters) {
        outbox.drain(|path, data| self.0.lock().unwrap().push((path.remote, data.to_vec())));
    }

    fn waker(&self) -> Arc<dyn Wake> {
        unreachable!("nobody waits for this port")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(1))
    }
}

struct Bench {
    shard: Shard,
    now: Instant,
    sent: Sent,
    events: mpsc::Receiver<TransportEvent>,
    sender: mpsc::Sender<TransportEvent>,
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: name.to_owned(),
        pwd: format!("the password of {name}"),
    }
}

impl Bench {
    fn new() -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (_handle, lanes) = TransportHandle::open(Arc::new(Nobody));
        let identity = Arc::new(Identity::generate().unwrap());
        let io = Box::new(Memory(Arc::clone(&sent)));
        let stop = Arc::new(AtomicBool::new(false));
        let shard = Shard::new(io, identity, Arc::new(Counters::default()), lanes, stop);
        let (sender, events) = mpsc::channel(8);
        Self {
            shard,
            now: Instant::now(),
            sent,
            events,
            sender,
        }
    }

    fn command(&mut self, command: TransportCommand) {
        self.shard.handle_command(command, self.now);
    }

    fn add(&mut self, key: u32) {
        let (peer, events) = (PeerKey(key), self.sender.clone());
        let ice = credentials(&format!("ours{key}"));
        self.command(TransportCommand::AddPeer {
            peer,
            room: RoomKey(1),
            ice: ice.clone(),
            relay: None,
            events,
        });
        self.command(TransportCommand::SetRemote {
            peer,
            ice: credentials("theirs"),
            fingerprint: [7; 32],
            local_ice: ice,
        });
    }

    /// Lets a datagram come in; returns how many went out for it.
    fn receive(&mut self, remote: SocketAddr, data: &[u8]) -> usize {
        let local = None;
        self.receive_on(Path::direct(remote, local), data)
    }

    fn receive_on(&mut self, path: Path, data: &[u8]) -> usize {
        let before = self.sent.lock().unwrap().len();
        self.shard.inbox.fill(path, data);
        self.shard.handle_inbox(self.now);
        self.shard.forward_pending(self.now);
        self.shard.port.flush();
        self.sent.lock().unwrap().len() - before
    }

    fn check(&mut self, key: u32, remote: SocketAddr) -> usize {
        let local = None;
        self.check_on(key, Path::direct(remote, local))
    }

    fn check_on(&mut self, key: u32, path: Path) -> usize {
        let ours = format!("ours{key}");
        let password = format!("the password of {ours}");
        let message = stun::tests::binding_request((&ours, "theirs"), &password, true);
        self.receive_on(path, &message)
    }
}

#[test]
fn what_decides_about_a_peer_is_told_as_soon_as_its_room_has_room() {
    let mut bench = Bench::new();
    bench.add(1);
    let peer = PeerKey(1);
    let (at, counters) = (bench.now, Arc::clone(&bench.shard.counters));
    let report = |bench: &mut Bench, event| {
        let peer = bench.shard.peers[0].as_mut().unwrap();
        peer.report(event, &counters);
    };
    let heard = TransportEvent::Heard { peer, at };
    while bench.events.len() < bench.events.max_capacity() {
        report(&mut bench, heard);
    }
    report(&mut bench, TransportEvent::Connected { peer });
    report(&mut bench, heard);
    assert_eq!(bench.shard.counters.events_dropped.get(), 1, "the last");
    bench.shard.handle_timers(bench.now);
    let mut taken = Vec::new();
    while let Ok(event) = bench.events.try_recv() {
        taken.push(event);
    }
    assert!(taken.iter().all(|event| *event == heard), "it was full");
    bench.shard.handle_timers(bench.now);
    let told = bench.events.try_recv().unwrap();
    assert_eq!(told, TransportEvent::Connected { peer });
    assert!(bench.events.try_recv().is_err(), "once");
}

#[test]
fn an_address_in_use_cannot_be_taken_over() {
    let mut bench = Bench::new();
    bench.add(1);
    bench.add(2);
    assert_eq!(bench.check(1, address(5_000)), 1);
    bench.now += 4_000 * MS;
    assert_eq!(bench.check(2, address(5_000)), 0);
    assert_eq!(bench.shard.counters.address_taken.get(), 1);
    bench.now += 1_000 * MS;
    assert_eq!(bench.check(2, address(5_000)), 1, "silent for 5 s");
    let first = bench.shard.peers[0].as_ref().unwrap();
    assert_eq!(
        first.ice.path(bench.now),
        None,
        "it is not the first peer's any more"
    );
}

#[test]
fn nothing_is_accepted_from_an_address_without_a_check() {
    let mut bench = Bench::new();
    bench.add(1);
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(bench.receive(address(5_000), &hello), 0);
    assert_eq!(bench.receive(address(5_000), &[0x80; 40]), 0);
    assert_eq!(bench.shard.counters.unknown_address.get(), 2);
    bench.check(1, address(5_000));
    bench.receive(address(5_000), &[0x80; 40]);
    assert_eq!(bench.shard.counters.media_early.get(), 1);
    assert_eq!(bench.receive(address(5_000), &[0x40; 40]), 0);
    assert_eq!(bench.shard.counters.stun_malformed.get(), 1);
}

#[test]
fn a_sign_of_life_is_reported_twice_a_second_at_most() {
    let mut bench = Bench::new();
    bench.add(1);
    for _ in 0..20 {
        bench.check(1, address(5_000));
        bench.now += 100 * MS;
    }
    let heard = std::iter::from_fn(|| bench.events.try_recv().ok()).count();
    assert_eq!(heard, 4);
    assert_eq!(bench.shard.counters.events_dropped.get(), 0);
}

/// Lets the router take in a second of a voice.
fn speak(bench: &mut Bench, peer: PeerKey) {
    let extensions = ExtensionIds {
        audio_level: Some(1),
        ..ExtensionIds::default()
    };
    let publish = vec![Publish {
        track: TrackKey(1),
        kind: Kind::Audio,
        mid: "0".to_owned(),
        encodings: vec![snug_sfu::Encoding {
            ssrc: Some(5),
            ..snug_sfu::Encoding::default()
        }],
        payload_type: 111,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions,
        bitrate_max: None,
    }];
    bench.command(TransportCommand::SetMedia {
        peer,
        publish,
        subscribe: vec![],
    });
    for number in 0..50 {
        bench.now += 20 * MS;
        let fields = Fields {
            marker: false,
            payload_type: 111,
            sequence: SequenceNumber(number),
            timestamp: RtpTime(u32::from(number) * 960),
            ssrc: 5,
        };
        let mut bytes = [0; 64];
        let len = write_packet(&mut bytes, &fields, &[(1, &[30])], b"opus")
            .unwrap()
            .len;
        let packet = Packet::parse(&bytes[..len]).unwrap();
        let room = bench.shard.rooms[0].as_mut().unwrap();
        assert!(room.router.handle_rtp(peer, &packet, bench.now).is_some());
    }
}

#[test]
fn what_a_router_notices_waits_until_its_room_has_a_place_for_it() {
    let mut bench = Bench::new();
    bench.add(1);
    let peer = PeerKey(1);
    let at = bench.now;
    while bench
        .sender
        .try_send(TransportEvent::Heard { peer, at })
        .is_ok()
    {}
    speak(&mut bench, peer);
    bench.shard.send_control(0, bench.now);
    let others = std::iter::from_fn(|| bench.events.try_recv().ok()).count();
    assert_eq!(others, 8, "it had no place yet");
    bench.shard.handle_timers(bench.now);
    let track = TrackKey(1);
    let voice = TransportEvent::Voice {
        peer,
        track,
        is_speech: true,
    };
    assert_eq!(bench.events.try_recv(), Ok(voice));
    bench.shard.handle_timers(bench.now);
    assert!(bench.events.try_recv().is_err(), "it is told once");
}

#[test]
fn a_peer_that_leaves_leaves_nothing() {
    let mut bench = Bench::new();
    bench.add(1);
    bench.check(1, address(5_000));
    let publish = vec![Publish {
        track: TrackKey(1),
        kind: Kind::Audio,
        mid: "0".to_owned(),
        encodings: vec![],
        payload_type: 111,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions: ExtensionIds::default(),
        bitrate_max: None,
    }];
    let peer = PeerKey(1);
    bench.command(TransportCommand::SetMedia {
        peer,
        publish,
        subscribe: vec![],
    });
    bench.command(TransportCommand::RemovePeer { peer });
    let shard = &bench.shard;
    assert!(shard.peers.iter().all(Option::is_none) && shard.rooms.iter().all(Option::is_none));
    assert!(shard.by_key.is_empty() && shard.by_room.is_empty());
    assert!(shard.by_ufrag.is_empty() && shard.by_remote.is_empty());
    bench.command(TransportCommand::RemovePeer { peer });
    assert_eq!(bench.shard.counters.commands_ignored.get(), 1);
}

#[test]
fn a_room_that_dies_leaves_nothing() {
    let mut bench = Bench::new();
    bench.add(1);
    bench.check(1, address(5_000));
    let ((sender, events), peer) = (mpsc::channel(8), PeerKey(2));
    bench.command(TransportCommand::AddPeer {
        peer,
        room: RoomKey(2),
        ice: credentials("ours2"),
        relay: None,
        events: sender,
    });
    drop(events);
    bench.shard.handle_timers(bench.now);
    let shard = &bench.shard;
    assert_eq!(shard.counters.peers_orphaned.get(), 1);
    assert!(!shard.by_key.contains_key(&peer) && !shard.by_ufrag.contains_key("ours2"));
    assert!(!shard.by_room.contains_key(&RoomKey(2)));
    assert!(shard.by_key.contains_key(&PeerKey(1)), "its room lives");
}

#[test]
fn an_address_is_kept_while_one_of_its_paths_is() {
    let mut bench = Bench::new();
    bench.add(1);
    let remote = address(5_000);
    let path_to = |last: u8| {
        let ip = Ipv4Addr::new(10, 0, 0, last).into();
        Path::direct(remote, Some(LocalAddress { ip, interface: 0 }))
    };
    // More paths than are remembered: one from the address, then others from elsewhere.
    assert_eq!(bench.check_on(1, path_to(1)), 1);
    bench.now += MS;
    assert_eq!(bench.check_on(1, path_to(2)), 1);
    for port in 6_000..6_015 {
        bench.now += MS;
        assert_eq!(bench.check(1, address(port)), 1);
    }
    let peer = bench.shard.peers[0].as_ref().unwrap();
    assert!(peer.ice.heard_from(remote).is_some(), "one path is left");
    assert!(bench.shard.by_remote.contains_key(&remote));
    let remembered: Vec<SocketAddr> = peer.ice.remotes().collect();
    let known = |remote: &SocketAddr| remembered.contains(remote);
    assert!(bench.shard.by_remote.keys().all(known), "nothing else is");
}

#[test]
fn credentials_expire_by_the_clock() {
    let mut bench = Bench::new();
    bench.add(1);
    bench.command(TransportCommand::SetRemote {
        peer: PeerKey(1),
        ice: credentials("theirs"),
        fingerprint: [7; 32],
        local_ice: credentials("second"),
    });
    assert_eq!(bench.shard.by_ufrag.len(), 2);
    bench.now += 30_000 * MS;
    bench.shard.handle_timers(bench.now);
    assert_eq!(bench.shard.by_ufrag.len(), 1);
    assert!(bench.shard.by_ufrag.contains_key("second"));
    assert_eq!(bench.check(1, address(5_000)), 0);
    assert_eq!(bench.shard.counters.stun_refused.get(), 1);
}
