//! Which encoding of a track to forward.
//!
//! Now one choice serves every subscriber: the best encoding that is alive. A choice for each
//! subscriber (by the size it shows and the bandwidth it has) replaces it here, behind the same
//! question.

use crate::track::Source;
use std::time::{Duration, Instant};

/// How long an encoding may be silent and still count as alive. Encoders send at least some
/// frames a second unless they are switched off.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Chooses among a track's encodings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selector {
    best: Option<usize>,
}

impl Selector {
    /// Returns the index of the encoding to forward, once one is known.
    pub(crate) fn wanted(&self) -> Option<usize> {
        self.best
    }

    /// Notes a packet of the encoding `index`; later encodings are better.
    pub(crate) fn handle_packet(&mut self, index: usize, sources: &[Source], now: Instant) {
        let is_better = self.best.is_none_or(|best| index > best);
        let is_needed = || {
            let best = self.best.and_then(|best| sources.get(best));
            best.and_then(|source| source.reception.last_at())
                .is_none_or(|at| now.saturating_duration_since(at) > SILENCE_MAX)
        };
        if is_better || (self.best != Some(index) && is_needed()) {
            self.best = Some(index);
        }
    }

    /// Forgets the choice, after the encodings changed.
    pub(crate) fn reset(&mut self) {
        self.best = None;
    }
}
