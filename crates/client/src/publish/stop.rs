//! Asking the threads of a publication to end, and what becomes of its source then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::{End, Source, SourceEnded, lock};
use crate::{Error, Kind};

/// What becomes of a source once nothing is taken from it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It comes back, to be published again.
    Return,
    /// It is dropped, so that its device is free. This is final.
    Free,
}

/// Asks threads to end, and wakes them from their pauses.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<State>);

#[derive(Default)]
struct State {
    order: Mutex<Order>,
    changed: Condvar,
}

#[derive(Default)]
struct Order {
    /// Set once it is time to end.
    fate: Option<Fate>,
    failure: Option<Error>,
}

impl Stop {
    /// Asks for the end. Asked again, only [`Fate::Free`] still changes anything.
    pub(crate) fn set(&self, fate: Fate) {
        let mut order = lock(&self.0.order);
        if order.fate != Some(Fate::Free) {
            order.fate = Some(fate);
        }
        self.0.changed.notify_all();
    }

    /// Ends it because something failed beside the source.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.0.order).failure.get_or_insert(error);
        self.set(Fate::Free);
    }

    /// Whether it is time to end.
    pub(super) fn is_set(&self) -> bool {
        lock(&self.0.order).fate.is_some()
    }

    /// Waits until `due`; false when asked to end first.
    pub(super) fn wait_until(&self, due: Instant) -> bool {
        let mut order = lock(&self.0.order);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if order.fate.is_some() || left.is_zero() {
                return order.fate.is_none();
            }
            let waited = self.0.changed.wait_timeout(order, left);
            order = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Tells the participant that a capture thread is at its end.
pub(super) struct EndReport {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) lane: mpsc::Sender<SourceEnded>,
}

impl EndReport {
    /// Lets go of the source as `stop` says, and reports. `end` is how capturing went; a panic of
    /// the source is one of its ways to fail. Waits while the lane is full: this is the end of a
    /// thread, and a source on its way back must not be lost.
    pub(super) fn send(self, source: Source, end: std::thread::Result<End>, stop: &Stop) {
        let end = end.unwrap_or_else(|_| End::Failed(Error::Internal(panic_of(self.kind))));
        let (fate, failure) = {
            let mut order = lock(&stop.0.order);
            (order.fate, order.failure.take())
        };
        let end = failure.map_or(end, End::Failed);
        let source = match (&end, fate) {
            (End::Asked, Some(Fate::Return)) => Some(source),
            _ => {
                free(source);
                None
            }
        };
        let ended = SourceEnded {
            kind: self.kind,
            number: self.number,
            source,
            end,
        };
        // Without a participant nobody waits for it.
        drop(self.lane.blocking_send(ended));
    }
}

/// Drops a source, which may take a while and, after a panic, panic again.
fn free(source: Source) {
    if catch_unwind(AssertUnwindSafe(|| drop(source))).is_err() {
        tracing::error!("a source could not be closed in good order");
    }
}

fn panic_of(kind: Kind) -> String {
    let device = match kind {
        Kind::Audio => "microphone",
        Kind::Video => "camera",
    };
    format!("the {device} failed in a way that nobody planned for")
}
