//! What went wrong, in the form that the page shows.

use snug_media::error::{DeviceProblem, InputRole};
use snug_protocol::{Link, ReasonCode};

use crate::ipc::{Problem, ProblemDetails};

/// Makes a problem about nothing in particular.
pub(crate) fn problem(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem {
        code: code.to_owned(),
        message: message.into(),
        hint: hint.into(),
        details: Box::default(),
    }
}

/// More is asked of the program than it can keep up with.
pub(crate) fn busy() -> Problem {
    problem(
        "busy",
        "Earlier requests are still being worked on.",
        "Try again in a moment.",
    )
}

/// The program is about to end.
pub(crate) fn ending() -> Problem {
    problem("ending", "Snug is closing.", "Open it again.")
}

/// A room cannot be entered without a name of one's own. `link` joins it once there is one.
pub(crate) fn name_needed(link: Option<&Link>) -> Problem {
    Problem {
        details: link.map(details_of).map(Box::new).unwrap_or_default(),
        ..problem(
            "name_needed",
            "The others need a name to call you by.",
            "Type one, then try again.",
        )
    }
}

/// One is in a room already.
pub(crate) fn in_a_room(link: Option<&Link>) -> Problem {
    Problem {
        details: link.map(details_of).map(Box::new).unwrap_or_default(),
        ..problem(
            "in_a_room",
            "You are in a room already.",
            "Leave it first, then try again.",
        )
    }
}

/// What was typed is no link, name or room.
pub(crate) fn bad_text(code: &str, error: &snug_protocol::Error) -> Problem {
    let text = error.to_string();
    let (message, hint) = match text.split_once(". ") {
        Some((message, hint)) => (format!("{message}."), hint.to_owned()),
        None => (text, String::new()),
    };
    problem(code, message, hint)
}

/// What kept the participant out of the room of `link`, or ended the call. `is_host` is true
/// where the room is on this computer: its address means nothing to the person.
pub(crate) fn of_client(error: &snug_client::Error, link: &Link, is_host: bool) -> Problem {
    let mut details = details_of(link);
    if is_host {
        details.host = None;
        details.link = None;
    }
    Problem {
        details: Box::new(details),
        ..problem(code_of(error), error.to_string(), error.hint())
    }
}

/// The reason of a refusal says more than that there was one.
fn code_of(error: &snug_client::Error) -> &str {
    match error {
        snug_client::Error::Refused { code, .. } if ReasonCode::from_code(code).is_some() => code,
        _ => error.code(),
    }
}

/// What kept a room from being hosted.
pub(crate) fn of_server(error: &snug_server::Error) -> Problem {
    let code = match error {
        snug_server::Error::PortInUse(_) => "port_in_use",
        snug_server::Error::IdentityFile { .. } => "identity_file",
        snug_server::Error::IdentityDamaged { .. } => "identity_damaged",
        _ => "host_failed",
    };
    problem(
        code,
        sentence(&error.to_string()),
        error.hint().unwrap_or_default(),
    )
}

/// What the room said no with.
pub(crate) fn of_reason(reason: ReasonCode) -> Problem {
    let text = reason.sentence();
    let (message, hint) = text.split_once(". ").unwrap_or((text, ""));
    problem(reason.code(), sentence(message), hint)
}

/// Why a camera, microphone or speaker does not run. `device` is what it is called.
pub(crate) fn of_media(error: &snug_media::Error, device: Option<&str>) -> Problem {
    let code = match error {
        snug_media::Error::Device {
            problem: DeviceProblem::Absent,
            ..
        } => "no_device",
        _ => error.code(),
    };
    Problem {
        details: Box::new(ProblemDetails {
            device: device.map(str::to_owned),
            ..ProblemDetails::default()
        }),
        ..problem(code, sentence(&error.to_string()), error.hint())
    }
}

/// There is no device of this kind.
pub(crate) fn no_device(role: InputRole) -> Problem {
    problem(
        "no_device",
        format!("This computer has no {role}."),
        "You can join without it.",
    )
}

fn details_of(link: &Link) -> ProblemDetails {
    ProblemDetails {
        host: Some(link.authority()),
        room: Some(link.room.to_string()),
        link: Some(link.to_string()),
        ..ProblemDetails::default()
    }
}

/// Makes a sentence of words that are written to be embedded.
fn sentence(words: &str) -> String {
    let mut rest = words.trim_end_matches('.').chars();
    let Some(first) = rest.next() else {
        return String::new();
    };
    let end = if words.ends_with(['?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        "192.168.1.20/kitchen".parse().unwrap()
    }

    #[test]
    fn no_answer_names_the_host_and_what_to_try_again() {
        let error = snug_client::Error::NoAnswer {
            target: "192.168.1.20:7684".to_owned(),
        };
        let problem = of_client(&error, &link(), false);
        assert_eq!(problem.code, "no_answer");
        assert_eq!(problem.message, "No answer from 192.168.1.20:7684.");
        assert_eq!(problem.details.host.as_deref(), Some("192.168.1.20:7684"));
        let again: Link = problem.details.link.unwrap().parse().unwrap();
        assert_eq!(again, link());
    }

    #[test]
    fn a_refusal_is_named_by_its_reason() {
        let refused = |code: &str| snug_client::Error::Refused {
            code: code.to_owned(),
            reason: "No. Ask.".to_owned(),
        };
        let code = |error: &snug_client::Error| of_client(error, &link(), true).code;
        assert_eq!(code(&refused("no such room")), "no such room");
        assert_eq!(code(&refused("something of another server")), "refused");
        let problem = of_client(&refused("no such room"), &link(), true);
        assert_eq!((problem.details.host, problem.details.link), (None, None));
    }

    #[test]
    fn typed_nonsense_is_a_sentence_and_a_hint() {
        let error = "nonsense".parse::<Link>().unwrap_err();
        let problem = bad_text("bad_link", &error);
        assert!(problem.message.ends_with('.'), "{problem:?}");
        assert!(problem.hint.ends_with('.'), "{problem:?}");
        assert!(!problem.message.contains(". "), "{problem:?}");
    }

    #[test]
    fn every_reason_of_a_server_is_a_sentence() {
        let error = snug_server::Error::PortInUse("127.0.0.1:7684".parse().unwrap());
        let problem = of_server(&error);
        assert_eq!(problem.message, "Port 7684 is already in use.");
        assert_eq!(problem.code, "port_in_use");
    }
}
