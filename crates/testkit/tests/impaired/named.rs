//! The networks that have a name of their own and change as time passes, or are slow as well as
//! lossy: the call stays, and what matters most of it. The long form takes whole minutes of each.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snug_testkit::cable::Cable;
use snug_testkit::lane;
use snug_testkit::profile::Profile;

use super::{Call, Judged, SETTLING, UNDERSTOOD, in_call};

/// How long a network is judged in the short form, and in the long one.
const SHORT: Duration = Duration::from_secs(8);
const LONG: Duration = Duration::from_secs(60);
/// What is heard of a call that merely stays.
const STAYS: f64 = 0.5;
/// How long all may take to be as before.
const BACK_MAX: Duration = Duration::from_secs(15);

/// Judges a network; in the short form from so much of its time on, so that the worst of it falls
/// into what is judged.
fn under(call: &Call, profile: Profile, from: Duration) -> Result<[Judged; 2]> {
    match lane::is_slow() {
        true => call.cable.change(profile),
        false => call.cable.change_to(profile, from),
    }
    std::thread::sleep(SETTLING);
    call.judge(profile, if lane::is_slow() { LONG } else { SHORT })
}

#[test]
fn a_call_stays_on_every_bad_network() -> Result<()> {
    in_call(24, Call::begin, |call| {
        for (profile, from_s, understood) in [
            (Profile::P1, 0, UNDERSTOOD),
            (Profile::P3, 6, UNDERSTOOD),
            (Profile::P8, 14, UNDERSTOOD),
            (Profile::P2, 0, STAYS),
        ] {
            for judged in under(call, profile, Duration::from_secs(from_s))? {
                ensure!(judged.understood >= understood, "{profile:?}: {judged:?}");
                // 300 kb/s that come late and in bursts are for sound.
                let is_seen = judged.pictures > 5.0 || profile == Profile::P2;
                ensure!(is_seen, "{profile:?}: {judged:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_voice_never_starves_while_the_way_narrows_to_a_thread() -> Result<()> {
    in_call(23, Call::begin, |call| {
        narrows(&call.cable);
        std::thread::sleep(SETTLING);
        for judged in call.judge(Profile::P6, 2 * SHORT)? {
            // One is what a busy machine makes, too.
            ensure!(judged.long_gaps <= 1, "{judged:?}");
            ensure!(judged.understood >= UNDERSTOOD, "{judged:?}");
        }
        Ok(())
    })
}

/// Lets the network narrow to its narrowest; in less time for each in the short form.
fn narrows(cable: &Cable) {
    let stretch = Duration::from_secs(10);
    for number in 0..5 {
        cable.change_to(Profile::P6, number * stretch);
        if number < 4 {
            std::thread::sleep(if lane::is_slow() { stretch } else { SETTLING });
        }
    }
}

#[test]
fn one_voice_is_understood_on_the_thinnest_and_its_picture_is_said_to_be_off() -> Result<()> {
    let begin = |seed| Call::begin_with(seed, false);
    let (thin, narrowest, open) = (60, 120, 180);
    in_call(27, begin, |call| {
        if lane::is_slow() {
            call.cable.change(Profile::P7);
            std::thread::sleep(Duration::from_secs(narrowest));
        } else {
            call.cable.change_to(Profile::P7, Duration::from_secs(thin));
            std::thread::sleep(SETTLING);
            let narrowest = Duration::from_secs(narrowest);
            call.cable.change_to(Profile::P7, narrowest);
        }
        std::thread::sleep(2 * SETTLING);
        let notes = call.ann.watches(2 * SHORT);
        let heard = Judged::of("P7 at 25 kb/s, up", &notes)?;
        ensure!(heard.understood >= UNDERSTOOD, "{heard:?}");
        ensure!(notes.shown.is_empty(), "pictures still come: {heard:?}");
        ensure!(call.bob.is_held_back(), "nothing says so");
        call.cable.change_to(Profile::P7, Duration::from_secs(open));
        let start = Instant::now();
        while call.bob.is_held_back() {
            ensure!(start.elapsed() < BACK_MAX, "the picture stays off");
            std::thread::sleep(Duration::from_millis(100));
        }
        call.ann.meets(BACK_MAX)?;
        println!("a picture again after {:?}", start.elapsed());
        Ok(())
    })
}
