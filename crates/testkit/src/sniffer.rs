//! Sees every packet that a namespace sends or receives on any interface, and judges where it
//! goes. Listens on a packet socket (Linux), so it needs the same rights as [`netns`](crate::netns).

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::Namespace;

/// `ETH_P_ALL` in network byte order, as a packet socket wants it.
const EVERY_PROTOCOL: i32 = (0x0003_u16.to_be()) as i32;
/// A call of a minute has some 20,000 packets; a scenario that exceeds this is broken.
const PACKETS_MAX: usize = 1_000_000;

/// One IP packet that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// When it was seen.
    pub at: SystemTime,
    /// Who sent it.
    pub from: IpAddr,
    /// Who is to have it.
    pub to: IpAddr,
    /// IP protocol number: 6 TCP, 17 UDP, 58 ICMPv6.
    pub protocol: u8,
}

impl Packet {
    /// Reads an Ethernet frame; anything but IP is none.
    #[must_use]
    pub fn parse(frame: &[u8], at: SystemTime) -> Option<Self> {
        let body = frame.get(14..)?;
        match frame.get(12..14)? {
            [0x08, 0x00] => {
                let four = |start: usize| -> Option<[u8; 4]> {
                    body.get(start..start + 4)?.try_into().ok()
                };
                let (from, to) = (Ipv4Addr::from(four(12)?), Ipv4Addr::from(four(16)?));
                Some(Self {
                    at,
                    from: from.into(),
                    to: to.into(),
                    protocol: *body.get(9)?,
                })
            }
            [0x86, 0xDD] => {
                let six = |start: usize| -> Option<[u8; 16]> {
                    body.get(start..start + 16)?.try_into().ok()
                };
                let (from, to) = (Ipv6Addr::from(six(8)?), Ipv6Addr::from(six(24)?));
                // A hop-by-hop header (0) stands before the ICMPv6 of multicast reports.
                let protocol = match *body.get(6)? {
                    0 => *body.get(40)?,
                    other => other,
                };
                Some(Self {
                    at,
                    from: from.into(),
                    to: to.into(),
                    protocol,
                })
            }
            _ => None,
        }
    }

    /// Says whether the packet is for somewhere other than these networks (address and prefix
    /// length), this computer, or the neighbours that IPv6 itself looks for on the link.
    #[must_use]
    pub fn leaves(&self, networks: &[(IpAddr, u8)]) -> bool {
        let neighbour_search =
            self.protocol == 58 && matches!(self.to, IpAddr::V6(to) if to.segments()[0] == 0xff02);
        !(self.to.is_loopback()
            || neighbour_search
            || networks
                .iter()
                .any(|(network, length)| within(self.to, *network, *length)))
    }
}

fn within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let differing = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(length)
}

/// Listens until it is dropped or asked for what it saw.
#[derive(Debug)]
pub struct Sniffer {
    packets: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sniffer {
    /// Starts to listen on all interfaces of the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered or packet sockets are not allowed.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let packets = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (opened, outcome) = std::sync::mpsc::channel();
        let thread = namespace.spawn({
            let (packets, stop) = (Arc::clone(&packets), Arc::clone(&stop));
            move || match open() {
                Ok(socket) => {
                    opened.send(Ok(())).expect("the parent waits for this");
                    listen(socket, &packets, &stop);
                }
                Err(error) => opened.send(Err(error)).expect("the parent waits for this"),
            }
        })?;
        outcome.recv()?.context("open a packet socket")?;
        Ok(Self {
            packets,
            stop,
            thread: Some(thread),
        })
    }

    /// Copies what was seen so far.
    #[must_use]
    pub fn packets(&self) -> Vec<Packet> {
        self.packets
            .lock()
            .expect("the listener does not panic")
            .clone()
    }

    /// Says when the last packet from this address was seen.
    #[must_use]
    pub fn last_from(&self, address: IpAddr) -> Option<SystemTime> {
        let packets = self.packets.lock().expect("the listener does not panic");
        packets
            .iter()
            .rev()
            .find(|packet| packet.from == address)
            .map(|packet| packet.at)
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            eprintln!("the packet listener panicked");
        }
    }
}

fn open() -> std::io::Result<Socket> {
    let protocol = Protocol::from(EVERY_PROTOCOL);
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    socket.set_recv_buffer_size(8 << 20)?;
    Ok(socket)
}

fn listen(mut socket: Socket, packets: &Mutex<Vec<Packet>>, stop: &AtomicBool) {
    let mut frame = [0; 128];
    while !stop.load(Ordering::Relaxed) {
        // A timeout and a cut frame are both fine: the head of the packet is all we read.
        let Ok(length) = socket.read(&mut frame) else {
            continue;
        };
        let Some(packet) = Packet::parse(&frame[..length], SystemTime::now()) else {
            continue;
        };
        let mut packets = packets.lock().expect("nobody panics with the lock");
        assert!(
            packets.len() < PACKETS_MAX,
            "more packets than any scenario has"
        );
        packets.push(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::{Lan, with_rights};
    use std::net::UdpSocket;

    fn wait_for(sniffer: &Sniffer, wanted: impl Fn(&Packet) -> bool) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            sniffer.packets().iter().any(&wanted)
        })
    }

    #[test]
    fn a_packet_for_another_network_is_seen_and_named() -> Result<()> {
        with_rights(|| {
            let mut lan = Lan::new()?;
            let host = lan.host(&["10.77.0.1/24"])?;
            // Send it into our own switch, where nobody has this address.
            host.namespace.ip(&[
                "neigh",
                "add",
                "10.77.0.9",
                "lladdr",
                "02:00:00:00:00:09",
                "dev",
                "lan0",
            ])?;
            host.namespace
                .ip(&["route", "add", "default", "via", "10.77.0.9"])?;
            let sniffer = Sniffer::start(&host.namespace)?;
            let send = |to: &'static str| {
                host.namespace.spawn(move || {
                    UdpSocket::bind("0.0.0.0:0")
                        .and_then(|socket| socket.send_to(b"x", to))
                        .is_ok()
                })
            };
            let home = [("10.77.0.0".parse()?, 24)];
            assert!(send("127.0.0.1:9")?.join().expect("no panic"));
            assert!(wait_for(&sniffer, |packet| packet.to.is_loopback()
                && !packet.leaves(&home)));
            assert!(send("192.0.2.1:9")?.join().expect("no panic"));
            assert!(wait_for(&sniffer, |packet| packet.leaves(&home)));
            let last = sniffer
                .last_from("10.77.0.1".parse()?)
                .context("nothing from the host")?;
            assert!(last.elapsed()? < Duration::from_secs(5));
            Ok(())
        })
    }

    #[test]
    fn home_is_told_from_elsewhere() -> Result<()> {
        let packet = |to: &str, protocol| -> Result<Packet> {
            let from = "10.0.0.1".parse()?;
            Ok(Packet {
                at: SystemTime::now(),
                from,
                to: to.parse()?,
                protocol,
            })
        };
        let home = [("169.254.0.0".parse()?, 16), ("fd77::".parse()?, 64)];
        assert!(!packet("169.254.7.7", 17)?.leaves(&home));
        assert!(!packet("fd77::5", 6)?.leaves(&home));
        assert!(!packet("ff02::1:ff00:1", 58)?.leaves(&home));
        assert!(packet("ff02::fb", 17)?.leaves(&home));
        assert!(packet("224.0.0.251", 17)?.leaves(&home));
        assert!(packet("169.253.7.7", 17)?.leaves(&home));
        assert!(packet("fd78::5", 6)?.leaves(&home));
        Ok(())
    }
}
