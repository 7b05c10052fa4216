//! What forwarding costs, beside Janus and beside the least it can cost: `cargo xtask bench sfu`.
//!
//! One sender of 1.5 Mb/s a room, N subscribers, real ICE and DTLS-SRTP over loopback, the server
//! alone on one core. One load for all servers, so that only they differ; all of them in each pass,
//! so that a busy machine is busy for all. Ends with a line for each bar.

mod batch;
mod floor;
mod janus;
mod load;
mod pin;
mod place;
mod server;
mod snug;
mod subscriber;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use janus::{Janus, Loops};
use load::{Load, Measured};
use server::{Joined, Server};
use snug::Snug;
use snug_testkit::bars::{Bar, bench, median, verdict};
use snug_testkit::usage;

/// How many receive, one after the other.
const SIZES: [usize; 3] = [10, 30, 100];
/// Subscribers of a sender.
const ROOM_SIZE: usize = 100;
/// How long things settle before they are measured.
const SETTLE: Duration = Duration::from_millis(1_500);
const MEASURED: Duration = Duration::from_secs(4);
/// How many more receive at each step towards too much, and when to stop asking for more.
const JANUS_STEP: usize = 50;
const SNUG_STEPS: [usize; 8] = [500, 750, 1000, 1250, 1500, 1750, 2000, 2250];
const JANUS_MAX: usize = 1_000;
const SSRC: u32 = 0x1000;
/// How often somebody tries to join.
const ATTEMPTS: usize = 3;

/// What one server showed in one pass.
struct Shown {
    /// At 100 subscribers.
    at_100: Measured,
    /// Memory that a subscriber takes.
    kib: f64,
    /// From the offer to keys, in the middle.
    keys_ms: f64,
    /// How many one core bears, where that was asked.
    streams: f64,
}

/// What one pass showed.
struct Pass {
    floor_us: f64,
    snug: Shown,
    one: Shown,
    default: Shown,
}

fn main() -> ExitCode {
    bench("sfu", |passes| match place::is_inside() {
        true => measure(passes),
        false => place::run_inside(),
    })
}

fn measure(passes: usize) -> Result<ExitCode> {
    let passes: Vec<Pass> = (1..=passes).map(pass).collect::<Result<_>>()?;
    println!();
    Ok(verdict(&bars(&passes)))
}

fn pass(number: usize) -> Result<Pass> {
    println!("\nround {number}");
    println!("server            N  us/packet  core %  loss %  p50 ms  p99 ms");
    let floor_us = floor::measure()?;
    println!("{:<14} {:>4} {floor_us:>10.2}", "hot loop", 100);
    let snug = show("Snug", &mut Snug::start()?, &SNUG_STEPS)?;
    let steps: Vec<usize> = (ROOM_SIZE + JANUS_STEP..=JANUS_MAX)
        .step_by(JANUS_STEP)
        .collect();
    let one = show("Janus, 1 loop", &mut Janus::start(Loops::One)?, &steps)?;
    let default = show("Janus, default", &mut Janus::start(Loops::Default)?, &[])?;
    Ok(Pass {
        floor_us,
        snug,
        one,
        default,
    })
}

/// Has more and more people receive from a server.
fn show(name: &str, server: &mut impl Server, steps: &[usize]) -> Result<Shown> {
    let largest = steps.last().copied().unwrap_or(ROOM_SIZE);
    let mut load = Load::start(largest.div_ceil(ROOM_SIZE));
    let mut took_ms = Vec::new();
    let (mut at_100, mut streams) = (None, 0);
    open_room(server, &mut load, 0)?;
    std::thread::sleep(SETTLE);
    let kib_before = usage::resident_kib(server.process())?;
    for size in SIZES {
        took_ms.extend(grow(server, &mut load, size)?);
        let seen = measured(name, server, &load)?;
        if seen.is_good() {
            streams = size;
        }
        at_100 = Some(seen);
    }
    let kib_after = usage::resident_kib(server.process())?;
    let kib = kib_after.saturating_sub(kib_before) as f64 / load.subscribers() as f64;
    let keys_ms = median(took_ms);
    println!("{name:<14} {kib:.0} KiB a subscriber, {keys_ms:.1} ms from offer to keys");
    for &size in steps {
        // A server that lets nobody else in, or has lost who sends, has had enough as well.
        if let Err(error) = grow(server, &mut load, size) {
            println!("{name:<14} {size:>4} are too many: {error:#}");
            break;
        }
        if !measured(name, server, &load)?.is_good() {
            break;
        }
        streams = size;
    }
    Ok(Shown {
        at_100: at_100.context("nothing was measured")?,
        kib,
        keys_ms,
        streams: streams as f64,
    })
}

