//! How fast one socket may speak, as plain data.
//!
//! Rules, each with its why:
//! - Every frame costs, whatever it says: a heartbeat, a topic that nobody serves, a ping. What a
//!   room hears costs more on top of it (see `peer_channel::speech`).
//! - Nobody is cut off for it: what is too much waits in the speaker's own connection, where TCP
//!   pushes back. The worst that unmodified clients do, thousands of repeated switches at once,
//!   is saved up for.

use std::time::{Duration, Instant};

/// What a frame costs: a thousand a second go on for ever, some hundredths of a core.
const FRAME: Duration = Duration::from_millis(1);

/// So many bytes cost as much as a frame: four megabytes a second go on for ever.
const BYTES_A_FRAME: usize = 4 * 1024;

/// How much is saved up: 4000 frames at once.
const SAVED_MAX: Duration = Duration::from_secs(4);

/// The shortest rest: who speaks too fast is woken seldom, not for every frame.
const REST_MIN: Duration = Duration::from_millis(20);

/// The longest rest: a speaker must be heard now and then, or its room takes it for lost.
const REST_MAX: Duration = Duration::from_secs(1);

/// What one socket sent lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all that was sent is paid for.
    paid_at: Option<Instant>,
}

impl Pace {
    /// Takes a frame of so many bytes. Returns until when the socket rests before the next.
    pub(super) fn handle_frame(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let bulk = u32::try_from(bytes / BYTES_A_FRAME).unwrap_or(u32::MAX);
        let cost = FRAME.saturating_mul(bulk.saturating_add(1));
        let most = now + SAVED_MAX + REST_MAX;
        let owed = self.paid_at.map_or(now, |at| at.max(now));
        let paid_at = (owed + cost.min(SAVED_MAX + REST_MAX)).min(most);
        self.paid_at = Some(paid_at);
        let rest = paid_at.saturating_duration_since(now + SAVED_MAX);
        (!rest.is_zero()).then(|| now + rest.max(REST_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends frames as fast as it may for so long. Returns how many.
    fn flood(bytes: usize, within: Duration) -> u32 {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let end = now + within;
        let mut sent = 0;
        while now < end && sent < 1_000_000 {
            now = pace.handle_frame(bytes, now).unwrap_or(now);
            sent += 1;
        }
        sent
    }

    #[test]
    fn four_thousand_frames_at_once_are_free_and_the_next_one_rests() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..4000).all(|_| pace.handle_frame(100, now).is_none()));
        assert_eq!(pace.handle_frame(100, now), Some(now + REST_MIN));
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.handle_frame(100, later), None, "rest is saved up");
    }

    #[test]
    fn a_thousand_frames_a_second_go_on_for_ever_and_no_more() {
        let sent = flood(100, Duration::from_secs(60));
        assert!((63_000..=64_100).contains(&sent), "{sent}");
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..100_000 {
            assert_eq!(pace.handle_frame(100, now), None);
            now += FRAME;
        }
    }

    #[test]
    fn bytes_cost_and_no_rest_is_long_enough_to_be_missed() {
        let sent = flood(256 * 1024, Duration::from_secs(10));
        assert!((200..=220).contains(&sent), "{sent}");
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..10 {
            let until = pace.handle_frame(usize::MAX, now);
            assert!(until.is_some_and(|until| until <= now + REST_MAX));
        }
    }
}
