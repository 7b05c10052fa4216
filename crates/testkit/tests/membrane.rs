//! Snug's client joins a server of the Membrane family, which is stricter than ours: everything
//! through its relay, every negotiation with a new ICE generation, and no offer that its engine
//! would crash at.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::time::Duration;

use snug_client::{Event, Happening, JoinOptions, Kind, Participant, Stats};
use snug_media::source::{TestPattern, Tone};
use snug_protocol::{DisplayName, Link};
use snug_testkit::membrane::{Membrane, Settings};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    server: Membrane,
    folder: tempfile::TempDir,
}

impl House {
    async fn open(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Membrane::start(settings).await.unwrap();
        Self { server, folder }
    }

    fn options(&self, name: &str) -> JoinOptions {
        let link: Link = format!("snug://{}/kitchen", self.server.address())
            .parse()
            .unwrap();
        let known_hosts = self.folder.path().join("known_hosts");
        let mut options = JoinOptions::new(link, DisplayName::parse(name).unwrap(), known_hosts);
        options.decode = true;
        options
    }

    fn publishing(&self, name: &str) -> JoinOptions {
        let mut options = self.options(name);
        options.video = Some(Box::new(TestPattern::new(320, 180, 30).unwrap()));
        options.audio = Some(Box::new(Tone::new(1000.0, 0.5)));
        options.video_bitrate_bps = 400_000;
        options
    }

    /// Checks that nobody said anything that a real server would have crashed at.
    fn nobody_is_refused(&self) {
        let refusals = self.server.record().refusals;
        assert!(refusals.is_empty(), "{refusals:#?}");
    }
}

async fn wait_for(
    events: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&Happening) -> bool,
) -> Happening {
    let mut seen = Vec::new();
    loop {
        let Ok(Some(event)) = timeout(PATIENCE, events.recv()).await else {
            panic!("it did not happen; this did: {seen:#?}");
        };
        if wanted(&event.what) {
            return event.what;
        }
        seen.push(event.what);
    }
}

/// Waits until pictures and sound of so many others were decoded.
async fn sees_and_hears(events: &mut mpsc::Receiver<Event>, others: usize) {
    let mut missing = 2 * others;
    while missing > 0 {
        wait_for(events, |it| matches!(it, Happening::FirstFrame { .. })).await;
        missing -= 1;
    }
}

/// How many frames of others were decoded so far, sound and pictures.
fn decoded(stats: &Stats) -> [u64; 2] {
    let tracks = || stats.peers.iter().flat_map(|peer| &peer.tracks);
    [Kind::Audio, Kind::Video].map(|kind| {
        let of_kind = tracks().filter(|track| track.kind == kind);
        of_kind.map(|track| track.received.frames_decoded).sum()
    })
}

/// Waits until everything that is received goes on.
async fn goes_on(participant: &Participant) {
    const FRAMES: u64 = 15;
    let before = decoded(&participant.stats());
    let mut stats = participant.watch_stats();
    let more = stats.wait_for(|stats| {
        let now = decoded(stats);
        before
            .iter()
            .zip(now)
            .all(|(before, now)| now >= before + FRAMES)
    });
    timeout(PATIENCE, more).await.expect("more frames").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_see_and_hear_each_other_through_the_relay() {
    let house = House::open(Settings::default()).await;
    let mut ada = Participant::join(house.publishing("Ada")).await.unwrap();
    let mut ada_hears = ada.events();
    wait_for(&mut ada_hears, |it| matches!(it, Happening::MediaConnected)).await;
    let mut bo = Participant::join(house.publishing("Bo")).await.unwrap();
    let mut bo_hears = bo.events();
    sees_and_hears(&mut bo_hears, 1).await;
    sees_and_hears(&mut ada_hears, 1).await;
    let mut cy = Participant::join(house.publishing("Cy")).await.unwrap();
    sees_and_hears(&mut cy.events(), 2).await;
    sees_and_hears(&mut ada_hears, 1).await;
    sees_and_hears(&mut bo_hears, 1).await;
    for participant in [&ada, &bo, &cy] {
        goes_on(participant).await;
    }
    house.nobody_is_refused();
    for participant in [ada, bo, cy] {
        participant.leave().await.unwrap();
    }
}
