//! A place for one thing, where the newest wins.

use std::sync::{Condvar, Mutex, PoisonError};

use super::lock;

/// What is in the slot.
enum Content<T> {
    Empty,
    Full(T),
    Closed,
}

/// What became of a value, or of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in.
    Taken,
    /// It is in, instead of one that nobody took.
    Replaced,
    /// Nothing goes in any more.
    Closed,
}

/// Hands the latest value from one thread to another.
pub(super) struct Slot<T> {
    content: Mutex<Content<T>>,
    changed: Condvar,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self {
            content: Mutex::new(Content::Empty),
            changed: Condvar::new(),
        }
    }

    /// Puts a value in, unless the slot is closed.
    pub(super) fn put(&self, value: T) -> Put {
        let mut content = lock(&self.content);
        let put = match *content {
            Content::Closed => return Put::Closed,
            Content::Full(_) => Put::Replaced,
            Content::Empty => Put::Taken,
        };
        *content = Content::Full(value);
        self.changed.notify_one();
        put
    }

    /// Waits for a value; `None` once the slot is closed.
    pub(super) fn take(&self) -> Option<T> {
        let mut content = lock(&self.content);
        loop {
            match std::mem::replace(&mut *content, Content::Empty) {
                Content::Full(value) => return Some(value),
                Content::Closed => {
                    *content = Content::Closed;
                    return None;
                }
                Content::Empty => {
                    let waited = self.changed.wait(content);
                    content = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Ends the slot: nothing goes in or comes out any more.
    pub(super) fn close(&self) {
        *lock(&self.content) = Content::Closed;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_newest_value_wins_and_the_loss_is_told() {
        let slot = Slot::new();
        assert_eq!(slot.put(1), Put::Taken);
        assert_eq!(slot.put(2), Put::Replaced);
        assert_eq!(slot.take(), Some(2));
        assert_eq!(slot.put(3), Put::Taken);
    }

    #[test]
    fn a_closed_slot_ends_the_waiting() {
        let slot = Arc::new(Slot::<u8>::new());
        let waiting = Arc::clone(&slot);
        let thread = std::thread::spawn(move || waiting.take());
        slot.close();
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(slot.put(1), Put::Closed);
        assert_eq!(slot.take(), None);
    }
}
