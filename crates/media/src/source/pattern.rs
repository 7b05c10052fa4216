//! A moving test picture that tells which one it is, to people and to machines.

use std::time::Duration;

use super::VideoSource;
use super::strip::{STRIP_ROWS, stamp_strip};
use crate::error::{CodecError, Error};
use crate::frame::{CapturedFrame, I420Frame};

/// Sides in pixels: room for the number strip, and no larger than a Y4M file may be.
const WIDTHS: std::ops::RangeInclusive<u32> = 64..=4096;
const HEIGHTS: std::ops::RangeInclusive<u32> = 48..=4096;
const RATES: std::ops::RangeInclusive<u32> = 1..=120;
/// Pixels that the background moves from one picture to the next.
const SCROLL: usize = 2;
/// Luma of the timecode and of the band behind it.
const INK: u8 = 225;
const BAND: u8 = 28;
/// "HH:MM:SS.mmm" in glyphs of 5 + 1 columns.
const TIMECODE_COLUMNS: usize = 12 * 6;

/// Draws a scrolling picture with a bouncing square, the number strip of
/// [`read_strip`](super::read_strip) (the frame count, modulo 65536) and a timecode
/// `HH:MM:SS.mmm` that a person can read.
#[derive(Debug, Clone)]
pub struct TestPattern {
    width: u32,
    height: u32,
    rate: u32,
    drawn: u64,
}

impl TestPattern {
    /// Makes a pattern of `width` (64 to 4096) by `height` (48 to 4096) pixels at `rate` pictures a
    /// second (1 to 120).
    ///
    /// # Errors
    /// [`Error::Codec`] naming the setting that is out of range.
    pub fn new(width: u32, height: u32, rate: u32) -> Result<Self, Error> {
        for (setting, value, range) in [
            ("test picture width", width, WIDTHS),
            ("test picture height", height, HEIGHTS),
            ("test picture rate", rate, RATES),
        ] {
            if !range.contains(&value) {
                return Err(CodecError::Setting {
                    setting,
                    value: value.into(),
                }
                .into());
            }
        }
        Ok(Self {
            width,
            height,
            rate,
            drawn: 0,
        })
    }

    /// Draws picture number `number` of a pattern; the same number gives the same picture.
    #[must_use]
    pub fn draw(&self, number: u64) -> I420Frame {
        let mut frame = I420Frame::black(self.width, self.height);
        draw_background(&mut frame, number);
        draw_square(&mut frame, number);
        draw_timecode(&mut frame, self.time_of(number));
        stamp_strip(&mut frame, number as u16);
        frame
    }

    fn time_of(&self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(nanos as u64)
    }
}

impl VideoSource for TestPattern {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn frame_interval(&self) -> Duration {
        self.time_of(1)
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
        let captured = CapturedFrame {
            frame: self.draw(self.drawn),
            at: self.time_of(self.drawn),
        };
        self.drawn += 1;
        Ok(Some(captured))
    }
}

/// Soft waves that slide by whole pixels: detail everywhere, and motion a codec can follow.
fn draw_background(frame: &mut I420Frame, number: u64) {
    let width = frame.width as usize;
    let (chroma_width, _) = frame.chroma_size();
    let shift = number as usize * SCROLL;
    let [y, u, v] = frame.planes_mut();
    for (row, line) in y.chunks_exact_mut(width).enumerate() {
        for (column, luma) in line.iter_mut().enumerate() {
            *luma = 70 + triangle(column + shift + row / 2, 128, 90) as u8;
        }
    }
    for (row, (us, vs)) in u
        .chunks_exact_mut(chroma_width)
        .zip(v.chunks_exact_mut(chroma_width))
        .enumerate()
    {
        for (column, (u, v)) in us.iter_mut().zip(vs).enumerate() {
            *u = 98 + triangle(column + shift / 2, 200, 60) as u8;
            *v = 98 + triangle(row * 2 + column, 240, 60) as u8;
        }
    }
}

/// A square that bounces between the strip and the timecode.
fn draw_square(frame: &mut I420Frame, number: u64) {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let side = width.min(height) / 6;
    let top = STRIP_ROWS;
    let bottom = height - band_height(frame);
    let (room_x, room_y) = (width - side, bottom.saturating_sub(top + side).max(1));
    let number = number as usize;
    let x = triangle(number * 3, 2 * room_x, room_x);
    let y = top + triangle(number * 2, 2 * room_y, room_y);
    for row in frame.planes_mut()[0]
        .chunks_exact_mut(width)
        .skip(y)
        .take(side)
    {
        row[x..x + side].fill(200);
    }
}

