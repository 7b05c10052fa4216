//! A server with a quiet call, beside which junk is poured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::process::{Event, Join, PATIENCE, Participant, Server, now_ms, track_sum};
use snug_testkit::usage;

const FRAMES: u32 = 100_000;
const FRAMES_SLOW: u32 = 1_000_000;
/// What junk may cost in memory once everything is as large as it gets, whatever it holds.
const GROWTH_KIB_MAX: u64 = 5 * 1000;

/// How much of a kind is poured.
pub fn frames() -> u32 {
    if lane::is_slow() { FRAMES_SLOW } else { FRAMES }
}

/// The server, and the two of the call.
pub struct House {
    pub server: Server,
    ann: Participant,
    bob: Participant,
    bob_id: String,
}

impl House {
    pub fn open() -> Result<Self> {
        let server = Server::start()?;
        let join = |name| {
            Join::new(&server.link("quiet"), name)
                .test_media()
                .with("--size")
                .with("320x240")
        };
        let (ann, bob) = (join("Ann").start()?, join("Bob").start()?);
        let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
        for kind in ["video", "audio"] {
            ann.first_frame(&bob_id, kind, PATIENCE)?;
            bob.first_frame(&ann_id, kind, PATIENCE)?;
        }
        Ok(Self {
            server,
            ann,
            bob,
            bob_id,
        })
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port))
    }

    /// Pours, and checks that the server is as it was and the call was not disturbed.
    pub fn is_undisturbed_by(
        &mut self,
        what: &str,
        pour: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let process = self.server.program.id();
        let (rooms, files) = (self.server.health()?["rooms"].clone(), open_files(process)?);
        let memory_before_kib = usage::resident_kib(process)?;
        let before = self.ann.statistics_after(now_ms())?;
        let started = Instant::now();
        pour()?;
        let after = self.ann.statistics_after(now_ms())?;
        let growth_kib = usage::resident_kib(process)?.saturating_sub(memory_before_kib);
        let took = started.elapsed();
        println!(
            "{what}: {} in {took:?}; the server grew by {growth_kib} KiB",
            frames()
        );
        ensure!(self.server.program.is_running()?, "the server is gone");
        let complaints = self.server.program.complaints();
        ensure!(
            !complaints.contains("panicked"),
            "it panicked: {complaints}"
        );
        ensure!(
            growth_kib < GROWTH_KIB_MAX,
            "the server grew by {growth_kib} KiB"
        );
        self.is_calm(&before, &after)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (health, now) = (self.server.health()?, open_files(process)?);
            if health["rooms"] == rooms && now <= files {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "left behind: {health}, {now} open files where there were {files}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Checks that both kinds of media came without a stall meanwhile.
    fn is_calm(&self, before: &Event, after: &Event) -> Result<()> {
        let lost = ["peer_reconnecting", "peer_left", "reconnecting"];
        let events = self.ann.program.events();
        let trouble = events
            .iter()
            .find(|event| lost.contains(&event.kind.as_str()));
        ensure!(trouble.is_none(), "the call was disturbed: {trouble:?}");
        let seconds = (after.at_ms - before.at_ms) as f64 / 1000.0;
        let grown = |kind, figure| {
            let sum = |event| track_sum(event, &self.bob_id, kind, figure);
            sum(after) - sum(before)
        };
        // 50 packets of sound a second are sent, and 15 pictures at least made; this computer is
        // busy, and a few may be late.
        let sound = grown("audio", "packets_received") as f64 / seconds;
        ensure!(sound > 45.0, "only {sound:.1} packets of sound a second");
        let lost = grown("audio", "packets_lost");
        ensure!(lost < 5, "{lost} packets of sound were lost");
        let pictures = grown("video", "frames_received") as f64 / seconds;
        ensure!(pictures > 10.0, "only {pictures:.1} pictures a second");
        let lost = grown("video", "packets_lost");
        ensure!(lost < 20, "{lost} packets of pictures were lost");
        Ok(())
    }

    pub fn close(self) -> Result<()> {
        self.ann.leave()?;
        self.bob.leave().map(drop)
    }
}

/// Says how many files and sockets a process has open.
fn open_files(process: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{process}/fd"))?.count())
}
