//! How much one peer may say, as plain data.
//!
//! Rules, each with its why:
//! - Nobody is cut off for saying much: what is too much waits in the speaker's own socket, where
//!   TCP pushes back. Real clients never get there; who floods hurts only itself.
//! - Words cost by what they cost others: the room's time, and news for everybody in it. What the
//!   room would ignore ends here and costs next to nothing, as each negotiation brings dozens.
//! - The same switch of an encoding, said again within a moment, ends here as well: the npm
//!   client 0.7 repeats them, twice as often at each answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use snug_protocol::{ClientEvent, TrackId, Variant};

/// What a word costs that reaches the room: so many seconds of speech. Ten people who click as
/// fast as they can say less.
const WORD: Duration = Duration::from_millis(40);

/// What a word costs that ends here: reading it.
const NOISE: Duration = Duration::from_millis(1);

/// So many bytes cost as much as a word; a session description of twenty tracks has as many.
const BYTES_A_WORD: usize = 16 * 1024;

/// How much speech is saved up: 100 words at once, well below what fills another peer's mailbox.
const SAVED_MAX: Duration = Duration::from_secs(4);

/// The longest rest, however much was said at once: a peer must be heard now and then, or its
/// room takes it for lost.
const REST_MAX: Duration = Duration::from_secs(1);

/// How long the repetition of a switch says nothing new.
const MOMENT: Duration = Duration::from_secs(1);

/// Switches remembered: three encodings of each of twenty tracks.
const SWITCHES_MAX: usize = 60;

/// What one peer said lately.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// When all that was said is paid for.
    paid_at: Option<Instant>,
    switches: HashMap<(TrackId, Variant), (bool, Instant)>,
}

/// What becomes of a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Whether the room has to hear it.
    pub counts: bool,
    /// Until when the speaker rests first.
    pub rest_until: Option<Instant>,
}

impl Speech {
    /// Takes a word of so many bytes; `None` is one that cannot be read.
    pub fn handle_word(
        &mut self,
        event: Option<&ClientEvent>,
        bytes: usize,
        now: Instant,
    ) -> Heard {
        let counts = event.is_some_and(|event| self.has_effect(event, now));
        self.pay(counts, bytes, now)
    }

    /// Takes a word of so many bytes that only Snug programs say.
    pub fn handle_snug_word(&mut self, bytes: usize, now: Instant) -> Heard {
        self.pay(true, bytes, now)
    }

    fn pay(&mut self, counts: bool, bytes: usize, now: Instant) -> Heard {
        let bulk = u32::try_from(bytes / BYTES_A_WORD).unwrap_or(u32::MAX);
        let cost = (if counts { WORD } else { NOISE }) + WORD.saturating_mul(bulk);
        let paid_at = self.paid_at.map_or(now, |at| at.max(now)) + cost.min(SAVED_MAX + REST_MAX);
        let paid_at = paid_at.min(now + SAVED_MAX + REST_MAX);
        self.paid_at = Some(paid_at);
        let rest = paid_at.saturating_duration_since(now + SAVED_MAX);
        Heard {
            counts,
            rest_until: (!rest.is_zero()).then(|| now + rest),
        }
    }

    fn has_effect(&mut self, event: &ClientEvent, now: Instant) -> bool {
        match event {
            // Addresses are learnt from checks (ICE-lite), and every track is forwarded to
            // everybody, whatever its size.
            ClientEvent::Candidate(_) | ClientEvent::PreferredVideoSizes(_) => false,
            ClientEvent::EnableTrackEncoding { track_id, encoding } => {
                self.is_new_switch(track_id, *encoding, true, now)
            }
            ClientEvent::DisableTrackEncoding { track_id, encoding } => {
                self.is_new_switch(track_id, *encoding, false, now)
            }
            ClientEvent::SdpOffer(_) => {
                // It may bring the tracks that the room did not know before.
                self.switches.clear();
                true
            }
            _ => true,
        }
    }

