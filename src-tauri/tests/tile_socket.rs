//! The tile socket of the real app, approached by strangers: the page's pictures are nobody
//! else's, and a stranger's knocking does not disturb them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use snug_testkit::process::PATIENCE;

use crate::desk::{OWN, host, opening};

/// The window's own origin, as its page has it.
const ORIGIN: &str = "tauri://localhost";
/// The app gives a stranger two seconds to show a token.
const SHUT_OUT_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn strangers_are_shut_out_and_the_page_keeps_its_pictures() -> Result<()> {
    let window = opening().open()?;
    host(&window)?;
    window.strip(OWN, PATIENCE)?;
    let port = tile_port(window.app()?)?;

    // A foreign page, another name for this computer, no origin at all: no handshake.
    for (origin, host) in [
        (Some("https://example.org"), format!("127.0.0.1:{port}")),
        (Some("null"), format!("127.0.0.1:{port}")),
        (Some(ORIGIN), format!("rebound.example:{port}")),
        (None, format!("127.0.0.1:{port}")),
    ] {
        let (status, _) = handshake(port, origin, &host)?;
        ensure!(status != 101, "origin {origin:?}, host {host} was let in");
    }
    // The right origin, which a program can claim, and a wrong token, an empty one, none in time.
    for token in [Some("0".repeat(32)), Some(String::new()), None] {
        let (status, mut stream) = handshake(port, Some(ORIGIN), &format!("127.0.0.1:{port}"))?;
        ensure!(status == 101, "the real origin gets {status}");
        if let Some(token) = &token {
            stream.write_all(&text_frame(token))?;
        }
        let asked = Instant::now();
        let said = everything(&mut stream)?;
        ensure!(
            asked.elapsed() < SHUT_OUT_WITHIN,
            "{token:?} stays connected"
        );
        // A close frame at the most: no picture, no level.
        ensure!(
            said.len() < 100 && !said.contains(&0x82),
            "{token:?} got {said:?}"
        );
    }
    let before = window.strip(OWN, PATIENCE)?;
    window.strip_after(OWN, before, PATIENCE)?;
    Ok(())
}

/// Finds the port that the app listens on for its page: of its listeners on 127.0.0.1 the one that
/// opens a WebSocket. The web view itself has another, for its driver.
fn tile_port(app: u32) -> Result<u16> {
    let sockets = own_sockets(app)?;
    let table = std::fs::read_to_string(format!("/proc/{app}/net/tcp"))?;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else {
            continue;
        };
        // 0100007F is 127.0.0.1 as the kernel writes it; 0A is LISTEN.
        let Some(port) = local.strip_prefix("0100007F:") else {
            continue;
        };
        if state == "0A" && sockets.contains(&inode.to_owned()) {
            let port = u16::from_str_radix(port, 16)?;
            let asked = handshake(port, Some(ORIGIN), &format!("127.0.0.1:{port}"));
            if asked.is_ok_and(|(status, _)| status == 101) {
                return Ok(port);
            }
        }
    }
    bail!("the app opens a WebSocket nowhere on 127.0.0.1")
}

fn own_sockets(process: u32) -> Result<Vec<String>> {
    let mut inodes = Vec::new();
    for file in std::fs::read_dir(format!("/proc/{process}/fd"))?.flatten() {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if let Some(inode) = target.strip_prefix("socket:[") {
            inodes.push(inode.trim_end_matches(']').to_owned());
        }
    }
    Ok(inodes)
}

/// Asks for a WebSocket by hand and says the status of the answer.
fn handshake(port: u16, origin: Option<&str>, host: &str) -> Result<(u16, TcpStream)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SHUT_OUT_WITHIN))?;
    let origin = origin.map_or_else(String::new, |it| format!("Origin: {it}\r\n"));
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            // Closed without an answer: as shut out as one can be.
            _ => return Ok((0, stream)),
        }
    }
    let head = String::from_utf8(head)?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, stream))
}

/// Writes a short text frame as a client does, masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a token is short");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    frame
}

/// Reads until the other side closes.
fn everything(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => Ok(all),
        // Closed with our bytes unread.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(all),
        Err(error) => Err(error).context("not closed"),
    }
}
