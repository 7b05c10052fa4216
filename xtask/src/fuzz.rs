//! `cargo xtask fuzz`: libFuzzer on everything that reads bytes from the network.
//!
//! Runs on the stable toolchain: without a sanitizer, which the code under test, free of `unsafe`,
//! gives nothing to find. What it learns stays in `fuzz/corpus`, ignored by git; the committed
//! seeds are where it starts.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::{program, repository, run};
use crate::{apt, tool};

/// One a parser; each a module of `fuzz/src` and a file in `fuzz/fuzz_targets`.
const TARGETS: &[&str] = &[
    "phoenix_socket",
    "phoenix_client",
    "session",
    "answer",
    "media_event",
    "link",
    "sdp",
    "stun",
    "turn",
    "dtls",
    "rtp",
    "rtcp",
    "twcc",
    "vp8",
    "jitter",
    "router",
    "room",
];

/// How long each target runs when nothing else is said.
const SECONDS: u32 = 60;

/// The largest input: a WebSocket frame of a usual size, and more than any datagram.
const INPUT_LEN_MAX: u32 = 16 * 1024;

/// Fuzzes one target or all; `options` are `[TARGET] [--seconds N]`.
pub fn run_targets(options: &[&str]) -> Result<()> {
    let (targets, seconds) = parse(options)?;
    apt::ensure(&[apt::BUILD])?;
    let fuzzer = tool::install("cargo-fuzz", "0.13.2")?;
    for target in targets {
        println!("Fuzzing {target} for {seconds} s");
        fuzz(&fuzzer, target, seconds)?;
    }
    println!("Nothing found.");
    Ok(())
}

fn fuzz(fuzzer: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = repository().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    run(program(fuzzer)
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .arg(&corpus)
        .arg(repository().join("fuzz/seeds").join(target))
        .args(["--", "-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_LEN_MAX}")))
    .with_context(|| {
        format!("fuzzing {target} found something; the input is in fuzz/artifacts/{target}")
    })
}

fn parse(options: &[&str]) -> Result<(Vec<&'static str>, u32)> {
    let mut targets = TARGETS.to_vec();
    let mut seconds = SECONDS;
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if *option == "--seconds" {
            let number = rest.next().context("--seconds needs a number")?;
            seconds = number
                .parse()
                .with_context(|| format!("`{number}` is no number"))?;
        } else if let Some(target) = TARGETS.iter().find(|target| *target == option) {
            targets = vec![*target];
        } else {
            bail!(
                "`{option}` is unknown; the targets are {}",
                TARGETS.join(", ")
            );
        }
    }
    Ok((targets, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_or_all_of_them() {
        assert_eq!(parse(&[]).unwrap(), (TARGETS.to_vec(), SECONDS));
        assert_eq!(
            parse(&["link", "--seconds", "5"]).unwrap(),
            (vec!["link"], 5)
        );
        assert!(parse(&["lnk"]).is_err());
    }

    #[test]
    fn every_target_exists_and_has_seeds() {
        for target in TARGETS {
            let folder = repository().join("fuzz");
            assert!(
                folder
                    .join("fuzz_targets")
                    .join(format!("{target}.rs"))
                    .is_file()
            );
            assert!(folder.join("src").join(format!("{target}.rs")).is_file());
            assert!(folder.join("seeds").join(target).is_dir());
        }
    }
}
