//! Which device a choice means now: the chosen one where it is there, else the system's favourite.

use snug_media::device::{DeviceId, DeviceInfo};

use super::capture::Input;
use crate::settings::{CameraChoice, MicrophoneChoice};

/// A choice of any kind of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The system's favourite.
    Default,
    /// This one.
    Device(DeviceId),
    /// No device at all, but this.
    Input(Input),
}

impl From<&CameraChoice> for Choice {
    fn from(choice: &CameraChoice) -> Self {
        match choice {
            CameraChoice::Default => Self::Default,
            CameraChoice::Device(id) => Self::Device(DeviceId::new(id)),
            CameraChoice::TestPattern => Self::Input(Input::Test),
            CameraChoice::File(path) => Self::Input(Input::File(path.into())),
        }
    }
}

impl From<&MicrophoneChoice> for Choice {
    fn from(choice: &MicrophoneChoice) -> Self {
        match choice {
            MicrophoneChoice::Default => Self::Default,
            MicrophoneChoice::Device(id) => Self::Device(DeviceId::new(id)),
            MicrophoneChoice::TestTone => Self::Input(Input::Test),
            MicrophoneChoice::File(path) => Self::Input(Input::File(path.into())),
        }
    }
}

impl From<&Option<String>> for Choice {
    fn from(id: &Option<String>) -> Self {
        match id {
            None => Self::Default,
            Some(id) => Self::Device(DeviceId::new(id)),
        }
    }
}

/// What a choice comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is not known yet which devices there are.
    Unknown,
    /// There is no device.
    Nothing,
    /// This device.
    Device(DeviceInfo),
    /// Something that is no device.
    Input(Input),
}

impl Meaning {
    /// Finds what `choice` means where `list` is there; what is in `gone` was unplugged, although
    /// the list may not know yet.
    pub(crate) fn of(choice: &Choice, list: Option<&[DeviceInfo]>, gone: &[DeviceId]) -> Self {
        let wanted = match choice {
            Choice::Input(input) => return Self::Input(input.clone()),
            Choice::Default => None,
            Choice::Device(id) => Some(id),
        };
        let Some(list) = list else {
            return Self::Unknown;
        };
        let there = || list.iter().filter(|device| !gone.contains(&device.id));
        let chosen = wanted.and_then(|id| there().find(|device| device.id == *id));
        let device = chosen
            .or_else(|| there().find(|device| device.is_default))
            .or_else(|| there().next());
        device.map_or(Self::Nothing, |device| Self::Device(device.clone()))
    }

    /// Returns what to open.
    pub(crate) fn input(&self) -> Option<Input> {
        match self {
            Self::Unknown | Self::Nothing => None,
            Self::Device(device) => Some(Input::Device(Some(device.id.clone()))),
            Self::Input(input) => Some(input.clone()),
        }
    }

    /// Returns the device, where it is one.
    pub(crate) fn device(&self) -> Option<&DeviceInfo> {
        match self {
            Self::Device(device) => Some(device),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<DeviceInfo> {
        let device = |id: &str, is_default| DeviceInfo {
            id: DeviceId::new(id),
            name: id.to_uppercase(),
            is_default,
        };
        vec![device("a", false), device("b", true), device("c", false)]
    }

    fn id_of(choice: &Choice, gone: &[&str]) -> Option<String> {
        let gone: Vec<_> = gone.iter().map(|id| DeviceId::new(*id)).collect();
        let meaning = Meaning::of(choice, Some(&list()), &gone);
        meaning.device().map(|device| device.id.to_string())
    }

    #[test]
    fn the_default_is_the_systems_favourite() {
        assert_eq!(id_of(&Choice::Default, &[]).as_deref(), Some("b"));
        assert_eq!(id_of(&Choice::Default, &["b"]).as_deref(), Some("a"));
        assert_eq!(id_of(&Choice::Default, &["a", "b", "c"]), None);
    }

    #[test]
    fn a_chosen_device_that_is_not_there_gives_way_to_the_default() {
        let chosen = Choice::Device(DeviceId::new("c"));
        assert_eq!(id_of(&chosen, &[]).as_deref(), Some("c"));
        assert_eq!(id_of(&chosen, &["c"]).as_deref(), Some("b"));
        let unknown = Choice::Device(DeviceId::new("z"));
        assert_eq!(id_of(&unknown, &[]).as_deref(), Some("b"));
    }

    #[test]
    fn unknown_devices_are_waited_for_and_files_are_not() {
        assert_eq!(Meaning::of(&Choice::Default, None, &[]), Meaning::Unknown);
        assert_eq!(
            Meaning::of(&Choice::Default, Some(&[]), &[]),
            Meaning::Nothing
        );
        let file = Choice::from(&CameraChoice::File("/clip.y4m".to_owned()));
        let input = Input::File("/clip.y4m".into());
        assert_eq!(Meaning::of(&file, None, &[]).input(), Some(input));
    }
}
