//! A peer written out by hand: Phoenix Channels V2 over a plain WebSocket, without media and
//! without Snug's extensions unless a test adds them. It stands for an unmodified client, does
//! exactly what a test says, and can misbehave in ways that our own client cannot.
//!
//! Blocking on purpose: a test reads from top to bottom, and a race is as many threads.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How many unread frames a peer keeps; a scenario that leaves more unread is broken.
const UNREAD_MAX: usize = 100_000;

/// One Phoenix V2 text frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Which join it belongs to.
    pub join_ref: Value,
    /// Which push it answers.
    pub reference: Value,
    /// Its topic.
    pub topic: String,
    /// Its event.
    pub event: String,
    /// Its payload.
    pub payload: Value,
}

impl Frame {
    fn parse(text: &str) -> Result<Self> {
        let (join_ref, reference, topic, event, payload) =
            serde_json::from_str(text).with_context(|| format!("not a V2 frame: {text}"))?;
        Ok(Self {
            join_ref,
            reference,
            topic,
            event,
            payload,
        })
    }

    /// Reads the media event inside a `mediaEvent` frame.
    #[must_use]
    pub fn media_event(&self) -> Option<Value> {
        if self.event != "mediaEvent" {
            return None;
        }
        serde_json::from_str(self.payload.get("data")?.as_str()?).ok()
    }
}

/// Takes a media event out of the `custom` one around it, if there is one.
fn unwrapped(mut event: Value) -> Value {
    match event["type"] == "custom" {
        true => event["data"].take(),
        false => event,
    }
}

/// A WebSocket that speaks Phoenix V2.
#[derive(Debug)]
pub struct Socket {
    ws: WebSocket<TcpStream>,
    unread: VecDeque<Frame>,
    count: u64,
}

impl Socket {
    /// Connects to `/socket/websocket` of a server.
    ///
    /// # Errors
    /// When the connection or the upgrade is refused.
    pub fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{server}/socket/websocket?vsn=2.0.0");
        let (ws, _) = tungstenite::client(url, stream).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(Self {
            ws,
            unread: VecDeque::new(),
            count: 0,
        })
    }

    /// Sends a push and returns its reference.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn push(
        &mut self,
        join_ref: Option<&str>,
        topic: &str,
        event: &str,
        payload: &Value,
    ) -> Result<String> {
        self.count += 1;
        let reference = self.count.to_string();
        // The join names itself: join_ref is its own reference.
        let join_ref = if event == "phx_join" {
            Some(reference.as_str())
        } else {
            join_ref
        };
        let frame = json!([join_ref, reference, topic, event, payload]);
        self.send(Message::text(frame.to_string()))?;
        Ok(reference)
    }

    /// Sends any message, well-formed or not.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn send(&mut self, message: Message) -> Result<()> {
        self.ws.get_ref().set_read_timeout(None)?;
        Ok(self.ws.send(message)?)
    }

    /// Reads the next frame, or none when nothing comes in time. Answers pings on the way.
    ///
    /// # Errors
    /// When the socket is closed or the frame is not Phoenix V2.
    pub fn next(&mut self, within: Duration) -> Result<Option<Frame>> {
        if let Some(frame) = self.unread.pop_front() {
            return Ok(Some(frame));
        }
        let deadline = Instant::now() + within;
        loop {
            match self.read_message(deadline)? {
                Some(Message::Text(text)) => return Frame::parse(&text).map(Some),
                Some(Message::Close(frame)) => bail!("the server closed the socket: {frame:?}"),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Reads one WebSocket message, or none when nothing comes before the deadline.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn read_message(&mut self, deadline: Instant) -> Result<Option<Message>> {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean for ever.
        self.ws
            .get_ref()
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match self.ws.read() {
            Ok(message) => Ok(Some(message)),
            Err(tungstenite::Error::Io(error))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what is queued, such as the answer to a ping.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.ws.flush()?)
    }

    /// Waits for the first frame that is wanted; others stay to be read later.
    ///
    /// # Errors
    /// When it does not come in time or the socket is closed.
    pub fn wait_for(
        &mut self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame> {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).context("it was just there");
        }
        let deadline = Instant::now() + within;
        let mut others = std::mem::take(&mut self.unread);
        let found = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(frame) = self.next(left)? else {
                break None;
            };
            if wanted(&frame) {
                break Some(frame);
            }
            ensure!(
                others.len() < UNREAD_MAX,
                "too many frames were left unread"
            );
            others.push_back(frame);
        };
        self.unread = others;
        found.with_context(|| format!("no {what} within {within:?}; unread: {:?}", self.unread))
    }

    /// Waits for the answer to a push: its status and its response.
    ///
    /// # Errors
    /// When it does not come in time or the socket is closed.
    pub fn reply(&mut self, reference: &str, within: Duration) -> Result<(String, Value)> {
        let frame = self.wait_for("reply", within, |frame| {
            frame.event == "phx_reply" && frame.reference == reference
        })?;
        let status = frame
            .payload
            .get("status")
            .and_then(Value::as_str)
            .context("no status")?;
        Ok((
            status.to_owned(),
            frame.payload.get("response").cloned().unwrap_or_default(),
        ))
    }

    /// Lends the connection under it, for what no WebSocket library would send.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.ws.get_ref()
    }

    /// Forgets every frame that was not read yet.
    pub fn forget_unread(&mut self) {
        self.unread.clear();
    }
}

