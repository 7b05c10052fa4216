//! What sending pictures costs: `cargo xtask bench media`.
//!
//! The same film clip of 1280x720 at the same bitrate through our encoder and through x264
//! superfast (Debian's ffmpeg), one thread each; then the whole way of a picture from a camera's
//! buffer to packets, in three layers. Then a call of two beside two tabs of a browser, as a figure
//! without a bar. Processor time only. Ends with a line for each bar.

mod ours;
mod pair;
mod x264;

use std::process::ExitCode;

use anyhow::Result;
use snug_testkit::bars::{Bar, bench, median, verdict};

/// Bits a second of the whole picture.
const BITRATE_BPS: u32 = 1_500_000;
/// Pictures a second.
const FPS: u32 = 30;

/// What one pass showed, in milliseconds a picture.
struct Pass {
    x264: f64,
    one: f64,
    three: f64,
}

fn main() -> ExitCode {
    bench("media", measure)
}

fn measure(passes: usize) -> Result<ExitCode> {
    let film = ours::Film::load()?;
    println!("round x264 superfast  one layer  three layers, whole path   (ms of CPU a picture)");
    let passes: Vec<Pass> = (1..=passes)
        .map(|number| {
            let pass = Pass {
                x264: x264::encode()?,
                one: ours::one_layer(&film)?,
                three: ours::three_layers(&film)?,
            };
            let Pass { x264, one, three } = pass;
            println!("{number:>5} {x264:>14.2} {one:>10.2} {three:>13.2}");
            Ok(pass)
        })
        .collect::<Result<_>>()?;
    let pair::Cost { ours, browser } = pair::measure()?;
    println!(
        "a call of two in 720p: {ours:.2} cores with Snug, {browser:.2} in two tabs of Chromium"
    );
    let of = |figure: fn(&Pass) -> f64| median(passes.iter().map(figure).collect());
    println!();
    Ok(verdict(&[
        Bar::at_most(
            "one layer, of x264 superfast",
            of(|it| it.one / it.x264),
            1.15,
        ),
        Bar::at_most("three layers, of one", of(|it| it.three / it.one), 1.9),
    ]))
}
