//! The only file that speaks to Video4Linux: owns the device and the buffers it shares with us.
//!
//! The crate `v4l` lends its bindings and its ioctl call. Its devices and streams stay unused: they
//! panic on names that are not UTF-8, on colour spaces they do not know and on a device that fails
//! while it is closed, and they leave the device open in child processes.
#![allow(
    unsafe_code,
    reason = "ioctl and mmap work on raw memory; every such call stands in this file"
)]

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::node::{Capability, Filled, Fraction, Intervals, Layout, Node, Ready, Sizes, Steps};

const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

/// An opened `/dev/video` node.
pub(super) struct KernelNode {
    file: File,
    /// What the stream fills; empty while there is none.
    buffers: Vec<Mapping>,
}

impl KernelNode {
    /// Opens a node without waiting for anything, and not for child processes.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        Ok(Self {
            file,
            buffers: Vec::new(),
        })
    }

    /// Calls the driver; repeated when a signal came in between.
    fn call<T: Argument>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        loop {
            let pointer = std::ptr::from_mut(argument).cast::<c_void>();
            // SAFETY: `Argument` is only there for structures of the kernel's own layout; callers
            // pair each request with the structure that its number encodes the size of, and the
            // kernel writes no further than that. The borrow outlives the call.
            match unsafe { v4l2::ioctl(self.file.as_raw_fd(), request, pointer) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    fn interval(&self) -> io::Result<Option<Fraction>> {
        let mut parameters: sys::v4l2_streamparm = zeroed();
        parameters.type_ = CAPTURE;
        self.call(vidioc::VIDIOC_G_PARM, &mut parameters)?;
        Ok(interval_of(&parameters))
    }

    fn map_and_queue(&mut self, index: u32) -> io::Result<()> {
        let mut buffer = buffer(index);
        self.call(vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
        // SAFETY: with MMAP memory, which `buffer` asked for, the kernel fills in `offset`.
        let offset = unsafe { buffer.m.offset };
        self.buffers
            .push(Mapping::new(&self.file, buffer.length as usize, offset)?);
        self.call(vidioc::VIDIOC_QBUF, &mut buffer)
    }

    /// Ends the stream if there is one; what the driver says to it changes nothing.
    fn stop(&mut self) {
        if self.buffers.is_empty() {
            return;
        }
        let mut kind = CAPTURE as i32;
        if let Err(error) = self.call(vidioc::VIDIOC_STREAMOFF, &mut kind) {
            tracing::debug!(%error, "a camera did not stop; it is closed all the same");
        }
        self.buffers.clear();
        let mut request = buffers_wanted(0);
        if let Err(error) = self.call(vidioc::VIDIOC_REQBUFS, &mut request) {
            tracing::debug!(%error, "a camera kept its buffers; closing it frees them");
        }
    }
}

impl Drop for KernelNode {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Node for KernelNode {
    fn capability(&self) -> io::Result<Capability> {
        let mut raw: sys::v4l2_capability = zeroed();
        self.call(vidioc::VIDIOC_QUERYCAP, &mut raw)?;
        // What the whole device can do says nothing about this node of it.
        let abilities = if raw.capabilities & sys::V4L2_CAP_DEVICE_CAPS == 0 {
            raw.capabilities
        } else {
            raw.device_caps
        };
        let needed = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
        Ok(Capability {
            card: text(&raw.card),
            bus: text(&raw.bus_info),
            captures: abilities & needed == needed,
        })
    }

    fn format_offered(&self, index: u32) -> io::Result<[u8; 4]> {
        let mut raw: sys::v4l2_fmtdesc = zeroed();
        raw.index = index;
        raw.type_ = CAPTURE;
        self.call(vidioc::VIDIOC_ENUM_FMT, &mut raw)?;
        Ok(raw.pixelformat.to_le_bytes())
    }

    fn sizes_offered(&self, fourcc: [u8; 4], index: u32) -> io::Result<Sizes> {
        let mut raw: sys::v4l2_frmsizeenum = zeroed();
        raw.index = index;
        raw.pixel_format = u32::from_le_bytes(fourcc);
        self.call(vidioc::VIDIOC_ENUM_FRAMESIZES, &mut raw)?;
        let of = &raw.__bindgen_anon_1;
        if raw.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
            // SAFETY: the type says which side of the union the kernel wrote; plain numbers.
            let one = unsafe { of.discrete };
            return Ok(Sizes::Discrete(one.width, one.height));
        }
        // SAFETY: the type says which side of the union the kernel wrote; plain numbers.
        let steps = unsafe { of.stepwise };
        Ok(Sizes::Stepwise {
            width: Steps {
                min: steps.min_width,
                max: steps.max_width,
                step: steps.step_width,
            },
            height: Steps {
                min: steps.min_height,
                max: steps.max_height,
                step: steps.step_height,
            },
        })
    }

    fn intervals_offered(
        &self,
        fourcc: [u8; 4],
        (width, height): (u32, u32),
        index: u32,
    ) -> io::Result<Intervals> {
        let mut raw: sys::v4l2_frmivalenum = zeroed();
        raw.index = index;
        raw.pixel_format = u32::from_le_bytes(fourcc);
        raw.width = width;
        raw.height = height;
        self.call(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut raw)?;
        let of = &raw.__bindgen_anon_1;
        if raw.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
            // SAFETY: the type says which side of the union the kernel wrote; plain numbers.
            return Ok(Intervals::Discrete(fraction(unsafe { of.discrete })));
        }
        // SAFETY: the type says which side of the union the kernel wrote; plain numbers.
        let steps = unsafe { of.stepwise };
        Ok(Intervals::Between(fraction(steps.min), fraction(steps.max)))
    }

    fn set_format(&mut self, fourcc: [u8; 4], (width, height): (u32, u32)) -> io::Result<Layout> {
        self.stop();
        let mut raw: sys::v4l2_format = zeroed();
        raw.type_ = CAPTURE;
        let mut picture: sys::v4l2_pix_format = zeroed();
        picture.width = width;
        picture.height = height;
        picture.pixelformat = u32::from_le_bytes(fourcc);
        raw.fmt.pix = picture;
        self.call(vidioc::VIDIOC_S_FMT, &mut raw)?;
        // Some drivers answer what was asked and do what they can: only asking again tells.
        let mut raw: sys::v4l2_format = zeroed();
        raw.type_ = CAPTURE;
        self.call(vidioc::VIDIOC_G_FMT, &mut raw)?;
        // SAFETY: for this type of buffer the kernel writes `pix`; plain numbers.
        Ok(layout(&unsafe { raw.fmt.pix }))
    }

    fn set_interval(&mut self, interval: Fraction) -> io::Result<Option<Fraction>> {
        let mut raw: sys::v4l2_streamparm = zeroed();
        raw.type_ = CAPTURE;
        let mut capture: sys::v4l2_captureparm = zeroed();
        capture.timeperframe.numerator = interval.numerator;
        capture.timeperframe.denominator = interval.denominator;
        raw.parm.capture = capture;
        match self.call(vidioc::VIDIOC_S_PARM, &mut raw) {
            Ok(()) => self.interval(),
            // It does not know the question, or not its own answer: it has no say in its rate.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENOTTY | libc::EINVAL | libc::EIO)
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn start(&mut self, buffers: u32) -> io::Result<()> {
        self.stop();
        let mut request = buffers_wanted(buffers);
        self.call(vidioc::VIDIOC_REQBUFS, &mut request)?;
        if request.count == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        for index in 0..request.count {
            self.map_and_queue(index)?;
        }
        let mut kind = CAPTURE as i32;
        self.call(vidioc::VIDIOC_STREAMON, &mut kind)
    }

    fn wait(&self, timeout: Duration) -> io::Result<Ready> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut entry = libc::pollfd {
                fd: self.file.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // Up to the next whole millisecond, or the last one would be spent spinning.
            let wait_ms = left.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32;
            // SAFETY: one entry is lent, for the time of the call.
            match unsafe { libc::poll(&mut entry, 1, wait_ms) } {
                -1 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                0 => return Ok(Ready::Nothing),
                _ if entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 => {
                    return Ok(Ready::Gone);
                }
                _ => return Ok(Ready::Picture),
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        let mut raw = buffer(0);
        match self.call(vidioc::VIDIOC_DQBUF, &mut raw) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let clock = raw.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK;
        Ok(Some(Filled {
            index: raw.index as usize,
            used: raw.bytesused as usize,
            damaged: raw.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
            at: (clock == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC)
                .then(|| since_boot(&raw.timestamp)),
        }))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        self.buffers.get(filled.index).map_or(&[], |buffer| {
            let bytes = buffer.bytes();
            &bytes[..filled.used.min(bytes.len())]
        })
    }

    fn give_back(&mut self, filled: Filled) -> io::Result<()> {
        self.call(vidioc::VIDIOC_QBUF, &mut buffer(filled.index as u32))
    }
}

/// Memory of the driver's that we may read.
struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: the memory has no ties to a thread; only its owner reads or unmaps it.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(file: &File, bytes: usize, offset: u32) -> io::Result<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        // Readable and writable, because some drivers refuse anything less.
        let start = unsafe {
            v4l2::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                libc::off_t::from(offset),
            )?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    /// Lends the memory. Only reached with a [`Filled`]: until that is given back, the driver
    /// does not write here.
    fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `bytes` are those of a live mapping, bytes have no wrong values, and
        // the driver leaves a buffer alone from the time it is taken until it is given back. That
        // the device may be gone by then does not matter: the memory stays until it is unmapped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<u8>(), self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no slice of it outlives `self`.
        if let Err(error) = unsafe { v4l2::munmap(self.start.as_ptr(), self.bytes) } {
            tracing::error!(%error, "a camera's buffer stays mapped");
        }
    }
}

/// A structure that ioctl takes, all of plain numbers: every pattern of bits is a value of it.
trait Argument {}

impl Argument for i32 {}
impl Argument for sys::v4l2_buffer {}
impl Argument for sys::v4l2_capability {}
impl Argument for sys::v4l2_captureparm {}
impl Argument for sys::v4l2_fmtdesc {}
impl Argument for sys::v4l2_format {}
impl Argument for sys::v4l2_frmivalenum {}
impl Argument for sys::v4l2_frmsizeenum {}
impl Argument for sys::v4l2_pix_format {}
impl Argument for sys::v4l2_requestbuffers {}
impl Argument for sys::v4l2_streamparm {}

/// Gives a structure with all fields 0, as the kernel wants what is not used.
fn zeroed<T: Argument>() -> T {
    // SAFETY: `Argument` promises that zeroes are a value (numbers, and null for pointers).
    unsafe { std::mem::zeroed() }
}

fn buffer(index: u32) -> sys::v4l2_buffer {
    let mut buffer: sys::v4l2_buffer = zeroed();
    buffer.index = index;
    buffer.type_ = CAPTURE;
    buffer.memory = MMAP;
    buffer
}

fn buffers_wanted(count: u32) -> sys::v4l2_requestbuffers {
    let mut request: sys::v4l2_requestbuffers = zeroed();
    request.count = count;
    request.type_ = CAPTURE;
    request.memory = MMAP;
    request
}

fn layout(raw: &sys::v4l2_pix_format) -> Layout {
    // Half pictures, or two after each other, would have to be put together again.
    let halves = [
        sys::v4l2_field_V4L2_FIELD_TOP,
        sys::v4l2_field_V4L2_FIELD_BOTTOM,
        sys::v4l2_field_V4L2_FIELD_SEQ_TB,
        sys::v4l2_field_V4L2_FIELD_SEQ_BT,
        sys::v4l2_field_V4L2_FIELD_ALTERNATE,
    ];
    let full_range = match raw.quantization {
        sys::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => true,
        sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE => false,
        // The default of colour spaces made for YUV, except for JPEG's.
        _ => raw.colorspace == sys::v4l2_colorspace_V4L2_COLORSPACE_JPEG,
    };
    Layout {
        fourcc: raw.pixelformat.to_le_bytes(),
        width: raw.width,
        height: raw.height,
        stride: raw.bytesperline,
        whole: !halves.contains(&raw.field),
        full_range,
    }
}

fn interval_of(raw: &sys::v4l2_streamparm) -> Option<Fraction> {
    // SAFETY: for this type of buffer the kernel writes `capture`; plain numbers.
    let capture = unsafe { raw.parm.capture };
    (capture.capability & sys::V4L2_CAP_TIMEPERFRAME != 0).then(|| fraction(capture.timeperframe))
}

fn fraction(raw: sys::v4l2_fract) -> Fraction {
    Fraction {
        numerator: raw.numerator,
        denominator: raw.denominator,
    }
}

fn since_boot(raw: &sys::timeval) -> Duration {
    let seconds = Duration::from_secs(raw.tv_sec.try_into().unwrap_or(0));
    seconds + Duration::from_micros(raw.tv_usec.try_into().unwrap_or(0))
}

/// Reads a name as drivers write them: ended by a zero, sometimes cut within a letter.
fn text(raw: &[u8]) -> String {
    let end = raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len());
    let text = String::from_utf8_lossy(&raw[..end]);
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cut_within_a_letter_is_read() {
        assert_eq!(text(b"HD Webcam\0\0junk"), "HD Webcam");
        let cut = &"Kamera für Gespräche".as_bytes()[..9];
        assert_eq!(text(cut), "Kamera f");
        assert_eq!(text(b"\0"), "");
    }

    #[test]
    fn what_is_no_camera_is_an_error_to_every_question() {
        let node = KernelNode::open(Path::new("/dev/null")).unwrap();
        assert_eq!(
            node.capability().unwrap_err().raw_os_error(),
            Some(libc::ENOTTY)
        );
        assert!(node.format_offered(0).is_err());
        assert!(node.sizes_offered(*b"YUYV", 0).is_err());
        let missing = KernelNode::open(Path::new("/dev/video-none")).err();
        assert_eq!(
            missing.map(|error| error.kind()),
            Some(io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn colour_ranges_follow_what_the_driver_says() {
        let mut raw: sys::v4l2_pix_format = zeroed();
        assert!(!layout(&raw).full_range && layout(&raw).whole);
        raw.colorspace = sys::v4l2_colorspace_V4L2_COLORSPACE_JPEG;
        assert!(layout(&raw).full_range);
        raw.quantization = sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE;
        raw.field = sys::v4l2_field_V4L2_FIELD_ALTERNATE;
        assert!(!layout(&raw).full_range && !layout(&raw).whole);
    }
}
