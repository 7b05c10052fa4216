//! Pictures and blocks of sound as they travel inside the crate.

use std::time::Duration;

use crate::error::CodecError;

/// Samples a second of all sound in this crate: the one rate that Opus and devices share.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples in one 10 ms block, the step in which sound is captured, mixed and played.
pub const BLOCK_SAMPLES: usize = 480;

/// Length of one block: 10 ms.
pub const BLOCK_DURATION: Duration = Duration::from_millis(10);

/// Holds one picture: planar YUV, 8 bit, chroma halved both ways (I420, BT.601 limited range).
///
/// `data` is tight: the Y plane (`width * height` bytes), then U, then V, each
/// `ceil(width / 2) * ceil(height / 2)` bytes, with no padding between rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct I420Frame {
    /// Luma width in pixels.
    pub width: u32,
    /// Luma height in pixels.
    pub height: u32,
    /// The three planes, tight.
    pub data: Vec<u8>,
}

impl I420Frame {
    /// Makes a black picture of `width` x `height` pixels.
    #[must_use]
    pub fn black(width: u32, height: u32) -> Self {
        let mut data = vec![16; Self::bytes_for(width, height)];
        let luma = width as usize * height as usize;
        data[luma..].fill(128);
        Self {
            width,
            height,
            data,
        }
    }

    /// Counts the bytes that a picture of this size takes.
    #[must_use]
    pub fn bytes_for(width: u32, height: u32) -> usize {
        let (width, height) = (width as usize, height as usize);
        width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
    }

    /// Checks that `data` is as long as `width` and `height` ask for.
    ///
    /// # Errors
    /// [`CodecError::PictureSize`] when it is not, [`CodecError::Setting`] for an empty picture.
    pub fn check(&self) -> Result<(), CodecError> {
        if self.width == 0 || self.height == 0 {
            return Err(CodecError::Setting {
                setting: "picture size",
                value: 0,
            });
        }
        let needed_bytes = Self::bytes_for(self.width, self.height);
        if self.data.len() == needed_bytes {
            return Ok(());
        }
        Err(CodecError::PictureSize {
            width: self.width,
            height: self.height,
            needed_bytes,
            found_bytes: self.data.len(),
        })
    }

    /// Gives width and height of the chroma planes, rounded up.
    #[must_use]
    pub fn chroma_size(&self) -> (usize, usize) {
        (
            (self.width as usize).div_ceil(2),
            (self.height as usize).div_ceil(2),
        )
    }

    /// Borrows the Y, U and V planes.
    #[must_use]
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, chroma) = self.data.split_at(self.luma_bytes());
        let (u, v) = chroma.split_at(chroma.len() / 2);
        [y, u, v]
    }

    /// Borrows the Y, U and V planes for writing.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let luma = self.luma_bytes();
        let (y, chroma) = self.data.split_at_mut(luma);
        let half = chroma.len() / 2;
        let (u, v) = chroma.split_at_mut(half);
        [y, u, v]
    }

    /// Measures how close the luma is to that of `other`: PSNR-Y in dB, infinite when equal.
    ///
    /// Gives `None` when the sizes differ.
    #[must_use]
    pub fn psnr_y(&self, other: &Self) -> Option<f64> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let (ours, theirs) = (self.planes()[0], other.planes()[0]);
        let squares: u64 = ours
            .iter()
            .zip(theirs)
            .map(|(&a, &b)| u64::from(a.abs_diff(b)) * u64::from(a.abs_diff(b)))
            .sum();
        let mean = squares as f64 / ours.len() as f64;
        Some(10.0 * (255.0 * 255.0 / mean).log10())
    }

    fn luma_bytes(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

/// A picture and the moment it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame {
    /// The picture.
    pub frame: I420Frame,
    /// When it was taken, since the source started. Never goes back; drives pacing
    /// (see [`crate::source::Pacer`]) and RTP timestamps.
    pub at: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_round_chroma_up() {
        let frame = I420Frame::black(5, 3);
        assert_eq!(frame.data.len(), 15 + 2 * 3 * 2);
        let [y, u, v] = frame.planes();
        assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));
        assert!(frame.check().is_ok());
    }

    #[test]
    fn a_short_buffer_is_named() {
        let frame = I420Frame {
            width: 4,
            height: 4,
            data: vec![0; 23],
        };
        assert_eq!(
            frame.check(),
            Err(CodecError::PictureSize {
                width: 4,
                height: 4,
                needed_bytes: 24,
                found_bytes: 23
            })
        );
    }

    #[test]
    fn psnr_of_one_level_off_is_48_db() {
        let frame = I420Frame::black(16, 16);
        let mut other = frame.clone();
        other.planes_mut()[0].fill(17);
        let psnr = frame.psnr_y(&other).unwrap();
        assert!((psnr - 48.13).abs() < 0.01, "{psnr}");
        assert_eq!(frame.psnr_y(&frame), Some(f64::INFINITY));
    }
}
