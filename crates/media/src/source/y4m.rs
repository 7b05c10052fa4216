//! Y4M (YUV4MPEG2) files as a camera: 4:2:0, 8 bit, played in a loop.
//!
//! Rules. The whole file is walked once when it is opened (headers only, picture data is skipped),
//! so that damage is found before a call starts and not in the middle of one. A file that was cut
//! short still plays the frames that are whole; [`Y4mFile::cut_short`] tells. A file without one
//! whole frame is refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::VideoSource;
use crate::error::{Error, InputProblem};
use crate::frame::{CapturedFrame, I420Frame};

/// Longest header line read. Real ones take under 100 bytes; a foreign file has no newline at all.
const LINE_BYTES_MAX: u64 = 1024;
/// Longest side in pixels: beyond 4K, and far below what would make a frame overflow memory.
const SIDE_MAX: u32 = 4096;
/// Rates a camera can have, in frames a second.
const RATE_MAX: u64 = 240;
/// Used when the header says that the rate is unknown (`F0:0`).
const RATE_UNKNOWN: Rate = Rate {
    frames: 25,
    seconds: 1,
};
const SIGNATURE: &[u8] = b"YUV4MPEG2";
const FRAME_MARK: &[u8] = b"FRAME";

/// Plays a Y4M file as a camera, from the beginning again after its last whole frame.
///
/// ```no_run
/// use snug_media::source::{VideoSource, Y4mFile};
/// let mut clip = Y4mFile::open("clip.y4m")?;
/// if let Some(cut) = clip.cut_short() {
///     eprintln!("{cut}");
/// }
/// let first = clip.next_frame()?;
/// # Ok::<(), snug_media::Error>(())
/// ```
#[derive(Debug)]
pub struct Y4mFile {
    path: PathBuf,
    reader: BufReader<File>,
    header: Header,
    frames_start: u64,
    frames_whole: u64,
    cut_short: Option<CutShort>,
    /// Frames handed out since the start, over all rounds.
    played: u64,
}

/// Tells that a file ends in the middle of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutShort {
    /// The file as the caller named it.
    pub path: PathBuf,
    /// Frames that are whole and will be played.
    pub frames_whole: u64,
    /// Bytes that the last frame lacks.
    pub bytes_missing: u64,
}

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} was cut short: its last frame lacks {} bytes. The {} whole frames before it are \
             played in a loop; copy or convert the file again to have all of it.",
            self.path.display(),
            self.bytes_missing,
            self.frames_whole
        )
    }
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    frames: u64,
    seconds: u64,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    rate: Rate,
}

impl Y4mFile {
    /// Opens `path` and walks through it.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be read, is not Y4M, is interlaced, is not 8 bit 4:2:0,
    /// has a side over 4096 pixels, is damaged between frames, or ends before its first frame does.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::open_inner(path).map_err(|problem| Error::camera(path, problem))
    }

    /// Counts the frames of one round.
    #[must_use]
    pub fn frames_whole(&self) -> u64 {
        self.frames_whole
    }

    /// Tells whether the file ends in the middle of a frame, ready to be shown to a person.
    #[must_use]
    pub fn cut_short(&self) -> Option<&CutShort> {
        self.cut_short.as_ref()
    }

    fn open_inner(path: &Path) -> Result<Self, InputProblem> {
        let file = File::open(path).map_err(InputProblem::Unreadable)?;
        let file_bytes = file.metadata().map_err(InputProblem::Unreadable)?.len();
        let mut reader = BufReader::new(file);
        let header = Header::read(&mut reader)?;
        let frames_start = reader.stream_position().map_err(InputProblem::Unreadable)?;
        let walk = walk(&mut reader, frames_start, file_bytes, header.frame_bytes())?;
        reader
            .seek(SeekFrom::Start(frames_start))
            .map_err(InputProblem::Unreadable)?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            header,
            frames_start,
            frames_whole: walk.frames_whole,
            cut_short: (walk.bytes_missing > 0).then(|| CutShort {
                path: path.to_owned(),
                frames_whole: walk.frames_whole,
                bytes_missing: walk.bytes_missing,
            }),
            played: 0,
        })
    }

    fn read_frame(&mut self) -> Result<I420Frame, InputProblem> {
        let position = self.played % self.frames_whole;
        if position == 0 {
            self.reader
                .seek(SeekFrom::Start(self.frames_start))
                .map_err(InputProblem::Unreadable)?;
        }
        if !skip_frame_line(&mut self.reader)? {
            return Err(InputProblem::Damaged { frame: position });
        }
        let mut data = vec![0; self.header.frame_bytes() as usize];
        self.reader
            .read_exact(&mut data)
            .map_err(InputProblem::Unreadable)?;
        Ok(I420Frame {
            width: self.header.width,
            height: self.header.height,
            data,
        })
    }
}

