//! The room server's own TURN server, by our own client: over UDP, TCP and TLS, across restarts,
//! and against those who would misuse it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use snug_testkit::process::Server;
use snug_testkit::relayed::{Generation, Guest, Listener, Part, Speaker, Way};
use snug_testkit::turn::{CHANNEL, Message, PATIENCE, TlsBridge, Turn, Via};

/// A gap that nobody hears: a jitter buffer bridges it.
const GAP_MAX: Duration = Duration::from_millis(200);

fn loopback(server: &Server) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, server.port))
}

/// Opens TURN over UDP or TCP as the guest was told to.
fn turn(guest: &Guest, transport: &str) -> Result<Turn> {
    guest.server(transport)?.open()
}

/// Lets sound flow by two transports and both restart twice.
fn sound_flows(speaks_by: &str, listens_by: &str) -> Result<()> {
    let server = Server::start()?;
    let speaker = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let way = turn(&speaker, speaks_by)?;
    let mut speaker = Speaker::start(speaker, way)?;
    let listener = Guest::join(loopback(&server), "turn", Part::Listens)?;
    let way = turn(&listener, listens_by)?;
    let mut listener = Listener::start(listener, way)?;
    listener.hear(50)?;
    let mut old = Vec::new();
    for _ in 0..2 {
        let way = turn(&speaker.guest, speaks_by)?;
        old.push(speaker.restart(way)?);
        let way = turn(&listener.guest, listens_by)?;
        listener.restart(way)?;
        listener.hear(50)?;
    }
    // What came before lies on the old ways still.
    let gap = listener.longest_gap()?;
    println!("{speaks_by} to {listens_by}: the longest silence over four restarts was {gap:?}");
    ensure!(gap < GAP_MAX, "a silence of {gap:?}");
    for way in &mut old {
        ensure!(way.turn.refresh(600)? == 0, "an old way ended too early");
    }
    speaker.stop()?;
    Ok(())
}

#[test]
fn sound_flows_over_udp_without_a_gap_at_restarts() -> Result<()> {
    sound_flows("udp", "udp")
}

#[test]
fn sound_flows_over_tcp_without_a_gap_at_restarts() -> Result<()> {
    sound_flows("tcp", "tcp")
}

#[test]
fn ways_can_be_changed_in_a_call() -> Result<()> {
    sound_flows("udp", "tcp")
}

#[test]
fn generation_a_is_heard_by_generation_b_and_hears_it() -> Result<()> {
    let server = Server::start()?;
    let address = loopback(&server);
    for a_speaks in [true, false] {
        let join = |part| match (part == Part::Speaks) == a_speaks {
            true => Guest::join_as_generation_a(address, "old", part),
            false => Guest::join(address, "old", part),
        };
        let speaker = join(Part::Speaks)?;
        let way = turn(&speaker, "udp")?;
        let mut speaker = Speaker::start(speaker, way)?;
        let listener = join(Part::Listens)?;
        let way = turn(&listener, "udp")?;
        Listener::start(listener, way)?.hear(100)?;
        speaker.stop()?;
    }
    Ok(())
}

/// An authority of our own, and a certificate of it in files as an operator has them.
struct Authority {
    root: CertificateDer<'static>,
    certificate: PathBuf,
    key: PathBuf,
    _folder: tempfile::TempDir,
}

impl Authority {
    fn issue(name: &str) -> Result<Self> {
        let root_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Test authority");
        let root = params.self_signed(&root_key)?;
        let issuer = Issuer::from_params(&params, &root_key);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let leaf = params.signed_by(&key, &issuer)?;
        let folder = tempfile::tempdir()?;
        let [certificate, key_file] = ["server.crt", "server.key"].map(|it| folder.path().join(it));
        std::fs::write(&certificate, leaf.pem())?;
        std::fs::write(&key_file, key.serialize_pem())?;
        Ok(Self {
            root: root.der().clone(),
            certificate,
            key: key_file,
            _folder: folder,
        })
    }
}

