//! Makes a piece of sound a little longer or shorter without changing its pitch: one period is
//! repeated or left out, with a cross-fade (the overlap-add of WSOLA, done once).

/// Shortest period tried: 2.5 ms, a voice at 400 Hz.
const PERIOD_MIN: usize = 120;
/// Longest period tried: 10 ms, a voice at 100 Hz, or two periods of a higher one.
const PERIOD_MAX: usize = 480;
/// Below this level (-60 dBFS) the place of the cut does not matter.
const QUIET: f32 = 0.001;

/// Leaves out one period of `samples` behind `start` and gives its length; 0 when too little is there.
pub fn shorten(samples: &mut Vec<f32>, start: usize) -> usize {
    let Some(period) = find_period(&samples[start..]) else {
        return 0;
    };
    for i in start..start + period {
        let fade = (i - start) as f32 / period as f32;
        samples[i] = samples[i] * (1.0 - fade) + samples[i + period] * fade;
    }
    samples.drain(start + period..start + 2 * period);
    period
}

/// Repeats one period of `samples` behind `start` and gives its length; 0 when too little is there.
///
/// Allocates only when `samples` has no room for 480 more.
pub fn lengthen(samples: &mut Vec<f32>, start: usize) -> usize {
    let Some(period) = find_period(&samples[start..]) else {
        return 0;
    };
    let length = samples.len();
    samples.resize(length + period, 0.0);
    samples.copy_within(start + period..length, start + 2 * period);
    for i in start..start + period {
        let fade = (i - start) as f32 / period as f32;
        // What would follow, fading into the repeat; its original now stands a period later.
        let onward = samples[i + 2 * period];
        samples[i + period] = onward * (1.0 - fade) + samples[i] * fade;
    }
    period
}

/// Finds the shift by which the beginning looks most like itself.
fn find_period(samples: &[f32]) -> Option<usize> {
    if samples.len() < 2 * PERIOD_MAX {
        return None;
    }
    let (head, _) = samples.split_at(PERIOD_MAX);
    if head.iter().all(|s| s.abs() < QUIET) {
        return Some(PERIOD_MAX);
    }
    let likeness = |period: usize| -> f32 {
        let (mut product, mut power) = (0.0f32, 1e-9f32);
        for (a, b) in head.iter().zip(&samples[period..]) {
            product += a * b;
            power += b * b;
        }
        product / power.sqrt()
    };
    (PERIOD_MIN..=PERIOD_MAX)
        .map(|period| (period, likeness(period)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(period, _)| period)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn tone(hz: f32) -> Vec<f32> {
        (0..960)
            .map(|n| 0.5 * (TAU * hz * n as f32 / 48_000.0).sin())
            .collect()
    }

    fn step_max(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_stays_smooth_and_level_when_stretched() {
        for hz in [110.0, 200.0, 440.0, 1_000.0, 3_000.0] {
            let whole = tone(hz);
            for change in [shorten as fn(&mut Vec<f32>, usize) -> usize, lengthen] {
                let mut samples = whole.clone();
                let period = change(&mut samples, 0);
                assert!(
                    (PERIOD_MIN..=PERIOD_MAX).contains(&period),
                    "{hz} Hz: {period}"
                );
                assert_eq!(samples.len().abs_diff(960), period);
                assert!(step_max(&samples) < 1.1 * step_max(&whole), "{hz} Hz");
                let peak = samples.iter().fold(0.0f32, |p, s| p.max(s.abs()));
                assert!((0.45..=0.51).contains(&peak), "{hz} Hz: {peak}");
                assert_eq!(samples.last(), whole.last(), "the end joins what follows");
            }
        }
    }

    #[test]
    fn silence_and_short_pieces_are_fine() {
        assert_eq!(shorten(&mut vec![0.0; 960], 0), PERIOD_MAX);
        assert_eq!(lengthen(&mut vec![0.0; 960], 0), PERIOD_MAX);
        assert_eq!(shorten(&mut vec![0.5; 959], 0), 0);
        assert_eq!(lengthen(&mut vec![0.5; 100], 0), 0);
    }
}
