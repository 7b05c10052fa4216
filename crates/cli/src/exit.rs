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
        f.write_str(&self.sentence)?;
        match &self.next_step {
            Some(step) => write!(f, " {step}"),
            None => Ok(()),
        }
    }
}