    fn is_new_switch(
        &mut self,
        track: &TrackId,
        encoding: Variant,
        on: bool,
        now: Instant,
    ) -> bool {
        let switch = (track.clone(), encoding);
        if let Some((last, at)) = self.switches.get(&switch)
            && *last == on
            && now.saturating_duration_since(*at) < MOMENT
        {
            return false;
        }
        if self.switches.len() >= SWITCHES_MAX {
            self.switches.clear();
        }
        self.switches.insert(switch, (on, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use snug_protocol::SdpOffer;

    use super::*;

    fn metadata() -> ClientEvent {
        ClientEvent::UpdateEndpointMetadata {
            metadata: Value::Null,
        }
    }

    fn switch(on: bool) -> ClientEvent {
        let track_id: TrackId = "p:t".parse().unwrap();
        let encoding = Variant::Low;
        match on {
            true => ClientEvent::EnableTrackEncoding { track_id, encoding },
            false => ClientEvent::DisableTrackEncoding { track_id, encoding },
        }
    }

    /// Says a word as often as a flooder can in this time, resting when told. Returns how often.
    fn flood(event: &ClientEvent, bytes: usize, within: Duration) -> u32 {
        let (mut speech, mut now) = (Speech::default(), Instant::now());
        let end = now + within;
        let mut said = 0;
        while now < end && said < 1_000_000 {
            let heard = speech.handle_word(Some(event), bytes, now);
            now = heard.rest_until.unwrap_or(now);
            said += u32::from(now < end);
        }
        said
    }

    #[test]
    fn a_hundred_words_at_once_are_free_and_more_wait() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        for _ in 0..100 {
            let heard = speech.handle_word(Some(&metadata()), 100, now);
            let free = Heard {
                counts: true,
                rest_until: None,
            };
            assert_eq!(heard, free);
        }
        let heard = speech.handle_word(Some(&metadata()), 100, now);
        assert_eq!(heard.rest_until, Some(now + WORD));
        let later = now + Duration::from_secs(60);
        let heard = speech.handle_word(Some(&metadata()), 100, later);
        assert_eq!(heard.rest_until, None, "rest is saved up");
        assert_eq!(flood(&metadata(), 100, Duration::from_secs(10)), 100 + 249);
    }

    #[test]
    fn bulk_costs_and_no_rest_is_long_enough_to_be_missed() {
        let huge = flood(&metadata(), 8 * 1024 * 1024, Duration::from_secs(10));
        assert!(huge <= 10, "{huge}");
        let (mut speech, now) = (Speech::default(), Instant::now());
        for _ in 0..10 {
            let heard = speech.handle_word(None, usize::MAX, now);
            assert!(!heard.counts);
            assert!(heard.rest_until.is_none_or(|until| until <= now + REST_MAX));
        }
    }

    #[test]
    fn repeated_switches_end_here_until_something_changed() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        let mut counts = |event: &ClientEvent, at: Instant| {
            let heard = speech.handle_word(Some(event), 100, at);
            assert_eq!(heard.rest_until, None);
            heard.counts
        };
        assert!(counts(&switch(false), now));
        // What the npm client says after the eleventh answer.
        assert!((0..2048).all(|_| !counts(&switch(false), now)));
        assert!(counts(&switch(true), now));
        assert!(counts(&switch(false), now), "it was switched on meanwhile");
        assert!(counts(&switch(false), now + MOMENT), "not for good");
        assert!(counts(&ClientEvent::SdpOffer(SdpOffer::default()), now));
        assert!(counts(&switch(false), now), "the tracks may be others");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        for number in 0..1000 {
            let event = ClientEvent::EnableTrackEncoding {
                track_id: format!("p:{number}").parse().unwrap(),
                encoding: Variant::Low,
            };
            speech.handle_word(Some(&event), 100, now);
            assert!(speech.switches.len() <= SWITCHES_MAX);
        }
    }
}
