//! WAV files as a microphone: any usual rate and width, mixed to mono, played in a loop.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::AudioSource;
use crate::error::{Error, InputProblem};
use crate::frame::BLOCK_SAMPLES;
use crate::resample::{RATES_HZ, Resampler};

/// Channels mixed down at most: 7.1 surround.
const CHANNELS_MAX: u16 = 8;
/// Chunks walked before the sound must have come; real files have a handful.
const CHUNKS_MAX: usize = 64;
/// Sample frames read from the file at once: about 20 ms, so that a read never waits long.
const FRAMES_AT_ONCE: usize = 1024;
const FORMAT_PCM: u16 = 1;
const FORMAT_FLOAT: u16 = 3;
const FORMAT_EXTENSIBLE: u16 = 0xFFFE;

/// Plays a WAV file as a microphone, from the beginning again after its end without a gap.
///
/// Takes integer PCM of 8, 16, 24 and 32 bits and 32 bit float, 4 to 192 kHz, 1 to 8 channels; other
/// rates than 48 kHz are resampled (see [`crate::resample`]), several channels are averaged. A file
/// that was cut short plays what is there.
#[derive(Debug)]
pub struct WavFile {
    path: PathBuf,
    samples: Samples,
    resampler: Resampler,
}

impl WavFile {
    /// Opens `path` and reads its header.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be read, is not WAV, is cut off inside its header, uses
    /// an unsupported coding, rate or number of channels, or holds no sound.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::open_inner(path).map_err(|problem| Error::microphone(path, problem))
    }

    /// Gives the rate of the file itself in Hz.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.samples.format.rate_hz
    }

    /// Counts the sample frames of one round, at the file's own rate.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.samples.data_bytes / self.samples.format.frame_bytes as u64
    }

    fn open_inner(path: &Path) -> Result<Self, InputProblem> {
        let file = File::open(path).map_err(InputProblem::Unreadable)?;
        let file_bytes = file.metadata().map_err(InputProblem::Unreadable)?.len();
        let mut reader = BufReader::new(file);
        let layout = Layout::read(&mut reader, file_bytes)?;
        let resampler =
            Resampler::new(layout.format.rate_hz).ok_or_else(|| InputProblem::Unsupported {
                what: format!(
                    "a rate of {} Hz (from {} to {} Hz can be played)",
                    layout.format.rate_hz,
                    RATES_HZ.start(),
                    RATES_HZ.end()
                ),
            })?;
        reader.seek(SeekFrom::Start(layout.data_start))?;
        let buffer_bytes = FRAMES_AT_ONCE * layout.format.frame_bytes;
        Ok(Self {
            path: path.to_owned(),
            samples: Samples {
                reader,
                format: layout.format,
                data_start: layout.data_start,
                data_bytes: layout.data_bytes,
                data_left: layout.data_bytes,
                raw: vec![0; buffer_bytes],
                mono: Vec::with_capacity(FRAMES_AT_ONCE),
                cursor: 0,
                failed: None,
            },
            resampler,
        })
    }
}

impl AudioSource for WavFile {
    fn read(&mut self, out: &mut [f32; BLOCK_SAMPLES]) -> Result<(), Error> {
        let samples = &mut self.samples;
        self.resampler.fill(out, || samples.next());
        let Some(problem) = samples.failed.take() else {
            return Ok(());
        };
        out.fill(0.0);
        Err(Error::microphone(&self.path, problem))
    }
}

/// Reads samples one by one, round and round.
#[derive(Debug)]
struct Samples {
    reader: BufReader<File>,
    format: Format,
    data_start: u64,
    data_bytes: u64,
    data_left: u64,
    raw: Vec<u8>,
    mono: Vec<f32>,
    cursor: usize,
    failed: Option<InputProblem>,
}

impl Samples {
    fn next(&mut self) -> f32 {
        if self.cursor == self.mono.len() {
            self.mono.clear();
            self.cursor = 0;
            if self.failed.is_none()
                && let Err(error) = self.refill()
            {
                self.failed = Some(InputProblem::Unreadable(error));
            }
        }
        let sample = self.mono.get(self.cursor).copied();
        self.cursor += usize::from(sample.is_some());
        sample.unwrap_or(0.0)
    }

