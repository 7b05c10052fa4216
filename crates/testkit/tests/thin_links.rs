//! What a participant sends over a link that gets thinner: sound first, smaller pictures, none, and
//! all of it again.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use snug_testkit::cable::Cable;
use snug_testkit::fixtures::{self, StampedFilm};
use snug_testkit::lane;
use snug_testkit::netns::{Namespace, with_rights};
use snug_testkit::process::{Event, Join, PATIENCE, Participant, Server, track_sum};
use snug_testkit::profile::Profile;

const FRAMES: usize = 3000;
/// Rows of the film.
const ROWS: u64 = 360;
/// How long a sudden change of the link may be heard and seen: what waits in its queue, and what
/// the sender had not known yet.
const SETTLING: Duration = Duration::from_secs(4);
/// How long everything may take to be as before.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Samples of sound a second.
const RATE: u64 = 48_000;
/// Packets of sound a second, at least: they are of 60 ms at most.
const PACKETS_MIN: f64 = 14.0;

/// Bob sends over the cable, Ann watches him from the server's side.
struct Pair {
    cable: Cable,
    bob: Participant,
    ann: Participant,
    bob_id: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn meet(near: &Namespace, far: &Namespace) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let film = folder.path().join("film.y4m");
        StampedFilm::load()?.write(&film, FRAMES)?;
        let cable = Cable::lay(near, far, Profile::Clear, 5)?;
        let server = Server::start_with(Some(far), &[])?;
        let link = server.link_by(&Cable::FAR.to_string(), "Attic");
        let ann = Join::new(&link, "Ann").start_in(Some(far))?;
        ann.joined()?;
        let bob = Join::new(&link, "Bob").camera(&film);
        let bob = bob.microphone(fixtures::speech()).start_in(Some(near))?;
        let bob_id = bob.joined()?;
        for kind in ["audio", "video"] {
            ann.first_frame(&bob_id, kind, PATIENCE)?;
        }
        let pair = Self {
            cable,
            bob,
            ann,
            bob_id,
            _server: server,
            _folder: folder,
        };
        pair.until("the whole picture", PATIENCE, |pair| {
            Ok(pair.rows_seen()? == ROWS)
        })?;
        Ok(pair)
    }

    fn latest(of: &Participant) -> Result<Event> {
        of.statistics().context("statistics")
    }

    fn rows_seen(&self) -> Result<u64> {
        Ok(track_sum(
            &Self::latest(&self.ann)?,
            &self.bob_id,
            "video",
            "height",
        ))
    }

    /// What Bob says of his picture.
    fn picture(&self) -> Result<Value> {
        let statistics = Self::latest(&self.bob)?;
        let published = statistics.body["published"]
            .as_array()
            .context("published")?;
        let picture = published.iter().find(|it| it["kind"] == "video");
        picture.cloned().context("no picture")
    }

    /// Waits until `seen` holds and says how long that took.
    fn until(
        &self,
        what: &str,
        within: Duration,
        seen: impl Fn(&Self) -> Result<bool>,
    ) -> Result<Duration> {
        let start = Instant::now();
        while !seen(self)? {
            ensure!(start.elapsed() < within, "{what}: {}", self.picture()?);
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{what} after {:?}", start.elapsed());
        Ok(start.elapsed())
    }

    /// Listens for a while: the share of sound that was made up, and pictures a second.
    fn judge(&self, seconds: u64) -> Result<(f64, f64)> {
        let from = Self::latest(&self.ann)?;
        std::thread::sleep(Duration::from_secs(seconds));
        let to = Self::latest(&self.ann)?;
        let counted = |kind, figure| {
            let sum = |event| track_sum(event, &self.bob_id, kind, figure);
            (sum(&to) - sum(&from)) as f64
        };
        let seconds = (to.at_ms - from.at_ms) as f64 / 1000.0;
        let made_up = counted("audio", "samples_concealed") / (RATE as f64 * seconds);
        // After a second without any packet nothing is made up either.
        let packets = counted("audio", "frames_decoded") / seconds;
        ensure!(
            packets >= PACKETS_MIN,
            "{packets:.1} packets of sound a second"
        );
        let pictures = counted("video", "frames_received") / seconds;
        println!("made up {made_up:.4}, {pictures:.1} pictures a second");
        Ok((made_up, pictures))
    }
}

#[test]
fn on_a_thin_link_the_picture_shrinks_and_the_sound_stays_whole() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let pair = Pair::meet(&near, &far)?;
        pair.cable.change(Profile::Bottleneck(400));
        std::thread::sleep(2 * SETTLING);
        let (made_up, pictures) = pair.judge(4)?;
        ensure!(made_up < 0.02 && pictures > 12.0, "400 kb/s");
        ensure!(pair.rows_seen()? < ROWS, "{}", pair.picture()?);
        Ok(())
    })
}

#[test]
fn on_the_thinnest_a_voice_goes_on_and_all_comes_back_later() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let pair = Pair::meet(&near, &far)?;
        pair.cable.change(Profile::Bottleneck(25));
        pair.until("the picture is held back", Duration::from_secs(8), |pair| {
            Ok(pair.picture()?["held_back"] == true)
        })?;
        std::thread::sleep(SETTLING);
        let (made_up, pictures) = pair.judge(4)?;
        ensure!(made_up < 0.05 && pictures == 0.0, "25 kb/s");
        pair.cable.change(Profile::Clear);
        pair.until("all of it again", BACK_WITHIN, |pair| {
            Ok(pair.rows_seen()? == ROWS && pair.picture()?["held_back"] == false)
        })?;
        Ok(())
    })
}

#[test]
fn two_seconds_of_nothing_leave_no_trace() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let pair = Pair::meet(&near, &far)?;
        pair.cable.change(Profile::Cut);
        std::thread::sleep(Duration::from_secs(2));
        pair.cable.change(Profile::Clear);
        std::thread::sleep(Duration::from_secs(1));
        let (made_up, pictures) = pair.judge(3)?;
        ensure!(made_up < 0.02 && pictures > 20.0, "after the cut");
        // Four seconds have passed; five are bearable.
        pair.until("the whole picture", Duration::from_secs(1), |pair| {
            Ok(pair.rows_seen()? == ROWS)
        })?;
        Ok(())
    })
}
