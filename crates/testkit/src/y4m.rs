//! Raw pictures and the YUV4MPEG2 container, 4:2:0 with 8 bits only.
//!
//! Format: <https://wiki.multimedia.cx/index.php/YUV4MPEG2>.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Holds one planar 4:2:0 picture: luma, then both chroma planes, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Y, U and V one after the other, `width * height * 3 / 2` bytes.
    pub data: Vec<u8>,
}

impl Picture {
    /// Makes a picture of one grey level (0 to 255).
    ///
    /// # Panics
    /// When a side is odd: 4:2:0 has no such picture.
    #[must_use]
    pub fn grey(width: usize, height: usize, level: u8) -> Self {
        assert!(
            width.is_multiple_of(2) && height.is_multiple_of(2),
            "4:2:0 needs even sides"
        );
        let mut data = vec![level; width * height];
        data.resize(Self::bytes(width, height), 128);
        Self {
            width,
            height,
            data,
        }
    }

    /// Says how many bytes a picture of this size has.
    #[must_use]
    pub const fn bytes(width: usize, height: usize) -> usize {
        width * height * 3 / 2
    }

    /// Lends the luma plane, row by row without padding.
    #[must_use]
    pub fn luma(&self) -> &[u8] {
        &self.data[..self.width * self.height]
    }
}

/// Says what a Y4M header says: size and frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Frames per `rate.1` seconds.
    pub rate: (u32, u32),
}

impl Format {
    /// Says the time between two frames, in seconds.
    #[must_use]
    pub fn frame_interval_s(&self) -> f64 {
        f64::from(self.rate.1) / f64::from(self.rate.0)
    }
}

/// Reads all pictures of a Y4M file.
///
/// # Errors
/// When the file cannot be read, is not 4:2:0 with 8 bits, or ends inside a frame.
pub fn read(path: &Path) -> Result<(Format, Vec<Picture>)> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut file = BufReader::new(file);
    let format = read_header(&mut file).with_context(|| format!("read {}", path.display()))?;
    let mut pictures = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok((format, pictures));
        }
        ensure!(
            line.starts_with(b"FRAME"),
            "frame {} has no FRAME line",
            pictures.len()
        );
        let mut data = vec![0; Picture::bytes(format.width, format.height)];
        file.read_exact(&mut data)
            .with_context(|| format!("frame {}", pictures.len()))?;
        pictures.push(Picture {
            width: format.width,
            height: format.height,
            data,
        });
    }
}

fn read_header(file: &mut impl BufRead) -> Result<Format> {
    let mut line = String::new();
    file.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    ensure!(words.next() == Some("YUV4MPEG2"), "this is no Y4M file");
    let (mut width, mut height, mut rate) = (0, 0, (25, 1));
    for word in words {
        let (tag, value) = word.split_at(1);
        match tag {
            "W" => width = value.parse()?,
            "H" => height = value.parse()?,
            "F" => {
                let (count, seconds) = value.split_once(':').context("rate without a colon")?;
                rate = (count.parse()?, seconds.parse()?);
            }
            "C" if !["420", "420jpeg", "420mpeg2", "420paldv"].contains(&value) => {
                bail!("colour space {value} is not 8-bit 4:2:0");
            }
            _ => {}
        }
    }
    ensure!(width > 0 && height > 0, "the header names no size");
    Ok(Format {
        width,
        height,
        rate,
    })
}

/// Writes pictures one by one into a new Y4M file.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
}

impl Writer {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, format: Format) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let Format {
            width,
            height,
            rate: (count, seconds),
        } = format;
        writeln!(
            file,
            "YUV4MPEG2 W{width} H{height} F{count}:{seconds} Ip A1:1 C420jpeg"
        )?;
        Ok(Self { file })
    }

    /// Appends one picture.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, picture: &Picture) -> Result<()> {
        self.file.write_all(b"FRAME\n")?;
        Ok(self.file.write_all(&picture.data)?)
    }

    /// Flushes what is buffered; a writer dropped without this may lose the last frames.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.file.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.y4m");
        let format = Format {
            width: 16,
            height: 8,
            rate: (30000, 1001),
        };
        let mut writer = Writer::create(&path, format)?;
        let pictures = [Picture::grey(16, 8, 3), Picture::grey(16, 8, 200)];
        for picture in &pictures {
            writer.write(picture)?;
        }
        writer.finish()?;
        assert_eq!(read(&path)?, (format, pictures.to_vec()));
        Ok(())
    }

    #[test]
    fn a_truncated_file_is_an_error() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.y4m");
        std::fs::write(&path, b"YUV4MPEG2 W16 H8 F25:1 C420\nFRAME\nshort")?;
        assert!(read(&path).is_err());
        Ok(())
    }
}
