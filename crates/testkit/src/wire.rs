//! A link of known delay between two computers of a test: what goes into a loopback port on the
//! near one comes out at the same port on the far one, TCP and UDP, each way later by the delay.
//!
//! The kernel's own way (netem) is not there on every machine. Nothing else connects the two
//! namespaces, so a program that works over the wire uses nothing but the wire.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::netns::Namespace;
use crate::threads::Threads;

/// Chunks under way in one direction of one connection. More than a link of a few milliseconds
/// holds; past it TCP waits and UDP is dropped, as on a real one.
const UNDER_WAY_MAX: usize = 1024;
const CHUNK_BYTES: usize = 64 << 10;

/// What arrives at the far end, and when.
type Chunk = (Instant, Vec<u8>);

/// A connection as it crosses: what comes from the near end, and the way back.
struct Crossing {
    up: mpsc::Receiver<Chunk>,
    down: mpsc::Sender<Chunk>,
}

/// What the near end tells the far end of.
enum Arrival {
    Stream(Crossing),
    /// All datagrams of one sender.
    Datagrams(Crossing),
}

/// A running link; cut when dropped.
#[derive(Debug)]
pub struct Wire {
    _ends: Threads,
}

impl Wire {
    /// Connects a port of the near computer to the same port of the far one. `delay` is that of
    /// one way.
    ///
    /// # Errors
    /// When the port is taken on the near computer, or a namespace cannot be entered.
    pub fn lay(near: &Namespace, far: &Namespace, port: u16, delay: Duration) -> Result<Self> {
        let (arrivals, arriving) = mpsc::channel(UNDER_WAY_MAX);
        let (ready, readiness) = std::sync::mpsc::channel();
        let mut ends = Threads::default();
        ends.live_in(far, move || far_end(arriving, port, delay))?;
        ends.live_in(near, move || async move {
            match open(port).await {
                Ok((listener, socket)) => {
                    ready.send(Ok(())).expect("the parent waits for this");
                    near_end(listener, socket, arrivals, delay).await;
                }
                Err(error) => ready.send(Err(error)).expect("the parent waits for this"),
            }
        })?;
        readiness.recv()?.with_context(|| format!("port {port}"))?;
        Ok(Self { _ends: ends })
    }
}

async fn open(port: u16) -> Result<(TcpListener, UdpSocket)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok((listener, UdpSocket::bind(("127.0.0.1", port)).await?))
}

