//! Every release of every client, with our own program, in one room: everyone decodes everyone.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Result, anyhow, bail, ensure};
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::{Join, PATIENCE, Participant};
use snug_testkit::relayed::{Attendee, Guest as OldGuest, Part, Received};

use crate::rig::{Guest, PORT, RETIRED_RELAY, Release, Rig, SERVER, scenario};

/// A release of the media client each, over every release of `phoenix`. 1.2 speaks V1.
const RELEASES: [Release; 5] = [
    Release::MAIN,
    Release::new("phoenix-1.6", "fishjam-0.5.0"),
    Release::new("phoenix-1.3", "membrane-0.5.3"),
    Release::new("phoenix-1.6", "membrane-0.5.0"),
    Release::new("phoenix-1.2", "membrane-0.5.3"),
];

/// What the guests show: small, so that two cores carry a full room.
const CAMERA: &str = "snug.addCamera({width: 160, height: 90, frameRate: 10})";
const SIZE: (u32, u32) = (160, 90);

/// What releases before 0.7 say when a sender pauses or resumes a layer, which they do not know of.
const LAYERS_UNKNOWN: &str = "Received unknown media event:  trackEncoding";

/// The tone of the client of generation A, in hertz.
const OLD_HERTZ: u32 = 3000;

/// How many pictures, and samples of sound, it decodes in each section: a few seconds of small
/// pictures, and one second of sound.
const OLD_SEES: usize = 30;
const OLD_HEARS: usize = 48_000;

/// Joins our own program, with its test picture and its tone of 1 kHz.
fn join_ours(rig: &Rig, name: &str, room: &str) -> Result<Participant> {
    Join::new(&rig.link(room), name)
        .test_media()
        .with("--size")
        .with("320x180")
        .start_in(Some(&rig.guests.namespace))
}

fn guest<'a>(
    browser: &'a Browser,
    number: u32,
    release: Release,
    room: &str,
) -> Result<(Guest<'a>, u32)> {
    let name = format!("{number}: {} over {}", release.client, release.phoenix);
    let guest = Guest::join(browser, &name, release, room)?;
    guest.page.run(CAMERA)?;
    let hertz = 400 + 300 * number;
    guest.tone(hertz)?;
    Ok((guest, hertz))
}

