//! The encoders of a picture, one for each size that is sent.

use std::time::{Duration, Instant};

use snug_media::I420Frame;
use snug_media::error::CodecError;
use snug_media::scale::scale_to_height;
use snug_media::vp8::{EncodedFrame, Encoder, EncoderConfig};

use super::plan::{ENCODINGS_MAX, Target};

/// Shortest pause between two keyframes on request. A keyframe is ten times a picture; a room
/// full of newcomers must not make a stream of them.
const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(300);

/// The same where the network carries less than could be used: there a keyframe takes the time of
/// many pictures, and makes others wait for theirs.
const KEYFRAME_INTERVAL_SCARCE: Duration = Duration::from_millis(1_500);

/// A bitrate that differs less than one part in so many is not worth a change.
const BITRATE_STEPS: u32 = 20;

/// The encoders, and the picture in their sizes.
#[derive(Default)]
pub(super) struct Ladder {
    rungs: [Rung; ENCODINGS_MAX],
    half: Scaled,
    quarter: Scaled,
    keyframe_interval: Duration,
}

/// A smaller picture, when it was made already.
#[derive(Default)]
struct Scaled {
    picture: I420Frame,
    made: bool,
}

/// One encoding.
#[derive(Default)]
struct Rung {
    /// Nothing while it is not sent.
    encoder: Option<Encoder>,
    /// Somebody asks for a keyframe.
    wished: bool,
    last_keyframe: Option<Instant>,
    last_picture: Option<Instant>,
}

impl Ladder {
    /// Notes of which encodings a keyframe is asked for.
    pub(super) fn want_keyframes(&mut self, wanted: [bool; ENCODINGS_MAX], scarce: bool) {
        self.keyframe_interval = match scarce {
            true => KEYFRAME_INTERVAL_SCARCE,
            false => KEYFRAME_INTERVAL_MIN,
        };
        for (rung, wanted) in self.rungs.iter_mut().zip(wanted) {
            rung.wished |= wanted;
        }
    }

    /// Begins with another picture.
    pub(super) fn show(&mut self) {
        self.half.made = false;
        self.quarter.made = false;
    }

    /// Stops an encoding; it begins anew with a keyframe.
    pub(super) fn leave(&mut self, encoding: usize) {
        if let Some(rung) = self.rungs.get_mut(encoding) {
            *rung = Rung::default();
        }
    }

    /// Encodes `frame`, taken at `at`, in one size; nothing when it comes too soon after the last.
    ///
    /// # Errors
    /// When the picture cannot be encoded at all.
    pub(super) fn encode(
        &mut self,
        (encoding, target): (usize, &Target),
        (frame, fps): (&I420Frame, u32),
        (at, since_start): (Instant, Duration),
    ) -> Result<Option<EncodedFrame>, CodecError> {
        let Self {
            rungs,
            half,
            quarter,
            keyframe_interval,
        } = self;
        let may_force = rungs
            .get(encoding)
            .is_some_and(|rung| rung.may_force(at, *keyframe_interval));
        let Some(rung) = rungs
            .get_mut(encoding)
            .filter(|rung| rung.is_due(target, at))
        else {
            return Ok(None);
        };
        let picture = match target.divisor {
            1 => frame,
            2 => half.of(frame, 2),
            _ => {
                let half = half.of(frame, 2);
                quarter.of_half(half, frame.height / 4)
            }
        };
        rung.encode(picture, (target, fps), may_force, (at, since_start))
    }
}

impl Scaled {
    fn of(&mut self, frame: &I420Frame, divisor: u32) -> &I420Frame {
        self.of_half(frame, frame.height / divisor)
    }

    fn of_half(&mut self, from: &I420Frame, rows: u32) -> &I420Frame {
        if !std::mem::replace(&mut self.made, true) {
            scale_to_height(from, rows, &mut self.picture);
        }
        &self.picture
    }
}

impl Rung {
    fn may_force(&self, at: Instant, interval: Duration) -> bool {
        self.last_keyframe
            .is_none_or(|last| at.saturating_duration_since(last) >= interval)
    }

    fn is_due(&self, target: &Target, at: Instant) -> bool {
        // A tenth of tolerance, because cameras are not exact.
        let pause = target.pause_min / 10 * 9;
        self.last_picture
            .is_none_or(|last| at.saturating_duration_since(last) >= pause)
    }

