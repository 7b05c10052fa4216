//! What is asked of a Video4Linux node, with its answers as plain values.
//!
//! The seam between rules and kernel: [`super::kernel`] asks the real one, tests answer from
//! recordings. An answer is passed on as the driver gave it; judging it is the caller's part.

use std::io;
use std::time::Duration;

use crate::error::DeviceProblem;

/// One opened node. Dropping it stops the stream and closes the device.
pub(super) trait Node: Send {
    /// Who are you (VIDIOC_QUERYCAP)?
    fn capability(&self) -> io::Result<Capability>;

    /// The format number `index` (VIDIOC_ENUM_FMT); EINVAL past the last.
    fn format_offered(&self, index: u32) -> io::Result<[u8; 4]>;

    /// The sizes number `index` of a format (VIDIOC_ENUM_FRAMESIZES); EINVAL past the last, ENOTTY
    /// from drivers that do not tell.
    fn sizes_offered(&self, fourcc: [u8; 4], index: u32) -> io::Result<Sizes>;

    /// The intervals number `index` of a format and size (VIDIOC_ENUM_FRAMEINTERVALS); errors as
    /// above.
    fn intervals_offered(
        &self,
        fourcc: [u8; 4],
        size: (u32, u32),
        index: u32,
    ) -> io::Result<Intervals>;

    /// Asks for a format and gives what the driver made of it (VIDIOC_S_FMT, then VIDIOC_G_FMT).
    fn set_format(&mut self, fourcc: [u8; 4], size: (u32, u32)) -> io::Result<Layout>;

    /// Asks for an interval and gives what the driver made of it (VIDIOC_S_PARM, then
    /// VIDIOC_G_PARM); `None` when it has no say in this.
    fn set_interval(&mut self, interval: Fraction) -> io::Result<Option<Fraction>>;

    /// Begins to stream into `buffers` buffers (VIDIOC_REQBUFS, QUERYBUF, QBUF, STREAMON). Begun
    /// before, it ends that first.
    fn start(&mut self, buffers: u32) -> io::Result<()>;

    /// Waits until a picture is there (poll), at most `timeout`.
    fn wait(&self, timeout: Duration) -> io::Result<Ready>;

    /// Takes the oldest filled buffer (VIDIOC_DQBUF); `None` when there is none yet.
    fn take(&mut self) -> io::Result<Option<Filled>>;

    /// Lends what stands in a filled buffer: as many bytes as the driver says it used.
    fn bytes(&self, filled: &Filled) -> &[u8];

    /// Gives a buffer back to be filled again (VIDIOC_QBUF).
    fn give_back(&mut self, filled: Filled) -> io::Result<()>;
}

/// Who a node says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Capability {
    /// The name for people, at most 31 bytes of it.
    pub(super) card: String,
    /// The socket it is in.
    pub(super) bus: String,
    /// Whether it gives pictures by streaming, as opposed to metadata, radio or output.
    pub(super) captures: bool,
}

/// Sizes that a driver offers, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sizes {
    /// One.
    Discrete(u32, u32),
    /// Every one between two, in steps.
    Stepwise { width: Steps, height: Steps },
}

/// From `min` to `max` in steps of `step` (0 and 1: any).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) step: u32,
}

impl Steps {
    /// Gives the legal value nearest to `wanted`.
    pub(super) fn nearest(self, wanted: u32) -> u32 {
        let step = self.step.max(1);
        let over = wanted.clamp(self.min, self.max.max(self.min)) - self.min;
        let rounded = (over + step / 2) / step * step;
        let most = (self.max.max(self.min) - self.min) / step * step;
        self.min + rounded.min(most)
    }
}

/// Times from one picture to the next that a driver offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intervals {
    /// One.
    Discrete(Fraction),
    /// Every one between two.
    Between(Fraction, Fraction),
}

/// Seconds as a fraction, as drivers count them: 1/30, 1001/30000, but 2/25 as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fraction {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Fraction {
    /// Gives pictures a second; `None` for what is no time.
    pub(super) fn fps(self) -> Option<f64> {
        if self.numerator == 0 || self.denominator == 0 {
            return None;
        }
        Some(f64::from(self.denominator) / f64::from(self.numerator))
    }
}

/// How pictures will lie in their buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) fourcc: [u8; 4],
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from one row to the next of the first plane; 0 when the driver does not say.
    pub(super) stride: u32,
    /// Whether a buffer holds whole pictures, not every other line of one.
    pub(super) whole: bool,
    /// Whether black is 0 and white 255, not 16 and 235.
    pub(super) full_range: bool,
}

/// What waiting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// A picture is there.
    Picture,
    /// The whole time went by.
    Nothing,
    /// The device is gone, or has failed for good.
    Gone,
}

/// A buffer that the driver has filled and waits to get back. Not to be copied: whoever holds it
/// may read the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) index: usize,
    /// Bytes that the picture takes.
    pub(super) used: usize,
    /// The driver itself says that the picture is damaged.
    pub(super) damaged: bool,
    /// When it was taken, by the clock that never goes back, if that is the clock it used.
    pub(super) at: Option<Duration>,
}

/// Says in our words why the system did not open or start a device.
pub(super) fn problem_at_open(error: &io::Error) -> DeviceProblem {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT) => DeviceProblem::Absent,
        _ => problem_in_use(error),
    }
}

/// Says in our words why a running device stopped.
pub(super) fn problem_in_use(error: &io::Error) -> DeviceProblem {
    match error.raw_os_error() {
        Some(libc::EBUSY) => DeviceProblem::Busy,
        Some(libc::EACCES | libc::EPERM) => DeviceProblem::Denied,
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT | libc::ESHUTDOWN) => {
            DeviceProblem::Unplugged
        }
        _ => DeviceProblem::Backend(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_give_legal_values_only() {
        let steps = |min, max, step| Steps { min, max, step };
        assert_eq!(steps(32, 1920, 16).nearest(1280), 1280);
        assert_eq!(steps(32, 1920, 16).nearest(725), 720);
        assert_eq!(steps(32, 1920, 16).nearest(0), 32);
        assert_eq!(steps(32, 1930, 16).nearest(4000), 1920);
        assert_eq!(steps(16, 4096, 0).nearest(721), 721);
        assert_eq!(steps(640, 640, 0).nearest(1280), 640);
        assert_eq!(steps(640, 0, 0).nearest(1280), 640);
    }

    #[test]
    fn intervals_of_any_numerator_are_rates() {
        let fps = |numerator, denominator| {
            Fraction {
                numerator,
                denominator,
            }
            .fps()
        };
        assert_eq!(fps(1, 30), Some(30.0));
        assert_eq!(fps(2, 25), Some(12.5));
        assert_eq!(fps(0, 30), None);
        assert_eq!(fps(1, 0), None);
    }

    #[test]
    fn every_way_to_fail_has_a_name() {
        let say = |code| problem_in_use(&io::Error::from_raw_os_error(code));
        assert_eq!(say(libc::EBUSY), DeviceProblem::Busy);
        assert_eq!(say(libc::EACCES), DeviceProblem::Denied);
        assert_eq!(say(libc::ENODEV), DeviceProblem::Unplugged);
        assert!(matches!(say(libc::ENOSPC), DeviceProblem::Backend(_)));
        let absent = problem_at_open(&io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(absent, DeviceProblem::Absent);
    }
}
