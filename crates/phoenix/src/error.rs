//! What can be wrong with a frame or a request to this crate.

/// Tells why a frame could not be read or written, or a client request not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not the JSON that this serializer version prescribes.
    #[error("not a Phoenix text frame: {0}")]
    Json(#[from] serde_json::Error),
    /// The binary frame ends early, has an unknown kind byte or is not UTF-8 in its head.
    #[error("not a Phoenix binary frame: {0}")]
    Binary(&'static str),
    /// Version 1 of the serializer knows text only.
    #[error("version 1 of the Phoenix serializer has no binary frames")]
    BinaryOnVersion1,
    /// A name in the head of a binary frame is longer than its one length byte can say.
    #[error("{field} has {bytes} bytes; a binary frame holds at most 255")]
    TooLong {
        /// Which name: `join_ref`, `ref`, `topic`, `event` or `status`.
        field: &'static str,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The client core knows no channel of this topic.
    #[error("no channel was joined under this topic")]
    NotJoined,
    /// The client core already has a channel of this topic.
    #[error("a channel was already joined under this topic")]
    AlreadyJoined,
    /// Too many pushes wait for a join or for their reply.
    #[error("too many pushes are waiting on this socket")]
    TooManyPushes,
}
