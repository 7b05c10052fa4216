//! What keeps a device from being used, in words for the person in front of it.

use std::fmt;

use super::InputRole;

/// What is wrong with a camera, a microphone or a loudspeaker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceProblem {
    /// There is none of its kind, or the one that was asked for is not connected.
    Absent,
    /// Another program holds it.
    Busy,
    /// It went away while it was in use.
    Unplugged,
    /// The operating system does not let this user have it.
    Denied,
    /// It offers nothing that Snug can use.
    Format,
    /// It failed in another way; the system's own words, for the log and for experts.
    Backend(String),
}

impl DeviceProblem {
    /// Names the problem for programs, together with what the device is for.
    pub(super) fn code(&self, role: InputRole) -> &'static str {
        match (role, self) {
            (InputRole::Camera, Self::Absent) => "camera_absent",
            (InputRole::Camera, Self::Busy) => "camera_busy",
            (InputRole::Camera, Self::Unplugged) => "camera_unplugged",
            (InputRole::Camera, Self::Denied) => "camera_denied",
            (InputRole::Camera, Self::Format) => "camera_format",
            (InputRole::Camera, Self::Backend(_)) => "camera_failed",
            (InputRole::Microphone, Self::Absent) => "microphone_absent",
            (InputRole::Microphone, Self::Busy) => "microphone_busy",
            (InputRole::Microphone, Self::Unplugged) => "microphone_unplugged",
            (InputRole::Microphone, Self::Denied) => "microphone_denied",
            (InputRole::Microphone, Self::Format) => "microphone_format",
            (InputRole::Microphone, Self::Backend(_)) => "microphone_failed",
            (InputRole::Speaker, Self::Absent) => "speaker_absent",
            (InputRole::Speaker, Self::Busy) => "speaker_busy",
            (InputRole::Speaker, Self::Unplugged) => "speaker_unplugged",
            (InputRole::Speaker, Self::Denied) => "speaker_denied",
            (InputRole::Speaker, Self::Format) => "speaker_format",
            (InputRole::Speaker, Self::Backend(_)) => "speaker_failed",
        }
    }

    /// Says what a person can do next. Having no device is normal: the way on without one is
    /// always part of it.
    pub(super) fn hint(&self, role: InputRole) -> &'static str {
        match role {
            InputRole::Camera => self.camera_hint(),
            InputRole::Microphone => self.microphone_hint(),
            InputRole::Speaker => self.speaker_hint(),
        }
    }

    fn camera_hint(&self) -> &'static str {
        match self {
            Self::Absent => "Plug one in when you like. You can join without it.",
            Self::Busy => "Close it there and try again. You can join without it.",
            Self::Unplugged => "Plug it in again, or choose another one.",
            Self::Denied => {
                "Allow the camera in the settings of this computer; on Linux, your user belongs \
                 in the group `video`. You can join without it."
            }
            Self::Format => "Choose another camera. You can join without one.",
            Self::Backend(_) => {
                "Unplug it, plug it in again and try once more. You can join without it."
            }
        }
    }

    fn microphone_hint(&self) -> &'static str {
        match self {
            Self::Absent => "Plug one in when you like. You can join without it and listen.",
            Self::Busy => "Close it there and try again. You can join without it and listen.",
            Self::Unplugged => "Plug it in again, or choose another one.",
            Self::Denied => {
                "Allow the microphone in the settings of this computer; on Linux, your user \
                 belongs in the group `audio`. You can join without it and listen."
            }
            Self::Format => "Choose another microphone. You can join without one and listen.",
            Self::Backend(_) => {
                "Unplug it, plug it in again and try once more. You can join without it and listen."
            }
        }
    }

    fn speaker_hint(&self) -> &'static str {
        match self {
            Self::Absent => "Plug in a headset or a loudspeaker to hear the others.",
            Self::Busy => "Close it there and try again. You can join without sound.",
            Self::Unplugged => "Plug it in again, or choose another one.",
            Self::Denied => {
                "Allow sound in the settings of this computer; on Linux, your user belongs in \
                 the group `audio`. You can join without sound."
            }
            Self::Format => "Choose another loudspeaker. You can join without sound.",
            Self::Backend(_) => {
                "Unplug it, plug it in again and try once more. You can join without sound."
            }
        }
    }
}

/// Says what happened, to be embedded: no capital, no full stop.
///
/// A device goes by its own name only where people may have several and wonder which.
pub(super) struct Sentence<'a> {
    pub(super) role: InputRole,
    pub(super) name: &'a str,
    pub(super) problem: &'a DeviceProblem,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            name,
            problem,
        } = self;
        match problem {
            DeviceProblem::Absent if name.is_empty() => write!(f, "there is no {role}"),
            DeviceProblem::Absent => write!(f, "{name} is not connected"),
            DeviceProblem::Busy => write!(f, "another program is using the {role}"),
            DeviceProblem::Unplugged if name.is_empty() => write!(f, "your {role} was unplugged"),
            DeviceProblem::Unplugged => write!(f, "{name} was unplugged"),
            DeviceProblem::Denied => write!(f, "this computer does not let Snug use the {role}"),
            DeviceProblem::Format => f.write_str(match role {
                InputRole::Camera => "the camera gives no picture that Snug can read",
                InputRole::Microphone => "the microphone gives no sound that Snug can read",
                InputRole::Speaker => "the loudspeaker takes no sound that Snug can give",
            }),
            DeviceProblem::Backend(detail) => write!(f, "the {role} does not work ({detail})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Error;

    const ROLES: [InputRole; 3] = [InputRole::Camera, InputRole::Microphone, InputRole::Speaker];

    fn problems() -> [DeviceProblem; 6] {
        [
            DeviceProblem::Absent,
            DeviceProblem::Busy,
            DeviceProblem::Unplugged,
            DeviceProblem::Denied,
            DeviceProblem::Format,
            DeviceProblem::Backend("Input/output error".into()),
        ]
    }

    fn error(role: InputRole, name: &str, problem: DeviceProblem) -> Error {
        Error::Device {
            role,
            name: name.into(),
            problem,
        }
    }

    #[test]
    fn a_busy_camera_speaks_in_the_words_of_the_design() {
        let error = error(InputRole::Camera, "", DeviceProblem::Busy);
        assert_eq!(error.to_string(), "another program is using the camera");
        assert_eq!(
            error.hint(),
            "Close it there and try again. You can join without it."
        );
        assert_eq!(error.code(), "camera_busy");
    }

    #[test]
    fn a_known_device_goes_by_its_name() {
        let unplugged = error(InputRole::Microphone, "Headset", DeviceProblem::Unplugged);
        assert_eq!(unplugged.to_string(), "Headset was unplugged");
        let absent = error(InputRole::Speaker, "", DeviceProblem::Absent);
        assert_eq!(absent.to_string(), "there is no loudspeaker");
    }

    #[test]
    fn every_device_problem_has_a_code_of_its_own_and_a_next_step() {
        let mut codes = BTreeSet::new();
        for role in ROLES {
            for problem in problems() {
                let error = error(role, "", problem);
                let (text, hint) = (error.to_string(), error.hint());
                assert!(codes.insert(error.code()), "{} twice", error.code());
                assert!(
                    text.starts_with(char::is_lowercase) && !text.ends_with('.'),
                    "{text}"
                );
                assert!(
                    hint.starts_with(char::is_uppercase) && hint.ends_with('.'),
                    "{hint}"
                );
                for words in [text.as_str(), hint] {
                    assert!(!words.contains('!') && !words.to_lowercase().contains("please"));
                }
            }
        }
        assert_eq!(codes.len(), 18);
    }
}
