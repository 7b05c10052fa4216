//! Chromium behind a way that loses packets, narrows or stops for a while: what it says itself of
//! the sound and the pictures that it gets, and another of what it sends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::cable::Cable;
use snug_testkit::lane;
use snug_testkit::process::PATIENCE;
use snug_testkit::profile::Profile;

use crate::rig::{Guest, Release, Rig, STUN_UNANSWERED, TWO_CABLES, scenario};

/// What both ends need to find the measure of a network.
const SETTLING: Duration = Duration::from_secs(3);
/// How long a network is judged, and in the long form.
const JUDGED: Duration = Duration::from_secs(8);
const JUDGED_SLOW: Duration = Duration::from_secs(60);
/// How long nothing arrives, and how soon after it all is as before.
const BLACKOUT: Duration = Duration::from_secs(2);
const BACK_MAX: Duration = Duration::from_secs(5);

/// Two people in Chromium: Ann beside the server, Bob over the cable.
struct Pair<'a> {
    cable: &'a Cable,
    ann: Guest<'a>,
    bob: Guest<'a>,
}

impl<'a> Pair<'a> {
    fn meet(beside: &'a Browser, away: &'a Browser, cable: &'a Cable) -> Result<Self> {
        let ann = Guest::join(beside, "Ann", Release::MAIN, "loss")?;
        let (far, page) = (Cable::FAR.to_string(), away.open("Bob")?);
        let bob = Guest::join_at(&far, page, Release::MAIN, "loss", "{}")?;
        for (guest, hertz) in [(&ann, 440), (&bob, 660)] {
            guest.camera()?;
            guest.tone(hertz)?;
        }
        let pair = Self { cable, ann, bob };
        for (guest, other) in pair.ways() {
            guest.sees_and_hears(&other.id, PATIENCE)?;
        }
        pair.is_whole(PATIENCE)?;
        Ok(pair)
    }

    /// Who gets from whom: down the cable and up.
    fn ways(&self) -> [(&Guest<'a>, &Guest<'a>); 2] {
        [(&self.bob, &self.ann), (&self.ann, &self.bob)]
    }

    /// Waits until both see the whole picture of the other, and says how long that took.
    fn is_whole(&self, within: Duration) -> Result<Duration> {
        let start = Instant::now();
        for (guest, other) in self.ways() {
            let whole = format!("snug.of('{}', 'video')[0].width === 640", other.id);
            let left = within.saturating_sub(start.elapsed());
            guest.page.until("the whole picture", left, &whole)?;
            guest.still_receives(&other.id)?;
        }
        Ok(start.elapsed())
    }

    /// Lets the network be like this; says what both noted of it, down and up.
    fn under(&self, profile: Profile) -> Result<[Judged; 2]> {
        self.cable.change(profile);
        std::thread::sleep(SETTLING);
        let before = [counted(&self.bob)?, counted(&self.ann)?];
        std::thread::sleep(if lane::is_slow() { JUDGED_SLOW } else { JUDGED });
        let after = [counted(&self.bob)?, counted(&self.ann)?];
        let [down, up] = [0, 1].map(|way: usize| Judged::of(&before[way], &after[way]));
        let judged = [down?, up?];
        println!("{profile:?}, down and up: {judged:?}");
        Ok(judged)
    }
}

fn counted(guest: &Guest<'_>) -> Result<Value> {
    guest.page.run("snug.received()")
}

/// What one of them got meanwhile.
#[derive(Debug)]
struct Judged {
    /// The share of time in which the picture froze, as the browser defines it.
    frozen: f64,
    /// Pictures decoded a second, of 15 that the camera gives.
    pictures: f64,
    /// The share of sound that was made up.
    concealed: f64,
    /// Packets of sound received a second, of 50 that are sent.
    packets_of_sound: f64,
}

impl Judged {
    fn of(before: &Value, after: &Value) -> Result<Self> {
        let grown = |figure: &str| -> Result<f64> {
            let of = |counts: &Value| counts[figure].as_f64().context("no number");
            Ok(of(after)? - of(before)?)
        };
        let seconds = grown("at")?;
        let samples = grown("samples")?;
        ensure!(samples > 40_000.0 * seconds, "{samples} samples are heard");
        Ok(Self {
            frozen: grown("frozen")? / seconds,
            pictures: grown("pictures")? / seconds,
            concealed: grown("concealed")? / samples,
            packets_of_sound: grown("packets")? / seconds,
        })
    }
}

/// Runs a scenario with two people who see and hear each other.
fn call(seed: u64, run: impl FnOnce(&Pair<'_>) -> Result<()>) -> Result<()> {
    scenario(|rig: &Rig| {
        let cable = rig.cable(Profile::Clear, seed)?;
        // On Bob's computer Chromium would have Ann's pictures come over the cable as well.
        let beside = rig.browser_beside_server(Kind::Chromium)?;
        let away = rig.browser(Kind::Chromium)?;
        let pair = Pair::meet(&beside, &away, &cable)?;
        run(&pair)?;
        drop(pair);
        beside.close(&[TWO_CABLES, STUN_UNANSWERED])?;
        away.close(&[TWO_CABLES, STUN_UNANSWERED])
    })
}

#[test]
fn a_lossy_way_is_mended_for_chromium_and_a_blackout_leaves_no_trace() -> Result<()> {
    for seed in lane::seeds(31) {
        call(seed, |pair| {
            for judged in pair.under(Profile::P4(10))? {
                ensure!(judged.frozen < 0.02 && judged.pictures > 12.0, "{judged:?}");
                // One lost packet is in the next one; two in a row are one in a hundred.
                ensure!(judged.concealed < 0.04, "{judged:?}");
            }
            for judged in pair.under(Profile::P5(20, 3.0))? {
                // Bursts of three take the copies with them.
                ensure!(judged.frozen < 0.5 && judged.pictures > 10.0, "{judged:?}");
                ensure!(judged.concealed < 0.25, "{judged:?}");
            }
            pair.cable.change(Profile::Clear);
            pair.is_whole(PATIENCE)?;
            pair.cable.change(Profile::Cut);
            std::thread::sleep(BLACKOUT);
            pair.cable.change(Profile::Clear);
            println!("whole after {:?}", pair.is_whole(BACK_MAX)?);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn the_sound_of_chromium_never_starves_while_the_way_narrows() -> Result<()> {
    for seed in lane::seeds(34) {
        call(seed, |pair| {
            // As P6, in less time for each.
            for kilobits in [2000, 1000, 500, 250] {
                pair.cable.change(Profile::Bottleneck(kilobits));
                std::thread::sleep(SETTLING);
            }
            for judged in pair.under(Profile::Bottleneck(100))? {
                ensure!(judged.packets_of_sound > 25.0, "{judged:?}");
                ensure!(judged.concealed < 0.05, "{judged:?}");
            }
            Ok(())
        })?;
    }
    Ok(())
}
