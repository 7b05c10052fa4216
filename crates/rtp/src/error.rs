//! What can be wrong with bytes from the network, and with a caller's buffer.

/// Names the rule that some bytes, or a buffer, broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before the structure they announce does.
    #[error("the packet is shorter than it says")]
    TooShort,
    /// The version field is not 2.
    #[error("the version of the packet is not 2")]
    Version,
    /// The padding count is zero or larger than the packet.
    #[error("the padding of the packet is impossible")]
    Padding,
    /// The caller's buffer cannot hold what is being written.
    #[error("the output buffer is too small")]
    BufferFull,
    /// A header extension has id 0, or more than 255 bytes.
    #[error("the header extension cannot be written")]
    Extension,
    /// A token is empty, longer than 16 bytes, or holds other than visible ASCII.
    #[error("the identifier is not 1 to 16 visible ASCII characters")]
    Token,
    /// An RTCP list has more entries than its count field can say.
    #[error("too many entries for one RTCP packet")]
    TooMany,
}
