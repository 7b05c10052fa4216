//! The person's camera, microphone and speaker: what is chosen, what is there, what runs.

use snug_media::device::{DeviceId, DeviceInfo, DeviceLists};
use snug_media::error::InputRole;
use snug_media::monitor::{AudioMonitor, VideoMonitor};

use super::capture::{Capture, Goal, Step};
use super::choose::{Choice, Meaning};
use super::problem::no_device;
use super::sources::{Picture, Playback, Sound};
use crate::ipc::{DeviceEntry, DeviceState, Devices as Lists};

pub(crate) type Camera = Device<Picture, VideoMonitor>;
pub(crate) type Microphone = Device<Sound, AudioMonitor>;
/// Of the speaker, running for the person alone is all there is: see [`super::speaker`].
pub(crate) type Speaker = Device<Playback, ()>;

/// The camera, the microphone or the speaker.
pub(crate) struct Device<S, M> {
    role: InputRole,
    pub(crate) capture: Capture<S, M>,
    meaning: Meaning,
    /// Unplugged while they ran; the lists may not know yet.
    gone: Vec<DeviceId>,
}

/// A device that is there no longer, and what is used in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) device: String,
    pub(crate) instead: Option<String>,
}

impl<S, M> Device<S, M> {
    /// Starts with nothing.
    pub(crate) fn new(role: InputRole) -> Self {
        Self {
            role,
            capture: Capture::default(),
            meaning: Meaning::Unknown,
            gone: Vec::new(),
        }
    }

    /// Learns what is chosen and what is there. Says what was replaced because it is gone.
    pub(crate) fn learn(
        &mut self,
        choice: &Choice,
        list: Option<&[DeviceInfo]>,
    ) -> Option<Replaced> {
        let meaning = Meaning::of(choice, list, &self.gone);
        if meaning == self.meaning {
            return None;
        }
        self.capture.retry();
        let old = std::mem::replace(&mut self.meaning, meaning);
        let old = old.device()?;
        let is_there = |device: &DeviceInfo| device.id == old.id && !self.gone.contains(&old.id);
        if list.is_some_and(|list| list.iter().any(is_there)) {
            return None;
        }
        Some(Replaced {
            device: old.name.clone(),
            instead: self.meaning.device().map(|device| device.name.clone()),
        })
    }

    /// Notes new lists: who is not in them any more may come back.
    pub(crate) fn forget_gone(&mut self, list: &[DeviceInfo]) {
        self.gone
            .retain(|id| list.iter().any(|device| device.id == *id));
        self.capture.retry();
    }

    /// Notes that what ran was unplugged.
    pub(crate) fn unplugged(&mut self) {
        let device = self.meaning.device().map(|device| device.id.clone());
        self.gone.extend(device);
    }

    /// The person wants another try.
    pub(crate) fn retry(&mut self) {
        self.gone.clear();
        self.capture.retry();
    }

    /// Says what to do next.
    pub(crate) fn next(&mut self, goal: Goal, call: Option<u64>) -> Option<Step<S, M>> {
        // Where nothing is there, nothing can run either.
        let goal = match self.meaning {
            Meaning::Nothing => Goal::Off,
            _ => goal,
        };
        let input = self.meaning.input();
        self.capture.next(goal, input.as_ref(), call)
    }

    /// Whether there is one, as far as is known.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.meaning, Meaning::Nothing | Meaning::Unknown)
    }

    /// Whether waiting for it is in vain: there is none, or it does not open.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.meaning == Meaning::Nothing || self.capture.problem().is_some()
    }

    /// Returns what the page shows of it.
    pub(crate) fn state(&self, is_on: bool) -> DeviceState {
        let capture = &self.capture;
        let problem = match self.meaning {
            Meaning::Nothing => Some(no_device(self.role)),
            _ => capture.problem().cloned(),
        };
        let meant = self.meaning.device().map(|device| device.name.as_str());
        DeviceState {
            is_on,
            is_running: capture.is_running(),
            name: capture.name().or(meant).map(str::to_owned),
            problem: problem.filter(|_| is_on),
        }
    }
}

