//! What waits to be sent to the page: bounded, and every drop counted.
//!
//! Rules: encoded frames build on each other, so they queue in order; where there is no room, a
//! tile's frames are dropped up to its next keyframe, which is asked for. Whole pictures do not,
//! so of each tile only the newest waits. Loudness is a state, so the newest replaces the older.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Encoded frames that may wait: half a second of nine tiles at 25 a second. A page that is
/// further behind shows the past; it does better with a fresh keyframe.
const FRAMES_MAX: usize = 112;

/// Bytes of encoded frames that may wait: half a second of nine tiles at 4 Mbit/s each.
const BYTES_MAX: usize = 2 << 20;

/// Frames of a tile that are dropped before its keyframe is asked for once more: the first wish
/// may be lost on its way.
const ASK_EVERY: u32 = 32;

/// What was dropped for want of room, or because no keyframe came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Encoded frames.
    pub encoded: u64,
    /// Whole pictures that a newer one replaced.
    pub pictures: u64,
}

/// Frames for one page.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    encoded: VecDeque<Vec<u8>>,
    encoded_bytes: usize,
    pictures: BTreeMap<u32, Vec<u8>>,
    levels: Option<Vec<u8>>,
    /// Tiles whose frames follow each other without a gap. All others can go on with a keyframe
    /// only; of them, how many frames were dropped since one was asked for.
    whole: BTreeSet<u32>,
    dropped: BTreeMap<u32, u32>,
    drops: Drops,
}

impl Outbox {
    /// Queues an encoded frame of `tile`. Says whether a keyframe has to be asked for: a page that
    /// has just come, or has just begun to look, cannot use anything else either.
    pub(super) fn push_encoded(&mut self, tile: u32, keyframe: bool, frame: Vec<u8>) -> bool {
        let has_room =
            self.encoded.len() < FRAMES_MAX && self.encoded_bytes + frame.len() <= BYTES_MAX;
        if !has_room || !(keyframe || self.whole.contains(&tile)) {
            self.whole.remove(&tile);
            self.drops.encoded += 1;
            let dropped = self.dropped.entry(tile).or_default();
            *dropped += 1;
            return keyframe || *dropped % ASK_EVERY == 1;
        }
        self.whole.insert(tile);
        self.dropped.remove(&tile);
        self.encoded_bytes += frame.len();
        self.encoded.push_back(frame);
        false
    }

    /// Learns which tiles are looked at: whatever is looked at anew begins with a keyframe.
    pub(super) fn keep(&mut self, is_looked_at: impl Fn(u32) -> bool) {
        self.whole.retain(|tile| is_looked_at(*tile));
        self.dropped.retain(|tile, _| is_looked_at(*tile));
    }

    /// Queues a whole picture of `tile` in place of an older one.
    pub(super) fn push_picture(&mut self, tile: u32, frame: Vec<u8>) {
        if self.pictures.insert(tile, frame).is_some() {
            self.drops.pictures += 1;
        }
    }

    /// Queues how loud everybody is, in place of what was.
    pub(super) fn push_levels(&mut self, frame: Vec<u8>) {
        self.levels = Some(frame);
    }

    /// Takes the next frame: the short and hasty ones first.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        if let Some(levels) = self.levels.take() {
            return Some(levels);
        }
        if let Some(frame) = self.encoded.pop_front() {
            self.encoded_bytes -= frame.len();
            return Some(frame);
        }
        self.pictures.pop_first().map(|(_, frame)| frame)
    }

    /// Returns what was dropped so far.
    pub(super) fn drops(&self) -> Drops {
        self.drops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(outbox: &mut Outbox, tile: u32) {
        for number in 0..FRAMES_MAX {
            assert!(!outbox.push_encoded(tile, number == 0, vec![1]));
        }
    }

    #[test]
    fn encoded_frames_keep_their_order() {
        let mut outbox = Outbox::default();
        for number in 0..5 {
            assert!(!outbox.push_encoded(u32::from(number % 2), number < 2, vec![number]));
        }
        for number in 0..5 {
            assert_eq!(outbox.pop(), Some(vec![number]));
        }
        assert_eq!((outbox.pop(), outbox.drops()), (None, Drops::default()));
    }

    #[test]
    fn a_full_box_drops_a_tile_up_to_its_next_keyframe() {
        let mut outbox = Outbox::default();
        assert!(!outbox.push_encoded(2, true, vec![2]));
        outbox.pop();
        fill(&mut outbox, 1);
        assert!(
            outbox.push_encoded(2, false, vec![2]),
            "asks for a keyframe"
        );
        assert!(!outbox.push_encoded(2, false, vec![2]), "asks once");
        assert!(
            outbox.push_encoded(2, true, vec![2]),
            "still no room for it"
        );
        outbox.pop();
        assert!(
            !outbox.push_encoded(2, false, vec![3]),
            "a keyframe is needed"
        );
        assert!(!outbox.push_encoded(2, true, vec![4]));
        outbox.pop();
        assert!(!outbox.push_encoded(2, false, vec![5]));
        assert_eq!(outbox.drops().encoded, 4);
        let rest: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(rest[rest.len() - 2..], [vec![4], vec![5]]);
    }

    #[test]
    fn nothing_begins_without_a_keyframe_and_that_is_asked_for_again() {
        let mut outbox = Outbox::default();
        let wishes = (0..2 * ASK_EVERY).filter(|_| outbox.push_encoded(1, false, vec![1]));
        assert_eq!(wishes.count(), 2);
        assert!(!outbox.push_encoded(1, true, vec![1]));
        assert!(!outbox.push_encoded(1, false, vec![1]));
        outbox.keep(|tile| tile == 1);
        assert!(
            !outbox.push_encoded(1, false, vec![1]),
            "looked at all along"
        );
        outbox.keep(|_| false);
        assert!(outbox.push_encoded(1, false, vec![1]), "looked at anew");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut outbox = Outbox::default();
        assert!(!outbox.push_encoded(1, true, vec![0; BYTES_MAX]));
        assert!(outbox.push_encoded(1, false, vec![0]));
        outbox.pop();
        assert!(!outbox.push_encoded(1, true, vec![0; BYTES_MAX]));
    }

    #[test]
    fn of_whole_pictures_and_levels_the_newest_waits() {
        let mut outbox = Outbox::default();
        outbox.push_picture(0, vec![1]);
        outbox.push_picture(0, vec![2]);
        outbox.push_picture(3, vec![3]);
        outbox.push_levels(vec![4]);
        outbox.push_levels(vec![5]);
        let all: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(all, [vec![5], vec![2], vec![3]]);
        assert_eq!(outbox.drops().pictures, 1);
    }
}