/// A peer in a room.
#[derive(Debug)]
pub struct Peer {
    /// Its socket, for anything unusual.
    pub socket: Socket,
    topic: String,
    join_ref: String,
}

impl Peer {
    /// Connects and joins a room as an unmodified client does, without a resume token.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn join(server: SocketAddr, room: &str) -> Result<Self> {
        Self::join_on(Socket::connect(server)?, room, &json!({}))
    }

    /// Joins a room on this socket with these parameters.
    ///
    /// # Errors
    /// When the server refuses; the error holds its response.
    pub fn join_on(mut socket: Socket, room: &str, parameters: &Value) -> Result<Self> {
        let topic = format!("room:{room}");
        let join_ref = socket.push(None, &topic, "phx_join", parameters)?;
        let (status, response) = socket.reply(&join_ref, Duration::from_secs(5))?;
        ensure!(status == "ok", "joining {room} was refused: {response}");
        Ok(Self {
            socket,
            topic,
            join_ref,
        })
    }

    /// Sends a media event, wrapped as the JS client does.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn say(&mut self, event: &Value) -> Result<()> {
        let payload = json!({ "data": event.to_string() });
        self.socket
            .push(Some(&self.join_ref), &self.topic, "mediaEvent", &payload)
            .map(drop)
    }

    /// Sends any channel event.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn push(&mut self, event: &str, payload: &Value) -> Result<()> {
        self.socket
            .push(Some(&self.join_ref), &self.topic, event, payload)
            .map(drop)
    }

    /// Sends `connect` under this name and returns the `data` of the `connected` that answers.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn connect(&mut self, name: &str) -> Result<Value> {
        self.say(&json!({ "type": "connect", "data": { "metadata": { "displayName": name } } }))?;
        self.hears("connected", Duration::from_secs(5))
    }

    /// The same in the words of generation A, which no release on npm speaks: `join`, and
    /// `peerAccepted` as the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn connect_as_generation_a(&mut self, name: &str) -> Result<Value> {
        self.say(&json!({ "type": "join", "data": { "metadata": { "displayName": name } } }))?;
        self.hears("peerAccepted", Duration::from_secs(5))
    }

    /// Waits for a media event of this type and returns its `data`.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn hears(&mut self, kind: &str, within: Duration) -> Result<Value> {
        let topic = self.topic.clone();
        let frame = self.socket.wait_for(kind, within, |frame| {
            let event = frame.media_event().map(unwrapped);
            frame.topic == topic && event.is_some_and(|event| event["type"] == *kind)
        })?;
        let event = frame.media_event().context("it was one")?;
        Ok(unwrapped(event)["data"].take())
    }

    /// Leaves the room, waits for the answer, and gives the socket back.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn leave(mut self) -> Result<Socket> {
        let reference =
            self.socket
                .push(Some(&self.join_ref), &self.topic, "phx_leave", &json!({}))?;
        let (status, response) = self.socket.reply(&reference, Duration::from_secs(5))?;
        ensure!(status == "ok", "leaving was refused: {response}");
        Ok(self.socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Serves one socket that answers a join with `status` and then sends `more`.
    fn server(status: &'static str, more: &'static [&'static str]) -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || -> Result<()> {
            let mut ws = tungstenite::accept(listener.accept()?.0)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            let join: Value = serde_json::from_str(ws.read()?.to_text()?)?;
            let answer = json!({ "status": status, "response": { "reason": "why" } });
            let reply = json!([join[0], join[1], join[2], "phx_reply", answer]);
            for text in more {
                ws.send(Message::text(*text))?;
            }
            ws.send(Message::text(reply.to_string()))?;
            while ws.read().is_ok() {}
            Ok(())
        });
        Ok(address)
    }

    #[test]
    fn frames_before_the_reply_are_kept() -> Result<()> {
        let early = r#"["1",null,"room:a","mediaEvent",{"data":"{\"type\":\"hi\",\"data\":7}"}]"#;
        let mut peer = Peer::join(server("ok", Box::leak(Box::new([early])))?, "a")?;
        assert_eq!(peer.hears("hi", Duration::from_secs(1))?, 7);
        assert!(peer.hears("hi", Duration::from_millis(20)).is_err());
        Ok(())
    }

    #[test]
    fn a_refusal_is_an_error_with_its_reason() -> Result<()> {
        let error = Peer::join(server("error", &[])?, "a").expect_err("refused");
        assert!(error.to_string().contains("why"), "{error}");
        Ok(())
    }
}
