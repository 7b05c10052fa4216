//! A whole conversation of frames with a server socket. The first byte chooses the version; the
//! rest are frames, separated by 0xFF (a byte that no UTF-8 text holds). Whatever the socket
//! answers must be readable by a client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_phoenix::server::{
    Channel, Flow, IDLE_TIMEOUT, JoinOutcome, Outbox, Output, Socket, Terminate,
};
use snug_phoenix::{Frame, Payload, Version};

/// Answers, stops or crashes as the event's first byte says.
struct Moody;

impl Channel for Moody {
    type Command = ();
    type Info = ();

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<()>) -> Flow {
        match event.as_bytes().first() {
            Some(b's') => Flow::Stop,
            Some(b'c') => Flow::Crash,
            Some(b'p') => {
                out.push("pushed", payload);
                Flow::Continue
            }
            _ => {
                out.reply("ok", payload);
                Flow::Continue
            }
        }
    }

    fn handle_info(&mut self, (): (), _: &mut Outbox<()>) -> Flow {
        Flow::Continue
    }

    fn terminate(&mut self, _: Terminate, _: &mut Outbox<()>) {}
}

/// Says the input to it.
pub fn run(data: &[u8]) {
    let Some((&first, frames)) = data.split_first() else {
        return;
    };
    let version = if first & 1 == 0 {
        Version::V2
    } else {
        Version::V1
    };
    let mut now = Instant::now();
    let mut socket: Socket<Moody> = Socket::new(version, IDLE_TIMEOUT, now);
    for bytes in super::pieces(frames) {
        let frame = match std::str::from_utf8(bytes) {
            Ok(text) if first & 2 == 0 => Frame::Text(text.to_owned()),
            _ => Frame::Binary(Bytes::copy_from_slice(bytes)),
        };
        now += Duration::from_millis(700);
        socket.handle_frame(frame, now);
        drain(&mut socket, version);
    }
    socket.handle_closed();
    drain(&mut socket, version);
}

fn drain(socket: &mut Socket<Moody>, version: Version) {
    while let Some(output) = socket.poll_output() {
        match output {
            Output::Join { id, .. } => {
                let response = serde_json::json!({});
                socket.handle_joined(
                    id,
                    JoinOutcome::Joined {
                        channel: Moody,
                        response,
                    },
                );
            }
            Output::Send(frame) => {
                version
                    .decode_server(&frame)
                    .expect("a client reads what a server writes");
            }
            _ => {}
        }
    }
}
