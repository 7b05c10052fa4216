//! What a participant is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snug_media::{AudioSource, VideoSource};
use snug_protocol::{DisplayName, HostToken, Link, RoomState};
use tokio::sync::watch;

use crate::{FrameSink, PictureSink, SoundSink};

/// How a participant takes part. Make one with [`JoinOptions::new`] and fill in the rest.
#[non_exhaustive]
pub struct JoinOptions {
    /// Which room on which host.
    pub link: Link,
    /// The key in the link came from the network itself, as that of a listed room does: it must
    /// match, and proves nothing.
    pub is_told: bool,
    /// What the others call us.
    pub name: DisplayName,
    /// File that remembers the keys of hosts whose link names none.
    pub known_hosts: PathBuf,
    /// Our picture, if any.
    pub video: Option<Box<dyn VideoSource>>,
    /// Our sound, if any.
    pub audio: Option<Box<dyn AudioSource>>,
    /// Where to record what is received: a path that ends in `.webm`, or a folder.
    pub record: Option<PathBuf>,
    /// Whether pictures are decoded although nobody looks at them, to count them.
    pub decode: bool,
    /// Who looks at the pictures of the others, if anybody.
    pub pictures: Option<Arc<dyn PictureSink>>,
    /// Who takes the pictures of the others undecoded, if anybody: those that
    /// [`crate::Participant::watch`] names.
    pub frames: Option<Arc<dyn FrameSink>>,
    /// Who listens to the others, if anybody.
    pub sound: Option<Box<dyn SoundSink>>,
    /// Bits per second of our picture.
    pub video_bitrate_bps: u32,
    /// Who follows the way in, if anybody. Dropped once we are in.
    pub steps: Option<watch::Sender<JoinStep>>,
    /// What makes us the host of the room, where somebody gave it to us; else the token that the
    /// room gave us earlier is shown, if any.
    pub host: Option<HostToken>,
    /// Who follows roles and rules, if anybody: also while we wait to be let in.
    pub rules: Option<watch::Sender<RoomState>>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// Steps into a room, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinStep {
    /// Finding the host and connecting to it.
    ReachingHost,
    /// Encrypting, and judging its key.
    AgreeingKeys,
    /// Asking for a place in the room.
    Entering,
}

/// Bits per second of a picture, unless said otherwise: good for 720p at 30 frames a second.
const VIDEO_BITRATE_BPS: u32 = 1_500_000;

impl JoinOptions {
    /// Takes part without picture and sound, and records nothing.
    pub fn new(link: Link, name: DisplayName, known_hosts: PathBuf) -> Self {
        Self {
            link,
            is_told: false,
            name,
            known_hosts,
            video: None,
            audio: None,
            record: None,
            decode: false,
            pictures: None,
            frames: None,
            sound: None,
            video_bitrate_bps: VIDEO_BITRATE_BPS,
            steps: None,
            host: None,
            rules: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For each step of the first connection, and for the answer to a join: 5 s.
    pub answer: Duration,
    /// For each step of a later connection: 1 s, and another one is dialled beside it meanwhile.
    pub redial: Duration,
    /// For the media connection, from the first answer: 15 s. One lost packet costs its handshake
    /// a second or more.
    pub media: Duration,
    /// For our goodbye to go out: 500 ms.
    pub goodbye: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(5),
            redial: Duration::from_secs(1),
            media: Duration::from_secs(15),
            goodbye: Duration::from_millis(500),
        }
    }
}
