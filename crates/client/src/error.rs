//! What can go wrong for a participant, as sentences a person can act on.

use std::io;
use std::path::PathBuf;

use snug_protocol::ReasonCode;

/// Why a participant cannot join, or cannot go on.
///
/// `Display` says what happened, [`Error::hint`] the next step, [`Error::code`] a stable word for
/// programs, and [`Error::kind`] what a caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name in the link does not resolve to an address.
    #[error("This network knows no computer called {host}.")]
    UnknownHost {
        /// Name as it stands in the link.
        host: String,
    },
    /// The computer answered, but nothing listens on the port.
    #[error("{target} is reachable, but Snug is not open there.")]
    PortRefused {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// Nothing came back in time, from the computer or from the port.
    #[error("No answer from {target}.")]
    NoAnswer {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// The network said that the computer cannot be reached.
    #[error("There is no way from this computer to {target}: {source}.")]
    Unreachable {
        /// `host:port` as it stands in the link.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The link carries a fingerprint, and the computer shows another key.
    #[error("{target} is not the computer this link was made for.")]
    WrongKey {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// The computer shows another key than the one remembered from earlier.
    #[error("{target} is not the computer you joined last time.")]
    ChangedKey {
        /// `host:port` as it stands in the link.
        target: String,
        /// File that remembers the earlier key.
        known_hosts: PathBuf,
    },
    /// No certificate authority of this computer vouches for the host.
    #[error("Nobody this computer trusts vouches for {target}.")]
    UntrustedCertificate {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// The media connection was offered with one certificate and answered with another.
    #[error("Sound and picture from {target} are sealed with another key than the room announced.")]
    MediaKey {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// Something listens there, but it is neither Snug nor a Phoenix room server.
    #[error("{target} answers, but it is not a Snug room.")]
    NotSnug {
        /// `host:port` as it stands in the link.
        target: String,
        /// What it said instead, for the log.
        detail: String,
    },
    /// The room turned the participant away, or ended its session.
    #[error("{}", first_sentence(reason))]
    Refused {
        /// Stable code, as the server sent it.
        code: String,
        /// What happened and the next step, in sentences.
        reason: String,
    },
    /// The room removed the participant.
    #[error("The host removed you from the room {room}.")]
    Removed {
        /// Room name as it stands in the link.
        room: String,
    },
    /// The room ended.
    #[error("The room {room} was closed.")]
    RoomClosed {
        /// Room name as it stands in the link.
        room: String,
    },
    /// Media could not be connected although signalling works.
    #[error("The room answers, but sound and picture do not get through to {target}.")]
    MediaUnreachable {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// The connection went away and did not come back.
    #[error("The connection to {target} is lost.")]
    ConnectionLost {
        /// `host:port` as it stands in the link.
        target: String,
    },
    /// A picture or sound source, a codec or the recording failed.
    #[error("{}", capitalised(.0))]
    Media(#[from] snug_media::Error),
    /// The participant has already left.
    #[error("This participant has already left the room.")]
    Left,
    /// Too many requests are waiting; the participant is busy.
    #[error("Earlier requests are still being worked on.")]
    Busy,
    /// A library refused something that should hold; worth a report.
    #[error("Something went wrong inside Snug: {0}.")]
    Internal(String),
}

/// What a caller can do about an [`Error`]; the command line maps these to exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host was not reached: unknown name, refused port, no answer.
    NotReached,
    /// The host is not who the link or an earlier call says.
    Trust,
    /// The room refused, removed or closed.
    Refused,
    /// An input file or device is bad.
    Input,
    /// The recording cannot be written.
    Recording,
    /// The server is neither Snug nor Phoenix.
    NotSnug,
    /// The connection is lost for good.
    Lost,
    /// Everything else.
    Unexpected,
}

impl Error {
    /// Returns a stable word for programs and translations.
    pub fn code(&self) -> &'static str {
        match self {
            Error::UnknownHost { .. } => "unknown_host",
            Error::PortRefused { .. } => "port_refused",
            Error::NoAnswer { .. } => "no_answer",
            Error::Unreachable { .. } => "unreachable",
            Error::WrongKey { .. } => "wrong_key",
            Error::ChangedKey { .. } => "changed_key",
            Error::UntrustedCertificate { .. } => "untrusted_certificate",
            Error::MediaKey { .. } => "media_key",
            Error::NotSnug { .. } => "not_snug",
            // The same end, told by the room or seen by us.
            Error::Refused { code, .. } if code == ReasonCode::RoomClosed.code() => "room_closed",
            Error::Refused { code, .. } => decided_by_host(code).unwrap_or("refused"),
            Error::Removed { .. } => "removed",
            Error::RoomClosed { .. } => "room_closed",
            Error::MediaUnreachable { .. } => "media_unreachable",
            Error::ConnectionLost { .. } => "connection_lost",
            Error::Media(error) => error.code(),
            Error::Left => "left",
            Error::Busy => "busy",
            Error::Internal(_) => "internal",
        }
    }

    /// Returns the next step, as one or two plain sentences.
    pub fn hint(&self) -> String {
        match self {
            Error::UnknownHost { .. } => {
                "Check the name in the link, or use the address that the host's Snug shows."
                    .to_owned()
            }
            Error::PortRefused { .. } => {
                "Ask the host to open the room, or check the port in the link.".to_owned()
            }
            Error::NoAnswer { .. } => {
                "Is Snug open on that computer? Is its firewall on?".to_owned()
            }
            Error::Unreachable { .. } => {
                "Join the network of that computer, then try again.".to_owned()
            }
            Error::WrongKey { .. } => {
                "Ask the host for a new link; an old one no longer fits after a move.".to_owned()
            }
            Error::ChangedKey { known_hosts, .. } => format!(
                "If the host moved to a new computer, compare the fingerprint with them and use \
                 a link that carries it, or remove the line from {}.",
                known_hosts.display()
            ),
            Error::UntrustedCertificate { .. } => {
                "Use the link that the host's Snug shows; it carries the fingerprint.".to_owned()
            }
            Error::MediaKey { .. } => {
                "Leave, and ask the host whether something sits between you and them.".to_owned()
            }
            Error::NotSnug { .. } => "Check the port in the link; Snug uses 7684.".to_owned(),
            Error::Refused { reason, .. } => rest_after_first(reason).to_owned(),
            Error::Removed { .. } => "Ask the host to let you in again.".to_owned(),
            Error::RoomClosed { .. } => "Join again to open it anew.".to_owned(),
            Error::MediaUnreachable { .. } => {
                "Let UDP to the same port through the firewall of that computer.".to_owned()
            }
            Error::ConnectionLost { .. } => "Check the network, then join again.".to_owned(),
            Error::Media(error) => error.hint().to_owned(),
            Error::Left => "Join again.".to_owned(),
            Error::Busy => "Try again in a moment.".to_owned(),
            Error::Internal(_) => "Try again; if it stays, report it with the log.".to_owned(),
        }
    }

    /// Says what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::UnknownHost { .. }
            | Error::PortRefused { .. }
            | Error::NoAnswer { .. }
            | Error::Unreachable { .. } => ErrorKind::NotReached,
            Error::WrongKey { .. }
            | Error::ChangedKey { .. }
            | Error::UntrustedCertificate { .. }
            | Error::MediaKey { .. } => ErrorKind::Trust,
            Error::Refused { .. } | Error::Removed { .. } | Error::RoomClosed { .. } => {
                ErrorKind::Refused
            }
            Error::Media(snug_media::Error::Input { .. } | snug_media::Error::Device { .. }) => {
                ErrorKind::Input
            }
            Error::Media(snug_media::Error::Recording { .. }) => ErrorKind::Recording,
            Error::Media(_) => ErrorKind::Unexpected,
            Error::NotSnug { .. } => ErrorKind::NotSnug,
            Error::MediaUnreachable { .. } | Error::ConnectionLost { .. } => ErrorKind::Lost,
            Error::Left | Error::Busy | Error::Internal(_) => ErrorKind::Unexpected,
        }
    }
}

impl Error {
    /// Names a refusal that came as a code of [`ReasonCode`], or of another server.
    ///
    /// A key that does not match is a matter of trust, whoever found it; `target` is the host.
    pub(crate) fn from_refusal(target: &str, code: &str, message: Option<&str>) -> Self {
        if ReasonCode::from_code(code) == Some(ReasonCode::FingerprintMismatch) {
            return Error::MediaKey {
                target: target.to_owned(),
            };
        }
        let reason = match (ReasonCode::from_code(code), message) {
            (Some(known), _) => known.sentence().to_owned(),
            (None, Some(message)) if !message.is_empty() => bounded(message),
            _ => format!(
                "The room says no: {}. Check its name with the host.",
                bounded(code)
            ),
        };
        Error::Refused {
            code: bounded(code),
            reason,
        }
    }
}

/// A foreign server's words are shown, but never more than a few lines of them.
fn bounded(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    text.chars()
        .filter(|c| !c.is_control())
        .take(CHARS_MAX)
        .collect()
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

fn rest_after_first(text: &str) -> &str {
    text.find(". ")
        .map_or("Ask the host of the room.", |end| &text[end + 2..])
}

/// Makes a whole sentence of an error that is written to be embedded.
fn capitalised(error: &snug_media::Error) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => format!(
            "{}{}.",
            first.to_uppercase(),
            rest.as_str().trim_end_matches('.')
        ),
        None => text,
    }
}

/// Returns the code itself of what a host decided about us: programs show each in its own way.
fn decided_by_host(code: &str) -> Option<&'static str> {
    let reason = ReasonCode::from_code(code)?;
    let is_decided = matches!(
        reason,
        ReasonCode::RoomLocked
            | ReasonCode::LobbyFull
            | ReasonCode::TurnedAway
            | ReasonCode::Barred
            | ReasonCode::HostEnded
    );
    is_decided.then(|| reason.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_sentence_and_a_next_step() {
        let error = Error::from_refusal("h:1", "no such room", None);
        assert_eq!(error.kind(), ErrorKind::Refused);
        let text = error.to_string();
        assert!(text.ends_with('.') && !text.contains(". "), "{text}");
        assert!(error.hint().ends_with('.'), "{}", error.hint());
    }

    #[test]
    fn a_key_mismatch_found_by_the_server_is_a_matter_of_trust() {
        let error = Error::from_refusal("h:1", "fingerprint_mismatch", None);
        assert_eq!(
            (error.code(), error.kind()),
            ("media_key", ErrorKind::Trust)
        );
    }

    #[test]
    fn foreign_words_are_bounded() {
        let long = "x".repeat(10_000);
        assert!(
            Error::from_refusal("h:1", &long, Some(&long))
                .to_string()
                .len()
                < 1000
        );
        let odd = Error::from_refusal("h:1", "odd", None);
        assert_eq!(odd.to_string(), "The room says no: odd.");
        assert_eq!(odd.hint(), "Check its name with the host.");
    }

    #[test]
    fn every_sentence_ends_and_blames_nobody() {
        let target = || "192.168.1.20:7684".to_owned();
        let all = [
            Error::UnknownHost { host: target() },
            Error::PortRefused { target: target() },
            Error::NoAnswer { target: target() },
            Error::WrongKey { target: target() },
            Error::ChangedKey {
                target: target(),
                known_hosts: "k".into(),
            },
            Error::UntrustedCertificate { target: target() },
            Error::MediaKey { target: target() },
            Error::NotSnug {
                target: target(),
                detail: String::new(),
            },
            Error::Removed { room: "r".into() },
            Error::RoomClosed { room: "r".into() },
            Error::MediaUnreachable { target: target() },
            Error::ConnectionLost { target: target() },
            Error::Left,
            Error::Busy,
        ];
        for error in all {
            let (text, hint) = (error.to_string(), error.hint());
            for sentence in [&text, &hint] {
                assert!(sentence.ends_with(['.', '?']), "{sentence}");
                assert!(!sentence.contains('!') && !sentence.to_lowercase().contains("please"));
            }
        }
    }
}