/// Lists devices as the page shows them.
pub(crate) fn listed(lists: &DeviceLists) -> Lists {
    let entry = |device: &DeviceInfo| DeviceEntry {
        id: device.id.to_string(),
        name: device.name.clone(),
        is_default: device.is_default,
    };
    let all = |devices: &[DeviceInfo]| devices.iter().map(entry).collect();
    Lists {
        cameras: all(&lists.cameras),
        microphones: all(&lists.microphones),
        speakers: all(&lists.speakers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::capture::{Input, Opened};
    use crate::bridge::problem::problem;

    type Microphone = Device<u8, u8>;

    fn device(id: &str, is_default: bool) -> DeviceInfo {
        DeviceInfo {
            id: DeviceId::new(id),
            name: id.to_uppercase(),
            is_default,
        }
    }

    fn running(id: &str) -> Microphone {
        let mut microphone = Microphone::new(InputRole::Microphone);
        let choice = Choice::Device(DeviceId::new(id));
        assert_eq!(microphone.learn(&choice, Some(&both())), None);
        assert!(matches!(
            microphone.next(Goal::Preview, None),
            Some(Step::Open(_))
        ));
        microphone.capture.opened(Ok(Opened {
            source: 1,
            name: id.to_uppercase(),
            size: None,
        }));
        microphone.next(Goal::Preview, None);
        microphone.capture.monitored(Ok(1));
        microphone
    }

    fn both() -> Vec<DeviceInfo> {
        vec![device("built-in", true), device("headset", false)]
    }

    #[test]
    fn an_unplugged_device_is_replaced_and_named_once() {
        let mut microphone = running("headset");
        let choice = Choice::Device(DeviceId::new("headset"));
        // The device says so first, the lists follow.
        microphone.unplugged();
        microphone
            .capture
            .ended(problem("microphone_unplugged", "", ""));
        let replaced = microphone.learn(&choice, Some(&both()));
        let wanted = Replaced {
            device: "HEADSET".to_owned(),
            instead: Some("BUILT-IN".to_owned()),
        };
        assert_eq!(replaced, Some(wanted));
        let built_in = Input::Device(Some(DeviceId::new("built-in")));
        assert_eq!(
            microphone.next(Goal::Preview, None),
            Some(Step::Open(built_in))
        );
        let rest = [device("built-in", true)];
        microphone.forget_gone(&rest);
        assert_eq!(microphone.learn(&choice, Some(&rest)), None);
        // Back again: the choice counts.
        microphone.forget_gone(&both());
        assert_eq!(microphone.learn(&choice, Some(&both())), None);
        assert_eq!(microphone.state(true).name.as_deref(), Some("HEADSET"));
    }

    #[test]
    fn another_default_is_followed_without_a_word() {
        let mut microphone = Microphone::new(InputRole::Microphone);
        microphone.learn(&Choice::Default, Some(&both()));
        let other = [device("built-in", false), device("headset", true)];
        assert_eq!(microphone.learn(&Choice::Default, Some(&other)), None);
        assert_eq!(microphone.state(true).name.as_deref(), Some("HEADSET"));
    }

    #[test]
    fn having_none_is_a_state_and_not_a_failure() {
        let mut microphone = Microphone::new(InputRole::Microphone);
        assert_eq!(microphone.next(Goal::Preview, None), None);
        assert_eq!(microphone.state(true).problem, None, "not known yet");
        microphone.learn(&Choice::Default, Some(&[]));
        assert_eq!(microphone.next(Goal::Preview, None), None);
        let problem = microphone.state(true).problem.unwrap();
        assert_eq!(problem.code, "no_device");
        assert_eq!(microphone.state(false).problem, None);
        assert!(!microphone.is_there());
    }
}
