//! What an application implements to be served on sockets.

use std::net::SocketAddr;

use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, JoinOutcome};

use super::Mailbox;

/// Decides who connects, what may be joined, and performs what its channels command.
///
/// One clone serves each socket, so a clone should be a handle, not a copy of the state.
pub trait Application: Clone + Send + Sync + 'static {
    /// One joined topic on one socket.
    type Channel: Channel<Command: Send + 'static, Info: Send + 'static> + Send + 'static;

    /// Tells whether any channel serves `topic`; otherwise the client hears `unmatched topic`.
    fn topic_matches(&self, topic: &str) -> bool;

    /// Accepts or refuses (HTTP 403) a socket. Host, Origin and `vsn` are checked already.
    ///
    /// # Errors
    /// [`Refused`] to refuse it.
    fn connect(&self, request: &Connect) -> Result<(), Refused>;

    /// Answers a join. The socket handles nothing else meanwhile. A panic counts as
    /// [`JoinOutcome::Crashed`].
    fn join(
        &self,
        join: Join<Self::Channel>,
    ) -> impl Future<Output = JoinOutcome<Self::Channel>> + Send;

    /// Performs a command of a channel. The socket reads nothing meanwhile, so a full room
    /// mailbox pushes back on the TCP connection of the peer that fills it.
    fn perform(
        &self,
        command: <Self::Channel as Channel>::Command,
    ) -> impl Future<Output = ()> + Send;
}

/// Describes the connection under a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Our end. Media is announced at this address. Never an IPv4-mapped IPv6 address.
    pub local: SocketAddr,
    /// The other end. Never an IPv4-mapped IPv6 address.
    pub remote: SocketAddr,
    /// Whether TLS protects it.
    pub secure: bool,
}

/// Describes a socket that asks to be accepted.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The query parameters, decoded, in order; `vsn` among them.
    pub params: Vec<(String, String)>,
    /// The connection under it.
    pub connection: ConnectionInfo,
}

impl Connect {
    /// Returns a query parameter; of several with one name the last, as Phoenix does.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Says that a socket is not accepted; the client sees HTTP 403 without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Asks an application for a channel.
#[derive(Debug)]
pub struct Join<C: Channel> {
    /// What is to be joined, for example `room:kitchen`.
    pub topic: String,
    /// What the client says about it: any JSON, or bytes.
    pub payload: Payload,
    /// The connection it came over.
    pub connection: ConnectionInfo,
    /// Reaches the new channel, also before the join is answered: what is sent then arrives
    /// after the join's reply.
    pub mailbox: Mailbox<C::Info>,
}
