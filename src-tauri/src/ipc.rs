//! What the page and the program tell each other: one snapshot, a handful of requests.
//!
//! The page draws [`Snapshot`] and nothing else; every request answers nothing or a [`Problem`].
//! TypeScript's view of these types is generated into `ui/src/ipc/types.ts` and committed; the
//! test below fails while it is stale, `cargo xtask types` renews it.

mod health;
mod moderation;
mod social;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::settings::Settings;
pub use moderation::{Barred, HostAction, Knock, Role, Rules};

pub use health::{Health, PictureHealth, Received, Sent};
pub use social::{ChatMessage, ChatRefused, ChatRefusedFor, Reacted, Reaction, Social};

/// Everything on screen that the program decides. Sent whole at every change, at most 20 times a
/// second, as the event `snapshot`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Snapshot {
    /// Grows with every change; an older one that comes late is ignored.
    pub revision: u32,
    /// Where the person is.
    pub stage: Stage,
    /// The person's own camera, microphone and speaker.
    pub me: Me,
    /// What this computer has.
    pub devices: Devices,
    /// What is remembered across starts.
    pub settings: Settings,
    /// Rooms joined before, the latest first; at most 8.
    pub recent: Vec<RecentRoom>,
    /// Rooms on this network, by name; at most 256. Empty outside home.
    pub rooms: Vec<FoundRoom>,
    /// Rooms on this network are looked for at home, and ours are told there.
    pub looks_for_rooms: bool,
    /// Why the last attempt to host or join failed, until dismissed or tried again.
    pub problem: Option<Problem>,
    /// News that the person did not cause: shown for a while.
    pub notice: Option<Notice>,
}

/// Where the person is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Stage {
    /// Outside any room.
    #[default]
    Home,
    /// On the way into one.
    Joining(Joining),
    /// In one.
    Room(Room),
}

/// The way into a room.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Joining {
    /// The room's name.
    pub room: String,
    /// `host:port`, or nothing when it is this computer.
    pub host: Option<String>,
    /// The step that is under way.
    pub step: JoinStep,
    /// We are there, and wait until somebody lets us in.
    pub is_waiting: bool,
    /// Who may let us in, where that is known.
    pub decides: Option<String>,
}

/// Steps into a room, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum JoinStep {
    /// Finding the host and connecting to it.
    ReachingHost,
    /// Encrypting, and judging its key.
    AgreeingKeys,
    /// Asking for a place in the room.
    Entering,
}

/// A room that the person is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// `host:port` as the person knows it, or nothing when it is this computer.
    pub host: Option<String>,
    /// Links that let others in, the best first: `snug://host:port/room#k=...`.
    pub links: Vec<String>,
    /// When we came in, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub since_ms: u64,
    /// How the connection to the host is.
    pub connection: Connection,
    /// Whether the host's key is verified: a link carried it, or its words were compared.
    pub is_pinned: bool,
    /// The host's key in eight words, to compare with what the host sees; none where a certificate
    /// authority vouches for the host instead.
    pub words: Vec<String>,
    /// Roles and rules.
    pub rules: Rules,
    /// Everybody, in the order in which they came; the person themselves is among them.
    pub people: Vec<Person>,
}

/// How the connection to the host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// We are in; sound and picture are still being connected.
    #[default]
    ConnectingMedia,
    /// All is well.
    Live,
    /// The host is not heard; our place is held.
    Reconnecting,
    /// Not heard for so long that camera and microphone were stopped.
    CaptureStopped,
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Person {
    /// Stable while they are here; also the key of [`Levels`]. Ours is `me`.
    pub id: String,
    /// Their name, perhaps empty.
    pub name: String,
    /// It is the person themselves.
    pub is_me: bool,
    /// Key of their picture on the tile socket, when their camera is on. Ours is 0.
    pub tile: Option<u32>,
    /// Width and height of that picture in pixels, once known.
    pub picture_size: Option<(u32, u32)>,
    /// Their microphone.
    pub microphone: MicrophoneState,
    /// They came by a browser, without Snug: they can pin no key, and have fewer controls.
    pub is_in_browser: bool,
    /// They fell silent; their place is held.
    pub is_reconnecting: bool,
    /// Their camera is on, but the network carries no more than sound: ours from the room, or,
    /// for the person themselves, ours to it.
    pub is_held_back: bool,
    /// What they may do.
    pub role: Role,
    /// A host stopped what they say.
    pub is_muted_by_host: bool,
    /// A host stopped what they show.
    pub is_hidden_by_host: bool,
}

/// What a person's microphone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MicrophoneState {
    /// On.
    Live,
    /// Off.
    Muted,
    /// There is none.
    Absent,
}

/// The person's own devices as they are now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Me {
    /// Camera.
    pub camera: DeviceState,
    /// Microphone.
    pub microphone: DeviceState,
    /// Speaker.
    pub speaker: DeviceState,
    /// They hear their own microphone.
    pub is_listening: bool,
}

/// One device of the person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct DeviceState {
    /// The person wants it on. Survives reconnects, device changes and restarts of the device.
    pub is_on: bool,
    /// It really runs. False while it is off, opening, or in trouble.
    pub is_running: bool,
    /// What it is called, as far as known: "Built-in camera", "Test pattern", "clip.y4m".
    pub name: Option<String>,
    /// Why it does not run although it should. A device that is not there is `no_device`.
    pub problem: Option<Problem>,
}

