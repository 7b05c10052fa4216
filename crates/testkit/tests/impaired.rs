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

#[path = "impaired/witness.rs"]
mod witness;

use witness::{Notes, RATE_HZ, Witness};

/// Pictures of the film, which begins anew after them.
const FRAMES: usize = 500;
/// What both need to find the measure of a network.
const SETTLING: Duration = Duration::from_secs(4);
/// How long a network is judged.
const JUDGED: Duration = Duration::from_secs(16);
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
    fn begin(seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let film = folder.path().join("film.y4m");
        StampedFilm::load()?.write(&film, FRAMES)?;
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let cable = Cable::lay(&near, &far, Profile::Clear, seed)?;
        let server = Server::start_with(Some(&far), &[])?;
        let link = server.link_by(&Cable::FAR.to_string(), "Den");
        let voice = fixtures::speech();
        let ann = Witness::join(&far, &link, "Ann", &film, &voice)?;
        let bob = Witness::join(&near, &link, "Bob", &film, &voice)?;
        ann.meets(PATIENCE)?;
        bob.meets(PATIENCE)?;
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
        self.judge(profile)
    }

    fn judge(&self, profile: Profile) -> Result<[Judged; 2]> {
        let (down, up) = std::thread::scope(|scope| {
            let ann = scope.spawn(|| self.ann.watches(JUDGED));
            let bob = self.bob.watches(JUDGED);
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

/// What one side had of the other.
#[derive(Debug)]
struct Judged {
    /// Times that sound was missing for more than 60 ms.
    long_gaps: u64,
    /// Packets of sound that came only as a copy.
    recovered: u64,
    /// The share of time in which the picture froze.
    frozen: f64,
    /// How much of the speech can be understood.
    understood: f64,
}

impl Judged {
    fn of(leg: &str, notes: &Notes) -> Result<Self> {
        let judged = Self {
            long_gaps: notes.counted(|it| it.long_gaps),
            recovered: notes.counted(|it| it.packets_recovered),
            frozen: notes.frozen(),
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
    let _turn = lane::turn();
    with_rights(|| {
        let call = Call::begin(21)?;
        for judged in call.under(Profile::P4(10))? {
            ensure!(judged.long_gaps == 0, "{judged:?}");
            ensure!(judged.recovered > 20, "no copy was of use: {judged:?}");
            ensure!(judged.frozen < 0.02, "{judged:?}");
            ensure!(judged.understood > 0.9, "{judged:?}");
        }
        call.end()
    })
}

#[test]
fn a_voice_is_understood_though_a_third_is_lost() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let call = Call::begin(22)?;
        for profile in [Profile::P4(30), Profile::P5(20, 3.0)] {
            for judged in call.under(profile)? {
                ensure!(judged.understood >= UNDERSTOOD, "{judged:?}");
            }
        }
        call.end()
    })
}

#[test]
fn a_voice_never_starves_while_the_way_narrows_to_a_thread() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let call = Call::begin(23)?;
        // As P6, in less time for each.
        for kilobits in [2000, 1000, 500, 250] {
            call.cable.change(Profile::Bottleneck(kilobits));
            std::thread::sleep(SETTLING);
        }
        for judged in call.under(Profile::Bottleneck(100))? {
            ensure!(judged.long_gaps == 0, "{judged:?}");
            ensure!(judged.understood >= UNDERSTOOD, "{judged:?}");
        }
        call.end()
    })
}