fn draw_timecode(frame: &mut I420Frame, time: Duration) {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let band = band_height(frame);
    let scale = glyph_scale(frame);
    let [y, ..] = frame.planes_mut();
    y[(height - band) * width..].fill(BAND);
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let text = format!(
        "{:02}:{:02}:{:02}.{millis:03}",
        seconds / 3600 % 100,
        seconds / 60 % 60,
        seconds % 60
    );
    let left = width.saturating_sub(TIMECODE_COLUMNS * scale) / 2;
    for (place, glyph) in text.bytes().map(glyph).enumerate() {
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                let x = left + (place * 6 + column) * scale;
                let y_top = height - band + (row + 1) * scale;
                for line in y.chunks_exact_mut(width).skip(y_top).take(scale) {
                    let end = (x + scale).min(width);
                    line[x.min(end)..end].fill(INK);
                }
            }
        }
    }
}

/// Screen pixels for one pixel of a glyph.
fn glyph_scale(frame: &I420Frame) -> usize {
    (frame.width as usize / (2 * TIMECODE_COLUMNS)).clamp(1, frame.height as usize / 40 + 1)
}

/// Glyphs are seven pixels high with one above and one below.
fn band_height(frame: &I420Frame) -> usize {
    9 * glyph_scale(frame)
}

/// Goes from 0 up to `height` and back within `period`.
fn triangle(x: usize, period: usize, height: usize) -> usize {
    let phase = x % period;
    let half = period / 2;
    let rise = if phase < half { phase } else { period - phase };
    rise * height / half.max(1)
}

/// Five columns by seven rows, highest bit left.
fn glyph(character: u8) -> [u8; 7] {
    match character {
        b'0' => [14, 17, 19, 21, 25, 17, 14],
        b'1' => [4, 12, 4, 4, 4, 4, 14],
        b'2' => [14, 17, 1, 2, 4, 8, 31],
        b'3' => [31, 2, 4, 2, 1, 17, 14],
        b'4' => [2, 6, 10, 18, 31, 2, 2],
        b'5' => [31, 16, 30, 1, 1, 17, 14],
        b'6' => [6, 8, 16, 30, 17, 17, 14],
        b'7' => [31, 1, 2, 4, 8, 8, 8],
        b'8' => [14, 17, 17, 14, 17, 17, 14],
        b'9' => [14, 17, 17, 15, 1, 2, 12],
        b':' => [0, 4, 4, 0, 4, 4, 0],
        _ => [0, 0, 0, 0, 0, 12, 12],
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_strip;
    use super::*;

    #[test]
    fn pictures_are_numbered_timed_and_different() {
        let mut pattern = TestPattern::new(640, 360, 30).unwrap();
        let mut last: Option<I420Frame> = None;
        for n in 0..40u64 {
            let captured = pattern.next_frame().unwrap().unwrap();
            assert_eq!(read_strip(&captured.frame), Some(n as u16));
            assert_eq!(captured.at.as_nanos(), u128::from(n) * 1_000_000_000 / 30);
            if let Some(last) = last {
                assert!(captured.frame.psnr_y(&last).unwrap() < 40.0, "it moves");
            }
            last = Some(captured.frame);
        }
    }

    #[test]
    fn the_smallest_largest_and_oddest_sizes_draw() {
        for (width, height) in [(64, 48), (4096, 64), (64, 4096), (333, 241)] {
            let pattern = TestPattern::new(width, height, 25).unwrap();
            for number in [0, 1, 12_345, u64::from(u32::MAX)] {
                let frame = pattern.draw(number);
                assert!(frame.check().is_ok());
                assert_eq!(read_strip(&frame), Some(number as u16));
            }
        }
    }

    #[test]
    fn sizes_and_rates_out_of_range_are_named() {
        let error = TestPattern::new(63, 48, 25).unwrap_err();
        assert_eq!(error.to_string(), "test picture width is out of range: 63");
        assert!(TestPattern::new(640, 360, 0).is_err());
        assert!(TestPattern::new(640, 5000, 25).is_err());
    }
}
