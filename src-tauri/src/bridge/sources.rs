//! Opens what the person chose, with taps for their own tile, meter and ears.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use snug_media::device::camera::{Camera, CameraWish};
use snug_media::device::{DeviceId, Microphone, Speaker};
use snug_media::source::{
    AudioTap, TappedAudio, TappedVideo, TestPattern, Tone, VideoTap, WavFile, Y4mFile,
};
use snug_media::{AudioSource, BLOCK_SAMPLES, CapturedFrame, VideoSource};

use super::capture::{Input, Opened};
use super::problem::of_media;
use super::speaker::Ears;
use crate::ipc::Problem;
use crate::tiles::Tiles;

/// Pictures a second asked of a camera.
const CAMERA_FPS: u32 = 30;
/// Processor cores from which on a camera is asked for 720 rows: encoding them takes most of one,
/// and decoding the others' a good part of a second.
const CORES_FOR_720: usize = 6;
/// Pictures a second of the test pattern.
const PATTERN_FPS: u32 = 30;
/// Size of the test pattern.
const PATTERN_SIZE: (u32, u32) = (640, 360);
/// The test tone, and its peak as a share of full scale (-12 dBFS).
const TONE: (f64, f32) = (1000.0, 0.25);

/// One's own picture at home: twelve a second of a small one are enough to see how one looks. On a
/// machine without a graphics processor, every row more costs where nothing goes on yet.
const PREVIEW: Show = Show {
    interval: Duration::from_millis(80),
    height_max: 180,
};
/// The same in a room, where one's own tile stands beside the others.
const IN_ROOM: Show = Show {
    interval: Duration::from_millis(40),
    height_max: 360,
};

/// How one's own picture is shown.
struct Show {
    /// Least time between two pictures.
    interval: Duration,
    /// Rows at most.
    height_max: u32,
}

/// How much too early a picture may come and still count as on time: cameras are not that
/// regular, and leaving out every other one would halve the rate.
const EARLY: Duration = Duration::from_millis(8);

pub(crate) type Picture = Box<dyn VideoSource>;
pub(crate) type Sound = Box<dyn AudioSource>;
/// Boxed because it carries its buffers with it.
pub(crate) type Playback = Box<Speaker>;

/// Who looks on and listens while something is captured.
#[derive(Clone)]
pub(crate) struct Taps {
    tiles: Tiles,
    /// The person is in a room.
    in_room: Arc<AtomicBool>,
    /// They hear themselves.
    listening: Arc<AtomicBool>,
    ears: Ears,
}

impl Taps {
    /// Sends what is seen and how loud it is to `tiles`, and what is heard to `ears`.
    pub(crate) fn new(tiles: Tiles, ears: Ears) -> Self {
        Self {
            tiles,
            in_room: Arc::default(),
            listening: Arc::default(),
            ears,
        }
    }

    /// Notes whether the person hears themselves.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// Notes whether the person is in a room.
    pub(crate) fn set_in_room(&self, in_room: bool) {
        self.in_room.store(in_room, Ordering::Relaxed);
    }
}

/// Opens a camera, test pattern or film. May take a second: call it where waiting is fine.
pub(crate) fn open_camera(input: &Input, taps: &Taps) -> Result<Opened<Picture>, Problem> {
    let (source, name): (Picture, String) = match input {
        Input::Device(id) => {
            let camera = Camera::open(id.as_ref(), camera_wish());
            let camera = camera.map_err(|error| of_media(&error, name_of(&error)))?;
            let name = camera.info().name.clone();
            (Box::new(camera), name)
        }
        Input::Test => {
            let (width, height) = PATTERN_SIZE;
            let pattern = TestPattern::new(width, height, PATTERN_FPS);
            let pattern = pattern.map_err(|error| of_media(&error, None))?;
            (Box::new(pattern), "Test pattern".to_owned())
        }
        Input::File(path) => {
            let name = file_name(path);
            let film = Y4mFile::open(path).map_err(|error| of_media(&error, Some(&name)))?;
            (Box::new(film), name)
        }
    };
    let size = Some(source.size());
    let tap = Arc::new(OwnPicture::new(taps.clone()));
    let source = Box::new(TappedVideo::new(source, tap));
    Ok(Opened { source, name, size })
}

