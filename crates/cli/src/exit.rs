//! Exit codes, and the one sentence that goes with each.

use std::fmt;
use std::process::ExitCode;

/// Why the program ended. The numbers are stable: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Something that should not happen did.
    Unexpected = 1,
    /// The arguments do not make sense.
    Usage = 2,
    /// The host was not reached: unknown name, refused port, or no answer in 5 s.
    NotReached = 3,
    /// The host's key is not the one expected.
    NotTrusted = 4,
    /// The room or its host said no.
    Refused = 5,
    /// An input file (Y4M, WAV) cannot be used.
    BadInput = 6,
    /// The recording cannot be written.
    BadOutput = 7,
    /// The port to serve on is taken.
    PortInUse = 8,
    /// What answered is neither a Snug nor a Phoenix server.
    NotARoomServer = 9,
    /// The connection was lost and did not come back.
    ConnectionLost = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A failure as a person reads it: what happened, then the next step.
#[derive(Debug)]
pub struct Failure {
    /// The exit code to end with.
    pub exit: Exit,
    sentence: String,
    next_step: Option<String>,
}

impl Failure {
    /// Describes a failure by what happened and, where there is one, what to do next.
    pub fn new(exit: Exit, sentence: impl fmt::Display, next_step: Option<String>) -> Failure {
        Failure {
            exit,
            sentence: sentence.to_string(),
            next_step,
        }
    }

    /// Wraps an error nobody planned for.
    pub fn unexpected(error: impl fmt::Display) -> Failure {
        Failure::new(Exit::Unexpected, error, None)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&as_sentence(&self.sentence))?;
        match &self.next_step {
            Some(step) => write!(f, " {step}"),
            None => Ok(()),
        }
    }
}

/// Makes a sentence of an error's words: with a capital and a full stop, and without the number
/// that the system gives its errors.
fn as_sentence(words: &str) -> String {
    let mut sentence = String::with_capacity(words.len() + 1);
    let mut rest = words;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        sentence.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    sentence.push_str(rest);
    // A path or an address stays as it is.
    let first = sentence.split([' ', '/', '.']).next().unwrap_or_default();
    if !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase()) {
        sentence[..1].make_ascii_uppercase();
    }
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence_and_a_next_step() {
        let failure = |words: &str| Failure::new(Exit::Unexpected, words, None).to_string();
        assert_eq!(failure("port 7 is taken"), "Port 7 is taken.");
        assert_eq!(
            failure("cannot write (No such file or directory (os error 2))"),
            "Cannot write (No such file or directory)."
        );
        assert_eq!(failure("Is it on?"), "Is it on?");
        assert_eq!(failure("127.0.0.1:7 is silent."), "127.0.0.1:7 is silent.");
        assert_eq!(
            failure("/tmp/a.y4m is not a film"),
            "/tmp/a.y4m is not a film."
        );
        assert_eq!(failure("\u{e9}t\u{e9} is over"), "\u{e9}t\u{e9} is over.");
        let both = Failure::new(Exit::PortInUse, "port 7 is taken", Some("Use 8.".into()));
        assert_eq!(both.to_string(), "Port 7 is taken. Use 8.");
    }
}
