//! Whether somebody speaks on a track, by the audio levels that packets carry (RFC 6464).
//!
//! Rules: a voice begins when several packets in a row of eight are loud, so that a click or a
//! single beep is none; it goes on through the pauses between words, and ends when nothing was
//! loud for longer than those last. So it changes at most about once a second, and everybody in
//! the room can be told.

use std::time::{Duration, Instant};

/// The quietest level that counts as loud, in -dBov: speech at an arm's length is at 20 to 40,
/// and the noise of a room, after the sender has suppressed it, below 60. The Membrane engine
/// draws the line there as well.
const LOUD_MAX: u8 = 50;

/// How many of them are loud when a voice begins.
const BEGIN_LOUD_MIN: u32 = 5;

/// How many of them are loud at least while it goes on.
const GO_ON_LOUD_MIN: u32 = 2;

/// How long the pauses of a voice last.
const PAUSE_MAX: Duration = Duration::from_millis(700);

/// What is heard on a track.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Voice {
    /// One bit for each of the latest eight packets, 160 ms of usual ones, the newest lowest:
    /// whether it was loud.
    loud: u8,
    /// When the voice was last heard; none while nobody speaks.
    heard_at: Option<Instant>,
}

impl Voice {
    /// Takes the level of a packet: one byte whose lower seven bits are -dBov. Returns whether
    /// somebody speaks, when that changed.
    pub(crate) fn handle_level(&mut self, level: u8, now: Instant) -> Option<bool> {
        let is_loud = level & 0x7F <= LOUD_MAX;
        self.loud = self.loud << 1 | u8::from(is_loud);
        let loud = self.loud.count_ones();
        match self.heard_at {
            None if loud >= BEGIN_LOUD_MIN => {
                self.heard_at = Some(now);
                Some(true)
            }
            Some(_) if loud >= GO_ON_LOUD_MIN => {
                self.heard_at = Some(now);
                None
            }
            _ => self.handle_timeout(now),
        }
    }

    /// Tells whether somebody speaks.
    pub(crate) fn is_speech(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Looks whether a voice has ended, also because its packets have. Returns whether somebody
    /// speaks, when that changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<bool> {
        let heard_at = self.heard_at?;
        if now.saturating_duration_since(heard_at) <= PAUSE_MAX {
            return None;
        }
        *self = Self::default();
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: Duration = Duration::from_millis(20);
    const SPEECH: u8 = 30;
    const NOISE: u8 = 70;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }

    /// Plays levels, one a packet; returns what changed, and after how many packets.
    fn play(levels: impl IntoIterator<Item = u8>) -> Vec<(usize, bool)> {
        let (mut voice, mut now) = (Voice::default(), start());
        let mut changes = Vec::new();
        for (index, level) in levels.into_iter().enumerate() {
            now += PACKET;
            if let Some(is_speech) = voice.handle_level(level, now) {
                changes.push((index + 1, is_speech));
            }
        }
        changes
    }

    fn repeat(parts: &[(u8, usize)]) -> Vec<u8> {
        let runs = parts.iter();
        runs.flat_map(|(level, count)| std::iter::repeat_n(*level, *count))
            .collect()
    }

    #[test]
    fn speech_begins_within_a_word_and_ends_after_a_pause() {
        let changes = play(repeat(&[(NOISE, 50), (SPEECH, 100), (NOISE, 100)]));
        assert_eq!(changes[0], (55, true), "100 ms");
        assert!(!changes[1].1 && (150 + 35..150 + 45).contains(&changes[1].0));
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn pauses_between_words_are_no_silence() {
        let words = [(SPEECH, 15), (NOISE, 25)].repeat(10);
        assert_eq!(play(repeat(&words)), [(5, true)]);
    }

    #[test]
    fn clicks_and_noise_are_no_voice() {
        let clicks = [(SPEECH, 1), (NOISE, 24)].repeat(20);
        assert_eq!(play(repeat(&clicks)), []);
        assert_eq!(play(repeat(&[(NOISE, 200), (127, 200)])), []);
        let voiced = repeat(&[(0x80 | NOISE, 100)]);
        assert_eq!(
            play(voiced),
            [],
            "the sender's own judgement does not count"
        );
    }

    #[test]
    fn a_voice_whose_packets_end_ends() {
        let (mut voice, mut now) = (Voice::default(), start());
        for _ in 0..10 {
            now += PACKET;
            voice.handle_level(SPEECH, now);
        }
        assert_eq!(voice.handle_timeout(now + PAUSE_MAX), None);
        let later = now + PAUSE_MAX + PACKET;
        assert_eq!(voice.handle_timeout(later), Some(false));
        assert_eq!(voice.handle_timeout(later), None, "told once");
    }

    proptest! {
        /// Whatever is said: the changes alternate, and a voice lasts longer than a pause does.
        #[test]
        fn changes_alternate_and_are_seldom(levels: Vec<u8>) {
            let changes = play(levels);
            for (index, (at, is_speech)) in changes.iter().enumerate() {
                prop_assert_eq!(*is_speech, index % 2 == 0);
                if !is_speech {
                    prop_assert!(at - changes[index - 1].0 > 35);
                }
            }
        }
    }
}
