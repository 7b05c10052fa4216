//! Lets somebody look at pictures, or listen to sound, on its way from a source.

use std::sync::Arc;
use std::time::Duration;

use super::{AudioSource, VideoSource};
use crate::error::Error;
use crate::frame::{BLOCK_SAMPLES, CapturedFrame};

/// Sees the pictures of a [`TappedVideo`].
pub trait VideoTap: Send + Sync {
    /// Looks at a picture on the thread that captures it: whoever needs time takes a copy.
    fn see(&self, picture: &CapturedFrame);
}

/// Hears the sound of a [`TappedAudio`].
pub trait AudioTap: Send + Sync {
    /// Listens to a block on the thread that captures it: whoever needs time takes a copy.
    fn hear(&self, block: &[f32; BLOCK_SAMPLES]);
}

/// Passes the pictures of a source on, and shows each to a [`VideoTap`] first: an own tile during
/// a call, without opening the camera twice.
pub struct TappedVideo {
    source: Box<dyn VideoSource>,
    tap: Arc<dyn VideoTap>,
}

impl TappedVideo {
    /// Shows what `source` gives to `tap`.
    #[must_use]
    pub fn new(source: Box<dyn VideoSource>, tap: Arc<dyn VideoTap>) -> Self {
        Self { source, tap }
    }
}

impl VideoSource for TappedVideo {
    fn size(&self) -> (u32, u32) {
        self.source.size()
    }

    fn frame_interval(&self) -> Duration {
        self.source.frame_interval()
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
        let picture = self.source.next_frame()?;
        if let Some(picture) = &picture {
            self.tap.see(picture);
        }
        Ok(picture)
    }
}

/// Passes the sound of a source on, and lets an [`AudioTap`] hear each block first: a level meter
/// during a call, without opening the microphone twice.
pub struct TappedAudio {
    source: Box<dyn AudioSource>,
    tap: Arc<dyn AudioTap>,
}

impl TappedAudio {
    /// Lets `tap` hear what `source` gives.
    #[must_use]
    pub fn new(source: Box<dyn AudioSource>, tap: Arc<dyn AudioTap>) -> Self {
        Self { source, tap }
    }
}

impl AudioSource for TappedAudio {
    fn is_live(&self) -> bool {
        self.source.is_live()
    }

    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        self.source.read(out)?;
        self.tap.hear(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::{DeviceProblem, InputRole};
    use crate::source::{TestPattern, Tone};

    #[derive(Default)]
    struct Watcher(Mutex<Vec<Duration>>);

    impl VideoTap for Watcher {
        fn see(&self, picture: &CapturedFrame) {
            self.0.lock().unwrap().push(picture.at);
        }
    }

    #[derive(Default)]
    struct Listener(Mutex<Vec<f32>>);

    impl AudioTap for Listener {
        fn hear(&self, block: &[f32; BLOCK_SAMPLES]) {
            self.0.lock().unwrap().extend_from_slice(block);
        }
    }

    #[test]
    fn a_tap_sees_every_picture_and_changes_none() {
        let pattern = TestPattern::new(64, 48, 25).unwrap();
        let watcher = Arc::new(Watcher::default());
        let mut tapped = TappedVideo::new(Box::new(pattern.clone()), watcher.clone());
        assert_eq!(tapped.size(), (64, 48));
        assert_eq!(tapped.frame_interval(), Duration::from_millis(40));
        for n in 0..3 {
            let picture = tapped.next_frame().unwrap().unwrap();
            assert_eq!(picture.frame, pattern.draw(n));
        }
        let seen = watcher.0.lock().unwrap();
        assert_eq!(*seen, [0, 40, 80].map(Duration::from_millis));
    }

    #[test]
    fn a_tap_hears_every_block_and_changes_none() {
        let listener = Arc::new(Listener::default());
        let mut tapped = TappedAudio::new(Box::new(Tone::default()), listener.clone());
        let mut plain = Tone::default();
        let (mut block, mut expected) = ([0.0; BLOCK_SAMPLES], Vec::new());
        for _ in 0..3 {
            tapped.read(&mut block).unwrap();
            plain.read(&mut block).unwrap();
            expected.extend_from_slice(&block);
        }
        assert_eq!(*listener.0.lock().unwrap(), expected);
    }

    struct Gone;

    impl VideoSource for Gone {
        fn size(&self) -> (u32, u32) {
            (2, 2)
        }

        fn frame_interval(&self) -> Duration {
            Duration::from_millis(33)
        }

        fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
            Err(Error::device(
                InputRole::Camera,
                "",
                DeviceProblem::Unplugged,
            ))
        }
    }

    #[test]
    fn an_error_passes_by_the_tap() {
        let watcher = Arc::new(Watcher::default());
        let mut tapped = TappedVideo::new(Box::new(Gone), watcher.clone());
        assert_eq!(tapped.next_frame().unwrap_err().code(), "camera_unplugged");
        assert!(watcher.0.lock().unwrap().is_empty());
    }
}
