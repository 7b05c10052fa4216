//! Publications of sources that misbehave, on a connection that leads nowhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use snug_media::source::{TestPattern, Tone};
use snug_media::{BLOCK_SAMPLES, CapturedFrame};
use tokio::time::timeout;

use super::*;
use crate::transport::Transport;

const PATIENCE: Duration = Duration::from_secs(15);

/// A camera that takes its time for each picture, and tells when it is let go of.
struct SlowCamera {
    pattern: TestPattern,
    pause: Duration,
    freed: Arc<AtomicBool>,
}

impl VideoSource for SlowCamera {
    fn size(&self) -> (u32, u32) {
        self.pattern.size()
    }

    fn frame_interval(&self) -> Duration {
        self.pattern.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, snug_media::Error> {
        std::thread::sleep(self.pause);
        self.pattern.next_frame()
    }

    fn is_live(&self) -> bool {
        true
    }
}

impl Drop for SlowCamera {
    fn drop(&mut self) {
        self.freed.store(true, Ordering::Relaxed);
    }
}

struct Panicking;

impl AudioSource for Panicking {
    fn read(&mut self, _: &mut [f32; BLOCK_SAMPLES]) -> Result<(), snug_media::Error> {
        panic!("on purpose");
    }
}

struct World {
    transport: Transport,
    lane: mpsc::Sender<SourceEnded>,
    ends: mpsc::Receiver<SourceEnded>,
}

impl World {
    async fn new() -> Self {
        let (transport, _) = Transport::open("127.0.0.1:1".parse().unwrap())
            .await
            .unwrap();
        let (lane, ends) = mpsc::channel(4);
        Self {
            transport,
            lane,
            ends,
        }
    }

    async fn publish(&self, source: Source) -> Publication {
        let track = self.transport.publish(source.kind(), "stream", false);
        let to = Destination {
            track: track.await.unwrap(),
            numbers: Arc::new(Numbers::random()),
            steering: Arc::default(),
            encodings: 1,
            bitrate_bps: 200_000,
            after: None,
        };
        let when = (Epoch::now(), Instant::now());
        Publication::start(source, to, when, (7, self.lane.clone())).unwrap()
    }

    async fn end(&mut self) -> SourceEnded {
        timeout(PATIENCE, self.ends.recv()).await.unwrap().unwrap()
    }
}

fn slow_camera(pause_ms: u64) -> (Source, Arc<AtomicBool>) {
    let freed = Arc::new(AtomicBool::new(false));
    let camera = SlowCamera {
        pattern: TestPattern::new(64, 64, 30).unwrap(),
        pause: Duration::from_millis(pause_ms),
        freed: Arc::clone(&freed),
    };
    (Source::Video(Box::new(camera)), freed)
}

#[tokio::test]
async fn nobody_waits_for_a_camera_that_is_switched_off() {
    let mut world = World::new().await;
    let (camera, freed) = slow_camera(400);
    let publication = world.publish(camera).await;
    let asked = Instant::now();
    let (_, sending) = publication.stop(Fate::Free);
    drop(sending);
    assert!(asked.elapsed() < Duration::from_millis(200), "it waited");
    let ended = world.end().await;
    assert!(matches!(ended.end, End::Asked) && ended.source.is_none());
    assert_eq!(ended.number, 7);
    assert!(freed.load(Ordering::Relaxed), "freed before it is told");
}

#[tokio::test]
async fn a_source_on_its_way_back_can_still_be_let_go_of() {
    let mut world = World::new().await;
    let (camera, freed) = slow_camera(300);
    let (stop, _sending) = world.publish(camera).await.stop(Fate::Return);
    stop.set(Fate::Free);
    stop.set(Fate::Return);
    assert!(world.end().await.source.is_none());
    assert!(freed.load(Ordering::Relaxed));
    let (camera, freed) = slow_camera(1);
    let (_stop, _sending) = world.publish(camera).await.stop(Fate::Return);
    let ended = world.end().await;
    assert!(ended.source.is_some() && !freed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_panic_of_a_source_is_told() {
    let mut world = World::new().await;
    let publication = world.publish(Source::Audio(Box::new(Panicking))).await;
    let ended = world.end().await;
    assert!(matches!(ended.end, End::Failed(Error::Internal(_))));
    drop(publication);
}

#[tokio::test]
async fn a_picture_that_no_encoder_takes_is_told() {
    let mut world = World::new().await;
    let huge = TestPattern::new(64, 64, 30).map(Huge);
    let publication = world.publish(Source::Video(Box::new(huge.unwrap()))).await;
    let ended = world.end().await;
    let End::Failed(error) = ended.end else {
        panic!("{:?}", ended.end);
    };
    assert_eq!(error.code(), "codec_failed");
    drop(publication);
}

/// Says that it is larger than any encoder takes.
struct Huge(TestPattern);

impl VideoSource for Huge {
    fn size(&self) -> (u32, u32) {
        (20_000, 20_000)
    }

    fn frame_interval(&self) -> Duration {
        self.0.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, snug_media::Error> {
        self.0.next_frame()
    }
}

#[tokio::test]
async fn a_sound_stops_at_once_and_ends_with_silence() {
    let mut world = World::new().await;
    let publication = world
        .publish(Source::Audio(Box::new(Tone::new(1000.0, 0.5))))
        .await;
    let asked = Instant::now();
    let (_, _sending) = publication.stop(Fate::Return);
    let ended = world.end().await;
    assert!(ended.source.is_some());
    assert!(asked.elapsed() < Duration::from_millis(500));
}