async fn near_end(
    listener: TcpListener,
    socket: UdpSocket,
    arrivals: mpsc::Sender<Arrival>,
    delay: Duration,
) {
    let socket = Arc::new(socket);
    let mut senders: HashMap<SocketAddr, mpsc::Sender<Chunk>> = HashMap::new();
    let mut datagram = vec![0; CHUNK_BYTES];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (crossing, up, down) = crossing();
                // The greeting of TCP itself crossed here at once; it is made up for by letting
                // the first bytes wait for one round trip more.
                tokio::spawn(stream_end(stream, up, down, delay, delay * 2));
                if arrivals.send(Arrival::Stream(crossing)).await.is_err() {
                    return;
                }
            }
            received = socket.recv_from(&mut datagram) => {
                let Ok((length, from)) = received else { continue };
                let chunk = (Instant::now() + delay, datagram[..length].to_vec());
                if let Some(sender) = senders.get(&from) {
                    // A full link drops.
                    drop(sender.try_send(chunk));
                    continue;
                }
                let (crossing, up, down) = crossing();
                drop(up.try_send(chunk));
                senders.insert(from, up);
                tokio::spawn(answer(Arc::clone(&socket), from, down));
                if arrivals.send(Arrival::Datagrams(crossing)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn crossing() -> (Crossing, mpsc::Sender<Chunk>, mpsc::Receiver<Chunk>) {
    let (up, up_arrives) = mpsc::channel(UNDER_WAY_MAX);
    let (down_leaves, down) = mpsc::channel(UNDER_WAY_MAX);
    let crossing = Crossing {
        up: up_arrives,
        down: down_leaves,
    };
    (crossing, up, down)
}

async fn answer(socket: Arc<UdpSocket>, to: SocketAddr, mut down: mpsc::Receiver<Chunk>) {
    while let Some((due, bytes)) = down.recv().await {
        tokio::time::sleep_until(due).await;
        // Lost, as datagrams may be.
        drop(socket.send_to(&bytes, to).await);
    }
}

async fn far_end(mut arriving: mpsc::Receiver<Arrival>, port: u16, delay: Duration) {
    while let Some(arrival) = arriving.recv().await {
        match arrival {
            Arrival::Stream(Crossing { up, down }) => {
                tokio::spawn(async move {
                    // Nobody there: both halves end, and the near end closes.
                    if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
                        stream_end(stream, down, up, delay, Duration::ZERO).await;
                    }
                });
            }
            Arrival::Datagrams(Crossing { up, down }) => {
                tokio::spawn(datagram_end(port, up, down, delay));
            }
        }
    }
}

async fn datagram_end(
    port: u16,
    mut up: mpsc::Receiver<Chunk>,
    down: mpsc::Sender<Chunk>,
    delay: Duration,
) {
    let Ok(socket) = UdpSocket::bind("127.0.0.1:0").await else {
        return;
    };
    if socket.connect(("127.0.0.1", port)).await.is_err() {
        return;
    }
    let mut datagram = vec![0; CHUNK_BYTES];
    loop {
        tokio::select! {
            chunk = up.recv() => {
                let Some((due, bytes)) = chunk else { return };
                tokio::time::sleep_until(due).await;
                drop(socket.send(&bytes).await);
            }
            received = socket.recv(&mut datagram) => {
                let Ok(length) = received else { continue };
                let due = Instant::now() + delay;
                drop(down.try_send((due, datagram[..length].to_vec())));
            }
        }
    }
}

/// Carries both ways of one stream until either side ends.
async fn stream_end(
    mut stream: TcpStream,
    out: mpsc::Sender<Chunk>,
    mut back: mpsc::Receiver<Chunk>,
    delay: Duration,
    greeting: Duration,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.split();
    let opened = Instant::now();
    let read = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = reader.read(&mut chunk).await {
            let due = (Instant::now() + delay).max(opened + greeting + delay);
            if out.send((due, chunk[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, bytes)) = back.recv().await {
            tokio::time::sleep_until(due).await;
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::with_rights;
    use std::io::{Read as _, Write as _};
    use std::time::Instant;

    const PORT: u16 = 7684;
    const DELAY: Duration = Duration::from_millis(20);

    /// The quickest of a few: a busy machine only ever makes it slower.
    fn quickest(mut once: impl FnMut() -> Duration) -> Duration {
        (0..5).map(|_| once()).min().expect("five")
    }

    #[test]
    fn streams_and_datagrams_arrive_late_by_the_delay_each_way() -> Result<()> {
        with_rights(|| {
            let (near, far) = (Namespace::new()?, Namespace::new()?);
            let (ready, readiness) = std::sync::mpsc::channel();
            let echo = far.spawn(move || {
                let listener = std::net::TcpListener::bind(("127.0.0.1", PORT)).expect("free");
                let socket = std::net::UdpSocket::bind(("127.0.0.1", PORT)).expect("free");
                ready.send(()).expect("the test waits");
                let mut bytes = [0; 5];
                let (mut stream, _) = listener.accept().expect("a stream");
                while stream.read_exact(&mut bytes).is_ok() {
                    stream.write_all(&bytes).expect("open");
                }
                for _ in 0..5 {
                    let (length, from) = socket.recv_from(&mut bytes).expect("a datagram");
                    socket.send_to(&bytes[..length], from).expect("sent");
                }
            })?;
            readiness.recv()?;
            let _wire = Wire::lay(&near, &far, PORT, DELAY)?;
            let measured = near.spawn(|| {
                let mut bytes = [0; 5];
                let mut stream = std::net::TcpStream::connect(("127.0.0.1", PORT)).expect("open");
                let by_stream = quickest(|| {
                    let sent = Instant::now();
                    stream.write_all(b"hello").expect("open");
                    stream.read_exact(&mut bytes).expect("an echo");
                    sent.elapsed()
                });
                drop(stream);
                let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("free");
                socket.connect(("127.0.0.1", PORT)).expect("connected");
                let by_datagram = quickest(|| {
                    let sent = Instant::now();
                    socket.send(b"hello").expect("sent");
                    socket.recv(&mut bytes).expect("an echo");
                    sent.elapsed()
                });
                (by_stream, by_datagram)
            })?;
            let (by_stream, by_datagram) = measured.join().expect("no panic");
            echo.join().expect("no panic");
            for round_trip in [by_stream, by_datagram] {
                assert!(round_trip >= DELAY * 2, "{round_trip:?}");
                assert!(round_trip < DELAY * 4, "{round_trip:?}");
            }
            Ok(())
        })
    }
}
