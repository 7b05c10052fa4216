//! A running camera: takes its pictures, newest first, and knows why it stopped.

use std::time::{Duration, Instant};

use super::convert::{Converter, Damaged};
use super::negotiate::{Agreed, negotiate};
use super::node::{Filled, Node, Ready, problem_at_open, problem_in_use};
use super::stamps::Stamps;
use super::{Camera, CameraCounters, CameraFormat, CameraWish, PixelFormat};
use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::{CapturedFrame, I420Frame};

/// Buffers that the driver fills in turn: one being filled, one being read, and two for a machine
/// that is busy. More would only be older pictures.
const BUFFERS: u32 = 4;

/// How often a camera that does not fit through its cable is asked for a quarter of the pixels.
const SMALLER_MAX: u32 = 2;

/// A camera that streams. Dropping it stops the stream and closes the device.
pub(crate) struct Capture {
    node: Box<dyn Node>,
    name: String,
    agreed: Agreed,
    converter: Converter,
    stamps: Stamps,
    counters: CameraCounters,
    opened: Instant,
    /// The first picture, which opening waited for.
    ahead: Option<CapturedFrame>,
}

impl Capture {
    /// Sets the camera up and waits for its first picture. `name` is for error messages.
    pub(super) fn open(
        node: Box<dyn Node>,
        name: &str,
        wish: CameraWish,
        only: Option<PixelFormat>,
    ) -> Result<Self, Error> {
        start(node, wish, only)
            .and_then(|(node, agreed)| {
                let mut capture = Self {
                    node,
                    name: name.to_owned(),
                    agreed,
                    converter: Converter::new(agreed),
                    stamps: Stamps::default(),
                    counters: CameraCounters::default(),
                    opened: Instant::now(),
                    ahead: None,
                };
                capture.ahead = Some(capture.picture_within(Camera::FIRST_PICTURE_WAIT_MAX)?);
                Ok(capture)
            })
            .map_err(|problem| Error::device(InputRole::Camera, name, problem))
    }

    pub(super) fn format(&self) -> CameraFormat {
        self.agreed.format
    }

    pub(super) fn counters(&self) -> CameraCounters {
        self.counters
    }

    /// Waits for the next picture.
    pub(super) fn next_frame(&mut self) -> Result<CapturedFrame, Error> {
        if let Some(picture) = self.ahead.take() {
            return Ok(picture);
        }
        self.picture_within(Camera::PICTURE_WAIT_MAX)
            .map_err(|problem| Error::device(InputRole::Camera, &self.name, problem))
    }

    fn picture_within(&mut self, limit: Duration) -> Result<CapturedFrame, DeviceProblem> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.node.wait(left) {
                Ok(Ready::Picture) => {}
                Ok(Ready::Nothing) => return Err(self.silence()),
                Ok(Ready::Gone) => return Err(DeviceProblem::Unplugged),
                Err(error) => return Err(problem_in_use(&error)),
            }
            let newest = match self.newest() {
                // Drivers say this of one picture that went wrong on its way.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                    self.counters.damaged += 1;
                    None
                }
                newest => newest.map_err(|error| problem_in_use(&error))?,
            };
            let Some(filled) = newest else {
                if Instant::now() >= deadline {
                    return Err(self.silence());
                }
                continue;
            };
            let arrival = self.opened.elapsed();
            let (taken_at, picture) = self.read(filled)?;
            match picture {
                Ok(frame) => {
                    self.counters.pictures += 1;
                    let at = self.stamps.stamp(taken_at, arrival);
                    return Ok(CapturedFrame { frame, at });
                }
                Err(Damaged) => self.counters.damaged += 1,
            }
            if Instant::now() >= deadline {
                let problem = "its pictures come damaged".to_owned();
                return Err(DeviceProblem::Backend(problem));
            }
        }
    }

    /// Takes what is there and keeps the newest: whoever is late gets no pile of old pictures.
    fn newest(&mut self) -> std::io::Result<Option<Filled>> {
        let mut newest = None;
        // No more than there are buffers, or a fast camera would keep us here.
        for _ in 0..BUFFERS {
            let filled = match self.node.take() {
                Ok(Some(filled)) => filled,
                Ok(None) => break,
                // What was taken comes first; an error that stays will be told again.
                Err(_) if newest.is_some() => break,
                Err(error) => return Err(error),
            };
            if let Some(older) = newest.replace(filled) {
                self.counters.replaced += 1;
                self.node.give_back(older)?;
            }
        }
        Ok(newest)
    }

    fn read(
        &mut self,
        filled: Filled,
    ) -> Result<(Option<Duration>, Result<I420Frame, Damaged>), DeviceProblem> {
        let picture = if filled.damaged {
            Err(Damaged)
        } else {
            self.converter.convert(self.node.bytes(&filled))
        };
        let taken_at = filled.at;
        self.node
            .give_back(filled)
            .map_err(|error| problem_in_use(&error))?;
        Ok((taken_at, picture))
    }

    /// Says why no picture came: the device is gone, or it is there and silent.
    fn silence(&self) -> DeviceProblem {
        match self.node.capability() {
            Ok(_) => DeviceProblem::Backend("it gives no pictures".to_owned()),
            Err(error) => problem_in_use(&error),
        }
    }
}

/// Agrees on a format and starts the stream. Where two cameras share a cable that is too thin for
/// both (ENOSPC), smaller pictures may still fit.
fn start(
    mut node: Box<dyn Node>,
    wish: CameraWish,
    only: Option<PixelFormat>,
) -> Result<(Box<dyn Node>, Agreed), DeviceProblem> {
    let mut smaller = 0;
    loop {
        let wish = CameraWish {
            width: wish.width >> smaller,
            height: wish.height >> smaller,
            ..wish
        };
        let agreed = negotiate(&mut *node, wish, only)?;
        match node.start(BUFFERS) {
            Ok(()) => return Ok((node, agreed)),
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && smaller < SMALLER_MAX => {
                smaller += 1;
            }
            Err(error) => return Err(problem_at_open(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
