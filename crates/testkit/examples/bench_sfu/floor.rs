//! The hot-loop floor: what copying, sealing and sending a packet costs on this machine at this
//! time, with nothing else done. A frame's packets to one subscriber leave as one message.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use socket2::{MsgHdr, SockAddr, SockRef};

use super::pin;

const SUBSCRIBERS: usize = 100;
const PACKETS_PER_FRAME: usize = 5;
const PACKET_LEN: usize = 1200;
const HEADER_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// Control data that asks for segments: a head of length, level and kind, then the length of one.
const SEGMENT_CONTROL_LEN: usize = 24;
const FRAMES: u32 = 150;
/// Between two frames: time for the subscribers to take the first.
const INTERVAL: Duration = Duration::from_millis(8);

/// Measures it: microseconds of processor time a packet.
pub fn measure() -> Result<f64> {
    let is_over = Arc::new(AtomicBool::new(false));
    let sockets: Vec<UdpSocket> = (0..SUBSCRIBERS)
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<SockAddr> = sockets
        .iter()
        .map(|socket| Ok(socket.local_addr()?.into()))
        .collect::<Result<_>>()?;
    let stop = Arc::clone(&is_over);
    let reader = std::thread::spawn(move || drain(&sockets, &stop));
    let sender = std::thread::spawn(move || send_frames(&addresses));
    let measured = sender.join();
    is_over.store(true, Ordering::Release);
    let received = reader.join();
    let received = received.map_err(|_| anyhow::anyhow!("the floor's reader panicked"))??;
    let used = measured.map_err(|_| anyhow::anyhow!("the floor's sender panicked"))??;
    let sent = FRAMES as usize * SUBSCRIBERS * PACKETS_PER_FRAME;
    ensure!(
        received * 10 > sent * 9,
        "the floor's packets were lost: {received} of {sent}"
    );
    Ok(used.as_secs_f64() * 1e6 / sent as f64)
}

fn send_frames(addresses: &[SockAddr]) -> Result<Duration> {
    pin::to_the_server();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let keys: Vec<LessSafeKey> = (0..SUBSCRIBERS)
        .map(|subscriber| key(subscriber as u8))
        .collect::<Result<_>>()?;
    let source = vec![0x5A; PACKETS_PER_FRAME * PACKET_LEN];
    let mut slab = vec![0; SUBSCRIBERS * PACKETS_PER_FRAME * PACKET_LEN];
    let control = segments();
    let mut count = 0u64;
    let before = settled_thread_time()?;
    for _ in 0..FRAMES {
        let began = Instant::now();
        let packets = slab.chunks_exact_mut(PACKET_LEN).enumerate();
        for (position, packet) in packets {
            let part = position % PACKETS_PER_FRAME;
            let from = &source[part * PACKET_LEN..][..PACKET_LEN];
            packet.copy_from_slice(from);
            count += 1;
            seal(&keys[position / PACKETS_PER_FRAME], packet, count)?;
        }
        let frames = slab.chunks_exact(PACKETS_PER_FRAME * PACKET_LEN);
        for (frame, address) in frames.zip(addresses) {
            let vectors = [IoSlice::new(frame)];
            let message = MsgHdr::new()
                .with_addr(address)
                .with_buffers(&vectors)
                .with_control(&control);
            SockRef::from(&socket).sendmsg(&message, 0)?;
        }
        std::thread::sleep((began + INTERVAL).saturating_duration_since(Instant::now()));
    }
    Ok(settled_thread_time()?.saturating_sub(before))
}

/// Asks the kernel to cut a message into packets (`UDP_SEGMENT`).
fn segments() -> [u8; SEGMENT_CONTROL_LEN] {
    let mut control = [0; SEGMENT_CONTROL_LEN];
    let used_len = 18u64;
    control[..8].copy_from_slice(&used_len.to_ne_bytes());
    control[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    control[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    control[16..18].copy_from_slice(&(PACKET_LEN as u16).to_ne_bytes());
    control
}

fn key(seed: u8) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &[seed; 16]);
    Ok(LessSafeKey::new(key.map_err(|_| anyhow::anyhow!("a key"))?))
}

fn seal(key: &LessSafeKey, packet: &mut [u8], count: u64) -> Result<()> {
    let (head, rest) = packet.split_at_mut(HEADER_LEN);
    let (payload, tag) = rest.split_at_mut(PACKET_LEN - HEADER_LEN - TAG_LEN);
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(&*head), payload);
    tag.copy_from_slice(sealed.map_err(|_| anyhow::anyhow!("sealing"))?.as_ref());
    Ok(())
}

/// Says how much processor time this thread has used. The kernel adds it up when a thread rests, so
/// it rests first.
fn settled_thread_time() -> Result<Duration> {
    std::thread::sleep(INTERVAL);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next();
    Ok(Duration::from_nanos(
        first.context("an empty schedstat")?.parse()?,
    ))
}

/// Takes everything that comes; returns how much that was.
fn drain(sockets: &[UdpSocket], is_over: &AtomicBool) -> Result<usize> {
    pin::away_from_the_server();
    for socket in sockets {
        socket.set_nonblocking(true)?;
    }
    let (mut count, mut buffer) = (0, [0; 2048]);
    while !is_over.load(Ordering::Acquire) {
        for socket in sockets {
            while socket.recv(&mut buffer).is_ok() {
                count += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(count)
}
