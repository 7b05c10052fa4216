//! One instant to which all our time stamps refer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use snug_rtp::{NtpTime, RtpTime};

use crate::transport::Kind;

/// Ticks per second of Opus (RFC 7587 section 4.1).
const AUDIO_RATE: u32 = 48_000;
/// Ticks per second of VP8 (RFC 7741 section 4.1).
const VIDEO_RATE: u32 = 90_000;

/// The same instant by the monotonic clock and by the wall clock. All tracks of a participant
/// share it, so a step of the wall clock never moves sound against picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    instant: Instant,
    ntp: NtpTime,
}

/// Stamps one track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Epoch,
    rate: u32,
    base: u32,
}

impl Epoch {
    /// Takes the present.
    pub(crate) fn now() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            instant: Instant::now(),
            ntp: NtpTime::from_unix(unix),
        }
    }

    /// Makes a clock for a track whose time stamps start at `base`.
    pub(super) fn clock(self, kind: Kind, base: u32) -> Clock {
        let rate = match kind {
            Kind::Audio => AUDIO_RATE,
            Kind::Video => VIDEO_RATE,
        };
        Clock {
            epoch: self,
            rate,
            base,
        }
    }
}

impl Clock {
    /// The instant of the epoch, to count capture time from.
    pub(super) fn start(&self) -> Instant {
        self.epoch.instant
    }

    /// Stamps what was captured at `at`.
    pub(super) fn rtp(&self, at: Instant) -> RtpTime {
        RtpTime(self.base).after(self.since(at), self.rate)
    }

    /// Says when `at` was by the wall clock.
    pub(super) fn ntp(&self, at: Instant) -> NtpTime {
        self.epoch.ntp.after(self.since(at))
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_picture_of_one_instant_have_one_wall_time() {
        let epoch = Epoch::now();
        let at = epoch.instant + Duration::from_millis(1500);
        let (sound, picture) = (
            epoch.clock(Kind::Audio, 1),
            epoch.clock(Kind::Video, u32::MAX),
        );
        assert_eq!(sound.ntp(at), picture.ntp(at));
        assert_eq!(
            sound.rtp(at).distance_from(sound.rtp(epoch.instant)),
            72_000
        );
        assert_eq!(
            picture.rtp(at).distance_from(picture.rtp(epoch.instant)),
            135_000
        );
    }

    #[test]
    fn steps_of_ten_milliseconds_are_exact_from_any_start() {
        let clock = Epoch::now().clock(Kind::Audio, u32::MAX);
        let first = clock.start() + Duration::from_nanos(123_457);
        let mut last = clock.rtp(first);
        for block in 1..1000 {
            let next = clock.rtp(first + Duration::from_millis(10) * block);
            assert_eq!(next.distance_from(last), 480);
            last = next;
        }
    }
}