impl VideoSource for Y4mFile {
    fn size(&self) -> (u32, u32) {
        (self.header.width, self.header.height)
    }

    fn frame_interval(&self) -> Duration {
        self.header.rate.time_of(1)
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
        let frame = self
            .read_frame()
            .map_err(|problem| Error::camera(&self.path, problem))?;
        let at = self.header.rate.time_of(self.played);
        self.played += 1;
        Ok(Some(CapturedFrame { frame, at }))
    }
}

struct Walk {
    frames_whole: u64,
    bytes_missing: u64,
}

/// Steps over every frame by its header alone.
fn walk(
    reader: &mut BufReader<File>,
    frames_start: u64,
    file_bytes: u64,
    frame_bytes: u64,
) -> Result<Walk, InputProblem> {
    let mut frames_whole = 0;
    let mut position = frames_start;
    while position < file_bytes {
        if !skip_frame_line(reader)? {
            let at_end = reader.stream_position().map_err(InputProblem::Unreadable)? >= file_bytes;
            if at_end && frames_whole > 0 {
                // The cut went through a frame's own header line.
                return Ok(Walk {
                    frames_whole,
                    bytes_missing: frame_bytes,
                });
            }
            return Err(InputProblem::Damaged {
                frame: frames_whole,
            });
        }
        let data_start = reader.stream_position().map_err(InputProblem::Unreadable)?;
        position = data_start + frame_bytes;
        if position > file_bytes {
            if frames_whole == 0 {
                return Err(InputProblem::FirstFrameCutShort {
                    needed_bytes: frame_bytes,
                    found_bytes: file_bytes.saturating_sub(data_start),
                });
            }
            return Ok(Walk {
                frames_whole,
                bytes_missing: position - file_bytes,
            });
        }
        reader
            .seek_relative(frame_bytes as i64)
            .map_err(InputProblem::Unreadable)?;
        frames_whole += 1;
    }
    if frames_whole == 0 {
        return Err(InputProblem::Empty { what: "frames" });
    }
    Ok(Walk {
        frames_whole,
        bytes_missing: 0,
    })
}

/// Reads one `FRAME` line with its optional parameters; false when something else stands there.
fn skip_frame_line(reader: &mut impl BufRead) -> Result<bool, InputProblem> {
    let line = read_line(reader)?;
    Ok(line.strip_suffix(b"\n").is_some_and(|line| {
        line.strip_prefix(FRAME_MARK)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b' ')
    }))
}

fn read_line(reader: &mut impl BufRead) -> Result<Vec<u8>, InputProblem> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .map_err(InputProblem::Unreadable)?;
    Ok(line)
}

impl Header {
    fn read(reader: &mut BufReader<File>) -> Result<Self, InputProblem> {
        let foreign = || InputProblem::Foreign {
            expected: "a Y4M file",
        };
        let line = read_line(reader)?;
        let Some(rest) = line.strip_prefix(SIGNATURE) else {
            let cut = !line.is_empty() && SIGNATURE.starts_with(&line);
            return Err(if cut {
                InputProblem::HeaderCutShort
            } else {
                foreign()
            });
        };
        let Some(fields) = rest.strip_suffix(b"\n") else {
            let cut = (line.len() as u64) < LINE_BYTES_MAX;
            return Err(if cut {
                InputProblem::HeaderCutShort
            } else {
                foreign()
            });
        };
        Self::parse(&String::from_utf8_lossy(fields))
    }

