//! Prints what forwarding a packet costs: one publisher of 1.5 Mb/s (30 frames a second of five
//! packets of 1200 bytes), N subscribers, real checks, handshakes and encryption over loopback.
//! Only the CPU time of the media thread counts.
//!
//! `cargo run --release -p snug-server --example forwarding -- [SECONDS] [N]...`

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that fails has nothing to say"
)]

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter as _};
use snug_rtp::{Fields, RtpTime, SequenceNumber, write_packet};
use snug_server::transport::{
    Encoding, ExtensionIds, IceCredentials, Kind, PeerKey, Publish, RoomKey, Subscribe, TrackKey,
    Transport, TransportCommand, TransportConfig, TransportEvent, View,
};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const ROOM: RoomKey = RoomKey(1);
const CAMERA: TrackKey = TrackKey(1);
const CAMERA_SSRC: u32 = 7;
const FRAMES_PER_SECOND: u32 = 30;
const PACKETS_PER_FRAME: u16 = 5;
/// What is left of a packet of 1200 bytes by header and tag.
const PAYLOAD_LEN: usize = 1172;
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The little of a client that it takes to be let in.
struct Guest {
    socket: UdpSocket,
    key: PeerKey,
    seal: Context,
    // The server reports through the other end.
    _events: mpsc::Receiver<TransportEvent>,
}

impl Guest {
    fn join(transport: &Transport, key: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", transport.port())).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let names = vec!["guest".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate.certificate[0]);
        let key = PeerKey(key);
        let ours = IceCredentials::random(&mut rand::rng());
        let theirs = IceCredentials::random(&mut rand::rng());
        let (events, receiver) = mpsc::channel(64);
        let handle = transport.handle();
        let ice = theirs.clone();
        handle
            .send(TransportCommand::AddPeer {
                peer: key,
                room: ROOM,
                ice,
                relay: None,
                events,
            })
            .unwrap();
        let fingerprint = digest.as_ref().try_into().unwrap();
        let (ice, local_ice) = (ours.clone(), theirs.clone());
        let remote = TransportCommand::SetRemote {
            peer: key,
            ice,
            fingerprint,
            local_ice,
        };
        handle.send(remote).unwrap();
        check(&socket, &ours, &theirs, &provider);
        let seal = shake(&socket, certificate, &provider);
        Self {
            socket,
            key,
            seal,
            _events: receiver,
        }
    }
}

/// Sends a nominating check until it is answered.
fn check(
    socket: &UdpSocket,
    ours: &IceCredentials,
    theirs: &IceCredentials,
    provider: &Arc<dyn RTCCryptoProvider>,
) {
    let mut message = Message::new();
    message.set_type(BINDING_REQUEST);
    message.new_transaction_id().unwrap();
    message.write_header();
    message.add(
        ATTR_USERNAME,
        format!("{}:{}", theirs.ufrag, ours.ufrag).as_bytes(),
    );
    message.add(ATTR_ICE_CONTROLLING, &[1; 8]);
    message.add(ATTR_USE_CANDIDATE, &[]);
    let crypto = provider.crypto();
    let password = theirs.pwd.clone();
    MessageIntegrity::new_short_term_integrity_with_provider(password, crypto)
        .add_to(&mut message)
        .unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    socket.send(&message.raw).unwrap();
    assert!(socket.recv(&mut [0; 256]).unwrap() > 0);
}

/// Shakes hands and returns what seals the guest's media.
fn shake(
    socket: &UdpSocket,
    certificate: Certificate,
    provider: &Arc<dyn RTCCryptoProvider>,
) -> Context {
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(provider))
        .with_certificates(vec![certificate])
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_insecure_skip_verify(true)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .build(true, None)
        .unwrap();
    let mut endpoint = Endpoint::new(SERVER, TransportProtocol::UDP, None);
    endpoint
        .connect(Instant::now(), SERVER, Arc::new(config), None)
        .unwrap();
    let mut is_done = false;
    while !is_done {
        while let Some(sent) = endpoint.poll_transmit() {
            socket.send(&sent.message).unwrap();
        }
        let mut buffer = [0; 2048];
        let len = socket.recv(&mut buffer).unwrap();
        let data = BytesMut::from(&buffer[..len]);
        let events = endpoint.read(Instant::now(), SERVER, None, data).unwrap();
        is_done = events
            .iter()
            .any(|event| matches!(event, EndpointEvent::HandshakeComplete));
    }
    let state = endpoint.get_connection_state(SERVER).unwrap();
    let material = state
        .export_keying_material("EXTRACTOR-dtls_srtp", &[], 56)
        .unwrap();
    let material = material.as_ref();
    let profile = ProtectionProfile::AeadAes128Gcm;
    let (key, salt) = (&material[..16], &material[32..44]);
    Context::new(key, salt, profile, None, None, provider.crypto()).unwrap()
}