fn open_room(server: &mut impl Server, load: &mut Load, room: usize) -> Result<()> {
    let ssrc = SSRC + 2 * room as u32;
    let joined = server
        .publish(room, ssrc)
        .with_context(|| format!("the sender of room {room}"))?;
    load.add_sender(room, joined.connected, ssrc)
}

/// Lets people join until there are `size`; says how long each took to have keys.
fn grow(server: &mut impl Server, load: &mut Load, size: usize) -> Result<Vec<f64>> {
    let mut took_ms = Vec::new();
    for number in load.subscribers()..size {
        let room = number / ROOM_SIZE;
        if number > 0 && number.is_multiple_of(ROOM_SIZE) {
            open_room(server, load, room)?;
        }
        let joined = subscribe(server, room).with_context(|| format!("subscriber {number}"))?;
        took_ms.push(joined.took.as_secs_f64() * 1000.0);
        load.add_subscriber(room, joined.connected)?;
    }
    server.keep_alive()?;
    std::thread::sleep(SETTLE);
    Ok(took_ms)
}

/// On a busy machine a handshake can fail; who fails comes again.
fn subscribe(server: &mut impl Server, room: usize) -> Result<Joined> {
    for _ in 1..ATTEMPTS {
        match server.subscribe(room) {
            Ok(joined) => return Ok(joined),
            Err(error) => eprintln!("a subscriber comes again: {error:#}"),
        }
    }
    server.subscribe(room)
}

fn measured(name: &str, server: &mut impl Server, load: &Load) -> Result<Measured> {
    let process = server.process();
    let measured = load.measure(MEASURED, || usage::processor_time(process))?;
    println!(
        "{name:<14} {:>4} {:>10.2} {:>7.1} {:>7.2} {:>7.2} {:>7.2}",
        measured.subscribers,
        measured.cpu_us,
        measured.cpu_share * 100.0,
        measured.loss * 100.0,
        measured.p50_ms,
        measured.p99_ms,
    );
    Ok(measured)
}

/// The bars of the issue; ratios are formed within a pass.
fn bars(passes: &[Pass]) -> Vec<Bar> {
    let of = |figure: fn(&Pass) -> f64| median(passes.iter().map(figure).collect());
    vec![
        Bar::at_most(
            "CPU a packet, of Janus with one loop",
            of(|it| it.snug.at_100.cpu_us / it.one.at_100.cpu_us),
            0.30,
        ),
        Bar::at_most(
            "CPU a packet, of Janus by default",
            of(|it| it.snug.at_100.cpu_us / it.default.at_100.cpu_us),
            0.16,
        ),
        Bar::at_most(
            "CPU a packet, of the hot loop",
            of(|it| it.snug.at_100.cpu_us / it.floor_us),
            4.0,
        ),
        Bar::at_least(
            "streams on a core, of Janus with one loop",
            of(|it| it.snug.streams / it.one.streams),
            5.0,
        ),
        Bar::at_most(
            "delay p50, of Janus with one loop",
            of(|it| it.snug.at_100.p50_ms / it.one.at_100.p50_ms),
            0.35,
        ),
        Bar::at_most(
            "delay p99, of Janus with one loop",
            of(|it| it.snug.at_100.p99_ms / it.one.at_100.p99_ms),
            0.6,
        ),
        Bar::at_most("KiB a subscriber", of(|it| it.snug.kib), 80.0),
        Bar::at_most(
            "offer to keys, of Janus with one loop",
            of(|it| it.snug.keys_ms / it.one.keys_ms),
            0.3,
        ),
    ]
}
