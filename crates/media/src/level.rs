//! How loud a piece of sound is, for meters and for who is speaking.

/// What silence measures: below the noise of any microphone.
pub const SILENCE_DBFS: f32 = -100.0;

/// Measures the root mean square level against full scale, from -100 to 0 dB (a full-scale sine is
/// -3 dB). Nothing at all is silence.
///
/// ```
/// use snug_media::level::{SILENCE_DBFS, level_dbfs};
/// assert_eq!(level_dbfs(&[1.0, -1.0]), 0.0);
/// assert_eq!(level_dbfs(&[0.0; 480]), SILENCE_DBFS);
/// ```
#[must_use]
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let square: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = square / samples.len().max(1) as f32;
    if mean.is_finite() {
        (10.0 * mean.log10()).clamp(SILENCE_DBFS, 0.0)
    } else {
        // A broken sample says nothing about loudness.
        SILENCE_DBFS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_signals_have_their_level() {
        let sine: Vec<f32> = (0..480)
            .map(|n| (std::f32::consts::TAU * n as f32 / 48.0).sin())
            .collect();
        assert!((level_dbfs(&sine) + 3.01).abs() < 0.01);
        assert!((level_dbfs(&[0.1; 480]) + 20.0).abs() < 0.01);
        assert_eq!(level_dbfs(&[4.0; 480]), 0.0);
        assert_eq!(level_dbfs(&[]), SILENCE_DBFS);
        assert_eq!(level_dbfs(&[1e-9; 480]), SILENCE_DBFS);
        assert_eq!(level_dbfs(&[f32::NAN; 480]), SILENCE_DBFS);
        assert_eq!(level_dbfs(&[f32::INFINITY; 480]), SILENCE_DBFS);
    }
}
