//! The camera in a call: a room server and two people in this process, over loopback.

use std::time::Duration;

use snug_client::{Happening, JoinOptions, Kind, Participant, Stats};
use snug_media::device::DeviceId;
use snug_media::device::camera::{Camera, CameraWish, list};
use snug_protocol::{DisplayName, Link};
use snug_server::{Config, Server};
use tokio::time::timeout;

use crate::vivid::{PATIENCE, ensure, load, plug, unload};
use crate::{Failure, Outcome};

/// What an emulated processor can encode in time.
const WISH: CameraWish = CameraWish {
    width: 320,
    height: 180,
    fps: 10,
};

/// Pictures that must arrive before the call counts as seen: more than one burst.
const PICTURES: u64 = 10;

/// The camera is pulled out while Ada is seen, and put back.
pub fn unplugged() -> Outcome {
    load(1)?;
    run(async {
        let mut call = Call::start().await?;
        call.seen(0).await?;
        plug("unbind")?;
        let code = call.stopped().await?;
        ensure(code == "camera_unplugged", || code.clone())?;
        call.dark().await?;
        plug("bind")?;
        call.camera_on().await?;
        call.seen(call.pictures()).await?;
        call.end().await
    })?;
    unload()
}

/// Ada switches her camera off, and on again.
pub fn off_and_on() -> Outcome {
    load(1)?;
    run(async {
        let call = Call::start().await?;
        call.seen(0).await?;
        call.ada.set_camera(None).await?;
        call.dark().await?;
        // The kernel lets go of a driver only when nobody holds its device: the light is off.
        freed().await?;
        load(1)?;
        call.camera_on().await?;
        call.seen(call.pictures()).await?;
        call.end().await
    })?;
    unload()
}

/// Waits until the camera can be unloaded: the call lets go of it a moment after it said so.
async fn freed() -> Outcome {
    let last = async {
        while unload().is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, last)
        .await
        .map_err(|_| "the camera is still held".into())
}

fn run(call: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Runtime::new()?.block_on(call)
}

/// Ada, who has the camera, and Bo, who looks.
struct Call {
    server: Server,
    ada: Participant,
    bo: Participant,
    camera: DeviceId,
    _folder: tempfile::TempDir,
}

impl Call {
    async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let config = Config {
            port: 0,
            bind: Some("127.0.0.1".parse()?),
            data_dir: folder.path().join("host"),
            ..Config::default()
        };
        let server = Server::start(config).await?;
        let link: Link = format!(
            "snug://{}/kitchen#k={}",
            server.addresses()[0],
            server.pin()
        )
        .parse()?;
        let options = |name| {
            let known_hosts = folder.path().join("known_hosts");
            let name = DisplayName::parse(name)?;
            Ok::<_, Failure>(JoinOptions::new(link.clone(), name, known_hosts))
        };
        let camera = list()?.first().ok_or("no camera")?.id.clone();
        let mut ada = options("Ada")?;
        ada.video = Some(Box::new(Camera::open(Some(&camera), WISH)?));
        ada.video_bitrate_bps = 200_000;
        let mut bo = options("Bo")?;
        bo.decode = true;
        Ok(Self {
            ada: Participant::join(ada).await?,
            bo: Participant::join(bo).await?,
            server,
            camera,
            _folder: folder,
        })
    }

    async fn camera_on(&self) -> Outcome {
        let camera = Camera::open(Some(&self.camera), WISH)?;
        Ok(self.ada.set_camera(Some(Box::new(camera))).await?)
    }

    /// Waits until Bo has decoded some more pictures of Ada than `before`.
    async fn seen(&self, before: u64) -> Outcome {
        self.bo_sees("pictures of Ada", |stats| {
            pictures_of(stats) >= before + PICTURES && is_active(stats)
        })
        .await
    }

    /// Waits until Bo is told that Ada's camera is off.
    async fn dark(&self) -> Outcome {
        self.bo_sees("Ada's camera go off", |stats| !is_active(stats))
            .await
    }

    async fn bo_sees(&self, what: &str, holds: impl Fn(&Stats) -> bool) -> Outcome {
        let mut stats = self.bo.watch_stats();
        match timeout(PATIENCE, stats.wait_for(|stats| holds(stats))).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!("Bo waited in vain for {what}: {:?}", self.bo.stats()).into()),
        }
    }

    fn pictures(&self) -> u64 {
        pictures_of(&self.bo.stats())
    }

    /// Waits until Ada is told that her camera stopped by itself; gives the code.
    async fn stopped(&mut self) -> Result<String, Failure> {
        let mut events = self.ada.events();
        let stopped = async {
            while let Some(event) = events.recv().await {
                if let Happening::SourceStopped { code, message, .. } = event.what {
                    println!("     {message}");
                    return Ok(code);
                }
            }
            Err("the call ended".into())
        };
        timeout(PATIENCE, stopped)
            .await
            .map_err(|_| "nobody noticed")?
    }

    async fn end(self) -> Outcome {
        self.ada.leave().await?;
        self.bo.leave().await?;
        self.server.shutdown().await;
        Ok(())
    }
}

fn pictures_of(stats: &Stats) -> u64 {
    let tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
    tracks.map(|track| track.received.frames_decoded).sum()
}

fn is_active(stats: &Stats) -> bool {
    let mut tracks = stats.peers.iter().flat_map(|peer| &peer.tracks);
    tracks.any(|track| track.kind == Kind::Video && track.active)
}