/// Opens a speaker. May take two seconds.
pub(crate) fn open_speaker(input: &Input) -> Result<Opened<Playback>, Problem> {
    let id: Option<&DeviceId> = match input {
        Input::Device(id) => id.as_ref(),
        // A speaker is always a device.
        Input::Test | Input::File(_) => None,
    };
    let source = Speaker::open(id).map_err(|error| of_media(&error, name_of(&error)))?;
    Ok(Opened {
        name: source.info().name.clone(),
        source: Box::new(source),
        size: None,
    })
}

/// What is asked of a camera: 720 rows where this computer can encode them beside everything else
/// that a call does, else a quarter of the pixels.
fn camera_wish() -> CameraWish {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (width, height) = if cores >= CORES_FOR_720 {
        (1280, 720)
    } else {
        (640, 360)
    };
    let fps = CAMERA_FPS;
    CameraWish { width, height, fps }
}

/// What the device of an error calls itself.
fn name_of(error: &snug_media::Error) -> Option<&str> {
    match error {
        snug_media::Error::Device { name, .. } if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// Opens a microphone, test tone or recording. May take a second.
pub(crate) fn open_microphone(input: &Input, taps: &Taps) -> Result<Opened<Sound>, Problem> {
    let (source, name): (Sound, String) = match input {
        Input::Device(id) => {
            let microphone = Microphone::open(id.as_ref());
            let microphone = microphone.map_err(|error| of_media(&error, name_of(&error)))?;
            let name = microphone.info().name.clone();
            (Box::new(microphone), name)
        }
        Input::Test => {
            let (hertz, peak) = TONE;
            (Box::new(Tone::new(hertz, peak)), "Test tone".to_owned())
        }
        Input::File(path) => {
            let name = file_name(path);
            let file = WavFile::open(path).map_err(|error| of_media(&error, Some(&name)))?;
            (Box::new(file), name)
        }
    };
    let tap = Arc::new(OwnSound { taps: taps.clone() });
    let source = Box::new(TappedAudio::new(source, tap));
    Ok(Opened {
        source,
        name,
        size: None,
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Sends one's own pictures to the page, a few of them a second.
struct OwnPicture {
    taps: Taps,
    /// When the next picture is due, on the source's clock in microseconds.
    due_us: AtomicU64,
}

impl OwnPicture {
    fn new(taps: Taps) -> Self {
        Self {
            taps,
            due_us: AtomicU64::new(0),
        }
    }

    fn is_due(&self, at: Duration, interval: Duration) -> bool {
        let due = Duration::from_micros(self.due_us.load(Ordering::Relaxed));
        if at + EARLY < due {
            return false;
        }
        // Keeps the beat where it can, and starts afresh after a pause.
        let next = (due + interval).max(at + interval / 2);
        let next = u64::try_from(next.as_micros()).unwrap_or(u64::MAX);
        self.due_us.store(next, Ordering::Relaxed);
        true
    }
}

impl VideoTap for OwnPicture {
    fn see(&self, picture: &CapturedFrame) {
        let in_room = self.taps.in_room.load(Ordering::Relaxed);
        let show = if in_room { IN_ROOM } else { PREVIEW };
        let (at, tiles) = (picture.at, &self.taps.tiles);
        if tiles.is_own_watched() && self.is_due(at, show.interval) {
            tiles.send_own(at, &picture.frame, show.height_max);
        }
    }
}

/// Notes how loud one's own microphone is.
struct OwnSound {
    taps: Taps,
}

impl AudioTap for OwnSound {
    fn hear(&self, block: &[f32; BLOCK_SAMPLES]) {
        self.taps.tiles.levels().note_mine(level_dbfs(block));
        if self.taps.listening.load(Ordering::Relaxed) {
            self.taps.ears.hear(block);
        }
    }
}

/// Gives the loudness of a block: its mean power in dB below full scale.
fn level_dbfs(block: &[f32]) -> f32 {
    let power = block.iter().map(|value| value * value).sum::<f32>() / block.len().max(1) as f32;
    10.0 * power.max(f32::MIN_POSITIVE).log10()
}