#[test]
fn sound_flows_over_tls_where_an_authority_issued_the_certificate() -> Result<()> {
    let authority = Authority::issue("rooms.example")?;
    let files = [&authority.certificate, &authority.key];
    let [certificate, key] = files.map(|path| path.display().to_string());
    let server = Server::start_with(None, &["--tls-cert", &certificate, "--tls-key", &key])?;
    let speaker = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let kinds: Vec<&str> = speaker
        .servers
        .iter()
        .map(|it| it.transport.as_str())
        .collect();
    ensure!(kinds == ["udp", "tcp", "tls"], "{kinds:?}");
    let announced = speaker.server("tls")?;
    ensure!(announced.host == "rooms.example" && announced.port == server.port);
    let bridge = TlsBridge::start(loopback(&server), &announced.host, &authority.root)?;
    let by_tls = |guest: &Guest| -> Result<Turn> {
        let told = guest.server("tls")?;
        Ok(Turn::open(Via::Tcp, bridge.address)?.known_as(&told.username, &told.password))
    };
    let way = by_tls(&speaker)?;
    let mut speaker = Speaker::start(speaker, way)?;
    let listener = Guest::join(loopback(&server), "turn", Part::Listens)?;
    let way = by_tls(&listener)?;
    let mut listener = Listener::start(listener, way)?;
    listener.hear(100)?;
    let gap = listener.longest_gap()?;
    ensure!(gap < GAP_MAX, "a silence of {gap:?}");
    speaker.stop()?;
    Ok(())
}

#[test]
fn tls_is_not_announced_with_a_certificate_of_our_own() -> Result<()> {
    let server = Server::start()?;
    let guest = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let kinds: Vec<&str> = guest
        .servers
        .iter()
        .map(|it| it.transport.as_str())
        .collect();
    ensure!(kinds == ["udp", "tcp"], "{kinds:?}");
    let message = snug_testkit::process::Server::start_with(None, &["--tls-cert", "/nowhere"]);
    ensure!(message.is_err(), "a certificate without a key was accepted");
    Ok(())
}

#[test]
fn tls_is_not_announced_with_a_certificate_that_signed_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [certificate, key_file] = ["server.crt", "server.key"].map(|it| folder.path().join(it));
    let key = KeyPair::generate()?;
    let own = CertificateParams::new(vec!["rooms.example".to_owned()])?.self_signed(&key)?;
    std::fs::write(&certificate, own.pem())?;
    std::fs::write(&key_file, key.serialize_pem())?;
    let [certificate, key] = [certificate, key_file].map(|path| path.display().to_string());
    let server = Server::start_with(None, &["--tls-cert", &certificate, "--tls-key", &key])?;
    let guest = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let kinds = guest.servers.iter().map(|it| it.transport.as_str());
    let kinds: Vec<&str> = kinds.collect();
    ensure!(kinds == ["udp", "tcp"], "{kinds:?}");
    Ok(())
}

#[test]
fn an_ipv6_allocation_reaches_nothing_but_our_media_port() -> Result<()> {
    let server = Server::start()?;
    let address = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, server.port));
    let guest = Guest::join(address, "turn", Part::Speaks)?;
    let told = guest.server("udp")?;
    for via in [Via::Udp, Via::Tcp] {
        let mut turn = Turn::open(via, address)?.known_as(&told.username, &told.password);
        let relayed = turn.allocate()?;
        ensure!(relayed.is_ipv6(), "{relayed} was allocated");
        for port in [22, 80] {
            let own = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
            let codes = (turn.permit(own)?, turn.bind(CHANNEL, own)?);
            ensure!(codes.1 == 403, "{own} by {via:?}: {codes:?}");
        }
        for peer in ["[2001:db8::1]:7684", "[fe80::1]:7684"] {
            let peer: SocketAddr = peer.parse()?;
            let codes = (turn.permit(peer)?, turn.bind(CHANNEL, peer)?);
            ensure!(codes == (403, 403), "{peer} by {via:?}: {codes:?}");
        }
    }
    Ok(())
}

/// A guest with an allocation and a generation to check.
fn connected(server: &Server, transport: &str) -> Result<(Guest, Generation, Way)> {
    let mut guest = Guest::join(loopback(server), "turn", Part::Speaks)?;
    let generation = guest.negotiate()?;
    let way = Way::open(turn(&guest, transport)?, &generation)?;
    Ok((guest, generation, way))
}

