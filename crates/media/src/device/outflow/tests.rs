//! Two clocks in virtual time: a player that gives 10 ms each, and a device that takes bursts.

use std::f64::consts::TAU;

use super::*;

struct Played {
    samples: Vec<f32>,
    outflow: Outflow,
    depth_ms_max: u64,
    shared: Arc<Shared>,
}

/// Lets a player with a 1 kHz tone and a device run for `seconds`; the player is away in `pause`.
fn run(
    rate_hz: u32,
    fast_ppm: f64,
    burst: usize,
    late_ms: f64,
    seconds: f64,
    pause: std::ops::Range<f64>,
) -> Played {
    let shared = Arc::new(Shared::default());
    let (mut outflow, mut outlet) = outflow(rate_hz, shared.clone());
    let true_rate = f64::from(rate_hz) * (1.0 + fast_ppm / 1e6);
    let (mut asked, mut n) = (0usize, 0u64);
    let mut samples = Vec::new();
    let mut depth_ms_max = 0;
    for round in 0..(seconds * 100.0) as u32 {
        // Late by up to 6 ms from the beginning, by more from the sixth second on.
        let late_ms = if round < 500 {
            late_ms.min(6.0)
        } else {
            late_ms
        };
        let late = late_ms / 1000.0 * f64::from(round * 7919 % 101) / 101.0;
        let now = f64::from(round) * 0.01 + late;
        while (asked + burst) as f64 / true_rate <= now {
            let at = (asked + burst) as f64 / true_rate;
            outlet.give(burst, (at * 1e9) as u64, |sample| samples.push(sample));
            asked += burst;
        }
        if pause.contains(&(f64::from(round) * 0.01)) {
            continue;
        }
        let mut block = [0.0; BLOCK_SAMPLES];
        for sample in &mut block {
            *sample = (0.5 * (TAU * 1000.0 * n as f64 / 48_000.0).sin()) as f32;
            n += 1;
        }
        outflow.play(&block, (now * 1e9) as u64);
        if round > 300 {
            depth_ms_max = depth_ms_max.max(outflow.depth_ms());
        }
    }
    Played {
        samples,
        outflow,
        depth_ms_max,
        shared,
    }
}

fn steepest(samples: &[f32]) -> f32 {
    samples
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

const NEVER: std::ops::Range<f64> = -1.0..-1.0;

#[test]
fn any_device_is_fed_without_a_gap_a_click_or_growing_delay() {
    for (rate_hz, burst) in [
        (48_000, 30),
        (48_000, 480),
        (48_000, 960),
        (48_000, 1_024),
        (44_100, 441),
        (44_100, 2_048),
        (96_000, 4_096),
    ] {
        for fast_ppm in [-1_000.0, 0.0, 1_000.0] {
            let played = run(rate_hz, fast_ppm, burst, 6.0, 20.0, NEVER);
            let which = format!("{rate_hz} Hz, {burst} at once, {fast_ppm} ppm");
            let settled = &played.samples[rate_hz as usize..];
            // The tone's own slope at this rate, and a little for the bend.
            let slope = 0.5 * TAU as f32 * 1000.0 / rate_hz as f32 * 1.02;
            assert_eq!(played.shared.starved.load(Relaxed), 0, "{which}");
            assert_eq!(played.outflow.skipped, 0, "{which}");
            assert_eq!(played.shared.overflowed.load(Relaxed), 0, "{which}");
            assert!(steepest(settled) < slope, "{which}: {}", steepest(settled));
            let burst_ms = burst as u64 * 1000 / u64::from(rate_hz);
            let depth_ms = played.depth_ms_max;
            assert!(depth_ms <= 40 + 2 * burst_ms, "{which}: {depth_ms} ms");
        }
    }
}

#[test]
fn a_player_that_is_often_late_gets_a_deeper_ring() {
    let played = run(48_000, 0.0, 480, 35.0, 30.0, NEVER);
    let starved = played.shared.starved.load(Relaxed);
    assert!((1..=4).contains(&starved), "{starved}");
    assert!(played.shared.concealed.load(Relaxed) > 0);
    assert!(steepest(&played.samples) < 0.067);
    let end = &played.samples[15 * 48_000..];
    let quiet = end
        .chunks_exact(48)
        .filter(|window| window.iter().all(|s| s.abs() < 0.05));
    assert_eq!(quiet.count(), 0);
}

#[test]
fn a_player_that_pauses_fades_out_and_comes_back() {
    let played = run(48_000, 0.0, 480, 0.0, 6.0, 2.0..4.0);
    assert_eq!(played.shared.starved.load(Relaxed), 1);
    assert!(steepest(&played.samples) < 0.067);
    let silence = &played.samples[3 * 48_000..3 * 48_000 + 4_800];
    assert!(silence.iter().all(|&s| s == 0.0));
    let back = &played.samples[5 * 48_000..5 * 48_000 + 4_800];
    assert!(back.iter().any(|&s| s > 0.49));
    assert!(played.outflow.depth_ms() < 40);
}

#[test]
fn a_player_that_gave_too_much_loses_the_delay_again() {
    let shared = Arc::new(Shared::default());
    let (mut outflow, mut outlet) = outflow(48_000, shared.clone());
    let mut heard = Vec::new();
    let block = [0.25; BLOCK_SAMPLES];
    for round in 0..1_000 {
        let now = round * 10_000_000;
        outlet.give(480, now, |sample| heard.push(sample));
        // In the third second a process that had stood still gives all it owed at once.
        let blocks = if round == 300 { 15 } else { 1 };
        (0..blocks).for_each(|_| outflow.play(&block, now));
    }
    assert!(outflow.skipped > 0);
    assert!(outflow.depth_ms() < 60, "{} ms", outflow.depth_ms());
    assert_eq!(shared.starved.load(Relaxed), 0);
    assert!(steepest(&heard) < 0.01);
}
