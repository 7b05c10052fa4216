//! Measures a call on this machine and prints a table: `cargo xtask bench call`.
//!
//! Real programs on loopback: one server, one participant that sends the film clip and a tone,
//! and some that receive. All figures come from the programs' own clocks (one machine, one clock)
//! and from the kernel's accounts; [`latency`] says what its delays are between.

mod latency;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::fixtures::StampedFilm;
use snug_testkit::process::{Event, Join, PATIENCE, Participant, Server, now_ms, track_sum};
use snug_testkit::usage;

/// How often somebody joins anew; of so few, the worst stands for the p95.
const JOINS: usize = 7;
/// How many receive while processor time is measured.
const RECEIVERS: usize = 4;
const MEASURED: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let camera = folder.path().join("film.y4m");
    StampedFilm::load()?.write(&camera, 600)?;
    let server = Server::start()?;
    let link = server.link("bench");
    let sender = Join::new(&link, "sender")
        .camera(&camera)
        .microphone("test")
        .start()?;
    let sender_id = sender.joined()?;

    println!("Call on loopback: film clip 640x360 at 25 frames a second, VP8 1.5 Mb/s, Opus\n");
    row("", "median".into(), "p95".into());
    first_frames(&link, &sender_id)?;
    delays(&server, folder.path())?;
    println!(
        "\n{:<44} {:>10}",
        format!("with 1 sender and {RECEIVERS} receivers"),
        ""
    );
    costs(&server, &link, &sender, &sender_id)
}

fn row(what: &str, median: String, worst: String) {
    println!("{what:<44} {median:>10} {worst:>10}");
}

/// From the click (the program is started) to the first picture and the first sound.
fn first_frames(link: &str, sender: &str) -> Result<()> {
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    for _ in 0..JOINS {
        let clicked_ms = now_ms();
        let guest = Join::new(link, "guest").start()?;
        let after = |event: Event| event.at_ms.saturating_sub(clicked_ms);
        sounds.push(after(guest.first_frame(sender, "audio", PATIENCE)?));
        pictures.push(after(guest.first_frame(sender, "video", PATIENCE)?));
        guest.leave()?;
    }
    for (what, mut values) in [
        ("click to first remote picture", pictures),
        ("click to first remote sound", sounds),
    ] {
        values.sort_unstable();
        let worst = values.last().context("no joins")?;
        row(
            what,
            format!("{} ms", values[values.len() / 2]),
            format!("{worst} ms"),
        );
    }
    Ok(())
}

/// In a room of their own, for ten seconds.
fn delays(server: &Server, folder: &Path) -> Result<()> {
    let delays = latency::measure(&server.link("delays"), folder, MEASURED)?;
    for (what, delays) in [
        ("capture to render", delays.picture),
        ("mouth to ear", delays.sound),
    ] {
        let (median, high) = (latency::in_ms(&delays, 50)?, latency::in_ms(&delays, 95)?);
        row(what, format!("{median:.1} ms"), format!("{high:.1} ms"));
    }
    Ok(())
}

/// Processor time and memory of everybody over ten seconds of call.
fn costs(server: &Server, link: &str, sender: &Participant, sender_id: &str) -> Result<()> {
    let receivers: Vec<Participant> = (0..RECEIVERS)
        .map(|n| Join::new(link, &format!("receiver {n}")).start())
        .collect::<Result<_>>()?;
    for receiver in &receivers {
        receiver.first_frame(sender_id, "video", PATIENCE)?;
        receiver.first_frame(sender_id, "audio", PATIENCE)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let ids: Vec<u32> = [server.program.id(), sender.program.id()]
        .into_iter()
        .chain(receivers.iter().map(|receiver| receiver.program.id()))
        .collect();
    let used = || {
        ids.iter()
            .map(|id| usage::processor_time(*id))
            .collect::<Result<Vec<_>>>()
    };
    let received = || -> Result<Vec<Event>> {
        let now = now_ms();
        receivers
            .iter()
            .map(|receiver| receiver.statistics_after(now))
            .collect()
    };
    let (counted_before, used_before) = (received()?, used()?);
    std::thread::sleep(MEASURED);
    let (counted_after, used_after) = (received()?, used()?);

    let span_ms = counted_after[0].at_ms - counted_before[0].at_ms;
    ensure!(span_ms > 0, "no time passed");
    let spent: Vec<Duration> = used_after
        .iter()
        .zip(used_before)
        .map(|(a, b)| *a - b)
        .collect();
    let share =
        |spent: Duration| format!("{:.1} %", spent.as_secs_f64() * 100_000.0 / span_ms as f64);
    let packets = |events: &[Event]| -> u64 {
        let both = ["audio", "video"];
        let sum = |event| both.map(|kind| track_sum(event, sender_id, kind, "packets_received"));
        events.iter().flat_map(sum).sum()
    };
    let forwarded = packets(&counted_after) - packets(&counted_before);
    ensure!(forwarded > 0, "nothing was forwarded");
    let figure = |what: &str, value: String| row(what, value, String::new());
    figure("CPU of the sender (of one core)", share(spent[1]));
    figure(
        "CPU of one receiver",
        share(spent[2..].iter().sum::<Duration>() / RECEIVERS as u32),
    );
    figure("CPU of the server", share(spent[0]));
    figure(
        "packets forwarded a second",
        format!("{}", forwarded * 1000 / span_ms),
    );
    let each_us = spent[0].as_secs_f64() * 1e6 / forwarded as f64;
    figure(
        "CPU of the server per forwarded packet",
        format!("{each_us:.1} us"),
    );
    for (what, id) in [
        ("memory of the server", ids[0]),
        ("of the sender", ids[1]),
        ("of one receiver", ids[2]),
    ] {
        figure(
            what,
            format!("{:.1} MiB", usage::resident_kib(id)? as f64 / 1024.0),
        );
    }
    Ok(())
}