/// Waits until each decodes all others, sound by its tone, and our own program all of them.
fn everyone_decodes_everyone(guests: &[(Guest<'_>, u32)], ours: &Participant) -> Result<()> {
    let ours_id = ours.joined()?;
    for (guest, _) in guests {
        for (other, hertz) in guests.iter().filter(|(other, _)| other.id != guest.id) {
            guest.sees_and_hears(&other.id, PATIENCE)?;
            guest.hears_tone(&other.id, *hertz)?;
        }
        guest.sees_and_hears(&ours_id, PATIENCE)?;
        guest.hears_tone(&ours_id, 1000)?;
        guest.ready_once()?;
        guest.shares_streams()?;
        for kind in ["video", "audio"] {
            ours.first_frame(&guest.id, kind, PATIENCE)?;
        }
    }
    Ok(())
}

/// Somebody as others see and hear them: the id, the tone in hertz, the size of the picture.
type Person<'a> = (&'a str, u32, (u32, u32));

/// A client of generation A, of which npm has none: by hand, in its words. It shows and says something
/// until it is asked what it received.
struct Old {
    id: String,
    stay: Sender<()>,
    thread: JoinHandle<Result<BTreeMap<String, Received>>>,
}

impl Old {
    /// Joins a room in which so many others have a camera and a microphone each.
    fn join(rig: &Rig, room: &'static str, others: usize) -> Result<Self> {
        let (told, id) = channel();
        let (stay, ended) = channel::<()>();
        let attend = move || -> Result<BTreeMap<String, Received>> {
            let address = format!("{SERVER}:{PORT}").parse()?;
            let old = OldGuest::join_as_generation_a(address, room, Part::Attends)?;
            let id = old.id.clone();
            let turn = old.server("udp")?.open()?;
            let mut attendee = Attendee::start(old, turn, OLD_HERTZ)?;
            let sections = attendee.received().count();
            ensure!(sections == 2 * others, "{attendee:?}");
            told.send(id)?;
            let mut deadline = None;
            attendee.attend(|it| {
                if let Err(TryRecvError::Empty) = ended.try_recv() {
                    return true;
                }
                // Whatever still comes has as long as everything else here.
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                !Self::has_all(it) && Instant::now() < deadline
            })?;
            Ok(attendee.into_received())
        };
        let thread = rig.guests.namespace.spawn(attend)?;
        match id.recv_timeout(PATIENCE * 2) {
            Ok(id) => Ok(Self { id, stay, thread }),
            Err(_) => {
                drop(stay);
                let why = thread.join().map(|ended| ended.err());
                bail!("generation A does not get in: {why:?}")
            }
        }
    }

    /// Whether it decoded a while of every section.
    fn has_all(attendee: &Attendee) -> bool {
        let mut received = attendee.received();
        received.all(|(_, it)| it.seen.len() >= OLD_SEES || it.heard.len() == OLD_HEARS)
    }

    /// Lets it go, and fails unless it saw and heard each of these people, by id and tone.
    fn saw_and_heard(self, people: &[Person<'_>]) -> Result<()> {
        drop(self.stay);
        let attended = self.thread.join();
        let received = attended.map_err(|_| anyhow!("generation A panicked"))??;
        let mut sections = 0;
        for (id, hertz, shown) in people {
            let of = received.iter().filter(|(track, _)| track.starts_with(id));
            let of: Vec<&Received> = of.map(|(_, it)| it).collect();
            sections += of.len();
            let sights: Vec<usize> = of.iter().map(|it| it.seen.len()).collect();
            println!("generation A decoded {sights:?} pictures of {id}");
            let is_size = |it: &&&Received| {
                it.seen.len() >= OLD_SEES && it.seen.iter().all(|size| size == shown)
            };
            ensure!(
                of.iter().filter(is_size).count() == 1,
                "pictures of {id}: {of:?}"
            );
            let voices = of.iter().filter(|it| it.hears_tone(*hertz));
            ensure!(voices.count() == 1, "{hertz} Hz of {id}: {of:?}");
        }
        ensure!(sections == received.len(), "{received:?}");
        Ok(())
    }
}

/// Lets all of these join with our own program, and generation A last: everyone decodes everyone.
fn share_a_room(rig: &Rig, room: &'static str, inside: &[(&Browser, Release)]) -> Result<()> {
    let ours = join_ours(rig, "Snug", room)?;
    let guests = inside
        .iter()
        .zip(0..)
        .map(|((browser, release), number)| guest(browser, number, *release, room))
        .collect::<Result<Vec<_>>>()?;
    everyone_decodes_everyone(&guests, &ours)?;
    let old = Old::join(rig, room, guests.len() + 1)?;
    for (guest, _) in &guests {
        guest.sees_and_hears(&old.id, PATIENCE)?;
        guest.hears_tone(&old.id, OLD_HERTZ)?;
    }
    for kind in ["video", "audio"] {
        ours.first_frame(&old.id, kind, PATIENCE)?;
    }
    let ours_id = ours.joined()?;
    let mut people: Vec<Person<'_>> = guests
        .iter()
        .map(|(guest, hertz)| (&*guest.id, *hertz, SIZE))
        .collect();
    people.push((&ours_id, 1000, (320, 180)));
    old.saw_and_heard(&people)?;
    ours.leave().map(drop)
}

#[test]
fn all_releases_generation_a_and_our_program_share_a_room() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let inside = RELEASES.map(|release| (&browser, release));
        share_a_room(rig, "mixed", &inside)?;
        browser.close(&[LAYERS_UNKNOWN])
    })
}

/// Generation A in the words of its clients, by hand: a browser and our program see and hear it, and
/// it the browser.
#[test]
fn generation_a_shows_itself_and_sees_generation_b() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let (bob, hertz) = guest(&browser, 0, Release::MAIN, "old and new")?;
        let old = Old::join(rig, "old and new", 1)?;
        let ours = join_ours(rig, "Snug", "old and new")?;
        bob.sees_and_hears(&old.id, PATIENCE)?;
        bob.hears_tone(&old.id, OLD_HERTZ)?;
        bob.still_receives(&old.id)?;
        let shown = format!("snug.of('{}', 'video')[0].width", old.id);
        let width = bob.page.run(&shown)?;
        ensure!(width == 320, "{width} pixels wide");
        ours.joined()?;
        for kind in ["video", "audio"] {
            ours.first_frame(&old.id, kind, PATIENCE)?;
        }
        old.saw_and_heard(&[(&bob.id, hertz, SIZE)])?;
        ours.leave()?;
        browser.close(&[])
    })
}

#[test]
fn firefox_and_chromium_generation_a_and_our_program_share_a_room() -> Result<()> {
    scenario(|rig| {
        let (firefox, chromium) = (rig.browser(Kind::Firefox)?, rig.browser(Kind::Chromium)?);
        let inside = [&firefox, &chromium, &firefox].map(|browser| (browser, Release::MAIN));
        share_a_room(rig, "two browsers", &inside)?;
        chromium.close(&[])?;
        firefox.close(&[RETIRED_RELAY])
    })
}