    fn refill(&mut self) -> std::io::Result<()> {
        if self.data_left == 0 {
            self.reader.seek(SeekFrom::Start(self.data_start))?;
            self.data_left = self.data_bytes;
        }
        let bytes = (self.raw.len() as u64).min(self.data_left) as usize;
        self.reader.read_exact(&mut self.raw[..bytes])?;
        self.data_left -= bytes as u64;
        let channels = f32::from(self.format.channels);
        for frame in self.raw[..bytes].chunks_exact(self.format.frame_bytes) {
            let sum: f32 = frame
                .chunks_exact(self.format.coding.bytes())
                .map(|sample| self.format.coding.decode(sample))
                .sum();
            self.mono.push(sum / channels);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
}

impl Coding {
    fn from_header(format: u16, bits: u16) -> Result<Self, InputProblem> {
        match (format, bits) {
            (FORMAT_PCM, 8) => Ok(Self::Unsigned8),
            (FORMAT_PCM, 16) => Ok(Self::Signed16),
            (FORMAT_PCM, 24) => Ok(Self::Signed24),
            (FORMAT_PCM, 32) => Ok(Self::Signed32),
            (FORMAT_FLOAT, 32) => Ok(Self::Float32),
            _ => Err(InputProblem::Unsupported {
                what: format!("WAV coding {format} with {bits} bits"),
            }),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
        }
    }

    /// Turns one sample into -1.0..=1.0; a float that is no number, or wild, is brought in.
    fn decode(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Unsigned8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::Signed16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::Signed24, &[a, b, c]) => {
                (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0
            }
            (Self::Signed32, &[a, b, c, d]) => {
                i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0
            }
            (Self::Float32, &[a, b, c, d]) => {
                let sample = f32::from_le_bytes([a, b, c, d]);
                if sample.is_finite() {
                    sample.clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            }
            _ => 0.0,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Format {
    coding: Coding,
    channels: u16,
    rate_hz: u32,
    frame_bytes: usize,
}

struct Layout {
    format: Format,
    data_start: u64,
    data_bytes: u64,
}

impl Layout {
    /// Walks the RIFF chunks up to the sound.
    fn read(reader: &mut BufReader<File>, file_bytes: u64) -> Result<Self, InputProblem> {
        let mut riff = [0; 12];
        read_header(reader, &mut riff, file_bytes)?;
        if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            return Err(InputProblem::Foreign {
                expected: "a WAV file",
            });
        }
        let mut format = None;
        for _ in 0..CHUNKS_MAX {
            let mut head = [0; 8];
            read_header(reader, &mut head, file_bytes)?;
            let chunk_bytes = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            let chunk_start = reader.stream_position()?;
            match &head[..4] {
                b"fmt " => format = Some(Format::read(reader, chunk_bytes, file_bytes)?),
                b"data" => {
                    let format = format.ok_or(InputProblem::HeaderField {
                        field: "description of its sound",
                        value: String::new(),
                    })?;
                    return Self::of_data(format, chunk_start, chunk_bytes, file_bytes);
                }
                _ => {}
            }
            // Chunks are padded to an even length.
            let next = chunk_start + u64::from(chunk_bytes) + u64::from(chunk_bytes % 2);
            reader.seek(SeekFrom::Start(next))?;
        }
        Err(InputProblem::Empty { what: "sound" })
    }

    fn of_data(
        format: Format,
        data_start: u64,
        chunk_bytes: u32,
        file_bytes: u64,
    ) -> Result<Self, InputProblem> {
        // Writers to a pipe leave 0 or 2^32-1 there; a file cut short says more than it has.
        let there = file_bytes.saturating_sub(data_start);
        let said = if matches!(chunk_bytes, 0 | u32::MAX) {
            there
        } else {
            chunk_bytes.into()
        };
        let frame_bytes = format.frame_bytes as u64;
        let data_bytes = said.min(there) / frame_bytes * frame_bytes;
        if data_bytes == 0 {
            return Err(InputProblem::Empty { what: "sound" });
        }
        Ok(Self {
            format,
            data_start,
            data_bytes,
        })
    }
}

impl Format {
    fn read(
        reader: &mut BufReader<File>,
        chunk_bytes: u32,
        file_bytes: u64,
    ) -> Result<Self, InputProblem> {
        let mut body = [0; 26];
        let used = body.len().min(chunk_bytes as usize);
        if used < 16 {
            return Err(InputProblem::HeaderCutShort);
        }
        read_header(reader, &mut body[..used], file_bytes)?;
        let short = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let (mut tag, channels, bits) = (short(0), short(2), short(14));
        if tag == FORMAT_EXTENSIBLE {
            // The real coding is the first two bytes of the sub-format's GUID.
            tag = short(24);
        }
        if !(1..=CHANNELS_MAX).contains(&channels) {
            return Err(InputProblem::Unsupported {
                what: format!("{channels} channels"),
            });
        }
        let coding = Coding::from_header(tag, bits)?;
        Ok(Self {
            coding,
            channels,
            rate_hz: u32::from_le_bytes([body[4], body[5], body[6], body[7]]),
            frame_bytes: coding.bytes() * usize::from(channels),
        })
    }
}

/// Reads a part of the header, telling a file that ends there from one that cannot be read.
fn read_header(
    reader: &mut BufReader<File>,
    into: &mut [u8],
    file_bytes: u64,
) -> Result<(), InputProblem> {
    let at = reader.stream_position()?;
    if at == 0 && file_bytes < into.len() as u64 {
        return Err(InputProblem::Foreign {
            expected: "a WAV file",
        });
    }
    if at + into.len() as u64 > file_bytes {
        return Err(InputProblem::HeaderCutShort);
    }
    Ok(reader.read_exact(into)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn wav(tag: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
        bytes.extend_from_slice(b"LIST\x03\0\0\0abc\0fmt \x10\0\0\0");
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&channels.to_le_bytes());
        bytes.extend_from_slice(&rate_hz.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<WavFile, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        WavFile::open(file.path())
    }

    fn pcm16(samples: impl Iterator<Item = f64>) -> Vec<u8> {
        samples
            .flat_map(|s| ((s * 32_767.0).round() as i16).to_le_bytes())
            .collect()
    }

    fn read(file: &mut WavFile, blocks: usize) -> Vec<f32> {
        let mut all = Vec::new();
        for _ in 0..blocks {
            let mut block = [0.0; BLOCK_SAMPLES];
            file.read(&mut block).unwrap();
            all.extend_from_slice(&block);
        }
        all
    }

    #[test]
    fn every_coding_gives_the_same_level() {
        let cases: [(u16, u16, Vec<u8>); 5] = [
            (1, 8, vec![192; 96]),
            (1, 16, 16_384i16.to_le_bytes().repeat(48)),
            (1, 24, [0, 0, 0x40].repeat(48)),
            (1, 32, 0x4000_0000i32.to_le_bytes().repeat(48)),
            (3, 32, 0.5f32.to_le_bytes().repeat(48)),
        ];
        for (tag, bits, data) in cases {
            let mut file = open(&wav(tag, 1, 48_000, bits, &data)).unwrap();
            assert!(
                read(&mut file, 1).iter().all(|&s| (s - 0.5).abs() < 1e-6),
                "{tag}/{bits}"
            );
        }
    }

    #[test]
    fn stereo_is_averaged_and_extensible_is_understood() {
        let frame: Vec<u8> = [16_384i16, -8_192]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let mut file = open(&wav(1, 2, 48_000, 16, &frame.repeat(100))).unwrap();
        assert_eq!(file.frames(), 100);
        assert!(read(&mut file, 1).iter().all(|&s| (s - 0.125).abs() < 1e-6));

        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0".to_vec();
        bytes.extend_from_slice(&[0xFE, 0xFF, 1, 0, 0x80, 0xBB, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0]);
        bytes.extend_from_slice(&[22, 0, 16, 0, 0, 0, 0, 0, 1, 0]);
        bytes.extend_from_slice(&[0; 14]);
        bytes.extend_from_slice(b"data\x04\0\0\0\0\x40\0\x40");
        let mut file = open(&bytes).unwrap();
        assert!(read(&mut file, 1).iter().all(|&s| (s - 0.5).abs() < 1e-6));
    }

    #[test]
    fn a_44_1_khz_file_plays_at_pitch_and_loops_without_a_click() {
        // 441 samples hold exactly ten periods of 1 kHz, so the loop point is smooth in the ideal.
        let data = pcm16((0..441).map(|n| 0.5 * (TAU * 1_000.0 * f64::from(n) / 44_100.0).sin()));
        let mut file = open(&wav(1, 1, 44_100, 16, &data)).unwrap();
        assert_eq!(file.rate_hz(), 44_100);
        let out = read(&mut file, 100);
        let (mut signal, mut noise) = (0.0, 0.0);
        for (i, &sample) in out.iter().enumerate().skip(2_400) {
            let ideal = 0.5 * (TAU * 1_000.0 * i as f64 / 48_000.0).sin();
            signal += ideal * ideal;
            noise += (f64::from(sample) - ideal).powi(2);
        }
        let snr = 10.0 * (signal / noise).log10();
        assert!(
            snr > 80.0,
            "{snr:.1} dB; 16 bit rounding alone leaves about 92"
        );
    }

    #[test]
    fn a_cut_or_piped_file_plays_what_is_there() {
        let mut bytes = wav(1, 1, 48_000, 16, &[0, 0x40].repeat(1000));
        bytes.truncate(bytes.len() - 501);
        let mut file = open(&bytes).unwrap();
        assert_eq!(file.frames(), 749);
        assert!(read(&mut file, 4).iter().all(|&s| (s - 0.5).abs() < 1e-6));

        let mut piped = wav(1, 1, 48_000, 16, &[0, 0x40].repeat(10));
        let at = piped.len() - 24;
        piped[at..at + 4].fill(0xFF);
        assert_eq!(open(&piped).unwrap().frames(), 10);
    }

    #[test]
    fn unusable_files_say_why() {
        let good = wav(1, 1, 48_000, 16, &[0; 8]);
        let cases: [(&[u8], &str); 9] = [
            (b"", "not a WAV file"),
            (b"RIFF", "not a WAV file"),
            (b"OggS\0\0\0\0\0\0\0\0\0\0\0\0", "not a WAV file"),
            (&good[..30], "middle of its header"),
            (&good[..good.len() - 8], "no sound"),
            (&wav(2, 1, 48_000, 4, &[0; 8]), "coding 2 with 4 bits"),
            (&wav(1, 9, 48_000, 16, &[0; 36]), "9 channels"),
            (&wav(1, 1, 1_000, 16, &[0; 8]), "1000 Hz"),
            (&wav(1, 0, 48_000, 16, &[0; 8]), "0 channels"),
        ];
        for (bytes, words) in cases {
            let error = open(bytes).unwrap_err();
            assert!(
                error.to_string().contains(words),
                "{error} should say {words:?}"
            );
            assert_eq!(error.code(), "microphone_file_unusable");
        }
    }

    #[test]
    fn a_float_file_with_nonsense_stays_in_range() {
        let data: Vec<u8> = [f32::NAN, f32::INFINITY, 1e30, -1e30]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let mut file = open(&wav(3, 1, 48_000, 32, &data)).unwrap();
        assert!(read(&mut file, 2).iter().all(|s| s.abs() <= 1.0));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(
            flips in proptest::collection::vec((0usize..80, proptest::num::u8::ANY), 0..6),
            cut in 0usize..100,
        ) {
            let mut bytes = wav(1, 2, 44_100, 16, &[7; 40]);
            for (at, value) in flips {
                let at = at % bytes.len();
                bytes[at] ^= value;
            }
            bytes.truncate(cut);
            if let Ok(mut file) = open(&bytes) {
                proptest::prop_assert!(read(&mut file, 3).iter().all(|s| s.is_finite()));
            }
        }
    }
}
