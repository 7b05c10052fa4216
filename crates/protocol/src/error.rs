//! Why something could not be read, grouped by what the reader can do about it.

/// An input that this crate refuses. The text is a plain sentence with the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A person can choose another name; the text says what is wrong with this one.
    #[error("{0}")]
    Name(&'static str),
    /// A person can correct the link; the text says how.
    #[error("{0}")]
    Link(&'static str),
    /// The other program sent an id that cannot be one.
    #[error("this is not a valid {0}")]
    Id(&'static str),
    /// The other program sent something that is not a media event of the form it claims to be.
    #[error("the media event {kind:?} cannot be read: {cause}")]
    MediaEvent {
        /// The `type` of the event, empty where even that is missing.
        kind: String,
        /// What the JSON reader says.
        cause: String,
    },
    /// The other program answered a join with something that is not a join reply.
    #[error("the answer to the join cannot be read: {0}")]
    JoinReply(String),
    /// This cannot be a passcode, or a step in proving one.
    #[error("A passcode is 1 to 64 visible letters, digits and signs. Type another one.")]
    Passcode,
    /// Something on the network told of rooms in a way that is not ours.
    #[error("this is not what a Snug server tells about its rooms")]
    Advert,
}
