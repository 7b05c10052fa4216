//! TURN where addresses matter: a host on two networks, and a host behind a router that forwards
//! TCP and UDP 7684 and nothing else.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use snug_testkit::lane;
use snug_testkit::netns::{Host, Lan, Namespace, with_rights};
use snug_testkit::process::Server;
use snug_testkit::relayed::{Guest, Listener, Part, Speaker};

/// The port of every Snug server, as a router forwards it.
const PORT: u16 = 7684;

/// Which way a guest goes.
#[derive(Clone)]
struct Plan {
    /// Where its WebSocket connects to.
    server: SocketAddr,
    /// Which TURN server it uses.
    turn: String,
    transport: &'static str,
}

impl Plan {
    fn new(server: SocketAddr, transport: &'static str) -> Self {
        Self {
            server,
            turn: match server {
                SocketAddr::V4(server) => server.ip().to_string(),
                SocketAddr::V6(server) => format!("[{}]", server.ip()),
            },
            transport,
        }
    }

    fn join(&self, part: Part) -> Result<(Guest, snug_testkit::turn::Turn)> {
        let guest = Guest::join(self.server, "networks", part)?;
        let told = guest.servers.iter();
        let chosen = told
            .filter(|server| server.transport == self.transport)
            .find(|server| server.host == self.turn)
            .with_context(|| format!("{} is not among {:?}", self.turn, hosts(&guest)))?;
        let turn = chosen.open()?;
        Ok((guest, turn))
    }
}

fn hosts(guest: &Guest) -> Vec<String> {
    guest
        .servers
        .iter()
        .map(|it| format!("{}:{}", it.host, it.port))
        .collect()
}

/// Speaks in `place` until the receiver's other end is dropped; says when it has begun.
fn speaks(place: &Namespace, plan: &Plan) -> Result<(JoinHandle<Result<()>>, Sender<()>)> {
    let (begun, ready) = channel();
    let (end, over): (Sender<()>, Receiver<()>) = channel();
    let plan = plan.clone();
    let thread = place.spawn(move || -> Result<()> {
        let (guest, turn) = plan.join(Part::Speaks)?;
        let mut speaker = Speaker::start(guest, turn)?;
        begun.send(())?;
        // Nothing is ever sent: the other end is dropped when it is over.
        ensure!(over.recv().is_err(), "somebody said something");
        speaker.stop()
    })?;
    if ready.recv().is_ok() {
        return Ok((thread, end));
    }
    let ended = thread.join().map_err(|_| anyhow!("the speaker panicked"))?;
    Err(ended
        .err()
        .unwrap_or_else(|| anyhow!("the speaker never began")))
}

/// Listens in `place` until enough was heard.
fn listens(place: &Namespace, plan: &Plan) -> Result<()> {
    let plan = plan.clone();
    let thread = place.spawn(move || -> Result<()> {
        let (guest, turn) = plan.join(Part::Listens)?;
        let mut listener = Listener::start(guest, turn)?;
        listener.hear(50)
    })?;
    thread
        .join()
        .map_err(|_| anyhow!("the listener panicked"))?
}

/// Lets one speak to another.
fn talk(from: (&Namespace, &Plan), to: (&Namespace, &Plan)) -> Result<()> {
    let (thread, end) = speaks(from.0, from.1)?;
    let heard = listens(to.0, to.1);
    drop(end);
    let spoken = thread.join().map_err(|_| anyhow!("the speaker panicked"))?;
    heard.and(spoken)
}

#[test]
fn a_host_on_two_networks_tells_each_guest_the_address_it_came_by() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let (mut one, mut two) = (Lan::new()?, Lan::new()?);
        let host = one.host(&["10.77.0.1/24"])?;
        two.also(&host, "lan1", &["10.88.0.1/24"])?;
        let (ann, bob) = (one.host(&["10.77.0.2/24"])?, two.host(&["10.88.0.2/24"])?);
        let server = Server::start_with(Some(&host.namespace), &["--allow-plain-ws"])?;
        let port = server.port;
        let at = move |ip: [u8; 4]| SocketAddr::from((ip, port));
        for transport in ["udp", "tcp"] {
            let by_one = Plan::new(at([10, 77, 0, 1]), transport);
            let by_two = Plan::new(at([10, 88, 0, 1]), transport);
            talk((&ann.namespace, &by_one), (&bob.namespace, &by_two))?;
            talk((&bob.namespace, &by_two), (&ann.namespace, &by_one))?;
        }
        let check = ann
            .namespace
            .spawn(move || Guest::join(at([10, 77, 0, 1]), "who", Part::Speaks))?;
        let guest = check.join().map_err(|_| anyhow!("it panicked"))??;
        ensure!(
            guest
                .servers
                .iter()
                .all(|server| server.host == "10.77.0.1"),
            "{:?}",
            hosts(&guest)
        );
        Ok(())
    })
}

