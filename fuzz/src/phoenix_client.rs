//! Frames of a hostile server, said to a client's socket. The first byte chooses the kind of frame;
//! the rest are frames, separated by 0xFF (a byte that no UTF-8 text holds). Whatever the client
//! says can be read by a server, and one frame does not make it say much.

use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_phoenix::client::{Config, Output, PUSHES_MAX, Socket};
use snug_phoenix::{Frame, Payload, Version};

const TOPICS: [&str; 2] = ["room:a", "room:b"];
/// Between two frames.
const PAUSE: Duration = Duration::from_millis(700);

/// Says the input to it.
pub fn run(data: &[u8]) {
    let Some((&first, frames)) = data.split_first() else {
        return;
    };
    let mut now = Instant::now();
    let mut socket = Socket::new(Config::default());
    for topic in TOPICS {
        socket
            .join(topic, Payload::empty(), now)
            .expect("it is the first");
    }
    socket.connect();
    drain(&mut socket, now);
    for bytes in super::pieces(frames) {
        let frame = match std::str::from_utf8(bytes) {
            Ok(text) if first & 1 == 0 => Frame::Text(text.to_owned()),
            _ => Frame::Binary(Bytes::copy_from_slice(bytes)),
        };
        // What is refused is for a channel that was closed, or one too many.
        let _refused = socket.push(TOPICS[bytes.len() % 2], "said", Payload::empty(), now);
        if socket.handle_frame(&frame, now).is_err() {
            socket.handle_disconnected(now);
        }
        drain(&mut socket, now);
        now += PAUSE;
        if socket.deadline().is_some_and(|due| due <= now) {
            socket.handle_timeout(now);
            drain(&mut socket, now);
        }
    }
    socket.close();
    drain(&mut socket, now);
    assert!(TOPICS.iter().all(|topic| !socket.is_joined(topic)));
}

fn drain(socket: &mut Socket, now: Instant) {
    let mut said = 0;
    while let Some(output) = socket.poll_output() {
        said += 1;
        assert!(said <= PUSHES_MAX + 16, "one frame makes it say too much");
        match output {
            Output::Connect => socket.handle_connected(now),
            Output::Send(frame) => {
                let read = Version::V2.decode_client(&frame);
                read.expect("a server reads what a client writes");
            }
            _ => {}
        }
    }
}
