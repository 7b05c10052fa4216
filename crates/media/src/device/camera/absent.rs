//! Stands in for the camera where there is none to be had yet.

use std::convert::Infallible;

use super::{CameraCounters, CameraFormat, CameraWish, PixelFormat};
use crate::device::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::CapturedFrame;

/// Equal as long as the cameras may be the same: always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark;

/// Looks which cameras there may be.
#[must_use]
pub fn mark() -> Mark {
    Mark
}

pub(super) fn list() -> Result<Vec<DeviceInfo>, Error> {
    Ok(Vec::new())
}

pub(super) fn open(
    _: Option<&DeviceId>,
    _: CameraWish,
    _: Option<PixelFormat>,
) -> Result<(DeviceInfo, Capture), Error> {
    Err(absent())
}

pub(super) fn offers(_: Option<&DeviceId>) -> Result<Vec<CameraFormat>, Error> {
    Err(absent())
}

fn absent() -> Error {
    Error::device(InputRole::Camera, "", DeviceProblem::Absent)
}

/// A running camera; here there can be none.
pub(super) struct Capture(Infallible);

impl Capture {
    pub(super) fn format(&self) -> CameraFormat {
        match self.0 {}
    }

    pub(super) fn counters(&self) -> CameraCounters {
        match self.0 {}
    }

    pub(super) fn next_frame(&mut self) -> Result<CapturedFrame, Error> {
        match self.0 {}
    }
}