#[test]
fn nothing_but_our_own_address_is_reached() -> Result<()> {
    let server = Server::start()?;
    for transport in ["udp", "tcp"] {
        let (guest, _, _kept) = connected(&server, transport)?;
        let mut other = turn(&guest, transport)?;
        let elsewhere = other.allocate()?;
        let mut turn = turn(&guest, transport)?;
        turn.allocate()?;
        let port = server.port;
        let gateway = SocketAddr::from(([192, 168, 1, 1], port));
        for peer in [SocketAddr::from(([127, 0, 0, 2], port)), gateway, elsewhere] {
            ensure!(
                turn.permit(peer)? == 403 && turn.bind(CHANNEL, peer)? == 403,
                "{peer}"
            );
        }
        let ssh = SocketAddr::from((Ipv4Addr::LOCALHOST, 22));
        ensure!(turn.bind(CHANNEL, ssh)? == 403, "another port of ours");
        let sixth = SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), port);
        ensure!(turn.permit(sixth)? == 443 && turn.bind(CHANNEL, sixth)? == 443);
    }
    Ok(())
}

#[test]
fn an_allocation_is_of_no_use_to_anybody_else() -> Result<()> {
    let server = Server::start()?;
    let speaker = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let way = turn(&speaker, "udp")?;
    let mut speaker = Speaker::start(speaker, way)?;
    let listener = Guest::join(loopback(&server), "turn", Part::Listens)?;
    let way = turn(&listener, "udp")?;
    let mut listener = Listener::start(listener, way)?;
    listener.hear(20)?;
    // Somebody who knows all secrets of the speaker's, and sends by a way of their own.
    let (mut thief, _, mut way) = connected(&server, "udp")?;
    thief.peer.socket.forget_unread();
    {
        let mut outlet = speaker.outlet.lock().expect("nobody panics with it");
        let (_, keys) = &mut *outlet;
        for number in 20_000..20_010 {
            way.turn.send(way.server, &keys.seal(number)?)?;
        }
    }
    ensure!(
        way.nominate(&speaker.generation).is_err(),
        "a check of another peer was answered"
    );
    listener.hear(50)?;
    let stolen = listener
        .heard
        .iter()
        .filter(|(_, number)| *number >= 20_000);
    ensure!(stolen.count() == 0, "media of a thief was forwarded");
    speaker.stop()?;
    Ok(())
}

#[test]
fn credentials_end_with_their_peer() -> Result<()> {
    let server = Server::start()?;
    for transport in ["udp", "tcp"] {
        let (guest, _, mut way) = connected(&server, transport)?;
        let again = turn(&guest, transport);
        ensure!(way.turn.refresh(600)? == 0);
        guest.peer.leave()?;
        if transport == "tcp" {
            way.turn.wait_closed(PATIENCE)?;
        }
        let mut again = again?;
        let deadline = Instant::now() + PATIENCE;
        while again.allocate().is_ok() {
            // The media plane hears of the leave a moment later.
            ensure!(Instant::now() < deadline, "credentials outlive their peer");
            // It may hear of it right between the two.
            ensure!(matches!(again.refresh(0)?, 0 | 401));
        }
    }
    Ok(())
}

#[test]
fn a_stranger_over_tcp_goes_after_five_seconds_or_at_its_first_nonsense() -> Result<()> {
    let server = Server::start()?;
    let mut stranger = Turn::open(Via::Tcp, loopback(&server))?;
    let start = Instant::now();
    let mut challenged = Message::new(snug_testkit::turn::ALLOCATE);
    challenged.add(snug_testkit::turn::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    ensure!(stranger.ask_raw(&challenged)?.code == 401);
    let mut fool = Turn::open(Via::Tcp, loopback(&server))?;
    fool.send_raw(&[0, 1, 0xFF, 0xFF, 0, 0, 0, 0])?;
    fool.wait_closed(Duration::from_secs(3))?;
    stranger.wait_closed(Duration::from_secs(8))?;
    ensure!(
        start.elapsed() > Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() -> Result<()> {
    let server = Server::start()?;
    let silent: Vec<std::net::TcpStream> = (0..1000)
        .map(|_| std::net::TcpStream::connect(loopback(&server)))
        .collect::<Result<_, _>>()?;
    let speaker = Guest::join(loopback(&server), "turn", Part::Speaks)?;
    let way = turn(&speaker, "tcp")?;
    let mut speaker = Speaker::start(speaker, way)?;
    let listener = Guest::join(loopback(&server), "turn", Part::Listens)?;
    let way = turn(&listener, "tcp")?;
    let mut listener = Listener::start(listener, way)?;
    listener.hear(50)?;
    drop(silent);
    speaker.stop()?;
    Ok(())
}
