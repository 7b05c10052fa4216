//! Cameras, microphones and loudspeakers of this computer: which there are, and opening one.
//!
//! Having none is normal, and so is losing one while it runs: both are values here, never a panic.
//! A device is named by a [`DeviceId`] that stays the same when the program or the computer starts
//! again, so a choice can be kept; `None` in place of an id is the one that the system prefers.

pub mod camera;
mod elastic;
mod intake;
mod microphone;
mod outflow;
#[cfg(target_os = "linux")]
mod pulse;
mod sound;
mod speaker;
mod stream;
mod watch;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use camera::list as cameras;
pub use microphone::Microphone;
pub use sound::{microphones, speakers};
pub use speaker::Speaker;
pub use stream::SoundCounters;
pub use watch::DeviceWatch;

/// Names one device, the same one after every start. Its text is for machines, not for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(String);

impl DeviceId {
    /// Takes an id back from where it was kept.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Lends the text to keep.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One device as a person picks it from a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What to open it by.
    pub id: DeviceId,
    /// What it is called, never empty.
    pub name: String,
    /// Whether it is the one that opens when none is chosen.
    pub is_default: bool,
}

/// All devices of this computer, the favourite of each kind first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceLists {
    /// What gives pictures.
    pub cameras: Vec<DeviceInfo>,
    /// What gives sound.
    pub microphones: Vec<DeviceInfo>,
    /// What plays sound.
    pub speakers: Vec<DeviceInfo>,
}
