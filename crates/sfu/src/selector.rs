//! Which encoding of a track a subscriber is to be shown.
//!
//! Rules: never a better one than it wants, and of those the best that is alive; when none of
//! those is, the least of the better ones. An encoding is dead when its sender says that it is
//! disabled. Senders also stop encodings without a word, when their network is too slow for all
//! of them: one counts as dead when it is silent while the others go on. The others' frames are
//! the clock, because a resting screen sends seldom, but all its encodings at once.

use crate::track::{ENCODINGS_MAX, Source};
use std::time::{Duration, Instant};

/// How long an encoding may be silent while others go on. A dead one is a still picture, and
/// the change to another takes a keyframe's round trip more, which must stay below a second.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// How many frames of others it may miss: three of each of two others.
const FRAMES_MISSED_MAX: u8 = 6;

/// Knows which of a track's encodings are alive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selector {
    pulses: [Pulse; ENCODINGS_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Pulse {
    /// When it last sent anything; none while it counts as dead.
    alive_at: Option<Instant>,
    /// Frames that others ended since then.
    missed: u8,
}

impl Selector {
    /// Returns the index of the encoding to show to somebody who wants none better than
    /// `limit`, once one is known.
    pub(crate) fn wanted(&self, limit: usize, sources: &[Source]) -> Option<usize> {
        let is_alive = |index: &usize| self.pulses[*index].alive_at.is_some();
        let is_meant = |index: &usize| is_alive(index) && !sources[*index].encoding.is_disabled;
        let count = sources.len().min(ENCODINGS_MAX);
        let split = count.min(limit + 1);
        (0..split)
            .rev()
            .find(is_meant)
            .or_else(|| (split..count).find(is_meant))
            .or_else(|| (0..count).rev().find(is_alive))
    }

    /// Notes a packet of the encoding `index`.
    pub(crate) fn handle_packet(&mut self, index: usize, ends_frame: bool, now: Instant) {
        for (other, pulse) in self.pulses.iter_mut().enumerate() {
            let Some(at) = pulse.alive_at.filter(|_| other != index) else {
                continue;
            };
            pulse.missed = pulse.missed.saturating_add(u8::from(ends_frame));
            if pulse.missed > FRAMES_MISSED_MAX && now.saturating_duration_since(at) > SILENCE_MAX {
                *pulse = Pulse::default();
            }
        }
        if let Some(pulse) = self.pulses.get_mut(index) {
            *pulse = Pulse {
                alive_at: Some(now),
                missed: 0,
            };
        }
    }

    /// Tells whether the encoding `index` is alive.
    pub(crate) fn is_alive(&self, index: usize) -> bool {
        self.pulses
            .get(index)
            .is_some_and(|pulse| pulse.alive_at.is_some())
    }
}