fn set_media(transport: &Transport, guest: &Guest, is_publisher: bool) {
    let extensions = ExtensionIds {
        mid: Some(4),
        ..ExtensionIds::default()
    };
    let publish = Publish {
        track: CAMERA,
        kind: Kind::Video,
        mid: "0".to_owned(),
        encodings: vec![Encoding {
            ssrc: Some(CAMERA_SSRC),
            ..Encoding::default()
        }],
        payload_type: 96,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions,
        bitrate_max: None,
    };
    let subscribe = Subscribe {
        track: CAMERA,
        mid: "0".to_owned(),
        ssrc: 9,
        rtx_ssrc: None,
        payload_type: 96,
        rtx_payload_type: None,
        red_payload_type: None,
        extensions,
        target: None,
        view: View::default(),
    };
    let (publish, subscribe) = if is_publisher {
        (vec![publish], vec![])
    } else {
        (vec![], vec![subscribe])
    };
    let command = TransportCommand::SetMedia {
        peer: guest.key,
        publish,
        subscribe,
    };
    transport.handle().send(command).unwrap();
}

/// Sends one frame; every frame is a keyframe to the server, so nobody waits.
fn send_frame(guest: &mut Guest, frame: u32) {
    for part in 0..PACKETS_PER_FRAME {
        let fields = Fields {
            marker: part + 1 == PACKETS_PER_FRAME,
            payload_type: 96,
            sequence: SequenceNumber((frame * u32::from(PACKETS_PER_FRAME)) as u16 + part),
            timestamp: RtpTime(frame.wrapping_mul(3_000)),
            ssrc: CAMERA_SSRC,
        };
        let mut payload = [0x5A; PAYLOAD_LEN];
        payload[..2].copy_from_slice(&[if part == 0 { 0x10 } else { 0 }, 0]);
        let mut buffer = [0; 1500];
        let len = write_packet(&mut buffer, &fields, &[], &payload)
            .unwrap()
            .len;
        let sealed = guest.seal.encrypt_rtp(&buffer[..len]).unwrap();
        guest.socket.send(&sealed).unwrap();
    }
}

/// Returns the CPU time that the media thread has used, in nanoseconds.
fn media_cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this measurement needs Linux");
    let media = tasks.flatten().map(|task| task.path()).find(|path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "media")
    });
    let stat = std::fs::read_to_string(media.unwrap().join("schedstat")).unwrap();
    stat.split_whitespace().next().unwrap().parse().unwrap()
}

fn measure(subscribers: u32, seconds: u32) {
    let bind = Some(Ipv4Addr::LOCALHOST.into());
    let transport = Transport::start(TransportConfig { bind, port: 0 }).unwrap();
    let mut publisher = Guest::join(&transport, 0);
    set_media(&transport, &publisher, true);
    let guests: Vec<Guest> = (1..=subscribers)
        .map(|key| Guest::join(&transport, key))
        .collect();
    guests
        .iter()
        .for_each(|guest| set_media(&transport, guest, false));

    let (is_over, received) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (stop, count) = (Arc::clone(&is_over), Arc::clone(&received));
    let reader = std::thread::spawn(move || {
        guests
            .iter()
            .for_each(|guest| guest.socket.set_nonblocking(true).unwrap());
        while !stop.load(Ordering::Acquire) {
            for guest in &guests {
                while guest.socket.recv(&mut [0; 2048]).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let counters = transport.counters();
    // The last handshakes' datagrams are on their way out when the guests are done.
    std::thread::sleep(Duration::from_millis(50));
    let handshakes = counters.datagrams_sent.get();
    let (start, mut before) = (Instant::now(), (0, 0, 0));
    for frame in 0..FRAMES_PER_SECOND * (seconds + 1) {
        let due = start + Duration::from_secs(1) * frame / FRAMES_PER_SECOND;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if frame == FRAMES_PER_SECOND {
            before = (
                media_cpu_ns(),
                counters.datagrams_sent.get(),
                counters.send_calls.get(),
            );
        }
        send_frame(&mut publisher, frame);
    }
    std::thread::sleep(Duration::from_millis(100));
    let cpu_us = (media_cpu_ns() - before.0) as f64 / 1_000.0;
    let datagrams = counters.datagrams_sent.get() - before.1;
    let calls = counters.send_calls.get() - before.2;
    is_over.store(true, Ordering::Release);
    reader.join().unwrap();
    println!(
        "N={subscribers:<4} {:6.2} us of CPU a packet, {:5.1} packets a call, {} of {} arrived",
        cpu_us / datagrams as f64,
        datagrams as f64 / calls as f64,
        received.load(Ordering::Relaxed),
        counters.datagrams_sent.get() - handshakes,
    );
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u32>().unwrap());
    let seconds = numbers.next().unwrap_or(5);
    let mut sizes: Vec<u32> = numbers.collect();
    if sizes.is_empty() {
        sizes = vec![10, 30, 100];
    }
    for subscribers in sizes {
        measure(subscribers, seconds);
    }
}
