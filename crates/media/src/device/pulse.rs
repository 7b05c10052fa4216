//! The sound server of a Linux desktop (PulseAudio, or PipeWire in its place), asked directly: which
//! sources and sinks there are, which is preferred, and when that changes.
//!
//! The streams themselves are cpal's. What cpal does not tell is asked here, on a connection of its
//! own: which source is only a copy of what a loudspeaker plays, that a device is gone (the server
//! quietly moves a stream to another device then), and news without asking again and again. Every
//! answer has a deadline: a server that hangs is an error, not a frozen window.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, Prop, Props, ProtocolError, ServerInfo,
    SetClientNameReply, SinkInfoList, SourceInfoList, SubscriptionEvent, SubscriptionEventFacility,
    SubscriptionEventType, SubscriptionMask, TagStructRead, TagStructReader,
};

use crate::error::{DeviceProblem, InputRole};

/// What the server may take for an answer; it is on the same computer and needs a millisecond.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);
/// A list of hundreds of devices has some 100 KB; a longer message is none of ours.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// News that may come between a question and its answer before something is wrong.
const NEWS_MAX: usize = 1_000;

/// A source or a sink of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Its number until it goes away.
    pub(super) index: u32,
    /// Its name in the server, the same after every start.
    pub(super) name: String,
    /// What people call it; may be empty.
    pub(super) label: String,
    /// Whether it only repeats what a loudspeaker plays.
    pub(super) is_monitor: bool,
    /// Whether the server prefers it.
    pub(super) is_default: bool,
}

/// What came of waiting for news.
#[derive(Debug)]
pub(super) enum Waited {
    /// Something changed.
    News(SubscriptionEvent),
    /// Nothing did, for as long as was asked.
    Quiet,
    /// The server is gone, or [`Stopper::stop`] was called.
    Gone,
}

/// Whether the news are that the device with this number is gone.
pub(super) fn is_end_of(news: SubscriptionEvent, role: InputRole, index: Option<u32>) -> bool {
    let facility = match role {
        InputRole::Speaker => SubscriptionEventFacility::Sink,
        _ => SubscriptionEventFacility::Source,
    };
    news.event_facility == facility
        && news.event_type == SubscriptionEventType::Removed
        && news.index == index
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    sequence: u32,
    /// News that came while an answer was awaited.
    news: Vec<SubscriptionEvent>,
}

/// Ends a [`Connection::wait`] from another thread.
#[derive(Debug)]
pub(super) struct Stopper(UnixStream);

impl Stopper {
    pub(super) fn stop(&self) {
        // Fails only when the connection is closed already, which is what is wanted.
        self.0.shutdown(Shutdown::Both).ok();
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoServer {
    /// None runs for this user.
    Absent,
    /// One runs, but will not talk.
    Silent(DeviceProblem),
}

/// Whether there is a server to connect to.
pub(super) fn is_there() -> bool {
    pulseaudio::socket_path_from_env().is_some_and(|path| UnixStream::connect(path).is_ok())
}

impl Connection {
    /// Connects to the server that the environment names.
    pub(super) fn open() -> Result<Self, NoServer> {
        let path = pulseaudio::socket_path_from_env().ok_or(NoServer::Absent)?;
        let socket = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => NoServer::Silent(DeviceProblem::Denied),
            // A socket that nobody listens on any more is none.
            _ => NoServer::Absent,
        })?;
        Self::greet(socket).map_err(|error| match error {
            // It ended while we knocked.
            ProtocolError::Io(error) if !is_timeout(&error) => NoServer::Absent,
            error => NoServer::Silent(problem(&error)),
        })
    }

    fn greet(socket: UnixStream) -> Result<Self, ProtocolError> {
        socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        socket.set_write_timeout(Some(ANSWER_TIME_MAX))?;
        let mut connection = Self {
            socket: BufReader::new(socket),
            version: protocol::MAX_VERSION,
            sequence: 0,
            news: Vec::new(),
        };
        // Without a cookie the server still lets its own user in.
        let cookie = pulseaudio::cookie_path_from_env()
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default();
        let auth = AuthParams {
            version: protocol::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie,
        };
        let reply: AuthReply = connection.ask(&Command::Auth(auth))?;
        connection.version = reply.version.min(protocol::MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"Snug");
        let _named: SetClientNameReply = connection.ask(&Command::SetClientName(props))?;
        Ok(connection)
    }

    /// Asks for what can record; monitors last.
    pub(super) fn sources(&mut self) -> Result<Vec<Node>, DeviceProblem> {
        let favourite = self.server_info()?.default_source_name;
        let sources: SourceInfoList = self
            .ask(&Command::GetSourceInfoList)
            .map_err(|error| problem(&error))?;
        let mut nodes: Vec<Node> = sources
            .into_iter()
            .map(|source| Node {
                index: source.index,
                is_default: favourite.as_ref() == Some(&source.name),
                name: source.name.to_string_lossy().into_owned(),
                label: text(source.description.as_deref()),
                is_monitor: source.monitor_of_sink_index.is_some(),
            })
            .collect();
        nodes.sort_by_key(|node| node.is_monitor);
        Ok(nodes)
    }

