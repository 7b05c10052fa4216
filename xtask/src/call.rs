//! `cargo xtask call`: a real call between real programs on this machine.
//!
//! One `snug-server serve` on a free loopback port and one `snug-server join` for each
//! participant, driven as a person would from a shell: arguments in, JSON lines out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::participant::{Participant, Plan};
use crate::process::{relative, repository};
use crate::received::Received;
use crate::room_server::RoomServer;
use crate::{apt, build, fixtures, recording, ui};

/// How long the recorder stays.
const CALL: Duration = Duration::from_secs(12);
/// How much longer the others stay, so that nobody leaves while somebody still records.
const MARGIN: Duration = Duration::from_secs(3);

/// Who takes part.
#[derive(Clone, Copy)]
pub enum Cast {
    /// One plays, one records.
    Pair,
    /// Three play and each records the other two.
    Trio,
}

/// Installs, builds, holds the call and prints what was received.
pub fn run(cast: Cast) -> Result<()> {
    apt::ensure(&[apt::BUILD, apt::MEDIA])?;
    ui::build()?;
    fixtures::ensure()?;
    build::programs()?;

    let folder = fresh_folder(cast)?;
    let server = RoomServer::start(&folder.join("server"))?;
    println!("Room server ready at {}", server.address());
    let received = hold(&plans(cast, &folder), &server)?;
    report(&received, &folder)
}

fn fresh_folder(cast: Cast) -> Result<PathBuf> {
    let name = match cast {
        Cast::Pair => "call",
        Cast::Trio => "call-trio",
    };
    let folder = repository().join("reports").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot empty the last call's folder")?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What each participant plays and records. The first to join is the first of the list.
fn plans(cast: Cast, folder: &Path) -> Vec<Plan> {
    let fixture = |name: &str| fixtures::folder().join(name).display().to_string();
    let record = |name: &str| Some(folder.join(name));
    let plan = |name, camera: String, microphone: String, record, stays| Plan {
        name,
        camera,
        microphone,
        record,
        stays,
    };
    let none = || "none".to_owned();
    match cast {
        Cast::Pair => vec![
            plan(
                "Player",
                fixture("film-720.y4m"),
                fixture("speech.wav"),
                None,
                CALL + MARGIN,
            ),
            plan("Recorder", none(), none(), record("recording.webm"), CALL),
        ],
        Cast::Trio => vec![
            plan(
                "Ada",
                fixture("film.y4m"),
                fixture("speech.wav"),
                record("ada.webm"),
                CALL + MARGIN,
            ),
            plan(
                "Grace",
                "test".into(),
                none(),
                record("grace.webm"),
                CALL + MARGIN,
            ),
            plan(
                "Joan",
                fixture("film.y4m"),
                "test".into(),
                record("joan.webm"),
                CALL,
            ),
        ],
    }
}

fn hold(plans: &[Plan], server: &RoomServer) -> Result<Vec<Received>> {
    println!("In the call for {} s: {}", CALL.as_secs(), names(plans));
    let started: Result<Vec<Participant>> = plans
        .iter()
        .map(|plan| Participant::start(plan, server))
        .collect();
    started?.into_iter().map(Participant::wait).collect()
}

fn names(plans: &[Plan]) -> String {
    plans
        .iter()
        .map(|plan| plan.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Prints what came through; fails when a recorder got no picture or no sound.
fn report(received: &[Received], folder: &Path) -> Result<()> {
    println!();
    for each in received.iter().filter(|each| each.recorded.is_some()) {
        print!("{each}");
    }
    for each in received {
        let Some(file) = &each.recorded else { continue };
        if !each.has("video") || !each.has("audio") {
            bail!("{} received no picture or no sound", each.name);
        }
        let sheet = folder.join(format!("{}-sheet.png", each.name.to_lowercase()));
        recording::contact_sheet(file, &sheet)?;
        println!();
        println!("Recording      file://{}", file.display());
        println!("               {}", recording::describe(file)?);
        println!("Contact sheet  {}", relative(&sheet).display());
    }
    Ok(())
}