#[test]
fn a_network_of_ipv6_alone_is_enough() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let host = lan.host(&["fd77::1/64"])?;
        let (ann, bob) = (lan.host(&["fd77::2/64"])?, lan.host(&["fd77::3/64"])?);
        let server = Server::start_with(Some(&host.namespace), &["--allow-plain-ws"])?;
        let address = SocketAddr::new("fd77::1".parse()?, server.port);
        let (udp, tcp) = (Plan::new(address, "udp"), Plan::new(address, "tcp"));
        talk((&ann.namespace, &udp), (&bob.namespace, &tcp))?;
        talk((&ann.namespace, &tcp), (&bob.namespace, &udp))
    })
}

#[test]
fn a_host_behind_a_router_is_reached_at_the_address_it_announces() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let (mut inside, mut outside) = (Lan::new()?, Lan::new()?);
        let host = inside.host(&["10.77.0.10/24"])?;
        let neighbour = inside.host(&["10.77.0.2/24"])?;
        let router = inside.host(&["10.77.0.1/24"])?;
        outside.also(&router, "wan0", &["203.0.113.1/24"])?;
        let guest = outside.host(&["203.0.113.7/24"])?;
        let port = PORT.to_string();
        let arguments = [
            "--port",
            &port,
            "--allow-plain-ws",
            "--announce",
            "203.0.113.1",
        ];
        let server = Server::start_with(Some(&host.namespace), &arguments)?;
        ensure!(server.port == PORT);
        forward(&router, SocketAddr::from(([10, 77, 0, 10], PORT)))?;
        let home = Plan::new(SocketAddr::from(([10, 77, 0, 10], PORT)), "udp");
        for transport in ["udp", "tcp"] {
            let away = Plan::new(SocketAddr::from(([203, 0, 113, 1], PORT)), transport);
            talk((&guest.namespace, &away), (&neighbour.namespace, &home))?;
            talk((&neighbour.namespace, &home), (&guest.namespace, &away))?;
        }
        Ok(())
    })
}

/// Forwards TCP and UDP of the port as a router does, under its own address.
fn forward(router: &Host, to: SocketAddr) -> Result<()> {
    let (ready, opened) = channel();
    router.namespace.spawn(move || {
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("a free port");
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("a free port");
        std::thread::spawn(move || forward_udp(&Arc::new(udp), to));
        ready.send(()).expect("the test waits");
        for near in tcp.incoming().flatten() {
            let Ok(far) = TcpStream::connect(to) else {
                continue;
            };
            let copies = near
                .try_clone()
                .and_then(|near| Ok((near, far.try_clone()?)));
            let (near_too, far_too) = copies.expect("handles are left");
            std::thread::spawn(move || copy(near, far));
            std::thread::spawn(move || copy(far_too, near_too));
        }
    })?;
    Ok(opened.recv()?)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // The other half may have ended already.
    drop(to.shutdown(std::net::Shutdown::Both));
}

/// Gives each sender a port of its own towards the host.
fn forward_udp(outside: &Arc<UdpSocket>, to: SocketAddr) {
    let mut senders: HashMap<SocketAddr, UdpSocket> = HashMap::new();
    let mut buffer = [0; 2048];
    while let Ok((len, from)) = outside.recv_from(&mut buffer) {
        let inside = senders.entry(from).or_insert_with(|| {
            let inside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
            inside.connect(to).expect("a route");
            let (reader, outside) = (inside.try_clone().expect("a handle"), Arc::clone(outside));
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok(len) = reader.recv(&mut buffer) {
                    drop(outside.send_to(&buffer[..len], from));
                }
            });
            inside
        });
        drop(inside.send(&buffer[..len]));
    }
}
