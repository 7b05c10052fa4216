//! The sending half: settings, time stamps, changes of size and bitrate.

use std::time::Duration;

use super::EncodedFrame;
use super::ffi::{RawEncoder, RawPicture, TICKS_PER_SECOND};
use crate::error::CodecError;
use crate::frame::I420Frame;

/// Bitrates taken, in bits a second. Below, VP8 has nothing to show; above, nothing to gain.
pub const BITRATES_BPS: std::ops::RangeInclusive<u32> = 20_000..=50_000_000;

/// Says how to encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Picture width in pixels, 1 to 4096.
    pub width: u32,
    /// Picture height in pixels, 1 to 4096.
    pub height: u32,
    /// Bitrate aimed at, in bits a second; see [`BITRATES_BPS`].
    pub bitrate_bps: u32,
    /// Pictures a second, 1 to 240. Only a first guess: time stamps tell the real rate.
    pub fps: u32,
    /// Speed against quality, -16 (fastest) to -1. Fixed, never the positive kind, which adapts to
    /// the wall clock. -12 costs 1.05 times x264 superfast at 720p.
    pub cpu_used: i32,
    /// Threads the codec may use, 1 to 16.
    pub threads: u32,
    /// Pictures until a keyframe comes by itself. Far apart: receivers ask when they need one.
    pub keyframe_interval_max: u32,
    /// 1, or 2: then every other picture builds upon the one before it and none upon it, so that
    /// it may be lost, or left out for a thin link, without a trace in the others.
    pub temporal_layers: u32,
}

impl EncoderConfig {
    /// Sets up a picture of `width` x `height` at `fps` with `bitrate_bps` and the usual rest.
    #[must_use]
    pub fn new(width: u32, height: u32, fps: u32, bitrate_bps: u32) -> Self {
        Self {
            width,
            height,
            bitrate_bps,
            fps,
            cpu_used: -12,
            threads: 1,
            keyframe_interval_max: 3000,
            temporal_layers: 1,
        }
    }

    /// Says whether an encoder takes these settings.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for one that is out of range.
    pub fn check(&self) -> Result<(), CodecError> {
        let side = 1..=i64::from(super::SIDE_MAX);
        for (setting, value, range) in [
            ("picture width", i64::from(self.width), side.clone()),
            ("picture height", i64::from(self.height), side),
            ("picture rate", i64::from(self.fps), 1..=240),
            ("video speed", i64::from(self.cpu_used), -16..=-1),
            ("video threads", i64::from(self.threads), 1..=16),
            ("temporal layers", i64::from(self.temporal_layers), 1..=2),
        ] {
            if !range.contains(&value) {
                return Err(CodecError::Setting { setting, value });
            }
        }
        check_bitrate(self.bitrate_bps)
    }
}

/// Encodes pictures for a live call: constant bitrate, error resilient, no look-ahead.
///
/// ```
/// use std::time::Duration;
/// use snug_media::{I420Frame, vp8};
/// let mut encoder = vp8::Encoder::new(vp8::EncoderConfig::new(320, 180, 30, 300_000))?;
/// let frame = encoder.encode(&I420Frame::black(320, 180), Duration::ZERO)?;
/// assert!(frame.expect("pictures are not dropped").keyframe);
/// # Ok::<(), snug_media::Error>(())
/// ```
pub struct Encoder {
    raw: RawEncoder,
    config: EncoderConfig,
    keyframe_wanted: bool,
    last_ticks: Option<i64>,
    /// The temporal layer of the next picture, unless it is a keyframe.
    next_layer: u8,
}

impl Encoder {
    /// Starts an encoder.
    ///
    /// # Errors
    /// [`CodecError::Setting`] for a setting out of range, [`CodecError::Library`] when libvpx has
    /// no memory for it.
    pub fn new(config: EncoderConfig) -> Result<Self, CodecError> {
        config.check()?;
        let raw = RawEncoder::new(&config)?;
        Ok(Self {
            raw,
            config,
            keyframe_wanted: true,
            last_ticks: None,
            next_layer: 0,
        })
    }

    /// Gives the settings in use; size and bitrate follow the changes made since.
    #[must_use]
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Makes the next picture a keyframe, as a receiver's PLI asks (RFC 4585 section 6.3.1).
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Aims at another bitrate from the next picture on, without a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Setting`] outside [`BITRATES_BPS`]; the old bitrate then stays.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), CodecError> {
        check_bitrate(bitrate_bps)?;
        self.raw.set_bitrate(bitrate_bps)?;
        self.config.bitrate_bps = bitrate_bps;
        Ok(())
    }

    /// Encodes one picture taken at `at` since the source's start.
    ///
    /// A picture of another size restarts the codec and comes out as a keyframe. A time stamp that
    /// does not grow is moved just after the last one. `None` means that the codec gave nothing,
    /// which its settings rule out in practice.
    ///
    /// # Errors
    /// [`CodecError::PictureSize`] when the buffer does not fit its size, [`CodecError::Setting`]
    /// when a side is over the limit, [`CodecError::Library`] when libvpx fails.
    pub fn encode(
        &mut self,
        frame: &I420Frame,
        at: Duration,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        frame.check()?;
        if (frame.width, frame.height) != (self.config.width, self.config.height) {
            self.resize(frame.width, frame.height)?;
        }
        let nominal = i64::from(TICKS_PER_SECOND / self.config.fps);
        let ticks = ticks(at);
        let (ticks, duration) = match self.last_ticks {
            Some(last) => {
                let ticks = ticks.max(last + 1);
                // A pause must not look like a picture of that length to the rate control.
                (ticks, (ticks - last).min(4 * nominal))
            }
            None => (ticks, nominal),
        };
        self.last_ticks = Some(ticks);
        let layer = match self.keyframe_wanted || self.config.temporal_layers == 1 {
            true => 0,
            false => self.next_layer,
        };
        let picture = RawPicture {
            at: ticks,
            duration: duration as u32,
            keyframe: self.keyframe_wanted,
            layer: (self.config.temporal_layers > 1).then_some(layer),
        };
        let encoded = self.raw.encode(frame, &picture)?;
        if let Some(encoded) = &encoded {
            self.keyframe_wanted &= !encoded.keyframe;
            self.next_layer = 1 - encoded.temporal_layer;
        }
        Ok(encoded)
    }

    fn resize(&mut self, width: u32, height: u32) -> Result<(), CodecError> {
        let config = EncoderConfig {
            width,
            height,
            ..self.config.clone()
        };
        config.check()?;
        self.raw = RawEncoder::new(&config)?;
        self.config = config;
        self.keyframe_wanted = true;
        self.next_layer = 0;
        Ok(())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn check_bitrate(bitrate_bps: u32) -> Result<(), CodecError> {
    if BITRATES_BPS.contains(&bitrate_bps) {
        return Ok(());
    }
    Err(CodecError::Setting {
        setting: "video bitrate",
        value: bitrate_bps.into(),
    })
}

fn ticks(at: Duration) -> i64 {
    (at.as_nanos() * u128::from(TICKS_PER_SECOND) / 1_000_000_000) as i64
}
