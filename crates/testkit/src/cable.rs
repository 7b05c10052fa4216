//! A cable between two computers of a test that treats packets as a [`Profile`] says: whole IP
//! packets, so whatever program runs over it meets the same network, browsers too.
//!
//! The kernel's own emulator (netem) is not there on every machine. Each end is a TUN interface;
//! what goes into one waits, is lost or comes out of the other.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use str0m_netem::{Input, Netem, Output};
use tokio::sync::{mpsc, watch};
use tokio_tun::Tun;

use crate::netns::Namespace;
use crate::profile::Profile;
use crate::threads::Threads;

/// Packets that an end has read and the other has not yet looked at.
const UNREAD_MAX: usize = 4096;
const PACKET_BYTES_MAX: usize = 2048;
/// How often an end looks whether the network has changed, at least.
const LOOK: Duration = Duration::from_millis(100);

/// A laid cable; pulled out when dropped.
#[derive(Debug)]
pub struct Cable {
    network: watch::Sender<Network>,
    _ends: Threads,
}

/// A profile, and since when it holds.
#[derive(Debug, Clone, Copy)]
struct Network {
    profile: Profile,
    since: Instant,
    seed: u64,
}

impl Cable {
    /// The address of the near end.
    pub const NEAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
    /// The address of the far end.
    pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

    /// Connects two computers that have no other cable.
    ///
    /// # Errors
    /// When a namespace cannot be entered or has such an interface already.
    pub fn lay(near: &Namespace, far: &Namespace, profile: Profile, seed: u64) -> Result<Self> {
        let since = Instant::now();
        let (network, looks) = watch::channel(Network {
            profile,
            since,
            seed,
        });
        let (up, up_arrives) = mpsc::channel(UNREAD_MAX);
        let (down, down_arrives) = mpsc::channel(UNREAD_MAX);
        let mut ends = Threads::default();
        let sides = [
            (near, Self::NEAR, Self::FAR, up, down_arrives, 0),
            (far, Self::FAR, Self::NEAR, down, up_arrives, 1),
        ];
        for (namespace, own, other, out, arriving, way) in sides {
            let looks = looks.clone();
            let (ready, readiness) = std::sync::mpsc::channel();
            ends.live_in(namespace, move || async move {
                match open(own, other) {
                    Ok(tun) => {
                        ready.send(Ok(())).expect("the parent waits for this");
                        carry(tun, out, arriving, looks, way).await;
                    }
                    Err(error) => ready.send(Err(error)).expect("the parent waits for this"),
                }
            })?;
            readiness
                .recv()?
                .with_context(|| format!("the end {own}"))?;
        }
        Ok(Self {
            network,
            _ends: ends,
        })
    }

    /// Makes another network of it, whose time begins now. What is under way arrives.
    pub fn change(&self, profile: Profile) {
        self.change_to(profile, Duration::ZERO);
    }

    /// Makes another network of it, as that is after so much of its time. What is under way
    /// arrives.
    ///
    /// # Panics
    /// When the machine has not run for so long.
    pub fn change_to(&self, profile: Profile, elapsed: Duration) {
        let since = Instant::now().checked_sub(elapsed);
        let since = since.expect("profiles last minutes, machines days");
        self.network.send_modify(|network| {
            (network.profile, network.since) = (profile, since);
        });
    }
}

fn open(own: Ipv4Addr, other: Ipv4Addr) -> Result<Tun> {
    let made = Tun::builder()
        .name("cable%d")
        .address(own)
        .destination(other)
        .up()
        .build()?;
    made.into_iter().next().context("no interface was made")
}

