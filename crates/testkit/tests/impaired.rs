//! A call over bad networks, seen and heard by people on both sides: what they notice of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::cable::Cable;
use snug_testkit::fixtures::{self, StampedFilm};
use snug_testkit::netns::{Namespace, with_rights};
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::profile::Profile;
use snug_testkit::wav::{self, Sound};
use snug_testkit::{correlate, lane, stoi};

#[path = "impaired/named.rs"]
mod named;
#[path = "impaired/witness.rs"]
mod witness;

use witness::{Notes, RATE_HZ, Witness};

/// Pictures of the film, which begins anew after them.
const FRAMES: usize = 500;
/// What both need to find the measure of a network.
const SETTLING: Duration = Duration::from_secs(4);
/// How long a network is judged, and in the long form.
const JUDGED: Duration = Duration::from_secs(16);
const JUDGED_SLOW: Duration = Duration::from_secs(60);
/// Sound is held against the speech in pieces so long: when a network becomes slower, playout may be
/// a little later from one to the next.
const PIECE: usize = 2 * RATE_HZ as usize;
/// From here on speech is understood without effort, as the issue has it.
const UNDERSTOOD: f64 = 0.75;

/// Two people and a server: Ann beside it, Bob over the cable.
struct Call {
    _far: Namespace,
    _near: Namespace,
    cable: Cable,
    _server: Server,
    ann: Witness,
    bob: Witness,
    _folder: tempfile::TempDir,
}

impl Call {
    /// Both show themselves and speak.
    fn begin(seed: u64) -> Result<Self> {
        let call = Self::begin_with(seed, true)?;
        call.bob.meets(PATIENCE)?;
        Ok(call)
    }

    /// Bob shows himself and speaks; Ann may do so too.
    fn begin_with(seed: u64, is_ann_shown: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let film = folder.path().join("film.y4m");
        StampedFilm::load()?.write(&film, FRAMES)?;
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let cable = Cable::lay(&near, &far, Profile::Clear, seed)?;
        let server = Server::start_with(Some(&far), &[])?;
        let link = server.link_by(&Cable::FAR.to_string(), "Den");
        let voice = fixtures::speech();
        let media = Some((film.as_path(), voice.as_path()));
        let hers = media.filter(|_| is_ann_shown);
        let ann = Witness::join(&far, &link, "Ann", folder.path(), hers)?;
        let bob = Witness::join(&near, &link, "Bob", folder.path(), media)?;
        ann.meets(PATIENCE)?;
        Ok(Self {
            _far: far,
            _near: near,
            cable,
            _server: server,
            ann,
            bob,
            _folder: folder,
        })
    }

    /// Lets the network be like this; gives what Bob and Ann noted after a while.
    fn under(&self, profile: Profile) -> Result<[Judged; 2]> {
        self.cable.change(profile);
        std::thread::sleep(SETTLING);
        let during = if lane::is_slow() { JUDGED_SLOW } else { JUDGED };
        self.judge(profile, during)
    }

    fn judge(&self, profile: Profile, during: Duration) -> Result<[Judged; 2]> {
        let (down, up) = std::thread::scope(|scope| {
            let ann = scope.spawn(|| self.ann.watches(during));
            let bob = self.bob.watches(during);
            (bob, ann.join().expect("it only notes"))
        });
        Ok([
            Judged::of(&format!("{profile:?}, down"), &down)?,
            Judged::of(&format!("{profile:?}, up"), &up)?,
        ])
    }

    fn end(self) -> Result<()> {
        self.ann.leave()?;
        self.bob.leave()
    }
}

/// Runs a scenario in a call of its own, and in the long form once more for each further seed.
fn in_call(
    first_seed: u64,
    begin: fn(u64) -> Result<Call>,
    run: impl Fn(&Call) -> Result<()>,
) -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        for seed in lane::seeds(first_seed) {
            let call = begin(seed)?;
            run(&call)?;
            call.end()?;
        }
        Ok(())
    })
}

/// What one side had of the other.
#[derive(Debug)]
struct Judged {
    /// Times that sound was missing for more than 60 ms.
    long_gaps: u64,
    /// Packets of sound that came only as a copy.
    recovered: u64,
    /// The share of time in which the picture froze.
    frozen: f64,
    /// Pictures shown a second, of 25 that the film has.
    pictures: f64,
    /// How much of the speech can be understood.
    understood: f64,
}

impl Judged {
    fn of(leg: &str, notes: &Notes) -> Result<Self> {
        let judged = Self {
            long_gaps: notes.counted(|it| it.long_gaps),
            recovered: notes.counted(|it| it.packets_recovered),
            frozen: notes.frozen(),
            pictures: notes.pictures_a_second(),
            understood: understood(&notes.heard)?,
        };
        println!("{leg}: {judged:?}");
        Ok(judged)
    }
}

/// Says how much of the speech can be understood, the mean of its pieces.
fn understood(heard: &[f32]) -> Result<f64> {
    let mut speech = wav::read(&fixtures::speech())?.samples;
    // It is said over and over.
    speech.extend_from_within(..PIECE);
    let sound = |samples: &[f32]| Sound {
        rate_hz: RATE_HZ,
        samples: samples.to_vec(),
    };
    let shares = heard.chunks_exact(PIECE).map(|heard| {
        let at = correlate::find(heard, &speech).lag_samples;
        stoi::intelligibility(&sound(&speech[at..at + PIECE]), &sound(heard))
    });
    let shares: Vec<f64> = shares.collect();
    ensure!(!shares.is_empty(), "less than a piece was heard");
    Ok(shares.iter().sum::<f64>() / shares.len() as f64)
}

#[test]
fn a_tenth_of_all_packets_may_go_unnoticed() -> Result<()> {
    in_call(21, Call::begin, |call| {
        for judged in call.under(Profile::P4(10))? {
            ensure!(judged.long_gaps == 0, "{judged:?}");
            ensure!(judged.recovered > 20, "no copy was of use: {judged:?}");
            ensure!(judged.frozen < 0.02, "{judged:?}");
            ensure!(judged.understood > 0.9, "{judged:?}");
        }
        Ok(())
    })
}

#[test]
fn a_voice_is_understood_though_a_third_is_lost() -> Result<()> {
    in_call(22, Call::begin, |call| {
        for profile in [Profile::P4(30), Profile::P5(20, 3.0)] {
            for judged in call.under(profile)? {
                ensure!(judged.understood >= UNDERSTOOD, "{judged:?}");
            }
        }
        Ok(())
    })
}
