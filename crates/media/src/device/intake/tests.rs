//! Two clocks in virtual time: a device that brings bursts, and a reader that takes 10 ms each.

use std::f64::consts::TAU;

use super::*;

/// What a reader got out of a device.
struct Heard {
    samples: Vec<f32>,
    intake: Intake,
    depth_ms_max: u64,
    shared: Arc<Shared>,
}

/// A device with a clock of its own.
#[derive(Clone, Copy)]
struct Device {
    rate_hz: u32,
    /// How much faster it runs than it says, in millionths.
    fast_ppm: f64,
    /// Frames in one callback.
    burst: usize,
    /// How late a callback may be, in milliseconds.
    late_ms: f64,
    /// When it begins to be late.
    late_from_s: f64,
}

const STUDIO: Device = Device {
    rate_hz: 48_000,
    fast_ppm: 0.0,
    burst: 480,
    late_ms: 0.0,
    late_from_s: 0.0,
};

/// Lets a device with a 1 kHz tone and a reader run for `seconds`; the reader is away in `pause`.
fn run(device: Device, seconds: f64, pause: std::ops::Range<f64>) -> Heard {
    let shared = Arc::new(Shared::default());
    let (mut inlet, mut intake) = intake(device.rate_hz, shared.clone());
    let true_rate = f64::from(device.rate_hz) * (1.0 + device.fast_ppm / 1e6);
    let (mut given, mut bursts) = (0usize, 0u32);
    let mut samples = Vec::new();
    let mut depth_ms_max = 0;
    for block in 0..(seconds * 100.0) as u32 {
        let now = f64::from(block) * 0.01;
        loop {
            // Lateness comes and goes without a pattern that fits the blocks.
            let late = if now < device.late_from_s {
                0.0
            } else {
                device.late_ms / 1000.0 * f64::from(bursts * 7919 % 101) / 101.0
            };
            if (given + device.burst) as f64 / true_rate + late > now {
                break;
            }
            let tone = (given..given + device.burst)
                .map(|n| (0.5 * (TAU * 1000.0 * n as f64 / true_rate).sin()) as f32);
            let came = (given + device.burst) as f64 / true_rate + late;
            inlet.take(tone, (came * 1e9) as u64);
            given += device.burst;
            bursts += 1;
        }
        if pause.contains(&now) {
            continue;
        }
        let mut out = [0.0; BLOCK_SAMPLES];
        intake.read(&mut out, (now * 1e9) as u64);
        samples.extend_from_slice(&out);
        if block > 300 {
            depth_ms_max = depth_ms_max.max(intake.depth_ms());
        }
    }
    Heard {
        samples,
        intake,
        depth_ms_max,
        shared,
    }
}

/// The loudest difference of neighbours: a click is more than the tone's own slope of 0.0655.
fn steepest(samples: &[f32]) -> f32 {
    samples
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

/// The longest stretch, in milliseconds, in which a 0.5 tone is quieter than a tenth.
fn longest_gap_ms(samples: &[f32]) -> usize {
    let mut longest = 0;
    let mut current = 0;
    for window in samples.chunks_exact(48) {
        let peak = window.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        current = if peak < 0.05 { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest
}

const NEVER: std::ops::Range<f64> = -1.0..-1.0;

#[test]
fn any_device_is_read_without_a_gap_a_click_or_growing_delay() {
    for (rate_hz, burst) in [
        (48_000, 30),
        (48_000, 480),
        (48_000, 960),
        (48_000, 1_024),
        (44_100, 441),
        (44_100, 2_048),
        (16_000, 160),
        (96_000, 4_096),
    ] {
        for fast_ppm in [-1_000.0, 0.0, 1_000.0] {
            let device = Device {
                rate_hz,
                fast_ppm,
                burst,
                late_ms: 6.0,
                late_from_s: 0.0,
            };
            let heard = run(device, 20.0, NEVER);
            let which = format!("{rate_hz} Hz, {burst} at once, {fast_ppm} ppm");
            let settled = &heard.samples[48_000..];
            assert_eq!(heard.intake.starved, 0, "{which}");
            assert_eq!(heard.intake.skipped, 0, "{which}");
            assert_eq!(longest_gap_ms(settled), 0, "{which}");
            assert!(steepest(settled) < 0.067, "{which}: {}", steepest(settled));
            let burst_ms = burst as u64 * 1000 / u64::from(rate_hz);
            let depth_ms = heard.depth_ms_max;
            assert!(depth_ms <= 30 + 2 * burst_ms, "{which}: {depth_ms} ms");
        }
    }
}

#[test]
fn a_device_that_is_often_late_gets_a_deeper_ring_and_then_no_gaps() {
    let device = Device {
        late_ms: 40.0,
        late_from_s: 5.0,
        ..STUDIO
    };
    let heard = run(device, 30.0, NEVER);
    assert!(heard.intake.starved >= 1, "the case must bite");
    assert_eq!(longest_gap_ms(&heard.samples[15 * 48_000..]), 0);
    assert!(longest_gap_ms(&heard.samples[48_000..]) <= 60);
    assert!(steepest(&heard.samples) < 0.067);
    assert!(heard.intake.concealed > 0);
}

#[test]
fn after_a_pause_only_what_is_new_is_heard() {
    let heard = run(STUDIO, 12.0, 4.0..9.0);
    assert!(
        heard.intake.skipped >= 48_000 * 300 / 1000,
        "{}",
        heard.intake.skipped
    );
    // The ring held 600 ms, the rest of the pause was lost at its door and counted.
    let lost_ms = millis(heard.shared.overflowed.load(Relaxed), 48_000);
    assert!((4_300..=4_500).contains(&lost_ms), "{lost_ms}");
    assert!(heard.intake.depth_ms() < 40);
    assert_eq!(longest_gap_ms(&heard.samples[48_000..]), 0);
}

#[test]
fn what_a_short_stop_leaves_behind_is_skipped_softly() {
    // The reader misses 100 ms, the ring holds them, and within a second they are gone again.
    let heard = run(STUDIO, 10.0, 4.0..4.1);
    assert!(heard.intake.skipped > 0);
    assert!(heard.intake.depth_ms() < 50, "{}", heard.intake.depth_ms());
    assert_eq!(longest_gap_ms(&heard.samples[48_000..]), 0);
    assert!(steepest(&heard.samples[48_000..]) < 0.07);
}

#[test]
fn a_device_that_falls_silent_fades_out_and_is_counted() {
    let shared = Arc::new(Shared::default());
    let (mut inlet, mut intake) = intake(48_000, shared);
    for round in 1..=5 {
        inlet.take(std::iter::repeat_n(0.5, 480), round * 10_000_000);
    }
    let mut heard = Vec::new();
    for round in 5..25 {
        let mut out = [1.0; BLOCK_SAMPLES];
        intake.read(&mut out, round * 10_000_000);
        heard.extend_from_slice(&out);
    }
    assert!(steepest(&heard) < 0.1, "{}", steepest(&heard));
    assert!(heard[19 * BLOCK_SAMPLES..].iter().all(|&s| s == 0.0));
    assert_eq!(intake.starved, 1);
    assert!(intake.concealed >= 15 * 480);
}
