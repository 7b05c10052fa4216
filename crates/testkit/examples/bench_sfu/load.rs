//! The load: senders of 1.5 Mb/s each, and subscribers who count what comes and how late.
//!
//! Two threads, both away from the server's core: one sends on the beat, one looks at all sockets
//! every few milliseconds. How late a packet is does not depend on that: the kernel notes when each
//! arrived. Subscribers report as browsers do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use rtc_srtp::context::Context;

use super::batch::Batch;
use super::subscriber::{Moment, Subscriber};
use snug_testkit::endpoint::{Connected, MID, TWCC, VP8};

/// Frames of a sender in a second.
pub const FRAMES_PER_SECOND: u64 = 30;
/// Packets of a frame: with their length, 1.5 Mb/s.
pub const PACKETS_PER_FRAME: u64 = 5;
/// Bytes of a packet on the wire, without IP and UDP.
const PACKET_LEN: usize = 1200;
const TAG_LEN: usize = 16;
/// A sender begins anew this often, so that whoever joins need not ask.
const FRAMES_PER_KEYFRAME: u64 = 30;
/// How often the subscribers' sockets are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_millis(5);
/// Sending times that are remembered: minutes.
const REMEMBERED: usize = 1 << 16;
/// How long a packet of a measured span may be under way before it counts as lost.
const STRAGGLE_MAX: Duration = Duration::from_millis(700);
/// Where a packet's payload says which one it is.
pub const INDEX_AT: usize = 16;

/// When each packet of all senders went out: they share one numbering.
pub struct Beat {
    /// Nanoseconds since 1970, by sender and number.
    sent_at: Vec<Vec<AtomicU64>>,
    /// The next frame.
    frame: AtomicU64,
    is_over: AtomicBool,
}

impl Beat {
    /// Says when a sender sent its packet of this number, in nanoseconds since 1970.
    pub fn sent_at(&self, sender: usize, index: u64) -> u64 {
        let of_sender = &self.sent_at[sender];
        of_sender[index as usize % of_sender.len()].load(Ordering::Relaxed)
    }
}

/// Packets of all senders from one number on and before another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

/// What subscribers saw of a span.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many packets arrived.
    pub packets: u64,
    /// How late each was, in microseconds; sorted.
    pub delays_us: Vec<u32>,
}

/// What counts as too much for one core.
const LOSS_MAX: f64 = 0.005;
const P99_MS_MAX: f64 = 25.0;

/// What was measured of a span.
#[derive(Debug)]
pub struct Measured {
    pub subscribers: usize,
    /// Processor time of the server for each packet that arrived.
    pub cpu_us: f64,
    /// The server's share of its core.
    pub cpu_share: f64,
    /// The share of packets that did not arrive.
    pub loss: f64,
    /// How late packets were, in milliseconds.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Measured {
    /// Tells whether the server's core still has enough.
    pub fn is_good(&self) -> bool {
        self.loss < LOSS_MAX && self.p99_ms < P99_MS_MAX
    }
}

/// What the sweeping thread is told.
pub enum Order {
    Add(Box<Subscriber>),
    Begin(Span),
    Report(Sender<Seen>),
}

