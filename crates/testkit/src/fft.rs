//! A plain radix-2 Fourier transform: enough to correlate and to look at a spectrum.

use std::f64::consts::TAU;

/// A complex number, real part first.
pub type Complex = (f64, f64);

/// Transforms in place; `inverse` undoes it, scale included.
///
/// # Panics
/// When the length is not a power of two.
pub fn transform(data: &mut [Complex], inverse: bool) {
    let count = data.len();
    assert!(
        count.is_power_of_two(),
        "a length of {count} is not a power of two"
    );
    reorder(data);
    let sign = if inverse { TAU } else { -TAU };
    // One table for all stages: sines in the inner loop would take most of the time.
    let turns: Vec<Complex> = (0..count / 2)
        .map(|n| {
            let (sin, cos) = (sign * n as f64 / count as f64).sin_cos();
            (cos, sin)
        })
        .collect();
    let mut half = 1;
    while half < count {
        let stride = count / (2 * half);
        for block in data.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (n, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let turned = multiply(*b, turns[n * stride]);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
    if inverse {
        let scale = 1.0 / count as f64;
        for value in data {
            *value = (value.0 * scale, value.1 * scale);
        }
    }
}

/// Multiplies two complex numbers.
#[must_use]
pub fn multiply(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// Transforms real samples, padded with zeros to `size`.
#[must_use]
pub fn spectrum(samples: impl IntoIterator<Item = f64>, size: usize) -> Vec<Complex> {
    let mut data: Vec<Complex> = samples.into_iter().map(|value| (value, 0.0)).collect();
    data.resize(size, (0.0, 0.0));
    transform(&mut data, false);
    data
}

fn reorder(data: &mut [Complex]) {
    let count = data.len();
    let mut to = 0;
    for from in 1..count {
        let mut bit = count >> 1;
        while to & bit != 0 {
            to ^= bit;
            bit >>= 1;
        }
        to |= bit;
        if from < to {
            data.swap(from, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_one_line() {
        let data = spectrum((0..64).map(|n| (TAU * 5.0 * f64::from(n) / 64.0).cos()), 64);
        for (bin, value) in data.iter().enumerate() {
            let expected = if bin == 5 || bin == 59 { 32.0 } else { 0.0 };
            assert!(
                (value.0.hypot(value.1) - expected).abs() < 1e-9,
                "bin {bin}"
            );
        }
    }

    #[test]
    fn the_inverse_undoes_it() {
        let original: Vec<Complex> = (0..256)
            .map(|n| (f64::from(n % 17), f64::from(n % 5)))
            .collect();
        let mut data = original.clone();
        transform(&mut data, false);
        transform(&mut data, true);
        for (a, b) in data.iter().zip(&original) {
            assert!((a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9);
        }
    }
}
