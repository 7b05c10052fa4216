//! What signalling costs: `cargo xtask bench signalling`.
//!
//! Everything goes over plain WebSockets on loopback, as with the Phoenix 1.7 whose figures stand
//! beside ours; the server has one core to itself. Processor time is the server's alone. Ends with
//! a line for each bar.

mod memory;
mod races;
mod stuck;
mod talk;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use snug_testkit::bars::{Bar, bench, median, verdict};
use snug_testkit::process::Server;

/// The server's core.
const SERVER_CORE: usize = 0;

/// What one pass showed.
struct Pass {
    join_cpu_ms: f64,
    join_ms: f64,
    words: talk::Words,
    delivery_cpu_ms: f64,
    kb_at_1k: f64,
    kb_at_5k: f64,
    refused: f64,
    stuck: stuck::Seen,
}

fn main() -> ExitCode {
    bench("signalling", measure)
}

fn measure(passes: usize) -> Result<ExitCode> {
    let passes: Vec<Pass> = (0..passes).map(|_| pass()).collect::<Result<_>>()?;
    let of = |figure: fn(&Pass) -> f64| median(passes.iter().map(figure).collect());
    // Measured once on another such machine; Phoenix is not in this run.
    println!("                                      Snug   Phoenix 1.7, as recorded");
    let rows = [
        ("connect and join, median ms", of(|it| it.join_ms), "1.33"),
        ("  CPU ms", of(|it| it.join_cpu_ms), "1.03"),
        (
            "echo of 200 B, CPU ms for 1000",
            of(|it| it.words.echoed),
            "44-50",
        ),
        ("  the same to one other", of(|it| it.words.passed_on), ""),
        (
            "fan-out, CPU ms for 1000",
            of(|it| it.delivery_cpu_ms),
            "20-24",
        ),
        ("kB a socket at 1000", of(|it| it.kb_at_1k), ""),
        ("kB a socket at 5000", of(|it| it.kb_at_5k), "32"),
        ("a stuck reader, MiB", of(|it| it.stuck.mib), "351"),
    ];
    for (what, figure, phoenix) in rows {
        println!("{what:<34} {figure:>8.3}   {phoenix}");
    }
    println!();
    Ok(verdict(&[
        Bar::at_most("connect and join CPU ms", of(|it| it.join_cpu_ms), 0.15),
        Bar::at_most("1000 echoes CPU ms", of(|it| it.words.echoed), 12.0),
        Bar::at_most("1000 deliveries CPU ms", of(|it| it.delivery_cpu_ms), 8.0),
        Bar::at_most("kB a socket at 5000", of(|it| it.kb_at_5k), 12.0),
        Bar::at_most("stuck reader MiB", of(|it| it.stuck.mib), 2.0),
        Bar::at_least(
            "stuck reader told why",
            of(|it| f64::from(u8::from(it.stuck.is_told))),
            1.0,
        ),
        Bar::at_most("refused of 8000 joins", of(|it| it.refused), 0.0),
    ]))
}

fn pass() -> Result<Pass> {
    let start = || Server::start_on_core(SERVER_CORE, &["--people-max", "128"]);
    let (join_ms, join_cpu_ms) = talk::connect_and_join(&start()?)?;
    let server = start()?;
    let words = talk::words(&server)?;
    let delivery_cpu_ms = talk::fan_out(&server)?;
    let (kb_at_1k, kb_at_5k) = memory::measure(&start()?)?;
    Ok(Pass {
        join_cpu_ms,
        join_ms,
        words,
        delivery_cpu_ms,
        kb_at_1k,
        kb_at_5k,
        refused: races::refused(&start()?)? as f64,
        stuck: stuck::measure(&start()?)?,
    })
}

fn address(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port))
}