/// Carries packets from one end away and brings those of the other end.
async fn carry(
    tun: Tun,
    out: mpsc::Sender<Vec<u8>>,
    mut arriving: mpsc::Receiver<Vec<u8>>,
    mut looks: watch::Receiver<Network>,
    way: u64,
) {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    let mut network = *looks.borrow_and_update();
    let (mut stretch, config) = network.profile.at(network.since.elapsed());
    let mut link: Netem<Vec<u8>> = Netem::new(config.seed(network.seed * 2 + way));
    loop {
        let next = link.poll_timeout().min(Instant::now() + LOOK);
        let came = tokio::select! {
            read = tun.recv(&mut packet) => match read {
                Ok(length) => {
                    // A full link drops.
                    drop(out.try_send(packet[..length].to_vec()));
                    continue;
                }
                Err(_) => return,
            },
            came = arriving.recv() => match came {
                Some(bytes) => Some(bytes),
                None => return,
            },
            () = tokio::time::sleep_until(next.into()) => None,
        };
        // What came meets the network as it is now.
        let is_new = looks.has_changed().unwrap_or(false);
        network = *looks.borrow_and_update();
        let (current, config) = network.profile.at(network.since.elapsed());
        if is_new || current != stretch {
            stretch = current;
            link.set_config(config.seed(network.seed * 2 + way));
        }
        let now = Instant::now();
        link.handle_input(match came {
            Some(bytes) => Input::Packet(now, bytes),
            None => Input::Timeout(now),
        });
        while let Some(output) = link.poll_output() {
            if let Output::Packet(bytes) = output
                && tun.send(&bytes).await.is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::with_rights;
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const PORT: u16 = 7684;

    /// After so many datagrams the sender waits until no more arrive: no socket of a busy machine
    /// runs over with them.
    const CHUNK: usize = 100;
    const CALM: Duration = Duration::from_millis(300);

    /// Sends datagrams of so many bytes, one each millisecond, and says how many arrive and how
    /// long after the first the last one does.
    fn sent_across(
        near: &Namespace,
        far: &Namespace,
        count: usize,
        bytes: usize,
    ) -> Result<(usize, Duration)> {
        let (ready, readiness) = std::sync::mpsc::channel();
        let count_in = Arc::new(AtomicUsize::new(0));
        let count_out = Arc::clone(&count_in);
        let receiver = far.spawn(move || {
            let socket = UdpSocket::bind((Cable::FAR, PORT)).expect("free");
            let quiet = Some(Duration::from_secs(2));
            socket.set_read_timeout(quiet).expect("not zero");
            ready.send(()).expect("the test waits");
            let mut buffer = [0; 2048];
            let mut arrived = Vec::new();
            while socket.recv(&mut buffer).is_ok() {
                arrived.push(Instant::now());
                count_in.fetch_add(1, Ordering::Relaxed);
            }
            arrived
        })?;
        readiness.recv()?;
        near.spawn(move || {
            let socket = UdpSocket::bind((Cable::NEAR, 0)).expect("free");
            for number in 1..=count {
                socket
                    .send_to(&vec![7; bytes], (Cable::FAR, PORT))
                    .expect("sent");
                std::thread::sleep(Duration::from_millis(1));
                let mut before = usize::MAX;
                while number.is_multiple_of(CHUNK) && bytes < 1000 {
                    let now = count_out.load(Ordering::Relaxed);
                    if now == std::mem::replace(&mut before, now) {
                        break;
                    }
                    std::thread::sleep(CALM);
                }
            }
        })?
        .join()
        .expect("no panic");
        let arrived = receiver.join().expect("no panic");
        let took = arrived.first().zip(arrived.last());
        Ok((
            arrived.len(),
            took.map_or(Duration::ZERO, |(first, last)| *last - *first),
        ))
    }

    #[test]
    fn packets_meet_the_network_that_was_asked_for() -> Result<()> {
        with_rights(|| {
            let (near, far) = (Namespace::new()?, Namespace::new()?);
            let cable = Cable::lay(&near, &far, Profile::Clear, 5)?;
            assert_eq!(sent_across(&near, &far, 500, 100)?.0, 500);
            cable.change(Profile::P4(20));
            let (arrived, _) = sent_across(&near, &far, 1000, 100)?;
            assert!((750..850).contains(&arrived), "{arrived}");
            cable.change(Profile::Cut);
            assert_eq!(sent_across(&near, &far, 50, 100)?.0, 0);
            // 400 x 1028 bytes are 3.3 Mb: a link of 1000 kb/s drops most of them, and what it
            // took arrives at its own rate.
            cable.change(Profile::Bottleneck(1000));
            let (arrived, took) = sent_across(&near, &far, 400, 1000)?;
            let rate = (arrived - 1) as f64 * 1028.0 * 8.0 / took.as_secs_f64();
            assert!((40..300).contains(&arrived), "{arrived}");
            assert!((0.9e6..1.1e6).contains(&rate), "{rate}");
            Ok(())
        })
    }
}
