//! How like a decoded picture is to its source: the peak signal-to-noise ratio of the luma plane.

use crate::y4m::Picture;

/// Computes PSNR-Y in decibels of all rows from `first_row` on; equal pictures give 99.
///
/// # Panics
/// When the pictures differ in size or have no such row.
#[must_use]
pub fn luma_db(a: &Picture, b: &Picture, first_row: usize) -> f64 {
    assert_eq!(
        (a.width, a.height),
        (b.width, b.height),
        "pictures of two sizes"
    );
    assert!(first_row < a.height, "no rows to compare");
    let start = first_row * a.width;
    let squares: u64 = a.luma()[start..]
        .iter()
        .zip(&b.luma()[start..])
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    if squares == 0 {
        return 99.0;
    }
    let pixels = (a.height - first_row) * a.width;
    let mean = squares as f64 / pixels as f64;
    10.0 * (255.0_f64.powi(2) / mean).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_give_known_figures() {
        let a = Picture::grey(64, 64, 100);
        assert_eq!(luma_db(&a, &a, 16), 99.0);
        // One level everywhere: 20 log10(255) = 48.13 dB; ten levels are 20 dB less.
        assert!((luma_db(&a, &Picture::grey(64, 64, 101), 16) - 48.13).abs() < 0.01);
        assert!((luma_db(&a, &Picture::grey(64, 64, 110), 16) - 28.13).abs() < 0.01);
    }

    #[test]
    fn rows_above_the_first_do_not_count() {
        let a = Picture::grey(64, 64, 100);
        let mut b = a.clone();
        b.data[..64 * 16].fill(0);
        assert_eq!(luma_db(&a, &b, 16), 99.0);
        assert!(luma_db(&a, &b, 0) < 20.0);
    }
}
