//! A call over a network that loses packets: pictures are mended on both legs, up and down.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::cable::Cable;
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::lane;
use snug_testkit::netns::{Namespace, with_rights};
use snug_testkit::process::{Join, PATIENCE, Participant, Server, track_sum};
use snug_testkit::profile::Profile;

/// How long a network is judged.
const JUDGED: Duration = Duration::from_secs(12);
/// Pictures that the film has a second.
const RATE: f64 = 25.0;
const FRAMES: usize = 3000;
/// How often a picture may be given up and begun anew meanwhile.
const KEYFRAMES_MAX: u64 = 2;

/// What a participant saw of another while a network was judged.
#[derive(Debug)]
struct Seen {
    /// Pictures decoded, as a share of those that the film has.
    pictures: f64,
    keyframe_requests: u64,
}

/// Judges what `viewer` sees of `peer`.
fn watch(viewer: &Participant, peer: &str) -> Result<impl FnOnce() -> Result<Seen>> {
    let before = viewer.statistics().map_or(0, |it| it.at_ms);
    let from = viewer.statistics_after(before)?;
    Ok(move || {
        let to = viewer.statistics_after(from.at_ms + JUDGED.as_millis() as u64)?;
        let counted = |figure| {
            track_sum(&to, peer, "video", figure) - track_sum(&from, peer, "video", figure)
        };
        let seconds = (to.at_ms - from.at_ms) as f64 / 1000.0;
        Ok(Seen {
            pictures: counted("frames_decoded") as f64 / (seconds * RATE),
            keyframe_requests: counted("keyframe_requests"),
        })
    })
}

#[test]
fn pictures_survive_random_loss_on_both_legs() -> Result<()> {
    let _turn = lane::turn();
    with_rights(|| {
        let folder = tempfile::tempdir()?;
        let film = folder.path().join("film.y4m");
        StampedFilm::load()?.write(&film, FRAMES)?;
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let cable = Cable::lay(&near, &far, Profile::Clear, 11)?;
        let server = Server::start_with(Some(&far), &[])?;
        let link = server.link_by(&Cable::FAR.to_string(), "Den");
        let join = |name, place| Join::new(&link, name).camera(&film).start_in(Some(place));
        let (ann, bob) = (join("Ann", &far)?, join("Bob", &near)?);
        let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
        ann.first_frame(&bob_id, "video", PATIENCE)?;
        bob.first_frame(&ann_id, "video", PATIENCE)?;
        for (profile, least) in [(Profile::P4(10), 0.98), (Profile::P4(20), 0.9)] {
            cable.change(profile);
            let (down, up) = (watch(&bob, &ann_id)?, watch(&ann, &bob_id)?);
            for (leg, seen) in [("down", down()?), ("up", up()?)] {
                println!("{profile:?}, {leg}: {seen:?}");
                ensure!(seen.pictures >= least, "{profile:?}, {leg}: {seen:?}");
                let asked = seen.keyframe_requests;
                ensure!(asked <= KEYFRAMES_MAX, "{profile:?}, {leg}: {seen:?}");
            }
        }
        ann.leave()?;
        bob.leave()?;
        Ok(())
    })
}