    fn parse(fields: &str) -> Result<Self, InputProblem> {
        let (mut width, mut height, mut rate) = (None, None, None);
        for field in fields.split_ascii_whitespace() {
            let (key, value) = field.split_at(field.chars().next().map_or(0, char::len_utf8));
            match key {
                "W" => width = Some(parse_side("width", value)?),
                "H" => height = Some(parse_side("height", value)?),
                "F" => rate = Some(Rate::parse(value)?),
                "I" if !matches!(value, "p" | "?") => {
                    return Err(InputProblem::Unsupported {
                        what: "interlaced video".into(),
                    });
                }
                "C" if !matches!(value, "420" | "420jpeg" | "420paldv" | "420mpeg2") => {
                    return Err(InputProblem::Unsupported {
                        what: format!("the colour format {}", shorten(value)),
                    });
                }
                _ => {}
            }
        }
        let missing = |field| InputProblem::HeaderField {
            field,
            value: String::new(),
        };
        Ok(Self {
            width: width.ok_or_else(|| missing("width"))?,
            height: height.ok_or_else(|| missing("height"))?,
            rate: rate.ok_or_else(|| missing("frame rate"))?,
        })
    }

    fn frame_bytes(&self) -> u64 {
        I420Frame::bytes_for(self.width, self.height) as u64
    }
}

impl Rate {
    fn parse(value: &str) -> Result<Self, InputProblem> {
        let bad = || InputProblem::HeaderField {
            field: "frame rate",
            value: shorten(value),
        };
        let (frames, seconds) = value.split_once(':').ok_or_else(bad)?;
        let frames: u32 = frames.parse().map_err(|_| bad())?;
        let seconds: u32 = seconds.parse().map_err(|_| bad())?;
        if frames == 0 && seconds == 0 {
            return Ok(RATE_UNKNOWN);
        }
        let rate = Self {
            frames: u64::from(frames),
            seconds: u64::from(seconds),
        };
        // At most 240 frames a second, at least one in ten seconds.
        if rate.frames > RATE_MAX * rate.seconds || rate.seconds > 10 * rate.frames {
            return Err(bad());
        }
        Ok(rate)
    }

    fn time_of(&self, frame: u64) -> Duration {
        let nanos =
            u128::from(frame) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.frames);
        Duration::from_nanos(nanos as u64)
    }
}

fn parse_side(field: &'static str, value: &str) -> Result<u32, InputProblem> {
    match value.parse() {
        Ok(side) if (1..=SIDE_MAX).contains(&side) => Ok(side),
        _ => Err(InputProblem::HeaderField {
            field,
            value: shorten(value),
        }),
    }
}

/// Keeps a stranger's text short enough for a message.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(24).collect()
}

