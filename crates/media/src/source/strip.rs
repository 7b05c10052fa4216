//! A number written into a picture so that it survives a codec and a machine can read it back.
//!
//! Twenty cells across the top: white, black, sixteen bits of Gray code from the highest down, their
//! parity, and its opposite. The four outer cells tell where black and white ended up and catch a
//! picture that holds no strip at all. Gray code, because neighbours then differ in one cell: cheap to
//! encode, and a blend of two pictures still reads as one of them.

use crate::frame::I420Frame;

/// The largest number a strip holds.
pub const CODE_MAX: u16 = u16::MAX;

const BITS: usize = 16;
const CELLS: usize = BITS + 4;
/// Luma of the two colours: inside the limited range, far apart.
const BLACK: u8 = 32;
const WHITE: u8 = 220;
/// Below this distance between black and white there is no strip, or nothing left of it.
const CONTRAST_MIN: u32 = 60;

/// Height of the strip in pixels: one row of macroblocks.
pub const STRIP_ROWS: usize = 16;

/// Writes `code` across the top of `frame`. Pictures under 40x32 pixels are left alone.
pub fn stamp_strip(frame: &mut I420Frame, code: u16) {
    if !fits(frame) {
        return;
    }
    let width = frame.width as usize;
    let rows = STRIP_ROWS;
    let (chroma_width, _) = frame.chroma_size();
    let [y, u, v] = frame.planes_mut();
    for (cell, bit) in cells(code).into_iter().enumerate() {
        let (from, to) = (width * cell / CELLS, width * (cell + 1) / CELLS);
        for row in y.chunks_exact_mut(width).take(rows) {
            row[from..to].fill(if bit { WHITE } else { BLACK });
        }
    }
    let chroma_bytes = chroma_width * rows.div_ceil(2);
    u[..chroma_bytes].fill(128);
    v[..chroma_bytes].fill(128);
}

/// Reads the number back; `None` when the picture holds no readable strip.
#[must_use]
pub fn read_strip(frame: &I420Frame) -> Option<u16> {
    if !fits(frame) || frame.check().is_err() {
        return None;
    }
    let levels: [u32; CELLS] = std::array::from_fn(|cell| cell_level(frame, cell));
    let (white, black) = (levels[0], levels[1]);
    if white < black + CONTRAST_MIN {
        return None;
    }
    let middle = (white + black) / 2;
    let bits = levels.map(|level| level > middle);
    let gray = bits[2..2 + BITS]
        .iter()
        .fold(0u16, |gray, &bit| gray << 1 | u16::from(bit));
    let code = from_gray(gray);
    (cells(code) == bits).then_some(code)
}

fn cells(code: u16) -> [bool; CELLS] {
    let gray = code ^ code >> 1;
    let parity = gray.count_ones() % 2 == 1;
    std::array::from_fn(|cell| match cell {
        0 => true,
        1 => false,
        c if c < 2 + BITS => gray >> (BITS + 1 - c) & 1 == 1,
        c => parity == (c == CELLS - 2),
    })
}

fn from_gray(mut gray: u16) -> u16 {
    for shift in [8, 4, 2, 1] {
        gray ^= gray >> shift;
    }
    gray
}

/// Averages the middle half of a cell both ways, away from edges that the codec blurred.
fn cell_level(frame: &I420Frame, cell: usize) -> u32 {
    let width = frame.width as usize;
    let rows = STRIP_ROWS;
    let (from, to) = (width * cell / CELLS, width * (cell + 1) / CELLS);
    let inset = (to - from) / 4;
    let mut sum = 0u32;
    let mut count = 0u32;
    for row in frame.planes()[0]
        .chunks_exact(width)
        .take(rows - rows / 4)
        .skip(rows / 4)
    {
        for &level in &row[from + inset..to - inset] {
            sum += u32::from(level);
            count += 1;
        }
    }
    sum / count.max(1)
}

fn fits(frame: &I420Frame) -> bool {
    frame.width >= 2 * CELLS as u32 && frame.height as usize >= 2 * STRIP_ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for (width, height) in [(40, 32), (320, 180), (641, 361)] {
            let mut frame = I420Frame::black(width, height);
            for code in (0..=CODE_MAX).step_by(97).chain([1, 0x8000, CODE_MAX]) {
                stamp_strip(&mut frame, code);
                assert_eq!(read_strip(&frame), Some(code), "{width}x{height}");
            }
        }
    }

    #[test]
    fn a_picture_without_a_strip_reads_as_none() {
        assert_eq!(read_strip(&I420Frame::black(320, 180)), None);
        assert_eq!(read_strip(&I420Frame::black(10, 10)), None);
        let mut frame = I420Frame::black(320, 180);
        stamp_strip(&mut frame, 0);
        let width = frame.width as usize;
        for row in frame.planes_mut()[0].chunks_exact_mut(width).take(16) {
            row[100..112].fill(WHITE);
        }
        assert_eq!(
            read_strip(&frame),
            None,
            "one flipped bit breaks the parity"
        );
    }
}
