//! Which pages and which names get a socket from the real program: its own, those that it was
//! told of, and nobody else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::process::Server;

/// Asks for a socket on loopback under a Host and an Origin; returns the status.
fn status(port: u16, host: &str, origin: Option<&str>) -> Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    write!(
        stream,
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {host}\r\n{origin}\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let text = std::str::from_utf8(&answer)?;
    Ok(text.split(' ').nth(1).context("no status")?.parse()?)
}

#[test]
fn only_our_own_pages_and_those_allowed_get_a_socket() -> Result<()> {
    let arguments = [
        "--allow-origin",
        "https://rooms.example",
        "--announce",
        "203.0.113.9:9000",
    ];
    let server = Server::start_with(None, &arguments)?;
    let port = server.port;
    let ours = format!("127.0.0.1:{port}");
    let local = format!("localhost:{port}");
    let own = format!("http://{ours}");
    let neighbour = format!("http://127.0.0.1:{}", port.wrapping_add(1).max(1024));
    let cases = [
        (&ours[..], None, 101),
        (&ours, Some(&own[..]), 101),
        (&local, Some(&format!("http://{local}")), 101),
        (&ours, Some("https://rooms.example"), 101),
        ("203.0.113.9:9000", Some("http://203.0.113.9:9000"), 101),
        (&ours, Some("null"), 403),
        (&ours, Some("https://evil.example"), 403),
        (&ours, Some("http://rooms.example"), 403),
        (&ours, Some("https://rooms.example.evil.example"), 403),
        (&ours, Some(&neighbour), 403),
        ("rebound.example", Some("http://rebound.example"), 403),
        ("rebound.example", None, 403),
        ("203.0.113.10:9000", None, 403),
    ];
    for (host, origin, expected) in cases {
        let found = status(port, host, origin)?;
        ensure!(
            found == expected,
            "{host} {origin:?}: {found}, not {expected}"
        );
    }
    Ok(())
}

#[test]
fn settings_that_cannot_be_read_are_refused_at_the_start() {
    for arguments in [
        ["--allow-origin", "rooms.example"],
        ["--announce", "two words"],
        ["--tls-cert", "/nowhere"],
    ] {
        assert!(
            Server::start_with(None, &arguments).is_err(),
            "{arguments:?}"
        );
    }
}
