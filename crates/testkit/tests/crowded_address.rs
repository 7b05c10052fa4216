//! One address that opens more connections than it may: the next is told so, another address gets
//! in, and whoever is in stays.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::Server;

/// What one address may have, as the server's documentation says.
const CONNECTIONS_MAX: usize = 1024;
/// File handles of this process besides.
const SPARE_FILES: u64 = 512;

#[test]
fn an_address_may_have_1024_connections_and_the_next_is_told_so() -> Result<()> {
    with_rights(|| {
        let files = rustix::process::Resource::Nofile;
        let mut limit = rustix::process::getrlimit(files);
        let wanted = CONNECTIONS_MAX as u64 + SPARE_FILES;
        limit.current = limit.current.map(|current| current.max(wanted));
        rustix::process::setrlimit(files, limit).context("file handles for a thousand sockets")?;
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.9.0.1/24"])?;
        let (crowd, other) = (lan.host(&["10.9.0.2/24"])?, lan.host(&["10.9.0.3/24"])?);
        let server = Server::start_with(Some(&host.namespace), &["--allow-plain-ws"])?;
        let address = SocketAddr::from(([10, 9, 0, 1], server.port));
        let crowded = crowd.namespace.spawn(move || fill(address))?;
        let (mut seated, refusal) = crowded.join().expect("no panic")?;
        ensure!(seated.len() == CONNECTIONS_MAX, "{} got in", seated.len());
        ensure!(
            refusal.starts_with("HTTP/1.1 429 "),
            "the next heard {refusal}"
        );
        ensure!(
            refusal.ends_with("\r\n\r\ntoo_many_connections\n"),
            "it heard {refusal}"
        );
        let neighbour = other.namespace.spawn(move || metrics(address))?;
        let metrics = neighbour.join().expect("no panic")?;
        ensure!(
            metrics
                .lines()
                .any(|line| line == "snug_connections_refused_total 1"),
            "another address heard {metrics}"
        );
        seated.drain(..1);
        let again = crowd.namespace.spawn(move || wait_for_a_socket(address))?;
        again.join().expect("no panic")
    })
}

/// Opens sockets until one is refused; returns those, and what the last one heard.
fn fill(server: SocketAddr) -> Result<(Vec<TcpStream>, String)> {
    let mut seated = Vec::new();
    while seated.len() <= 2 * CONNECTIONS_MAX {
        let (stream, answer) = ask_for_a_socket(server)?;
        match answer.starts_with("HTTP/1.1 101 ") {
            true => seated.push(stream),
            false => return Ok((seated, answer)),
        }
    }
    anyhow::bail!("nobody is ever refused")
}

/// Tries again until the server has seen that a connection is gone.
fn wait_for_a_socket(server: SocketAddr) -> Result<()> {
    for _ in 0..200 {
        if ask_for_a_socket(server)?.1.starts_with("HTTP/1.1 101 ") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("no place gets free")
}

fn ask_for_a_socket(server: SocketAddr) -> Result<(TcpStream, String)> {
    let mut stream = connect(server)?;
    write!(
        stream,
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {server}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut answer = [0; 1024];
    let mut len = stream.read(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        // A refusal ends the connection.
        while let count @ 1.. = stream.read(&mut answer[len..])? {
            len += count;
        }
    }
    Ok((stream, String::from_utf8_lossy(&answer[..len]).into_owned()))
}

fn metrics(server: SocketAddr) -> Result<String> {
    let mut stream = connect(server)?;
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}
