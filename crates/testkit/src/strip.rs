//! A 16-bit frame number that survives VP8: black and white cells in the top rows of a picture.
//!
//! Layout, left to right, twenty cells of equal width and [`ROWS`] rows: one white and one black
//! cell (they set the threshold and prove that a strip is there), sixteen bits of the index in Gray
//! code with the highest first, a parity bit and its inverse. Gray code, because two frames then
//! differ in one cell only: the codec spends little on the strip, and a picture that mixes two
//! neighbours still reads as one of them. Cells are as wide as two macroblocks at 640 pixels and
//! only their middle is read, so the loop filter's smear at the edges does not matter.

use crate::y4m::Picture;

/// How many rows of the picture the strip takes; one row of macroblocks.
pub const ROWS: usize = 16;

const CELLS: usize = 20;
const BITS: usize = 16;
/// Nominal video range: full black and white would be clipped by some converters.
const BLACK: u8 = 16;
const WHITE: u8 = 235;
/// Below this difference between the markers there is no strip to read.
const CONTRAST_MIN: u32 = 100;

/// Writes `index` over the top rows of the picture.
///
/// # Panics
/// When the picture is narrower than 80 pixels or lower than 32 rows.
pub fn stamp(picture: &mut Picture, index: u16) {
    let (width, height) = (picture.width, picture.height);
    assert!(
        width >= CELLS * 4 && height >= ROWS * 2,
        "{width}x{height} is too small for a strip"
    );
    let cells = cells_of(index);
    for row in 0..ROWS {
        for column in 0..width {
            let cell = (column * CELLS / width).min(CELLS - 1);
            picture.data[row * width + column] = if cells[cell] { WHITE } else { BLACK };
        }
    }
    let (chroma_width, chroma_size) = (width / 2, width * height / 4);
    for plane in 0..2 {
        let start = width * height + plane * chroma_size;
        picture.data[start..start + chroma_width * ROWS / 2].fill(128);
    }
}

/// Reads the index back, or says that there is no readable strip.
#[must_use]
pub fn read(picture: &Picture) -> Option<u16> {
    let mut levels = [0_u32; CELLS];
    for (cell, level) in levels.iter_mut().enumerate() {
        *level = cell_level(picture, cell)?;
    }
    let (white, black) = (levels[0], levels[1]);
    if white < black + CONTRAST_MIN {
        return None;
    }
    let threshold = u32::midpoint(white, black);
    let mut bits = levels[2..].iter().map(|level| *level > threshold);
    let mut gray = 0_u16;
    let mut parity = false;
    for bit in bits.by_ref().take(BITS) {
        gray = gray << 1 | u16::from(bit);
        parity ^= bit;
    }
    (bits.next()? == parity && bits.next()? != parity).then(|| from_gray(gray))
}

/// Averages the middle half of a cell, both ways.
fn cell_level(picture: &Picture, cell: usize) -> Option<u32> {
    let (left, right) = (
        cell * picture.width / CELLS,
        (cell + 1) * picture.width / CELLS,
    );
    let quarter = (right - left) / 4;
    let (mut sum, mut count) = (0_u32, 0_u32);
    for row in ROWS / 4..ROWS * 3 / 4 {
        let start = row * picture.width;
        for value in picture
            .data
            .get(start + left + quarter..start + right - quarter)?
        {
            sum += u32::from(*value);
            count += 1;
        }
    }
    sum.checked_div(count)
}

fn cells_of(index: u16) -> [bool; CELLS] {
    let gray = index ^ index >> 1;
    let parity = gray.count_ones() % 2 == 1;
    std::array::from_fn(|cell| match cell {
        0 => true,
        1 => false,
        18 => parity,
        19 => !parity,
        bit => gray >> (BITS + 1 - bit) & 1 == 1,
    })
}

fn from_gray(mut gray: u16) -> u16 {
    for shift in [8, 4, 2, 1] {
        gray ^= gray >> shift;
    }
    gray
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn every_index_reads_back() {
        let mut picture = Picture::grey(640, 360, 77);
        for index in 0..=u16::MAX {
            stamp(&mut picture, index);
            assert_eq!(read(&picture), Some(index));
        }
    }

    #[test]
    fn noise_and_a_changed_level_do_no_harm() {
        let mut random = StdRng::seed_from_u64(7);
        let mut picture = Picture::grey(640, 360, 77);
        for index in (0..=u16::MAX).step_by(997) {
            stamp(&mut picture, index);
            for value in &mut picture.data {
                let noisy = i32::from(*value) * 8 / 10 + 20 + random.random_range(-30..30);
                *value = u8::try_from(noisy.clamp(0, 255)).expect("clamped to a byte");
            }
            assert_eq!(read(&picture), Some(index));
        }
    }

    #[test]
    fn no_strip_is_no_index() {
        assert_eq!(read(&Picture::grey(640, 360, 16)), None);
        assert_eq!(read(&Picture::grey(640, 360, 235)), None);
        let mut random = StdRng::seed_from_u64(1);
        let mut picture = Picture::grey(640, 360, 0);
        random.fill(&mut picture.data[..]);
        assert_eq!(read(&picture), None);
    }

    #[test]
    fn a_flipped_cell_is_noticed() {
        let mut picture = Picture::grey(640, 360, 77);
        stamp(&mut picture, 0x1234);
        for row in 0..ROWS {
            for value in &mut picture.data[row * 640 + 5 * 32..row * 640 + 6 * 32] {
                *value = WHITE + BLACK - *value;
            }
        }
        assert_eq!(read(&picture), None);
    }

    #[test]
    fn neighbours_differ_in_one_bit_and_the_parity() {
        for index in 0..u16::MAX {
            let (a, b) = (cells_of(index), cells_of(index + 1));
            assert_eq!(a.iter().zip(b).filter(|(a, b)| **a != *b).count(), 3);
        }
    }
}