/// What this computer has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Devices {
    /// Cameras, the system's favourite first.
    pub cameras: Vec<DeviceEntry>,
    /// Microphones, the system's favourite first.
    pub microphones: Vec<DeviceEntry>,
    /// Speakers, the system's favourite first.
    pub speakers: Vec<DeviceEntry>,
}

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct DeviceEntry {
    /// Names it in requests and in settings.
    pub id: String,
    /// Names it to a person.
    pub name: String,
    /// The system's favourite.
    pub is_default: bool,
}

/// A room that was joined before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecentRoom {
    /// What joins it again.
    pub link: String,
    /// Its name.
    pub room: String,
    /// `host:port`.
    pub host: String,
}

/// A room on this network. Its host may be anybody: what is told proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct FoundRoom {
    /// What joins it, and tells it from others of its name.
    pub link: String,
    /// Its name.
    pub room: String,
    /// What its host's computer is called.
    pub host: String,
    /// How many people are in it.
    pub people: u16,
    /// Not everybody who comes is let in at once.
    pub is_locked: bool,
    /// The key that is told with it was verified before; joining takes no other.
    pub is_verified: bool,
}

/// What went wrong. The page has its own words for the codes it knows (`i18n`), made from
/// `details`; for others it shows `message` and `hint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Problem {
    /// Stable word, such as `no_answer` or `camera_busy`.
    pub code: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The next step; perhaps empty.
    pub hint: String,
    /// What the words are about.
    pub details: Box<ProblemDetails>,
}

/// What a [`Problem`] or a [`Notice`] is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub struct ProblemDetails {
    /// `host:port`.
    pub host: Option<String>,
    /// Room name.
    pub room: Option<String>,
    /// Device name.
    pub device: Option<String>,
    /// What is used instead of `device`.
    pub instead: Option<String>,
    /// What to join when trying again.
    pub link: Option<String>,
}

/// News that the person did not cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Notice {
    /// Tells one notice from the next of the same code.
    pub number: u32,
    /// Stable word, such as `microphone_unplugged`, `camera_unplugged`, `room_closed`,
    /// `host_ended`, `connection_lost`, `link_copied`.
    pub code: String,
    /// What happened, for codes that the page has no words for.
    pub message: String,
    /// What it is about.
    pub details: ProblemDetails,
}

/// How to open the tile socket: `ws://127.0.0.1:<port>/`, the token as the first text frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct TileAccess {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// 128 bits in hexadecimal, good for one connection.
    pub token: String,
}

/// What the page says on the tile socket after the token, as JSON text: everything it shows now.
/// Whatever is not listed is neither sent nor decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, TS)]
pub struct Watching {
    /// The visible tiles.
    pub tiles: Vec<WatchedTile>,
    /// Whether loudness is wanted: a meter or speaking rings are visible.
    pub levels: bool,
}

/// One visible tile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, TS)]
pub struct WatchedTile {
    /// Its key, from [`Person::tile`].
    pub tile: u32,
    /// Height in device pixels, so that no more than needed is sent.
    pub height: u32,
    /// The page cannot decode this one: send pictures instead of VP8.
    pub raw: bool,
}

/// How loud everybody is, in dBFS from -100 to 0: the payload of a level frame on the tile
/// socket, as JSON, at most 20 times a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct Levels {
    /// The person's own microphone, also while the room hears nothing of it.
    pub me: Option<f32>,
    /// By [`Person::id`]; who is not listed is silent.
    #[ts(type = "Record<string, number>")]
    pub people: std::collections::BTreeMap<String, f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Appearance, CameraChoice, Graphics, Language, MicrophoneChoice};

    /// Where TypeScript finds the types.
    const GENERATED: &str = "ui/src/ipc/types.ts";

    /// Set by `cargo xtask types`: write the file instead of comparing it.
    const RENEW: &str = "SNUG_RENEW_TYPES";

    #[test]
    fn typescript_has_the_present_types() {
        let wanted = typescript();
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(GENERATED, wanted).expect("the file can be written");
            return;
        }
        let found = std::fs::read_to_string(GENERATED).expect("the file is committed");
        assert!(
            found == wanted,
            "{GENERATED} is stale: run `cargo xtask types`"
        );
    }

    fn typescript() -> String {
        let config = ts_rs::Config::default();
        macro_rules! declare {
            ($($kind:ty),*) => {
                [$(<$kind>::decl(&config)),*]
            };
        }
        let declarations = declare!(
            Snapshot,
            Stage,
            Joining,
            JoinStep,
            Room,
            Connection,
            Person,
            Rules,
            Role,
            Knock,
            Barred,
            HostAction,
            MicrophoneState,
            Me,
            DeviceState,
            Devices,
            DeviceEntry,
            RecentRoom,
            FoundRoom,
            Problem,
            ProblemDetails,
            Notice,
            TileAccess,
            Watching,
            WatchedTile,
            Levels,
            Health,
            Sent,
            Received,
            PictureHealth,
            Social,
            ChatMessage,
            ChatRefused,
            ChatRefusedFor,
            Reacted,
            Reaction,
            Settings,
            CameraChoice,
            MicrophoneChoice,
            Appearance,
            Language,
            Graphics
        );
        let mut text = String::from(
            "// Generated from src-tauri/src/ipc.rs and settings.rs by `cargo xtask types`.\n",
        );
        for declaration in declarations {
            text.push_str("\nexport ");
            text.push_str(&declaration);
            text.push('\n');
        }
        text
    }
}
