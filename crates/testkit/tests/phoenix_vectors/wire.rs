//! A WebSocket client that can say everything, right or wrong, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take: far more than any needs on a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status_line: String,
    /// In lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A frame, or the end of the connection.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame { opcode: u8, payload: Vec<u8> },
    End,
}

/// How a frame is to be written.
#[derive(Clone, Copy)]
pub struct Form {
    pub opcode: u8,
    pub fin: bool,
    /// The three reserved bits.
    pub rsv: u8,
    pub mask: bool,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("TCP");
        Wire {
            stream,
            unread: Vec::new(),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it said before still counts.
        drop(self.stream.write_all(bytes).await);
    }

    pub async fn send(&mut self, form: Form, payload: &[u8]) {
        let mut frame = vec![u8::from(form.fin) << 7 | form.rsv << 4 | form.opcode];
        let mask_bit = u8::from(form.mask) << 7;
        match payload.len() {
            short @ 0..=125 => frame.push(mask_bit | short as u8),
            middle @ 126..=0xffff => {
                frame.push(mask_bit | 126);
                frame.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                frame.push(mask_bit | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let key = [0x37, 0xfa, 0x21, 0x3d];
        if form.mask {
            frame.extend_from_slice(&key);
            frame.extend(
                payload
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
        } else {
            frame.extend_from_slice(payload);
        }
        self.write(&frame).await;
    }

    pub async fn answer(&mut self) -> Answer {
        timeout(ANSWER_MAX, self.read_answer())
            .await
            .expect("an HTTP answer in time")
    }

    pub async fn hear(&mut self) -> Heard {
        timeout(ANSWER_MAX, self.read_frame())
            .await
            .expect("a frame in time")
    }

    /// Hears nothing for a moment; returns what came instead.
    pub async fn hear_nothing(&mut self, moment: Duration) -> Option<Heard> {
        timeout(moment, self.read_frame()).await.ok()
    }

    /// Reads to the end of the connection, whatever it is; returns how many bytes came.
    pub async fn read_to_end(&mut self) -> usize {
        let reading = async {
            let mut count = self.unread.len();
            loop {
                self.unread.clear();
                if !self.fill().await {
                    return count;
                }
                count += self.unread.len();
            }
        };
        timeout(ANSWER_MAX, reading).await.expect("an end in time")
    }

    async fn read_answer(&mut self) -> Answer {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.fill().await,
                "the connection ended inside an HTTP answer"
            );
        };
        let head: Vec<u8> = self.unread.drain(..head_end + 4).collect();
        let head = String::from_utf8(head).expect("an ASCII head");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header line");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: Vec<_> = lines.map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        while self.unread.len() < length {
            assert!(self.fill().await, "the connection ended inside a body");
        }
        let body: Vec<u8> = self.unread.drain(..length).collect();
        Answer {
            status_line,
            headers,
            body: String::from_utf8(body).expect("a text body"),
        }
    }

    async fn read_frame(&mut self) -> Heard {
        loop {
            if let Some((head, length)) = frame_size(&self.unread)
                && self.unread.len() >= head + length
            {
                assert_eq!(
                    self.unread[0] & 0xf0,
                    0x80,
                    "whole and without reserved bits"
                );
                let opcode = self.unread[0] & 0x0f;
                let payload = self.unread.drain(..head + length).skip(head).collect();
                return Heard::Frame { opcode, payload };
            }
            if !self.fill().await {
                assert!(
                    self.unread.is_empty(),
                    "the connection ended inside a frame"
                );
                return Heard::End;
            }
        }
    }

    /// Returns false at the end of the connection, also by reset.
    async fn fill(&mut self) -> bool {
        self.stream
            .read_buf(&mut self.unread)
            .await
            .is_ok_and(|count| count > 0)
    }
}

/// Returns the bytes of the head and of the payload, once the head is there.
fn frame_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let short = *bytes.get(1)?;
    assert_eq!(short & 0x80, 0, "a server masks nothing");
    match short {
        126 => {
            let long = bytes.get(2..4)?.try_into().expect("two bytes");
            Some((4, usize::from(u16::from_be_bytes(long))))
        }
        127 => {
            let long = bytes.get(2..10)?.try_into().expect("eight bytes");
            Some((10, u64::from_be_bytes(long) as usize))
        }
        short => Some((2, usize::from(short))),
    }
}