    fn encode(
        &mut self,
        picture: &I420Frame,
        (target, fps): (&Target, u32),
        may_force: bool,
        (at, since_start): (Instant, Duration),
    ) -> Result<Option<EncodedFrame>, CodecError> {
        let encoder = match &mut self.encoder {
            Some(encoder) => {
                follow(encoder, target.bitrate_bps)?;
                encoder
            }
            none => {
                let config = EncoderConfig {
                    temporal_layers: 2,
                    ..EncoderConfig::new(picture.width, picture.height, fps, target.bitrate_bps)
                };
                none.insert(Encoder::new(config)?)
            }
        };
        if self.wished && may_force {
            encoder.request_keyframe();
        }
        let encoded = encoder.encode(picture, since_start)?;
        self.last_picture = Some(at);
        if encoded.as_ref().is_some_and(|encoded| encoded.keyframe) {
            // A keyframe of the encoder's own serves whoever asked for one.
            self.last_keyframe = Some(at);
            self.wished = false;
        }
        Ok(encoded)
    }
}

/// Sets another bitrate when it is worth it.
fn follow(encoder: &mut Encoder, bitrate_bps: u32) -> Result<(), CodecError> {
    let set = encoder.config().bitrate_bps;
    if set.abs_diff(bitrate_bps) * BITRATE_STEPS <= set {
        return Ok(());
    }
    encoder.set_bitrate(bitrate_bps)
}

#[cfg(test)]
mod tests {
    use snug_media::source::TestPattern;
    use snug_media::vp8::FrameHeader;

    use super::*;

    fn target(divisor: u32, pause_ms: u64) -> Target {
        Target {
            divisor,
            bitrate_bps: 200_000,
            pause_min: Duration::from_millis(pause_ms),
        }
    }

    /// Encodes picture `n` of 30 a second.
    fn picture(
        ladder: &mut Ladder,
        (encoding, target): (usize, &Target),
        n: u32,
        start: Instant,
    ) -> Option<EncodedFrame> {
        let frame = TestPattern::new(640, 360, 30).unwrap().draw(n.into());
        let since = Duration::from_secs(1) * n / 30;
        ladder.show();
        let encoded = ladder.encode((encoding, target), (&frame, 30), (start + since, since));
        encoded.unwrap()
    }

    #[test]
    fn each_encoding_has_its_size_and_its_keyframes() {
        let (mut ladder, start) = (Ladder::default(), Instant::now());
        let sizes = [(4, (160, 90)), (2, (320, 180)), (1, (640, 360))];
        for (encoding, (divisor, size)) in sizes.into_iter().enumerate() {
            let target = target(divisor, 0);
            let first = picture(&mut ladder, (encoding, &target), 0, start).unwrap();
            let header = FrameHeader::parse(&first.data).unwrap();
            assert_eq!(header.keyframe_size, Some(size));
        }
        ladder.want_keyframes([false, true, false], false);
        let mut at = |encoding: usize, n| {
            let target = target(1 << (2 - encoding), 0);
            picture(&mut ladder, (encoding, &target), n, start)
                .unwrap()
                .keyframe
        };
        assert!(!at(1, 3), "too soon after the last");
        assert!(!at(2, 12) && at(1, 12) && !at(1, 13));
    }

    #[test]
    fn an_encoding_that_was_left_begins_with_a_keyframe() {
        let (mut ladder, start) = (Ladder::default(), Instant::now());
        let target = target(1, 0);
        picture(&mut ladder, (0, &target), 0, start);
        assert!(
            !picture(&mut ladder, (0, &target), 1, start)
                .unwrap()
                .keyframe
        );
        ladder.leave(0);
        assert!(
            picture(&mut ladder, (0, &target), 2, start)
                .unwrap()
                .keyframe
        );
    }

    #[test]
    fn pictures_that_come_too_close_are_left_out() {
        let (mut ladder, start) = (Ladder::default(), Instant::now());
        let target = target(2, 60);
        let made = (0..30).filter(|n| picture(&mut ladder, (0, &target), *n, start).is_some());
        assert_eq!(made.count(), 15);
    }
}