impl From<io::Error> for InputProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: u32 = 6;
    const H: u32 = 4;

    fn clip(header: &str, frames: u8) -> Vec<u8> {
        let mut bytes = format!("{header}\n").into_bytes();
        for frame in 0..frames {
            bytes.extend_from_slice(if frame == 1 {
                b"FRAME Ip\n"
            } else {
                b"FRAME\n"
            });
            bytes.extend(vec![frame; I420Frame::bytes_for(W, H)]);
        }
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Y4mFile, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Y4mFile::open(file.path())
    }

    fn problem(bytes: &[u8]) -> String {
        let error = open(bytes).unwrap_err();
        assert_eq!(error.code(), "camera_file_unusable");
        assert!(error.hint().contains("ffmpeg"));
        error.to_string()
    }

    const GOOD: &str = "YUV4MPEG2 W6 H4 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG";

    #[test]
    fn frames_come_in_order_and_start_again() {
        let mut file = open(&clip(GOOD, 3)).unwrap();
        assert_eq!((file.size(), file.frames_whole()), ((W, H), 3));
        assert!(file.cut_short().is_none());
        for n in 0..7u64 {
            let captured = file.next_frame().unwrap().unwrap();
            assert!(captured.frame.data.iter().all(|&b| u64::from(b) == n % 3));
            assert_eq!(captured.at.as_nanos(), u128::from(n) * 1_001_000_000 / 30);
        }
    }

    #[test]
    fn every_420_name_is_taken_and_the_default_is_420() {
        for colour in ["C420", "C420jpeg", "C420paldv", "C420mpeg2", ""] {
            open(&clip(&format!("YUV4MPEG2 W6 H4 F25:1 {colour}"), 1)).unwrap();
        }
    }

    #[test]
    fn whole_frames_of_a_cut_file_play() {
        let mut bytes = clip(GOOD, 3);
        bytes.truncate(bytes.len() - 10);
        let mut file = open(&bytes).unwrap();
        let cut = file.cut_short().unwrap();
        assert_eq!((cut.frames_whole, cut.bytes_missing), (2, 10));
        assert!(cut.to_string().contains("2 whole frames"));
        for n in 0..4 {
            let captured = file.next_frame().unwrap().unwrap();
            assert!(captured.frame.data.iter().all(|&b| b == n % 2));
        }
    }

    #[test]
    fn a_cut_inside_a_frame_line_keeps_the_frames_before_it() {
        let mut bytes = clip(GOOD, 2);
        bytes.extend_from_slice(b"FRA");
        assert_eq!(open(&bytes).unwrap().cut_short().unwrap().frames_whole, 2);
    }

    #[test]
    fn unusable_files_say_why() {
        let first = clip(GOOD, 1);
        let cases: [(&[u8], &str); 11] = [
            (b"", "not a Y4M file"),
            (b"RIFF1234WAVE\n", "not a Y4M file"),
            (&[0; 4096], "not a Y4M file"),
            (b"YUV4MPEG2 W6 H4", "middle of its header"),
            (b"YUV4MP", "middle of its header"),
            (b"YUV4MPEG2 W6 H4 F25:1\n", "no frames"),
            (&first[..first.len() - 1], "needs 36 bytes and only 35"),
            (b"YUV4MPEG2 W0 H4 F25:1\nFRAME\n", "width"),
            (b"YUV4MPEG2 W6 H4 F25:1 It\n", "interlaced"),
            (b"YUV4MPEG2 W6 H4 F25:1 C420p10\n", "420p10"),
            (b"YUV4MPEG2 W6 H4 F9999:1\n", "frame rate"),
        ];
        for (bytes, words) in cases {
            let said = problem(bytes);
            assert!(said.contains(words), "{said:?} should say {words:?}");
        }
    }

    #[test]
    fn damage_between_frames_is_found_at_open() {
        let mut bytes = clip(GOOD, 3);
        let second = GOOD.len() + 1 + 6 + I420Frame::bytes_for(W, H);
        bytes[second] = b'X';
        assert!(problem(&bytes).contains("damaged at frame 1"));
    }

    #[test]
    fn a_missing_file_says_to_check_the_name() {
        let error = Y4mFile::open("/nowhere/clip.y4m").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/clip.y4m cannot be used as the camera")
        );
        assert!(error.hint().contains("Check the name"));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(
            flips in proptest::collection::vec((0usize..200, proptest::num::u8::ANY), 0..6),
            cut in 0usize..200,
        ) {
            let mut bytes = clip(GOOD, 3);
            for (at, value) in flips {
                let at = at % bytes.len();
                bytes[at] ^= value;
            }
            bytes.truncate(cut);
            if let Ok(mut file) = open(&bytes) {
                for _ in 0..4 {
                    proptest::prop_assert!(file.next_frame().is_ok());
                }
            }
        }
    }
}