    /// Asks for what can play.
    pub(super) fn sinks(&mut self) -> Result<Vec<Node>, DeviceProblem> {
        let favourite = self.server_info()?.default_sink_name;
        let sinks: SinkInfoList = self
            .ask(&Command::GetSinkInfoList)
            .map_err(|error| problem(&error))?;
        let nodes = sinks.into_iter().map(|sink| Node {
            index: sink.index,
            is_default: favourite.as_ref() == Some(&sink.name),
            name: sink.name.to_string_lossy().into_owned(),
            label: text(sink.description.as_deref()),
            is_monitor: false,
        });
        Ok(nodes.collect())
    }

    fn server_info(&mut self) -> Result<ServerInfo, DeviceProblem> {
        self.ask(&Command::GetServerInfo)
            .map_err(|error| problem(&error))
    }

    /// Asks to be told about changes of sources, sinks and of which is preferred.
    pub(super) fn subscribe(&mut self) -> Result<(), DeviceProblem> {
        let what = SubscriptionMask::SINK | SubscriptionMask::SOURCE | SubscriptionMask::SERVER;
        let _done: Nothing = self
            .ask(&Command::Subscribe(what))
            .map_err(|error| problem(&error))?;
        Ok(())
    }

    /// Makes what ends [`wait`](Self::wait).
    pub(super) fn stopper(&self) -> Result<Stopper, DeviceProblem> {
        let socket = self.socket.get_ref().try_clone();
        let socket = socket.map_err(|error| DeviceProblem::Backend(error.to_string()))?;
        Ok(Stopper(socket))
    }

    /// Waits for news for as long as `patience`.
    pub(super) fn wait(&mut self, patience: Duration) -> Waited {
        if let Some(news) = self.news.pop() {
            return Waited::News(news);
        }
        if self
            .socket
            .get_ref()
            .set_read_timeout(Some(patience))
            .is_err()
        {
            return Waited::Gone;
        }
        match self.socket.fill_buf() {
            Ok([]) => return Waited::Gone,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => return Waited::Quiet,
            Err(_) => return Waited::Gone,
        }
        let restored = self
            .socket
            .get_ref()
            .set_read_timeout(Some(ANSWER_TIME_MAX));
        match restored
            .map_err(ProtocolError::from)
            .and_then(|()| self.receive())
        {
            Ok((_, Command::SubscribeEvent(news), _)) => Waited::News(news),
            Ok(_) => Waited::Quiet,
            Err(_) => Waited::Gone,
        }
    }

    /// Puts a question and waits for its answer; keeps the news that come before it.
    fn ask<R: TagStructRead>(&mut self, question: &Command) -> Result<R, ProtocolError> {
        self.sequence += 1;
        let socket = self.socket.get_mut();
        socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        protocol::write_command_message(socket, self.sequence, question, self.version)?;
        for _ in 0..NEWS_MAX {
            match self.receive()? {
                (_, Command::SubscribeEvent(news), _) => self.news.push(news),
                (sequence, Command::Reply, mut rest) if sequence == self.sequence => {
                    return TagStructReader::new(&mut rest, self.version).read();
                }
                (sequence, Command::Error(error), _) if sequence == self.sequence => {
                    return Err(ProtocolError::ServerError(error));
                }
                _ => {}
            }
        }
        Err(ProtocolError::Invalid("no answer among the news".into()))
    }

    /// Reads one message: its number, what it is, and the rest of it.
    fn receive(&mut self) -> Result<(u32, Command, Cursor<Vec<u8>>), ProtocolError> {
        let descriptor = protocol::read_descriptor(&mut self.socket)?;
        let length = descriptor.length as usize;
        if length > MESSAGE_BYTES_MAX {
            return Err(ProtocolError::Invalid(format!("{length} bytes")));
        }
        let mut message = vec![0; length];
        self.socket.read_exact(&mut message)?;
        let mut message = Cursor::new(message);
        let (sequence, command) = Command::read_tag_prefixed(&mut message, self.version)?;
        Ok((sequence, command, message))
    }
}

/// An answer without content.
struct Nothing;

impl TagStructRead for Nothing {
    fn read(_: &mut TagStructReader<'_>, _: u16) -> Result<Self, ProtocolError> {
        Ok(Self)
    }
}

fn text(label: Option<&std::ffi::CStr>) -> String {
    label.map_or_else(String::new, |label| label.to_string_lossy().into_owned())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn problem(error: &ProtocolError) -> DeviceProblem {
    use protocol::PulseError;
    match error {
        ProtocolError::Io(error) if is_timeout(error) => {
            DeviceProblem::Backend("the sound server does not answer".into())
        }
        ProtocolError::ServerError(PulseError::AccessDenied | PulseError::AuthKey) => {
            DeviceProblem::Denied
        }
        _ => DeviceProblem::Backend(format!("sound server: {error}")),
    }
}
