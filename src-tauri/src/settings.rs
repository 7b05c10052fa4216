//! What is remembered across starts.

pub mod file;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The person's choices. Unknown fields of a newer version are ignored, missing ones take their
/// default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct Settings {
    /// What the others call the person; empty until they say it.
    pub name: String,
    /// Which camera.
    pub camera: CameraChoice,
    /// Which microphone.
    pub microphone: MicrophoneChoice,
    /// Which speaker; nothing means the system's favourite.
    pub speaker: Option<String>,
    /// The camera is on when coming into a room.
    pub camera_on: bool,
    /// The microphone is on when coming into a room.
    pub microphone_on: bool,
    /// One's own picture is shown as in a mirror.
    pub mirror: bool,
    /// Light or dark.
    pub appearance: Appearance,
    /// What the page speaks.
    pub language: Language,
    /// Whether the window may use the graphics processor. Takes effect at the next start.
    pub graphics: Graphics,
}

/// Which camera.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum CameraChoice {
    /// The system's favourite.
    #[default]
    Default,
    /// The one with this id.
    Device(String),
    /// A moving test pattern.
    TestPattern,
    /// A film clip (Y4M), over and over.
    File(String),
}

/// Which microphone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum MicrophoneChoice {
    /// The system's favourite.
    #[default]
    Default,
    /// The one with this id.
    Device(String),
    /// A steady tone.
    TestTone,
    /// A recording (WAV), over and over.
    File(String),
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Appearance {
    /// As the system is.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the page speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// What the computer is set to; English where that is none of these.
    #[default]
    System,
    /// English.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Japanese.
    Ja,
}

/// Whether the window may use the graphics processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Graphics {
    /// When there is one.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always.
    On,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            camera: CameraChoice::default(),
            microphone: MicrophoneChoice::default(),
            speaker: None,
            camera_on: true,
            microphone_on: true,
            mirror: true,
            appearance: Appearance::default(),
            language: Language::default(),
            graphics: Graphics::default(),
        }
    }
}
