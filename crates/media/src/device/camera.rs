//! Cameras: which there are, and pictures from one.
//!
//! On Linux a camera is a Video4Linux node. Drivers are taken at what they answer, never at what
//! was asked: format, size and rate are read back, and what arrives is measured before it is read.
//! On other systems there is no camera yet, and the list is empty.

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod convert;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod listing;
#[cfg(target_os = "linux")]
mod negotiate;
#[cfg(target_os = "linux")]
mod node;
#[cfg(all(test, target_os = "linux"))]
mod recorded;
#[cfg(target_os = "linux")]
mod stamps;

use std::fmt;
use std::time::Duration;

use super::{DeviceId, DeviceInfo};
use crate::error::Error;
#[cfg(target_os = "linux")]
use crate::error::{DeviceProblem, InputRole};
use crate::frame::CapturedFrame;
use crate::source::VideoSource;

#[cfg(not(target_os = "linux"))]
use absent as system;
#[cfg(target_os = "linux")]
use listing as system;

pub use system::{Mark, mark};

/// What a camera should give; the nearest that it offers is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraWish {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
}

impl Default for CameraWish {
    /// 1280 x 720 at 30 pictures a second: what nearly every camera does well.
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
        }
    }
}

/// What a camera really gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraFormat {
    /// How it codes pixels.
    pub pixels: PixelFormat,
    /// Width in pixels; even.
    pub width: u32,
    /// Height in pixels; even.
    pub height: u32,
    /// Pictures a second at most: in the dark, cameras give fewer.
    pub fps: f64,
}

impl fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pixels,
            width,
            height,
            fps,
        } = self;
        write!(f, "{pixels} {width}x{height} at {fps:.1}")
    }
}

/// The ways to code pixels that are understood, by the names that Video4Linux gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Planar 4:2:0, as used within this crate (I420).
    Yu12,
    /// The same with U and V exchanged.
    Yv12,
    /// A plane of Y, one of UV pairs, 4:2:0.
    Nv12,
    /// The same with U and V exchanged.
    Nv21,
    /// Packed 4:2:2.
    Yuyv,
    /// Packed 4:2:2.
    Uyvy,
    /// Packed 4:2:2.
    Yvyu,
    /// Packed 4:2:2.
    Vyuy,
    /// Three bytes a pixel.
    Rgb3,
    /// The same with red and blue exchanged.
    Bgr3,
    /// A JPEG per picture.
    Mjpg,
    /// A JPEG per picture, by its other name.
    Jpeg,
}

impl PixelFormat {
    /// All of them, those that cost the least first.
    pub const ALL: [Self; 12] = [
        Self::Yu12,
        Self::Yv12,
        Self::Nv12,
        Self::Nv21,
        Self::Yuyv,
        Self::Uyvy,
        Self::Yvyu,
        Self::Vyuy,
        Self::Rgb3,
        Self::Bgr3,
        Self::Mjpg,
        Self::Jpeg,
    ];

    /// Gives the four characters that drivers call it by.
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yu12 => b"YU12",
            Self::Yv12 => b"YV12",
            Self::Nv12 => b"NV12",
            Self::Nv21 => b"NV21",
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Yvyu => b"YVYU",
            Self::Vyuy => b"VYUY",
            Self::Rgb3 => b"RGB3",
            Self::Bgr3 => b"BGR3",
            Self::Mjpg => b"MJPG",
            Self::Jpeg => b"JPEG",
        }
    }

    /// Finds the one that drivers call `fourcc`, if it is understood.
    #[must_use]
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.fourcc() == fourcc)
    }

    /// Says whether a picture takes as many bytes as its JPEG needs, not a fixed number.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        matches!(self, Self::Mjpg | Self::Jpeg)
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fourcc()
            .iter()
            .try_for_each(|&c| write!(f, "{}", c as char))
    }
}

/// What happened to the pictures of a camera since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CameraCounters {
    /// Given on.
    pub pictures: u64,
    /// Left out because they came damaged or cut short.
    pub damaged: u64,
    /// Left out because a newer one was there already when they were asked for.
    pub replaced: u64,
}

/// Lists the cameras of this computer, the one that opens by default first. None is normal.
///
/// # Errors
/// [`Error::Device`] when the system does not say.
pub fn list() -> Result<Vec<DeviceInfo>, Error> {
    system::list()
}

/// A camera that is giving pictures. Dropping it frees the device at once.
pub struct Camera {
    info: DeviceInfo,
    capture: system::Capture,
}

impl Camera {
    /// Opens the camera `id`, or the default one, as near to `wish` as it can, and waits for its
    /// first picture: usually less than a second, never more than
    /// [`Camera::FIRST_PICTURE_WAIT_MAX`].
    ///
    /// A camera that moved to another socket is found by its name.
    ///
    /// # Errors
    /// [`Error::Device`]: absent, busy, denied, without a usable format, or broken.
    pub fn open(id: Option<&DeviceId>, wish: CameraWish) -> Result<Self, Error> {
        let (info, capture) = system::open(id, wish, None)?;
        Ok(Self { info, capture })
    }

    /// Opens it like [`Camera::open`], in one format only.
    ///
    /// # Errors
    /// As of [`Camera::open`]; a format that it does not offer is `DeviceProblem::Format`.
    pub fn open_as(
        id: Option<&DeviceId>,
        wish: CameraWish,
        pixels: PixelFormat,
    ) -> Result<Self, Error> {
        let (info, capture) = system::open(id, wish, Some(pixels))?;
        Ok(Self { info, capture })
    }

    /// Longest wait for the first picture. Some cameras take two seconds to find their exposure.
    pub const FIRST_PICTURE_WAIT_MAX: Duration = Duration::from_secs(4);

    /// Longest wait for a later picture. Even in the dark no camera goes below 4 a second.
    pub const PICTURE_WAIT_MAX: Duration = Duration::from_secs(1);

    /// Tells which camera it is.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Tells what was agreed with the driver.
    #[must_use]
    pub fn format(&self) -> CameraFormat {
        self.capture.format()
    }

    /// Tells what happened to the pictures so far.
    #[must_use]
    pub fn counters(&self) -> CameraCounters {
        self.capture.counters()
    }
}

impl VideoSource for Camera {
    fn size(&self) -> (u32, u32) {
        let format = self.format();
        (format.width, format.height)
    }

    fn frame_interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.format().fps.clamp(1.0, 240.0))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, Error> {
        self.capture.next_frame().map(Some)
    }
}

/// Gives what makes pictures of the buffers of a camera, without the camera.
#[cfg(target_os = "linux")]
pub(crate) fn converter(
    format: CameraFormat,
) -> impl FnMut(&[u8]) -> Result<crate::frame::I420Frame, Error> {
    let mut converter = convert::Converter::new(negotiate::Agreed::plain(format));
    move |bytes| {
        converter
            .convert(bytes)
            .map_err(|convert::Damaged| Error::device(InputRole::Camera, "", DeviceProblem::Format))
    }
}

/// Lists every format that the camera `id`, or the default one, says it offers and that is
/// understood here, with the highest rate of each size. Opens the device, but takes no picture.
///
/// # Errors
/// [`Error::Device`]: absent, denied, or broken.
pub fn offers(id: Option<&DeviceId>) -> Result<Vec<CameraFormat>, Error> {
    system::offers(id)
}