/// Senders and subscribers at work; they stop when dropped.
pub struct Load {
    beat: Arc<Beat>,
    senders: Sender<(usize, Connected, u32)>,
    orders: Sender<Order>,
    subscribers: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts without anybody. `rooms` is the most senders there can be.
    pub fn start(rooms: usize) -> Self {
        let times = || (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        let beat = Arc::new(Beat {
            sent_at: (0..rooms).map(|_| times()).collect(),
            frame: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let (senders, arriving) = channel();
        let (orders, ordered) = channel();
        let (on_beat, swept) = (Arc::clone(&beat), Arc::clone(&beat));
        let threads = vec![
            std::thread::spawn(move || tell(send_all(&on_beat, &arriving))),
            std::thread::spawn(move || tell(sweep_all(&swept, &ordered))),
        ];
        Self {
            beat,
            senders,
            orders,
            subscribers: 0,
            threads,
        }
    }

    /// Has somebody send from this source.
    pub fn add_sender(&mut self, room: usize, connected: Connected, ssrc: u32) -> Result<()> {
        let sent = self.senders.send((room, connected, ssrc));
        sent.map_err(|_| anyhow::anyhow!("the senders have stopped"))
    }

    /// Has somebody receive what the sender of this room sends.
    pub fn add_subscriber(&mut self, room: usize, connected: Connected) -> Result<()> {
        let subscriber = Subscriber::new(room, connected)?;
        self.order(Order::Add(Box::new(subscriber)))?;
        self.subscribers += 1;
        Ok(())
    }

    /// Says how many receive.
    pub fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Measures for a while; `cpu` says how much processor time the server has used so far.
    pub fn measure(
        &self,
        duration: Duration,
        cpu: impl Fn() -> Result<Duration>,
    ) -> Result<Measured> {
        // The frame under way belongs to nobody.
        let from = self.beat.frame.load(Ordering::Acquire) + 3;
        let to = from + FRAMES_PER_SECOND * duration.as_millis() as u64 / 1000;
        self.order(Order::Begin(Span {
            from: from * PACKETS_PER_FRAME,
            to: to * PACKETS_PER_FRAME,
        }))?;
        let (started, cpu_before) = (self.wait_for_frame(from), cpu()?);
        let (ended, cpu_after) = (self.wait_for_frame(to), cpu()?);
        std::thread::sleep(STRAGGLE_MAX);
        let (report, reported) = channel();
        self.order(Order::Report(report))?;
        let seen = reported.recv().context("nobody looks at the sockets")?;
        let used = cpu_after - cpu_before;
        let expected = (to - from) * PACKETS_PER_FRAME * self.subscribers as u64;
        let delay_ms = |percent: usize| {
            let at = (seen.delays_us.len() * percent / 100).min(seen.delays_us.len().max(1) - 1);
            f64::from(seen.delays_us.get(at).copied().unwrap_or(u32::MAX)) / 1000.0
        };
        Ok(Measured {
            subscribers: self.subscribers,
            cpu_us: used.as_secs_f64() * 1e6 / seen.packets.max(1) as f64,
            cpu_share: used.as_secs_f64() / (ended - started).as_secs_f64(),
            loss: 1.0 - seen.packets as f64 / expected.max(1) as f64,
            p50_ms: delay_ms(50),
            p99_ms: delay_ms(99),
        })
    }

    fn wait_for_frame(&self, frame: u64) -> Instant {
        while self.beat.frame.load(Ordering::Acquire) < frame {
            std::thread::sleep(Duration::from_millis(1));
        }
        Instant::now()
    }

    fn order(&self, order: Order) -> Result<()> {
        let sent = self.orders.send(order);
        sent.map_err(|_| anyhow::anyhow!("the subscribers have stopped"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.beat.is_over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("the load panicked");
            }
        }
    }
}

/// Says at once why a part of the load stopped early; what it would have measured is missed later.
fn tell(ended: Result<()>) {
    if let Err(error) = ended {
        eprintln!("the load stopped early: {error:#}");
    }
}

/// A sender of pictures.
struct Source {
    room: usize,
    connected: Connected,
    ssrc: u32,
    twcc: u16,
}

impl Source {
    fn send_frame(&mut self, beat: &Beat, frame: u64) -> Result<()> {
        for part in 0..PACKETS_PER_FRAME {
            let index = frame * PACKETS_PER_FRAME + part;
            let packet = self.packet(frame, part, index);
            let sealed = seal(&mut self.connected.contexts.seal, &packet)?;
            let times = &beat.sent_at[self.room];
            times[index as usize % times.len()].store(now_ns(), Ordering::Relaxed);
            // A server that is full or gone shows in what arrives.
            drop(self.connected.socket.send(&sealed));
        }
        Ok(())
    }

    /// Writes a packet as Chromium does: VP8 with a picture id of 15 bits, mid and number.
    fn packet(&mut self, frame: u64, part: u64, index: u64) -> Vec<u8> {
        self.twcc = self.twcc.wrapping_add(1);
        let is_last = part + 1 == PACKETS_PER_FRAME;
        let mut packet = vec![0x90, VP8 | u8::from(is_last) << 7];
        // Truncations are the wraps of the numbers.
        packet.extend((index as u16).to_be_bytes());
        packet.extend((frame as u32).wrapping_mul(3_000).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        let number = self.twcc.to_be_bytes();
        packet.extend([0xBE, 0xDE, 0, 2]);
        packet.extend([MID << 4, b'0', TWCC << 4 | 1, number[0], number[1], 0, 0, 0]);
        let payload_at = packet.len();
        let picture = (frame as u16 & 0x7FFF | 0x8000).to_be_bytes();
        let start = if part == 0 { 0x90 } else { 0x80 };
        packet.extend([start, 0x80, picture[0], picture[1]]);
        let is_delta = !frame.is_multiple_of(FRAMES_PER_KEYFRAME);
        packet.push(u8::from(is_delta));
        packet.resize(payload_at + INDEX_AT, 0);
        packet.extend(index.to_be_bytes());
        packet.resize(PACKET_LEN - TAG_LEN, 0x5A);
        packet
    }
}

fn seal(context: &mut Context, packet: &[u8]) -> Result<Vec<u8>> {
    Ok(context.encrypt_rtp(packet)?.to_vec())
}

fn send_all(beat: &Beat, arriving: &Receiver<(usize, Connected, u32)>) -> Result<()> {
    super::pin::away_from_the_server();
    super::pin::go_first();
    let mut sources: Vec<Source> = Vec::new();
    let start = Instant::now();
    for frame in 0.. {
        while let Ok((room, connected, ssrc)) = arriving.try_recv() {
            connected.socket.set_nonblocking(true)?;
            sources.push(Source {
                room,
                connected,
                ssrc,
                twcc: 0,
            });
        }
        beat.frame.store(frame, Ordering::Release);
        let interval = Duration::from_secs(1) / FRAMES_PER_SECOND as u32;
        let due = start + interval * frame as u32;
        let count = sources.len().max(1) as u32;
        // Cameras do not take their pictures all at once.
        for (position, source) in sources.iter_mut().enumerate() {
            let due = due + interval * position as u32 / count;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            source.send_frame(beat, frame)?;
        }
        if beat.is_over.load(Ordering::Acquire) {
            return Ok(());
        }
        let next = due + interval;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn sweep_all(beat: &Beat, orders: &Receiver<Order>) -> Result<()> {
    super::pin::away_from_the_server();
    super::pin::go_first();
    let mut subscribers: Vec<Box<Subscriber>> = Vec::new();
    let (mut batch, mut span, mut seen) = (Batch::new(), None, Seen::default());
    let mut waiting: VecDeque<Order> = VecDeque::new();
    let mut due = Instant::now();
    while !beat.is_over.load(Ordering::Acquire) {
        waiting.extend(orders.try_iter());
        for order in waiting.drain(..) {
            match order {
                Order::Add(subscriber) => subscribers.push(subscriber),
                Order::Begin(wanted) => (span, seen) = (Some(wanted), Seen::default()),
                Order::Report(report) => {
                    let mut done = std::mem::take(&mut seen);
                    done.delays_us.sort_unstable();
                    // Nobody listens any more only when all is over.
                    drop(report.send(done));
                    span = None;
                }
            }
        }
        let (now, moment) = (Instant::now(), Moment::now());
        for subscriber in &mut subscribers {
            subscriber.look(&mut batch, moment, beat, span, &mut seen)?;
            subscriber.report(now)?;
        }
        due = (due + SWEEP_INTERVAL).max(now);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Says the time as the kernel stamps packets: nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
