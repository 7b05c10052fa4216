//! Real WebRTC participants over loopback: checks, handshakes, media and requests both ways.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "transport/peer.rs"]
mod peer;

use peer::{Control, PATIENCE, Peer, Quirks, receive, send};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use snug_server::transport::{
    Kind, RejectReason, SendError, Transport, TransportCommand, TransportConfig, TransportEvent,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const CAMERA: (u32, Kind) = (1, Kind::Video);
const VOICE: (u32, Kind) = (2, Kind::Audio);
/// Packets of one picture, so that a frame leaves as one run.
const PACKETS_PER_FRAME: u16 = 5;

fn start() -> Transport {
    let config = TransportConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: 0,
    };
    Transport::start(config).unwrap()
}

/// A camera that makes a keyframe for each request, and a microphone, until dropped.
struct Studio {
    task: JoinHandle<()>,
}

impl Studio {
    fn open(peer: &mut Peer) -> Self {
        let (camera, camera_ssrc) = peer.sender(Kind::Video);
        let (voice, voice_ssrc) = peer.sender(Kind::Audio);
        let (_unused, mut control) = mpsc::channel(1);
        std::mem::swap(&mut control, &mut peer.control);
        let task = tokio::spawn(async move {
            let (mut sequence, mut frame) = (65_500u16, 0u32);
            loop {
                let mut is_keyframe = false;
                while let Ok(request) = control.try_recv() {
                    is_keyframe |= request == Control::KeyframeRequest { ssrc: camera_ssrc };
                }
                for part in 0..PACKETS_PER_FRAME {
                    let mut payload = vec![0x5A; 1_000];
                    payload[0] = if part == 0 { 0x10 } else { 0x00 };
                    payload[1] = u8::from(!is_keyframe);
                    payload[2..6].copy_from_slice(&frame.to_be_bytes());
                    let time = frame.wrapping_mul(1_800);
                    send(&camera, Kind::Video, camera_ssrc, sequence, time, payload).await;
                    sequence = sequence.wrapping_add(1);
                }
                let payload = frame.to_be_bytes().to_vec();
                let time = frame.wrapping_mul(960);
                send(&voice, Kind::Audio, voice_ssrc, frame as u16, time, payload).await;
                frame += 1;
                sleep(Duration::from_millis(20)).await;
            }
        });
        Self { task }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn joined(transport: &Transport, peer: &mut Peer, quirks: Quirks) {
    peer.join(transport, quirks).await;
    assert_eq!(
        peer.event().await,
        TransportEvent::Connected { peer: peer.key }
    );
}

/// Takes both tracks and checks that the picture starts with a keyframe and has no gaps.
async fn watch(peer: &mut Peer, packets: usize) {
    watch_from(peer, packets, true).await;
}

async fn watch_from(peer: &mut Peer, packets: usize, is_start_seen: bool) {
    let mut seen = [false; 2];
    for _ in 0..2 {
        let track = timeout(PATIENCE, peer.tracks.recv())
            .await
            .expect("a track")
            .unwrap();
        let first = receive(&track).await;
        let is_video = first.header.payload_type == 96;
        seen[usize::from(is_video)] = true;
        if is_video && is_start_seen {
            assert_eq!(
                first.payload[..2],
                [0x10, 0],
                "a picture starts with a keyframe"
            );
            assert!(first.header.sequence_number < 0x8000);
        }
        let mut last = first.header.sequence_number;
        for _ in 0..packets {
            let packet = receive(&track).await;
            assert_eq!(packet.header.sequence_number, last.wrapping_add(1));
            last = packet.header.sequence_number;
        }
    }
    assert_eq!(seen, [true; 2], "sound and picture");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_to_everybody_and_requests_flow_back() {
    let transport = start();
    let honest = Quirks::default();
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], honest).await;
    joined(&transport, &mut speaker, honest).await;
    let _studio = Studio::open(&mut speaker);
    let mut listeners = Vec::new();
    for key in [2, 3] {
        let mut listener = Peer::new(key, &[], &[CAMERA, VOICE], honest).await;
        let start = Instant::now();
        joined(&transport, &mut listener, honest).await;
        watch(&mut listener, 200).await;
        eprintln!("joined and watched 200 packets in {:?}", start.elapsed());
        listeners.push(listener);
    }
    // Sound and picture are mapped to one wall clock.
    let mut reports: Vec<(u32, f64)> = Vec::new();
    while reports.len() < 2 {
        let control = timeout(PATIENCE, listeners[1].control.recv())
            .await
            .expect("reports")
            .unwrap();
        let Control::SenderReport { ssrc, ntp, rtp } = control else {
            continue;
        };
        if reports.iter().all(|(known, _)| *known != ssrc) {
            let clock_rate = if ssrc % 10 == CAMERA.0 {
                90_000.0
            } else {
                48_000.0
            };
            // When the track's clock stood at zero, by the speaker's wall clock.
            reports.push((
                ssrc,
                ntp as f64 / 2f64.powi(32) - f64::from(rtp) / clock_rate,
            ));
        }
    }
    let apart = (reports[0].1 - reports[1].1).abs();
    assert!(apart < 0.040, "sound and picture are {apart} s apart");
    let counters = transport.counters();
    assert!(
        counters.keyframe_requests.get() >= 2,
        "one for each newcomer"
    );
    assert!(counters.media_forwarded.get() >= 800);
    assert_eq!(counters.srtp_forged.get() + counters.srtp_replayed.get(), 0);
    let (datagrams, calls) = (counters.datagrams_sent.get(), counters.send_calls.get());
    eprintln!("{datagrams} datagrams in {calls} calls");
    assert!(
        calls * 2 < datagrams,
        "frames leave as runs: {calls} calls for {datagrams}"
    );
    // One who leaves is told so, and the rest goes on.
    let leaver = listeners.remove(0);
    transport
        .handle()
        .send(TransportCommand::RemovePeer { peer: leaver.key })
        .unwrap();
    let before = counters.media_forwarded.get();
    sleep(Duration::from_millis(600)).await;
    assert!(counters.media_forwarded.get() > before + 50);
    let handle = transport.handle();
    transport.shutdown();
    let late = handle.send(TransportCommand::RemovePeer { peer: speaker.key });
    assert_eq!(late, Err(SendError::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_certificate_than_announced_is_refused_before_any_media() {
    let transport = start();
    let liar = Quirks {
        wrong_fingerprint: true,
        ..Quirks::default()
    };
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], liar).await;
    let mut listener = Peer::new(2, &[], &[CAMERA, VOICE], Quirks::default()).await;
    joined(&transport, &mut listener, Quirks::default()).await;
    speaker.join(&transport, liar).await;
    let _studio = Studio::open(&mut speaker);
    let expected = TransportEvent::Rejected {
        peer: speaker.key,
        reason: RejectReason::FingerprintMismatch,
    };
    assert_eq!(speaker.event().await, expected);
    let silence = timeout(Duration::from_millis(500), listener.tracks.recv()).await;
    assert!(silence.is_err(), "no track reached the listener");
    assert_eq!(transport.counters().media_received.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_knows_only_aes_cm_takes_part() {
    let transport = start();
    let old = Quirks {
        only_profile: Some(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
        ..Quirks::default()
    };
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], old).await;
    joined(&transport, &mut speaker, old).await;
    let _studio = Studio::open(&mut speaker);
    for (key, quirks) in [(2, Quirks::default()), (3, old)] {
        let mut listener = Peer::new(key, &[], &[CAMERA, VOICE], quirks).await;
        joined(&transport, &mut listener, quirks).await;
        watch(&mut listener, 20).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_interrupt_media() {
    let transport = start();
    let honest = Quirks::default();
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], honest).await;
    joined(&transport, &mut speaker, honest).await;
    let _studio = Studio::open(&mut speaker);
    let mut listener = Peer::new(2, &[], &[VOICE], honest).await;
    joined(&transport, &mut listener, honest).await;
    let track = timeout(PATIENCE, listener.tracks.recv())
        .await
        .expect("a track")
        .unwrap();
    receive(&track).await;
    speaker.restart(&transport).await;
    listener.restart(&transport).await;
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for _ in 0..100 {
        receive(&track).await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    eprintln!("the longest gap over the restarts was {longest:?}");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_through_the_turn_server() {
    let transport = start();
    let relayed = Quirks {
        turn_port: Some(transport.port()),
        ..Quirks::default()
    };
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], relayed).await;
    joined(&transport, &mut speaker, relayed).await;
    let _studio = Studio::open(&mut speaker);
    let mut listener = Peer::new(2, &[], &[CAMERA, VOICE], relayed).await;
    joined(&transport, &mut listener, relayed).await;
    // The library's TURN client loses what comes while it binds its channel.
    watch_from(&mut listener, 200, false).await;
    let counters = transport.counters();
    assert!(
        counters.turn_answered.get() >= 8,
        "each allocates and binds"
    );
    assert_eq!(counters.turn_foreign.get() + counters.unreachable.get(), 0);
    // Somebody who is reached directly sees the same.
    let honest = Quirks::default();
    let mut neighbour = Peer::new(3, &[], &[CAMERA, VOICE], honest).await;
    joined(&transport, &mut neighbour, honest).await;
    watch(&mut neighbour, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_from_strangers_disturbs_nobody() {
    let transport = start();
    let honest = Quirks::default();
    let mut speaker = Peer::new(1, &[CAMERA, VOICE], &[], honest).await;
    joined(&transport, &mut speaker, honest).await;
    let _studio = Studio::open(&mut speaker);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.connect(("127.0.0.1", transport.port())).unwrap();
    let flood = std::thread::spawn(move || {
        let mut rng = rand::rng();
        for _ in 0..20_000 {
            let mut junk = vec![0; rand::Rng::random_range(&mut rng, 0..300)];
            rand::RngCore::fill_bytes(&mut rng, &mut junk);
            // A full buffer is one datagram of junk less.
            drop(stranger.send(&junk));
            std::thread::sleep(Duration::from_micros(50));
        }
        stranger.set_nonblocking(true).unwrap();
        stranger.recv(&mut [0; 2048]).is_ok()
    });
    let mut listener = Peer::new(2, &[], &[CAMERA, VOICE], honest).await;
    joined(&transport, &mut listener, honest).await;
    watch(&mut listener, 100).await;
    let was_answered = tokio::task::spawn_blocking(move || flood.join().unwrap())
        .await
        .unwrap();
    assert!(!was_answered, "a stranger gets no answer");
    let counters = transport.counters();
    assert!(counters.unknown_address.get() > 1_000);
    assert!(counters.unknown_kind.get() > 1_000);
    assert_eq!(
        counters.media_unusable.get() + counters.srtp_forged.get(),
        0
    );
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let transport = start();
    let config = TransportConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: transport.port(),
    };
    let error = Transport::start(config).unwrap_err();
    assert!(
        error.to_string().contains(&transport.port().to_string()),
        "{error}"
    );
}
